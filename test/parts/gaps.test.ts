// Tests of the part that watches the numbers of a feed.

import { expect } from 'chai';
import { OptionError } from '../../lib/errors.ts';
import { type Gap, type GapsOptions, gaps, json, pipe } from '../../lib/parts/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { PartStage } from '../support/part-stage.ts';

interface Numbered {
  readonly n?: number;
  readonly s?: string;
  readonly p?: number;
}

function stand(options: Partial<GapsOptions<Numbered>> = {}) {
  const stage = new PartStage();
  const told: Gap<Numbered>[] = [];
  const watch = gaps<Numbered>({
    sequence: ({ n }) => n,
    onGap: (gap) => void told.push(gap),
    ...options,
  });
  const handler = pipe(stage, json<Numbered>(), watch);
  const feed = (...values: readonly Numbered[]): void => {
    for (const value of values) handler.message(JSON.stringify(value));
  };
  const numbers = (...list: readonly number[]): void => feed(...list.map((n) => ({ n })));
  const out = (): unknown[] => stage.take().map((value) => (value as Numbered).n);
  return { stage, told, watch, handler, feed, numbers, out, counters: watch.counters };
}

describe('gaps', () => {
  it('passes on what follows, and tells of what is missing before it passes on what is behind', () => {
    const { told, numbers, out, counters } = stand();
    numbers(5, 6, 9, 10);
    expect(out()).to.deep.equal([5, 6, 9, 10]);
    expect(told).to.deep.equal([{ key: undefined, last: 6, expected: 7, got: 9, value: { n: 9 } }]);
    expect(counters).to.include({ in: 4, out: 4, gaps: 1, duplicates: 0, late: 0 });
  });

  it('drops what comes twice, and passes on what comes late', () => {
    const { numbers, out, counters } = stand();
    numbers(1, 2, 2, 5, 3, 3, 1, 4, 4, 6);
    expect(out()).to.deep.equal([1, 2, 5, 3, 4, 6]);
    expect(counters).to.include({ dropped: 4, gaps: 1, duplicates: 4, late: 2 });
  });

  it('drops what is late and passes on what comes twice where asked', () => {
    const { numbers, out, counters } = stand({ late: 'drop', duplicates: 'pass' });
    numbers(1, 3, 2, 3, 4);
    expect(out()).to.deep.equal([1, 3, 3, 4]);
    expect(counters).to.include({ dropped: 1, late: 1, duplicates: 1 });
  });

  it('counts each key for itself', () => {
    const { told, feed, out } = stand({ key: ({ s }) => s });
    feed({ s: 'a', n: 1 }, { s: 'b', n: 7 }, { s: 'a', n: 2 }, { s: 'b', n: 9 });
    expect(out()).to.deep.equal([1, 7, 2, 9]);
    expect(told.map(({ key, expected }) => [key, expected])).to.deep.equal([['b', 8]]);
  });

  it('goes by the number before, where values name it', () => {
    const { told, feed } = stand({ previous: ({ p }) => p });
    feed({ n: 10 }, { n: 15, p: 10 }, { n: 30, p: 20 }, { n: 31 });
    expect(told.map(({ last, expected, got }) => [last, expected, got])).to.deep.equal([[15, 20, 30]]);
  });

  it('goes by a rule of its own', () => {
    const { told, numbers } = stand({ next: (n) => Number(n) + 2 });
    numbers(2, 4, 8);
    expect(told.map(({ expected, got }) => [expected, got])).to.deep.equal([[6, 8]]);
  });

  it('takes bigints', () => {
    const { told, numbers, counters } = stand({ sequence: ({ n }) => BigInt(n ?? 0) + 2n ** 60n });
    numbers(1, 2, 4, 3, 3);
    expect(told.map(({ expected }) => expected)).to.deep.equal([2n ** 60n + 3n]);
    expect(counters).to.include({ gaps: 1, late: 1, duplicates: 1 });
  });

  it('passes on what has no number, and fails for what is none', () => {
    const { feed, out, counters, stage } = stand();
    feed({ n: 1 }, {}, { n: '2' as never }, { n: 2 });
    expect(out()).to.deep.equal([1, undefined, 2]);
    expect(counters).to.include({ failed: 1, gaps: 0 });
    expect(String(stage.faults[0]?.error)).to.include('a sequence must be a number, got "2"');
  });

  it('takes what was missed while the socket was lost for a gap; or begins anew, where asked', () => {
    const [going, anew] = [stand(), stand({ scope: 'connection' })];
    for (const { numbers, handler } of [going, anew]) {
      numbers(1, 2);
      handler.down();
      numbers(9, 10);
    }
    expect(going.counters['gaps']).to.equal(1);
    expect(anew.counters['gaps']).to.equal(0);
  });

  it('begins anew when it is told', () => {
    const { watch, feed, out, counters } = stand({ key: ({ s }) => s });
    feed({ s: 'a', n: 5 }, { s: 'b', n: 5 });
    watch.reset('a');
    feed({ s: 'a', n: 1 }, { s: 'b', n: 1 });
    watch.reset();
    feed({ s: 'b', n: 1 });
    expect(out()).to.deep.equal([5, 5, 1, 1]);
    expect(counters['duplicates']).to.equal(1);
  });

  it('remembers so many keys and no more', () => {
    const { feed, counters } = stand({ key: ({ s }) => s, maxKeys: 2 });
    feed({ s: 'a', n: 5 }, { s: 'b', n: 5 }, { s: 'c', n: 5 });
    feed({ s: 'c', n: 5 }, { s: 'b', n: 5 }, { s: 'a', n: 5 });
    expect(counters['duplicates']).to.equal(2);
  });

  it('passes on each number once, whatever is lost, doubled and shuffled', () => {
    const seed = seedOf();
    const next = chance(seed);
    for (let round = 0; round < 100; round++) {
      const { numbers, out, counters } = stand();
      const list: number[] = [0];
      for (let n = 1; n < 50; n++) {
        if (next(5) === 0) continue;
        list.push(n);
        if (next(5) === 0) list.push(n);
        const [a, b] = [list.length - 1, Math.max(1, list.length - 1 - next(4))];
        if (next(3) === 0) [list[a], list[b]] = [list[b]!, list[a]!];
      }
      numbers(...list);
      expect(out(), `seed ${seed}, round ${round}`).to.deep.equal([...new Set(list)]);
      expect(counters['duplicates']).to.equal(list.length - new Set(list).size);
    }
  });

  it('refuses bad options', () => {
    expect(() => gaps({} as never)).to.throw(OptionError, 'gaps.sequence must be a function, got undefined');
    expect(() => stand({ late: 'keep' as never })).to.throw(OptionError, 'gaps.late must be one of');
    expect(() => stand({ onGap: 1 as never })).to.throw(OptionError, 'gaps.onGap');
  });
});
