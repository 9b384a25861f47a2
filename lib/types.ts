// types — the public shapes: what a user is given by gunport.
// Used by every room; imports nothing but the shape of errors.
// Invariant: each message is a member of a union on `type`, with the fields its docstring names.
// Source: Gun's messages (gun_up, gun_down, gun_response, gun_ws …) and Erlang's 'DOWN'.

import type { GunportError } from './errors.ts';

/** What one message of a WebSocket is: text is a string, binary a view of memory that is yours for ever. */
export type Message = string | Uint8Array;

/** Headers of a peer: lower-case keys in a null-prototype object; a field that came twice is an array. */
export type Headers = Record<string, string | string[]>;

/** The protocol a connection speaks once it is up; `ws` when a WebSocket has taken the whole of it, `raw` bytes as they
 *  come, `socks` a SOCKS server whose tunnel is not up yet. */
export type Protocol = 'http' | 'http2' | 'ws' | 'raw' | 'socks';

/** Versions of HTTP/1. */
export type HttpVersion = '1.1' | '1.0';

/** Why a connection process ended.
 *  `normal` it had nothing left to do; `shutdown` it was told to; `owner-gone` its owner's thread ended;
 *  `gave-up` no retry was left (`cause` is the last failure); `uncaught` an error was thrown in its thread;
 *  `exit` its thread called process.exit (`exitCode`); `out-of-memory` its heap was full, or more than 80 % of it in use;
 *  `terminated` from outside;
 *  `unresponsive` its thread did not get to its event loop any more, and the pool's watchdog terminated it;
 *  `no-process` it was dead before, and nobody remembers of what. Source: Erlang exit reasons. */
export type DownKind =
  | 'normal'
  | 'shutdown'
  | 'owner-gone'
  | 'gave-up'
  | 'uncaught'
  | 'exit'
  | 'out-of-memory'
  | 'terminated'
  | 'unresponsive'
  | 'no-process';

/** The reason in a Down. */
export interface DownReason {
  readonly kind: DownKind;
  /** For people. */
  readonly message: string;
  /** Exit code of the thread, for `exit`, `terminated` and `unresponsive`. */
  readonly exitCode?: number;
  /** The error that ended it, for `gave-up`, `uncaught` and `out-of-memory`. */
  readonly cause?: unknown;
}

/** The one message a monitor ends with. Source: Erlang `{'DOWN', Ref, process, Pid, Reason}`. */
export interface Down<C = unknown> {
  readonly type: 'down';
  /** The monitor's `ref`. */
  readonly ref: number;
  readonly connection: C;
  readonly reason: DownReason;
}

/** The death of a whole thread, as `pool.on('down')` tells it. */
export interface ThreadDown {
  readonly threadId: number;
  readonly reason: DownReason;
  /** Ids of the connections that it took along. */
  readonly connections: readonly string[];
}

/** A thread that does not get to its event loop, as `pool.on('unresponsive')` tells it, or does again, as
 *  `pool.on('responsive')` tells. */
export interface ThreadSilence {
  readonly threadId: number;
  /** For how long at least, in milliseconds. */
  readonly silent: number;
  /** Ids of the connections in it. */
  readonly connections: readonly string[];
}

/** The connection is established. Source: Gun `gun_up`. */
export interface UpNotice {
  readonly type: 'up';
  readonly protocol: Protocol;
  /** How often it has come up, from 1. */
  readonly attempt: number;
}

/** An established connection was lost, and the process goes on. Source: Gun `gun_down`. */
export interface LostNotice {
  readonly type: 'down';
  readonly protocol: Protocol;
  /** The attempt that was lost. */
  readonly attempt: number;
  readonly reason: GunportError;
  /** Ids of the streams that it ended. */
  readonly killed: readonly number[];
}

/** A WebSocket is open. Source: Gun `gun_upgrade`. */
export interface UpgradeNotice {
  readonly type: 'upgrade';
  readonly protocols: readonly string[];
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
}

/** The head of an answer. `fin`: no body follows. Source: Gun `gun_response`. */
export interface ResponseNotice {
  readonly type: 'response';
  readonly fin: boolean;
  readonly status: number;
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
}

/** A part of an answer's body. Source: Gun `gun_data`. */
export interface DataNotice {
  readonly type: 'data';
  readonly fin: boolean;
  readonly data: Uint8Array;
}

/** One message of a WebSocket, or its close. Source: Gun `gun_ws`. */
export type WsNotice =
  | { readonly type: 'ws'; readonly frame: 'text'; readonly data: string }
  | { readonly type: 'ws'; readonly frame: 'binary'; readonly data: Uint8Array }
  | { readonly type: 'ws'; readonly frame: 'close'; readonly code: number; readonly reason: string };

/** One event of an event stream. Source: HTML §9.2.6 (WHATWG); Gun's events. */
export interface ServerSentEvent {
  /** `message` where the server named none. */
  readonly type: string;
  /** Its lines, joined with LF. */
  readonly data: string;
  /** The last that the server has given, with this event or before it; empty where it gave none. */
  readonly lastEventId: string;
  /** How long to wait before asking again, in milliseconds, where this event says so. */
  readonly retry?: number;
}

/** An `id`, or a `retry`, without data: no event to the standard, but it counts for who asks again. Source: gun_sse_h. */
export interface LoneEvent {
  readonly type?: undefined;
  readonly data?: undefined;
  readonly lastEventId: string;
  readonly retry?: number;
}

/** An event of an answer that is parsed by the content handler `'sse'`; with `fin` the end of that answer, and no event.
 *  Source: Gun `gun_sse`. */
export type SseNotice =
  | { readonly type: 'sse'; readonly fin: false; readonly event: ServerSentEvent | LoneEvent }
  | { readonly type: 'sse'; readonly fin: true; readonly event?: undefined };

/** An answer with a body, as the modules of content handlers are told of it. */
export interface ContentAnswer {
  /** The id of its stream. */
  readonly stream: number;
  /** Of the request. */
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
}

/** What a module makes of one answer, beside the socket. Source: gun_content_handler. */
export interface ContentHandler {
  /** A part of its body, as it comes; `fin` once, with the last, which may be empty. `data` is yours. What is returned
   *  goes on to the next handler, and from the last one to the owner as `data`; of several, `fin` goes with the last.
   *  `undefined` and `[]` are nothing. It is no promise: what it waits for would have to be kept without bound. What is
   *  thrown ends the request with ERR_GUNPORT_HANDLER, and the connection goes on. */
  handle(fin: boolean, data: Uint8Array): Uint8Array | readonly Uint8Array[] | undefined;
}

/** What a module of content handlers exports. `undefined`: this answer is not for it. `options` are a copy of those in the
 *  reference. Its trailers are no part of a body: they go to the owner behind it.
 *  @example
 *  export default ({ headers }, { key }) =>
 *    headers['x-masked'] ? { handle: (fin, data) => data.map((byte) => byte ^ key) } : undefined; */
export type ContentHandlerFunction<O = unknown> = (
  answer: ContentAnswer,
  options: O,
) => ContentHandler | undefined;

/** An interim answer, 1xx; more follows. Source: Gun `gun_inform`. */
export interface InformNotice {
  readonly type: 'inform';
  readonly status: number;
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
}

/** What stands behind the body of an answer, and its end. Source: Gun `gun_trailers`. */
export interface TrailersNotice {
  readonly type: 'trailers';
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
}

/** The server will send the answer to a request that nobody made: `stream` is where it comes. HTTP/2, with
 *  `push: true`. Source: Gun `gun_push`; RFC 9113 §8.4. */
export interface PushNotice<S = unknown> {
  readonly type: 'push';
  readonly stream: S;
  readonly method: string;
  readonly uri: string;
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
}

/** A tunnel is up, and its far end speaks `protocol`. Source: Gun `gun_tunnel_up`. */
export interface TunnelUpNotice {
  readonly type: 'tunnelUp';
  readonly protocol: Protocol;
  /** Where it leads: `https://example.com`. */
  readonly origin: string;
}

/** A switch to what the request asked for in its Upgrade header: bytes follow, as `data`. Source: Gun `gun_upgrade`. */
export interface SwitchedNotice {
  readonly type: 'upgrade';
  /** Of the answer's Upgrade header. */
  readonly protocols: readonly string[];
  readonly headers: Headers;
  readonly rawHeaders: readonly string[];
}

/** One proxy on the way to where a stream is served. Source: Gun's intermediaries. */
export interface Intermediary {
  readonly type: 'connect' | 'socks5';
  readonly host: string;
  readonly port: number;
  readonly transport: 'tcp' | 'tls' | 'unix';
  /** What it was spoken to in. */
  readonly protocol: 'http' | 'http2' | 'socks';
}

/** What `connection.await(stream)` resolves with: one notice. */
export type StreamNotice =
  | UpgradeNotice
  | InformNotice
  | ResponseNotice
  | DataNotice
  | SseNotice
  | TrailersNotice
  | PushNotice
  | TunnelUpNotice
  | WsNotice;

/** What `connection.awaitBody(stream)` resolves with. */
export interface Body {
  readonly body: Uint8Array;
  readonly trailers: Headers | undefined;
}

/** HTTP/2 settings of the peer. Source: RFC 9113 §6.5.2; RFC 8441 §3 for the last. */
export interface PeerSettings {
  readonly headerTableSize: number;
  readonly maxConcurrentStreams: number;
  readonly initialWindowSize: number;
  readonly maxFrameSize: number;
  readonly maxHeaderListSize: number;
  readonly enableConnectProtocol: boolean;
}

/** The peer's settings have come, or changed. Source: Gun `gun_notify settings_changed`. */
export interface SettingsNotice {
  readonly type: 'notify';
  readonly name: 'settings';
  readonly settings: PeerSettings;
}

/** What a process knows of a stream. `queued` it waits to be sent; `running`; `stopping` it was cancelled, and its
 *  answer is still being read past. Source: Gun `stream_info/2`. */
export interface StreamInfo {
  readonly id: number;
  readonly kind: 'http' | 'ws';
  readonly state: 'queued' | 'running' | 'stopping';
  readonly method: string;
  readonly path: string;
  /** Its answer goes to a `replyTo` port. */
  readonly replyTo: boolean;
  /** The proxies between this machine and where it is served, in the order that bytes pass them. */
  readonly intermediaries: readonly Intermediary[];
  /** Of a tunnel that is up: what is at its far end. */
  readonly tunnel?: {
    readonly protocol: Protocol;
    readonly transport: 'tcp' | 'tls';
    readonly origin: string;
  };
}

/** How a WebSocket ended. `code` is 1005 when the peer gave none, 1006 when there was no closing handshake. */
export interface CloseResult {
  readonly code: number;
  readonly reason: string;
  /** Both sides said close. Source: RFC 6455 §7.1.4. */
  readonly wasClean: boolean;
  readonly error?: GunportError;
  /** Bytes of frames that were sent and are not known to have left this process when a socket of it ended; left out where
   *  there are none. What the kernel had taken of a large write counts among them. */
  readonly unsent?: number;
}

/** `connecting` until the first upgrade, `open`, `down` between two attempts, `closing`, `closed`. */
export type StreamState = 'connecting' | 'open' | 'down' | 'closing' | 'closed';

/** `connecting`, `up`, `down` (waiting to retry), `closing`, `dead`. */
export type ConnectionStatus = 'connecting' | 'up' | 'down' | 'closing' | 'dead';

/** What a connection knows of itself. Source: Gun `info/1`. */
export interface ConnectionInfo {
  readonly id: string;
  /** `ws://host:port`, without path. */
  readonly origin: string;
  readonly transport: 'tcp' | 'tls' | 'unix';
  readonly protocol: Protocol | undefined;
  readonly status: ConnectionStatus;
  readonly attempt: number;
  /** The thread that holds the socket. */
  readonly threadId: number;
  /** The thread that owns the connection. */
  readonly ownerThreadId: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  /** TLS version, cipher and ALPN of the connection, when it is one. */
  readonly tls?: { readonly version: string; readonly cipher: string; readonly alpn: string | undefined };
  /** The proxies that the connection goes through, in the order that bytes pass them. */
  readonly intermediaries: readonly Intermediary[];
  readonly counters: ConnectionCounters;
  readonly lastError: GunportError | undefined;
}

/** Counted in the connection process since it began, over all attempts. */
export interface ConnectionCounters {
  readonly messagesReceived: number;
  readonly bytesReceived: number;
  readonly messagesSent: number;
  readonly bytesSent: number;
  readonly pingsAnswered: number;
  readonly transfers: number;
}

/** What a failed attempt tells `retryFun`. */
export interface RetryInfo {
  /** The failure; `phase` says where, `cause` is Node's own error. */
  readonly error: GunportError;
  /** Failures in a row, from 1. */
  readonly failures: number;
  /** Whether the connection had been up in this attempt. */
  readonly wasUp: boolean;
}

/** What `retryFun` answers: how many attempts are left after the one that follows now, so `retries: 0` is one last
 *  attempt, as in Gun; and ms to wait before it. To give up at once, throw: what is thrown becomes the last cause. */
export interface RetryDecision {
  readonly retries: number;
  readonly timeout: number;
}

/** An attempt that is about to be made. */
export interface AttemptInfo {
  /** Counts the times it came up: the number it will have, from 1. */
  readonly attempt: number;
  /** Failures in a row before it. */
  readonly failures: number;
  /** Where the attempt before went, or what `connect()` was given; without credentials. */
  readonly url: string;
  /** What the last attempt ended with. */
  readonly lastError: GunportError | undefined;
}

/** A failed attempt or a lost WebSocket, as a handler's `retrying` is told of it. */
export interface FailureInfo {
  readonly error: GunportError;
  /** In a row, from 1. */
  readonly failures: number;
  /** Retries that are left. */
  readonly left: number;
  /** Whether the WebSocket had been open in this attempt. */
  readonly wasUp: boolean;
}

/** `false` gives up; `{ delay }` makes another attempt in so many milliseconds, 0 to 2 147 483 647; `undefined` leaves it to
 *  the connection's own policy. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that returns nothing is one.
export type RetryChoice = false | { readonly delay: number } | undefined | void;
