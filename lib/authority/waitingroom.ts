// waitingroom — those who wait for a place: in their order, each for so long and no longer.
// Held by authority.ts. Invariant: whoever is here is called once, or leaves; a timer goes with its waiter.
// Source: gun_pool's checkout_retry, which sleeps and asks again, and so is not fair.

import type { GunportError } from '../errors.ts';
import type { Candidate, Waiting } from './authorityinfo.ts';
import { Line, type Standing } from './line.ts';

interface Waiter {
  readonly candidate: Candidate;
  readonly timer: NodeJS.Timeout;
}

/** @internal */
export class WaitingRoom {
  readonly #line = new Line<Waiter>();
  readonly #left: () => void;
  readonly #late: (queueTimeout: number) => GunportError;

  /** `left`: one has gone, unserved; `late`: what one that waited for so many milliseconds is told. */
  constructor(left: () => void, late: (queueTimeout: number) => GunportError) {
    this.#left = left;
    this.#late = late;
  }

  get size(): number {
    return this.#line.size;
  }

  enter(candidate: Candidate, order: number, queueTimeout: number): Waiting {
    // Timers come before messages in a turn of the loop: a place that was freed while this thread was busy counts.
    const timer = setTimeout(() => setImmediate(() => this.#timedOut(standing, queueTimeout)), queueTimeout);
    const standing = this.#line.add({ candidate, timer }, order);
    return { order, leave: () => this.#leave(standing) };
  }

  /** The first goes, to be served. */
  next(): Candidate | undefined {
    const waiter = this.#line.shift();
    clearTimeout(waiter?.timer);
    return waiter?.candidate;
  }

  refuseAll(error: GunportError): void {
    for (let candidate = this.next(); candidate; candidate = this.next()) candidate.refused(error);
  }

  #timedOut(standing: Standing<Waiter>, queueTimeout: number): void {
    if (!standing.standing) return;
    const error = this.#late(queueTimeout);
    this.#leave(standing);
    standing.one.candidate.refused(error);
  }

  #leave(standing: Standing<Waiter>): void {
    if (!standing.standing) return;
    clearTimeout(standing.one.timer);
    this.#line.remove(standing);
    this.#left();
  }
}
