// down — the end of a connection process as an error, for whoever waited for something else.
// Called by connection.ts. Source: gun:await's {error, {down, Reason}}.

import { DownError, endedError, GunportError, OptionError } from './errors.ts';
import type { DownReason } from './types.ts';
import type { DownRecord } from './wire.ts';

/** An error for this reason; `undefined` when it is not known yet. */
export function downError(reason: DownReason | undefined): DownError {
  if (!reason) return new DownError('ERR_GUNPORT_DOWN', 'the connection process is gone');
  const code = reason.kind === 'gave-up' ? 'ERR_GUNPORT_GAVE_UP' : 'ERR_GUNPORT_DOWN';
  const details = { reason: reason.kind, cause: reason.cause };
  return new DownError(code, `the connection process is down (${reason.kind}): ${reason.message}`, details);
}

/** What an await gets: the failure itself, where a failure was the end of it. */
export function awaitError(reason: DownReason | undefined): GunportError {
  if (reason?.kind === 'gave-up' && reason.cause instanceof GunportError) return reason.cause;
  return downError(reason);
}

/** What a stream ends with of which its process never heard: the same that the process would have told. */
export function streamError(reason: DownReason | undefined): GunportError {
  if (!reason || isThreadDeath(reason)) return awaitError(reason);
  // A process tells all that it knows before it closes its port: this one had never reached it.
  return unprocessed(reason.kind === 'gave-up' ? awaitError(reason) : endedError(reason.kind, reason.cause));
}

function unprocessed(error: GunportError): GunportError {
  if (error instanceof OptionError) return error;
  // The constructors of all others are alike.
  const Class = error.constructor as typeof GunportError;
  return new Class(error.code, error.message, { ...error, cause: error.cause, unprocessed: true });
}

/** The whole thread is gone, so that nothing more will come: of those only is an exit code known, but where the thread
 *  that hosts it took it along. */
export function isThreadDeath({ kind, exitCode }: Pick<DownRecord, 'kind' | 'exitCode'>): boolean {
  return exitCode !== undefined || kind === 'terminated';
}
