// entry — one WebSocket as its process keeps it, over all its attempts.
// Held by process.ts. Pure: what it is, how its end reads, whether it comes back.
// Source: gun.erl's streams; promises S2 and O8.

import { ConnectionError, endedError, fromRecord, GunportError, StreamError } from '../lib/errors.ts';
import type { HttpNotice } from '../lib/httpwire.ts';
import type { SentFrames } from '../lib/sendwire.ts';
import type { StreamState } from '../lib/types.ts';
import type { Closed, DownRecord, Upgraded, WsRecord, WsSettings } from '../lib/wire.ts';
import type { HandledOutbox } from './handling.ts';
import type { Lane, Member } from './lane.ts';
import type { Outbox } from './outbox.ts';
import type { Adviser } from './renewing.ts';
import type { HandledSocket } from './speech.ts';

export interface Entry {
  readonly kind: 'ws';
  readonly stream: number;
  /** As its owner has asked for it. */
  readonly given: WsSettings;
  /** The same as of this attempt, which may have been renewed. */
  ws: WsSettings;
  /** Its handler, if it has one: its outbox, too. */
  readonly handling: HandledOutbox | undefined;
  /** What its handler has to say of attempts. */
  adviser?: Adviser | undefined;
  /** That is on the owner's thread, and has a say in retries. */
  decides?: boolean | undefined;
  /** Where it waits and is served. */
  readonly lane: Lane<Member>;
  state: StreamState;
  upgraded: Upgraded | undefined;
  /** Bytes of wire image that have come from the owner. */
  received: number;
  /** The road of its messages to its owner. */
  readonly outbox: Outbox;
  /** What serves it: the driver that asks for its upgrade, then the WebSocket itself. Undefined while it waits. */
  socket: Socket | undefined;
}

/** A WebSocket, or what will become one. */
export interface Socket extends HandledSocket {
  /** Frames laid out by the owner, room for the mask left. */
  send(frames: SentFrames): void;
  /** The owner waits until what it has sent has left. */
  askSent(): void;
  ping(id: number, payload: Uint8Array | undefined): void;
  /** Starts the closing handshake; false where there is nobody yet to say goodbye to. `keep`: what is held for the owner
   *  stays. */
  close(code: number, reason: string, keep?: boolean): boolean;
  /** It counts as lost, with this error. */
  giveUp(error: GunportError): void;
  /** Frames that come are shown again, which they are not after a secret was sent. */
  reveal(): void;
  /** Nobody wants more of it: its socket, or its part of one, is dropped without a goodbye. */
  cancel(): void;
  /** The owner has room again. */
  credit(): void;
  /** Too much is held for it: it is read no more, or again. */
  hold(held: boolean): void;
}

/** For an owner that takes an orphan: what the dead one had been posted is lost, and counts as read. */
export function recordOf({ stream, given, state, upgraded, received, outbox, lane }: Entry): WsRecord {
  const nothing = { closed: undefined, error: undefined, over: undefined, replies: [], untaken: [] };
  return {
    kind: 'ws',
    stream,
    ws: given,
    state,
    upgraded,
    acked: outbox.posted,
    origin: lane.origin,
    ...nothing,
    sentBytes: received,
    flushedBytes: received,
  };
}

/** The end of a WebSocket without a closing handshake. */
export const NO_CLOSE: Closed = { code: 1006, reason: '', wasClean: false, error: undefined };

/** An answer that was no WebSocket, as notices of its stream. */
export function refusalNotices(stream: number, error: ConnectionError): HttpNotice[] {
  const { status = 0, headers = {}, body = new Uint8Array(0) } = error;
  const rawHeaders = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().flatMap((one) => [name, one]),
  );
  const response: HttpNotice = { type: 'response', stream, fin: body.length === 0, status, rawHeaders };
  return body.length === 0
    ? [response]
    : [response, { type: 'data', stream, fin: true, data: new Uint8Array(body) }];
}

/** The socket was lost, or the server of HTTP/2 goes away. */
const COMING_BACK: ReadonlySet<unknown> = new Set([
  'ERR_GUNPORT_CLOSED',
  'ERR_GUNPORT_PONG_TIMEOUT',
  'ERR_GUNPORT_GOAWAY',
]);

/** A server that was lost, or has closed with one of these codes: a stream of connect() comes back to it. */
export function comesBack({ code, error }: Closed, reconnectOn: readonly number[] | 'any'): boolean {
  if (error && COMING_BACK.has(error.code)) return true;
  return reconnectOn === 'any' || reconnectOn.includes(code);
}

/** A WebSocket of an attempt: of connect(), whatever was renewed. */
export function asRenewed(
  given: WsSettings,
  { path, headers, subprotocols, secretPath }: WsSettings,
): WsSettings {
  const { spans } = given;
  const isSame = given.path === path && given.headers === headers && given.subprotocols === subprotocols;
  return !spans || (isSame && given.secretPath === secretPath)
    ? given
    : { ...given, path, headers, subprotocols, secretPath };
}

/** The loss of a socket that its WebSocket survives. */
export function lossBy({ code, reason, error }: Closed): GunportError {
  const known = error && fromRecord(error);
  if (known instanceof GunportError) return known;
  const text = `the peer closed with ${code} ${reason}`.trim();
  return new ConnectionError('ERR_GUNPORT_CLOSED', text, { reason: code });
}

/** What a stream ends with when its process does. */
export function endOfStream(everUp: boolean, { kind, message, cause }: DownRecord): GunportError {
  const under = cause && fromRecord(cause);
  // A connect() that never came up, or was told not to retry: the failure itself is what its caller wants to know.
  if (kind === 'gave-up' && under instanceof GunportError && !everUp) return under;
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

/** What a request gets that comes too late, or waits behind the last. */
export function closingError(reason: string, unprocessed = false): StreamError {
  return new StreamError('ERR_GUNPORT_CLOSING', `the connection is closing (${reason})`, {
    phase: 'closed',
    reason,
    unprocessed,
  });
}

/** Its closing handshake; where there is nobody yet to say goodbye to, or between two attempts, it has `closed`. `keep`: what
 *  is held for the owner stays. */
export function closeEntry(
  entry: Entry,
  { code, reason, keep }: { readonly code: number; readonly reason: string; readonly keep: boolean },
  closed: (entry: Entry, closed: Closed) => void,
): void {
  const { socket } = entry;
  entry.state = 'closing';
  if (socket?.close(code, reason, keep)) return;
  // As with a socket: what is held would wait for a reader, and the end behind it.
  if (!keep) entry.outbox.drop(entry.stream);
  closed(entry, NO_CLOSE);
  socket?.cancel();
}

/** What stands for a WebSocket while its upgrade is under way: there is nobody yet to do anything with. */
export function standIn(cancel: () => void): Socket {
  return new StandIn(cancel);
}

class StandIn implements Socket {
  readonly pending = 0;
  readonly cancel: () => void;

  constructor(cancel: () => void) {
    this.cancel = cancel;
  }

  send(): void {}
  askSent(): void {}
  ping(): void {}
  close(): boolean {
    return false;
  }
  credit(): void {}
  hold(): void {}
  giveUp(): void {}
  reveal(): void {}
  speak(...[, , { done }]: Parameters<Socket['speak']>): void {
    done(handshakeCut());
  }
}

/** upgradeTimeout has passed. */
export function upgradeLate({ upgradeTimeout }: WsSettings): ConnectionError {
  const text = `the upgrade took longer than ${upgradeTimeout} ms`;
  return new ConnectionError('ERR_GUNPORT_UPGRADE_TIMEOUT', text, { phase: 'upgrade' });
}

/** The socket went before there was an answer to an upgrade. */
export function handshakeCut(cause?: GunportError): ConnectionError {
  const text = 'the server closed the connection before it answered the upgrade';
  return new ConnectionError('ERR_GUNPORT_HANDSHAKE', text, { phase: 'upgrade', cause });
}

/** A proxy that answers in the name of what is behind it. */
export function unasked(bytes: number, hop: string): ConnectionError {
  const text = `the proxy sent ${bytes} bytes behind its answer, before anything was asked of what is behind it`;
  return new ConnectionError('ERR_GUNPORT_PROXY', text, { phase: 'connect', reason: 'unasked', hop });
}
