// ending — how one WebSocket opens and ends, told once to everybody who waits for it.
// Held by stream.ts. Invariant: `closed` resolves exactly once and never rejects; the first end counts.
// Source: RFC 6455 §7.1.5 and §7.1.6; WHATWG WebSocket close event.

import { type Settle, type WaitOptions, wait } from './await.ts';
import { describe, fromRecord, type GunportError, OptionError, StreamError, TimeoutError } from './errors.ts';
import type { CloseResult, StreamState } from './types.ts';
import type { Closed } from './wire.ts';

/** Codes a user may close with; 1005, 1006 and 1015 never go on the wire. Source: RFC 6455 §7.4. */
const SENDABLE_CODES = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]);

/** Codes with which a peer says goodbye; 1005 is none at all. */
const GOODBYES: ReadonlySet<number> = new Set([1000, 1001, 1005]);

/** Who waits for the end of the socket. */
interface Closer {
  resolve(result: CloseResult): void;
  reject(error: GunportError): void;
}

/** @internal */
export class Ending {
  /** Resolves after the last message was given to a reader. */
  readonly closed: Promise<CloseResult>;
  #settled = false;
  #resolve: (result: CloseResult) => void = () => {};
  readonly #closers = new Set<Closer>();
  readonly #openers = new Set<Settle<void>>();

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** For connect(): resolves when it is open, rejects when it will not be. */
  opened(options: WaitOptions): Promise<void> {
    return wait<void>('connect()', options, (settle) => {
      this.#openers.add(settle);
      return () => this.#openers.delete(settle);
    });
  }

  /** It is open. */
  tellOpeners(): void {
    for (const settle of [...this.#openers]) settle(undefined, undefined);
  }

  /** For close(): told as soon as the socket has ended, whoever reads; `within` ms, in case its thread is stuck. */
  async ended(within: number): Promise<CloseResult> {
    try {
      return await wait<CloseResult>('close()', { timeout: within }, (settle) => {
        const closer: Closer = { resolve: (result) => settle(undefined, result), reject: settle };
        this.#closers.add(closer);
        return () => this.#closers.delete(closer);
      });
    } catch (error) {
      if (error instanceof TimeoutError) return abnormal(error);
      throw error;
    }
  }

  /** The socket has ended. */
  tellClosers(result: CloseResult): void {
    for (const settle of [...this.#openers]) settle(result.error ?? closedError());
    for (const { resolve } of [...this.#closers]) resolve(result);
  }

  /** How it ends is another owner's to know. */
  give(error: GunportError): void {
    for (const { reject } of [...this.#closers]) reject(error);
    this.settle(abnormal(error));
  }

  /** The last message was given to a reader, or nobody reads. False when that was so before. */
  settle(result: CloseResult): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#resolve(result);
    return true;
  }
}

/** What a user is told. */
export function closeResult({ code, reason, wasClean, error }: Closed): CloseResult {
  return { code, reason, wasClean, ...(error ? { error: fromRecord(error) as GunportError } : {}) };
}

/** No closing handshake took place. */
export function abnormal(error: GunportError | undefined): CloseResult {
  return { code: 1006, reason: '', wasClean: false, ...(error ? { error } : {}) };
}

/** What waits for something else when it has closed. */
export function closedError(): StreamError {
  return new StreamError('ERR_GUNPORT_CLOSED', 'the WebSocket has closed', { phase: 'closed' });
}

/** How a loop ends: quietly when the peer said goodbye, with an error otherwise. */
export function badEnd(closed: Closed): GunportError | undefined {
  // Records of the process are made of our own errors.
  if (closed.error) return fromRecord(closed.error) as GunportError;
  if (closed.wasClean && GOODBYES.has(closed.code)) return undefined;
  const reason = closed.reason ? ` (${closed.reason})` : '';
  return new StreamError('ERR_GUNPORT_CLOSED', `the WebSocket closed with ${closed.code}${reason}`, {
    phase: 'closed',
    reason: closed.code,
  });
}

/** @throws {OptionError} a code that may not be sent, a reason above 123 bytes (RFC 6455 §5.5). */
export function checkClose(code: unknown, reason: unknown): void {
  const sendable = typeof code === 'number' && (SENDABLE_CODES.has(code) || (code >= 3000 && code <= 4999));
  if (!sendable || !Number.isInteger(code)) {
    throw new OptionError(
      `code must be a close code from 1000 to 1003, 1007 to 1014 or 3000 to 4999, got ${describe(code)}`,
    );
  }
  if (typeof reason !== 'string' || Buffer.byteLength(reason) > 123) {
    throw new OptionError(`reason must be a string of at most 123 bytes, got ${describe(reason)}`);
  }
}

/** Why a stream in this state can neither send nor ping. */
export function notOpen(what: string, state: StreamState): StreamError {
  if (state === 'closing' || state === 'closed') {
    return new StreamError('ERR_GUNPORT_CLOSING', `${what}(): the stream is ${state}`, { phase: 'closed' });
  }
  return new StreamError('ERR_GUNPORT_NOT_CONNECTED', `${what}(): the stream is ${state}`);
}
