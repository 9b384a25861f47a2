// pooledverbs — a pool by authority: requests to any URL, each through one of the connections kept to where it goes.
// The face of pool.ts that speaks HTTP; what they make is authorities.ts's.
// Invariant: bad arguments throw before anything is sent or queued. Source: gun_pool:get/3 … gun_pool:checkout/2.

import { EventEmitter } from 'node:events';
import type { Connection } from '../connection.ts';
import type { ThreadDown, ThreadSilence } from '../types.ts';
import type { Authorities, DrainOptions, PooledFetchInit, PooledWaitOptions } from './authorities.ts';
import type { AuthorityInfo, AuthorityNotice } from './authorityinfo.ts';
import type { AuthorityOptions } from './authorityoptions.ts';
import type { Lease } from './lease.ts';
import type { PooledBodilessOptions, PooledRequestOptions, ScopeOptions } from './pooledoptions.ts';
import type { PooledRequest } from './pooledrequest.ts';

/** Events of a pool. */
export interface PoolEvents {
  /** A whole thread is dead. */
  down: [down: ThreadDown];
  /** A thread with connections did not get to its event loop for as long as `watchdog` says. Where nobody listens, a
   *  warning of the process tells it, once for each thread. */
  unresponsive: [silence: ThreadSilence];
  /** It does again. `silent`: how long it had not. */
  responsive: [silence: ThreadSilence];
  /** The owner of a connection with `onOwnerDown: 'rehome'` is gone. */
  orphan: [connection: Connection];
  /** Fewer than `minConnections` of an authority are up, or one could not be opened. */
  degraded: [authority: AuthorityNotice];
  /** They are, or one was opened and was of use. */
  operational: [authority: AuthorityNotice];
}

/** Each method throws {OptionError} for a bad method, URL, header or option, and {GunportError} ERR_GUNPORT_POOL_CLOSED.
 *  What goes wrong later rejects what they return. */
export abstract class PooledVerbs extends EventEmitter<PoolEvents> {
  /** @internal */
  protected abstract readonly kept: Authorities;
  /** @throws {GunportError} ERR_GUNPORT_POOL_CLOSED. @internal */
  protected abstract assertOpen(): void;

  /** Any method, with all of its body, its parts, or none; at once sent or queued. Source: gun_pool:request/5.
   *  @example
   *  const { status } = await pool.request('PROPFIND', 'https://example.com/dav').response(); */
  request(method: string, url: string | URL, options?: PooledRequestOptions): PooledRequest {
    this.assertOpen();
    return this.kept.request(method, url, options, 'whole');
  }

  /** Source: gun_pool:get/3.
   *  @example
   *  const price = await pool.get('https://example.com/price').json(); */
  get(url: string | URL, options?: PooledBodilessOptions): PooledRequest {
    return this.#bodiless('GET', url, options);
  }
  /** Source: gun_pool:head/3. */
  head(url: string | URL, options?: PooledBodilessOptions): PooledRequest {
    return this.#bodiless('HEAD', url, options);
  }
  /** Source: gun_pool:options/3; RFC 9110 §9.3.7. */
  options(url: string | URL, options?: PooledBodilessOptions): PooledRequest {
    return this.#bodiless('OPTIONS', url, options);
  }
  /** A body is taken where one is given. Source: gun_pool:delete/3. */
  delete(url: string | URL, options?: PooledRequestOptions): PooledRequest {
    return this.request('DELETE', url, options);
  }
  /** Never sent twice where the server may have seen it. Source: gun_pool:post/4.
   *  @example
   *  const { status } = await pool.post('https://example.com/orders', { body: '{"side":"buy"}' }).response(); */
  post(url: string | URL, options?: PooledRequestOptions): PooledRequest {
    return this.request('POST', url, options);
  }
  /** Source: gun_pool:put/4. */
  put(url: string | URL, options?: PooledRequestOptions): PooledRequest {
    return this.request('PUT', url, options);
  }
  /** Source: gun_pool:patch/4. */
  patch(url: string | URL, options?: PooledRequestOptions): PooledRequest {
    return this.request('PATCH', url, options);
  }

  #bodiless(method: string, url: string | URL, options: PooledBodilessOptions | undefined): PooledRequest {
    this.assertOpen();
    return this.kept.request(method, url, options, 'none');
  }

  /** A request with the face of WHATWG fetch, for any http: or https: URL; see `connection.fetch`. Its place is free once
   *  the body has been read, or cancelled. @throws as `get`, rejecting. Source: WHATWG Fetch §5.6.
   *  @example
   *  const response = await pool.fetch('https://example.com/x', { method: 'POST', body: 'y' });
   *  console.log(response.status, await response.json()); */
  async fetch(url: string | URL, init: PooledFetchInit = {}): Promise<Response> {
    this.assertOpen();
    return this.kept.fetch(url, init);
  }

  /** One place on a connection, for as long as it is held: on HTTP/1 all of it. Waits in the same queue as requests.
   *  `M`: what `setup` resolves with. @throws {TimeoutError} ERR_GUNPORT_TIMEOUT with the reason `queueTimeout`;
   *  ERR_GUNPORT_ABORTED. @throws {StreamError} ERR_GUNPORT_OVERLOADED. Source: gun_pool:checkout/2.
   *  @example
   *  await using lease = await pool.checkout('https://example.com', { timeout: 1_000 });
   *  const text = await lease.connection.get('/').text(); */
  async checkout<M = unknown>(url: string | URL, options: PooledWaitOptions = {}): Promise<Lease<M>> {
    this.assertOpen();
    return this.kept.checkout<M>(url, options);
  }

  /** Options for one authority, before it is used; they go before those of the pool, and hold until it is drained or
   *  stopped. Its `minConnections` are opened now. @throws {GunportError} ERR_GUNPORT_BAD_STATE it is in use.
   *  Source: gun_pool:start_pool/3.
   *  @example
   *  pool.configure('https://example.com', { minConnections: 2, maxConnections: 4 }); */
  configure(url: string | URL, options: AuthorityOptions & ScopeOptions): void {
    this.assertOpen();
    this.kept.configure(url, options);
  }

  /** Resolves when all of `minConnections` are up, or one: it is opened for this. Default timeout 5 000.
   *  @throws {TimeoutError} with what the last connection failed with as its cause; that itself, where another attempt
   *  would fail the same way. Source: gun_pool:await_up/1. */
  async awaitUp(url: string | URL, options: PooledWaitOptions = {}): Promise<void> {
    this.assertOpen();
    return this.kept.awaitUp(url, options);
  }

  /** The authorities that are in use: their connections, and what each has to do. Source: gun_pool:info/0. */
  authorities(): readonly AuthorityInfo[] {
    return this.kept.list;
  }

  /** Takes no new requests for this authority, or for any: what is under way, and what waits, is finished; then its
   *  connections are closed, and it is forgotten. Leases are under way until they are released. Resolves when all is gone.
   *  A request after that begins anew. */
  async drain(url?: string | URL, options: DrainOptions = {}): Promise<void> {
    return this.kept.drain(url, options);
  }

  /** The same at once: what waits is rejected with ERR_GUNPORT_POOL_CLOSED, what is under way ends with its connection.
   *  Source: gun_pool:stop_pool/2. */
  async stop(url?: string | URL, options: ScopeOptions = {}): Promise<void> {
    return this.kept.stop(url, options);
  }
}
