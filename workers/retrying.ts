// retrying — what follows a failure: the policy is asked, or the user's retryFun, and another attempt waits its turn.
// Held by process.ts while it has no socket and dials none.
// Invariant: one outcome: another attempt, or the end; none after cancel(). Policy is lib/protocol/retry.ts.
// Source: gun.erl not_connected/3; Gun retry_fun.

import type { GunportError } from '../lib/errors.ts';
import { type Failure, Retries } from '../lib/protocol/retry.ts';
import type { Notice, RetryAnswer, Settings } from '../lib/wire.ts';
import { Asking } from './asking.ts';

/** What it tells its process. */
export interface RetryingHost {
  /** A question for the owner. */
  ask(question: Notice & { type: 'askRetry' }): void;
  /** After this error another attempt will be made in `delay` ms. */
  waits(delay: number, error: GunportError): void;
  /** Now. */
  again(): void;
  giveUp(error: GunportError): void;
  guard(run: () => void): void;
}

export class Retrying {
  readonly #settings: Settings;
  readonly #retries: Retries;
  readonly #host: RetryingHost;
  #asking: Asking | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: Settings, host: RetryingHost) {
    this.#settings = settings;
    this.#retries = new Retries(settings);
    this.#host = host;
  }

  /** An attempt failed, or an established connection was lost. */
  failed(failure: Failure): void {
    const { retryFun } = this.#settings;
    const { left, failures } = this.#retries.peek(failure);
    if (retryFun === undefined || left === 0) return this.#follow(failure);
    const info = { error: failure.error, failures, wasUp: failure.wasUp };
    const asking = new Asking((answer) => this.#host.guard(() => this.#follow(failure, answer)));
    this.#asking = asking;
    if (retryFun === 'ask') this.#host.ask(asking.question(left, info));
    else asking.module(retryFun, left, info);
  }

  /** What the owner's retryFun said. */
  answer(id: number, answer: RetryAnswer): void {
    this.#asking?.answer(id, answer);
  }

  cancel(): void {
    this.#asking?.cancel();
    this.#asking = undefined;
    clearTimeout(this.#timer);
  }

  #follow(failure: Failure, answer?: RetryAnswer): void {
    this.#asking = undefined;
    const decision = this.#retries.failed(failure, answer);
    if ('giveUp' in decision) return this.#host.giveUp(decision.giveUp);
    this.#host.waits(decision.delay, failure.error);
    this.#timer = setTimeout(() => this.#host.guard(() => this.#host.again()), decision.delay);
  }
}
