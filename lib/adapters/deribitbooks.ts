// deribitbooks — the order books of Deribit's channels `book.{instrument}.{interval}`, kept beside the socket.
// Held by deribit.ts; each book is one of gunport/parts.
// Invariant: a top that is delivered is that of a whole book, or says that the book is lost; after a gap the channel is
// asked for anew, once at a time, since the server sends a snapshot only to who subscribes.
// Source: https://docs.deribit.com, book.{instrument_name}.{interval}.

import { type BookUpdate, type LevelChange, OrderBook } from '../parts/orderbook.ts';
import type { Level } from '../parts/side.ts';
import type { AdapterContext } from '../session/adapter.ts';
import { fieldsOf, type Requests } from './deribitrpc.ts';

/** The top of a book. */
export interface DeribitTop {
  readonly type: 'top';
  readonly channel: string;
  readonly instrument: string;
  /** `waiting`: it is lost and empty, until a snapshot comes. */
  readonly state: 'live' | 'waiting';
  /** Best first: price and amount. */
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
  /** The server's change_id. */
  readonly sequence: number | undefined;
  /** The server's time, in milliseconds since the epoch. */
  readonly timestamp: number | undefined;
}

/** @internal */
export interface BookKeeping {
  readonly instruments: ReadonlySet<string> | true;
  readonly depth: number;
}

interface Kept {
  readonly channel: string;
  readonly instrument: string;
  readonly book: OrderBook;
  timestamp: number | undefined;
  /** A new snapshot is being asked for. */
  asking: boolean;
}

/** How long to wait before a refused request for a snapshot is made again, in milliseconds. */
const AGAIN = 1_000;
/** The channels without grouping and depth: `book.{instrument}.{interval}`. */
const CHANNEL = /^book\.([^.]+)\.[^.]+$/;

/** @internal */
export class BookKeeper {
  readonly #context: AdapterContext;
  readonly #requests: Requests;
  readonly #keeping: BookKeeping;
  readonly #kept = new Map<string, Kept>();

  constructor(context: AdapterContext, requests: Requests, keeping: BookKeeping) {
    this.#context = context;
    this.#requests = requests;
    this.#keeping = keeping;
  }

  /** Whether messages of this channel are for a book. */
  keeps(channel: string): boolean {
    const { instruments } = this.#keeping;
    const instrument = CHANNEL.exec(channel)?.[1];
    return instrument !== undefined && (instruments === true || instruments.has(instrument));
  }

  /** One message. Gives the top, if that has changed. @throws {TypeError} it is none of a book. */
  update(channel: string, data: unknown): DeribitTop | undefined {
    const kept = this.#kept.get(channel) ?? this.#open(channel);
    const fields = fieldsOf(data) ?? {};
    const { timestamp } = fields;
    if (typeof timestamp === 'number') kept.timestamp = timestamp;
    const changed = kept.book.apply(updateOf(fields));
    return changed < this.#keeping.depth ? topOf(kept, this.#keeping.depth) : undefined;
  }

  /** The connection is gone: the owner hears that no book is right. */
  lost(): undefined {
    for (const kept of this.#kept.values()) {
      kept.asking = false;
      if (kept.book.state === 'live') {
        kept.book.clear();
        this.#context.deliver(topOf(kept, this.#keeping.depth));
      } else kept.book.clear();
    }
    return undefined;
  }

  forget(channel: string): void {
    this.#kept.delete(channel);
  }

  top(instrument: string, depth: number = this.#keeping.depth): DeribitTop | undefined {
    for (const kept of this.#kept.values()) if (kept.instrument === instrument) return topOf(kept, depth);
    return undefined;
  }

  instruments(): readonly string[] {
    return [...this.#kept.values()].map(({ instrument }) => instrument);
  }

  status(): object {
    return Object.fromEntries(
      [...this.#kept.values()].map(({ channel, book }) => [
        channel,
        { state: book.state, sequence: book.sequence, levels: book.levels, ...book.counters },
      ]),
    );
  }

  #open(channel: string): Kept {
    const kept: Kept = {
      channel,
      instrument: CHANNEL.exec(channel)?.[1] ?? channel,
      book: new OrderBook({ onLoss: () => this.#ask(kept) }),
      timestamp: undefined,
      asking: false,
    };
    this.#kept.set(channel, kept);
    return kept;
  }

  /** A snapshot comes to who subscribes: so the channel is left and joined again. */
  #ask(kept: Kept): void {
    if (kept.asking) return;
    kept.asking = true;
    this.#context.log('warn', { channel: kept.channel }, 'the order book has a gap: asking for a snapshot');
    void this.#join(kept).catch((error: unknown) => {
      kept.asking = false;
      // With a new connection, or a channel that was left, there is nothing to repair.
      if (this.#kept.get(kept.channel) !== kept || this.#context.state !== 'websocketConnected') return;
      this.#context.log('warn', { channel: kept.channel, err: error }, 'no snapshot of the order book');
      this.#context.setTimeout(() => {
        if (this.#kept.get(kept.channel) === kept && kept.book.state === 'waiting') this.#ask(kept);
      }, AGAIN);
    });
  }

  async #join(kept: Kept): Promise<void> {
    await this.#context.request(this.#requests.unsubscribe(kept.channel));
    await this.#context.request(this.#requests.subscribe(kept.channel));
    kept.asking = false;
  }
}

function topOf({ channel, instrument, book, timestamp }: Kept, depth: number): DeribitTop {
  const { bids, asks, sequence } = book.top(depth);
  return { type: 'top', channel, instrument, state: book.state, bids, asks, sequence, timestamp };
}

function updateOf(fields: Readonly<Record<string, unknown>>): BookUpdate {
  const { type, bids, asks, change_id: sequence, prev_change_id: previous } = fields;
  return {
    type: type === 'snapshot' ? 'snapshot' : 'delta',
    bids: levelsOf(bids),
    asks: levelsOf(asks),
    sequence: numberOf(sequence),
    previous: numberOf(previous),
  };
}

/** `[action, price, amount]`: a level that is deleted has no amount. */
function levelsOf(levels: unknown): LevelChange[] {
  if (!Array.isArray(levels)) return [];
  return levels.map((level: readonly unknown[]) => {
    const [action, price, amount] = level;
    // Checked by the book.
    return [price as number, action === 'delete' ? 0 : (amount as number)];
  });
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
