// front — where a socket's bytes enter a connection process: the driver of the moment gets them.
// Held by process.ts, which gives it to transport.ts as the sink.
// Invariant: what Node was given before there was a driver is the lobby, never a driver's memory; a driver may make
// place for another in the midst of a read.

import type { GunportError } from '../lib/errors.ts';
import { sharedBuffer } from './slabs.ts';
import type { Sink } from './socket.ts';

export class Front implements Sink {
  readonly #driver: () => Sink | undefined;
  readonly #guard: (run: () => void) => void;
  #inLobby = true;

  /** `driver`: the one of the moment; `guard`: runs what may throw. */
  constructor(driver: () => Sink | undefined, guard: (run: () => void) => void) {
    this.#driver = driver;
    this.#guard = guard;
  }

  buffer(): Uint8Array {
    const driver = this.#driver();
    this.#inLobby = driver === undefined;
    return driver ? driver.buffer() : sharedBuffer();
  }

  received(length: number): void {
    this.#guard(() => {
      if (this.#inLobby) this.#feed(sharedBuffer().slice(0, length));
      else this.#driver()?.received(length);
    });
  }

  ended(): void {
    this.#guard(() => this.#driver()?.ended());
  }

  lost(error: GunportError | undefined): void {
    this.#guard(() => this.#driver()?.lost(error));
  }

  #feed(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const driver = this.#driver();
      if (!driver) return;
      const free = driver.buffer();
      const part = bytes.subarray(at, at + free.length);
      free.set(part);
      at += part.length;
      driver.received(part.length);
    }
  }
}
