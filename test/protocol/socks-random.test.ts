import { expect } from 'chai';
import { chance } from '../support/chance.ts';
import { ask, hexOf, randomAnswer, run, USER } from '../support/socks-machine.ts';

describe('random answers of a SOCKS server', () => {
  const seed = Number(process.env['GUNPORT_SEED'] ?? Date.now() % 1_000_000);

  it(`end in a tunnel, a typed error, or wait; the same however they are cut (GUNPORT_SEED=${seed})`, () => {
    const roll = chance(seed);
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 20_000; round++) {
      const from = ask({ credentials: roll(2) === 0 ? USER : undefined });
      const bytes = randomAnswer(roll, from.credentials !== undefined);
      const whole = run(from, [bytes]);
      const parts: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; ) {
        const step = 1 + roll(roll(2) === 0 ? 3 : bytes.length);
        parts.push(bytes.subarray(at, at + step));
        at += step;
      }
      expect(run(from, parts), hexOf(bytes)).to.deep.equal(whole);
      const ends = whole.filter((word) => /^(up|fail)/.test(word));
      expect(ends.length, hexOf(bytes)).to.be.at.most(1);
      const outcome = /^(up|fail [^:]+)/.exec(ends[0] ?? 'wait ')?.[1] ?? 'wait';
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    // All of them are met: what comes is not just noise.
    expect([...outcomes.keys()].sort()).to.include.members([
      ...['up', 'wait', 'fail wrong-version', 'fail no-acceptable-method', 'fail method-not-offered'],
      ...['fail auth-failed', 'fail wrong-auth-version', 'fail unassigned-reply', 'fail ttl-expired'],
      ...['fail reserved-byte', 'fail bad-address-type', 'fail empty-name'],
    ]);
  }).timeout(20_000);
});
