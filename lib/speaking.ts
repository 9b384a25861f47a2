// speaking — the sending side of one WebSocket: messages, pings, and what of them has not left this process; and calls to
// its handler. The base of WsStream (wsstream.ts), which tells it of the process's notices.
// Invariant: nothing is sent but while the stream is open; every drain, ping and call settles.
// Source: WHATWG WebSocket send() and bufferedAmount; RFC 6455 §5.5.2; promise F3.

import { EventEmitter } from 'node:events';
import type { WaitOptions } from './await.ts';
import { notOpen } from './closing.ts';
import { fromRecord, type GunportError, StreamError } from './errors.ts';
import { Handled, type HandledStream } from './handled.ts';
import type { Making } from './handlersettings.ts';
import type { Inline } from './inline.ts';
import { Pings } from './pings.ts';
import type { Remote, RemoteOptions } from './remote.ts';
import type { Sendable } from './sendable.ts';
import { Sending } from './sending.ts';
import type { StreamEvents, StreamHost } from './streamhost.ts';
import type { Message, StreamState } from './types.ts';
import type { Notice, Parcel, WsRecord, WsSettings } from './wire.ts';

/** What a WebSocket is spoken to with. */
export abstract class Speaking<M = Message> extends EventEmitter<StreamEvents<M>> {
  /** Made by the caller, at once; unique within the connection. */
  readonly id: number;
  readonly #host: StreamHost;
  readonly #sending: Sending;
  readonly #pings = new Pings();
  readonly #ws: WsSettings;
  readonly #handled: Handled | undefined;

  /** @internal */
  constructor(
    host: StreamHost,
    { stream, ws, sentBytes, flushedBytes, unsent = 0 }: WsRecord,
    making?: Making,
  ) {
    super();
    this.id = stream;
    this.#host = host;
    this.#ws = ws;
    const post = (...[cast, memory]: Parameters<StreamHost['post']>): void => host.post(cast, memory);
    this.#sending = new Sending(stream, host.maxBuffered, post, [sentBytes, flushedBytes, unsent]);
    // One that runs on another thread, which is gone, is none any more.
    if (ws.handler === undefined || (ws.handler === 'inline' && !making)) return;
    this.#handled = new Handled(this.#asHandled(), making);
  }

  abstract get state(): StreamState;
  abstract get url(): string;
  /** @internal */
  abstract deliver(parcel: Parcel): void;
  /** @internal */
  abstract finish(error: GunportError): void;

  /** Bytes of frames that were sent and have not left this process. Of 16 KiB and less it may be told up to 10 ms late, so
   *  that nobody is woken for it; `drained()` hears of it at once. */
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

  /** Calls the `api` of its handler: `await stream.remote<BookApi>().book.best(10)`, and `await stream.remote().depth`
   *  reads what is no function. It is there before the WebSocket is open, and while it is down. Arguments and results are
   *  cloned, or as comlink's `proxy`, `transfer` and transfer handlers have it; what the api throws keeps its class, code
   *  and cause. A callback that was given by `proxy` does nothing any more once its owner has gone.
   *  @throws {StreamError} ERR_GUNPORT_UNSUPPORTED it has no handler. @throws {OptionError}
   *  Calls reject with {StreamError} ERR_GUNPORT_UNSUPPORTED the api has no such thing, or what the stream ended with;
   *  {DownError}; {OwnerError} handed over; {TimeoutError}; {DataCloneError}. */
  remote<Api extends object>(options?: RemoteOptions): Remote<Api> {
    this.#host.readable();
    // What the api is, its owner knows.
    if (this.#handled) return this.#handled.remote(options) as Remote<Api>;
    throw new StreamError('ERR_GUNPORT_UNSUPPORTED', 'remote(): the stream has no handler');
  }

  /** Its process is gone; what that had posted may still be on its way. @internal */
  died(error: GunportError): void {
    this.endCalls(error);
  }

  /** Asks its process for it; where its handler runs on this thread, once that is there. `tunnel`: what it goes through;
   *  `options`: of its handler. @internal */
  ask(tunnel: number | undefined, options: unknown): void {
    const stream = this.id;
    // Its process has those of the connection.
    const ws = this.#ws === this.#host.ws ? undefined : this.#ws;
    const ask = (): void => {
      const decides = this.inline?.runner.has('retrying');
      // Written out: each name that is posted costs, and most have no more than these.
      const cast =
        tunnel === undefined && options === undefined && !decides
          ? ({ type: 'upgrade', stream, ws } as const)
          : ({ type: 'upgrade', stream, ws, tunnel, options, decides } as const);
      this.#host.post(cast);
    };
    if (this.inline) this.inline.askBy(ask);
    else ask();
  }

  /** Its handler runs on this thread, and is not done. @internal */
  get isInline(): boolean {
    return this.inline !== undefined && this.state !== 'closed';
  }

  /** @internal */
  protected get inline(): Inline | undefined {
    return this.#handled?.inline;
  }

  /** For a handler on this thread. */
  #say(data: Sendable | readonly Sendable[], secret: boolean): boolean {
    if (!secret) return this.#sending.add(data);
    this.#sending.flush();
    const more = this.#sending.add(data);
    this.#sending.flush(true);
    return more;
  }

  #asHandled(): HandledStream {
    return {
      ws: this.#ws,
      id: this.id,
      host: this.#host,
      emitter: this as unknown as EventEmitter, // Its events are typed by `M`, which nobody knows here.
      url: () => this.url,
      state: () => this.state,
      send: (data, secret) => this.#say(data, secret),
      drained: () => this.#sending.drained({}),
      ping: (timeout) => this.ping(undefined, timeout === undefined ? {} : { timeout }),
      flushSent: () => this.#sending.flush(),
      deliver: (parcel) => this.deliver(parcel),
      finish: (error) => this.finish(error),
    };
  }

  /** What was sent in this turn goes before what is posted next. @internal */
  protected flushSent(): void {
    this.#sending.flush();
  }

  /** For the next owner. @internal */
  protected get sentTotals(): Pick<WsRecord, 'sentBytes' | 'flushedBytes' | 'unsent'> {
    return this.#sending.totals;
  }

  /** Bytes of it that were dropped with a socket. @internal */
  protected get unsent(): number {
    return this.#sending.unsent;
  }

  /** @internal */
  protected sentSoFar(bytes: number): void {
    this.#sending.gone(bytes);
  }

  /** A pong, bytes that have left, or what its handler tells. @internal */
  protected told(notice: Notice & { type: 'pong' | 'sent' | 'notified' | 'fault' }): void {
    if (notice.type === 'pong') this.#pings.answered(notice.id, notice.rtt);
    else if (notice.type !== 'sent') this.#handled?.told(notice);
    else this.#sending.gone(notice.bytes, notice.error && fromRecord(notice.error));
  }

  /** Nothing that is still here will be sent, and no pong will come. @internal */
  protected failSent(error: Error): void {
    this.#sending.fail(error);
    this.#pings.fail(error);
  }

  /** Its handler answers no calls any more. @internal */
  protected endCalls(error: GunportError): void {
    this.#handled?.close(error);
  }
}
