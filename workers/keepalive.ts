// keepalive — pings of one WebSocket, the user's and our own, the pongs that answer them, and the deadline.
// Held by websocket.ts, which writes the frames.
// Invariant: each ping is answered at most once; after stop() nothing is told. While the socket is paused the deadline
// stands still, and one that is due waits for what has arrived meanwhile: a busy thread is no silent peer.
// Source: RFC 6455 §5.5.2 and §5.5.3; promise F2.

import { ConnectionError } from '../lib/errors.ts';
import type { WsSettings } from '../lib/wire.ts';
import type { Outbox } from './outbox.ts';

export interface KeepaliveHost {
  /** Writes a ping. */
  ping(payload: Uint8Array): void;
  /** The round trip of a user's ping, in ms. */
  answered(id: number, rtt: number): void;
  /** Our own ping was not answered in time. */
  late(error: ConnectionError): void;
}

interface Ping {
  /** The user's, a handler's (below 0), or 0 for our own. */
  readonly id: number;
  readonly payload: Uint8Array;
  readonly at: number;
}

/** Most pings that wait for their pongs; the oldest go unanswered. */
const MOST_PINGS = 1_024;

export class Keepalive {
  readonly #settings: Pick<WsSettings, 'keepalive' | 'pongTimeout'>;
  readonly #outbox: Outbox;
  readonly #host: KeepaliveHost;
  #pings: Ping[] = [];
  #count = 0;
  #interval: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(settings: Pick<WsSettings, 'keepalive' | 'pongTimeout'>, outbox: Outbox, host: KeepaliveHost) {
    this.#settings = settings;
    this.#outbox = outbox;
    this.#host = host;
    const { keepalive } = settings;
    if (keepalive > 0) this.#interval = setInterval(() => this.#tick(), keepalive);
  }

  /** A ping of the user's; without a payload it gets one of its own, so that its pong can be told from others. */
  ping(id: number, payload: Uint8Array | undefined): void {
    const bytes = payload ?? Buffer.from(String(++this.#count));
    this.#pings.push({ id, payload: bytes, at: performance.now() });
    if (this.#pings.length > MOST_PINGS) this.#pings.shift();
    this.#host.ping(bytes);
  }

  /** A pong has come. True when it answers a ping; the older ones count as answered with it: RFC 6455 §5.5.3 lets
   *  the peer answer only the most recent. */
  pong(payload: Uint8Array): boolean {
    const at = this.#pings.findIndex((ping) => Buffer.compare(ping.payload, payload) === 0);
    if (at < 0) return false;
    const now = performance.now();
    for (const { id, at: sent } of this.#pings.splice(0, at + 1)) {
      if (id !== 0) this.#host.answered(id, now - sent);
      else this.#stopDeadline();
    }
    return true;
  }

  stop(): void {
    clearInterval(this.#interval);
    this.#stopDeadline();
    this.#pings = [];
  }

  #tick(): void {
    if (this.#pings.some(({ id }) => id === 0)) return;
    this.ping(0, undefined);
    this.#arm(this.#settings.pongTimeout);
  }

  #arm(ms: number): void {
    this.#deadline = setTimeout(() => {
      // Timers run before reads: what has arrived while this thread was busy is read first.
      this.#immediate = setImmediate(() => this.#due());
    }, ms);
  }

  #due(): void {
    const { pongTimeout } = this.#settings;
    const sent = this.#pings.find(({ id }) => id === 0)?.at ?? 0;
    const left = Math.max(sent, this.#outbox.resumedAt) + pongTimeout - performance.now();
    // Timers may fire a little early; a millisecond is no reason to wait again.
    if (this.#outbox.paused || left > 1) return this.#arm(this.#outbox.paused ? pongTimeout : left);
    this.#host.late(
      new ConnectionError('ERR_GUNPORT_PONG_TIMEOUT', `no pong came within ${pongTimeout} ms`, {
        phase: 'timeout',
      }),
    );
  }

  #stopDeadline(): void {
    clearTimeout(this.#deadline);
    clearImmediate(this.#immediate);
  }
}
