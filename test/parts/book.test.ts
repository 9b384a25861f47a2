// Tests of order books: the book alone, against a plain model, and as a part.

import { expect } from 'chai';
import { OptionError } from '../../lib/errors.ts';
import {
  type BookChange,
  type BookLoss,
  type BookOptions,
  type BookUpdate,
  book,
  json,
  type Level,
  OrderBook,
  pipe,
} from '../../lib/parts/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { PartStage } from '../support/part-stage.ts';

const snapshot: BookUpdate = {
  type: 'snapshot',
  bids: [
    [99, 1],
    [98, 2],
    [97, 3],
  ],
  asks: [
    [100, 1],
    [101, 2],
  ],
  sequence: 10,
};

function delta(sequence: number, bids: BookUpdate['bids'] = [], more: Partial<BookUpdate> = {}): BookUpdate {
  return { type: 'delta', bids, asks: [], sequence, ...more };
}

describe('OrderBook', () => {
  it('keeps both sides in order, best first', () => {
    const one = new OrderBook();
    one.apply({
      type: 'snapshot',
      bids: [
        [97, 3],
        [99, 1],
        [98, 2],
      ],
      asks: [
        [101, 2],
        [100, 1],
      ],
    });
    expect(one.best()).to.deep.equal({ bid: [99, 1], ask: [100, 1] });
    expect(one.top(2)).to.deep.equal({
      bids: [
        [99, 1],
        [98, 2],
      ],
      asks: [
        [100, 1],
        [101, 2],
      ],
      sequence: undefined,
    });
    expect(one.levels).to.deep.equal({ bids: 3, asks: 2 });
  });

  it('sets, changes and takes away levels, and says how near to the best', () => {
    const one = new OrderBook();
    expect(one.apply(snapshot)).to.equal(0);
    expect(one.apply(delta(11, [[97, 4]]))).to.equal(2);
    expect(one.apply(delta(12, [[97, 4]]))).to.equal(Number.POSITIVE_INFINITY);
    expect(one.apply(delta(13, [[98.5, 1]]))).to.equal(1);
    expect(one.apply(delta(14, [[99, 0]]))).to.equal(0);
    expect(one.apply(delta(15, [[50, 0]]))).to.equal(Number.POSITIVE_INFINITY);
    expect(one.apply(delta(16, [], { asks: [[101, 5]] }))).to.equal(1);
    expect(one.top()).to.deep.equal({
      bids: [
        [98.5, 1],
        [98, 2],
        [97, 4],
      ],
      asks: [
        [100, 1],
        [101, 5],
      ],
      sequence: 16,
    });
    expect(one.size('bids', 98)).to.equal(2);
    expect(one.size('asks', 98)).to.equal(0);
  });

  it('takes prices and sizes as texts, and fails for what is no number', () => {
    const one = new OrderBook();
    one.apply({ type: 'snapshot', bids: [['99.50', '1.5', 'more']], asks: [] });
    expect(one.best().bid).to.deep.equal([99.5, 1.5]);
    for (const bad of ['', 'x', Number.NaN, undefined, null, 'Infinity']) {
      one.apply({ type: 'snapshot', bids: [['99.50', '1.5']] });
      expect(() => one.apply({ type: 'delta', bids: [[bad as never, 1]] })).to.throw(TypeError);
      // Half of an update is no book.
      expect(one.state).to.equal('waiting');
      expect(one.levels.bids).to.equal(0);
    }
  });

  it('holds deltas until the snapshot is there, and applies those that follow it', () => {
    const one = new OrderBook();
    for (const update of [
      delta(9, [[99, 7]]),
      delta(10, [[99, 8]]),
      delta(11, [[99, 9]]),
      delta(12, [[96, 1]]),
    ])
      expect(one.apply(update)).to.equal(Number.POSITIVE_INFINITY);
    expect(one.state).to.equal('waiting');
    one.apply(snapshot);
    expect(one.state).to.equal('live');
    expect(one.sequence).to.equal(12);
    expect(one.best().bid).to.deep.equal([99, 9]);
    expect(one.counters).to.deep.include({ snapshots: 1, deltas: 2, stale: 2, gaps: 0 });
  });

  it('is empty behind a gap, asks for a snapshot once, and goes on from it', () => {
    const losses: BookLoss[] = [];
    const one = new OrderBook({ onLoss: (loss) => void losses.push(loss) });
    one.apply(snapshot);
    one.apply(delta(12, [[99, 5]]));
    one.apply(delta(13, [[98, 5]]));
    expect(one.state).to.equal('waiting');
    expect(one.best()).to.deep.equal({ bid: undefined, ask: undefined });
    expect(losses).to.deep.equal([{ reason: 'gap', last: 10, got: 12 }]);
    one.apply({ ...snapshot, sequence: 11 });
    expect(one.top(2).bids).to.deep.equal([
      [99, 5],
      [98, 5],
    ]);
    expect(one.sequence).to.equal(13);
    expect(losses).to.have.length(1);
  });

  it('asks again for a snapshot that is too old, and keeps what waits', () => {
    const losses: BookLoss[] = [];
    const one = new OrderBook({ onLoss: (loss) => void losses.push(loss) });
    for (const sequence of [20, 21]) one.apply(delta(sequence, [[sequence, 1]]));
    one.apply(snapshot);
    expect(one.state).to.equal('waiting');
    expect(losses).to.deep.equal([{ reason: 'gap', last: 10, got: 20 }]);
    one.apply({ ...snapshot, sequence: 20 });
    expect(one.state).to.equal('live');
    expect(one.sequence).to.equal(21);
    expect(one.size('bids', 20)).to.equal(0);
    expect(one.size('bids', 21)).to.equal(1);
  });

  it('goes by ranges and by the number before, where deltas have them', () => {
    const losses: BookLoss[] = [];
    const one = new OrderBook({ onLoss: (loss) => void losses.push(loss) });
    one.apply(snapshot);
    one.apply(delta(14, [[99, 2]], { first: 8 }));
    one.apply(delta(20, [[99, 3]], { first: 15 }));
    one.apply(delta(40, [[99, 4]], { previous: 20 }));
    expect(one.best().bid).to.deep.equal([99, 4]);
    one.apply(delta(50, [[99, 5]], { previous: 45 }));
    expect(losses).to.deep.equal([{ reason: 'gap', last: 40, got: 50 }]);
  });

  it('gives up the deltas that wait where there are too many, and asks', () => {
    const losses: BookLoss[] = [];
    const one = new OrderBook({ maxWaiting: 2, onLoss: (loss) => void losses.push(loss) });
    for (const sequence of [11, 12, 13, 14]) one.apply(delta(sequence));
    expect(losses).to.deep.equal([{ reason: 'overflow', last: undefined, got: 13 }]);
    expect(one.counters.overflowed).to.equal(3);
    one.apply({ ...snapshot, sequence: 13 });
    expect(one.state).to.equal('live');
    expect(one.sequence).to.equal(14);
  });

  it('is lost when its check says so', () => {
    const losses: BookLoss[] = [];
    const one = new OrderBook({
      check: (self, { bids }) => bids?.[0]?.[0] !== 66 || self.best().bid?.[0] !== 99,
      onLoss: (loss) => void losses.push(loss),
    });
    one.apply(snapshot);
    one.apply(delta(11, [[65, 1]]));
    expect(one.state).to.equal('live');
    one.apply(delta(12, [[66, 1]]));
    expect(one.state).to.equal('waiting');
    expect(losses).to.deep.equal([{ reason: 'check', last: 12, got: 12 }]);
    expect(one.counters.failedChecks).to.equal(1);
  });

  it('keeps the best levels where there are more than it may keep', () => {
    const one = new OrderBook({ maxLevels: 3 });
    one.apply(snapshot);
    expect(one.apply(delta(11, [[96, 1]]))).to.equal(Number.POSITIVE_INFINITY);
    one.apply(delta(12, [[98.5, 1]]));
    expect(one.top().bids.map(([price]) => price)).to.deep.equal([99, 98.5, 98]);
  });

  it('tells of a loss when it is done: what asks may give the snapshot at once', () => {
    const one = new OrderBook({ onLoss: () => void one.apply({ ...snapshot, sequence: 19 }) });
    one.apply(snapshot);
    one.apply(delta(20, [[99, 5]]));
    expect(one.state).to.equal('live');
    expect(one.sequence).to.equal(20);
  });

  it('is what a plain model is, after any updates', () => {
    const seed = seedOf();
    const next = chance(seed);
    const most = (compare: (a: number, b: number) => number, side: Map<number, number>): Level[] =>
      [...side].sort(([a], [b]) => compare(a, b));
    const shown = (levels: readonly Level[]): string => levels.join(' ');
    const changes = (count: number): (readonly [number, number])[] =>
      Array.from({ length: next(count) }, () => [next(300) / 4, next(3) === 0 ? 0 : 1 + next(9)] as const);
    for (let round = 0; round < 8; round++) {
      const one = new OrderBook();
      const model = { bids: new Map<number, number>(), asks: new Map<number, number>() };
      for (let sequence = 1; sequence <= 100; sequence++) {
        const type = sequence === 1 || next(50) === 0 ? 'snapshot' : 'delta';
        const update: BookUpdate = {
          type,
          bids: changes(type === 'snapshot' ? 200 : 6),
          asks: changes(type === 'snapshot' ? 200 : 6),
          sequence,
        };
        const before = JSON.stringify(one.top(5));
        const near = one.apply(update);
        for (const side of ['bids', 'asks'] as const) {
          if (type === 'snapshot') model[side].clear();
          for (const [price, size] of update[side] as Level[]) {
            if (size === 0) model[side].delete(price);
            else model[side].set(price, size);
          }
        }
        const top = one.top();
        expect(shown(top.bids), `seed ${seed}, round ${round}`).to.equal(
          shown(most((a, b) => b - a, model.bids)),
        );
        expect(shown(top.asks), `seed ${seed}, round ${round}`).to.equal(
          shown(most((a, b) => a - b, model.asks)),
        );
        const { sequence: _one, ...was } = JSON.parse(before) as BookChange;
        const { sequence: _other, ...is } = one.top(5);
        if (near >= 5) expect(is).to.deep.equal(was);
      }
    }
  });

  it('refuses bad options', () => {
    expect(() => new OrderBook({ maxLevels: 0 })).to.throw(OptionError, 'book.maxLevels');
    expect(() => new OrderBook({ depth: 3 } as never)).to.throw(OptionError, 'unknown option book.depth');
  });
});

interface Wire {
  readonly s: string;
  readonly t: 'snapshot' | 'delta' | 'other';
  readonly b?: readonly (readonly [number, number])[];
  readonly n?: number;
}

function stand(options: Partial<BookOptions<Wire>> = {}) {
  const stage = new PartStage();
  const asked: unknown[] = [];
  const books = book<Wire>({
    read: ({ t, b, n }) => (t === 'other' ? undefined : { type: t, bids: b, sequence: n }),
    key: ({ s }) => s,
    onLoss: (loss) => void asked.push(loss),
    depth: 1,
    ...options,
  });
  const handler = pipe(stage, json<Wire>(), books);
  const feed = (...values: readonly Wire[]): unknown[] => {
    for (const value of values) handler.message(JSON.stringify(value));
    return stage.take();
  };
  return { stage, asked, books, handler, feed };
}
const whole: Wire = { s: 'a', t: 'snapshot', n: 1, b: [[9, 1], [8, 1]] }; // biome-ignore format: a table

describe('book', () => {
  it('passes on the top of a book when it has changed there, and only then', () => {
    const { feed, books } = stand();
    expect(feed(whole)).to.deep.equal([{ key: 'a', state: 'live', bids: [[9, 1]], asks: [], sequence: 1 }]);
    expect(feed({ s: 'a', t: 'delta', n: 2, b: [[8, 2]] })).to.deep.equal([]);
    expect(feed({ s: 'a', t: 'delta', n: 3, b: [[9, 0]] })).to.deep.equal([
      { key: 'a', state: 'live', bids: [[8, 2]], asks: [], sequence: 3 },
    ]);
    expect(books.get('a')?.best().bid).to.deep.equal([8, 2]);
    expect(books.counters).to.include({ in: 3, out: 2, snapshots: 1, deltas: 2 });
  });

  it('keeps a book for each key, and drops what says nothing of one', () => {
    const { feed, books } = stand({ maxKeys: 2 });
    feed(whole, { ...whole, s: 'b' }, { ...whole, s: 'c' }, { s: 'a', t: 'other' });
    expect([...books.books.keys()]).to.deep.equal(['a', 'b']);
    expect(books.counters['dropped']).to.equal(2);
  });

  it('passes on one empty top when a book is lost, and says whose snapshot is needed', () => {
    const { feed, asked, books } = stand();
    feed(whole);
    const lost = { key: 'a', state: 'waiting', bids: [], asks: [] };
    expect(feed({ s: 'a', t: 'delta', n: 5 }, { s: 'a', t: 'delta', n: 6 })).to.deep.equal([lost]);
    expect(asked).to.deep.equal([{ reason: 'gap', last: 1, got: 5, key: 'a' }]);
    expect(books.counters['gaps']).to.equal(1);
  });

  it('passes on one empty top when an update cannot be read', () => {
    const { feed, stage, books } = stand();
    feed(whole);
    const told = feed({ s: 'a', t: 'delta', n: 2, b: [['x' as never, 1]] }) as BookChange[];
    expect(told.map(({ state }) => state)).to.deep.equal(['waiting']);
    expect(stage.faults.map(({ where }) => where)).to.deep.equal(['book']);
    expect(books.counters['failed']).to.equal(1);
  });

  it('loses all books with the socket', () => {
    const { feed, handler, stage, asked } = stand();
    feed(whole, { s: 'b', t: 'delta', n: 1 });
    handler.down();
    expect(stage.take()).to.deep.equal([{ key: 'a', state: 'waiting', bids: [], asks: [] }]);
    expect(asked).to.deep.equal([]);
    expect(feed(whole)).to.have.length(1);
  });

  it('refuses bad options', () => {
    expect(() => book({} as never)).to.throw(OptionError, 'book.read must be a function');
    expect(() => stand({ depth: 0 })).to.throw(OptionError, 'book.depth');
    expect(() => stand({ maxWaiting: -1 })).to.throw(OptionError, 'book.maxWaiting');
  });
});
