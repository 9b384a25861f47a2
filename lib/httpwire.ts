// httpwire — requests and their answers, as they cross between an owner and its process.
// Part of the protocol of wire.ts, which joins these unions to its own.
// Invariant: plain data; headers cross as name, value, name, value …, and become an object where a user is given them.
// Source: Gun's request, headers, data and its gun_inform … gun_push messages.

import type { MessagePort } from 'node:worker_threads';
import type { ErrorRecord } from './errors.ts';
import type { ModuleReference } from './options.ts';
import type { HttpVersion } from './types.ts';

/** Deadlines of one request, in milliseconds; 0 is none. */
export interface Timeouts {
  readonly requestTimeout: number;
  readonly headersTimeout: number;
  readonly idleTimeout: number;
  readonly continueTimeout: number;
}

/** Options of a connection's HTTP after checking. */
export interface HttpSettings {
  /** In order of preference; offered by ALPN when the transport is TLS, else there is one. */
  readonly protocols: readonly ('http' | 'http2')[];
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
  /** Messages, for requests that say nothing of it; undefined: automatic credit. */
  readonly flow: number | undefined;
  readonly timeouts: Timeouts;
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
}

/** owner → process */
export type HttpCast =
  // `reply`: where its answer goes, instead of to the owner
  | {
      readonly type: 'request';
      readonly stream: number;
      readonly request: RequestSettings;
      readonly reply?: MessagePort | undefined;
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
    }
  | { readonly type: 'data'; readonly stream: number; readonly fin: boolean; readonly data: Uint8Array }
  | { readonly type: 'trailers'; readonly stream: number; readonly rawHeaders: readonly string[] }
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
  readonly sentBytes: number;
  readonly flushedBytes: number;
}
