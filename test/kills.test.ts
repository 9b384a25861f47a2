// kills.test — the whole under fire: see support/kills.ts. GUNPORT_SEED repeats a run.

import { expect } from 'chai';
import { seedOf } from './support/chance.ts';
import { kills } from './support/kills.ts';

describe('a thread killed at any moment', function () {
  this.timeout(30_000);
  this.slow(10_000);

  const seed = seedOf();
  it(`leaves no promise pending, no monitor without its one true Down, and nothing alive (S1, S4, M1; seed ${seed})`, async () => {
    const figures = await kills(12, seed, () => {});
    expect(figures.kills).to.equal(12);
    expect(figures.transfers).to.be.above(2);
  });
});
