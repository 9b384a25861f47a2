// http2/memory — what an HTTP/2 socket is read into: node:http2 copies what it is given, so one buffer serves all reads.
// Held by http2/driver.ts. Invariant: memory that node:http2 may still hold is never read into again; an idle connection has
// none of its own. Source: slabs.ts.

import { fresh, sharedBuffer } from '../slabs.ts';

/** Size of the memory of a busy socket: node:http2 allocates as much for each read, and above this it is slower. */
const SIZE = 64 * 1024;
/** A read of so many bytes tells of a busy socket. */
const BUSY = 16 * 1024;

export class Http2Memory {
  #memory: Uint8Array = sharedBuffer();
  #own: Uint8Array | undefined;
  #busy = false;

  /** Free memory for the next read. */
  buffer(): Uint8Array {
    if (this.#busy) this.#own ??= fresh(SIZE);
    else this.#own = undefined;
    this.#memory = this.#own ?? sharedBuffer();
    return this.#memory;
  }

  /** What was read. */
  filled(length: number): Uint8Array {
    this.#busy = length >= BUSY;
    return this.#memory.subarray(0, length);
  }

  /** Such a read filled its memory: more is there. */
  full(length: number): boolean {
    return length === this.#memory.length;
  }

  /** As it may be given to node:http2: what is shared by all idle sockets is copied. */
  lend(piece: Uint8Array): Uint8Array {
    return piece.buffer === sharedBuffer().buffer ? piece.slice() : piece;
  }

  /** What was lent is kept by node:http2. */
  keep(): void {
    this.#own = undefined;
  }
}
