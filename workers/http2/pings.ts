// http2/pings — PINGs of one HTTP/2 connection: the user's, with their round trips, and our own, with what they tell.
// Held by http2/driver.ts, which writes the frames.
// Invariant: each is answered at most once, and by its own payload only: answers that nobody asked for count for
// nothing. Nobody is late before what had come was read.
// Source: RFC 9113 §6.7; Gun's keepalive and keepalive_tolerance.

import { ConnectionError, StreamError, toRecord } from '../../lib/errors.ts';
import type { Settings } from '../../lib/wire.ts';
import type { Outbox } from '../outbox.ts';

export interface Http2PingsHost {
  readonly settings: Settings;
  readonly outbox: Outbox;
  /** Runs what may throw. */
  guard(run: () => void): void;
  /** Writes a PING with 8 bytes. */
  ping(payload: Uint8Array): void;
  /** Our own were not answered. */
  late(error: ConnectionError): void;
}

interface Ping {
  /** The user's, or undefined for our own. */
  readonly id: number | undefined;
  readonly payload: Uint8Array;
  readonly at: number;
}

/** Most pings that wait for their answers. */
const MOST_PINGS = 1_024;

export class Http2Pings {
  readonly #host: Http2PingsHost;
  #pings: Ping[] = [];
  #count = Math.floor(Math.random() * 2 ** 32);
  #interval: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(host: Http2PingsHost) {
    this.#host = host;
  }

  /** The connection is up: our own begin. */
  begin(): void {
    const { keepalive } = this.#host.settings.http;
    if (keepalive !== undefined && keepalive > 0)
      this.#interval = setInterval(() => this.#host.guard(() => this.#tick()), keepalive);
  }

  /** The user's. */
  ping(id: number): void {
    if (this.#pings.length >= MOST_PINGS) {
      const text = `ping(): ${MOST_PINGS} pings are not answered yet`;
      return this.#refuse(id, new StreamError('ERR_GUNPORT_OVERLOADED', text));
    }
    this.#send(id);
  }

  /** An answer has come. */
  pong(payload: Uint8Array): void {
    const at = this.#pings.findIndex((ping) => Buffer.compare(ping.payload, payload) === 0);
    const [ping] = at < 0 ? [] : this.#pings.splice(at, 1);
    if (!ping) return;
    const { id } = ping;
    if (id === undefined) this.#stopDeadline();
    else this.#host.outbox.reply({ type: 'pong', stream: 0, id, rtt: performance.now() - ping.at });
  }

  /** None will be answered any more. */
  stop(error: Error): void {
    clearInterval(this.#interval);
    this.#stopDeadline();
    for (const { id } of this.#pings.splice(0)) if (id !== undefined) this.#refuse(id, error);
  }

  #refuse(id: number, error: Error): void {
    this.#host.outbox.reply({ type: 'failedCall', id, error: toRecord(error) });
  }

  #send(id: number | undefined): void {
    const payload = Buffer.alloc(8);
    payload.writeUIntBE(++this.#count, 2, 6);
    this.#pings.push({ id, payload, at: performance.now() });
    this.#host.ping(payload);
  }

  get #unanswered(): number {
    return this.#pings.filter(({ id }) => id === undefined).length;
  }

  #tick(): void {
    const { keepaliveTolerance } = this.#host.settings.http;
    const most = Math.max(1, keepaliveTolerance);
    if (this.#unanswered < most) {
      this.#send(undefined);
      if (keepaliveTolerance === 0) this.#arm();
    } else if (keepaliveTolerance > 0) {
      this.#look(() => {
        const count = this.#unanswered;
        if (count >= most) this.#late(`${count} pings were not answered`);
        else this.#send(undefined);
      });
    }
  }

  #arm(): void {
    const { pongTimeout } = this.#host.settings.ws;
    this.#deadline = setTimeout(
      () => this.#look(() => this.#late(`no answer to a ping came within ${pongTimeout} ms`)),
      pongTimeout,
    );
  }

  /** Timers run before reads: what has arrived while this thread was busy is read first. */
  #look(then: () => void): void {
    clearImmediate(this.#immediate);
    this.#immediate = setImmediate(() => this.#host.guard(then));
  }

  #late(text: string): void {
    this.#host.late(new ConnectionError('ERR_GUNPORT_PONG_TIMEOUT', text, { phase: 'timeout' }));
  }

  #stopDeadline(): void {
    clearTimeout(this.#deadline);
    clearImmediate(this.#immediate);
  }
}
