// raw — bytes as they come, both ways, for one stream: a connection that speaks nothing, the far end of a tunnel, or what
// an HTTP/1 server has switched to.
// Made by link.ts. Invariant: nothing is read before there is a stream to tell it; the peer's end is the last part, and
// ours goes out when the stream has said all; with `halfOpen` neither end waits for the other. Source: gun_raw.

import { ConnectionError, type GunportError, StreamError } from '../lib/errors.ts';
import { type Driver, type DriverHost, noPing } from './driver.ts';
import type { Exchange, Server } from './exchange.ts';
import { ReadMemory } from './http1/memory.ts';

const NOTHING = new Uint8Array(0);

export class RawDriver implements Driver, Server {
  readonly protocol = 'raw';
  readonly #host: DriverHost;
  readonly #memory = new ReadMemory();
  #exchange: Exchange | undefined;
  #paused = false;
  #stopped = false;
  /** Our side is ended. */
  #ended = false;
  #lingering: NodeJS.Timeout | undefined;
  /** shutdown() was called. */
  #leaving = false;

  /** `exchange`: whose the bytes are; without one, the next that asks for them. */
  constructor(host: DriverHost, exchange: Exchange | undefined) {
    this.#host = host;
    this.#exchange = exchange;
    if (exchange) exchange.server = this;
    else this.#pause();
  }

  serve(): void {
    const { streams } = this.#host;
    const { next } = streams;
    if (!this.#exchange && next?.kind === 'http' && next.request.method === 'RAW') {
      streams.take(next);
      this.#exchange = next;
      next.server = this;
      this.upload(next);
      this.#settle();
    }
    streams.failWaiting((one) => {
      if (!this.#exchange && one.kind === 'http' && one.request.method === 'RAW') return undefined;
      const text = this.#exchange
        ? `taken by stream ${this.#exchange.stream}, whose bytes it carries`
        : 'raw';
      return new StreamError('ERR_GUNPORT_BAD_STATE', `the connection is ${text}`);
    });
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  buffer(): Uint8Array {
    return this.#memory.buffer();
  }

  received(length: number): void {
    const exchange = this.#exchange;
    this.#memory.filled(length);
    if (!exchange || this.#stopped) return;
    const { counters } = this.#host;
    counters.messagesReceived++;
    counters.bytesReceived += length;
    this.#memory.add(0, length, true);
    const part = this.#memory.take(exchange.flow !== undefined);
    if (part) exchange.data(part, false);
    this.#settle();
  }

  ended(): void {
    const exchange = this.#exchange;
    if (!exchange || exchange.cancelled) return this.#lose();
    exchange.data(NOTHING, true);
    // RFC 9293 §3.6: the other side may go on; by default it does not, as Node's sockets do not.
    if (!exchange.heard) this.#end();
    this.#bothEnded();
  }

  lost(error: GunportError | undefined): void {
    this.#lose(error);
  }

  /** Reads on, or pauses. */
  #settle(): void {
    const exchange = this.#exchange;
    if (this.#stopped || !exchange) return;
    if (!exchange.wanted) this.#pause();
    else if (this.#paused) {
      this.#paused = false;
      // Last: what was held is read at once.
      this.#host.transport.resume();
    }
  }

  #pause(): void {
    this.#paused = true;
    this.#host.transport.pause();
  }

  // ── writing ───────────────────────────────────────────────────────────────────────────────────────────────

  upload(exchange: Exchange): void {
    if (this.#stopped || this.#ended || exchange !== this.#exchange) return;
    const { upload } = exchange;
    const { transport, counters } = this.#host;
    for (let part = upload.take(); part; part = upload.take()) {
      const { length } = part;
      counters.messagesSent++;
      counters.bytesSent += length;
      transport.write(part, (error) => this.#host.guard(() => this.#wrote(exchange, length, error)));
    }
    if (upload.done) this.#end();
  }

  #wrote(exchange: Exchange, length: number, error: Error | null | undefined): void {
    if (this.#stopped) return;
    if (!error) exchange.upload.left(length);
  }

  /** FIN, behind what was written. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#host.transport.end(() => this.#leaving && this.#host.guard(() => this.#leave()));
    this.#bothEnded();
  }

  /** Both have said all: the socket closes by itself, and takes along what is still on its way; not for ever. */
  #bothEnded(): void {
    const exchange = this.#exchange;
    if (!this.#ended || this.#lingering || !(exchange?.heard || exchange?.ended)) return;
    const { closingTimeout } = this.#host.settings.ws;
    this.#lingering = setTimeout(() => this.#host.guard(() => this.#lose()), closingTimeout);
  }

  resume(exchange: Exchange): void {
    if (exchange === this.#exchange) this.#settle();
  }

  cancel(): void {
    this.#lose(new StreamError('ERR_GUNPORT_CANCELLED', 'the stream on it was cancelled'));
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  ping(id: number): void {
    this.#host.outbox.reply(noPing(id, 'raw bytes have no pings'));
  }

  /** Source: gun_raw's closing: at once, but for what was given to be sent. */
  shutdown(): void {
    this.#leaving = true;
    if (this.#exchange) this.upload(this.#exchange);
    // Ended before, nothing is waited for.
    if (this.#ended) return this.#leave();
    this.#end();
  }

  #leave(): void {
    if (this.#stopped) return;
    this.stop();
    this.#host.over();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#lingering);
  }

  #lose(error?: GunportError): void {
    const exchange = this.#exchange;
    if (this.#stopped) return;
    if (this.#leaving) return this.#leave();
    this.stop();
    if (exchange?.heard && this.#ended) exchange.over();
    this.#host.lost(error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'the peer closed the connection'));
  }
}
