// peers.test — fuzzed peers of every protocol, spoilt at every stage: what holds whatever they do.
// GUNPORT_PEERS: how many (10 000 and more are a soak: `npm run soak peers`). GUNPORT_SEED repeats a run, GUNPORT_PEER one
// peer of it.

import { expect } from 'chai';
import { seedOf } from '../support/chance.ts';
import { fuzz } from './fuzz.ts';
import { STAGES } from './stages.ts';

const ALONE = process.env['GUNPORT_PEER'];
const COUNT = ALONE === undefined ? Number(process.env['GUNPORT_PEERS'] ?? 1_000) : 1;

describe('a peer that sends anything at any stage of any protocol', () => {
  const seed = seedOf();

  it(`hangs nothing, kills no thread, harms no neighbour and leaves nothing (GUNPORT_SEED=${seed}) (S1 to S4, M1)`, async () => {
    const { faults, peers, stages, codes } = await fuzz({ seed, from: Number(ALONE ?? 0), count: COUNT });
    expect(faults).to.deep.equal([]);
    expect(peers).to.equal(COUNT);
    if (COUNT < 1_000) return;
    // It did get about, and was met with what each of these deserves.
    for (const [spoken, places] of Object.entries(STAGES)) {
      const spoilt = places.filter((stage) => (stages.get(`${spoken}: ${stage}`) ?? 0) > 0);
      expect(spoilt, spoken).to.have.lengthOf.at.least(places.length - 2);
    }
    expect(codes.size).to.be.at.least(12);
  }).timeout(120_000);
});
