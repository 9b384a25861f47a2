// ssereader — the events of one answer, as a loop reads them.
// Made by answer.ts for `events()`, and so for each loop of sse.ts.
// Invariant: an event leaves the queue only when next() is answered with it; what is no event stream stays where it is,
// for another way of reading; leaving the loop leaves the rest for whoever reads next.
// Source: ECMAScript AsyncIterator; gun_sse_h.

import { type GunportError, StreamError } from './errors.ts';
import type { AnyEvent } from './sentevents.ts';
import type { ServerSentEvent, StreamNotice } from './types.ts';

/** What events are read from. @internal */
export interface EventQueue {
  /** The next notice, if it is here and is an event: that goes to the user. */
  event(): AnyEvent | undefined;
  /** A notice that is here already. */
  take(): StreamNotice | undefined;
  /** Gives the next one, now or later, or tells of the end; returns how to stop waiting. */
  next(waiter: (notice: StreamNotice | undefined, error?: Error) => void): () => void;
  /** It was looked at, and is not for this reader. */
  putBack(notice: StreamNotice): void;
  /** It goes to the user. */
  taken(notice: StreamNotice): void;
  isComplete(): boolean;
  /** What it is to be told of an answer that is not parsed. */
  noEvents(): GunportError;
}

type Result = IteratorResult<ServerSentEvent, undefined>;

const END: IteratorReturnResult<undefined> = { value: undefined, done: true };

/** @internal */
export class SseReader implements AsyncIterableIterator<ServerSentEvent> {
  readonly #queue: EventQueue;
  readonly #left: () => void;
  readonly #heard: ((event: AnyEvent) => void) | undefined;
  #waiting: { readonly undo: () => void; readonly resolve: (result: Result) => void } | undefined;
  #isDone = false;

  /** `left`: the loop is over. `heard`: is told of each event, those without data too. */
  constructor(queue: EventQueue, left: () => void, heard?: (event: AnyEvent) => void) {
    this.#queue = queue;
    this.#left = left;
    this.#heard = heard;
  }

  /** Not async: that would cost as much as all the rest. */
  next(): Promise<Result> {
    if (this.#waiting) {
      const text = 'next() was called before the last one was answered';
      return Promise.reject(new StreamError('ERR_GUNPORT_READING', text));
    }
    try {
      const event = this.take();
      if (event) return Promise.resolve({ value: event, done: false });
    } catch (error) {
      return this.#failed(error);
    }
    if (this.#isDone || this.#queue.isComplete()) return this.return();
    return new Promise((resolve, reject) => this.#wait(resolve, reject));
  }

  return(): Promise<Result> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.undo();
    waiting?.resolve(END);
    this.#finish();
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next event of those that are here. @throws {StreamError} ERR_GUNPORT_NO_EVENTS. */
  take(): ServerSentEvent | undefined {
    while (!this.#isDone) {
      const next = this.#queue.event();
      if (next) {
        this.#heard?.(next);
        if (next.data !== undefined) return next;
        continue;
      }
      const notice = this.#queue.take();
      if (!notice) return undefined;
      const event = this.#eventIn(notice);
      if (event) return event;
    }
    return undefined;
  }

  /** @throws {StreamError} ERR_GUNPORT_NO_EVENTS it is a part of a body. */
  #eventIn(notice: StreamNotice): ServerSentEvent | undefined {
    if (notice.type === 'data') {
      this.#queue.putBack(notice);
      throw this.#queue.noEvents();
    }
    this.#queue.taken(notice);
    if (notice.type !== 'sse' || notice.fin) return undefined;
    this.#heard?.(notice.event);
    return notice.event.data === undefined ? undefined : notice.event;
  }

  #wait(resolve: (result: Result) => void, reject: (error: unknown) => void): void {
    let called = false;
    const undo = this.#queue.next((notice, error) => {
      called = true;
      this.#waiting = undefined;
      if (!notice) {
        this.#finish();
        return error ? reject(error) : resolve(END);
      }
      try {
        const event = this.#eventIn(notice);
        if (event) resolve({ value: event, done: false });
        else this.#wait(resolve, reject);
      } catch (error) {
        this.#finish();
        reject(error);
      }
    });
    if (!called) this.#waiting = { undo, resolve };
  }

  #failed(error: unknown): Promise<never> {
    this.#finish();
    return Promise.reject(error);
  }

  #finish(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#left();
  }
}
