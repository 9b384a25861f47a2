// through — a connection that is a tunnel: an HTTP/1 or SOCKS proxy has given all of it to what is behind it.
// Made by link.ts when the proxy has agreed; its bytes go to the branch (branch.ts) untouched.
// Invariant: nothing else can be asked of the proxy; the connection ends with its tunnel.
// Source: gun_tunnel over HTTP/1.1; RFC 9110 §9.3.6.

import { type GunportError, StreamError } from '../../lib/errors.ts';
import type { Protocol } from '../../lib/types.ts';
import { type Branching, type Driver, type DriverHost, noPing } from '../driver.ts';
import type { Exchange, Server } from '../exchange.ts';
import type { Sink } from '../socket.ts';

export class Through implements Driver, Server {
  readonly protocol: Protocol;
  readonly #exchange: Exchange;
  readonly #branch: Branching;
  readonly #host: DriverHost;
  #stopped = false;

  /** `protocol`: what the proxy was asked in. */
  constructor(protocol: Protocol, exchange: Exchange, branch: Branching, host: DriverHost) {
    this.protocol = protocol;
    this.#exchange = exchange;
    this.#branch = branch;
    this.#host = host;
    exchange.server = this;
  }

  get #sink(): Sink {
    return this.#branch.sink;
  }

  buffer(): Uint8Array {
    return this.#sink.buffer();
  }
  received(length: number): void {
    this.#sink.received(length);
  }
  ended(): void {
    this.#sink.ended();
  }
  lost(error: GunportError | undefined): void {
    this.#sink.lost(error);
  }

  serve(): void {
    const message = `the connection is taken by stream ${this.#exchange.stream}, a tunnel`;
    this.#host.streams.failWaiting(() => new StreamError('ERR_GUNPORT_BAD_STATE', message));
  }

  ping(id: number): void {
    this.#host.outbox.reply(noPing(id, 'the connection is taken by a tunnel'));
  }

  upload(): void {}

  resume(): void {}

  cancel(): void {
    if (!this.#stopped) this.#branch.cancel();
  }

  shutdown(reason: string): void {
    this.#branch.shutdown(reason);
  }

  stop(): void {
    this.#stopped = true;
    this.#branch.stop();
  }
}
