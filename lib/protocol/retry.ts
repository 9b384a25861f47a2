// retry — whether a failed attempt is followed by another, and when.
// Called by workers/process.ts, which dials, waits, and asks the user's retryFun; chance and time come in as numbers.
// Invariant: each attempt costs a retry; only a connection that was up for `stableAfter` brings them back, so a server
// that accepts and closes is met with growing delays and an end.
// Source: gun.erl not_connected/3 and default_retry_fun/2; "equal jitter" (AWS, Exponential Backoff and Jitter).

import { LONGEST } from '../checks.ts';
import { describe, fromRecord, GunportError, OptionError } from '../errors.ts';
import type { RetryAnswer, RetrySettings } from '../retrywire.ts';
import { delayOf, STANDARD_BACKOFF } from './backoff.ts';

/** What the policy goes by. */
export type RetryPolicy = Pick<RetrySettings, 'retry' | 'retryFirst' | 'retryTimeout' | 'backoff'>;

/** An attempt that failed, or an established connection that was lost. */
export interface Failure {
  readonly error: GunportError;
  /** It had been up, as its user understands it: for connect() its WebSocket was open. */
  readonly wasUp: boolean;
  /** For how long, in milliseconds; 0 when it was not. */
  readonly upFor: number;
  /** It has been up in this or an earlier attempt. */
  readonly everUp: boolean;
  /** A number from 0 to 1, for the jitter. */
  readonly random: number;
}

/** Another attempt in `delay` ms; or the error to give up with. */
export type Decision = { readonly delay: number } | { readonly giveUp: GunportError };

/** The retries of one connection. */
export class Retries {
  readonly #policy: RetryPolicy;
  #left: number;
  #failures = 0;
  /** The delay before the last attempt, where it was counted. */
  #last = 0;

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
    this.#left = policy.retry;
  }

  /** In a row, up to now. */
  get failures(): number {
    return this.#failures;
  }

  /** What a hook is told of a failure, before failed() is called with its answer. `left` 0: none is asked. */
  peek(failure: Failure): { readonly left: number; readonly failures: number } {
    const anew = this.#isStable(failure);
    const mayRetry = this.#policy.retryFirst || failure.everUp;
    const left = anew ? this.#policy.retry : this.#left;
    return { left: mayRetry ? left : 0, failures: (anew ? 0 : this.#failures) + 1 };
  }

  /** Takes note of a failure and decides; `answer` is what the user's retryFun or handler said of it, if there is one. */
  failed(failure: Failure, answer?: RetryAnswer): Decision {
    const { left, failures } = this.peek(failure);
    this.#failures = failures;
    this.#left = left;
    if (left === 0) return { giveUp: failure.error };
    if (answer !== undefined) return this.#obey(answer, failure.error);
    if (isPermanent(failure.error)) return { giveUp: failure.error };
    this.#left = left - 1;
    return { delay: this.#delay(failures, failure.random) };
  }

  #delay(failures: number, random: number): number {
    const { backoff = STANDARD_BACKOFF, retryTimeout } = this.#policy;
    if (failures === 1) this.#last = 0;
    // Gun: "We retry immediately after a disconnect."
    if (failures === 1 && backoff.immediate) return 0;
    const steps = failures - (backoff.immediate ? 2 : 1);
    this.#last = retryTimeout ?? delayOf(backoff, steps, this.#last, random);
    return this.#last;
  }

  /** Gun: `retries` are left after the attempt that follows now, so 0 is one last attempt. Only an error gives up. A handler
   *  says when, and no more: its attempt is counted as any. */
  #obey(answer: NonNullable<RetryAnswer>, failure: GunportError): Decision {
    const wrong = (message: string, cause: unknown) => ({
      giveUp: new OptionError(message, { phase: failure.phase, cause }),
    });
    // What a retryFun answers crosses from user code: nothing of its shape is certain.
    const given: unknown = answer;
    if (typeof given !== 'object' || given === null) {
      return wrong(`retryFun must answer { retries, timeout }, got ${describe(given)}`, failure);
    }
    if ('giveUp' in answer) return { giveUp: failure };
    if ('error' in answer) {
      const error = fromRecord(answer.error);
      return error instanceof GunportError
        ? { giveUp: error }
        : wrong(`retryFun failed: ${error.message}`, error);
    }
    if ('delay' in answer) {
      this.#left--;
      return { delay: answer.delay };
    }
    const { retries, timeout } = answer;
    if (!(retries === Infinity || (Number.isSafeInteger(retries) && retries >= 0))) {
      return wrong(`retryFun must answer retries as an integer from 0, got ${describe(retries)}`, failure);
    }
    if (!(typeof timeout === 'number' && timeout >= 0 && timeout <= LONGEST)) {
      return wrong(
        `retryFun must answer timeout as a number from 0 to ${LONGEST}, got ${describe(timeout)}`,
        failure,
      );
    }
    this.#left = retries;
    return { delay: timeout };
  }

  #isStable({ wasUp, upFor }: Failure): boolean {
    const { stableAfter } = this.#policy.backoff ?? STANDARD_BACKOFF;
    return wasUp && upFor >= stableAfter;
  }
}

/** What a handler's `retrying` chose, as an answer. @throws {OptionError} it is none. */
export function checkChoice(choice: unknown): RetryAnswer {
  if (choice === undefined) return undefined;
  if (choice === false) return { giveUp: true };
  // Whatever it is, it is looked at.
  const delay: unknown =
    typeof choice === 'object' && choice !== null ? (choice as { delay?: unknown }).delay : undefined;
  if (typeof delay === 'number' && delay >= 0 && delay <= LONGEST) return { delay };
  const what = delay === undefined ? describe(choice) : `a delay of ${describe(delay)}`;
  throw new OptionError(
    `retrying must give false, { delay } from 0 to ${LONGEST} ms, or undefined, got ${what}`,
  );
}

/** Whether another attempt would only fail the same way: a certificate that does not verify, options that TLS does
 *  not take, an upgrade refused with 4xx (but 408, 425 and 429, which ask for patience). */
export function isPermanent(error: GunportError): boolean {
  const { code, status = 0, cause, reason } = error;
  if (code === 'ERR_GUNPORT_OPTION') return true;
  if (code === 'ERR_GUNPORT_UPGRADE_REFUSED')
    return status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  // The same password would be wrong again, and an account may be locked for it.
  if (code === 'ERR_GUNPORT_PROXY') return status === 407 || reason === 'auth-failed';
  if (code !== 'ERR_GUNPORT_TLS') return false;
  // Any error may have a code; those of Node and OpenSSL do.
  return (
    reason === 'options' || CERTIFICATE_CODES.has(String((cause as { code?: unknown } | undefined)?.code))
  );
}

/** Verification errors of OpenSSL (X509_V_ERR_…, as Node names them) and Node's own. Not among them: CRL not yet
 *  fetched or out of memory, which may pass. */
const CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERR_TLS_CERT_ALTNAME_FORMAT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
