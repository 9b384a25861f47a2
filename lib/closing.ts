// closing — how one WebSocket ends, in words: what a user is told, what may be said to the peer.
// Used at the owner by ending.ts and wsstream.ts, and by handling/runner.ts wherever a handler runs.
// Source: RFC 6455 §7.1.5, §7.1.6 and §7.4.

import { describe, fromRecord, type GunportError, OptionError, StreamError } from './errors.ts';
import type { CloseResult, StreamState } from './types.ts';
import type { Closed } from './wire.ts';

/** Codes a user may close with; 1005, 1006 and 1015 never go on the wire. Source: RFC 6455 §7.4. */
const SENDABLE_CODES = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]);

/** What a user is told. */
export function closeResult({ code, reason, wasClean, error }: Closed): CloseResult {
  return { code, reason, wasClean, ...(error ? { error: fromRecord(error) as GunportError } : {}) };
}

/** No closing handshake took place. */
export function abnormal(error: GunportError | undefined): CloseResult {
  return { code: 1006, reason: '', wasClean: false, ...(error ? { error } : {}) };
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
