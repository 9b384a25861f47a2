import { expect } from 'chai';
import { seedOf } from '../support/chance.ts';
import { tunnelStorm } from '../support/tunnelstorm.ts';

describe('a storm of tunnels (O1, S1, S2, S4)', function () {
  this.timeout(60_000);
  this.slow(30_000);
  const seed = seedOf();

  it(`settles all that was begun, in order and once, and leaves nothing alive (GUNPORT_SEED=${seed})`, async () => {
    const { streams } = await tunnelStorm({ seed, duration: 2_000, atOnce: 8 });
    expect(streams).to.be.above(0);
  });
});
