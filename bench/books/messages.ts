// messages — a feed of order books as an exchange would send it: JSON texts of one size, twenty symbols in turn.
// Built by feeds/server.ts; read by those of works.ts, and by the test of the same feed.
// Invariant: a block is whole in itself. It begins with a snapshot of each book, and each delta is numbered by its book,
// so that a block may follow a block, and a message that is lost anywhere is a gap.

import { type Block, frame, join, scramble } from '../feeds/payloads.ts';

/** One message. */
export interface BookMessage {
  readonly type: 'snapshot' | 'delta';
  readonly symbol: string;
  readonly sequence: number;
  /** Price and size; size 0 takes the level away. */
  readonly bids: readonly (readonly [string, string])[];
  readonly asks: readonly (readonly [string, string])[];
}

export const BOOK_SIZE = 150;
const SYMBOLS = 20;
/** Of each book in a block. */
const DELTAS = 320;
/** Deltas of each book that only set levels. */
const FIRST = 20;
/** Ticks from the middle within which levels change. */
const DEPTH = 40;

export function symbolOf(place: number): string {
  return `C${String(place).padStart(2, '0')}-USDT`;
}

/** All messages of a block, as texts. */
export function bookTexts(): string[] {
  const texts: string[] = [];
  for (let sequence = 0; sequence <= DELTAS; sequence++) {
    for (let place = 0; place < SYMBOLS; place++) texts.push(textOf(messageOf(place, sequence)));
  }
  return texts;
}

/** The same as frames. */
export function buildBookBlock(): Block {
  return join(bookTexts().map((text) => frame(0x81, Buffer.from(text, 'latin1'))));
}

function messageOf(place: number, sequence: number): BookMessage {
  const symbol = symbolOf(place);
  if (sequence === 0) {
    const level = (tick: number) => [price(place, tick), '1.500'] as const;
    return { type: 'snapshot', symbol, sequence, bids: [level(-1)], asks: [level(1)] };
  }
  const noise = scramble(sequence * SYMBOLS + place);
  // Three of four changes are near the best, as they are on an exchange.
  const tick = 1 + ((noise >>> 2) % (noise & 3 ? 5 : DEPTH));
  // One of four takes a level away, once there are some.
  const gone = sequence > FIRST && (noise >>> 8) % 4 === 0;
  const size = gone ? '0.000' : ((noise >>> 10) / 0x3fffff + 0.001).toFixed(3);
  const bid = (noise >>> 7) & 1;
  const change = [[price(place, bid ? -tick : tick), size] as const];
  return { type: 'delta', symbol, sequence, bids: bid ? change : [], asks: bid ? [] : change };
}

function price(place: number, ticks: number): string {
  return (1_000 + 100 * place + ticks / 10).toFixed(2);
}

function textOf(message: BookMessage): string {
  const text = JSON.stringify(message);
  const room = BOOK_SIZE - text.length - ',"id":""'.length;
  if (room < 0) throw new Error(`a message of a book takes ${text.length} bytes, more than ${BOOK_SIZE}`);
  return `${text.slice(0, -1)},"id":"${'0'.repeat(room)}"}`;
}
