// options — every option a user may give, with unit and default.
// Read by settings.ts, which checks them; the docstrings here are the reference.
// Invariant: all durations are milliseconds, all sizes bytes, unless the name says otherwise.
// Source: Gun's opts(), ws_opts(); RFC 7692 §7.1 for the parameters of permessage-deflate.

import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import type { MessagePort } from 'node:worker_threads';
import type { BackoffOptions } from './backoffoptions.ts';
import type { AttemptInfo, HttpVersion, RetryDecision, RetryInfo } from './types.ts';

/** A function of yours that must run beside the socket: it is loaded there, since functions cannot cross threads. */
export interface ModuleReference {
  /** URL of the module, absolute: `new URL('./lookup.js', import.meta.url)`. */
  module: URL | string;
  /** Name of the export. Default `'default'`. */
  export?: string | undefined;
}

/** Your module, loaded in the connection's thread. */
export interface HandlerReference extends ModuleReference {
  /** Data for it: copied, so no functions. */
  options?: unknown;
  /** Run the same module on the caller's thread instead, for debugging and tests. The socket stays in its worker; such a
   *  WebSocket cannot be handed over. Default false. */
  inline?: boolean | undefined;
}

/** A `HandlerFactory`, which has its type where it is known what the handler delivers. */
export type HandlerFunction = CallableFunction;

/** A module that exports a `ContentHandlerFunction`, and what it is given. */
export interface ContentHandlerReference extends ModuleReference {
  /** Cloned. */
  options?: unknown;
}

/** What is made of the bodies of answers beside the socket. Source: Gun's content_handlers. */
export interface ContentOptions {
  /** In this order: modules of yours, loaded in the connection's thread, and `'sse'`, which makes events of an answer that
   *  is `text/event-stream`, and is not there for others. With it, `await` gives `sse` notices and `stream.events()` a
   *  loop; there are no bytes for handlers behind it. `flow` counts what comes out: parts, or events.
   *  Of a request, they replace those of its connection. Default none: bodies come as they are. */
  contentHandlers?: readonly ('sse' | ContentHandlerReference)[] | undefined;
  /** Most bytes of one server-sent event, without comments; more ends the request with ERR_GUNPORT_TOO_BIG.
   *  Default 1 048 576. */
  maxEventSize?: number | undefined;
}

/** Options of `connection.sse()`: of each request that it makes, and of the time between them. */
export interface EventStreamOptions
  extends Pick<RequestOptions, 'headers' | 'flow' | 'tunnel' | 'signal' | 'maxEventSize'>,
    TimeoutOptions {
  /** Ask again when the answer ends or is lost, with the id of the last event. Default false: that is its end. */
  reconnect?: boolean | undefined;
  /** Where to go on: as of an earlier stream. Default none. */
  lastEventId?: string | undefined;
  /** Before asking again, in milliseconds, until the server says otherwise (`retry:`). Doubles, up to 30 000, with each
   *  answer that brought no event; some jitter is added. Default 3 000. */
  retryDelay?: number | undefined;
}

/** A store of your own for a connection's cookies, loaded in its thread. The export is a function, called once for each
 *  connection with `options` and `{ origin }`; it gives a `CookieStore`, or a promise of one. */
export interface CookieStoreReference extends ModuleReference {
  /** Data for it: copied, so no functions. */
  options?: unknown;
}

/** What a store of cookies must do, beside the socket. What it throws fails the request; for an answer or an
 *  upgrade, the connection. */
export interface CookieStore {
  /** The value of the Cookie header for a request to `url`, latin1; undefined or empty: none. */
  getCookieString(url: string): string | undefined;
  /** One Set-Cookie line, latin1, of an answer from `url`. It may be any line: judging it is the store's business. */
  setCookie(line: string, url: string): unknown;
  /** The connection has ended. Source: Gun calls session_gc then. */
  close?(): unknown;
}

/** A `CookieJar`. */
export interface SharedCookies {
  setCookie(line: string, url: string | URL): boolean;
  getCookieString(url: string | URL): string;
}

/** The four parameters of permessage-deflate, as the client offers them. Source: RFC 7692 §7.1. */
export interface CompressOptions {
  /** Ask the server to forget its window after each message. Default false. */
  serverNoContextTakeover?: boolean | undefined;
  /** Forget our own window after each message. Default false. */
  clientNoContextTakeover?: boolean | undefined;
  /** Largest window the server may use, 9 to 15 bits. Default 15. */
  serverMaxWindowBits?: number | undefined;
  /** Largest window we use, 9 to 15 bits. Default 15. */
  clientMaxWindowBits?: number | undefined;
  /** Messages below this many bytes are sent uncompressed. Default 1024. */
  threshold?: number | undefined;
  /** zlib level of what we send, 0 to 9. Default zlib's own (6). */
  level?: number | undefined;
}

/** All of Node's TLS options that are data; `checkServerIdentity` as a module reference. */
export interface TlsOptions extends Omit<TlsConnectionOptions, TlsForbidden> {
  /** Default: Node's own check. Loaded in the connection's thread. */
  checkServerIdentity?: ModuleReference | undefined;
}
type TlsForbidden =
  | 'checkServerIdentity'
  | 'socket'
  | 'host'
  | 'port'
  | 'path'
  | 'lookup'
  | 'secureContext'
  | 'pskCallback';

/** Header fields as they are given: a record (a value may be an array: one field a value), or pairs, as a Map has. */
export type HeaderFields =
  | Record<string, string | number | readonly (string | number)[]>
  | Iterable<readonly [string, string | number]>;

/** What an attempt is made with, where that is not what the options say. */
export interface Renewal {
  /** ws: or wss: (of `open()` also http: and https:). Its host, port, path and query, and its user name and password in
   *  place of those that were given. TLS options, proxies and the rest stay. It is not shown: `url` and `origin` stay what
   *  was opened. */
  url?: string | URL | undefined;
  /** Laid over those of the options, by name. */
  headers?: HeaderFields | undefined;
  /** In place of those of the options. */
  subprotocols?: readonly string[] | undefined;
}

/** Options of one WebSocket. */
export interface WsOptions {
  /** Request headers. A value may be an array: one field a value. */
  headers?: HeaderFields | undefined;
  /** Offered in this order (Sec-WebSocket-Protocol); the server must choose one of them or none. Default none. */
  subprotocols?: readonly string[] | undefined;
  /** permessage-deflate: `true` offers it with defaults. Default false: it costs more CPU than bytes for most feeds. */
  compress?: boolean | CompressOptions | undefined;
  /** Largest message, after inflating, in bytes, up to 2 147 483 647; more closes with 1009. Default 104 857 600. */
  maxPayload?: number | undefined;
  /** Most fragments in one message, 0-byte ones included; more closes with 1009. Default 16 384. */
  maxFragments?: number | undefined;
  /** Receive credit in messages, topped up with `updateFlow`. Default: automatic credit, counted in bytes. */
  flow?: number | undefined;
  /** From the request to a valid answer. Default 10 000. */
  upgradeTimeout?: number | undefined;
  /** Ping every so many ms; 0 never. Default 30 000. */
  keepalive?: number | undefined;
  /** How long a pong may take before the connection counts as lost. Default 10 000. */
  pongTimeout?: number | undefined;
  /** How long the peer may take over the closing handshake. Default 15 000. Source: Gun ws_opts closing_timeout. */
  closingTimeout?: number | undefined;
  /** Your code beside the socket: a module, which is loaded in the connection's thread before the socket is dialled, or, of
   *  `wsUpgrade()`, before its request is sent. What it delivers comes in place of the messages. A function, or a module
   *  with `inline: true`, runs on the owner's thread: for debugging and tests. Of `open()`, for each `wsUpgrade()` of this
   *  owner. Default none. Source: WebsockexNova's ConnectionHandler. */
  handler?: HandlerReference | HandlerFunction | undefined;
}

/** Options of one `wsUpgrade()`. */
export interface UpgradeOptions extends WsOptions {
  /** The tunnel that it goes through: what `connection.connect()` gave. The connection's own `headers` are not sent in it.
   *  Default none. Source: Gun's `tunnel`. */
  tunnel?: TunnelReference | undefined;
}

/** What a body may be: text as UTF-8. It is copied. */
export type BodyPart = string | ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

/** Deadlines of a request, in milliseconds; 0 is none. Each ends the request with ERR_GUNPORT_TIMEOUT, whose `reason` is
 *  its name, and cancels it at the server. */
export interface TimeoutOptions {
  /** From the call to the end of the answer. Default 0. */
  requestTimeout?: number | undefined;
  /** From the call, or from the end of the request's body where that is later, to the head of the answer.
   *  Default 300 000. */
  headersTimeout?: number | undefined;
  /** Between two parts of the answer's body; stands still while its owner does not read. Default 300 000. */
  idleTimeout?: number | undefined;
  /** How long a body waits for `100 (Continue)` where `expect: 100-continue` was sent; it is sent then.
   *  Default 1 000. Source: RFC 9110 §10.1.1. */
  continueTimeout?: number | undefined;
}

/** Options of one request. Source: Gun's req_opts(). */
export interface RequestOptions extends TimeoutOptions, ContentOptions {
  /** Names in any case; sent in lower case. They replace the connection's own `headers` of the same name. */
  headers?: HeaderFields | undefined;
  /** All of its body. Where `post`, `put` and `patch` have none, it follows through `connection.data()`. */
  body?: BodyPart | undefined;
  /** Trailer fields behind `body`. Source: RFC 9110 §6.5. */
  trailers?: HeaderFields | undefined;
  /** Receive credit in `data` messages, topped up with `updateFlow`. Default: automatic credit, counted in bytes. */
  flow?: number | undefined;
  /** The tunnel that it goes through: what `connection.connect()` gave. The connection's own `headers` are not sent in it.
   *  Default none. Source: Gun's `tunnel`. */
  tunnel?: TunnelReference | undefined;
  /** Where its answer goes, instead of to the owner: it is transferred, and stays with the request in a hand-over. Its
   *  other end is read with `receiveReply()`. Its close cancels the request. Source: Gun reply_to. */
  replyTo?: MessagePort | undefined;
  /** Aborting cancels the request; it ends with ERR_GUNPORT_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** A tunnel, as requests name it: the stream of `connection.connect()`. */
export interface TunnelReference {
  readonly id: number;
}

/** What may be spoken at the far end: names, or a SOCKS server and what is behind it. */
export type ProtocolOption = 'http' | 'http2' | 'raw' | SocksProtocol;

/** The far end is a SOCKS5 server (RFC 1928), which is asked for the way to `host` and `port`. Names are resolved there.
 *  It stands alone in its list; `protocols` of it may name the next. Source: Gun's socks_opts(). */
export interface SocksProtocol extends Destination {
  name: 'socks';
  /** User name and password (RFC 1929), 1 to 255 bytes of UTF-8 each. Default those of the URL that `open()` was given,
   *  else none. */
  auth?: { username: string; password: string } | undefined;
}

/** Where a tunnel leads, and what is spoken there. Source: Gun's connect_destination(). */
export interface Destination {
  host: string;
  port: number;
  /** Default `'tls'` on port 443, `'tcp'` on others. */
  transport?: 'tcp' | 'tls' | undefined;
  /** Default `['http2', 'http']` with TLS, by ALPN; else `['http']`. */
  protocols?: readonly ProtocolOption[] | undefined;
  /** Node's TLS options, for the handshake through the tunnel. */
  tls?: TlsOptions | undefined;
  /** How long the proxy may take to answer, in milliseconds. Default the connection's `connectTimeout`. */
  connectTimeout?: number | undefined;
  /** For that handshake, in milliseconds. Default the connection's `tlsTimeout`. */
  tlsTimeout?: number | undefined;
}

/** Options of `connection.connect()`. Source: Gun's connect/4. */
export interface TunnelOptions extends Pick<RequestOptions, 'flow' | 'replyTo' | 'signal' | 'tunnel'> {
  /** Of the CONNECT request. `content-length` and `transfer-encoding` are left out: it has no body. */
  headers?: HeaderFields | undefined;
  /** For the proxy: Basic (RFC 7617), unless `headers` has a proxy-authorization. Default none. */
  username?: string | undefined;
  /** Default `''` where there is a `username`. */
  password?: string | undefined;
  /** As of a destination, where that is a URL: one that is an object has its own. So are the next three. */
  protocols?: readonly ProtocolOption[] | undefined;
  tls?: TlsOptions | undefined;
  connectTimeout?: number | undefined;
  tlsTimeout?: number | undefined;
}

/** Options of `connection.raw()`. */
export interface RawOptions extends Pick<RequestOptions, 'flow' | 'replyTo' | 'signal' | 'tunnel'> {
  /** Once the peer has said all, our side stays open until `stream.data('fin')`. Default false: it is ended too. */
  halfOpen?: boolean | undefined;
}

/** A proxy: a URL, `http:`, `https:` or `socks5:` (names are resolved by the proxy; `socks5h:` is the same), with its user
 *  name and password, percent-encoded; or that and more. Ports are 80, 443 and 1080 where it has none. */
export type ProxyOption = string | URL | ProxyEndpoint;

export interface ProxyEndpoint {
  url: string | URL;
  /** Of the CONNECT request; a proxy-authorization replaces what the URL says. Not for SOCKS. */
  headers?: HeaderFields | undefined;
  /** Node's TLS options, for an `https:` proxy; a `socks5:` proxy for which it is given is spoken to through TLS. */
  tls?: TlsOptions | undefined;
  /** What an HTTP proxy speaks: `['http']` or `['http2']`; with TLS also both, by ALPN. Default `['http']`. */
  protocols?: readonly ('http' | 'http2')[] | undefined;
  /** To reach it; and for its answer, unless that of what it leads to is shorter. In milliseconds. Default the
   *  connection's. */
  connectTimeout?: number | undefined;
  tlsTimeout?: number | undefined;
}

/** Options of HTTP on a connection. Source: Gun's http_opts() and http2_opts(). */
export interface HttpOptions extends TimeoutOptions, ContentOptions {
  /** What the connection may speak, in order of preference: offered by ALPN where there is TLS; without it there is one,
   *  and `['http2']` is HTTP/2 with prior knowledge. Default `['http2', 'http']` for https: and TLS endpoints, `['http']`
   *  otherwise. A WebSocket on HTTP/2 is RFC 8441's. `['raw']`: bytes as they come, for `connection.raw()`. A SOCKS
   *  server alone, as `{ name: 'socks', host, port }`: that is what the target is, and this is what is behind it. */
  protocols?: readonly ProtocolOption[] | undefined;
  /** What HTTP/1 requests say. 1.0: one request a connection. Default `'1.1'`. */
  httpVersion?: HttpVersion | undefined;
  /** Most requests of HTTP/1.1 that wait for their answers at the server; 1: no pipelining. Default Infinity. */
  pipelining?: number | undefined;
  /** Largest block of trailers, in bytes. Default 10 000. Source: Gun max_trailer_block_size. */
  maxTrailerSize?: number | undefined;
  /** Your function from a lower-case header name to what HTTP/1 puts on the wire, for servers that care.
   *  Source: Gun transform_header_name. */
  transformHeaderName?: ModuleReference | undefined;
  /** Do not keep the cookies of interim answers (1xx). Default false. Source: Gun cookie_ignore_informational. */
  cookieIgnoreInformational?: boolean | undefined;
  /** Let the server push (HTTP/2). Default false. */
  push?: boolean | undefined;
  /** Most pushed streams at a time. Default 100. */
  maxConcurrentPushes?: number | undefined;
  /** Receive window of a stream of HTTP/2, in bytes. Default 1 048 576. */
  streamWindow?: number | undefined;
  /** Receive window of a connection of HTTP/2, in bytes. Default 16 777 216. */
  connectionWindow?: number | undefined;
  /** How long an HTTP/2 server may take over its SETTINGS, and over the acknowledgement of ours. Default 5 000. */
  settingsTimeout?: number | undefined;
  /** HTTP/2: how many of the `keepalive` pings may be unanswered when the next is due; 0: each has `pongTimeout`.
   *  Default 0. Source: Gun keepalive_tolerance. */
  keepaliveTolerance?: number | undefined;
}

/** Options of a connection. `headers` are sent with every request and upgrade on it; `keepalive` is of WebSockets, and
 *  of HTTP only where it is given: a PING for HTTP/2, an empty line for HTTP/1 between requests. */
export interface OpenOptions extends WsOptions, HttpOptions {
  /** Node's TLS options. Verification is on unless `rejectUnauthorized: false` is given here. */
  tls?: TlsOptions | undefined;
  /** Go through this proxy, or through several, the first of which is dialled: `localAddress`, `family` and `lookup` are
   *  of that. Names of the target are resolved by the last. The road is made anew at each attempt. `'env'`: what
   *  `HTTPS_PROXY` (https:, wss:, TLS) or `HTTP_PROXY` (others), else `ALL_PROXY`, say in the thread that opens the
   *  connection, unless `NO_PROXY` names the host; lower case goes first, and a proxy without a scheme is an `http:` one.
   *  Default false: none, whatever the environment says. */
  proxy?: ProxyOption | readonly ProxyOption[] | 'env' | false | undefined;
  /** Keep the cookies of answers, and send them with later requests and upgrades: `true` in a jar of the connection's
   *  own, which survives reconnects; a `CookieJar` is shared with other connections; or a store of your own. Cookies that
   *  `headers` have go before those, and a cookie of the same name is not sent twice. Default false: none.
   *  Source: Gun cookie_store; RFC 6265bis. */
  cookies?: SharedCookies | CookieStoreReference | boolean | undefined;
  /** Dial this unix socket instead of the URL's host and port. */
  socketPath?: string | undefined;
  /** Bind to this local address. */
  localAddress?: string | undefined;
  /** 4 or 6; 0 for both (the faster wins). Default 0. */
  family?: 0 | 4 | 6 | undefined;
  /** Disable Nagle's algorithm. Default true. */
  noDelay?: boolean | undefined;
  /** Your own `dns.lookup(hostname, { all: true }, callback)`, loaded in the connection's thread. */
  lookup?: ModuleReference | undefined;
  /** Bytes held for an owner without credit before the socket is paused; also the mark above which `send`
   *  returns false (it throws at four times that). Default 16 777 216. */
  maxBuffered?: number | undefined;
  /** Largest head of an answer, in bytes. Default 100 000. Source: Gun http_opts max_header_block_size. */
  maxHeaderSize?: number | undefined;
  /** For name resolution. Default 5 000. */
  lookupTimeout?: number | undefined;
  /** For the TCP connection, over all addresses. Default 10 000. */
  connectTimeout?: number | undefined;
  /** For the TLS handshake. Default 10 000. */
  tlsTimeout?: number | undefined;
  /** Attempts after a failure or a loss; 0 none, Infinity for ever. Counted anew once the connection has been
   *  up for `backoff.stableAfter`, 5 s. Default 5 (`connect()` rejects on its first failure unless this was given).
   *  Source: Gun retry. */
  retry?: number | undefined;
  /** Between two attempts, always the same; the first is made at once. Default: as `backoff` says.
   *  Source: Gun retry_timeout. */
  retryTimeout?: number | undefined;
  /** Between two attempts, where `retryTimeout` is not given. Default: the first at once, then 250 ms doubling to 30 000,
   *  half of each by chance. */
  backoff?: BackoffOptions | undefined;
  /** Decides instead: told how many retries are left and of the failure. A function runs with the thread that
   *  opened the connection and stays behind in a transfer (the default policy goes on); a module reference runs
   *  beside the socket and moves along. Not called when no retry is left; answering `retries: 0` means one last
   *  attempt, throwing means none. It may give a promise; what has not come within 5 s is as if there were none.
   *  Source: Gun retry_fun. */
  retryFun?:
    | ((left: number, info: RetryInfo) => RetryDecision | Promise<RetryDecision>)
    | ModuleReference
    | undefined;
  /** Asked before each attempt, the first too, what to make it with: another URL, another token. `undefined`: as the
   *  options say. A function runs with the thread that opened the connection; where it does not answer within 5 s, or has
   *  stayed behind in a transfer, its last answer counts. A module reference runs beside the socket, for `connectTimeout`
   *  at most, and moves along. Throwing fails the attempt with ERR_GUNPORT_HANDLER, and retries follow as after any
   *  failure; a bad answer fails it for good with ERR_GUNPORT_OPTION. Default none. */
  renew?:
    | ((info: AttemptInfo) => Renewal | undefined | Promise<Renewal | undefined>)
    | ModuleReference
    | undefined;
  /** Close codes of the peer after which `connect()`'s WebSocket comes back, 1005 for a close without one; `'any'`:
   *  all that we have not asked for, also what we close for ourselves (1002, 1007, 1009). A lost socket is none of them:
   *  that always comes back. Default `[1012, 1013]`. */
  reconnectOn?: readonly number[] | 'any' | undefined;
  /** When the owner's thread ends: `'shutdown'` closes politely, `'rehome'` offers the connection to the host as
   *  `pool.on('orphan')`. Default `'shutdown'`. */
  onOwnerDown?: 'shutdown' | 'rehome' | undefined;
  /** Give the connection a thread of its own. Default false. */
  isolated?: boolean | undefined;
  /** Aborting closes the connection while it has never been up. */
  signal?: AbortSignal | undefined;
}
