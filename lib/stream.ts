// stream — one request and its answer, as the owner of its connection holds them.
// Made by connection.ts for get, post …, for tunnels and raw bytes, and by the server for a push; told of the answer by
// owned.ts.
// Invariant: it ends exactly once: with the last part of the answer, or with one error; its notices come in the order of
// the wire; after cancel() there are none; inert, every call throws ERR_GUNPORT_NOT_OWNER.
// Source: Gun's StreamRef and the messages that carry it; promises S1, S2 and O4.

import type { MessagePort } from 'node:worker_threads';
import { whenAborted } from './aborts.ts';
import { Answer } from './answer.ts';
import { isLast } from './answers.ts';
import type { WaitOptions } from './await.ts';
import { checkMessages } from './checks.ts';
import {
  describe,
  fromRecord,
  type GunportError,
  OptionError,
  StreamError,
  TimeoutError,
  toRecord,
} from './errors.ts';
import { bytesOf, checkTrailers } from './httpsettings.ts';
import type { HttpNotice, HttpRecord } from './httpwire.ts';
import type { BodyPart, HeaderFields } from './options.ts';
import type { TransferOptions, TransferTarget } from './owner.ts';
import type { StreamHost } from './streamhost.ts';
import { Tunnel } from './tunnel.ts';
import type { Protocol, TunnelUpNotice } from './types.ts';
import { Uploading } from './uploading.ts';
import type { Notice } from './wire.ts';

/** How a part of a request's body ends. */
export type Fin = boolean | 'fin' | 'nofin';

/** One request and its answer. Read it in one way at a time: `for await`, `text()`, `json()`, `bytes()`, or notice by
 *  notice with `connection.await()`.
 *  @example
 *  const stream = connection.get('/trades.csv');
 *  const { status } = await stream.response();
 *  for await (const chunk of stream) console.log(status, chunk.byteLength); */
export class Stream<C = unknown> extends Answer implements AsyncDisposable {
  /** Made by the caller, at once; unique within the connection. Below 0 for what a server has pushed. */
  readonly id: number;
  readonly connection: C;
  /** `CONNECT` for a tunnel, `RAW` for bytes as they come. */
  readonly method: string;
  readonly path: string;
  /** Its answer goes to the `replyTo` port of its request, and not here: of that, only the end and pushes are known. */
  readonly replied: boolean;
  readonly #host: StreamHost;
  readonly #uploading: Uploading;
  readonly #origin: string;
  readonly #tunnel: Tunnel | undefined;
  readonly #halfOpen: boolean;
  #given: GunportError | undefined;
  #forget: () => void = () => {};
  #onEnd: ((error: GunportError | undefined) => void) | undefined;

  /** @internal */
  constructor(
    connection: C,
    host: StreamHost,
    record: HttpRecord,
    streamOf: (id: number) => Stream<C> | undefined,
  ) {
    super();
    this.id = record.stream;
    this.connection = connection;
    this.method = record.method;
    this.path = record.path;
    this.replied = record.replied;
    this.#host = host;
    const { maxBuffered } = host;
    const { uploading, sentBytes, flushedBytes, ended, tunnel } = record;
    this.#uploading = new Uploading(maxBuffered, uploading, [sentBytes, flushedBytes]);
    this.#origin = record.origin ?? host.origin;
    this.#tunnel = tunnel && new Tunnel(tunnel, record.head);
    this.#halfOpen = record.halfOpen === true;
    this.restore(record, streamOf);
    if (record.heard) this.closeReading();
    // Records are made of our own errors.
    if (ended) this.finish(ended.error && (fromRecord(ended.error) as GunportError));
  }

  /** Where it goes, without credentials: of a request in a tunnel at the far end of that; of a tunnel where it leads. */
  get url(): string {
    return this.#tunnel ? this.origin : this.#origin + this.path;
  }
  /** Its scheme, host and port. */
  get origin(): string {
    return this.#tunnel?.origin ?? this.#origin;
  }
  /** Of a tunnel that is up: what its far end speaks. */
  get protocol(): Protocol | undefined {
    return this.#tunnel?.protocol;
  }
  /** Bytes of the request's body that have not left this process. */
  get bufferedAmount(): number {
    return this.#uploading.buffered;
  }

  /** Tops up the credit of a request with `flow: number`. Source: gun:update_flow/3. */
  updateFlow(messages: number): void {
    this.#host.readable();
    checkMessages(messages);
    this.#host.post({ type: 'flow', stream: this.id, add: messages });
  }

  /** Drops what has come and nobody was given. Source: gun:flush/1. */
  flush(): void {
    this.#host.readable();
    this.drop();
  }

  /** Of a tunnel: resolves once its far end can be spoken to, at once when it can be already; between the loss of its
   *  connection and its return it waits. It takes nothing: `await()` gives every notice all the same. Default timeout
   *  5 000. @throws {StreamError} ERR_GUNPORT_PROXY the proxy refused: `status`, `headers`, `body` (its first 64 KiB);
   *  ERR_GUNPORT_BAD_STATE it is no tunnel; what the stream ended with. {TimeoutError}. Source: Gun's gun_tunnel_up.
   *  @example
   *  const tunnel = connection.connect('https://example.com');
   *  await tunnel.established();
   *  const text = await connection.get('/', { tunnel }).text(); */
  async established(options: WaitOptions = {}): Promise<TunnelUpNotice> {
    this.#host.readable();
    if (this.#tunnel) return this.#tunnel.established(options);
    throw new StreamError('ERR_GUNPORT_BAD_STATE', `established(): ${this.method} makes no tunnel`);
  }

  // ── the request ───────────────────────────────────────────────────────────────────────────────────────────

  /** A part of the request's body; with `fin` the last, which may be empty, and trailers behind it. Of a raw stream, of
   *  a tunnel that is up and leads to one, and behind a switch of protocols, bytes for the peer, and `fin` is the end of
   *  our side alone. Copies; posted once per tick. Returns false when more than `maxBuffered` bytes wait:
   *  `await drained()` before more.
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE the body is complete, or not as long as its content-length; the tunnel
   *  is not up, or leads to no raw stream; ERR_GUNPORT_OVERLOADED; what the stream ended with. @throws {OptionError}.
   *  Source: gun:data/4. */
  data(
    fin: Fin,
    bytes?: BodyPart | undefined,
    { trailers }: { trailers?: HeaderFields | undefined } = {},
  ): boolean {
    this.#host.usable();
    if (this.failure) throw this.failure;
    const last = finOf(fin);
    const part = bytes === undefined ? undefined : bytesOf(bytes, 'bytes');
    const fields = trailers === undefined ? undefined : checkTrailers(trailers);
    if (fields && !last) throw new OptionError('trailers must come with fin');
    if (fields && this.#isRaw) throw new OptionError('trailers must come with a request, not with raw bytes');
    if (this.#tunnel && this.state !== 'ended' && this.protocol !== 'raw') {
      const text = `data(): the tunnel ${this.protocol ? `speaks ${this.protocol}` : 'is not up'}`;
      throw new StreamError('ERR_GUNPORT_BAD_STATE', text);
    }
    const more = this.#uploading.add(part?.byteLength ?? 0, last);
    if (part?.byteLength || last) {
      const cast = {
        type: 'data',
        stream: this.id,
        bytes: part,
        fin: last,
        ...(fields && { trailers: fields }),
      };
      this.#host.cast(cast as { type: 'data' } & typeof cast, part ? [part.buffer] : []);
    }
    this.#endIfBoth();
    return more;
  }

  /** Bytes of any kind go both ways. */
  get #isRaw(): boolean {
    return this.#tunnel !== undefined || !this.hasHead || this.status === 101;
  }

  /** Resolves when all of the body that was given until now has left this process; also when the answer was faster.
   *  @throws what the stream ended with. */
  async drained(options: WaitOptions = {}): Promise<void> {
    this.#host.usable();
    if (this.failure) throw this.failure;
    return this.#uploading.drained(options);
  }

  // ── its end ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing more comes for it. HTTP/2 tells the server; HTTP/1 reads past the answer, or drops the connection where
   *  that would take long and nobody else waits on it. Source: gun:cancel/2. */
  cancel(): void {
    this.#host.usable();
    this.#cancel(new StreamError('ERR_GUNPORT_CANCELLED', 'the stream was cancelled'));
  }

  #cancel(error: GunportError, told = true): void {
    if (this.state === 'ended') {
      // All of it had come: nobody is given what is left.
      if (!this.isOver) this.abandon(error);
      return;
    }
    this.#host.post({ type: 'cancel', stream: this.id });
    if (this.allCame) this.abandon(error);
    this.discard();
    this.finish(error, told);
  }

  /** Cancels it when this is aborted. @internal */
  abortBy(signal: AbortSignal): void {
    const onAbort = (): void => {
      if (this.#given) return;
      const text = `the request ${this.method} ${this.path} was aborted`;
      this.#cancel(new TimeoutError('ERR_GUNPORT_ABORTED', text, { cause: signal.reason }), false);
    };
    if (signal.aborted) return onAbort();
    this.#forget = whenAborted(signal, onAbort);
  }

  /** Hands its connection over, this stream named; see `Connection.transferOwnership`. */
  transferOwnership(target: TransferTarget, options: TransferOptions = {}): Promise<void> {
    return this.#host.give(this.id, target, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#given && this.state !== 'ended')
      this.#cancel(new StreamError('ERR_GUNPORT_CANCELLED', 'its scope was left'));
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  /** One notice of the process about this stream. @internal */
  notice(notice: HttpNotice | Notice, streamOf: (id: number) => Stream<C> | undefined): void {
    if (notice.type === 'sent') {
      this.#uploading.gone(notice.bytes);
      return this.#endIfBoth();
    }
    const said = notice as HttpNotice; // No other kind names a request.
    if (this.#tunnel?.isAnew(said)) this.discard();
    if (!this.replied || said.type === 'push' || said.type === 'error') return this.arrived(said, streamOf);
    // Its reader is elsewhere; here it is the state that counts.
    if (this.allCame) return;
    this.heard(said);
    if (isLast(said)) this.peerEnded();
  }

  protected override heard(notice: HttpNotice): void {
    this.#tunnel?.heard(notice);
    const opens = notice.type === 'tunnelUp' ? notice.protocol === 'raw' : notice.type === 'upgrade';
    if (opens) this.#uploading.reopen();
  }

  protected override peerEnded(): void {
    if (this.#halfOpen && !this.#uploading.isDone) this.closeReading();
    else this.finish(undefined);
  }

  /** Half open, it is over when both sides are. */
  #endIfBoth(): void {
    if (this.allCame && this.#uploading.isDone) this.finish(undefined);
  }

  /** The socket was lost: what becomes of requests is told one by one. @internal */
  lost(_error: GunportError): void {
    this.#tunnel?.lost();
  }

  /** Its process is gone: the end of what that had posted is still to come. @internal */
  died(_error: GunportError): void {}

  /** It has ended; what has come stays to be read. @internal */
  override finish(error: GunportError | undefined, told: boolean = this.replied): void {
    if (this.state === 'ended') return;
    this.#forget();
    this.#uploading.over(error);
    super.finish(error, told);
    this.#tunnel?.ended(error);
    this.#onEnd?.(error);
  }

  /** Everything that the next owner must have, kept until `give`; `memory` collects what moves with it. @internal */
  record(memory: (ArrayBuffer | MessagePort)[]): HttpRecord {
    this.flushRead();
    const { id: stream, method, path, replied, head } = this;
    const ended = this.state === 'ended' ? { error: this.failure && toRecord(this.failure) } : undefined;
    const untaken = this.untaken(stream, memory);
    return {
      ...{ kind: 'http', stream, method, path, replied, head, ended, untaken, origin: this.#origin },
      ...(this.lastEventId !== undefined && { lastEventId: this.lastEventId }),
      ...{ tunnel: this.#tunnel?.record, halfOpen: this.#halfOpen, heard: this.allCame && !ended },
      ...this.#uploading.record,
    };
  }

  /** It belongs to another now. @internal */
  give(error: GunportError): void {
    this.#given = error;
    this.#forget();
    this.#uploading.fail(error);
    this.#tunnel?.give(error);
    this.abandon(error);
    this.#onEnd?.(error);
  }

  /** Calls back when it has ended, or is another's. @internal */
  onEnd(callback: (error: GunportError | undefined) => void): void {
    this.#onEnd = callback;
  }

  /** Settles once no hand-over is under way; undefined when none is. @internal */
  settled(): Promise<void> | undefined {
    return this.#host.settled();
  }

  protected override get hasHead(): boolean {
    return this.method !== 'RAW';
  }

  protected override readable(): void {
    this.#host.readable();
    if (!this.replied) return;
    throw new StreamError('ERR_GUNPORT_BAD_STATE', 'the answer goes to the replyTo port of its request');
  }

  protected override reading(): void {
    this.#host.reading();
  }

  protected override tellRead(bytes: number): void {
    this.#host.cast({ type: 'read', stream: this.id, bytes }, []);
  }
}

function finOf(fin: unknown): boolean {
  if (typeof fin === 'boolean') return fin;
  if (fin === 'fin' || fin === 'nofin') return fin === 'fin';
  throw new OptionError(`fin must be true, false, "fin" or "nofin", got ${describe(fin)}`);
}
