// types — the public shapes: what a user is given by gunport.
// Used by every room; imports nothing but the shape of errors.
// Invariant: each message is a member of a union on `type`, with the fields its docstring names.
// Source: Gun's messages (gun_up, gun_down, gun_response, gun_ws …) and Erlang's 'DOWN'.

import type { GunportError } from './errors.ts';

/** What one message of a WebSocket is: text is a string, binary a view of memory that is yours for ever. */
export type Message = string | Uint8Array;

/** Headers of a peer: lower-case keys in a null-prototype object; a field that came twice is an array. */
export type Headers = Record<string, string | string[]>;

/** The protocol a connection speaks once it is up; `ws` when a WebSocket has taken the whole of it. */
export type Protocol = 'http' | 'http2' | 'ws';

/** Versions of HTTP/1. */
export type HttpVersion = '1.1' | '1.0';

/** Why a connection process ended.
 *  `normal` it had nothing left to do; `shutdown` it was told to; `owner-gone` its owner's thread ended;
 *  `gave-up` no retry was left (`cause` is the last failure); `uncaught` an error was thrown in its thread;
 *  `exit` its thread called process.exit (`exitCode`); `out-of-memory`; `terminated` from outside;
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
  | 'no-process';

/** The reason in a Down. */
export interface DownReason {
  readonly kind: DownKind;
  /** For people. */
  readonly message: string;
  /** Exit code of the thread, for `exit` and `terminated`. */
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

/** What `connection.await(stream)` resolves with: one notice. */
export type StreamNotice =
  | UpgradeNotice
  | InformNotice
  | ResponseNotice
  | DataNotice
  | TrailersNotice
  | PushNotice
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
}

/** How a WebSocket ended. `code` is 1005 when the peer gave none, 1006 when there was no closing handshake. */
export interface CloseResult {
  readonly code: number;
  readonly reason: string;
  /** Both sides said close. Source: RFC 6455 §7.1.4. */
  readonly wasClean: boolean;
  readonly error?: GunportError;
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
