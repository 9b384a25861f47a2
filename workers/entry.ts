// entry — one WebSocket as its process keeps it, over all its attempts.
// Held by process.ts. Pure: what it is, how its end reads, whether it comes back.
// Source: gun.erl's streams; promises S2 and O8.

import { ConnectionError, endedError, fromRecord, GunportError, StreamError } from '../lib/errors.ts';
import type { StreamState } from '../lib/types.ts';
import type { Closed, DownRecord, Notice, StreamRecord, Upgraded, WsSettings } from '../lib/wire.ts';

export interface Entry {
  readonly stream: number;
  readonly ws: WsSettings;
  state: StreamState;
  upgraded: Upgraded | undefined;
  /** Bytes of wire image that have come from the owner. */
  received: number;
}

export function newEntry(stream: number, ws: WsSettings): Entry {
  return { stream, ws, state: 'connecting', upgraded: undefined, received: 0 };
}

/** For an owner that takes an orphan: what the dead one had been posted is lost, and counts as read. */
export function recordOf({ stream, ws, state, upgraded, received }: Entry): StreamRecord {
  const nothing = { closed: undefined, error: undefined, over: undefined, replies: [], untaken: [] };
  return { stream, ws, state, upgraded, ...nothing, sentBytes: received, flushedBytes: received };
}

/** The end of a WebSocket without a closing handshake. */
export const NO_CLOSE: Closed = { code: 1006, reason: '', wasClean: false, error: undefined };

/** An answer that was no WebSocket, as notices of its stream. */
export function refusalNotices(stream: number, error: ConnectionError): Notice[] {
  const { status = 0, headers = {}, body = new Uint8Array(0) } = error;
  const rawHeaders = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().flatMap((one) => [name, one]),
  );
  const response: Notice = { type: 'response', stream, fin: body.length === 0, status, headers, rawHeaders };
  return body.length === 0 ? [response] : [response, { type: 'data', stream, fin: true, data: body }];
}

/** A server that restarts (1012), asks for patience (1013), or was lost: a stream of connect() comes back to it. */
export function comesBack({ code, error }: Closed): boolean {
  if (error) return error.code === 'ERR_GUNPORT_CLOSED' || error.code === 'ERR_GUNPORT_PONG_TIMEOUT';
  return code === 1012 || code === 1013;
}

/** The loss of a socket that its WebSocket survives. */
export function lossBy({ code, reason, error }: Closed): GunportError {
  const known = error && fromRecord(error);
  if (known instanceof GunportError) return known;
  const text = `the peer closed with ${code} ${reason}`.trim();
  return new ConnectionError('ERR_GUNPORT_CLOSED', text, { reason: code });
}

/** What a stream ends with when its process does. */
export function endOfStream(entry: Entry, { kind, message, cause }: DownRecord): GunportError {
  const under = cause && fromRecord(cause);
  // A connect() that never came up, or was told not to retry: the failure itself is what its caller wants to know.
  if (kind === 'gave-up' && under instanceof GunportError && entry.upgraded === undefined) return under;
  if (kind === 'gave-up') {
    const phase = under instanceof GunportError ? under.phase : 'closed';
    return new StreamError('ERR_GUNPORT_GAVE_UP', `no retry is left: ${message}`, { phase, cause: under });
  }
  return endedError(kind, under);
}

/** What dialling failed with, if not with an error of ours. */
export function asConnectionError(error: unknown): GunportError {
  if (error instanceof GunportError) return error;
  return new ConnectionError('ERR_GUNPORT_CONNECT', 'dialling failed', { phase: 'connect', cause: error });
}
