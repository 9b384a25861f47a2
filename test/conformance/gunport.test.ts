// gunport.test — the client of this package, against the fuzzing server: every mandatory case, strictly.

import { expect } from 'chai';
import { feeds } from '../support/feeds.ts';
import { USUAL } from './cases.ts';
import { play } from './client.ts';
import { gunportClient } from './clients/gunport.ts';
import type { Verdict } from './judge.ts';
import { notOk, PATIENT } from './support.ts';

describe('conformance of gunport', function () {
  this.timeout(60_000);
  this.slow(10_000);
  const { pool } = feeds();

  it(`passes all ${USUAL.length} cases of the fuzzing server, none of them only non-strictly`, async () => {
    const verdicts: Verdict[] = await play(gunportClient(pool), USUAL, { patience: PATIENT });
    const reasons = verdicts.filter(({ grade }) => grade === 'FAILED' || grade === 'NON-STRICT');
    expect(reasons).to.deep.equal([]);
    expect(notOk(verdicts)).to.deep.equal([
      // It refuses a window of 8 bits, which zlib would quietly make 9 of; and zlib keeps more than it was asked for.
      'INFORMATIONAL 13.5.7',
      'INFORMATIONAL 13.8.9',
    ]);
  });
});
