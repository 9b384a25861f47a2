// answer — the reading side of one request: its notices as they come, and every way to read them.
// The base of Stream (stream.ts), which its owner reads, and of Reply (reply.ts), at the other end of a `replyTo` port.
// Invariant: it ends exactly once, with the last part or with one error; it is read in one way at a time; what was read
// is told to its process, which has no more than so much under way. Source: gun:await/4, gun:await_body/4; S1, S2, F1.

import type { MessagePort } from 'node:worker_threads';
import { headOf, isLast, noEvents, noticeOf, recorded, responseOf } from './answers.ts';
import { type WaitOptions, wait } from './await.ts';
import { type ChunkSource, Chunks, readBody } from './chunks.ts';
import { describe, fromRecord, type GunportError, OptionError, StreamError } from './errors.ts';
import { type HttpNotice, type HttpRecord, PART_COST } from './httpwire.ts';
import { Notices } from './notices.ts';
import { type AnyEvent, costOfEvent, countOfEvents } from './sentevents.ts';
import { type EventQueue, SseReader } from './ssereader.ts';
import type { Body, Headers, InformNotice, ResponseNotice, ServerSentEvent, StreamNotice } from './types.ts';

/** What reading a whole body takes. */
export interface BodyOptions extends WaitOptions {
  /** For each notice, in milliseconds. Default 5 000. Source: gun:await_body/4. */
  timeout?: number | undefined;
  /** Most bytes of body; more is ERR_GUNPORT_TOO_BIG. Default 1 073 741 824. */
  maxBody?: number | undefined;
}

/** What reading the head of an answer takes. */
export interface ResponseOptions extends WaitOptions {
  /** Hears of interim answers, 1xx. */
  onInform?: ((notice: InformNotice) => void) | undefined;
}

/** Bytes of an answer that are read before its process is told: it stops at 4 MiB. */
const TELL_READ = 1024 * 1024;
const MAX_BODY = 1_073_741_824;
const TIMEOUT = 5_000;
/** Between two texts it remembers nothing. */
const UTF8 = new TextDecoder();

/** An answer, read in one way at a time: `for await`, `text()`, `json()`, `bytes()`, or notice by notice. */
export abstract class Answer implements AsyncIterable<Uint8Array> {
  readonly #notices = new Notices();
  #response: ResponseNotice | undefined;
  /** The last one that a user was given. */
  #responseTaken: ResponseNotice | undefined;
  #trailers: Headers | undefined;
  #error: GunportError | undefined;
  #allCame = false;
  #ended = false;
  #read = 0;
  #reading = false;
  #lastEventId: string | undefined;

  /** `requested` until the head of the answer has come, `answered` until its end, `ended`. A raw stream has no head:
   *  it is `answered` from the start, and with `halfOpen` until both sides have ended. */
  get state(): 'requested' | 'answered' | 'ended' {
    if (this.#ended) return 'ended';
    return this.#response || !this.hasHead ? 'answered' : 'requested';
  }
  /** Of the answer, once its head has come; the newest, where a tunnel was made anew. */
  get status(): number | undefined {
    return this.#response?.status;
  }
  get headers(): Headers | undefined {
    return this.#response?.headers;
  }
  /** That of the last server-sent event which was read, here or by an earlier owner; before there is one, what an
   *  EventStream has asked with. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }
  /** Trailer fields, once they have been read. */
  get trailers(): Headers | undefined {
    return this.#trailers;
  }

  /** The head of the answer; interim ones are passed over, `onInform` hears of them. Default timeout 5 000 for each
   *  notice. A switch of protocols is one with status 101. Of a tunnel that is made anew it is the last that was taken.
   *  @throws as `connection.await()`; {StreamError} ERR_GUNPORT_BAD_STATE a raw stream has none. */
  async response({ onInform, ...options }: ResponseOptions = {}): Promise<ResponseNotice> {
    this.readable();
    while (!this.#responseTaken) {
      const notice = this.hasHead ? await this.next(options) : undefined;
      if (notice?.type === 'inform') onInform?.(notice);
      if (notice && notice.type !== 'data') continue;
      throw new StreamError('ERR_GUNPORT_BAD_STATE', 'response(): a raw stream has no head');
    }
    return this.#responseTaken;
  }

  /** The body in parts, as they come; views of memory that is yours. `break` ends the loop, not the stream.
   *  @throws {StreamError} ERR_GUNPORT_READING it is being read already; what it ends with otherwise. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    this.readable();
    this.#claim();
    return new Chunks(this.#source({ timeout: Number.POSITIVE_INFINITY }), () => this.#leave());
  }

  /** The events of an answer with the content handler `'sse'`, as they come. It ends with the answer; `break` ends the
   *  loop, not the stream. An `id` without data is passed over, and counts for `lastEventId`.
   *  @throws {StreamError} ERR_GUNPORT_NO_EVENTS the answer is no event stream (`status`, `headers`), or its request had no
   *  such handler: the body is there to be read otherwise; ERR_GUNPORT_READING; what it ends with.
   *  @example
   *  const stream = connection.get('/trades', { contentHandlers: ['sse'] });
   *  for await (const { type, data } of stream.events()) console.log(type, JSON.parse(data)); */
  events(): AsyncIterableIterator<ServerSentEvent> {
    return this.readEvents();
  }

  /** It was asked for with this one. @internal */
  beginFrom(lastEventId: string): void {
    this.#lastEventId = lastEventId;
  }

  /** The same; `heard` is told of those without data too. @internal */
  readEvents(heard?: (event: AnyEvent) => void): SseReader {
    this.readable();
    this.#claim();
    const notices = this.#notices;
    const queue: EventQueue = {
      event: () => {
        const event = notices.takeEvent();
        return event && this.#tookEvent(event);
      },
      take: () => notices.take(),
      next: (waiter) => notices.next(waiter),
      putBack: (notice) => notices.putBack(notice),
      taken: (notice) => void this.#taken(notice),
      isComplete: () => notices.complete,
      noEvents: () => noEvents(this.#response),
    };
    return new SseReader(queue, () => this.#leave(), heard);
  }

  /** All of the body, and the trailers. Source: gun:await_body/4. */
  async body(options: BodyOptions = {}): Promise<Body> {
    const { maxBody = MAX_BODY } = options;
    this.readable();
    if (typeof maxBody !== 'number' || !(maxBody >= 0)) {
      throw new OptionError(`maxBody must be a number of bytes, got ${describe(maxBody)}`);
    }
    this.#claim();
    try {
      return await readBody(this.#source(options), maxBody);
    } finally {
      this.#leave();
    }
  }

  async bytes(options?: BodyOptions): Promise<Uint8Array> {
    return (await this.body(options)).body;
  }

  /** As UTF-8. */
  async text(options?: BodyOptions): Promise<string> {
    return UTF8.decode(await this.bytes(options));
  }

  /** @throws {SyntaxError} it is no JSON. */
  async json<T = unknown>(options?: BodyOptions): Promise<T> {
    return JSON.parse(await this.text(options)) as T; // The caller says what it is.
  }

  /** The next notice, for `await()`. @internal */
  next({ timeout = TIMEOUT, signal }: WaitOptions): Promise<StreamNotice> {
    return wait<StreamNotice>(`await(stream ${this.id})`, { timeout, signal }, (settle) =>
      this.#notices.next((notice, error) => {
        if (notice) settle(undefined, this.#taken(notice));
        else
          settle(error ?? new StreamError('ERR_GUNPORT_CLOSED', 'the stream has ended', { phase: 'closed' }));
      }),
    );
  }

  // ── for who extends it ────────────────────────────────────────────────────────────────────────────────────

  /** The stream's. */
  abstract readonly id: number | undefined;

  /** Its answer begins with one: it is no raw stream. @internal */
  protected get hasHead(): boolean {
    return true;
  }

  /** @throws when nothing can be read of it. @internal */
  protected abstract readable(): void;
  /** Somebody reads, or nobody does any more. @internal */
  protected abstract reading(): void;
  /** The process may send so many bytes more. @internal */
  protected abstract tellRead(bytes: number): void;

  /** What it failed with. @internal */
  protected get failure(): GunportError | undefined {
    return this.#error;
  }

  /** One notice; `streamOf` finds what was pushed. @internal */
  protected arrived(notice: HttpNotice, streamOf: (id: number) => unknown): void {
    // Records of the process are made of our own errors.
    if (notice.type === 'error') return this.finish(fromRecord(notice.error) as GunportError);
    if (this.allCame) return;
    this.#lay(notice, streamOf);
    this.heard(notice);
    if (isLast(notice)) this.peerEnded();
  }

  #lay(notice: HttpNotice, streamOf: (id: number) => unknown): void {
    if (notice.type === 'sse') {
      if (countOfEvents(notice.events) > 0) this.#notices.pushEvents(notice.events);
      if (notice.fin) this.#notices.push({ type: 'sse', fin: true });
      return;
    }
    const given = noticeOf(notice, streamOf);
    if (given?.type === 'response' || given?.type === 'upgrade') this.#response = headOf(given);
    if (given) this.#notices.push(given);
  }

  /** What a notice says of the whole, whoever is given it. @internal */
  protected heard(_notice: HttpNotice): void {}

  /** The last part has come. @internal */
  protected peerEnded(): void {
    this.finish(undefined);
  }

  /** What another owner knew of it: the head has come, and was given to a user or is among `untaken`. @internal */
  protected restore(
    { head, untaken, lastEventId }: Pick<HttpRecord, 'head' | 'untaken' | 'lastEventId'>,
    streamOf: (id: number) => unknown,
  ): void {
    if (head) this.#response = responseOf(head);
    if (!untaken.some(({ type }) => type === 'response' || type === 'upgrade')) {
      this.#responseTaken = this.#response;
    }
    this.#lastEventId = lastEventId;
    for (const one of untaken) this.#lay(one, streamOf);
  }

  /** The head of the answer, as it is handed over. @internal */
  protected get head(): HttpRecord['head'] {
    if (!this.#response) return undefined;
    const { status, fin, rawHeaders } = this.#response;
    return { status, fin, rawHeaders };
  }

  /** What nobody has been given, copied; `memory` collects what moves with it. @internal */
  protected untaken(stream: number, memory: (ArrayBuffer | MessagePort)[]): readonly HttpNotice[] {
    return this.#notices.untaken.map((notice) => recorded(notice, stream, memory));
  }

  /** What was read and not told yet; once the process has sent all there is nobody to tell. @internal */
  protected flushRead(): void {
    if (this.#read > 0 && !this.#ended) this.tellRead(this.#read);
    this.#read = 0;
  }

  /** All that the peer says has come, and yet it is not the end. @internal */
  protected closeReading(): void {
    this.#allCame = true;
    this.#notices.end(undefined, true);
  }

  /** The peer has said all; our side may still be open. @internal */
  protected get allCame(): boolean {
    return this.#allCame || this.#ended;
  }

  /** Nobody will be given what is here. @internal */
  protected discard(): void {
    this.#notices.discard();
  }

  /** Takes all that has come, and gives it to nobody. @internal */
  protected drop(): void {
    for (let notice = this.#notices.take(); notice; notice = this.#notices.take()) this.#taken(notice);
    this.#notices.forgive();
  }

  /** It belongs to another now. @internal */
  protected abandon(error: GunportError): void {
    this.#error = error;
    this.#notices.abandon(error);
  }

  /** It has ended; what has come stays to be read. `told`: its user knows of the error. @internal */
  finish(error: GunportError | undefined, told = false): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#notices.end(error, told);
  }

  /** Sealed, nothing is given to anybody. @internal */
  seal(sealed: boolean): void {
    if (sealed) this.#notices.seal();
    else this.#notices.unseal();
  }

  /** It has ended, and nothing of it is left to be read, nor an error to be told. @internal */
  get isOver(): boolean {
    return this.#ended && this.#notices.over;
  }

  /** Somebody reads, or its end is not known yet. @internal */
  get isAwaited(): boolean {
    return this.#notices.awaited || !this.#ended;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  #source(options: WaitOptions): ChunkSource {
    const notices = this.#notices;
    return {
      take: () => {
        const notice = notices.take();
        return notice && this.#taken(notice);
      },
      next: () => this.next(options),
      isComplete: () => notices.complete,
    };
  }

  /** A notice goes to a user. */
  #taken(notice: StreamNotice): StreamNotice {
    if (notice.type === 'response' || notice.type === 'upgrade') this.#responseTaken = headOf(notice);
    else if (notice.type === 'trailers') this.#trailers = notice.headers;
    else if (notice.type === 'data') {
      this.#wasRead(notice.data.byteLength + PART_COST);
    } else if (notice.type === 'sse' && !notice.fin) {
      this.#tookEvent(notice.event);
    }
    return notice;
  }

  #tookEvent(event: AnyEvent): AnyEvent {
    this.#lastEventId = event.lastEventId;
    this.#wasRead(costOfEvent(event));
    return event;
  }

  #wasRead(cost: number): void {
    this.#read += cost;
    if (this.#read >= TELL_READ) this.flushRead();
  }

  #claim(): void {
    if (this.#reading) throw new StreamError('ERR_GUNPORT_READING', 'the stream is being read already');
    this.#reading = true;
    this.reading();
  }

  #leave(): void {
    this.#reading = false;
    this.reading();
  }
}
