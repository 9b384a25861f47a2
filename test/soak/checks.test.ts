// checks.test — what judges a soak, given faults that must be found: ledger, flatness, report, and the command's arguments.

import { expect } from 'chai';
import { type Mixed, parse } from './arguments.ts';
import { counts, type Sample, verdict } from './mixed/flatness.ts';
import { Ledger, shared } from './mixed/ledger.ts';
import { tellResult } from './mixed/report.ts';
import { type Stamp, stamped, stampOf } from './mixed/stamps.ts';

const PAGE = 3;

/** Hands messages to a ledger, each `[key, number]`, with what is known of the WebSocket before. */
function given(
  ...stamps: readonly (readonly [key: number, number: number, before?: [number, number]])[]
): Ledger {
  const ledger = new Ledger(shared());
  ledger.begin(PAGE);
  for (const one of stamps) give(ledger, ...one);
  return ledger;
}

function give(ledger: Ledger, key: number, number: number, [beforeKey, beforeCount] = [0, -1]): void {
  ledger.message(PAGE, stamped({ key, number, beforeKey, beforeCount }, 64, number % 2 === 0));
}

describe('the ledger of a soak', () => {
  it('counts messages that come once and in order, over reconnects', () => {
    const ledger = given([1, 0], [1, 1], [4, 0, [1, 2]], [4, 1]);
    expect([ledger.counted('messages'), ledger.counted('reconnects')]).to.deep.equal([4, 1]);
  });

  it('finds a message that is lost', () => {
    expect(() => given([1, 0], [1, 2])).to.throw('lost: 2 of 1 came in place of 1 of 1');
  });

  it('finds a message that comes twice', () => {
    expect(() => given([1, 0], [1, 1], [1, 0])).to.throw('repeated: 0 of 1');
  });

  it('finds a message of a WebSocket that is over', () => {
    expect(() => given([2, 0], [1, 0])).to.throw('reordered: 0 of 1');
  });

  it('finds the loss of the last messages before a polite end, and of the first ones after any', () => {
    expect(() => given([1, 0], [2, 0, [1, 2]])).to.throw('lost before a polite end behind 2');
    expect(() => given([1, 0], [2, 1])).to.throw('lost at the beginning');
  });

  it('lets a dead owner take some along, once, and none come again', () => {
    const ledger = given([1, 0], [1, 1]);
    ledger.gap(PAGE);
    give(ledger, 1, 5);
    expect(() => give(ledger, 1, 9)).to.throw('lost');
    ledger.gap(PAGE);
    expect(() => give(ledger, 1, 2)).to.throw('repeated');
  });
});

describe('a stamped message of a soak', () => {
  const stamp: Stamp = { key: 300_000, number: 70_001, beforeKey: 7, beforeCount: -1 };
  for (const text of [true, false]) {
    it(`says which it is, ${text ? 'as text, and as the bytes of a text' : 'as bytes'}`, () => {
      const message = stamped(stamp, 500, text);
      expect(stampOf(message)).to.deep.equal(stamp);
      if (typeof message === 'string') expect(stampOf(Buffer.from(message))).to.deep.equal(stamp);
    });

    it(`is found out when ${text ? 'a character' : 'a byte'} is another, or missing`, () => {
      const message = stamped(stamp, 500, text);
      const other =
        typeof message === 'string' ? `${message.slice(0, -2)}??` : Buffer.from(message).fill(9, 400, 401);
      expect(() => stampOf(other)).to.throw('70001 of 300000 is damaged');
      expect(() => stampOf(message.slice(0, -1))).to.throw('is damaged');
    });
  }
});

/** Asked for without a word. */
const MIXED: Mixed = { type: 'mixed', seconds: 300, rest: 15, allowed: 0.05, seed: undefined, plants: [] };

/** Rests with these bytes of heap. */
function rests(heaps: readonly number[], more: (i: number) => Record<string, number> = () => ({})): Sample[] {
  return heaps.map((heap, at) => ({
    at,
    memory: { heap: heap * 1024 * 1024 },
    counts: { threads: 19, ...more(at) },
  }));
}

describe('the flatness of a soak', () => {
  it('takes noise for flat, and an outlier', () => {
    expect(verdict(rests([100, 102, 98, 150, 101, 99, 103, 97, 104]), 0.05).faults).to.deep.equal([]);
  });

  it('finds memory that grows by more than is allowed', () => {
    const { faults } = verdict(rests([100, 101, 102, 103, 104, 105, 106, 107, 108]), 0.05);
    expect(faults).to.deep.equal(['heap grew by 5.9 %: 101.0 to 107.0 MiB']);
  });

  it('finds one thread more, at whichever rest', () => {
    const { faults } = verdict(
      rests([1, 1, 1, 1, 1, 1], (at) => (at === 3 ? { threads: 20 } : {})),
      0.05,
    );
    expect(faults).to.deep.equal(['20 threads instead of 19']);
  });

  it('finds ports that grow', () => {
    const two = rests([1, 1], (at) => ({ 'ports of main': 70 + at })) as [Sample, Sample];
    expect(counts(...two)).to.deep.equal(['71 ports of main instead of 70']);
  });

  it('tells nothing of memory after a few rests', () => {
    expect(verdict(rests([1, 2, 3, 4, 5]), 0.05)).to.deep.equal({ growths: [], faults: [] });
  });

  it('is claimed only where it was judged', () => {
    const told = (heaps: readonly number[]): string => {
      const samples = rests(heaps);
      const result = { seed: 7, totals: {}, samples, ...verdict(samples, 0.05) };
      const { text } = tellResult(result, { ...MIXED, seconds: 60 });
      return text.slice(text.lastIndexOf('\n') + 1);
    };
    const again = '; again: npm run soak -- --seconds 60 --seed 7';
    const good = '✔ nothing lost, nothing hung, memory';
    expect(told([1, 1, 1, 1, 1, 1])).to.equal(`${good} flat within 5.0 %${again}`);
    expect(told([1, 2, 3, 4, 5])).to.equal(`${good} not judged, with so few rests${again}`);
    expect(told([1, 2, 3, 4, 5, 6])).to.equal(`✖ 1 faults${again}`);
  });
});

describe('the arguments of a soak', () => {
  for (const [line, expected] of [
    ['', MIXED],
    ['3600', { ...MIXED, seconds: 3_600, rest: 60 }],
    ['--minutes 60 --seed 7', { ...MIXED, seconds: 3_600, rest: 60, seed: 7 }],
    [
      '--seconds 6 --rest 1 --allowed 60 --plant port',
      { ...MIXED, seconds: 6, rest: 1, allowed: 0.6, plants: ['port'] },
    ],
    ['storm kills', { type: 'jobs', words: ['storm', 'kills'] }],
    ['--list', { type: 'list' }],
  ] as const) {
    it(`are understood: '${line}'`, () => {
      expect(parse(line.split(' ').filter(Boolean))).to.deep.equal(expected);
    });
  }
  for (const [line, message] of [
    ['-5', 'seconds must be a number above 0, got -5'],
    ['--minutes', '--minutes must be a number above 0, got nothing'],
    ['--seed 1.5', '--seed must be an integer, got 1.5'],
    ['--forever', 'there is no option --forever'],
    ['--seconds 5 --minutes 1', 'seconds or minutes, not both'],
    ['storm --seed 7', 'jobs take no seed: storm'],
    ['--plant tree', '--plant must be one of port, bytes, loss, got tree'],
    ['--list 5', '--list goes with nothing else'],
  ] as const) {
    it(`are refused: '${line}'`, () => {
      expect(() => parse(line.split(' '))).to.throw(message);
    });
  }
});
