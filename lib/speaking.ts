// speaking — the sending side of one WebSocket: messages, pings, and what of them has not left this process.
// The base of WsStream (wsstream.ts), which tells it of the process's notices.
// Invariant: nothing is sent but while the stream is open; every drain and ping settles.
// Source: WHATWG WebSocket send() and bufferedAmount; RFC 6455 §5.5.2; promise F3.

import { EventEmitter } from 'node:events';
import type { WaitOptions } from './await.ts';
import { notOpen } from './ending.ts';
import { fromRecord } from './errors.ts';
import { Pings } from './pings.ts';
import { type Sendable, Sending } from './sending.ts';
import type { StreamEvents, StreamHost } from './streamhost.ts';
import type { StreamState } from './types.ts';
import type { Notice, WsRecord } from './wire.ts';

/** What a WebSocket is spoken to with. */
export abstract class Speaking extends EventEmitter<StreamEvents> {
  /** Made by the caller, at once; unique within the connection. */
  readonly id: number;
  readonly #host: StreamHost;
  readonly #sending: Sending;
  readonly #pings = new Pings();

  /** @internal */
  constructor(host: StreamHost, { stream, sentBytes, flushedBytes }: WsRecord) {
    super();
    this.id = stream;
    this.#host = host;
    const post = (...[cast, memory]: Parameters<StreamHost['post']>): void => host.post(cast, memory);
    this.#sending = new Sending(stream, host.maxBuffered, post, [sentBytes, flushedBytes]);
  }

  abstract get state(): StreamState;

  /** Bytes of frames that were sent and have not left this process. */
  get bufferedAmount(): number {
    return this.#sending.buffered;
  }

  /** Sends one message, or each of an array in order. Copies; posted once per tick.
   *  Returns false when more than `maxBuffered` bytes wait: `await drained()` before more.
   *  @throws {StreamError} ERR_GUNPORT_NOT_CONNECTED, _CLOSING, _OVERLOADED (four times maxBuffered).
   *  @throws {OwnerError} ERR_GUNPORT_NOT_OWNER, _TRANSFERRING. @throws {OptionError} not sendable. */
  send(data: Sendable | readonly Sendable[]): boolean {
    this.#host.usable();
    if (this.state !== 'open') throw notOpen('send', this.state);
    return this.#sending.add(data);
  }

  /** Resolves when all that was sent until now has left this process.
   *  @throws {StreamError} ERR_GUNPORT_CLOSED the socket was lost first. */
  async drained(options: WaitOptions = {}): Promise<void> {
    this.#host.usable();
    return this.#sending.drained(options);
  }

  /** A ping, answered by the peer's pong: the round trip in milliseconds, measured beside the socket.
   *  `payload`: at most 125 bytes. Default timeout 10 000. Source: RFC 6455 §5.5.2. */
  async ping(payload?: string | Uint8Array, options: WaitOptions = {}): Promise<number> {
    this.#host.usable();
    if (this.state !== 'open') throw notOpen('ping', this.state);
    return this.#pings.send(payload, options, (id, bytes) => {
      this.#sending.flush();
      this.#host.post({ type: 'ping', stream: this.id, id, payload: bytes });
    });
  }

  /** What was sent in this turn goes before what is posted next. @internal */
  protected flushSent(): void {
    this.#sending.flush();
  }

  /** For the next owner. @internal */
  protected get sentTotals(): Pick<WsRecord, 'sentBytes' | 'flushedBytes'> {
    return this.#sending.totals;
  }

  /** A pong, or bytes that have left. @internal */
  protected told(notice: Notice & { type: 'pong' | 'sent' }): void {
    if (notice.type === 'pong') this.#pings.answered(notice.id, notice.rtt);
    else this.#sending.gone(notice.bytes, notice.error && fromRecord(notice.error));
  }

  /** Nothing that is still here will be sent, and no pong will come. @internal */
  protected failSent(error: Error): void {
    this.#sending.fail(error);
    this.#pings.fail(error);
  }
}
