// reopening — when a connection may be opened again after others have failed.
// Held by authority.ts. Invariant: failures that come together count once; while the delay has not passed nothing is
// opened, and after it one at a time, until one has been of use.
// Source: lib/protocol/retry.ts ("equal jitter"); the circuit breaker of HyperBEAM's pool, which Gun's lacks.

import type { GunportError } from '../errors.ts';
import { jittered } from '../protocol/backoff.ts';
import { isPermanent } from '../protocol/retry.ts';
import type { Settings } from '../wire.ts';

/** @internal */
export class Reopening {
  readonly #first: number;
  readonly #longest: number;
  readonly #due: () => void;
  readonly #now: () => number;
  #failures = 0;
  #notBefore = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;

  /** Delays in milliseconds; `due`: what was asked for has come; `now`: a clock in milliseconds. */
  constructor(first: number, longest: number, due: () => void, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#first = first;
    this.#longest = longest;
    this.#due = due;
  }

  /** Connections fail at present. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }
  /** Milliseconds until one may be opened. */
  get wait(): number {
    return this.#failures === 0 ? 0 : Math.max(0, this.#notBefore - this.#now());
  }
  /** Milliseconds until the failures count no more, if nothing is opened. */
  get memory(): number {
    return this.#failures === 0 ? 0 : Math.max(0, this.#notBefore + this.#longest - this.#now());
  }

  /** One has failed. `random`: from 0 to 1. */
  failed(random: number): void {
    if (this.wait > 0) return;
    this.#notBefore = this.#now() + jittered(this.#failures, random, this.#first, this.#longest);
    this.#failures++;
  }

  /** One was of use. */
  succeeded(): void {
    this.#failures = 0;
    this.stop();
  }

  /** Calls `due` as soon as one may be opened, or after that, when it is all forgotten. */
  ask(): void {
    // Timers may be early by a fraction.
    const wait = Math.ceil(this.wait || this.memory) + 1;
    const at = this.#now() + wait;
    if (this.#timer && this.#timerAt <= at) return;
    this.stop();
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#due();
    }, wait).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Whether another attempt would fail in the same way: those of retry.ts, and a local address that is none of ours (without
 *  one the same error says that ports are short, which passes). Source: gun.erl, badarg for eaddrnotavail. @internal */
export function isHopeless(error: GunportError, { localAddress }: Settings): boolean {
  // Any error may have a code; those of Node do.
  const { code } = (error.cause ?? {}) as { code?: unknown };
  return (
    isPermanent(error) || (localAddress !== undefined && (code === 'EADDRNOTAVAIL' || code === 'EINVAL'))
  );
}
