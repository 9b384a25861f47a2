// cuts.test — the server's bytes of every case of bounded size, cut at every byte, byte by byte, and in one piece with
// the answer to the upgrade: what comes out is the same.

import { expect } from 'chai';
import { feeds } from '../support/feeds.ts';
import { type Case, type Step, write } from './case.ts';
import { USUAL } from './cases.ts';
import { play } from './client.ts';
import { gunportClient } from './clients/gunport.ts';
import { expectedOf, framesOf, replay } from './replay.ts';
import { notOk, PATIENT } from './support.ts';

/** Bytes behind the answer, up to which a case is cut at every byte; and up to which it comes byte by byte. */
const EVERY = 250;
const SINGLE = 20_000;

const bounded = USUAL.map((one) => ({ one, frames: framesOf(one) })).filter(
  ({ frames }) => frames.length <= SINGLE,
);

function single(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

function inTwo(bytes: Buffer, at: number): Buffer[] {
  return [bytes.subarray(0, at), bytes.subarray(at)];
}

/** Informational: what a client makes of it is open, not that it is the same. */
function open({ informational }: Case): boolean {
  return informational === true;
}

describe('what a server says, however it is cut', function () {
  this.timeout(60_000);
  this.slow(10_000);

  it(`is what the case expects (${bounded.length} cases)`, () => {
    for (const { one, frames } of bounded) {
      if (open(one)) continue;
      const whole = replay(one, frames, (answer, rest) => [answer, rest]);
      const { end } = one.expected;
      const expected = expectedOf(one);
      expect(whole.slice(0, expected.length), one.id).to.deep.equal(expected);
      const rest = whole.slice(expected.length).join();
      if (end.type === 'close')
        expect(rest, one.id).to.include(`close ${end.code} ,finished: ${end.code ?? 1005}`);
      if (end.type === 'fail')
        expect(rest, one.id).to.match(new RegExp(`^close (${end.codes.join('|')}) ,FIN,`));
    }
  });

  it('is the same right behind the answer, and byte by byte', () => {
    for (const { one, frames } of bounded) {
      const whole = replay(one, frames, (answer, rest) => [answer, rest]);
      const behind = replay(one, frames, (answer, rest) => [Buffer.concat([answer, rest])]);
      expect(behind, `${one.id} right behind the answer`).to.deep.equal(whole);
      // A head of a megabyte is read in parts anyway.
      if (one.id === '14.9.6') continue;
      const bytes = replay(one, frames, (answer, rest) => single(Buffer.concat([answer, rest])));
      expect(bytes, `${one.id} byte by byte`).to.deep.equal(whole);
    }
  });

  it('is the same cut in two at every byte', () => {
    let cuts = 0;
    for (const { one, frames } of bounded) {
      if (frames.length > EVERY) continue;
      const whole = replay(one, frames, (answer, rest) => [answer, rest]);
      for (let at = 1; at < frames.length; at++, cuts++) {
        const cut = replay(one, frames, (answer, rest) => [answer, ...inTwo(rest, at)]);
        expect(cut, `${one.id} cut at ${at}`).to.deep.equal(whole);
      }
    }
    expect(cuts).to.be.above(10_000);
  });

  it('is the same with the answer cut in two at every byte', () => {
    for (const { one, frames } of bounded) {
      if (!one.id.startsWith('14.') || one.id === '14.9.6') continue;
      let length = 1;
      const whole = replay(one, frames, (answer, rest) => {
        length = Math.min(answer.length, 1_000);
        return [answer, rest];
      });
      for (let at = 1; at < length; at++) {
        const cut = replay(one, frames, (answer, rest) => inTwo(Buffer.concat([answer, rest]), at));
        expect(cut, `${one.id} cut at ${at} of its answer`).to.deep.equal(whole);
      }
    }
  });
});

describe('what a server says over real sockets, however it is cut', function () {
  this.timeout(60_000);
  this.slow(10_000);
  const { pool } = feeds();

  /** Every seventh case, its writes otherwise. */
  function sample(change: (steps: readonly Step[]) => readonly Step[]): Case[] {
    const small = bounded.filter(({ frames, one }) => frames.length <= 4_000 && !open(one));
    return small
      .filter((_, i) => i % 7 === 0)
      .map(({ one }) => ({ ...one, steps: () => change(one.steps()) }));
  }

  it('passes byte by byte', async () => {
    const cases = sample((steps) =>
      steps.map((step) => (step.type === 'write' ? { ...step, size: 1 } : step)),
    );
    expect(notOk(await play(gunportClient(pool), cases, { patience: PATIENT }))).to.deep.equal([]);
  });

  it('passes in one write, where nothing is waited for between', async () => {
    const cases = sample((steps) => {
      const writes = steps.flatMap((step) => (step.type === 'write' ? [step.bytes] : []));
      const isPlain = writes.length === steps.length && writes.length > 0;
      return isPlain ? [write(...writes)] : steps;
    });
    expect(notOk(await play(gunportClient(pool), cases, { patience: PATIENT }))).to.deep.equal([]);
  });
});
