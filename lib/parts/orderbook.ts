// orderbook — one order book: a snapshot, and the deltas that are laid over it by their numbers.
// Held by book.ts, one for each key; or by a handler of your own.
// Invariant: a book is `live` only while each delta has followed the one before it; else it is `waiting`, empty, and
// holds deltas, bounded, till the snapshot comes. It asks once for each snapshot that it needs.
// Source: "How to manage a local order book correctly" (Binance); Deribit's and OKX's prev_change_id / prevSeqId.

import { integer } from '../checks.ts';
import { optionalFunction, optionsOf } from './part.ts';
import { type Level, Side } from './side.ts';

/** A price level as peers write it: size 0 takes it away. */
export type LevelChange = readonly [price: number | string, size: number | string, ...more: unknown[]];

/** What a message says of a book. Numbers are the peer's; without `sequence` nothing is checked. */
export interface BookUpdate {
  /** A snapshot is the whole book, a delta a change of it. */
  readonly type: 'snapshot' | 'delta';
  readonly bids?: readonly LevelChange[] | undefined;
  readonly asks?: readonly LevelChange[] | undefined;
  /** The number of the (last) change in it. A delta must be one more than the last, unless it has `first` or `previous`. */
  readonly sequence?: number | undefined;
  /** The number of the first change in it. */
  readonly first?: number | undefined;
  /** The number of the change before it. */
  readonly previous?: number | undefined;
}

/** Why a book needs a snapshot: deltas are missing, a number that `check` refused, or more deltas waited than may. */
export interface BookLoss {
  readonly reason: 'gap' | 'check' | 'overflow';
  /** The last number that was applied. */
  readonly last: number | undefined;
  /** The number that came behind the gap. */
  readonly got: number | undefined;
}

/** Options of an `OrderBook`. */
export interface OrderBookOptions {
  /** Levels kept on a side; what is worse goes. Default 65 536. */
  maxLevels?: number | undefined;
  /** Deltas that are held while a snapshot is awaited. Default 1 000. */
  maxWaiting?: number | undefined;
  /** Called once when a snapshot is needed. */
  onLoss?: ((loss: BookLoss) => void) | undefined;
  /** Whether the book is right after an update, by the peer's checksum: false, and it needs a snapshot. */
  check?: ((book: OrderBook, update: BookUpdate) => boolean) | undefined;
}

/** The best levels of both sides, best first. */
export interface BookTop {
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
  readonly sequence: number | undefined;
}

/** Update counters of a book. */
export interface BookCounters {
  readonly snapshots: number;
  readonly deltas: number;
  /** Deltas at or below the last number. */
  readonly stale: number;
  readonly gaps: number;
  readonly failedChecks: number;
  /** Held deltas that were given up, since too many waited. */
  readonly overflowed: number;
}

/** Counters at nothing. @internal */
export function bookCounters(): BookCounters {
  return { snapshots: 0, deltas: 0, stale: 0, gaps: 0, failedChecks: 0, overflowed: 0 };
}

const ORDER_BOOK_NAMES: readonly string[] = ['maxLevels', 'maxWaiting', 'onLoss', 'check'];

/** A book of bids and asks.
 *  @example
 *  const book = new OrderBook({ onLoss: () => context.send(askForSnapshot) });
 *  book.apply({ type: 'snapshot', bids: [['99.5', '3']], asks: [['100', '1']], sequence: 7 });
 *  book.apply({ type: 'delta', bids: [['99.5', '0'], ['99.4', '2']], sequence: 8 });
 *  book.best(); // { bid: [99.4, 2], ask: [100, 1] } */
export class OrderBook {
  readonly #bids: Side;
  readonly #asks: Side;
  readonly #maxWaiting: number;
  readonly #onLoss: ((loss: BookLoss) => void) | undefined;
  readonly #check: ((book: OrderBook, update: BookUpdate) => boolean) | undefined;
  #state: 'waiting' | 'live' = 'waiting';
  #sequence: number | undefined;
  #held: BookUpdate[] = [];
  /** A snapshot was asked for and has not come. */
  #asked = false;
  /** How near to the best the last update has changed something; Infinity: nothing. */
  #changed = Number.POSITIVE_INFINITY;
  /** What is to be told when the update is done with: listeners never run in the midst of it. */
  #loss: BookLoss | undefined;
  readonly #counters: { -readonly [name in keyof BookCounters]: number };

  /** `counters`: those of more than one book. @throws {OptionError} */
  constructor(options: OrderBookOptions = {}, counters: BookCounters = bookCounters()) {
    this.#counters = counters;
    const given = optionsOf(options, ORDER_BOOK_NAMES, 'book');
    const maxLevels = integer(given, 'book.maxLevels', 65_536, [1, 2 ** 24]);
    this.#maxWaiting = integer(given, 'book.maxWaiting', 1_000, [0, 2 ** 24]);
    this.#onLoss = optionalFunction(options.onLoss, 'book.onLoss');
    this.#check = optionalFunction(options.check, 'book.check');
    this.#bids = new Side(1, maxLevels);
    this.#asks = new Side(-1, maxLevels);
  }

  /** `waiting` for a snapshot, and empty; or `live`. */
  get state(): 'waiting' | 'live' {
    return this.#state;
  }

  /** The number of the last change that was applied. */
  get sequence(): number | undefined {
    return this.#sequence;
  }

  get counters(): BookCounters {
    return { ...this.#counters };
  }

  /** Applies an update, or holds it. Gives how near to the best something has changed: 0 the best itself, 1 the level
   *  behind it …; Infinity: nothing has changed. @throws {TypeError} a price or a size is no number; then the book needs
   *  a snapshot. */
  apply(update: BookUpdate): number {
    this.#changed = Number.POSITIVE_INFINITY;
    try {
      if (update.type === 'snapshot') this.#restart(update);
      else if (this.#state === 'live') this.#follow(update);
      else this.#hold(update);
    } catch (error) {
      this.clear(); // Half of it may be applied.
      throw error;
    }
    const [loss, changed] = [this.#loss, this.#changed];
    this.#loss = undefined;
    if (loss) this.#onLoss?.(loss);
    return changed;
  }

  /** Empties it: a snapshot is needed, and `onLoss` is not called. */
  clear(): void {
    this.#empty();
    this.#held = [];
    this.#asked = false;
    this.#loss = undefined;
  }

  /** The best of each side. */
  best(): { readonly bid: Level | undefined; readonly ask: Level | undefined } {
    return { bid: this.#bids.at(0), ask: this.#asks.at(0) };
  }

  /** The best `depth` levels of each side. Default: all. */
  top(depth: number = Number.POSITIVE_INFINITY): BookTop {
    return { bids: this.#bids.top(depth), asks: this.#asks.top(depth), sequence: this.#sequence };
  }

  /** The size at a price; 0: none. */
  size(side: 'bids' | 'asks', price: number): number {
    return (side === 'bids' ? this.#bids : this.#asks).size(price);
  }

  /** How many levels there are. */
  get levels(): { readonly bids: number; readonly asks: number } {
    return { bids: this.#bids.length, asks: this.#asks.length };
  }

  #restart(snapshot: BookUpdate): void {
    this.#counters.snapshots++;
    const held = this.#held;
    this.#empty();
    this.#held = [];
    this.#asked = false;
    this.#state = 'live';
    this.#lay(snapshot);
    this.#changed = 0; // It may be empty now, and was not.
    if (!this.#isRight(snapshot)) return;
    // Held deltas that do not follow it are behind a gap: then the snapshot is too old, and they are held again.
    for (const update of held) {
      if (this.#state === 'live') this.#follow(update);
      else this.#hold(update);
    }
    this.#changed = 0;
  }

  #follow(delta: BookUpdate): void {
    const last = this.#sequence;
    const { sequence, first, previous } = delta;
    if (sequence !== undefined && last !== undefined) {
      if (sequence <= last) {
        this.#counters.stale++;
        return;
      }
      // Sizes are whole, not differences: what overlaps with what was applied is right.
      const follows = previous !== undefined ? previous <= last : (first ?? sequence) <= last + 1;
      if (!follows) {
        this.#counters.gaps++;
        this.#lose('gap', sequence);
        this.#hold(delta);
        return;
      }
    }
    this.#counters.deltas++;
    this.#lay(delta);
    this.#isRight(delta);
  }

  #hold(delta: BookUpdate): void {
    if (this.#held.length < this.#maxWaiting) {
      this.#held.push(delta);
      return;
    }
    // All go: those behind a missing one could not be applied.
    this.#counters.overflowed += this.#held.length + 1;
    this.#held = [];
    this.#lose('overflow', delta.sequence);
  }

  #lay({ bids, asks, sequence }: BookUpdate): void {
    if (bids) this.#set(this.#bids, bids);
    if (asks) this.#set(this.#asks, asks);
    if (sequence !== undefined) this.#sequence = sequence;
  }

  #set(side: Side, changes: readonly LevelChange[]): void {
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i] as LevelChange; // In bounds.
      const depth = side.set(numberOf(change[0]), numberOf(change[1]));
      if (depth >= 0 && depth < this.#changed) this.#changed = depth;
    }
  }

  #isRight(update: BookUpdate): boolean {
    if (!this.#check || this.#check(this, update)) return true;
    this.#counters.failedChecks++;
    this.#lose('check', update.sequence);
    return false;
  }

  #lose(reason: BookLoss['reason'], got: number | undefined): void {
    const last = this.#sequence;
    this.#empty();
    // An overflow asks again: the answer seems to be lost.
    if (this.#asked && reason !== 'overflow') return;
    this.#asked = true;
    this.#loss = { reason, last, got };
  }

  #empty(): void {
    if (this.#bids.length + this.#asks.length > 0) this.#changed = 0;
    this.#bids.clear();
    this.#asks.clear();
    this.#sequence = undefined;
    this.#state = 'waiting';
  }
}

function numberOf(value: unknown): number {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw new TypeError(`a price and a size must be numbers, got ${String(value)}`);
}
