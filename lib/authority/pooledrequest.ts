// pooledrequest — one request to an authority, whichever of its connections takes it, and however often it is sent.
// Made by authorities.ts; a candidate of its authority until the head of its answer has come, then no more than a stream.
// Invariant: it settles once; it is sent again only by retryable.ts, in its old place in the queue; given up, it leaves
// nothing in the queue and no place taken. Source: Gun's {async, {ConnPid, StreamRef}}; RFC 9110 §9.2.2.

import { whenAborted } from '../aborts.ts';
import type { BodyOptions, ResponseOptions } from '../answer.ts';
import { type WaitOptions, wait } from '../await.ts';
import { cancelNow, Sending } from '../bodysending.ts';
import type { Connection } from '../connection.ts';
import {
  ConnectionError,
  DownError,
  GunportError,
  OptionError,
  StreamError,
  TimeoutError,
} from '../errors.ts';
import type { BodyPart, HeaderFields, RequestOptions } from '../options.ts';
import type { Stream } from '../stream.ts';
import type { Body, InformNotice, ResponseNotice } from '../types.ts';
import type { Authority } from './authority.ts';
import type { Candidate, Waiting } from './authorityinfo.ts';
import type { RetryKind } from './authorityoptions.ts';
import type { Doing, MemberPlace } from './member.ts';
import { PooledChunks } from './pooledchunks.ts';
import { isRetryable } from './retryable.ts';

/** A request, checked: it can be sent any number of times. @internal */
export interface PooledSettings {
  readonly method: string;
  readonly path: string;
  /** Without its body. */
  readonly options: RequestOptions | undefined;
  readonly body: BodyPart | undefined;
  /** A body that comes in parts can be sent once. */
  readonly parts: AsyncIterable<BodyPart> | undefined;
  readonly trailers: HeaderFields | undefined;
  readonly signal: AbortSignal | undefined;
  readonly queueTimeout: number;
  readonly retry: RetryKind;
  readonly retries: number;
}

/** A request through a pool, on its way. Read it as a stream (`text()`, `json()`, `bytes()`, `for await`), or `await` it
 *  for the stream of its answer, once the head of that has come: from then on it is not sent again.
 *  @example
 *  const text = await pool.get('https://example.com/').text();
 *  const stream = await pool.get('https://example.com/trades.csv');
 *  for await (const chunk of stream) console.log(stream.status, chunk.byteLength); */
export class PooledRequest
  implements PromiseLike<Stream<Connection>>, AsyncIterable<Uint8Array>, AsyncDisposable
{
  readonly method: string;
  /** Without credentials. */
  readonly url: string;
  readonly #authority: Authority;
  readonly #request: PooledSettings;
  readonly #answered: Promise<Stream<Connection>>;
  readonly #informs: InformNotice[] = [];
  readonly #listeners: ((notice: InformNotice) => void)[] = [];
  #resolve: (stream: Stream<Connection>) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #settled = false;
  #waiting: Waiting | undefined;
  #stream: Stream<Connection> | undefined;
  #sending: Sending | undefined;
  #attempts = 0;
  /** In the queue, in milliseconds: until now, and since when. */
  #waited = 0;
  #askedAt = 0;
  #forget: () => void = () => {};
  readonly #candidate: Candidate = {
    granted: (place) => this.#granted(place),
    refused: (error) => this.#fail(error),
  };

  /** @internal */
  constructor(authority: Authority, request: PooledSettings) {
    this.method = request.method;
    this.url = authority.name.origin + request.path;
    this.#authority = authority;
    this.#request = request;
    this.#answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // It may be read in any way, or in none: whoever reads it hears of its error.
    this.#answered.catch(() => {});
    authority.began();
    this.#ask(undefined);
  }

  /** How often it has been sent. */
  get attempts(): number {
    return this.#attempts;
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  // biome-ignore lint/suspicious/noThenProperty: to await it is what it is for.
  then<A = Stream<Connection>, B = never>(
    resolved?: ((stream: Stream<Connection>) => A | PromiseLike<A>) | null,
    rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#answered.then(resolved, rejected);
  }

  /** The head of the answer; `onInform` hears of interim ones. Waits for as long as queueTimeout and headersTimeout let
   *  it, or for `timeout` milliseconds: then the request goes on. @throws as `connection.await()`; {TimeoutError}
   *  ERR_GUNPORT_TIMEOUT with the reason `queueTimeout`; {GunportError} ERR_GUNPORT_POOL_CLOSED, _OVERLOADED. */
  async response({ onInform, ...options }: ResponseOptions = {}): Promise<ResponseNotice> {
    if (onInform) {
      for (const notice of this.#informs) onInform(notice);
      this.#listeners.push(onInform);
    }
    const stream = await this.#head(options);
    return stream.response(options);
  }

  /** All of the body, and the trailers. A failure cancels the request: nobody else has it. `timeout`: for the head, if it
   *  is given, and for each notice after it, by default 5 000 ms. @throws as `response`, and as `stream.body()`. */
  async body(options: BodyOptions = {}): Promise<Body> {
    try {
      const stream = await this.#head(options);
      return await stream.body(options);
    } catch (error) {
      // Of one that is read already nothing is given up: somebody reads it.
      if (!(error instanceof GunportError && error.code === 'ERR_GUNPORT_READING')) this.#giveUp();
      throw this.#sending?.error ?? error;
    }
  }

  async bytes(options?: BodyOptions): Promise<Uint8Array> {
    return (await this.body(options)).body;
  }

  /** As UTF-8. */
  async text(options?: BodyOptions): Promise<string> {
    return new TextDecoder().decode(await this.bytes(options));
  }

  /** @throws {SyntaxError} it is no JSON. */
  async json<T = unknown>(options?: BodyOptions): Promise<T> {
    return JSON.parse(await this.text(options)) as T; // The caller says what it is.
  }

  /** The body in parts, as they come. Leaving the loop cancels what is left: its place is another's then; `await` the
   *  request for a stream that can be left and read on. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return new PooledChunks(
      () => this.#answered,
      () => this.#giveUp(),
    );
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing more comes for it: waiting, it leaves the queue; on its way, its stream is cancelled. */
  cancel(): void {
    const error = new StreamError('ERR_GUNPORT_CANCELLED', 'the request was cancelled');
    if (this.#stream) cancelNow(this.#stream);
    else this.#fail(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#giveUp();
  }

  /** What the source of its body threw. @internal */
  get sourceError(): unknown {
    return this.#sending?.error;
  }

  // ── its way ───────────────────────────────────────────────────────────────────────────────────────────────

  #ask(back: number | undefined): void {
    const { signal, queueTimeout } = this.#request;
    if (signal) {
      if (signal.aborted) return this.#aborted(signal);
      this.#forget = whenAborted(signal, () => this.#aborted(signal));
    }
    this.#askedAt = performance.now();
    const left = Math.max(1, Math.ceil(queueTimeout - this.#waited));
    this.#waiting = this.#authority.ask(this.#candidate, left, back);
  }

  #aborted(signal: AbortSignal): void {
    const text = `the request ${this.method} ${this.#request.path} was aborted`;
    this.#fail(new TimeoutError('ERR_GUNPORT_ABORTED', text, { cause: signal.reason }));
  }

  #granted(place: MemberPlace): void {
    this.#forget();
    this.#attempts++;
    this.#waited += performance.now() - this.#askedAt;
    let stream: Stream<Connection>;
    try {
      stream = this.#send(place.connection);
    } catch (error) {
      // Nothing was sent: it has died, or is being handed over by whoever checked it out. The request was checked before.
      return this.#over(place, error, true);
    }
    this.#stream = stream;
    stream.onEnd((error) => {
      this.#sending?.ended(error);
      this.#over(place, error);
    });
    if (this.#request.parts) this.#sending?.begin(this.#request.parts);
    this.#follow(stream, place);
  }

  #send(connection: Connection): Stream<Connection> {
    const { method, path, options, body, parts, trailers } = this.#request;
    if (parts) {
      const stream = connection.headers(method, path, options);
      this.#sending = new Sending(stream, trailers);
      return stream;
    }
    return connection.request(method, path, body === undefined ? options : { ...options, body, trailers });
  }

  /** Until the head of its answer has come. What goes wrong before is told by its end. */
  #follow(stream: Stream<Connection>, place: MemberPlace): void {
    const onInform = (notice: InformNotice): void => {
      this.#informs.push(notice);
      for (const listener of this.#listeners) listener(notice);
    };
    stream.response({ timeout: Number.POSITIVE_INFINITY, onInform }).then(
      ({ headers }) => {
        place.answered(headers);
        if (this.#settle()) this.#resolve(stream);
      },
      // Its end has been told, but for one whose head had come and was given to nobody.
      (error: unknown) => this.#stream === stream && this.#fail(this.#sending?.error ?? error),
    );
  }

  /** Its stream has ended, or it never had one. */
  #over(place: MemberPlace, error: unknown, unsent = false): void {
    const stream = this.#stream;
    if (stream?.headers) place.answered(stream.headers);
    const spoilt = unsent ? 'theirs' : spoils(error, place);
    const failed = error !== undefined && stream?.status === undefined;
    const again = failed && this.#mayBeSentAgain(error, unsent);
    if (failed) this.#stream = undefined;
    // A place that others may take is given back behind it: it has asked before them.
    if (spoilt) place.release(spoilt);
    if (again) this.#ask(this.#waiting?.order);
    else if (failed) this.#fail(this.#sending?.error ?? error);
    place.release();
  }

  #mayBeSentAgain(error: unknown, unsent: boolean): boolean {
    const { parts, retries, retry } = this.#request;
    if (this.#settled || parts || this.#attempts > retries || !this.#authority.takesBack) return false;
    if (!(error instanceof GunportError)) return false;
    return unsent ? !(error instanceof OptionError) : isRetryable(error, this.method, retry);
  }

  // ── its end ───────────────────────────────────────────────────────────────────────────────────────────────

  #fail(error: unknown): void {
    this.#forget();
    this.#waiting?.leave();
    if (this.#settle()) this.#reject(error);
  }

  /** It is not sent again. False: that was so before. */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#authority.answered();
    return true;
  }

  /** Whoever read it does no more. */
  #giveUp(): void {
    if (this.#stream) cancelNow(this.#stream);
    else this.#fail(new StreamError('ERR_GUNPORT_CANCELLED', 'the request was given up'));
  }

  #head({ timeout, signal }: WaitOptions): Promise<Stream<Connection>> {
    if (timeout === undefined && signal === undefined) return this.#answered;
    return wait<Stream<Connection>>(`${this.method} ${this.url}`, { timeout, signal }, (settle) => {
      this.#answered.then((stream) => settle(undefined, stream), settle);
      return undefined;
    });
  }
}

/** Whether nothing more is to be asked on the connection of a request that ended so, and by whose doing. */
function spoils(error: unknown, { protocol }: MemberPlace): Doing | undefined {
  if (error === undefined) return undefined;
  const code = error instanceof GunportError ? error.code : undefined;
  const ours = error instanceof TimeoutError || code === 'ERR_GUNPORT_CANCELLED';
  // What is left of its answer would have to be read past before the next.
  if (protocol === 'http') return ours ? 'ours' : 'theirs';
  const lost = error instanceof ConnectionError || error instanceof DownError;
  return lost || (code !== undefined && LEAVING.has(code)) ? 'theirs' : undefined;
}

/** What a stream of HTTP/2 ends with when its connection does, or is about to. */
const LEAVING: ReadonlySet<string> = new Set([
  'ERR_GUNPORT_CLOSING',
  'ERR_GUNPORT_GOAWAY',
  'ERR_GUNPORT_CLOSED',
  'ERR_GUNPORT_GAVE_UP',
]);
