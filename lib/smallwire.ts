// smallwire — how a few bytes cross between threads: as tuples, cloned, where names and moved memory would cost more than
// what they carry.
// Packed by mailbox.ts and workers/process.ts just before they post, unpacked first thing at the other end; nobody else
// meets one. Invariant: what is unpacked is what was packed, in memory of its own.
// Source: measured, there and back between two threads: 62 us with a parcel, 60 with frames, 53 with a tuple, 51 with null.

import type { SentFrames } from './sendwire.ts';
import { type Cast, LENGTH_MASK, type Notice, type Parcel } from './wire.ts';

/** Up to so many bytes of memory are cloned. */
export const SMALL = 256;
/** Messages that a small parcel may have. */
const FEW = 4;

/** Stream, image, messages; then, if an 'ack' rides along, what it has read. */
export type SmallFrames = readonly [
  stream: number,
  image: Uint8Array,
  messages: number,
  ...read: readonly number[],
];

/** Stream, sequence number, slab, whether all are texts (1) and ASCII (2), bytes that have left or -1; then the index. */
export type SmallParcel = readonly [
  stream: number,
  seq: number,
  slab: Uint8Array,
  kinds: number,
  sent: number,
  ...index: readonly number[],
];

/** Frames in memory of just their size, that are in no hurry and no secret. */
export function packFrames({ stream, image, messages, read }: SentFrames): SmallFrames {
  return read ? [stream, image, messages, ...read] : [stream, image, messages];
}

/** What the owner has posted. */
export function unpackCast(posted: Cast | SmallFrames): Cast {
  if (!isTuple(posted)) return posted;
  const [stream, image, messages] = posted;
  const read = posted.length > 3 ? (posted.slice(3) as number[]) : undefined; // All behind the third.
  return { type: 'send', stream, image, messages, unhurried: true, read };
}

/** undefined: it is no small one. */
export function packParcel(parcel: Parcel): SmallParcel | undefined {
  const { stream, seq, slab, index, count, texts, ascii, sent = -1, values, carried } = parcel;
  if (slab.buffer.byteLength > SMALL || count > FEW || values || carried) return undefined;
  const kinds = (texts ? 1 : 0) | (ascii ? 2 : 0);
  // One message, as a rule: without a spread.
  if (count === 1) return [stream, seq, slab, kinds, sent, index[0] ?? 0, index[1] ?? 0];
  return [stream, seq, slab, kinds, sent, ...index.subarray(0, 2 * count)];
}

/** What the process has posted. */
export function unpackNotice(posted: Notice | SmallParcel): Notice {
  if (!isTuple(posted)) return posted;
  const [stream, seq, slab, kinds, told] = posted;
  const words = posted.length - 5;
  const index = new Int32Array(words);
  let bytes = 0;
  for (let i = 0; i < words; i++) {
    const word = posted[5 + i] as number; // All behind the fifth.
    index[i] = word;
    if ((i & 1) === 1) bytes += word & LENGTH_MASK;
  }
  const [texts, ascii] = [(kinds & 1) !== 0, (kinds & 2) !== 0];
  const sent = told < 0 ? undefined : told;
  return { type: 'parcel', stream, seq, slab, index, count: words >> 1, texts, ascii, bytes, sent };
}

function isTuple<T extends readonly unknown[]>(posted: T | { readonly type: string }): posted is T {
  return Array.isArray(posted);
}
