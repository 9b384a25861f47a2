// types — the public shapes: what a user is given by gunport.
// Used by every room; imports nothing but the shape of errors.
// Invariant: each message is a member of a union on `type`, with the fields its docstring names.
// Source: Gun's messages (gun_up, gun_down, gun_response, gun_ws …) and Erlang's 'DOWN'.

import type { GunportError } from './errors.ts';

/** What one message of a WebSocket is: text is a string, binary a view of memory that is yours for ever. */
export type Message = string | Uint8Array;

/** Headers of a peer: lower-case keys in a null-prototype object; a field that came twice is an array. */
export type Headers = Record<string, string | string[]>;

/** The protocol a connection speaks once it is up. */
export type Protocol = 'http' | 'ws';

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

/** What `connection.await(stream)` resolves with: one notice. */
export type StreamNotice = UpgradeNotice | ResponseNotice | DataNotice | WsNotice;

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
