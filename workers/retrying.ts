// retrying — what follows a failure: handlers and the user's retryFun are asked, then the policy, and another attempt waits
// its turn.
// Held by process.ts while it has no socket and dials none.
// Invariant: one outcome: another attempt, or the end; none after cancel(). Who does not answer in time, or is gone, leaves
// it to the next, and in the end to the policy, which is lib/protocol/retry.ts.
// Source: gun.erl not_connected/3; Gun retry_fun.

import { type GunportError, toRecord } from '../lib/errors.ts';
import { load } from '../lib/modules.ts';
import type { ModuleReference } from '../lib/options.ts';
import { checkChoice, type Failure, Retries } from '../lib/protocol/retry.ts';
import type { AdviceQuestion, RetryAnswer } from '../lib/retrywire.ts';
import type { FailureInfo } from '../lib/types.ts';
import type { Settings } from '../lib/wire.ts';
import { Asking, OWNER_DEADLINE } from './asking.ts';
import type { Adviser } from './renewing.ts';

/** What it tells its process. */
export interface RetryingHost {
  adviser(): Adviser | undefined;
  /** A question for the owner. */
  ask(question: AdviceQuestion): void;
  /** After this error another attempt will be made in `delay` ms. */
  waits(delay: number, error: GunportError): void;
  /** Now. */
  again(): void;
  giveUp(error: GunportError): void;
  guard(run: () => void): void;
}

/** Asks somebody, who settles it now or later. */
type Source = (asking: Asking<RetryAnswer>, info: FailureInfo) => void;

export class Retrying {
  readonly #settings: Settings;
  readonly #retries: Retries;
  readonly #host: RetryingHost;
  #asking: Asking<RetryAnswer> | undefined;
  /** It waits for the owner. */
  #asksOwner = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: Settings, host: RetryingHost) {
    this.#settings = settings;
    this.#retries = new Retries(settings);
    this.#host = host;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#retries.failures;
  }

  /** An attempt failed, or an established connection was lost. `closed`: that is the end of its WebSocket, unless a handler
   *  wants another attempt; called for it. */
  failed(failure: Failure, closed?: () => void): void {
    const { left, failures } = this.#retries.peek(failure);
    const sources = left === 0 ? [] : this.#sources(closed !== undefined);
    if (sources.length === 0) return this.#follow(failure, undefined, closed);
    const info = { error: failure.error, failures, left, wasUp: failure.wasUp };
    void this.#ask(sources, info, (answer) => this.#host.guard(() => this.#follow(failure, answer, closed)));
  }

  async #ask(sources: Source[], info: FailureInfo, decide: (answer: RetryAnswer) => void): Promise<void> {
    let answer: RetryAnswer;
    for (const source of sources) {
      const asking = new Asking<RetryAnswer>(OWNER_DEADLINE);
      this.#asking = asking;
      source(asking, info);
      answer = await asking.answer;
      if (this.#asking !== asking) return;
      this.#asksOwner = false;
      if (answer !== undefined) break;
    }
    this.#asking = undefined;
    decide(answer);
  }

  /** Who is asked, in this order. */
  #sources(closed: boolean): Source[] {
    const { retryFun, advised } = this.#settings;
    const adviser = this.#host.adviser();
    const sources: Source[] = [];
    if (adviser?.retrying) {
      sources.push((asking, info) => {
        const asked = (async () => checkChoice(await adviser.retrying?.(info)))();
        asked.then(
          (answer) => asking.settle(answer),
          () => asking.settle(undefined), // It has reported that itself.
        );
      });
    }
    if (advised || (retryFun === 'ask' && !closed)) {
      sources.push((asking, { error, ...info }) => {
        this.#asksOwner = true;
        this.#host.ask({ type: 'askRetry', id: asking.id, ...info, error: toRecord(error), closed });
      });
    }
    if (retryFun !== undefined && retryFun !== 'ask' && !closed) {
      sources.push((asking, info) => askModule(retryFun, asking, info));
    }
    return sources;
  }

  /** What the owner said; an answer to another question is none. */
  answer(id: number, answer: RetryAnswer): void {
    if (id === this.#asking?.id) this.#asking.settle(answer);
  }

  /** Who was asked is not the owner any more. */
  ownerChanged(): void {
    if (this.#asksOwner) this.#asking?.settle(undefined);
  }

  cancel(): void {
    const asking = this.#asking;
    this.#asking = undefined;
    asking?.settle(undefined);
    clearTimeout(this.#timer);
  }

  #follow(failure: Failure, answer: RetryAnswer, closed: (() => void) | undefined): void {
    if (closed && !(answer && 'delay' in answer)) return closed();
    const decision = this.#retries.failed(failure, answer);
    if ('giveUp' in decision) return this.#host.giveUp(decision.giveUp);
    this.#host.waits(decision.delay, failure.error);
    this.#timer = setTimeout(() => this.#host.guard(() => this.#host.again()), decision.delay);
  }
}

/** A retryFun beside the socket. What it answers is checked by the policy. */
function askModule(reference: ModuleReference, asking: Asking<RetryAnswer>, info: FailureInfo): void {
  const { left, ...rest } = info;
  load(reference)
    .then((retryFun) => retryFun(left, rest))
    .then(
      (answer) => asking.settle(decisionOf(answer)),
      (error: unknown) => asking.settle({ error: toRecord(error) }),
    );
}

/** Only what a retryFun may answer; what is none stays as it is, for the policy to say so. */
function decisionOf(answer: unknown): RetryAnswer {
  if (typeof answer !== 'object' || answer === null) return answer as RetryAnswer;
  const { retries, timeout } = answer as { retries: number; timeout: number };
  return { retries, timeout };
}
