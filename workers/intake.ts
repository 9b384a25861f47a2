// intake — the memory that one WebSocket is read into, and the parcels that are made of it.
// Held by websocket.ts. Plain messages stay where they were read and are told by index; what had to be put together
// (fragments, inflated) is laid out anew by `add`.
// Invariant: messages leave in the order they came; memory is never given away while Node may write to it: a slab is
// swapped only within a read's callback and in `buffer()`, which Node calls right after it; every text that leaves is
// valid UTF-8, and nothing leaves after one that was not.
// Source: bench/RESULTS.md; RFC 6455 §8.1.

import { isAscii, isUtf8 } from 'node:buffer';
import { type Cursor, STOP, walk } from '../lib/protocol/frames.ts';
import { HalfText } from '../lib/protocol/utf8.ts';
import { LENGTH_MASK, TEXT_BIT } from '../lib/wire.ts';
import type { Outbox } from './outbox.ts';
import { fresh, giveSlab, SLAB, sharedBuffer, takeSlab } from './slabs.ts';
import type { Counters } from './socket.ts';

/** Up to so many bytes of messages are copied into memory of their size, and the slab is kept. */
const COPY_BELOW = 32 * 1024;
/** Least room to read into. */
const LEAST_ROOM = 4 * 1024;
/** Messages an index takes before its parcel goes: as many as a slab holds of 30 bytes. */
const MOST_MESSAGES = 16 * 1024;
/** A parcel that is laid out anew goes when it has grown to this. */
const BUILT = 256 * 1024;

/** Messages laid out anew, until they are shipped. */
interface Built {
  memory: Uint8Array<ArrayBuffer>;
  at: number;
  readonly index: number[];
  kinds: number;
  bytes: number;
}

export interface IntakeLimits {
  readonly maxPayload: number;
  readonly most: number;
}

export class Intake {
  /** Of the message under way, if it is a text. */
  readonly half: HalfText = new HalfText();
  readonly #stream: number;
  readonly #outbox: Outbox;
  readonly #counters: Counters;
  readonly #limits: { base: number; readonly maxPayload: number };
  readonly #most: number;
  readonly #cursor: Cursor = { at: 0, count: 0, kinds: 0, bytes: 0, needed: 0 };
  #slab: Uint8Array<ArrayBuffer> = sharedBuffer();
  /** The messages in the index stand in slab[start … cursor.at), unread bytes in slab[cursor.at … end). */
  #start = 0;
  #end = 0;
  #index = new Int32Array(64);
  #built: Built | undefined;
  /** The last read was large: the next gets a slab of its own. */
  #busy = false;
  /** What the next slab should have: more than SLAB where the last message took that, for the peer sends such. */
  #size = SLAB;
  #notUtf8 = false;

  /** `most`: how many bytes one read may bring. */
  constructor(stream: number, outbox: Outbox, counters: Counters, { maxPayload, most }: IntakeLimits) {
    this.#stream = stream;
    this.#outbox = outbox;
    this.#counters = counters;
    this.#limits = { base: 0, maxPayload };
    this.#most = most;
  }

  /** A text was not valid: what came before it has been shipped, nothing will be after it. */
  get notUtf8(): boolean {
    return this.#notUtf8;
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Free memory for the next read. */
  buffer(): Uint8Array {
    if (this.#cursor.count === 0 && this.#end === this.#cursor.at) this.#rewind();
    else if (this.#isLobby || this.#slab.length - this.#end < this.#room()) this.#move();
    return this.#slab.subarray(this.#end, this.#end + Math.min(this.#most, this.#wanted()));
  }

  /** Of a message that is larger than a slab just its rest is read: what came behind it would have to be moved. */
  #wanted(): number {
    const { at, needed } = this.#cursor;
    return needed > SLAB ? at + needed - this.#end : Number.POSITIVE_INFINITY;
  }

  /** So many bytes now stand where `buffer()` pointed to. */
  filled(length: number): void {
    this.#end += length;
    this.#busy = length > COPY_BELOW || this.#end === this.#slab.length || length === this.#most;
  }

  /** What came with the answer to the upgrade, before the first read. */
  prefill(bytes: Uint8Array): void {
    this.#slab = takeSlab(Math.max(bytes.length, LEAST_ROOM));
    this.#slab.set(bytes);
    this.#end = bytes.length;
  }

  /** For the slow path: the memory, and where its unread bytes are. Valid until the next call of anything else. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#slab;
  }
  get at(): number {
    return this.#cursor.at;
  }
  get end(): number {
    return this.#end;
  }

  /** Walks plain messages. True: the next frame is for the slow path; false: more bytes are needed. */
  walk(): boolean {
    if (this.#built) this.#shipBuilt();
    for (;;) {
      this.#limits.base = this.#start;
      const { at } = this.#cursor;
      const stop = walk(this.#slab, this.#end, this.#cursor, this.#index, this.#limits);
      if (this.#cursor.at !== at) this.half.nextMessage();
      if (stop !== STOP.full) return stop === STOP.other;
      if (!this.#longerIndex()) this.#shipInPlace(false);
    }
  }

  /** The slow path waits for a frame of so many bytes. */
  need(bytes: number): void {
    this.#cursor.needed = bytes;
  }

  /** The slow path has dealt with the next frame, of so many bytes. */
  skip(bytes: number): void {
    const { at, count } = this.#cursor;
    // Zeros, so that the texts around it can be checked in one go.
    if (count > 0) this.#slab.fill(0, at, at + bytes);
    else this.#start = at + bytes;
    this.#cursor.at = at + bytes;
    this.#cursor.needed = 0;
  }

  /** The next frame is a plain message after all, with its payload at `start`; it stays where it is. */
  place(text: boolean, start: number, length: number): void {
    if (this.#built) this.#shipBuilt();
    if (2 * this.#cursor.count === this.#index.length && !this.#longerIndex()) this.#shipInPlace(true);
    const { count, at } = this.#cursor;
    this.skip(start - at);
    this.#index[2 * count] = start - this.#start;
    this.#index[2 * count + 1] = text ? length | TEXT_BIT : length;
    this.#cursor.count++;
    this.#cursor.kinds |= text ? 1 : 2;
    this.#cursor.bytes += length;
    this.#cursor.at = start + length;
    this.half.nextMessage();
  }

  /** A message that was put together elsewhere; it is copied. */
  add(text: boolean, parts: readonly Uint8Array[], length: number): void {
    // Copied, since the parts may stand in the slab.
    if (this.#cursor.count > 0) this.#shipInPlace(true);
    this.#built ??= { memory: fresh(Math.max(LEAST_ROOM, length + 1)), at: 0, index: [], kinds: 0, bytes: 0 };
    const built = this.#built;
    // One byte more: a NUL behind each, so that two halves of a character never meet.
    if (built.memory.length - built.at <= length) {
      const larger = fresh(Math.max(2 * built.memory.length, built.at + length + 1));
      larger.set(built.memory.subarray(0, built.at));
      built.memory = larger;
    }
    built.index.push(built.at, text ? length | TEXT_BIT : length);
    built.kinds |= text ? 1 : 2;
    built.bytes += length;
    for (const part of parts) {
      built.memory.set(part, built.at);
      built.at += part.length;
    }
    built.memory[built.at++] = 0;
    if (built.at >= BUILT) this.#shipBuilt();
  }

  // ── shipping ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Ships what is there. `reading`: within a read's callback; elsewhere Node holds the slab and it is copied. */
  ship(reading: boolean): void {
    if (this.#built) this.#shipBuilt();
    if (this.#cursor.count > 0) this.#shipInPlace(!reading);
  }

  /** Nothing of what was not shipped is wanted. */
  drop(): void {
    this.#reset();
    this.#start = this.#cursor.at;
    this.#built = undefined;
  }

  #reset(): void {
    this.#cursor.count = 0;
    this.#cursor.kinds = 0;
    this.#cursor.bytes = 0;
  }

  /** Ships the messages that stand in the slab; small ones, those in the lobby, and if told to, by copy. */
  #shipInPlace(copy: boolean): void {
    const { count, kinds, bytes, at } = this.#cursor;
    const region = this.#slab.subarray(this.#start, at);
    const index = this.#index.slice(0, 2 * count);
    this.#reset();
    if (this.#outbox.consumes) {
      this.#start = at;
      return this.#ship(region, index, { kinds, bytes });
    }
    if (copy || this.#isLobby || region.length <= COPY_BELOW) {
      this.#start = at;
      return this.#ship(copyOf(region), index, { kinds, bytes });
    }
    const rest = this.#slab.subarray(at, this.#end);
    this.#size = count === 1 ? Math.max(SLAB, at) : SLAB;
    const size = Math.max(this.#size, rest.length + LEAST_ROOM);
    this.#slab = this.#busy || rest.length > 0 ? takeSlab(size) : sharedBuffer();
    this.#slab.set(rest);
    this.#start = 0;
    this.#cursor.at = 0;
    this.#end = rest.length;
    this.#ship(region, index, { kinds, bytes });
  }

  #shipBuilt(): void {
    const built = this.#built;
    if (!built) return;
    this.#built = undefined;
    const { memory, at, index } = built;
    const slab = memory.subarray(0, at);
    const small = memory.length - at > COPY_BELOW && !this.#outbox.consumes;
    this.#ship(small ? copyOf(slab) : slab, Int32Array.from(index), built);
  }

  #ship(
    slab: Uint8Array<ArrayBuffer>,
    index: Int32Array<ArrayBuffer>,
    of: Pick<Built, 'kinds' | 'bytes'>,
  ): void {
    if (this.#notUtf8) return;
    const { kinds } = of;
    let { bytes } = of;
    let count = index.length / 2;
    let ascii = kinds === BINARIES || (kinds === TEXTS && isAscii(slab));
    if (!ascii && !(kinds === TEXTS && isUtf8(slab))) {
      const found = checkEach(slab, index);
      ascii = found.ascii;
      this.#notUtf8 = found.valid < count;
      count = found.valid;
      bytes = found.bytes;
    }
    if (count === 0) return;
    this.#counters.messagesReceived += count;
    this.#counters.bytesReceived += bytes;
    const texts = kinds === TEXTS;
    this.#outbox.parcel({ stream: this.#stream, slab, index, count, texts, ascii, bytes });
  }

  // ── memory ────────────────────────────────────────────────────────────────────────────────────────────────

  get #isLobby(): boolean {
    return this.#slab === sharedBuffer();
  }

  /** Nothing in the memory is needed: from its beginning; an idle socket's slab goes back. */
  #rewind(): void {
    this.#start = 0;
    this.#end = 0;
    this.#cursor.at = 0;
    if (this.#busy && this.#isLobby) this.#slab = takeSlab(this.#size);
    else if (!this.#busy && !this.#isLobby) this.#release();
  }

  #release(): void {
    giveSlab(this.#slab);
    this.#slab = sharedBuffer();
  }

  /** How much room the next read should have: for the rest of the frame under way, but a header may promise what
   *  never comes, so memory grows with what is there, or was there in the message before. */
  #room(): number {
    const { at, needed } = this.#cursor;
    const have = this.#end - at;
    return Math.max(LEAST_ROOM, Math.min(needed - have, Math.max(have, this.#size - have)));
  }

  /** Out of the lobby, or of a slab that is full. What the owner has no room for moves along, or waits in the outbox. */
  #move(): void {
    const kept = this.#end - this.#start;
    if (this.#cursor.count > 0 && kept > SLAB / 2) {
      this.#shipInPlace(false);
      this.buffer();
      return;
    }
    const wanted = kept + this.#room();
    const large = this.#busy || this.#cursor.count > 0 || wanted > SLAB / 4;
    const slab = takeSlab(large ? Math.max(SLAB, wanted) : Math.max(LEAST_ROOM, wanted));
    slab.set(this.#slab.subarray(this.#start, this.#end));
    if (!this.#isLobby) giveSlab(this.#slab);
    this.#slab = slab;
    this.#cursor.at -= this.#start;
    this.#start = 0;
    this.#end = kept;
  }

  /** False when the index is as long as it gets. */
  #longerIndex(): boolean {
    if (this.#index.length >= 2 * MOST_MESSAGES) return false;
    const longer = new Int32Array(Math.min(2 * MOST_MESSAGES, 4 * this.#index.length));
    longer.set(this.#index);
    this.#index = longer;
    return true;
  }
}

/** Values of `kinds` when all messages are of one kind. */
const TEXTS = 1;
const BINARIES = 2;

/** One by one: texts among binaries, or a fault that is to be found. `valid`: messages before the first fault. */
function checkEach(
  slab: Uint8Array,
  index: Int32Array,
): { readonly valid: number; readonly bytes: number; readonly ascii: boolean } {
  let ascii = true;
  let bytes = 0;
  const count = index.length / 2;
  for (let i = 0; i < count; i++) {
    const word = index[2 * i + 1] ?? 0;
    const length = word & LENGTH_MASK;
    const start = index[2 * i] ?? 0;
    const text = word < 0 ? slab.subarray(start, start + length) : undefined;
    if (text && !isAscii(text)) {
      ascii = false;
      if (!isUtf8(text)) return { valid: i, bytes, ascii };
    }
    bytes += length;
  }
  return { valid: count, bytes, ascii };
}

/** The bytes in memory of their own. */
function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = fresh(bytes.length);
  copy.set(bytes);
  return copy;
}
