// sse — a feed of server-sent events that goes on where it stopped: one request after another, by choice.
// Made by verbs.ts for `connection.sse()`; the events of each answer are read by ssereader.ts.
// Invariant: it asks again only once all that had come was read, so that nothing is kept without bound, and the id that
// it asks with is that of the last event it gave: none is lost or given twice by a server that honours it. It ends once:
// by close(), 204, the end of an answer, or an error that asking again would not mend.
// Source: HTML §9.2 (WHATWG EventSource).

import { EventEmitter } from 'node:events';
import { noEvents } from './answers.ts';
import { wait } from './await.ts';
import { checkEventStream, type EventStreamSettings } from './contentsettings.ts';
import { GunportError, OwnerError, StreamError } from './errors.ts';
import { shielded } from './listeners.ts';
import type { EventStreamOptions, RequestOptions } from './options.ts';
import type { AnyEvent } from './sentevents.ts';
import type { SseReader } from './ssereader.ts';
import type { Stream } from './stream.ts';
import type { ConnectionStatus, ResponseNotice, ServerSentEvent } from './types.ts';

/** Events of an EventStream beside those of its server. */
export interface EventStreamEvents {
  /** An answer has begun, the first or a further one. */
  open: [notice: ResponseNotice];
  /** It will ask again in `delay` ms; `reason` is what the answer was lost by, undefined where it just ended. */
  reconnect: [notice: { delay: number; lastEventId: string; reason: GunportError | undefined }];
}

/** What it asks of its connection. @internal */
export interface EventStreamHost<C> {
  get(path: string, options: RequestOptions): Stream<C>;
  readonly status: ConnectionStatus;
  /** Calls back when the connection is of no use any more; returns how to forget that. */
  released(callback: () => void): () => void;
}

type Result = IteratorResult<ServerSentEvent, undefined>;

const END: IteratorReturnResult<undefined> = { value: undefined, done: true };
const NO_CONTENT = 204;
const OK = 200;
const EVENT_STREAM = /^\s*text\/event-stream\s*(?:;|$)/i;
/** Longest wait that doubling leads to, and the one it begins with at least, in milliseconds. */
const BACK_OFF = { most: 30_000, least: 100 };
/** Part of a wait that is added by chance, so that not all clients of a server come back at once. */
const JITTER = 0.25;
/** What asking again would not mend. */
const FINAL: ReadonlySet<string> = new Set([
  ...['ERR_GUNPORT_OPTION', 'ERR_GUNPORT_NOT_OWNER', 'ERR_GUNPORT_DOWN', 'ERR_GUNPORT_GAVE_UP'],
  ...['ERR_GUNPORT_ABORTED', 'ERR_GUNPORT_CANCELLED', 'ERR_GUNPORT_BAD_STATE', 'ERR_GUNPORT_READING'],
  ...['ERR_GUNPORT_NO_EVENTS', 'ERR_GUNPORT_TOO_BIG', 'ERR_GUNPORT_HANDLER', 'ERR_GUNPORT_UNSUPPORTED'],
]);

/** A feed of server-sent events: `connection.sse()` makes one. Read it with `for await`, one loop at a time; `break` ends
 *  the loop, and the next one goes on. */
export class EventStream<C = unknown>
  extends EventEmitter<EventStreamEvents>
  implements AsyncIterable<ServerSentEvent>, AsyncDisposable
{
  readonly #host: EventStreamHost<C>;
  readonly #path: string;
  readonly #settings: EventStreamSettings;
  /** The request that is read; none between two. */
  #stream: Stream<C> | undefined;
  /** The last one. */
  #last: Stream<C>;
  #isOpen = false;
  #lastEventId: string;
  #delay: number;
  /** Answers in a row that brought no event. */
  #failures = 0;
  #end: { readonly error: unknown } | undefined;
  #loop: Loop | undefined;
  /** When it may ask again, by the clock of performance.now(). */
  #due = 0;
  #wake: (() => void) | undefined;

  /** Asks at once; or begins with an answer that is under way. @throws {OptionError} @internal */
  constructor(host: EventStreamHost<C>, source: string | Stream<C>, options: EventStreamOptions | undefined) {
    super();
    this.#host = host;
    this.#settings = checkEventStream(options);
    this.#delay = this.#settings.retryDelay;
    this.#lastEventId = this.#settings.lastEventId;
    this.#path = typeof source === 'string' ? source : source.path;
    if (typeof source !== 'string') this.#lastEventId ||= source.lastEventId ?? '';
    this.#last = typeof source === 'string' ? this.#ask() : source;
    this.#stream = this.#last;
    if (this.#settings.signal && typeof source !== 'string') source.abortBy(this.#settings.signal);
  }

  /** `connecting` until an answer has begun, `open`, `waiting` before it asks again, `closed`. */
  get state(): 'connecting' | 'open' | 'waiting' | 'closed' {
    if (this.#end) return 'closed';
    if (!this.#stream) return 'waiting';
    return this.#isOpen ? 'open' : 'connecting';
  }
  /** Of the last event that was given; empty before there is one. */
  get lastEventId(): string {
    return this.#lastEventId;
  }
  /** How long it waits before it asks again, in milliseconds: `retryDelay`, or what the server has said. */
  get retryDelay(): number {
    return this.#delay;
  }
  /** The request that it reads, or has read last: name it in a hand-over, and go on there with `stream.events()`. */
  get stream(): Stream<C> {
    return this.#last;
  }

  /** Tops up the credit, with `flow: number`; each request begins with that. Source: gun:update_flow/3. */
  updateFlow(messages: number): void {
    this.#last.updateFlow(messages);
  }

  /** Ends it for good: a loop ends, the request is cancelled. */
  close(): void {
    if (this.#end) return;
    this.#end = { error: undefined };
    this.#wake?.();
    this.#cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** The events, across all requests. It ends after close(), a 204, and without `reconnect` with the answer.
   *  @throws {StreamError} ERR_GUNPORT_NO_EVENTS the answer is no event stream; ERR_GUNPORT_READING it is being read
   *  already. @throws {OwnerError} ERR_GUNPORT_NOT_OWNER its connection was handed over. @throws {DownError} it died.
   *  Without `reconnect` also what the request ends with. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ServerSentEvent> {
    if (this.#loop) throw new StreamError('ERR_GUNPORT_READING', 'the events are being read already');
    const loop = new Loop(
      () => this.#next(loop),
      () => this.#leave(loop),
    );
    this.#loop = loop;
    return loop;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The next event, whatever has to be done for it. */
  async #next(loop: Loop): Promise<Result> {
    while (!loop.left) {
      if (this.#end) {
        this.#leave(loop);
        if (this.#end.error !== undefined) throw this.#end.error;
        break;
      }
      try {
        const stream = this.#stream;
        if (!stream) await this.#again(loop);
        else if (!this.#isOpen) await this.#open(stream);
        else {
          loop.reader ??= stream.readEvents((event) => this.#heard(event));
          const result = await loop.reader.next();
          if (!result.done) return result;
          if (!loop.left) this.#over(loop, undefined);
        }
      } catch (error) {
        // Nothing has gone wrong: it is decided soon whose the connection is.
        if (isTransferring(error)) await this.#last.settled();
        else this.#over(loop, error);
      }
    }
    return END;
  }

  #leave(loop: Loop): void {
    if (this.#loop === loop) this.#loop = undefined;
    loop.reader = undefined;
  }

  /** @throws {StreamError} ERR_GUNPORT_NO_EVENTS. */
  async #open(stream: Stream<C>): Promise<void> {
    const response = await stream.response({ timeout: Number.POSITIVE_INFINITY });
    const { status, headers } = response;
    // HTML §9.2.1: "a client can be told to stop reconnecting using the HTTP 204 No Content response code".
    if (status === NO_CONTENT) this.#end ??= { error: undefined };
    else if (status !== OK || !isEventStream(headers['content-type'])) throw noEvents(response);
    else {
      this.#isOpen = true;
      shielded(() => this.emit('open', response));
    }
  }

  #heard({ lastEventId, retry }: AnyEvent): void {
    this.#lastEventId = lastEventId;
    this.#delay = retry ?? this.#delay;
    this.#failures = 0;
  }

  /** An answer has ended, or was lost: that is the end of all, or it asks again. */
  #over(loop: Loop, error: unknown): void {
    this.#stream = undefined;
    this.#isOpen = false;
    loop.reader = undefined;
    // What it has not read of an answer that is none of events, nobody will.
    if (error !== undefined) this.#cancel();
    const isFinal = error !== undefined && !(error instanceof GunportError && !FINAL.has(error.code));
    if (isFinal || !this.#settings.reconnect) {
      this.#end ??= { error };
      return;
    }
    const delay = this.#wait();
    this.#due = performance.now() + delay;
    this.#failures++;
    const reason = error as GunportError | undefined; // Any other is final.
    shielded(() => this.emit('reconnect', { delay, lastEventId: this.#lastEventId, reason }));
  }

  /** HTML §9.2.3: "Wait a delay equal to the reconnection time", and then "optionally, wait some more". */
  #wait(): number {
    const { most, least } = BACK_OFF;
    const delay = this.#delay;
    const doubled = Math.max(delay, least) * 2 ** this.#failures;
    const longer = this.#failures === 0 ? delay : Math.min(doubled, Math.max(delay, most));
    return Math.round(longer * (1 + JITTER * Math.random()));
  }

  /** Asks again, when it is time. */
  async #again(loop: Loop): Promise<void> {
    const { signal } = this.#settings;
    const left = this.#due - performance.now();
    // Asking tells at once why a dead one cannot be asked.
    if (left > 0 && this.#host.status !== 'dead') {
      await wait<void>('sse()', { signal }, (settle) => {
        const wake = (): void => settle(undefined, undefined);
        const timer = setTimeout(wake, left);
        const forget = this.#host.released(wake);
        this.#wake = wake;
        return () => {
          clearTimeout(timer);
          forget();
          this.#wake = undefined;
        };
      });
    }
    if (this.#end || loop.left) return;
    try {
      this.#stream = this.#ask();
      this.#last = this.#stream;
    } catch (error) {
      if (isTransferring(error)) throw error;
      this.#end = { error };
    }
  }

  /** @throws {OptionError} @throws {OwnerError} @throws {DownError} */
  #ask(): Stream<C> {
    const { request, headers } = this.#settings;
    const list = pairs(headers);
    if (this.#lastEventId !== '') {
      // HTML §9.2.3: "encoded as UTF-8"; a header's characters are bytes.
      list.push(['last-event-id', Buffer.from(this.#lastEventId).toString('latin1')]);
    }
    const stream = this.#host.get(this.#path, { ...request, headers: list });
    // For whoever goes on with it elsewhere, before it has brought anything.
    if (this.#lastEventId !== '') stream.beginFrom(this.#lastEventId);
    return stream;
  }

  #cancel(): void {
    try {
      if (this.#last.state !== 'ended') this.#last.cancel();
    } catch (error) {
      // Its connection is dead: there is nobody to tell, and what has come is for nobody.
      if (!(error instanceof OwnerError)) return void this.#last[Symbol.asyncDispose]();
      // Given away, it is not ours to cancel; but that may not be decided yet.
      void this.#last.settled()?.then(() => this.#cancel());
    }
  }
}

/** One loop over an EventStream. */
class Loop implements AsyncIterableIterator<ServerSentEvent> {
  reader: SseReader | undefined;
  left = false;
  readonly #next: () => Promise<Result>;
  readonly #leave: () => void;
  #isWaiting = false;

  constructor(next: () => Promise<Result>, leave: () => void) {
    this.#next = next;
    this.#leave = leave;
  }

  /** What is here is given without a detour: that is most of what there is in a fast feed. */
  next(): Promise<Result> {
    if (this.#isWaiting) {
      const text = 'next() was called before the last one was answered';
      return Promise.reject(new StreamError('ERR_GUNPORT_READING', text));
    }
    const event = this.reader?.take();
    return event ? Promise.resolve({ value: event, done: false }) : this.#wait();
  }

  async #wait(): Promise<Result> {
    this.#isWaiting = true;
    try {
      return await this.#next();
    } finally {
      this.#isWaiting = false;
      if (this.left) this.#leave();
    }
  }

  async return(): Promise<Result> {
    this.left = true;
    await this.reader?.return();
    if (!this.#isWaiting) this.#leave();
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function isEventStream(type: unknown): boolean {
  return typeof type === 'string' && EVENT_STREAM.test(type);
}

function isTransferring(error: unknown): boolean {
  return error instanceof GunportError && error.code === 'ERR_GUNPORT_TRANSFERRING';
}

function pairs(list: readonly string[]): [string, string][] {
  return list.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, list[i + 1] ?? '']] : []));
}
