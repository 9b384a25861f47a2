// takeover — a WebSocket that has the whole of an HTTP/1 connection: nothing else can be asked of it any more.
// Made by link.ts when the server has agreed to the upgrade.
// Invariant: every request that waits, or comes now, is refused; the connection ends with its WebSocket.
// Source: gun_ws as the protocol of a connection; Gun's badstate for requests on it.

import { type GunportError, StreamError } from '../lib/errors.ts';
import { type Agreement, type Driver, type DriverHost, noPing } from './driver.ts';
import type { Entry } from './entry.ts';
import { FrameProbe } from './probes/frameprobe.ts';
import { WebSocketDriver } from './websocket.ts';

export class Takeover implements Driver {
  readonly protocol = 'ws';
  readonly #entry: Entry;
  readonly #host: DriverHost;
  readonly #socket: WebSocketDriver;

  constructor(entry: Entry, { negotiated }: Agreement, host: DriverHost) {
    this.#entry = entry;
    this.#host = host;
    const { transport, counters, probe } = host;
    const { outbox } = entry;
    this.#socket = new WebSocketDriver(entry.stream, entry.ws, negotiated, {
      transport,
      outbox,
      counters,
      sentBefore: entry.received,
      frames: new FrameProbe(probe, entry),
      finished: (closed) => host.finished(entry, closed),
      hold: (held) => (held ? transport.pause() : transport.resume()),
      cancelled: () => host.lost(new StreamError('ERR_GUNPORT_CANCELLED', 'the stream on it was cancelled')),
    });
    entry.socket = this.#socket;
  }

  /** `rest`: what came right behind the answer. */
  begin(rest: Uint8Array): void {
    this.#socket.begin(rest);
  }

  buffer(): Uint8Array {
    return this.#socket.buffer();
  }
  received(length: number): void {
    this.#socket.received(length);
  }
  ended(): void {
    this.#socket.ended();
  }
  lost(error: GunportError | undefined): void {
    this.#socket.lost(error);
  }

  serve(): void {
    const message = `the connection is taken by stream ${this.#entry.stream}, a WebSocket`;
    const code = { http: 'ERR_GUNPORT_BAD_STATE', ws: 'ERR_GUNPORT_NOT_CONNECTED' } as const;
    this.#host.streams.failWaiting(({ kind }) => new StreamError(code[kind], message));
  }

  ping(id: number): void {
    this.#host.outbox.reply(noPing(id, 'the connection is taken by a WebSocket, which has its own'));
  }

  // RFC 6455 §7.4.1: 1001, "going away".
  shutdown(): void {
    this.#socket.close(1001, '');
  }

  stop(): void {
    this.#socket.stop();
  }
}
