// driver — the contract between a connection process and the protocol on its socket.
// Implemented by upgrade.ts, takeover.ts, http1/driver.ts and http2/driver.ts; called by link.ts, which is their DriverHost.
// Invariant: a driver decides nothing about connections; it tells the process, which does.
// Source: undici's context object, with Gun's verbs; the door of Python's websockets.

import { type ConnectionError, type GunportError, StreamError, toRecord } from '../lib/errors.ts';
import type { RequestSettings } from '../lib/httpwire.ts';
import type { UserFunction } from '../lib/modules.ts';
import type { Negotiated } from '../lib/protocol/extensions.ts';
import type { Protocol } from '../lib/types.ts';
import type { Closed, Notice, Settings } from '../lib/wire.ts';
import type { LinkCookies } from './cookies/linkcookies.ts';
import type { Entry } from './entry.ts';
import type { Exchange } from './exchange.ts';
import type { Lane } from './lane.ts';
import type { Outbox } from './outbox.ts';
import type { Probe } from './probes/probe.ts';
import type { Counters, Sink, Transport } from './socket.ts';
import type { One } from './streams.ts';

/** A protocol on a connected socket. It takes what it can serve from the streams that wait. */
export interface Driver extends Sink {
  readonly protocol: Protocol;
  /** Something may wait that can be served now. */
  serve(): void;
  /** A ping of the connection: answered by a 'pong' or a 'failedCall'. */
  ping(id: number): void;
  /** Says goodbye: what is under way may finish, nothing more is begun, and what waits behind it fails as closing, for
   *  this `reason` (the kind of the Down to come); `over()` once nothing is left. */
  shutdown(reason: string): void;
  /** Stops all timers; nothing is sent or told after it. What it had taken is the process's to end. */
  stop(): void;
}

/** What a driver asks of its process. */
export interface DriverHost {
  /** Of the far end: what it is, and what is said to it. */
  readonly settings: Settings;
  readonly transport: Transport;
  /** What may be asked of it. */
  readonly streams: Lane<One>;
  readonly outbox: Outbox;
  readonly counters: Counters;
  readonly probe: Probe;
  /** For header names of HTTP/1. */
  readonly transformHeaderName: UserFunction | undefined;
  /** Of its far end; undefined: none are kept. */
  readonly cookies?: LinkCookies | undefined;
  /** Runs what may throw, where it is not called by the process: an error ends the connection, not its thread. */
  guard(run: () => void): void;
  /** The peer speaks the protocol: only now the connection is up. */
  up(): void;
  /** The socket is of no use any more, and nor is the driver. */
  lost(error: GunportError): void;
  /** After shutdown(): nothing is left under way. */
  over(): void;
  /** Another driver takes the socket, with what has been read of it: an HTTP/1 one that is loaded first. */
  needHttp1(begin: Http1Begin): void;
  /** The answer to an upgrade gives the whole socket to a WebSocket. `rest`: the bytes right behind it. */
  takeOver(entry: Entry, agreed: Agreement, rest: Uint8Array): void;
  /** A proxy has made a tunnel of the whole connection. `rest`: the bytes right behind its answer. */
  tunnelled(exchange: Exchange, rest: Uint8Array): void;
  /** A proxy has made a tunnel of one stream of the connection. */
  branched(exchange: Exchange, transport: Transport): Branching;
  /** The server has switched to what a request asked for: the socket is its. `rest`: the bytes right behind the answer. */
  switched(exchange: Exchange, rest: Uint8Array): void;
  /** A WebSocket has a stream of the connection. */
  opened(entry: Entry, agreed: Agreement): void;
  /** It was answered otherwise: told as a response, or for connect() a failed attempt. */
  refused(entry: Entry, error: ConnectionError): void;
  /** A WebSocket on a stream of the connection has ended. */
  finished(entry: Entry, closed: Closed): void;
  /** A request that nobody made; the ids of those count down from -1. */
  promised(parent: Exchange, request: RequestSettings): Exchange;
}

/** What is behind a tunnel: it is told of its socket by `sink`, and ends the socket by itself. */
export interface Branching {
  readonly sink: Sink;
  /** Says goodbye; the socket ends with it. */
  shutdown(reason: string): void;
  /** Nobody wants more of it. */
  cancel(): void;
  /** The socket was lost with its connection, which is told elsewhere: what has arrived is told. */
  lost(error: GunportError): void;
  /** The socket goes, now; nothing is told. */
  stop(): void;
}

/** What an upgrade was agreed on. */
export interface Agreement {
  readonly protocol: string;
  readonly extensions: string;
  readonly negotiated: Negotiated | undefined;
  readonly rawHeaders: readonly string[];
}

/** Where an HTTP/1 driver begins: an upgrade that waits for its answer, and the bytes that have come. */
export interface Http1Begin {
  readonly upgrading?: { readonly entry: Entry; readonly key: string } | undefined;
  readonly bytes: Uint8Array;
}

/** What asks for the bytes of a connection that speaks HTTP. */
export function notRaw(): StreamError {
  return new StreamError('ERR_GUNPORT_BAD_STATE', 'raw(): the connection speaks HTTP');
}

/** The answer to a ping of the connection where there is none. */
export function noPing(id: number, why: string): Notice & { type: 'failedCall' } {
  const error = toRecord(new StreamError('ERR_GUNPORT_UNSUPPORTED', `ping(): ${why}`));
  return { type: 'failedCall', id, error };
}
