// front — where a socket's bytes enter a connection process: the driver of the moment gets them.
// Held by process.ts, which gives it to transport.ts as the sink.
// Invariant: a driver is told of bytes in the memory that it gave itself; those that stand elsewhere, since it has taken the
// place of another meanwhile, are copied. It may make place for another in the midst of a read.

import type { GunportError } from '../lib/errors.ts';
import { sharedBuffer } from './slabs.ts';
import type { Sink } from './socket.ts';

/** Whose bytes they are. */
export interface FrontHost {
  /** The driver of the moment. */
  readonly front: Sink | undefined;
  /** Runs what may throw. */
  guard(run: () => void): void;
}

export class Front implements Sink {
  readonly #host: FrontHost;
  /** Whose memory is read into, and which: without a driver it is the lobby. */
  #giver: Sink | undefined;
  #given: Uint8Array | undefined;

  constructor(host: FrontHost) {
    this.#host = host;
  }

  buffer(): Uint8Array {
    const driver = this.#host.front;
    this.#giver = driver;
    this.#given = driver ? driver.buffer() : sharedBuffer();
    return this.#given;
  }

  received(length: number): void {
    this.#host.guard(() => {
      const driver = this.#host.front;
      if (driver && driver === this.#giver) driver.received(length);
      else this.#feed((this.#given ?? sharedBuffer()).slice(0, length));
    });
  }

  ended(): void {
    this.#host.guard(() => this.#host.front?.ended());
  }

  lost(error: GunportError | undefined): void {
    this.#host.guard(() => this.#host.front?.lost(error));
  }

  #feed(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const driver = this.#host.front;
      if (!driver) return;
      const free = driver.buffer();
      const part = bytes.subarray(at, at + free.length);
      free.set(part);
      at += part.length;
      driver.received(part.length);
    }
  }
}
