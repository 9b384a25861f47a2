// kit.test — the kit itself: what cases there are, that a right client passes them all, and that each wrong one is caught.

import { expect } from 'chai';
import { FAMILIES, familyOf, USUAL } from './cases.ts';
import { play } from './client.ts';
import { rawClient } from './raw/client.ts';
import { FAULTS, type FaultName } from './raw/faults.ts';
import { notOk, PATIENT } from './support.ts';

describe('the fuzzing WebSocket server', function () {
  this.timeout(60_000);
  this.slow(10_000);

  it('has at least 400 cases, in families after those of the Autobahn test suite', () => {
    expect(USUAL.length).to.be.at.least(400);
    expect(new Set(USUAL.map(({ id }) => id)).size).to.equal(USUAL.length);
    expect([...new Set(USUAL.map(familyOf))]).to.deep.equal(Object.keys(FAMILIES));
    expect(USUAL.filter(({ section }) => !section.startsWith('RFC '))).to.deep.equal([]);
  });

  it('passes a client that follows every rule: it is not merely strict', async () => {
    const verdicts = await play(rawClient(), USUAL, { patience: PATIENT });
    expect(notOk(verdicts)).to.deep.equal([
      // What a client may do otherwise: zlib has no window of 8 bits, and keeps more than it was asked for.
      'INFORMATIONAL 13.5.7',
      'INFORMATIONAL 13.8.9',
    ]);
  });

  describe('catches a client that', () => {
    for (const name of Object.keys(FAULTS) as FaultName[]) {
      const { title, by, says, waits, grade = 'FAILED' } = FAULTS[name];
      const family = FAMILIES[by.split('.')[0] ?? ''];
      it(`${title}, by case ${by} (${family})`, async () => {
        const one = USUAL.filter(({ id }) => id === by);
        expect(one.map(({ informational }) => informational)).to.deep.equal([undefined]);
        const patience = { must: waits ? 1_000 : PATIENT.must, fast: 30 };
        const [verdict] = await play(rawClient(name), one, { patience });
        expect(verdict).to.include({ id: by, grade });
        expect(verdict?.reason).to.include(says);
      });
    }
  });
});
