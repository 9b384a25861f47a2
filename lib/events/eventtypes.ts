// eventtypes — what the event channels publish: one shape for each of them.
// Made in the threads (workers/probe.ts) and by those who hand over (lifeline.ts); published by events.ts.
// Invariant: plain data, and no secret: no credentials of a URL, no TLS key, and of the headers that carry credentials
// or cookies only the names; their values read `REDACTED`. Source: gun_event(3); its maps, with ids for references.

import type { GunportError } from '../errors.ts';
import type { Headers, Protocol } from '../types.ts';

/** In place of the value of a header that is nobody else's business: authorization, proxy-authorization, cookie,
 *  set-cookie. */
export const REDACTED = '(redacted)';

/** Which verb a request was made by. Source: Gun's `function`. */
export type AskedBy = 'request' | 'headers' | 'connect' | 'wsUpgrade';

/** What every event has. */
export interface EventOrigin {
  /** Id of the connection, as `connection.id`. */
  readonly connection: string;
  /** The thread it arose in: that of the socket; of an `ownership` event that of the giver or the taker. */
  readonly threadId: number;
  /** When, in milliseconds since the epoch, with fractions; taken where it arose. */
  readonly time: number;
}

/** What every event of a stream has. */
export interface StreamOrigin extends EventOrigin {
  /** Id of the stream, as `stream.id`; below 0 for a pushed one. 0: a proxy on the connection's own road is asked. */
  readonly stream: number;
  /** Id of the tunnel that it goes through. */
  readonly tunnel?: number;
  /** Its answer goes to a `replyTo` port. */
  readonly replyTo: boolean;
}

/** The end of something that may fail. */
interface Ended {
  /** Why it failed; without it all went well. */
  readonly error?: GunportError;
}

/** Headers as they came, or went. */
interface WithHeaders {
  /** Lower-case names in a null-prototype object. */
  readonly headers: Headers;
  /** Name, value, name, value … */
  readonly rawHeaders: readonly string[];
}

/** A request as it goes out. */
interface Asked extends StreamOrigin, WithHeaders {
  readonly function: AskedBy;
  readonly method: string;
  /** `host:port`, the port left out where it is the scheme's own. */
  readonly authority: string;
  readonly path: string;
}

/** Where a phase of connecting takes place: the connection's own, or that of a tunnel. */
interface Reaching extends EventOrigin {
  readonly host: string;
  readonly port: number;
  /** The tunnel at whose far end it is. */
  readonly stream?: number;
  /** Most ms it may take. */
  readonly timeout: number;
}

interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

interface FrameOrigin extends StreamOrigin {
  /** `permessage-deflate; …`, as agreed; empty: none. */
  readonly extensions: string;
}

/** Kinds of frames of a WebSocket. */
export type FrameType = 'continuation' | 'text' | 'binary' | 'close' | 'ping' | 'pong' | 'reserved';

interface SentFrame extends FrameOrigin {
  readonly frame: {
    readonly type: FrameType;
    /** Neither compressed nor masked. */
    readonly payload: Uint8Array;
  };
}

/** Messages of the channels by name: `subscribe(name, (message, name) => {})` of `node:diagnostics_channel`, in the
 *  thread that hosts the pool (main, as a rule). `:start` and `:end` come in pairs. Source: gun_event(3). */
export interface GunportEvents {
  /** A connection process begins. */
  'gunport:init': EventOrigin & {
    readonly ownerThreadId: number;
    readonly transport: 'tcp' | 'tls' | 'unix';
    readonly scheme: string;
    readonly host: string;
    readonly port: number;
    /** What was asked for and is no secret. */
    readonly options: {
      readonly protocols: readonly string[];
      readonly retry: number;
      readonly retryTimeout: number | undefined;
      readonly lookupTimeout: number;
      readonly connectTimeout: number;
      readonly tlsTimeout: number;
      readonly onOwnerDown: 'shutdown' | 'rehome';
      /** Origins of the proxies on its road, without credentials. */
      readonly proxies: readonly string[];
    };
  };
  /** A name is looked up; not where the host is an address. */
  'gunport:domain-lookup:start': Reaching;
  'gunport:domain-lookup:end': Reaching & Ended & { readonly addresses: readonly Address[] };
  /** TCP. */
  'gunport:connect:start': Reaching & { readonly addresses: readonly Address[] };
  /** `protocol`: what is spoken on it; not over TLS, whose handshake finds out. */
  'gunport:connect:end': Reaching &
    Ended & {
      readonly localAddress?: string;
      readonly localPort?: number;
      readonly remoteAddress?: string;
      readonly remotePort?: number;
      readonly protocol?: Protocol;
    };
  'gunport:tls-handshake:start': Reaching & {
    readonly servername: string | undefined;
    /** Offered by ALPN. */
    readonly offered: readonly string[];
  };
  'gunport:tls-handshake:end': Reaching &
    Ended & {
      readonly version?: string;
      readonly cipher?: string;
      /** Chosen by ALPN. */
      readonly alpn?: string;
      readonly protocol?: Protocol;
    };
  /** A request begins to go out. */
  'gunport:request:start': Asked;
  /** Its head has. */
  'gunport:request:headers': Asked;
  /** All of it has; or nothing more will. */
  'gunport:request:end': StreamOrigin & Ended;
  /** The server promises the answer to a request that nobody made. */
  'gunport:push-promise:start': StreamOrigin;
  'gunport:push-promise:end': StreamOrigin &
    Ended &
    WithHeaders & {
      /** Id of the stream that the answer will come on. */
      readonly promised: number;
      readonly method: string;
      readonly uri: string;
    };
  /** The first of an answer has come. */
  'gunport:response:start': StreamOrigin;
  /** An interim answer. */
  'gunport:response:inform': StreamOrigin & WithHeaders & { readonly status: number };
  'gunport:response:headers': StreamOrigin & WithHeaders & { readonly status: number };
  'gunport:response:trailers': StreamOrigin & WithHeaders;
  /** All of it has come; or nothing more will. */
  'gunport:response:end': StreamOrigin & Ended;
  /** A WebSocket is asked for. */
  'gunport:ws:upgrade': StreamOrigin &
    WithHeaders & {
      readonly path: string;
      readonly subprotocols: readonly string[];
      /** Compression is offered. */
      readonly compress: boolean;
    };
  /** A frame begins to come. `fragments`: the parts of its message so far; 0: it is the first. */
  'gunport:ws:recv-frame:start': FrameOrigin & { readonly fragments: number };
  'gunport:ws:recv-frame:header': FrameOrigin & {
    readonly type: FrameType;
    readonly fin: boolean;
    /** The three reserved bits; 4: its message is compressed. */
    readonly rsv: number;
    readonly length: number;
    /** A server's frames have none. */
    readonly maskKey: undefined;
  };
  'gunport:ws:recv-frame:end': FrameOrigin &
    Ended & {
      /** Of a close frame that has one. */
      readonly closeCode?: number;
      /** As on the wire: compressed, where `rsv` says so. Yours. */
      readonly payload: Uint8Array;
    };
  'gunport:ws:send-frame:start': SentFrame;
  /** It was handed to the socket. */
  'gunport:ws:send-frame:end': SentFrame;
  /** Another protocol is spoken: on the connection, or on one of its streams. */
  'gunport:protocol-changed': EventOrigin & {
    readonly stream?: number;
    readonly protocol: Protocol;
  };
  /** What is spoken to is another than the proxy before it. `stream`: a tunnel that leads there. */
  'gunport:origin-changed': EventOrigin & {
    readonly stream?: number;
    readonly type: 'connect' | 'socks5';
    readonly scheme: string;
    readonly host: string;
    readonly port: number;
  };
  /** A stream is given up: by us, or by the peer. */
  'gunport:cancel': StreamOrigin & {
    readonly endpoint: 'local' | 'remote';
    /** `cancel`, a timeout's name, or the code of the peer's reset. */
    readonly reason: string;
  };
  /** A connection that was up is lost. */
  'gunport:disconnect': EventOrigin & {
    readonly attempt: number;
    readonly protocol: Protocol;
    readonly error: GunportError;
  };
  /** A connection process has ended. Also told for those that their thread took along when it died: that ends all that
   *  had begun there. */
  'gunport:terminate': EventOrigin & {
    /** What it was doing. */
    readonly state: 'connecting' | 'up' | 'retrying' | 'dead';
    /** As a Down has it: `kind` and a message for people. */
    readonly reason: { readonly kind: string; readonly message: string };
  };
  /** An attempt failed, or a connection was lost, and another attempt follows. Not in Gun. */
  'gunport:retry': EventOrigin & {
    /** In so many ms. */
    readonly delay: number;
    readonly error: GunportError;
  };
  /** An owner offers its connection. Not in Gun, as those below. */
  'gunport:ownership:offered': EventOrigin & {
    /** The giver's thread. */
    readonly from: number;
    /** The taker's, where it is known: a port does not say. */
    readonly to?: number;
    /** The stream that is given by name. */
    readonly stream?: number;
    readonly timeout: number;
  };
  /** Another has it. */
  'gunport:ownership:adopted': EventOrigin & {
    readonly from: number;
    readonly to: number;
    /** From the offer to the taker's first turn with it, in ms. */
    readonly duration: number;
    /** Messages and notices that came along, given to nobody yet; not those in the port. */
    readonly backlog: number;
  };
  /** It came to nothing, and its owner goes on. */
  'gunport:ownership:revoked': EventOrigin & {
    readonly from: number;
    /** Code of the error that the giver's promise rejects with. */
    readonly reason: string;
    /** From the offer on, in ms. */
    readonly duration: number;
  };
  /** Events that were not told, since this thread did not take those before in time. */
  'gunport:dropped': {
    /** The thread that could not tell them. */
    readonly threadId: number;
    readonly time: number;
    readonly count: number;
    /** How many of each, by channel. */
    readonly events: Readonly<Partial<Record<GunportEventName, number>>>;
  };
}

/** A channel's name. */
export type GunportEventName = keyof GunportEvents;
