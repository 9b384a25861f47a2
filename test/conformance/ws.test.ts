// ws.test — the client of ws 8.23 against the fuzzing server: the kit gives what is known of it, case by case.

import { expect } from 'chai';
import { USUAL } from './cases.ts';
import { play } from './client.ts';
import { wsClient } from './clients/ws.ts';
import { notOk, PATIENT } from './support.ts';

/** It looks whether a text is UTF-8 when the text is whole: right, and not at once. */
const LATE = USUAL.filter(({ id }) => /^6\.(4|24|25|26)\./.test(id));

const OTHERWISE = [
  // zlib keeps more than the window that was agreed on.
  'INFORMATIONAL 13.8.9',
  // Node's HTTP parser takes an answer in HTTP/1.0.
  'FAILED 14.1.5',
  // It needs one of the subprotocols that it has offered.
  'INFORMATIONAL 14.5.5',
  // It takes the first of two answers to one offer, and a larger window than it has offered.
  'FAILED 14.7.3',
  'FAILED 14.7.19',
  // It takes an answer without what it has asked for.
  'INFORMATIONAL 14.7.21',
  'INFORMATIONAL 14.7.22',
  // It takes lengths in more bytes than needed.
  ...Array.from({ length: 8 }, (_, i) => `FAILED 15.1.${i + 1}`),
];

describe('conformance of ws', function () {
  this.timeout(60_000);
  this.slow(10_000);

  it('fails late on texts that are not UTF-8', async () => {
    // That it does not fail before the whole is there is what is known: so that is not waited for long.
    const verdicts = await play(wsClient, LATE, { patience: { must: PATIENT.must, fast: 20 } });
    expect(notOk(verdicts)).to.deep.equal(LATE.map(({ id }) => `NON-STRICT ${id}`));
  });

  it('takes lengths that are too long, and some answers; all else is OK', async () => {
    const others = USUAL.filter((one) => !LATE.includes(one));
    const verdicts = await play(wsClient, others, { patience: PATIENT });
    expect(notOk(verdicts)).to.have.members(OTHERWISE);
  });
});
