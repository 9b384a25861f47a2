// await — waiting for one thing with every end it may have: the answer, an error, a timeout, a signal.
// Used by connection.ts, stream.ts, owner.ts and receive.ts; Down and hand-over arrive as errors through `settle`.
// Invariant: whatever ends it, nothing is left behind: no timer, no listener, no late answer (S1, S3).
// Source: gun:await/4 with a monitor; AbortSignal of WHATWG DOM.

import { whenAborted } from './aborts.ts';
import { checkSignal, LONGEST } from './checks.ts';
import { describe, OptionError, TimeoutError } from './errors.ts';

/** What every wait takes. */
export interface WaitOptions {
  /** In milliseconds; Infinity for none. */
  timeout?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface Settle<T> {
  (error: undefined, value: T): void;
  (error: Error): void;
}

/** Starts something and waits for its one end. `start` gets `settle` and returns what undoes it.
 *  @internal */
export function wait<T>(
  what: string,
  { timeout = Number.POSITIVE_INFINITY, signal }: WaitOptions,
  start: (settle: Settle<T>) => (() => void) | undefined,
  explain?: () => unknown,
): Promise<T> {
  checkWait(timeout, signal);
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(what, signal));
    let undo: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    let due: NodeJS.Immediate | undefined;
    let settled = false;
    const finish = (): boolean => {
      if (settled) return false;
      settled = true;
      clearTimeout(timer);
      clearImmediate(due);
      forget?.();
      undo?.();
      return true;
    };
    const onAbort = (): void => {
      if (signal && finish()) reject(aborted(what, signal));
    };
    const settle = (error: Error | undefined, value?: T): void => {
      if (!finish()) return;
      if (error) reject(error);
      // Settle<T> gives a value whenever it gives no error.
      else resolve(value as T);
    };
    const forget = signal && whenAborted(signal, onAbort);
    const late = (): void => {
      if (!finish()) return;
      const cause = explain?.();
      reject(new TimeoutError('ERR_GUNPORT_TIMEOUT', `${what} took longer than ${timeout} ms`, { cause }));
    };
    // Timers come before messages in a turn of the loop: an answer that came while this thread was busy counts.
    if (timeout !== Number.POSITIVE_INFINITY) {
      timer = setTimeout(() => {
        due = setImmediate(late);
      }, timeout);
    }
    try {
      undo = start(settle);
    } catch (error) {
      finish();
      throw error;
    }
    if (settled) undo?.();
  });
}

/** How long a thread may take to answer beyond the time that the peer is given, in milliseconds. */
const GRACE = 5_000;

/** When an end that was asked for must have come: later, the thread is stuck. @internal */
export function closingDeadline({ closingTimeout }: { readonly closingTimeout: number }): number {
  return Math.min(LONGEST, closingTimeout + GRACE);
}

/** @throws {OptionError} a timeout that is no number from 0, a signal that is none. @internal */
export function checkWait(timeout: unknown, signal: unknown): void {
  const finite = typeof timeout === 'number' && timeout >= 0 && timeout <= LONGEST;
  if (!finite && timeout !== Number.POSITIVE_INFINITY) {
    throw new OptionError(
      `timeout must be milliseconds from 0 to ${LONGEST} or Infinity, got ${describe(timeout)}`,
    );
  }
  checkSignal(signal);
}

function aborted(what: string, signal: AbortSignal): TimeoutError {
  return new TimeoutError('ERR_GUNPORT_ABORTED', `${what} was aborted`, { cause: signal.reason });
}
