// part-handler — a handler module made of parts, for test/parts/beside.test.ts.
// Loaded beside the socket: nothing of it runs in the test's thread.

import type { Handler, HandlerContext } from '../../lib/handler.ts';
import { book, conflate, contains, gaps, json, type Level, type Pipe, pipe } from '../../lib/parts/index.ts';

export interface Quote {
  readonly symbol: string;
  readonly sequence: number;
}

export const quotes = ({ symbol }: { readonly symbol: string }, context: HandlerContext<Quote>): Pipe =>
  pipe(
    context,
    contains(`"${symbol}"`),
    json<Quote>(),
    gaps({ sequence: (quote) => quote.sequence, onGap: ({ expected }) => context.notify({ expected }) }),
  );

/** The latest of each symbol, while the owner has no room. */
export const latest = (_options: unknown, context: HandlerContext<Quote>): Pipe =>
  pipe(context, json<Quote>(), conflate({ key: (quote) => quote.symbol }));

interface Update {
  readonly type: 'snapshot' | 'delta';
  readonly bids: readonly (readonly [number, number])[];
  readonly sequence: number;
}

export interface BooksApi {
  best(): Level | undefined;
}

/** A book that asks for its snapshot. */
export const books = (_options: unknown, context: HandlerContext): Handler => {
  const kept = book<Update>({
    read: (update) => update,
    depth: 1,
    onLoss: ({ got }) => void context.send(`snapshot from ${got}`),
  });
  return {
    ...pipe(context, json<Update>(), kept),
    api: { best: () => kept.get()?.best().bid } satisfies BooksApi,
  };
};
