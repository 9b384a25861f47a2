// wire — the whole protocol between threads, as unions on `type`.
// Spoken on four kinds of port: owner ↔ process, host ↔ thread, host ↔ consumer (the life line), giver ↔ taker.
// Invariant: everything here is plain data that structured clone keeps; nothing is added outside this file.
// Down has two roads, and neither is the data's: 'end' on the owner port for a process that ended by itself,
// the host's life lines for a thread that died.

import type { MessagePort } from 'node:worker_threads';
import type { CookiePlacing } from './cookies/cookiewire.ts';
import type { ErrorRecord } from './errors.ts';
import type { HandoverEvent, ThreadEvents } from './events/eventwire.ts';
import type { Carried, HandlingCast, HandlingNotice, ValueForm } from './handling/handlingwire.ts';
import type { Hop, HttpCast, HttpNotice, HttpRecord, HttpSettings } from './httpwire.ts';
import type { ModuleReference } from './options.ts';
import type { AdviceCast, AdviceQuestion, RetrySettings } from './retrywire.ts';
import type { SendCast } from './sendwire.ts';
import type {
  ConnectionCounters,
  ConnectionStatus,
  DownKind,
  Intermediary,
  PeerSettings,
  Protocol,
  StreamInfo,
  StreamNotice,
  StreamState,
} from './types.ts';

/** Options of one WebSocket after checking: all present, all cloneable. */
export interface WsSettings {
  readonly path: string;
  /** Name, value, name, value …, as they go on the wire. */
  readonly headers: readonly string[];
  readonly subprotocols: readonly string[];
  readonly compress: CompressSettings | undefined;
  readonly maxPayload: number;
  readonly maxFragments: number;
  /** undefined: automatic credit. */
  readonly flow: number | undefined;
  readonly upgradeTimeout: number;
  readonly keepalive: number;
  readonly pongTimeout: number;
  readonly closingTimeout: number;
  /** Opened by connect(): upgraded again after each reconnect, under the same stream id. */
  readonly spans: boolean;
  /** Its path was renewed, and may hold a secret: it is not shown. */
  readonly secretPath?: true | undefined;
  /** Your code beside the socket, or `'inline'` on the owner's thread. Its options travel once, in 'upgrade'. */
  readonly handler?: ModuleReference | 'inline' | undefined;
}

export interface CompressSettings {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
  readonly threshold: number;
  readonly level: number;
}

/** Options of a connection after checking. */
export interface Settings extends RetrySettings {
  readonly transport: 'tcp' | 'tls' | 'unix';
  readonly host: string;
  readonly port: number;
  /** `ws://host:port` as a user reads it. */
  readonly origin: string;
  /** The Host header's value. */
  readonly authority: string;
  readonly urlAuthorization: string | undefined; // of its URL's user, among the headers: for that place only
  readonly socketPath: string | undefined;
  readonly localAddress: string | undefined;
  readonly family: 0 | 4 | 6;
  readonly noDelay: boolean;
  readonly lookup: ModuleReference | undefined;
  /** Node's TLS options as data, or undefined when the transport is not TLS. */
  readonly tls: Readonly<Record<string, unknown>> | undefined;
  readonly checkServerIdentity: ModuleReference | undefined;
  readonly maxBuffered: number;
  readonly maxHeaderSize: number;
  readonly lookupTimeout: number;
  readonly connectTimeout: number;
  readonly tlsTimeout: number;
  readonly onOwnerDown: 'shutdown' | 'rehome';
  /** For wsUpgrade() calls that give no options of their own. */
  readonly ws: WsSettings;
  readonly http: HttpSettings;
  /** The proxies on the way, in the order that bytes pass them; the first is dialled. */
  readonly hops: readonly Hop[];
  /** It is up with the first of them, as Gun has it for `protocols: [socks]`; else when its own end of the road is. */
  readonly upAtFirstHop: boolean;
}

// ── owner → process ─────────────────────────────────────────────────────────────────────────────────────────

export type Cast =
  | HttpCast
  // several that arose in one turn, in order
  | { readonly type: 'casts'; readonly casts: readonly HttpCast[] }
  | SendCast
  // cumulative: how many parcels of each stream were read to their end, as stream, count, stream, count …; slabs that
  // were borrowed come home with it
  | { readonly type: 'ack'; readonly read: readonly number[]; readonly slabs?: readonly Uint8Array[] }
  | { readonly type: 'flow'; readonly stream: number; readonly add: number }
  | {
      readonly type: 'upgrade';
      readonly stream: number;
      /** Undefined: those of its connection. */
      readonly ws: WsSettings | undefined;
      /** The tunnel that it goes through: a stream. */
      readonly tunnel?: number | undefined;
      /** Of its handler. */
      readonly options?: unknown;
      /** Its handler, on the owner's thread, has a say in retries. */
      readonly decides?: boolean | undefined;
    }
  | {
      readonly type: 'ping';
      readonly stream: number;
      readonly id: number;
      readonly payload: Uint8Array | undefined;
    }
  | { readonly type: 'closeStream'; readonly stream: number; readonly code: number; readonly reason: string }
  | { readonly type: 'cancel'; readonly stream: number }
  // of the connection: HTTP/2's
  | { readonly type: 'pingConnection'; readonly id: number; readonly tunnel?: number | undefined }
  // polite, bounded by closingTimeout
  | { readonly type: 'shutdown' }
  // now
  | { readonly type: 'close' }
  | { readonly type: 'info'; readonly id: number }
  // first word of each new owner
  | { readonly type: 'owner'; readonly threadId: number; readonly transfers: number }
  | HandlingCast
  | AdviceCast;

// ── process → owner ─────────────────────────────────────────────────────────────────────────────────────────

/** Many messages in one post. */
export interface Parcel {
  readonly type: 'parcel';
  readonly stream: number;
  /** From 1, without gaps, over all attempts of the stream. */
  readonly seq: number;
  readonly slab: Uint8Array;
  /** Two words a message: offset in the slab; length, with TEXT_BIT set for text. */
  readonly index: Int32Array;
  /** Messages in it. */
  readonly count: number;
  /** All of them are texts. */
  readonly texts: boolean;
  /** Every byte of every text message is below 0x80. */
  readonly ascii: boolean;
  /** Payload bytes in it: what counts against the credit. */
  readonly bytes: number;
  /** As in 'sent', which rides along; once it was told, it means nothing. */
  readonly sent?: number | undefined;
  /** They are values; undefined: texts and bytes. */
  readonly values?: ValueForm | undefined;
  /** The one value in it, in place of bytes in the slab. */
  readonly carried?: Carried | undefined;
}

/** Set in an index word for a text message; the lower 31 bits are the length. */
export const TEXT_BIT: number = 0x80000000 | 0;
/** Mask of the length in an index word. */
export const LENGTH_MASK = 0x7fffffff;

export type Notice =
  | Parcel
  // it exists: first word of each whose opener does not know where it is
  | { readonly type: 'placed'; readonly host: string; readonly threadId: number }
  | { readonly type: 'up'; readonly protocol: Protocol; readonly attempt: number }
  // the next tunnel of the connection's own road is up; the last speaks `protocol`
  | { readonly type: 'tunnelUp'; readonly protocol: Protocol; readonly origin: string }
  | {
      readonly type: 'down';
      readonly protocol: Protocol;
      readonly attempt: number;
      readonly error: ErrorRecord;
      readonly killed: readonly number[];
    }
  // the same for a WebSocket that comes back, in its place between two messages
  | {
      readonly type: 'gap';
      readonly stream: number;
      readonly attempt: number;
      readonly error: ErrorRecord;
    }
  // an attempt that never came up; another follows in `delay` ms
  | { readonly type: 'failed'; readonly error: ErrorRecord; readonly delay: number }
  // ahead of the next, which waits behind messages of an earlier attempt
  | ({ readonly type: 'reopened'; readonly stream: number } & Upgraded)
  // `whole`: it has the connection to itself
  | ({ readonly type: 'upgrade'; readonly stream: number; readonly whole: boolean } & Upgraded)
  // about requests, in order
  | { readonly type: 'bundle'; readonly notices: readonly HttpNotice[] }
  // HTTP/2: the peer's settings
  | { readonly type: 'notify'; readonly settings: PeerSettings }
  // ahead of the next, which waits behind messages that wait for credit: nobody may be reading
  | ({ readonly type: 'over'; readonly stream: number } & Closed)
  // the one end of a WebSocket
  | ({ readonly type: 'closed'; readonly stream: number } & Closed)
  // the one end of a stream that never became one, or failed
  | { readonly type: 'error'; readonly stream: number; readonly error: ErrorRecord }
  // `stream` 0: of the connection
  | { readonly type: 'pong'; readonly stream: number; readonly id: number; readonly rtt: number }
  // cumulative bytes of wire image that have left the process; with an error: what had not left was dropped
  | {
      readonly type: 'sent';
      readonly stream: number;
      readonly bytes: number;
      readonly error?: ErrorRecord | undefined;
    }
  | { readonly type: 'info'; readonly id: number; readonly info: ProcessInfo }
  | { readonly type: 'streamInfo'; readonly id: number; readonly info: StreamInfo | undefined }
  // a ping, or an info, that cannot be answered
  | { readonly type: 'failedCall'; readonly id: number; readonly error: ErrorRecord }
  | AdviceQuestion
  | HandlingNotice
  // the last word: the process ended by itself
  | { readonly type: 'end'; readonly reason: DownRecord };

export interface Upgraded {
  readonly attempt: number;
  readonly protocol: string;
  readonly extensions: string;
  readonly rawHeaders: readonly string[];
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly error: ErrorRecord | undefined;
}

export interface DownRecord {
  readonly kind: DownKind;
  readonly message: string;
  readonly exitCode?: number | undefined;
  readonly cause?: ErrorRecord | undefined;
}

export interface ProcessInfo {
  readonly protocol: Protocol | undefined;
  readonly attempt: number;
  readonly intermediaries: readonly Intermediary[];
  readonly counters: ConnectionCounters;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly tls?:
    | { readonly version: string; readonly cipher: string; readonly alpn: string | undefined }
    | undefined;
}

// ── host ↔ thread: one control port, made at its boot, see bootwire.ts ───────────────────────────────────────────

export type HostToThread =
  | {
      readonly type: 'open';
      readonly id: string;
      readonly host: string;
      /** Undefined: those that came with the same `known`, which is a place to keep them, from 0. */
      readonly settings: Settings | undefined;
      readonly known: number;
      readonly ownerThreadId: number;
      /** Its opener knows where it is. */
      readonly silent: boolean;
      readonly port: MessagePort;
      readonly cookies?: CookiePlacing | undefined;
    }
  // shut every process down politely, then leave
  | { readonly type: 'exit' }
  // events of this weight have been published: as many more may be told
  | { readonly type: 'eventsRead'; readonly weight: number };

export type ThreadToHost =
  | { readonly type: 'ended'; readonly id: string; readonly reason: DownRecord }
  // its owner has all that was held for it: nothing of it is left in the thread
  | { readonly type: 'released'; readonly id: string }
  // its owner's thread is gone and onOwnerDown is 'rehome'
  | { readonly type: 'orphan'; readonly port: MessagePort; readonly state: ConnectionState }
  // what has happened, as far as somebody listens
  | ThreadEvents;

// ── consumer ↔ host: the life line, one port for all connections of a thread ────────────────────────────────

export type ToHost =
  | {
      readonly type: 'open';
      readonly id: string;
      readonly settings: Settings;
      readonly isolated: boolean;
      readonly ownerThreadId: number;
      readonly port: MessagePort;
      readonly cookies?: CookiePlacing | undefined;
    }
  // tell me when this process ends; answered at once if it has
  | { readonly type: 'watch'; readonly id: string }
  | { readonly type: 'unwatch'; readonly id: string }
  // a life line for a thread that has none yet: a giver lays it for its taker, without waiting for the host
  | { readonly type: 'lay'; readonly port: MessagePort }
  // of a hand-over, when somebody listens
  | HandoverEvent;

export type FromHost =
  | { readonly type: 'hello'; readonly host: string; readonly listens: SharedArrayBuffer }
  | { readonly type: 'eventRead' }
  | { readonly type: 'down'; readonly ids: readonly string[]; readonly reason: DownRecord };

/** First contact of a thread that opens a connection and knows no host yet: a life line, by postMessageToThread. */
export interface Hello {
  readonly 'gunport:hello': 1;
  readonly lifeline: MessagePort;
}

// ── giver ↔ taker: the handshake channel of one transfer ────────────────────────────────────────────────────

/** What is posted to the target, with one end of a fresh channel: nothing of value travels in it. */
export interface Offer {
  readonly 'gunport:offer': 1;
  readonly id: string;
  readonly origin: string;
  readonly threadId: number;
  readonly handshake: MessagePort;
}

export type FromTaker =
  // `hosts`: those it has a life line to
  | { readonly type: 'adopt'; readonly threadId: number; readonly hosts: readonly string[] }
  | { readonly type: 'refuse'; readonly message: string };

/** The commit: the one post that decides a transfer. */
export interface Commit {
  readonly type: 'commit';
  readonly port: MessagePort;
  /** A life line to the connection's host, when the taker said that it has none; with it `listens`, as in Boot. */
  readonly lifeline: MessagePort | undefined;
  readonly listens: SharedArrayBuffer | undefined;
  /** When it was offered, in milliseconds since the epoch. */
  readonly offered: number;
  readonly state: ConnectionState;
  /** The stream that was given by name, if it was one. */
  readonly feed: number | undefined;
  readonly data: unknown;
}

/** All that an owner knows of a connection, and has not yet been given to a user. */
export interface ConnectionState {
  readonly id: string;
  readonly host: string;
  readonly threadId: number;
  readonly settings: Settings;
  readonly status: ConnectionStatus;
  readonly protocol: Protocol | undefined;
  readonly attempt: number;
  readonly nextStream: number;
  readonly lastError: ErrorRecord | undefined;
  readonly transfers: number;
  readonly streams: readonly StreamRecord[];
}

export type StreamRecord = WsRecord | HttpRecord;

export interface WsRecord {
  readonly kind: 'ws';
  readonly stream: number;
  /** Where it is served, when that is behind a tunnel. */
  readonly origin?: string | undefined;
  readonly ws: WsSettings;
  readonly state: StreamState;
  readonly upgraded: Upgraded | undefined;
  /** Parcels read to their end, cumulative. */
  readonly acked: number;
  readonly closed: Closed | undefined;
  readonly error: ErrorRecord | undefined;
  /** It has ended, and the messages before that are still on their way. */
  readonly over: Closed | undefined;
  /** Answers to its request that nobody has been given. */
  readonly replies: readonly StreamNotice[];
  /** Messages, and marks between them, that nobody has been given; oldest first. */
  readonly untaken: readonly (Parcel | StreamMark)[];
  /** Wire-image bytes handed to the process, and those reported gone, cumulative. */
  readonly sentBytes: number;
  readonly flushedBytes: number;
  readonly unsent?: number;
}

/** What stands between two messages, or after the last. */
export type StreamMark = Extract<Notice, { type: 'gap' | 'upgrade' | 'closed' | 'error' }>;
