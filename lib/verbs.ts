// verbs — Gun's requests by their methods: each makes a stream at once, on a connection that may not be up yet.
// The face of connection.ts that speaks HTTP; what they make is checked by httpsettings.ts.
// Invariant: bad arguments throw before anything is sent. Source: gun:get/4 … gun:request/6, gun:headers/5, gun:data/4.

import { EventEmitter } from 'node:events';
import { type FetchInit, fetchOver } from './fetch.ts';
import { type BodyKind, type CheckedRequest, checkRequest } from './httpsettings.ts';
import type { Road } from './httpwire.ts';
import type {
  BodyPart,
  Destination,
  EventStreamOptions,
  HeaderFields,
  RawOptions,
  RequestOptions,
  TunnelOptions,
} from './options.ts';
import type { ConnectionEvents } from './owned.ts';
import { checkRaw, checkTunnel } from './roads.ts';
import { EventStream, type EventStreamHost } from './sse.ts';
import type { Fin, Stream } from './stream.ts';
import type { ConnectionStatus } from './types.ts';
import type { Settings } from './wire.ts';

/** Options of a request that has no body. */
export type BodilessOptions = Omit<RequestOptions, 'body' | 'trailers'>;

/** Options of what can go through a tunnel. */
export type ThroughTunnel = Pick<RequestOptions, 'tunnel'>;

/** Options made into what is posted. @internal */
export type Check = (settings: Settings) => CheckedRequest & { readonly road?: Road };

/** Each method throws {OptionError} for a bad method, path, header or option, {OwnerError} and {DownError} for a handle
 *  that is of no use any more. What goes wrong later ends the stream. */
export abstract class Verbs<C> extends EventEmitter<ConnectionEvents> {
  abstract readonly origin: string;
  abstract readonly status: ConnectionStatus;

  /** Calls back when it is of no use any more. @internal */
  abstract released(callback: () => void): () => void;

  /** Checks and sends. @internal */
  protected abstract send(check: Check, options: ThroughTunnel | undefined): Stream<C>;

  /** The tunnel that is named in options. @throws {OptionError} it is none of this connection's.
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE it has ended. @internal */
  protected abstract through(options: ThroughTunnel): { readonly origin: string } | undefined;

  /** @internal */
  protected ask(
    method: string,
    path: string,
    options: RequestOptions | undefined,
    kind: BodyKind,
  ): Stream<C> {
    return this.send((settings) => checkRequest(method, path, options, kind, settings), options);
  }

  /** Source: gun:get/4.
   *  @example
   *  const text = await connection.get('/x').text(); */
  get(path: string, options?: BodilessOptions): Stream<C> {
    return this.ask('GET', path, options, 'none');
  }
  /** Source: gun:head/4. */
  head(path: string, options?: BodilessOptions): Stream<C> {
    return this.ask('HEAD', path, options, 'none');
  }
  /** `path` may be `*`. Source: gun:options/4; RFC 9110 §9.3.7. */
  options(path: string, options?: BodilessOptions): Stream<C> {
    return this.ask('OPTIONS', path, options, 'none');
  }
  /** A body is taken where one is given. Source: gun:delete/4. */
  delete(path: string, options?: RequestOptions): Stream<C> {
    return this.ask('DELETE', path, options, 'whole');
  }

  /** Without a `body` it follows, through `data()`. Source: gun:post/5 and gun:post/3.
   *  @example
   *  const { status } = await connection.post('/orders', { body: '{"side":"buy"}' }).response(); */
  post(path: string, options?: RequestOptions): Stream<C> {
    return this.ask('POST', path, options, 'either');
  }
  /** As `post`. Source: gun:put/5. */
  put(path: string, options?: RequestOptions): Stream<C> {
    return this.ask('PUT', path, options, 'either');
  }
  /** As `post`. Source: gun:patch/5. */
  patch(path: string, options?: RequestOptions): Stream<C> {
    return this.ask('PATCH', path, options, 'either');
  }

  /** Any method, with all of its body, or none. Source: gun:request/6. */
  request(method: string, path: string, options?: RequestOptions): Stream<C> {
    return this.ask(method, path, options, 'whole');
  }

  /** Any method; its body follows through `data()`. With `content-length` in its headers HTTP/1.1 sends it as it is,
   *  else in chunks. Source: gun:headers/5. */
  headers(method: string, path: string, options?: BodilessOptions): Stream<C> {
    return this.ask(method, path, options, 'follows');
  }

  /** A part of a request's body: `stream.data` by another name. Source: gun:data/4. */
  data(
    stream: Stream<C>,
    fin: Fin,
    bytes?: BodyPart | undefined,
    options?: { trailers?: HeaderFields | undefined },
  ): boolean {
    return stream.data(fin, bytes, options);
  }

  /** A request with the face of WHATWG fetch: resolves with a standard `Response` whose body is read from the socket no
   *  faster than it is from you: read or cancel it, since on HTTP/1.1 the answers behind it wait. No redirects
   *  or decompression. `init` as for fetch: method, headers, body (a stream too), signal; and the timeouts of a
   *  request, which end one that is not answered. `path` may be a URL of the connection's own origin, or with `tunnel` of
   *  the one that leads to.
   *  @throws as `get`, rejecting; what the source of the body throws. Source: WHATWG Fetch §5.6.
   *  @example
   *  const response = await connection.fetch('/x', { method: 'POST', body: 'y' });
   *  console.log(response.status, await response.json()); */
  async fetch(path: string | URL, init: FetchInit = {}): Promise<Response> {
    const origin = this.through(init)?.origin ?? this.origin;
    return fetchOver(origin, (...request) => this.ask(...request), path, init);
  }

  /** A feed of server-sent events: asks at once, as `get` does, with the content handler `'sse'`. With `reconnect: true` it
   *  asks again when an answer ends or is lost, with the id of the last event, so that a server that keeps events can go
   *  on where it stopped; each time when the connection is up again, which has its own retries. Answers that redirect are
   *  not followed. Instead of a path it takes a request with that handler which is under way, as of a connection that was
   *  handed over. A hand-over ends it here (ERR_GUNPORT_NOT_OWNER); the new owner has the request, with all that was not
   *  read: `stream.events()`, or `connection.sse(stream, options)`.
   *  @throws as `get`. Source: HTML §9.2 (WHATWG EventSource).
   *  @example
   *  for await (const { data } of connection.sse('/trades', { reconnect: true })) console.log(JSON.parse(data)); */
  sse(source: string | Stream<C>, options?: EventStreamOptions): EventStream<C> {
    return new EventStream<C>(this.#feeds, source, options);
  }

  get #feeds(): EventStreamHost<C> {
    const verbs = this;
    return {
      get status() {
        return verbs.status;
      },
      get: (path, options) => this.get(path, options),
      released: (callback) => this.released(callback),
    };
  }

  // ── tunnels and bytes ─────────────────────────────────────────────────────────────────────────────────────

  /** Asks a proxy, which this connection leads to, for a way to `destination`; returns at once. `await` it for the
   *  `response`, which says 200, and `{ type: 'tunnelUp', protocol, origin }`; or wait for `established()`. Then name it
   *  as `tunnel` in requests, `wsUpgrade`, `ping`, `fetch`, and in `connect` for the next proxy; where its protocols are
   *  `['raw']` it is read and written itself. What a proxy that refuses has answered is read as any answer, and the
   *  connection goes on. When the connection is lost, it is asked for again once that is back, and its notices come
   *  again, in place of those that nobody has taken; one that has carried raw bytes ends. It lasts until `cancel()`, which
   *  ends all that is in it.
   *
   *  `connect` of the package is something else: it opens a WebSocket; with its option `proxy` through proxies too.
   *  Source: gun:connect/4; RFC 9110 §9.3.6. @throws {OptionError} @throws {OwnerError} @throws {DownError}
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE the `tunnel` that is named has ended.
   *  @example
   *  const proxy = open('http://proxy.example:3128');
   *  const tunnel = proxy.connect('https://example.com', { username: 'me', password: 'secret' });
   *  const text = await proxy.get('/', { tunnel }).text(); */
  connect(destination: string | URL | Destination, options?: TunnelOptions): Stream<C> {
    return this.send((settings) => checkTunnel(destination, options, settings), options);
  }

  /** Bytes as they come, on a connection with `protocols: ['raw']`, or in a `tunnel` that leads to them: write with
   *  `stream.data(false, bytes)`, end our side with `stream.data(true)`, read with `for await`. It has no head.
   *  Source: Gun's raw protocol, whose data/4 names no stream. @throws as `connect`.
   *  @example
   *  const stream = open({ host: 'localhost', port: 7 }, { protocols: ['raw'] }).raw();
   *  stream.data('fin', 'hello');
   *  console.log(await stream.text()); */
  raw(options?: RawOptions): Stream<C> {
    return this.send((settings) => checkRaw(options, settings), options);
  }
}
