// book — a part that keeps an order book for each key, and passes on the top of those that have changed there.
// Put behind a decoder; a `conflate` by the same key behind it gives the owner the latest only.
// Invariant: what it passes on is the top of a live book, or one empty top when a book is lost: never a stale one.
// Source: orderbook.ts, which does the work.

import { integer } from '../checks.ts';
import {
  type BookCounters,
  type BookLoss,
  type BookTop,
  type BookUpdate,
  bookCounters,
  OrderBook,
  type OrderBookOptions,
} from './orderbook.ts';
import { MOST_KEYS, optionalFunction, optionsOf, type Part, part, requiredFunction } from './part.ts';

/** The top of a book, as it is now. */
export interface BookChange extends Omit<BookTop, 'sequence'> {
  /** What `key` gave, where there is one. */
  readonly key?: unknown;
  /** Of the last change that was applied, where changes are numbered. */
  readonly sequence?: number;
  /** `waiting`: it is lost and empty, until a snapshot comes. */
  readonly state: 'waiting' | 'live';
}

/** Options of `book()`. */
export interface BookOptions<I> {
  /** What a value says of a book; undefined: nothing, and it is dropped. */
  read: (value: I) => BookUpdate | undefined;
  /** Which book. Default: there is one. */
  key?: ((value: I) => unknown) | undefined;
  /** Levels of each side that are passed on, when one of them has changed. Default 10. */
  depth?: number | undefined;
  /** A snapshot of the book is needed: ask for it. Called once for each. Until it comes, deltas wait. */
  onLoss?: ((loss: BookLoss & { readonly key: unknown }) => void) | undefined;
  /** As OrderBook's. */
  check?: OrderBookOptions['check'];
  /** As OrderBook's. */
  maxLevels?: number | undefined;
  /** As OrderBook's. */
  maxWaiting?: number | undefined;
  /** Books that are kept; what is of another key is dropped. Default 65 536. */
  maxKeys?: number | undefined;
}

/** The part, and the books that it keeps. */
export interface BookPart<I> extends Part<I, BookChange> {
  /** The book of a key. */
  get(key?: unknown): OrderBook | undefined;
  /** All of them, by key. */
  readonly books: ReadonlyMap<unknown, OrderBook>;
}

const NAMES = ['read', 'key', 'depth', 'onLoss', 'check', 'maxLevels', 'maxWaiting', 'maxKeys'];

/** Keeps order books; passes on the top of one when it has changed. Counts beside what becomes of updates: `snapshots`,
 *  `deltas`, `stale`, `gaps`, `failedChecks`, `overflowed`. When the socket is lost so are all books.
 *  @throws {OptionError}
 *  @example
 *  const books = book({ read: ({ type, b, a, u }) => ({ type, bids: b, asks: a, sequence: u }), key: ({ s }) => s, depth: 5,
 *    onLoss: ({ key }) => context.send(JSON.stringify({ snapshot: key })) });
 *  return { ...pipe(context, json(), books), api: { best: (symbol) => books.get(symbol)?.best() } }; */
export function book<I>(options: BookOptions<I>): BookPart<I> {
  const given = optionsOf(options, NAMES, 'book');
  const read = requiredFunction(options?.read, 'book.read');
  const keyOf = optionalFunction(options.key, 'book.key') ?? (() => undefined);
  const onLoss = optionalFunction(options.onLoss, 'book.onLoss');
  const depth = integer(given, 'book.depth', 10, [1, 2 ** 24]);
  const maxKeys = integer(given, 'book.maxKeys', MOST_KEYS, [1, 2 ** 24]);
  const { check, maxLevels, maxWaiting } = options;
  const books = new Map<unknown, OrderBook>();
  const counters = bookCounters();
  const open = (key: unknown, shared: BookCounters): OrderBook =>
    new OrderBook({ check, maxLevels, maxWaiting, onLoss: (loss) => onLoss?.({ ...loss, key }) }, shared);
  open(undefined, counters); // Says now what is wrong with its options.
  const made = part<I, BookChange>('book', { ...counters }, (_context, next, counting) => {
    const tell = (key: unknown, one: OrderBook): void => next(changeOf(key, one, depth));
    return {
      take: (value) => {
        const update = read(value);
        const key = update && keyOf(value);
        let one = books.get(key);
        if (!update || (!one && books.size >= maxKeys)) {
          counting.dropped++;
          return;
        }
        if (!one) {
          // The part's counters have the book's among them.
          one = open(key, counting as unknown as BookCounters);
          books.set(key, one);
        }
        const wasLive = one.state === 'live';
        try {
          if (one.apply(update) < depth) tell(key, one);
        } catch (error) {
          if (wasLive) tell(key, one);
          throw error;
        }
      },
      down: () => {
        for (const [key, one] of books) {
          const wasLive = one.state === 'live';
          one.clear();
          if (wasLive) tell(key, one);
        }
      },
    };
  });
  return { ...made, books, get: (key) => books.get(key) };
}

/** Nothing in it is undefined: such values cross threads as JSON, which costs half of what others do. */
function changeOf(key: unknown, one: OrderBook, depth: number): BookChange {
  const { bids, asks, sequence } = one.top(depth);
  const { state } = one;
  const numbered = sequence === undefined ? { state, bids, asks } : { state, bids, asks, sequence };
  return key === undefined ? numbered : { key, ...numbered };
}
