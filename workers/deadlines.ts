// deadlines — the deadlines of all requests of one connection, on one timer.
// Held by process.ts; set and cleared by exchange.ts for each request.
// Invariant: a deadline that passed is told once, and never for what was cleared or forgotten; setting one costs no
// timer of its own: the timer runs to the earliest, looks, and runs on while there is one; it keeps no thread alive,
// since a connection's port does. Source: undici's fast timers.

import { TimeoutError } from '../lib/errors.ts';
import type { Timeouts } from '../lib/httpwire.ts';

type Name = Exclude<keyof Timeouts, 'continueTimeout'>;

/** Whose deadline it is. */
export interface Late {
  /** Kept here, and not in a Map: one that is old keeps what was ever in it (lib/byid.ts). */
  due: Due | undefined;
  late(error: TimeoutError): void;
}

/** All deadlines of one. */
export interface Due {
  readonly whose: Late;
  /** In the list of all. */
  place: number;
  /** When, on performance.now()'s clock; and how many ms that was from when it was set. */
  readonly at: [request: number, headers: number, idle: number];
  readonly within: [request: number, headers: number, idle: number];
}

const NAMES = ['requestTimeout', 'headersTimeout', 'idleTimeout'] as const;
const PLACE = { requestTimeout: 0, headersTimeout: 1, idleTimeout: 2 } as const;
const NEVER = Number.POSITIVE_INFINITY;

export class Deadlines {
  readonly #all: Due[] = [];
  readonly #guard: (run: () => void) => void;
  #timer: NodeJS.Timeout | undefined;
  #next = NEVER;

  /** `guard`: runs what may throw. */
  constructor(guard: (run: () => void) => void) {
    this.#guard = guard;
  }

  /** In `ms` from now; 0 is none. Replaces the one of this name. */
  set(whose: Late, name: Name, ms: number): void {
    if (ms === 0) return;
    const due = whose.due ?? this.#add(whose);
    const at = performance.now() + ms;
    due.at[PLACE[name]] = at;
    due.within[PLACE[name]] = ms;
    if (at < this.#next) this.#arm(at);
  }

  clear(whose: Late, name: Name): void {
    if (whose.due) whose.due.at[PLACE[name]] = NEVER;
  }

  forget(whose: Late): void {
    const { due } = whose;
    if (!due) return;
    whose.due = undefined;
    const last = this.#all.pop();
    if (!last || last === due) return;
    this.#all[due.place] = last;
    last.place = due.place;
  }

  /** For good, also in the midst of what a deadline has led to. */
  stop(): void {
    clearTimeout(this.#timer);
    // Nothing is earlier: it is not armed again.
    this.#next = Number.NEGATIVE_INFINITY;
  }

  #add(whose: Late): Due {
    const due: Due = { whose, place: this.#all.length, at: [NEVER, NEVER, NEVER], within: [0, 0, 0] };
    this.#all.push(due);
    whose.due = due;
    return due;
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#next = at;
    const look = (): void => this.#guard(() => this.#look());
    this.#timer = setTimeout(look, Math.max(1, at - performance.now())).unref();
  }

  #look(): void {
    this.#next = NEVER;
    const now = performance.now();
    let next = NEVER;
    for (const due of [...this.#all]) {
      const { whose, at, within } = due;
      const name = NAMES.find((one) => at[PLACE[one]] <= now);
      if (whose.due !== due) continue; // Ended by what another's led to.
      if (!name) {
        next = Math.min(next, ...at);
        continue;
      }
      at[PLACE[name]] = NEVER;
      next = Math.min(next, ...at);
      const text = `the request took longer than its ${name} of ${within[PLACE[name]]} ms`;
      whose.late(new TimeoutError('ERR_GUNPORT_TIMEOUT', text, { reason: name }));
    }
    if (next < this.#next) this.#arm(next);
  }
}
