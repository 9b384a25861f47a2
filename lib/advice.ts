// advice — what the owner's own hooks say of attempts, asked across the port by its process: handlers that run on its
// thread, `renew` and `retryFun`.
// Held by owned.ts, which has it answer each question; stays behind in a hand-over.
// Invariant: each question is answered once, whenever its hooks are done; what they throw travels as an error.
// Source: Gun retry_fun.

import { asError, ConnectionError, fromRecord, type GunportError, toRecord } from './errors.ts';
import type { OpenOptions } from './options.ts';
import { checkChoice } from './protocol/retry.ts';
import { checkRenewal } from './renewal.ts';
import type { AdviceCast, AdviceQuestion, RenewalAnswer, RenewalRecord, RetryAnswer } from './retrywire.ts';
import type { AttemptInfo, FailureInfo } from './types.ts';
import type { Notice } from './wire.ts';

type Function = (...args: never[]) => unknown;

/** The user's own functions. @internal */
export interface AdviceFunctions {
  readonly retryFun?: Extract<OpenOptions['retryFun'], Function> | undefined;
  readonly renew?: Extract<OpenOptions['renew'], Function> | undefined;
}

/** A handler on the owner's thread, as far as attempts go: its hooks. @internal */
export interface OwnAdviser {
  /** A Renewal or nothing, or a promise of that; what it throws fails the attempt. */
  connecting?(info: AttemptInfo): unknown;
  /** A RetryChoice, or a promise of one; where it throws, or gives none, it is left to the policy. */
  retrying?(info: FailureInfo): unknown;
  connected?(info: { readonly attempt: number }): void;
  waiting?(wait: { readonly delay: number; readonly error: GunportError }): void;
}

/** Of most connections. */
const NONE: readonly OwnAdviser[] = [];

/** @internal */
export class Advice {
  readonly #functions: AdviceFunctions;
  #advisers: readonly OwnAdviser[] = NONE;

  constructor(functions: AdviceFunctions = {}) {
    this.#functions = functions;
  }

  /** Asks it too, before the functions. Returns how to end that. */
  add(adviser: OwnAdviser): () => void {
    this.#advisers = [...this.#advisers, adviser];
    return () => {
      this.#advisers = this.#advisers.filter((one) => one !== adviser);
    };
  }

  /** The transport is up. */
  connected({ attempt }: { readonly attempt: number }): void {
    for (const adviser of this.#advisers) adviser.connected?.({ attempt });
  }

  /** Another attempt follows. */
  waiting({ delay, error }: Notice & { type: 'failed' }): void {
    for (const adviser of this.#advisers) adviser.waiting?.({ delay, error: ours(error) });
  }

  /** `post`: back to the process. */
  answer(question: AdviceQuestion, post: (cast: AdviceCast) => void): void {
    const { type, id } = question;
    // Neither rejects: what is thrown is an answer.
    if (type === 'askRetry') {
      void this.#retry(question).then((decision) => post({ type: 'retry', id, decision }));
    } else void this.#renewal(question).then((answer) => post({ type: 'renewal', id, answer }));
  }

  async #retry(question: AdviceQuestion & { type: 'askRetry' }): Promise<RetryAnswer> {
    const { left, failures, wasUp, closed } = question;
    const info = { error: ours(question.error), failures, wasUp };
    for (const adviser of this.#advisers) {
      try {
        const choice = checkChoice(await adviser.retrying?.({ ...info, left }));
        if (choice !== undefined) return choice;
      } catch {
        // It has reported that itself.
      }
    }
    const { retryFun } = this.#functions;
    if (!retryFun || closed) return undefined;
    try {
      const { retries, timeout } = await retryFun(left, info);
      return { retries, timeout };
    } catch (error) {
      return { error: toRecord(error) };
    }
  }

  async #renewal(question: AdviceQuestion & { type: 'askRenewal' }): Promise<RenewalAnswer> {
    const { attempt, failures, url, error } = question;
    const info = { attempt, failures, url, lastError: error && ours(error) };
    const { renew } = this.#functions;
    const hooks: [name: string, hook: () => Promise<unknown>][] = [];
    if (renew) hooks.push(['renew', async () => renew(info)]);
    for (const adviser of this.#advisers) {
      if (adviser.connecting) hooks.push(['connecting', async () => adviser.connecting?.(info)]);
    }
    if (hooks.length === 0) return { none: true };
    const renewals: RenewalRecord[] = [];
    try {
      for (const [name, hook] of hooks) {
        const record = checkRenewal(await hook().catch((cause: unknown) => failed(name, cause)));
        if (record) renewals.push(record);
      }
      return { renewals };
    } catch (error) {
      return { error: toRecord(error) };
    }
  }
}

/** A hook of the user's that failed an attempt. @throws {ConnectionError} always. */
function failed(name: string, cause: unknown): never {
  const text = `${name} failed: ${asError(cause).message}`;
  throw new ConnectionError('ERR_GUNPORT_HANDLER', text, { phase: 'connect', cause });
}

/** Records of the process are made of our own errors. */
function ours(record: Parameters<typeof fromRecord>[0]): GunportError {
  return fromRecord(record) as GunportError;
}
