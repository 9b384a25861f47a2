// batch — many messages in one piece of memory, and how one message is taken out of it.
// Made by queue.ts of a parcel; given to users by `batches()`, read by events and iterators as well.
// Invariant: bytes are views of the parcel's slab, valid for ever unless the batch was borrowed.
// Cost per message on the owner's thread is what this file is about: see bench/RESULTS.md.

import type { Message } from './types.ts';
import { LENGTH_MASK, type Parcel } from './wire.ts';

/** Buffer's decoders without the option parsing of toString(); in Node since 0.x, as fast as decoding gets. */
interface Slices {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

/** Messages that arrived together. Indices run from 0 to `length - 1`.
 *  @example
 *  for await (const batch of feed.batches()) {
 *    for (let i = 0; i < batch.length; i++) total += batch.byteLength(i);
 *  } */
export class Batch implements Iterable<Message> {
  /** How many messages. */
  readonly length: number;
  readonly #slab: Uint8Array;
  /** The slab's own, and where it begins in it. */
  readonly #buffer: ArrayBuffer;
  readonly #base: number;
  readonly #decode: Buffer & Slices;
  readonly #index: Int32Array;
  readonly #from: number;
  readonly #ascii: boolean;

  /** @internal */
  constructor(parcel: Parcel, from = 0) {
    const { slab, index, count, ascii } = parcel;
    this.length = count - from;
    this.#slab = slab;
    this.#buffer = slab.buffer as ArrayBuffer; // Parcels travel in memory of their own, never shared.
    this.#base = slab.byteOffset;
    // The same memory, with Buffer's decoders; typed here because @types/node leaves them out.
    this.#decode = Buffer.from(slab.buffer, slab.byteOffset, slab.byteLength) as Buffer & Slices;
    this.#index = index;
    this.#from = from;
    this.#ascii = ascii;
  }

  /** The memory that all messages stand in: message `i` takes `byteLength(i)` bytes of it from `offset(i)` on. To read
   *  a few fields of each message without a view of each: `batch.memory[batch.offset(i) + 3]`, or one DataView for all. */
  get memory(): Uint8Array {
    return this.#slab;
  }

  /** Where message `i` begins in `memory`. @throws {RangeError} no such message. */
  offset(i: number): number {
    return this.#word(i, 0);
  }

  /** Length of message `i` in bytes (of its UTF-8, for a text). @throws {RangeError} no such message. */
  byteLength(i: number): number {
    return this.#word(i, 1) & LENGTH_MASK;
  }

  /** Whether message `i` came as text. @throws {RangeError} no such message. */
  isText(i: number): boolean {
    return this.#word(i, 1) < 0;
  }

  /** The bytes of message `i`, whatever it came as: a view, not a copy. @throws {RangeError} no such message. */
  bytes(i: number): Uint8Array {
    const start = this.#word(i, 0);
    const word = this.#index[(this.#from + i) * 2 + 1] as number; // In bounds, since its other word is.
    return new Uint8Array(this.#buffer, this.#base + start, word & LENGTH_MASK);
  }

  /** Message `i` as a string, whatever it came as. @throws {RangeError} no such message. */
  text(i: number): string {
    const start = this.#word(i, 0);
    const word = this.#word(i, 1);
    const end = start + (word & LENGTH_MASK);
    // `ascii` speaks of texts only; a binary may hold anything.
    return this.#ascii && word < 0
      ? this.#decode.latin1Slice(start, end)
      : this.#decode.utf8Slice(start, end);
  }

  /** Message `i` as it came: a string for text, a view for binary. @throws {RangeError} no such message. */
  get(i: number): Message {
    this.#word(i, 0);
    return this.at(i);
  }

  *[Symbol.iterator](): IterableIterator<Message> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /** The same for an index that is known to be right. @internal */
  at(i: number): Message {
    const at = (this.#from + i) * 2;
    const start = this.#index[at] as number; // Within the index, as its caller knows.
    const word = this.#index[at + 1] as number;
    if (word >= 0) return new Uint8Array(this.#buffer, this.#base + start, word);
    const end = start + (word & LENGTH_MASK);
    return this.#ascii ? this.#decode.latin1Slice(start, end) : this.#decode.utf8Slice(start, end);
  }

  #word(i: number, which: 0 | 1): number {
    // `>>>` keeps only what is an index: no fraction, no NaN.
    const word = i >>> 0 === i && i < this.length ? this.#index[(this.#from + i) * 2 + which] : undefined;
    if (word === undefined) throw new RangeError(`a batch of ${this.length} has no message ${i}`);
    return word;
  }
}
