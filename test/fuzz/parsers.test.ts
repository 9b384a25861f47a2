// parsers.test — what parses the bytes of peers, called by itself with bytes that are spoilt in every way.
// A million executions are a soak: `npm run soak parsers`. GUNPORT_SEED repeats a run, GUNPORT_PEER one execution of it.

import { expect } from 'chai';
import { seedOf } from '../support/chance.ts';
import { fuzzParsers } from './parsers.ts';
import { TARGETS } from './targets.ts';

const ALONE = process.env['GUNPORT_PEER'];
const COUNT = ALONE === undefined ? 20_000 : 1;

describe('the parsers of what peers send', () => {
  const seed = seedOf();

  it(`never throw, give amounts that make sense, and mind no cut (GUNPORT_SEED=${seed})`, () => {
    const { faults, outcomes } = fuzzParsers({ seed, from: Number(ALONE ?? 0), count: COUNT });
    expect(faults).to.deep.equal([]);
    if (COUNT === 1) return;
    // Each has got farther than its first error.
    for (const { name } of TARGETS) expect(outcomes.get(name), name).to.be.above(2);
  }).timeout(60_000);
});
