// verbs — Gun's requests by their methods: each makes a stream at once, on a connection that may not be up yet.
// The face of connection.ts that speaks HTTP; what they make is checked by httpsettings.ts.
// Invariant: bad arguments throw before anything is sent. Source: gun:get/4 … gun:request/6, gun:headers/5, gun:data/4.

import { EventEmitter } from 'node:events';
import { type FetchInit, fetchOver } from './fetch.ts';
import type { BodyKind } from './httpsettings.ts';
import type { BodyPart, HeaderFields, RequestOptions } from './options.ts';
import type { ConnectionEvents } from './owned.ts';
import type { Fin, Stream } from './stream.ts';

/** Options of a request that has no body. */
export type BodilessOptions = Omit<RequestOptions, 'body' | 'trailers'>;

/** Each method throws {OptionError} for a bad method, path, header or option, {OwnerError} and {DownError} for a handle
 *  that is of no use any more. What goes wrong later ends the stream. */
export abstract class Verbs<C> extends EventEmitter<ConnectionEvents> {
  abstract readonly origin: string;

  /** Checks and sends. @internal */
  protected abstract ask(
    method: string,
    path: string,
    options: RequestOptions | undefined,
    kind: BodyKind,
  ): Stream<C>;

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
   *  faster than it is from you: read or cancel it, since on HTTP/1.1 the answers behind it wait. No redirects, cookies
   *  or decompression. `init` as for fetch: method, headers, body (a stream too), signal; and the timeouts of a
   *  request, which end one that is not answered. `path` may be a URL of the connection's own origin.
   *  @throws as `get`, rejecting; what the source of the body throws. Source: WHATWG Fetch §5.6.
   *  @example
   *  const response = await connection.fetch('/x', { method: 'POST', body: 'y' });
   *  console.log(response.status, await response.json()); */
  async fetch(path: string | URL, init: FetchInit = {}): Promise<Response> {
    return fetchOver(this.origin, (...request) => this.ask(...request), path, init);
  }
}
