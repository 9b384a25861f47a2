// http1/memory — the memory that answers are read into, and the parts of it that leave with their bodies.
// Held by http1/driver.ts. A small read stands in the lobby, and bodies in it are copied once, all of one read together; a
// large one stands in a slab of its own, which leaves with them.
// Invariant: memory is never given away while Node may write to it: it is swapped only in `buffer()`, which Node calls
// right after each read; nothing is handed out of memory that left in an earlier turn.
// Source: workers/intake.ts; bench/RESULTS.md.

import { fresh, giveSlab, sharedBuffer, takeSlab } from '../slabs.ts';

/** Up to so many bytes of a read are copied into memory of their size, and the slab is kept. */
const COPY_BELOW = 32 * 1024;
/** Parts of a read that are told one by one; those behind them are moved together, so that tiny chunks cost little. */
const MOST_PARTS = 16;

export class ReadMemory {
  #slab: Uint8Array<ArrayBuffer> = sharedBuffer();
  /** The last read was large: the next gets a slab. */
  #busy = false;
  /** The slab has left, in part. */
  #left = false;

  /** The read under way. */
  #read: Uint8Array = this.#slab;
  /** Where its parts stand: the read itself, if it may leave, or a copy of it from `#copiedFrom` on. */
  #stands: Uint8Array<ArrayBuffer> | undefined;
  #copiedFrom = 0;
  #inPlace = false;
  #parts = 0;
  /** A part that may grow still: places in `#stands`. */
  #from = 0;
  #to = 0;

  /** Where the parts of the read under way stand, as far as that is known. */
  get memory(): ArrayBufferLike | undefined {
    return this.#stands?.buffer;
  }

  /** Free memory for the next read. */
  buffer(): Uint8Array {
    const lobby = this.#slab === sharedBuffer();
    if (this.#left) this.#slab = this.#busy ? takeSlab() : sharedBuffer();
    else if (this.#busy && lobby) this.#slab = takeSlab();
    else if (!this.#busy && !lobby) {
      giveSlab(this.#slab);
      this.#slab = sharedBuffer();
    }
    this.#left = false;
    return this.#slab;
  }

  /** So many bytes now stand where `buffer()` pointed to. */
  filled(length: number): Uint8Array {
    const lobby = this.#slab === sharedBuffer();
    this.#busy = length > COPY_BELOW || length === this.#slab.length;
    return this.#begin(this.#slab.subarray(0, length), !lobby && length > COPY_BELOW);
  }

  /** Bytes that stand elsewhere. */
  given(bytes: Uint8Array): Uint8Array {
    return this.#begin(bytes, false);
  }

  #begin(bytes: Uint8Array, inPlace: boolean): Uint8Array {
    this.#read = bytes;
    this.#inPlace = inPlace;
    this.#stands = inPlace ? this.#slab : undefined;
    this.#copiedFrom = 0;
    this.#parts = 0;
    this.#from = 0;
    this.#to = 0;
    return bytes;
  }

  /** What stands there in the read, valid during it. */
  bytes(from: number, to: number): Uint8Array {
    return this.#read.subarray(from, to);
  }

  /** Bytes of a body at [from … to) of the read: they join the part that is there, or end it and begin the next.
   *  Returns the one that was ended. `own`: each part is to be memory of its own. */
  add(from: number, to: number, own: boolean): Uint8Array | undefined {
    if (!this.#stands) this.#copy(from);
    const [start, end] = [from - this.#copiedFrom, to - this.#copiedFrom];
    if (this.#to > this.#from) {
      if (start !== this.#to && this.#parts < MOST_PARTS) {
        const part = this.take(own);
        this.#from = start;
        this.#to = end;
        return part;
      }
      // What is moved over has been parsed.
      if (start !== this.#to) this.#stands?.copyWithin(this.#to, start, end);
      this.#to += to - from;
      return undefined;
    }
    this.#from = start;
    this.#to = end;
    return undefined;
  }

  /** The part that is there, to be given away; undefined when there is none. */
  take(own: boolean): Uint8Array | undefined {
    if (this.#to === this.#from || !this.#stands) return undefined;
    const part = this.#stands.subarray(this.#from, this.#to);
    this.#from = this.#to;
    this.#parts++;
    if (own) return ownCopy(part);
    if (this.#inPlace) this.#left = true;
    return part;
  }

  #copy(from: number): void {
    this.#stands = ownCopy(this.#read.subarray(from));
    this.#copiedFrom = from;
  }
}

function ownCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = fresh(bytes.length);
  copy.set(bytes);
  return copy;
}
