// advice — the owner's retryFun, asked across the port by its process.
// Called by connection.ts for each 'askRetry'.
// Invariant: it always answers; what the function throws travels as an error. Source: Gun retry_fun.

import { fromRecord, type GunportError, toRecord } from './errors.ts';
import type { RetryDecision, RetryInfo } from './types.ts';
import type { Notice, RetryAnswer } from './wire.ts';

/** A user's own policy: told how many retries are left, and of the failure. @internal */
export type RetryFunction = (left: number, info: RetryInfo) => RetryDecision;

/** @internal */
export function advise(
  retryFun: RetryFunction | undefined,
  notice: Notice & { type: 'askRetry' },
): RetryAnswer {
  if (!retryFun) return undefined;
  const { left, failures, wasUp } = notice;
  try {
    // Records of the process are made of our own errors.
    const { retries, timeout } = retryFun(left, {
      error: fromRecord(notice.error) as GunportError,
      failures,
      wasUp,
    });
    return { retries, timeout };
  } catch (error) {
    return { error: toRecord(error) };
  }
}
