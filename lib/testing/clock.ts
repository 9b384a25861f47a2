// clock — time that stands still until a test moves it.
// Given by tests to what takes `now` and timers: parts, handlers, sessions, fault schedules.
// Invariant: callbacks run in the order of their times, and those of one time in the order they were set; each sees `now()`
// at its own time; a callback that throws stops nothing but that `advance`.
// Source: the behaviour of sinon's fake timers.

import { describe, OptionError } from '../errors.ts';
import type { HandlerTimer } from '../handler.ts';

/** What a schedule takes its time from; a FakeClock is one. */
export interface Clock {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  setTimeout(callback: () => void, ms: number): HandlerTimer;
}

interface Entry {
  readonly order: number;
  readonly every: number | undefined;
  readonly callback: () => void;
  at: number;
}

/** Most callbacks of one `advance`: more are timers that set each other for the same time. */
const MOST = 100_000;

/** A clock that a test moves.
 *  @example
 *  const clock = new FakeClock();
 *  clock.setInterval(() => beat(), 1_000);
 *  clock.advance(3_500);                       // three beats
 *  clock.now();                                // 3500 */
export class FakeClock implements Clock {
  readonly #entries = new Set<Entry>();
  #now: number;
  #order = 0;

  /** @param start what `now()` is first. Default 0. */
  constructor(start = 0) {
    this.#now = start;
  }

  // Members that are functions of their own: they are handed on without their clock.
  /** Milliseconds since `start`, plus that. */
  readonly now: () => number = () => this.#now;

  /** Calls back once, so many milliseconds from now. */
  readonly setTimeout: (callback: () => void, ms: number) => HandlerTimer = (callback, ms) =>
    this.#add(callback, Math.max(0, ms), undefined);

  /** Calls back every so many milliseconds; at least 1. */
  readonly setInterval: (callback: () => void, ms: number) => HandlerTimer = (callback, ms) =>
    this.#add(callback, Math.max(1, ms), Math.max(1, ms));

  /** How many timers are set. */
  get pending(): number {
    return this.#entries.size;
  }

  /** When the next one is due, in milliseconds from now; undefined: none is set. */
  get next(): number | undefined {
    const due = this.#due(Number.POSITIVE_INFINITY);
    return due && due.at - this.#now;
  }

  /** Moves on by so many milliseconds, and runs what is due on the way.
   *  @throws {OptionError} not a number from 0. @throws what a callback throws; time stands at it then. */
  advance(ms: number): void {
    const end = this.#end(ms);
    for (let entry = this.#due(end), ran = 0; entry; entry = this.#due(end)) {
      if (++ran > MOST) throw new RangeError(`more than ${MOST} timers came due within ${ms} ms`);
      this.#run(entry);
    }
    this.#now = end;
  }

  /** The same, and lets promises go on between any two timers.
   *  @throws as `advance`. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#end(ms);
    await turn();
    for (let entry = this.#due(end), ran = 0; entry; entry = this.#due(end)) {
      if (++ran > MOST) throw new RangeError(`more than ${MOST} timers came due within ${ms} ms`);
      this.#run(entry);
      await turn();
    }
    this.#now = end;
  }

  #end(ms: number): number {
    if (typeof ms === 'number' && ms >= 0 && ms < Number.POSITIVE_INFINITY) return this.#now + ms;
    throw new OptionError(`ms must be a number from 0, got ${describe(ms)}`);
  }

  #add(callback: () => void, ms: number, every: number | undefined): HandlerTimer {
    const entry: Entry = { order: this.#order++, every, callback, at: this.#now + ms };
    this.#entries.add(entry);
    return { clear: () => void this.#entries.delete(entry) };
  }

  #due(end: number): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.at > end || (first && entry.at > first.at)) continue;
      if (!first || entry.at < first.at || entry.order < first.order) first = entry;
    }
    return first;
  }

  #run(entry: Entry): void {
    this.#now = Math.max(this.#now, entry.at);
    if (entry.every === undefined) this.#entries.delete(entry);
    else entry.at += entry.every;
    entry.callback();
  }
}

/** All promises that can go on have gone on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The real time. @internal */
export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, ms) => {
    const timer = setTimeout(callback, ms);
    return { clear: () => clearTimeout(timer) };
  },
};
