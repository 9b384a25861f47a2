// retryable — which requests may be sent again after they failed, and why that can do no harm.
// Asked by pooledrequest.ts, before the head of an answer has come. Pure.
// Invariant: what a peer may have processed is sent again only where that was asked for, and means the same as once.
// Source: RFC 9110 §9.2.2; RFC 9113 §6.8, §8.7; RFC 9112 §9.6.

import { type GunportError, OptionError, TimeoutError } from '../errors.ts';
import type { RetryKind } from './authorityoptions.ts';

/** RFC 9110 §9.2.2: "PUT, DELETE, and safe request methods are idempotent". */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** What a request ends with when its connection does. */
const LOST: ReadonlySet<string> = new Set([
  ...['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_GAVE_UP', 'ERR_GUNPORT_DOWN', 'ERR_GUNPORT_GOAWAY'],
  'ERR_GUNPORT_PONG_TIMEOUT',
]);
/** What is our own doing, or would happen again. */
const FINAL: ReadonlySet<string> = new Set(['ERR_GUNPORT_CANCELLED', 'ERR_GUNPORT_BAD_STATE']);

/** Whether a request with this method that failed with this error may be sent again. @internal */
export function isRetryable(error: GunportError, method: string, kind: RetryKind): boolean {
  if (error instanceof TimeoutError || error instanceof OptionError || FINAL.has(error.code)) return false;
  // It waited for a connection that ended, stood behind the last of one (RFC 9112 §9.6), was above the last stream of a
  // GOAWAY (RFC 9113 §6.8), or refused (§8.7).
  if (error.unprocessed) return true;
  return kind === 'idempotent' && IDEMPOTENT.has(method) && LOST.has(error.code);
}
