// parts — what one message costs in the parts, by tinybench: part of `npm run bench -- --functions`.
// Called by functions.ts, which runs and prints the cases.
// Invariant: as there: a call does all messages of a list, and its figure is divided by them.

import { Batch } from '../../lib/batch.ts';
import {
  type BookUpdate,
  book,
  contains,
  json,
  type LevelChange,
  OrderBook,
  pipe,
} from '../../lib/parts/index.ts';
import { TEXT_BIT } from '../../lib/wire.ts';
import { type BookMessage, bookTexts, symbolOf } from '../books/messages.ts';
import { scramble } from '../feeds/payloads.ts';
import type { Case } from './http.ts';

const DELTAS = 10_000;

export function partCases(): Case[] {
  return [
    books('near the best of 1 000 levels', 1_000, 16),
    books('anywhere in 10 000 levels', 10_000, 10_000),
    ...feeds(),
  ];
}

/** One level changes in each delta, one of four goes. */
function books(name: string, levels: number, depth: number): Case {
  const one = new OrderBook();
  const side = (sign: 1 | -1): LevelChange[] =>
    Array.from({ length: levels }, (_, tick) => [50_000 + sign * (tick + 1), 1] as const);
  const snapshot: BookUpdate = { type: 'snapshot', bids: side(-1), asks: side(1) };
  const deltas = Array.from({ length: DELTAS }, (_, i): BookUpdate => {
    const noise = scramble(i);
    const [tick, size] = [1 + ((noise >>> 4) % depth), noise & 3];
    return noise & 4
      ? { type: 'delta', bids: [[50_000 - tick, size]] }
      : { type: 'delta', asks: [[50_000 + tick, size]] };
  });
  return {
    name: `OrderBook.apply, ${name}`,
    messages: DELTAS,
    prepare: () => void one.apply(snapshot),
    call: () => {
      for (const delta of deltas) one.apply(delta);
    },
  };
}

/** The feed of book.ts, a block at a time. */
function feeds(): Case[] {
  const texts = bookTexts();
  const slab = new Uint8Array(Buffer.from(texts.join('')));
  const index = new Int32Array(2 * texts.length);
  let at = 0;
  for (const [i, { length }] of texts.entries()) {
    index[2 * i] = at;
    index[2 * i + 1] = length | TEXT_BIT;
    at += length;
  }
  const batch = new Batch({ slab, index, count: texts.length, ascii: true });
  const context = {
    ready: true,
    now: () => 0,
    emit: () => true,
    setTimeout: () => ({ clear: () => {} }),
    fault: (error: unknown) => {
      throw error;
    },
  };
  const wanted = (): ReturnType<typeof contains> => contains(`"symbol":"${symbolOf(7)}"`);
  const search = pipe(context, wanted());
  const whole = pipe(context, wanted(), json<BookMessage>(), book({ read: (message) => message, depth: 1 }));
  const messages = texts.length;
  return [
    { name: 'contains, 1 of 20 wanted, 150 B', messages, call: () => search.batch?.(batch) },
    { name: 'contains, json and book, 1 of 20, 150 B', messages, call: () => whole.batch?.(batch) },
  ];
}
