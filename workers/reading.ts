// reading — the way of a socket's bytes into the sink, and its standstill while paused.
// Made by transport.ts for each dial: Node takes `onread` when a socket is made.
// Invariant: between pause() and resume() the sink hears nothing. A TLS socket that is paused in the midst of a read
// goes on handing over what it has decrypted; that is held here (at most what one read of the kernel brought) and
// given to the sink first. Node never holds the sink's memory while something is held: it gets a scratch buffer then.
// Source: Node lib/internal/stream_base_commons.js (onStreamRead), src/crypto/crypto_tls.cc (TLSWrap::ClearOut).

import type { OnReadOpts, Socket } from 'node:net';
import type { GunportError } from '../lib/errors.ts';
import type { Sink } from './socket.ts';

/** Size of the buffer that Node is given while paused: one TLS record. */
const SCRATCH = 16 * 1024;

/** Where the bytes of sockets go that nobody listens to any more; nothing is read from it. */
const NOWHERE = new Uint8Array(SCRATCH);

export class Reading {
  /** For net.connect and tls.connect. Node asks for the first buffer when the socket is made, or made anew for the
   *  next address, and for the next one right after each callback. */
  readonly onread: OnReadOpts;
  readonly #sink: Sink;
  #socket: Socket | undefined;
  #scratch: Uint8Array | undefined;
  /** Node's current buffer is the scratch, not the sink's. */
  #scratched = false;
  #paused = false;
  /** Not in this turn any more. */
  #yields = false;
  #stopped = false;
  #held: Uint8Array[] = [];
  #ended = false;
  #lost: { readonly error: GunportError | undefined } | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.onread = {
      buffer: (() => this.#next()) as unknown as OnReadOpts['buffer'], // @types/node has it, without the function.
      callback: (length, buffer) => {
        this.#read(length, buffer);
        return true;
      },
    };
  }

  /** The socket is connected: what comes from now on is the sink's. */
  attach(socket: Socket): void {
    this.#socket = socket;
  }

  /** Bytes that a socket without `onread` has read: copied into the sink's memory. */
  given(bytes: Uint8Array): void {
    if (this.#stopped) return;
    this.#held.push(bytes);
    this.#pump();
  }

  /** Bytes that come before all others: at once, if it is not paused. */
  unshift(bytes: Uint8Array): void {
    if (this.#stopped || bytes.length === 0) return;
    this.#held.unshift(new Uint8Array(bytes)); // A copy: its memory is another's.
    this.#pump();
  }

  pause(): void {
    this.#paused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#paused || this.#stopped) return;
    this.#paused = false;
    this.#pump();
    this.#goOn();
  }

  /** Reads no more in this turn of the loop. Node would make up to 32 reads of a busy socket, 6 ms of large ones, before
   *  the thread hears of anything else. */
  yield(): void {
    if (this.#yields || this.#paused || this.#stopped) return;
    this.#yields = true;
    this.#socket?.pause();
    setImmediate(() => {
      this.#yields = false;
      this.#goOn();
    });
  }

  #goOn(): void {
    if (!this.#paused && !this.#yields && !this.#stopped) this.#socket?.resume();
  }

  /** The peer will send no more. */
  ended(): void {
    this.#ended = true;
    this.#pump();
  }

  /** The socket is gone. */
  lost(error: GunportError | undefined): void {
    this.#lost = { error };
    this.#pump();
  }

  /** Nothing is told to the sink any more. */
  stop(): void {
    this.#stopped = true;
    this.#held = [];
  }

  #next(): Uint8Array {
    if (this.#stopped) return NOWHERE;
    const before = this.#scratched;
    this.#scratched = this.#paused || this.#held.length > 0;
    if (!this.#scratched) return this.#sink.buffer();
    // Asked for all the same after its own: what it keeps leaves the memory that is shared by all that are idle.
    if (!before) this.#sink.buffer();
    this.#scratch ??= new Uint8Array(SCRATCH);
    return this.#scratch;
  }

  #read(length: number, buffer: Uint8Array): void {
    if (this.#stopped) return;
    if (!this.#scratched && !this.#paused && this.#held.length === 0) return this.#sink.received(length);
    this.#held.push(new Uint8Array(buffer.subarray(0, length))); // A copy: slice() of a Buffer is a view.
    this.#pump();
  }

  /** Gives the sink what was held, then FIN, then the end, as far as it is not paused. */
  #pump(): void {
    while (!this.#paused && !this.#stopped && this.#held.length > 0) {
      const chunk = this.#held[0];
      if (!chunk) break;
      const free = this.#sink.buffer();
      const length = Math.min(chunk.length, free.length);
      free.set(chunk.subarray(0, length));
      if (length === chunk.length) this.#held.shift();
      else this.#held[0] = chunk.subarray(length);
      this.#sink.received(length);
      // At once, as Node does: what the sink keeps leaves the memory that is shared by all that are idle. Else the next
      // read of another socket, such as the one that a tunnel's TLS stands on, is written over it.
      if (!this.#stopped) this.#sink.buffer();
    }
    // A socket that is gone stays silent while paused only as long as something is held: its holder's timers and
    // calls would wait for a peer that is no more. What had ended before has ended well.
    if (this.#stopped || this.#held.length > 0) return;
    if (this.#ended && (!this.#paused || this.#lost)) {
      this.#ended = false;
      this.#sink.ended();
    }
    if (this.#lost && !this.#stopped) {
      this.#stopped = true;
      this.#sink.lost(this.#lost.error);
    }
  }
}
