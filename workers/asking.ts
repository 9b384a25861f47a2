// asking — the user's retryFun is asked what follows a failure: beside the socket, or across the port.
// Held by process.ts while it waits for the answer.
// Invariant: it decides once, whatever becomes of the question: an owner that does not answer in time, or is gone,
// leaves the decision to the default policy. Source: Gun retry_fun.

import { toRecord } from '../lib/errors.ts';
import type { ModuleReference } from '../lib/options.ts';
import type { RetryInfo } from '../lib/types.ts';
import type { Notice, RetryAnswer } from '../lib/wire.ts';
import { load } from './modules.ts';

/** How long the answer may take, in milliseconds. */
const DEADLINE = 5_000;

let asked = 0;

export class Asking {
  readonly #id = ++asked;
  readonly #timer: NodeJS.Timeout;
  #decide: ((answer: RetryAnswer) => void) | undefined;

  /** `decide` is called in a later turn, unless cancelled. */
  constructor(decide: (answer: RetryAnswer) => void) {
    this.#decide = decide;
    this.#timer = setTimeout(() => this.#settle(undefined), DEADLINE);
  }

  /** Asks the function of a module. */
  module(reference: ModuleReference, left: number, info: RetryInfo): void {
    load(reference)
      .then((retryFun) => retryFun(left, info))
      .then(
        (answer) => this.#settle(answer as RetryAnswer), // Checked by Retries.failed().
        (error: unknown) => this.#settle({ error: toRecord(error) }),
      );
  }

  /** The question for the owner. */
  question(left: number, { error, failures, wasUp }: RetryInfo): Notice & { type: 'askRetry' } {
    return { type: 'askRetry', id: this.#id, left, failures, wasUp, error: toRecord(error) };
  }

  /** The owner's answer; one to another question is none. */
  answer(id: number, answer: RetryAnswer): void {
    if (id === this.#id) this.#settle(answer);
  }

  cancel(): void {
    this.#decide = undefined;
    clearTimeout(this.#timer);
  }

  #settle(answer: RetryAnswer): void {
    const decide = this.#decide;
    this.cancel();
    decide?.(answer);
  }
}
