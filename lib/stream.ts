// stream — one request and its answer, as the owner of its connection holds them.
// Made by connection.ts for get, post … and by the server for a push; told of the answer by owned.ts.
// Invariant: it ends exactly once: with the last part of the answer, or with one error; its notices come in the order of
// the wire; after cancel() there are none; inert, every call throws ERR_GUNPORT_NOT_OWNER.
// Source: Gun's StreamRef and the messages that carry it; promises S1, S2 and O4.

import { whenAborted } from './aborts.ts';
import { Answer } from './answer.ts';
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
  readonly method: string;
  readonly path: string;
  /** Its answer goes to the `replyTo` port of its request, and not here: of that, only the end and pushes are known. */
  readonly replied: boolean;
  readonly #host: StreamHost;
  readonly #uploading: Uploading;
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
    const { uploading, sentBytes, flushedBytes, ended } = record;
    this.#uploading = new Uploading(maxBuffered, uploading, [sentBytes, flushedBytes]);
    this.restore(record.head, record.untaken, streamOf);
    // Records are made of our own errors.
    if (ended) this.finish(ended.error && (fromRecord(ended.error) as GunportError));
  }

  /** Where it goes, without credentials. */
  get url(): string {
    return this.#host.origin + this.path;
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

  // ── the request ───────────────────────────────────────────────────────────────────────────────────────────

  /** A part of the request's body; with `fin` the last, which may be empty, and trailers behind it. Copies; posted
   *  once per tick. Returns false when more than `maxBuffered` bytes wait: `await drained()` before more.
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE the body is complete, or not as long as its content-length;
   *  ERR_GUNPORT_OVERLOADED; what the stream ended with. @throws {OptionError}. Source: gun:data/4. */
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
    return more;
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
    if (notice.type === 'sent') return this.#uploading.gone(notice.bytes);
    if (this.replied && notice.type === 'data') return this.finish(undefined);
    this.arrived(notice as HttpNotice, streamOf); // No other kind names a request.
  }

  /** It has ended; what has come stays to be read. @internal */
  override finish(error: GunportError | undefined, told: boolean = this.replied): void {
    if (this.state === 'ended') return;
    this.#forget();
    this.#uploading.over(error);
    super.finish(error, told);
    this.#onEnd?.(error);
  }

  /** Everything that the next owner must have, kept until `give`; `memory` collects what moves with it. @internal */
  record(memory: ArrayBuffer[]): HttpRecord {
    this.flushRead();
    const { id: stream, method, path, replied, head } = this;
    const ended = this.state === 'ended' ? { error: this.failure && toRecord(this.failure) } : undefined;
    const untaken = this.untaken(stream, memory);
    return { kind: 'http', stream, method, path, replied, head, ended, untaken, ...this.#uploading.record };
  }

  /** It belongs to another now. @internal */
  give(error: GunportError): void {
    this.#given = error;
    this.#forget();
    this.#uploading.fail(error);
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
