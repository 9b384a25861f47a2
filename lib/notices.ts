// notices — what has arrived about one request and nobody has been given yet.
// Filled by answer.ts; read by whoever awaits: one notice at a time, first come, first served.
// Invariant: a notice is in exactly one of {this queue, a user's hands}; the end comes after the last of them; sealed,
// nothing leaves. Source: Erlang's mailbox, by stream; gun:await/4.

import { type AnyEvent, EventCursor, type SentEvents } from './sentevents.ts';
import type { StreamNotice } from './types.ts';

/** Gets the next notice, or `undefined` at the end, with the error it ended with. */
export type NoticeWaiter = (notice: StreamNotice | undefined, error?: Error) => void;

/** Places given that are kept at least. */
const COMPACT = 32;

/** @internal */
export class Notices {
  /** From `head` on; before it they were given. Events of one read stay together until each is asked for. */
  #items: (StreamNotice | EventCursor | undefined)[] = [];
  #head = 0;
  #end: { readonly error: Error | undefined; told: boolean } | undefined;
  #waiters: NoticeWaiter[] = [];
  #sealed = false;

  /** Nothing is here, and nothing more will come. */
  get finished(): boolean {
    return this.#end !== undefined && this.#head === this.#items.length;
  }
  /** The same, and it was no error. */
  get complete(): boolean {
    return this.finished && this.#end?.error === undefined;
  }
  /** The same as `finished`, and if it was an error, somebody knows of it. */
  get over(): boolean {
    return this.finished && this.#end?.told === true;
  }
  /** Somebody waits. */
  get awaited(): boolean {
    return this.#waiters.length > 0;
  }

  push(notice: StreamNotice): void {
    if (this.#end) return;
    this.#items.push(notice);
    this.#wake();
  }

  /** Several events, at least one. */
  pushEvents(events: SentEvents): void {
    if (this.#end) return;
    this.#items.push(new EventCursor(events));
    this.#wake();
  }

  /** No more will come. `told`: who reads knows of the error. */
  end(error: Error | undefined, told: boolean): void {
    if (this.#end) return;
    this.#end = { error, told: told || error === undefined };
    this.#wake();
  }

  seal(): void {
    this.#sealed = true;
  }

  unseal(): void {
    this.#sealed = false;
    // In a turn of its own: who gave hears that it failed before anybody is given anything.
    setImmediate(() => this.#wake());
  }

  /** The next one, if it is here. */
  take(): StreamNotice | undefined {
    if (this.#sealed || this.#waiters.length > 0) return undefined;
    return this.#shift();
  }

  /** The next one, if it is here and is an event: that, without a notice around it. */
  takeEvent(): AnyEvent | undefined {
    const item = this.#items[this.#head];
    if (!(item instanceof EventCursor) || this.#sealed || this.#waiters.length > 0) return undefined;
    return this.#nextOf(item);
  }

  /** It was taken, and is the next one still. */
  putBack(notice: StreamNotice): void {
    if (this.#head > 0) this.#items[--this.#head] = notice;
    else this.#items.unshift(notice);
  }

  /** Gives the next one to `waiter`, now or when it comes; returns how to stop waiting. */
  next(waiter: NoticeWaiter): () => void {
    this.#waiters.push(waiter);
    this.#wake();
    return () => {
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
    };
  }

  /** All that nobody has been given, oldest first. */
  get untaken(): readonly (StreamNotice | EventCursor)[] {
    return this.#items.slice(this.#head) as (StreamNotice | EventCursor)[]; // From there on they are.
  }

  /** An error that it ended with need not be told to anybody. */
  forgive(): void {
    if (this.#end) this.#end.told = true;
  }

  /** Nobody will be given what is here. */
  discard(): void {
    this.#items = [];
    this.#head = 0;
  }

  /** Given away: everybody who waits gets this, and whoever asks later. */
  abandon(error: Error): void {
    this.discard();
    this.#sealed = false;
    this.#end = { error, told: true };
    this.#wake();
  }

  #shift(): StreamNotice | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    if (item instanceof EventCursor) return { type: 'sse', fin: false, event: this.#nextOf(item) };
    this.#given();
    return item;
  }

  #nextOf(cursor: EventCursor): AnyEvent {
    const event = cursor.next();
    if (cursor.isOver) this.#given();
    return event;
  }

  /** The first is given, all of it. */
  #given(): void {
    // A reader who is always behind never empties it: what was given is let go all the same.
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) this.discard();
    else if (this.#head >= COMPACT && 2 * this.#head >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #wake(): void {
    while (this.#waiters.length > 0 && !this.#sealed) {
      const item = this.#shift();
      if (item === undefined && !this.#end) return;
      if (item === undefined && this.#end) this.#end.told = true;
      this.#waiters.shift()?.(item, item === undefined ? this.#end?.error : undefined);
    }
  }
}
