// handler — the handler module of the order-book feed: one book of twenty, kept beside the socket.
// Loaded in the connection's thread by works.ts; what main is given is the top of the book.
// Invariant: each top says how many messages had come by then; a message that was lost is a gap, and then the top says so.

import type { HandlerContext } from '../../lib/index.ts';
import {
  type BookChange,
  book,
  conflate,
  contains,
  json,
  map,
  type Pipe,
  pipe,
} from '../../lib/parts/index.ts';
import type { BookMessage } from './messages.ts';

export interface BookHandlerOptions {
  readonly symbol: string;
  readonly depth: number;
  /** The latest top in so many milliseconds; 0: each that is new. */
  readonly interval: number;
}

/** What main is given. */
export interface Top extends BookChange {
  /** Messages that have come, of all symbols. */
  readonly seen: number;
}

export default function keepBook(
  { symbol, depth, interval }: BookHandlerOptions,
  context: HandlerContext<Top>,
): Pipe {
  const wanted = contains(`"symbol":"${symbol}"`);
  const seen = (top: BookChange): Top => ({ ...top, seen: wanted.counters.in });
  const books = book<BookMessage>({ read: (message) => message, depth });
  if (interval === 0) return pipe(context, wanted, json<BookMessage>(), books, map(seen));
  const latest = conflate<BookChange>({ key: ({ key }) => key, interval });
  return pipe(context, wanted, json<BookMessage>(), books, latest, map(seen));
}
