import { expect } from 'chai';
import { seedOf } from '../support/chance.ts';
import { clientStorm } from '../support/client-storm.ts';

describe('a client in a storm', () => {
  it('outlives 50 lost sockets, 5 dead threads and 20 hand-overs, and leaves nothing pending', async function () {
    this.timeout(20_000);
    const seed = seedOf();
    const report = await clientStorm(seed, { drops: 50, kills: 5, transfers: 20 }).catch((cause: Error) => {
      throw new Error(`GUNPORT_SEED=${seed}: ${cause.message}`, { cause });
    });
    expect(report.promises).to.be.above(150);
    expect(report.connections).to.be.at.least(45);
    expect(report.numbers).to.be.above(50);
  });
});
