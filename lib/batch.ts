// batch — many messages in one piece of memory, and how one message is taken out of it.
// Made by queue.ts of a parcel; given to users by `batches()`, read by events and iterators as well; and by
// handling/runner.ts of what has been read, for handlers.
// Invariant: bytes are views of the parcel's slab, valid for ever unless the batch was borrowed.
// Cost per message on the owner's thread is what this file is about: see bench/RESULTS.md. So values have a class of their
// own, and the one for texts and bytes knows nothing of them.

import { deserialize } from 'node:v8';
import { StreamError } from './errors.ts';
import type { Message } from './types.ts';
import { LENGTH_MASK, type Parcel } from './wire.ts';

/** Buffer's decoders without the option parsing of toString(); in Node since 0.x, as fast as decoding gets. */
interface Slices {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

/** Of a parcel: what a batch is made of. */
type Batched = Pick<Parcel, 'slab' | 'index' | 'count' | 'ascii' | 'values' | 'carried'>;

/** Messages that arrived together. Indices run from 0 to `length - 1`.
 *  `M`: what a handler delivers; texts and bytes where there is none.
 *  @example
 *  for await (const batch of feed.batches()) {
 *    for (let i = 0; i < batch.length; i++) total += batch.byteLength(i);
 *  } */
export class Batch<M = Message> implements Iterable<M> {
  /** How many messages. */
  readonly length: number;
  readonly #slab: Uint8Array;
  /** The slab's own, and where it begins in it. */
  readonly #buffer: ArrayBuffer;
  readonly #base: number;
  /** The same memory with Buffer's decoders, made when a text is first asked for. */
  #decoder: (Buffer & Slices) | undefined;
  readonly #index: Int32Array;
  readonly #ascii: boolean;

  /** `from`: the first message of the parcel that is in it. @internal */
  constructor({ slab, index, count, ascii }: Batched, from = 0) {
    this.length = count - from;
    this.#slab = slab;
    this.#buffer = slab.buffer as ArrayBuffer; // Parcels travel in memory of their own, never shared.
    this.#base = slab.byteOffset;
    this.#index = from === 0 ? index : index.subarray(2 * from);
    this.#ascii = ascii;
  }

  /** The memory that all messages stand in: message `i` takes `byteLength(i)` bytes of it from `offset(i)` on. To read
   *  a few fields of each message without a view of each: `batch.memory[batch.offset(i) + 3]`, or one DataView for all. */
  get memory(): Uint8Array {
    return this.#slab;
  }

  /** Where message `i` begins in `memory`. @throws {RangeError} no such message. */
  offset(i: number): number {
    // `>>>` keeps only what is an index: no fraction, no NaN. Checked in each method, since a shared one costs 2 ns.
    if (i >>> 0 !== i || i >= this.length) throw noMessage(this, i);
    return this.#index[2 * i] as number; // In bounds, as below.
  }

  /** Length of message `i` in bytes (of its UTF-8, for a text; of a value, as it travelled). @throws {RangeError} no such message. */
  byteLength(i: number): number {
    if (i >>> 0 !== i || i >= this.length) throw noMessage(this, i);
    return (this.#index[2 * i + 1] as number) & LENGTH_MASK;
  }

  /** Whether message `i` came as text; false for a value. @throws {RangeError} no such message. */
  isText(i: number): boolean {
    if (i >>> 0 !== i || i >= this.length) throw noMessage(this, i);
    return (this.#index[2 * i + 1] as number) < 0;
  }

  /** The bytes of message `i`, whatever it came as: a view, not a copy. @throws {RangeError} no such message.
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE it is a value that a handler made. */
  bytes(i: number): Uint8Array {
    if (i >>> 0 !== i || i >= this.length) throw noMessage(this, i);
    const index = this.#index;
    const length = (index[2 * i + 1] as number) & LENGTH_MASK;
    return new Uint8Array(this.#buffer, this.#base + (index[2 * i] as number), length);
  }

  /** Message `i` as a string, whatever it came as. @throws {RangeError} no such message.
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE it is a value that a handler made. */
  text(i: number): string {
    if (i >>> 0 !== i || i >= this.length) throw noMessage(this, i);
    return this.#text(this.#index[2 * i] as number, this.#index[2 * i + 1] as number);
  }

  /** Message `i` as it came: a string for text, a view for binary, or the value that a handler made.
   *  @throws {RangeError} no such message. */
  get(i: number): M {
    if (i >>> 0 !== i || i >= this.length) throw noMessage(this, i);
    return this.at(i);
  }

  *[Symbol.iterator](): IterableIterator<M> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /** The same for an index that is known to be right. @internal */
  at(i: number): M {
    const start = this.#index[2 * i] as number;
    const word = this.#index[2 * i + 1] as number;
    const message: Message =
      word < 0 ? this.#text(start, word) : new Uint8Array(this.#buffer, this.#base + start, word);
    return message as M; // What the messages are, their reader knows.
  }

  #text(start: number, word: number): string {
    // Typed here, because @types/node leaves the decoders out.
    this.#decoder ??= Buffer.from(this.#buffer, this.#base, this.#slab.byteLength) as Buffer & Slices;
    const end = start + (word & LENGTH_MASK);
    // `ascii` speaks of texts only; a binary may hold anything.
    return this.#ascii && word < 0
      ? this.#decoder.latin1Slice(start, end)
      : this.#decoder.utf8Slice(start, end);
  }
}

/** Values that a handler made: each is read anew at each call. */
class ValueBatch<M> extends Batch<M> {
  readonly #json: boolean;
  readonly #carried: Batched['carried'];

  constructor(parcel: Batched, from: number) {
    super(parcel, from);
    this.#json = parcel.values === 'json';
    this.#carried = parcel.carried;
  }

  override isText(i: number): boolean {
    super.isText(i);
    return false;
  }
  override bytes(i: number): Uint8Array {
    throw isValue(super.byteLength(i), `bytes(${i})`);
  }
  override text(i: number): string {
    throw isValue(super.byteLength(i), `text(${i})`);
  }
  override at(i: number): M {
    // What the values are, their reader knows.
    if (this.#carried) return this.#carried.value as M;
    if (this.#json) return JSON.parse(super.text(i)) as M;
    const bytes = super.bytes(i);
    try {
      return deserialize(bytes) as M;
    } catch (cause) {
      // V8 writes some values that it does not read again: an error that is its own cause. Others wait behind it.
      return new StreamError('ERR_GUNPORT_HANDLER', 'what the handler gave cannot be read', { cause }) as M;
    }
  }
}

/** The messages of a parcel from `from` on. @internal */
export function batchOf<M = Message>(parcel: Batched, from = 0): Batch<M> {
  return parcel.values || parcel.carried ? new ValueBatch<M>(parcel, from) : new Batch<M>(parcel, from);
}

function isValue(bytes: number, call: string): StreamError {
  return new StreamError('ERR_GUNPORT_BAD_STATE', `${call}: it is a value (${bytes} bytes), not a message`);
}

function noMessage({ length }: { readonly length: number }, i: number): RangeError {
  return new RangeError(`a batch of ${length} has no message ${i}`);
}
