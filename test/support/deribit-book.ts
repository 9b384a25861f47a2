// deribit-book — an order book that moves by chance, as Deribit tells of it: a snapshot, and changes with their numbers.
// Held by deribit-server.ts. Source: https://docs.deribit.com, book.{instrument_name}.{interval}.

/** Best first: price and amount. */
export interface Top {
  readonly bids: readonly (readonly [number, number])[];
  readonly asks: readonly (readonly [number, number])[];
}

/** Levels that are remembered, and how many times. */
const DEPTH = 5;
const REMEMBERED = 10_000;

/** A book that moves by chance; every so manyth of its changes is told to nobody. */
export class MovingBook {
  readonly left: number[] = [];
  /** The best levels, by number. */
  readonly history: Map<number, Top> = new Map();
  readonly #next: (n: number) => number;
  readonly #skip: number;
  readonly #sides = { bids: new Map<number, number>(), asks: new Map<number, number>() };
  #sequence = 1_000;
  #told = 1_000;
  #moves = 0;

  constructor(next: (n: number) => number, skip: number) {
    this.#next = next;
    this.#skip = skip;
    for (let i = 1; i <= 20; i++) {
      this.#sides.bids.set(1_000 - i, 1 + next(50));
      this.#sides.asks.set(1_000 + i, 1 + next(50));
    }
    this.#remember();
  }

  snapshot(): object {
    const { bids, asks } = this.#top(Number.POSITIVE_INFINITY);
    const told = (levels: Top['bids']) => levels.map(([price, amount]) => ['new', price, amount]);
    return {
      type: 'snapshot',
      timestamp: this.#sequence,
      change_id: this.#sequence,
      bids: told(bids),
      asks: told(asks),
    };
  }

  /** Undefined: this one is left out. */
  move(): object | undefined {
    const name = this.#next(2) === 0 ? 'bids' : 'asks';
    const price = 1_000 + (name === 'bids' ? -1 : 1) * (1 + this.#next(30));
    const side = this.#sides[name];
    const had = side.has(price);
    const gone = had && this.#next(3) === 0;
    const amount = gone ? 0 : 1 + this.#next(50);
    if (gone) side.delete(price);
    else side.set(price, amount);
    // Numbers of the real ones have holes, too.
    this.#sequence += 1 + this.#next(3);
    this.#remember();
    if (this.#skip > 0 && ++this.#moves % this.#skip === 0) {
      this.left.push(this.#sequence);
      this.#told = this.#sequence;
      return undefined;
    }
    const level = [gone ? 'delete' : had ? 'change' : 'new', price, amount];
    const change = {
      type: 'change',
      timestamp: this.#sequence,
      prev_change_id: this.#told,
      change_id: this.#sequence,
      bids: name === 'bids' ? [level] : [],
      asks: name === 'asks' ? [level] : [],
    };
    this.#told = this.#sequence;
    return change;
  }

  #remember(): void {
    this.history.set(this.#sequence, this.#top(DEPTH));
    for (const oldest of this.history.keys()) {
      if (this.history.size <= REMEMBERED) break;
      this.history.delete(oldest);
    }
  }

  #top(depth: number): Top {
    const sorted = (side: Map<number, number>, sign: number) =>
      [...side].sort(([a], [b]) => sign * (a - b)).slice(0, depth);
    return { bids: sorted(this.#sides.bids, -1), asks: sorted(this.#sides.asks, 1) };
  }
}
