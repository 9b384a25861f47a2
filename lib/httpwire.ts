// httpwire — requests and their answers, as they cross between an owner and its process.
// Part of the protocol of wire.ts, which joins these unions to its own.
// Invariant: plain data; headers cross as name, value, name, value …, and become an object where a user is given them.
// Source: Gun's request, headers, data and its gun_inform … gun_push messages.

import type { MessagePort } from 'node:worker_threads';
import type { ErrorRecord } from './errors.ts';
import type { ModuleReference } from './options.ts';
import type { SentEvents } from './sentevents.ts';
import type { HttpVersion, Protocol } from './types.ts';

/** Deadlines of one request, in milliseconds; 0 is none. */
export interface Timeouts {
  readonly requestTimeout: number;
  readonly headersTimeout: number;
  readonly idleTimeout: number;
  readonly continueTimeout: number;
}

/** What may be spoken at the end of a road. */
export type Spoken = 'http' | 'http2' | 'raw';

/** What is made of bodies beside the socket, in this order: the built-in one, or a user's. */
export type HandlerSettings = 'sse' | { readonly reference: ModuleReference; readonly options: unknown };

/** Content handlers after checking. */
export interface ContentSettings {
  readonly handlers: readonly HandlerSettings[];
  /** In bytes. */
  readonly maxEventSize: number;
}

/** Options of a connection's HTTP after checking. */
export interface HttpSettings {
  /** In order of preference; offered by ALPN when the transport is TLS, else there is one. */
  readonly protocols: readonly Spoken[];
  /** On every request: name in lower case, value, … */
  readonly headers: readonly string[];
  readonly version: HttpVersion;
  /** Most requests on the wire of an HTTP/1.1 connection. */
  readonly pipelining: number;
  readonly maxTrailerSize: number;
  readonly transformHeaderName: ModuleReference | undefined;
  readonly push: boolean;
  readonly maxConcurrentPushes: number;
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly settingsTimeout: number;
  /** undefined: no pings of our own. */
  readonly keepalive: number | undefined;
  readonly keepaliveTolerance: number;
  readonly cookieIgnoreInformational: boolean;
  /** Messages, for requests that say nothing of it; undefined: automatic credit. */
  readonly flow: number | undefined;
  readonly timeouts: Timeouts;
  /** For requests that say nothing of it; undefined: bodies go to their owner as they are. */
  readonly content?: ContentSettings | undefined;
}

/** One request after checking. */
export interface RequestSettings {
  readonly method: string;
  readonly path: string;
  /** Name in lower case, value, … */
  readonly headers: readonly string[];
  /** All of it; undefined: none was given. */
  readonly body?: Uint8Array | undefined;
  /** Its body follows in 'data' casts. */
  readonly streamed?: boolean | undefined;
  /** Behind a body that is all here. */
  readonly trailers?: readonly string[] | undefined;
  readonly flow?: number | undefined;
  /** Where it has others than its connection. */
  readonly timeouts?: Timeouts | undefined;
  readonly content?: ContentSettings | undefined;
  /** RAW: whoever reads has all, our side stays open until it is ended. */
  readonly halfOpen?: boolean | undefined;
}

/** The far end of one leg of a road, laid over the settings of its connection. */
export interface Leg {
  readonly transport: 'tcp' | 'tls';
  readonly host: string;
  readonly port: number;
  /** `https://host:port`, as a user reads it: without credentials. */
  readonly origin: string;
  /** `host:port`, the port left out where it is the default of its scheme. */
  readonly authority: string;
  readonly tls: Readonly<Record<string, unknown>> | undefined;
  readonly checkServerIdentity: ModuleReference | undefined;
  /** Most ms until it is reached: for the proxy before it to answer; or to be dialled. */
  readonly connectTimeout: number;
  readonly tlsTimeout: number;
  /** By ALPN where it is TLS; else there is one. A proxy of SOCKS has none. */
  readonly protocols: readonly Spoken[];
}

/** A proxy on a road, and how it is asked to go on. */
export interface Hop {
  readonly leg: Leg;
  readonly kind: 'connect' | 'socks';
  /** On CONNECT: name in lower case, value, …; with proxy-authorization. */
  readonly headers: readonly string[];
  /** For SOCKS: RFC 1929. Bytes are those of UTF-8, 1 to 255 each. */
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
}

/** What a tunnel is to lead to: through `hops`, which stand behind the proxy that is asked for it, to `leg`. */
export interface Road {
  readonly hops: readonly Hop[];
  readonly leg: Leg;
}

/** The first leg of a road. */
export function firstLeg({ hops, leg }: Road): Leg {
  return hops[0]?.leg ?? leg;
}

/** `host:port`, with brackets where it is an address of IPv6, and always with the port. */
export function hostAndPort({ host, port }: { readonly host: string; readonly port: number }): string {
  // RFC 3986 §3.2.2: no name has a colon.
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** owner → process */
export type HttpCast =
  // `reply`: where its answer goes, instead of to the owner
  | {
      readonly type: 'request';
      readonly stream: number;
      readonly request: RequestSettings;
      readonly reply?: MessagePort | undefined;
      /** The tunnel that it goes through: a stream. */
      readonly tunnel?: number | undefined;
      /** CONNECT: it makes a tunnel. */
      readonly road?: Road | undefined;
    }
  // a part of its body; with `fin` the last one, and trailers behind it
  | {
      readonly type: 'data';
      readonly stream: number;
      readonly bytes: Uint8Array | undefined;
      readonly fin: boolean;
      readonly trailers?: readonly string[] | undefined;
    }
  // so many bytes of its answer were read since the last time, PART_COST for each part among them
  | { readonly type: 'read'; readonly stream: number; readonly bytes: number }
  | { readonly type: 'streamInfo'; readonly stream: number; readonly id: number };

/** process → owner, or → the `replyTo` port of the request; each in a bundle. */
export type HttpNotice =
  | {
      readonly type: 'inform';
      readonly stream: number;
      readonly status: number;
      readonly rawHeaders: readonly string[];
    }
  | {
      readonly type: 'response';
      readonly stream: number;
      readonly fin: boolean;
      readonly status: number;
      readonly rawHeaders: readonly string[];
      /** 2xx to CONNECT: there is no body, and yet it is not the end. */
      readonly tunnel?: true;
    }
  // a tunnel leads somewhere, and what is there speaks `protocol`; with raw, parts follow
  | {
      readonly type: 'tunnelUp';
      readonly stream: number;
      readonly protocol: Protocol;
      readonly origin: string;
    }
  // 101 to a request that asked for it: parts follow
  | {
      readonly type: 'upgrade';
      readonly stream: number;
      readonly protocols: readonly string[];
      readonly rawHeaders: readonly string[];
    }
  | { readonly type: 'data'; readonly stream: number; readonly fin: boolean; readonly data: Uint8Array }
  | { readonly type: 'trailers'; readonly stream: number; readonly rawHeaders: readonly string[] }
  // in place of data, where the answer is parsed
  | { readonly type: 'sse'; readonly stream: number; readonly fin: boolean; readonly events: SentEvents }
  // `promised`: the id of the pushed stream, below 0
  | {
      readonly type: 'push';
      readonly stream: number;
      readonly promised: number;
      readonly method: string;
      readonly uri: string;
      readonly rawHeaders: readonly string[];
    }
  // its one end that is no `fin`
  | { readonly type: 'error'; readonly stream: number; readonly error: ErrorRecord };

/** What a part of a body counts for beside its bytes, so that many small ones are bounded too. */
export const PART_COST = 128;

/** What the far end of a `replyTo` port may say: so many bytes were read, or messages are wanted, or nothing is. */
export type ReplyCast =
  | { readonly type: 'read'; readonly bytes: number }
  | { readonly type: 'flow'; readonly add: number }
  | { readonly type: 'cancel' };

/** What an owner keeps of a request, and hands over. */
export interface HttpRecord {
  readonly kind: 'http';
  readonly stream: number;
  readonly method: string;
  readonly path: string;
  /** Its answer goes to a port of its own. */
  readonly replied: boolean;
  /** Its body is not complete; how much of the declared length is left, if one was declared. */
  readonly uploading: { readonly left: number | undefined } | undefined;
  /** Of the head of the answer, once it has come. */
  readonly head:
    | { readonly status: number; readonly fin: boolean; readonly rawHeaders: readonly string[] }
    | undefined;
  /** The answer is complete, or it failed; nothing more will come. */
  readonly ended: { readonly error: ErrorRecord | undefined } | undefined;
  /** Notices that nobody has been given, oldest first; a push names its stream by id. */
  readonly untaken: readonly HttpNotice[];
  /** Of the last server-sent event that was given to a user. */
  readonly lastEventId?: string | undefined;
  readonly sentBytes: number;
  readonly flushedBytes: number;
  /** Where it is served, when that is behind a tunnel. */
  readonly origin?: string | undefined;
  /** CONNECT: where it leads; what is spoken there, once it is up; or how the body of a refusal began. */
  readonly tunnel?:
    | {
        readonly origin: string;
        readonly protocol: Protocol | undefined;
        readonly refusal: Uint8Array | undefined;
      }
    | undefined;
  /** The end of the peer's side does not end ours. */
  readonly halfOpen?: boolean | undefined;
  /** That has come to pass. */
  readonly heard?: boolean | undefined;
}
