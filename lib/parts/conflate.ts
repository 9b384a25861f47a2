// conflate — parts that pass on the latest value of each key when there is room or time for it, and not those between.
// Put behind a decoder; for states (a price, the top of a book), never for trades or deltas, each of which counts.
// Invariant: of each key the last value always comes, at the latest when the WebSocket ends; keys come in the order in
// which they began to wait. What waits is bounded: above `maxKeys` the one that has waited longest is passed on.
// Source: the conflation of market-data gateways; RxJS's auditTime and throttleTime({ leading, trailing }).

import { integer, LONGEST } from '../checks.ts';
import {
  keep,
  MOST_KEYS,
  optionalFunction,
  optionsOf,
  type Part,
  type PartContext,
  part,
  requiredFunction,
  requiredInteger,
} from './part.ts';

/** Options of `conflate()`. */
export interface ConflateOptions<I> {
  /** What a value is the latest of: a symbol. */
  key: (value: I) => unknown;
  /** Pass on at most once in so many milliseconds, what has come till then. Default: at once, as long as the owner has
   *  room, and as soon as it has room again. */
  interval?: number | undefined;
  /** Default 65 536. */
  maxKeys?: number | undefined;
}

/** Options of `throttle()`. */
export interface ThrottleOptions<I> {
  /** In milliseconds. */
  interval: number;
  /** What is throttled for itself. Default: all values are together. */
  key?: ((value: I) => unknown) | undefined;
  /** Default 65 536. */
  maxKeys?: number | undefined;
}

/** Passes on the latest value of each key: while the owner has room all of them, while it has none only the last; with
 *  `interval` at most one of each in that time. What a newer one took the place of is counted as dropped, `waiting` says
 *  how many wait now. Never for trades or deltas: what is between is gone. @throws {OptionError} */
export function conflate<I>(options: ConflateOptions<I>): Part<I, I> {
  const given = optionsOf(options, ['key', 'interval', 'maxKeys'], 'conflate');
  const key = requiredFunction(options?.key, 'conflate.key');
  const interval = integer(given, 'conflate.interval', 0, [0, LONGEST]);
  const maxKeys = integer(given, 'conflate.maxKeys', MOST_KEYS, [1, 2 ** 24]);
  return part('conflate', { waiting: 0 }, (context, next, counting) => {
    const waiting = new Map<unknown, I>();
    let timed = false;
    const first = (): void => {
      for (const [one, value] of waiting) {
        waiting.delete(one);
        counting['waiting'] = waiting.size;
        next(value);
        return;
      }
    };
    const flush = (): void => {
      while (waiting.size > 0 && context.ready) first();
    };
    const due = (): void => {
      timed = false;
      flush();
    };
    return {
      take: (value) => {
        if (interval === 0 && waiting.size === 0 && context.ready) {
          next(value);
          return;
        }
        const one = key(value);
        if (waiting.has(one)) counting.dropped++;
        waiting.set(one, keep(value)); // A key that waits keeps its place.
        counting['waiting'] = waiting.size;
        if (waiting.size > maxKeys) first();
        if (interval === 0) flush();
        else if (!timed) {
          timed = true;
          context.setTimeout(due, interval);
        }
      },
      ready: () => {
        if (!timed) flush();
      },
      close: () => {
        while (waiting.size > 0) first();
      },
    };
  });
}

/** Passes on the first value at once, and then, at the end of each `interval` milliseconds, the latest that came in it.
 *  What is between is dropped: never for trades or deltas. @throws {OptionError} */
export function throttle<I>(options: ThrottleOptions<I>): Part<I, I> {
  const given = optionsOf(options, ['interval', 'key', 'maxKeys'], 'throttle');
  const key = optionalFunction(options?.key, 'throttle.key') ?? (() => undefined);
  const interval = requiredInteger(given, 'throttle.interval', [1, LONGEST]);
  const maxKeys = integer(given, 'throttle.maxKeys', MOST_KEYS, [1, 2 ** 24]);
  return part('throttle', { waiting: 0 }, (context, next, counting) => {
    const pace = new Pace<I>(context, interval, (value) => {
      counting['waiting'] = pace.waiting;
      next(value);
    });
    return {
      take: (value) => {
        if (pace.add(key(value), value)) counting.dropped++;
        counting['waiting'] = pace.waiting;
        if (pace.size > maxKeys) pace.first();
      },
      close: () => pace.end(),
    };
  });
}

/** What came for a key in its interval. */
interface Slot<I> {
  due: number;
  /** There is a value in `latest`. */
  held: boolean;
  latest: I | undefined;
}

/** Keys within their interval, in the order in which those end, since all are of one length: one timer is enough. */
class Pace<I> {
  readonly #context: PartContext;
  readonly #interval: number;
  readonly #pass: (value: I) => void;
  readonly #slots = new Map<unknown, Slot<I>>();
  #timed = false;
  /** How many keys have a value that waits. */
  waiting = 0;

  constructor(context: PartContext, interval: number, pass: (value: I) => void) {
    this.#context = context;
    this.#interval = interval;
    this.#pass = pass;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** True: it has taken the place of another. */
  add(key: unknown, value: I): boolean {
    const slot = this.#slots.get(key);
    if (!slot) {
      this.#open(key);
      this.#time();
      this.#pass(value);
      return false;
    }
    const replaced = slot.held;
    slot.latest = keep(value);
    slot.held = true;
    if (!replaced) this.waiting++;
    return replaced;
  }

  /** Ends the interval that would end first. */
  first(): void {
    for (const [key, slot] of this.#slots) {
      this.#slots.delete(key);
      this.#release(slot);
      return;
    }
  }

  /** Ends all: nothing comes any more. */
  end(): void {
    while (this.#slots.size > 0) this.first();
  }

  #release(slot: Slot<I>): boolean {
    if (!slot.held) return false;
    this.waiting--;
    this.#pass(slot.latest as I); // It is held.
    return true;
  }

  #open(key: unknown): void {
    this.#slots.set(key, { due: this.#context.now() + this.#interval, held: false, latest: undefined });
  }

  #time(): void {
    if (this.#timed) return;
    for (const { due } of this.#slots.values()) {
      this.#timed = true;
      // A timer of Node's may come up to a millisecond early by this clock.
      this.#context.setTimeout(() => this.#due(), Math.max(1, Math.ceil(due - this.#context.now())));
      return;
    }
  }

  #due(): void {
    this.#timed = false;
    const now = this.#context.now();
    for (const [key, slot] of this.#slots) {
      if (slot.due > now) break;
      this.#slots.delete(key);
      // What was passed on begins the next interval; a key that was quiet is forgotten.
      if (slot.held) this.#open(key);
      this.#release(slot);
    }
    this.#time();
  }
}
