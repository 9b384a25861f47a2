// authorities — all authorities that a pool has to do with, each made when it is first used and gone when it is not.
// Held by pool.ts, whose methods these are. Invariant: one URL and one scope are one authority; what is known of one that
// nobody uses is forgotten, unless it was configured. Source: gun_pool, whose pools are registered by authority and scope.

import { checkWait, type WaitOptions, wait } from '../await.ts';
import { type Given, integer, LONGEST, own } from '../checks.ts';
import type { Connection } from '../connection.ts';
import { GunportError, OptionError } from '../errors.ts';
import { type FetchInit, fetchBy } from '../fetch.ts';
import type { BodyKind } from '../httpsettings.ts';
import type { OpenOptions } from '../options.ts';
import { checkTarget, type Place } from '../target.ts';
import { Authority } from './authority.ts';
import type { AuthorityInfo, AuthorityNotice, AuthorityState } from './authorityinfo.ts';
import { type AuthorityOptions, checkAuthority, settingsFor } from './authorityoptions.ts';
import { Lease } from './lease.ts';
import type { MemberPlace } from './member.ts';
import {
  checkPooled,
  checkScope,
  NO_OPTIONS,
  POOLED_NAMES,
  type PooledRequestOptions,
  type ScopeOptions,
} from './pooledoptions.ts';
import { PooledRequest } from './pooledrequest.ts';

/** What `pool.fetch` takes. */
export type PooledFetchInit = Omit<FetchInit, 'tunnel'> &
  Pick<PooledRequestOptions, 'scope' | 'queueTimeout' | 'retry' | 'retries'>;

/** What `pool.drain` and `pool.stop` take. */
export interface DrainOptions extends ScopeOptions {
  /** What is not finished by then is stopped, in milliseconds. Default 30 000. */
  timeout?: number | undefined;
}

/** What `pool.checkout` and `pool.awaitUp` take. */
export interface PooledWaitOptions extends WaitOptions, ScopeOptions {
  /** In milliseconds. Default for a checkout the `queueTimeout` of its authority, for `awaitUp` 5 000. */
  timeout?: number | undefined;
}

/** What they ask of their pool. @internal */
export interface AuthoritiesHost {
  readonly keepsAlive: boolean;
  open(target: string, options: OpenOptions): Connection;
  turned(notice: AuthorityNotice): void;
}

const DRAIN = 30_000;

/** @internal */
export class Authorities {
  readonly #host: AuthoritiesHost;
  readonly #given: Given;
  readonly #all = new Map<string, Authority>();
  /** What was given for one alone. */
  readonly #configured = new Map<string, Given>();
  /** All of them are drained, so many times over: nothing new is begun. */
  #draining = 0;

  /** @throws {OptionError} a bad option. */
  constructor(options: unknown, host: AuthoritiesHost) {
    this.#given = checkAuthority(options, 'authority');
    this.#host = host;
  }

  get list(): AuthorityInfo[] {
    return [...this.#all.values()].map(({ info }) => info);
  }
  get size(): number {
    return this.#all.size;
  }

  ref(): void {
    for (const authority of this.#all.values()) authority.ref();
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────────────────────────

  request(method: unknown, url: unknown, options: unknown, kind: BodyKind): PooledRequest {
    const place = placeOf(url);
    // Which names there may be is for checkRequest to say.
    const given = options === undefined ? NO_OPTIONS : { ...ownOf(options) };
    const authority = this.#at(place, checkScope(given['scope']));
    return new PooledRequest(authority, checkPooled(method, place, [given, kind], authority.settings));
  }

  async fetch(url: string | URL, init: PooledFetchInit): Promise<Response> {
    const place = placeOf(withoutFragment(url));
    const target = `${originOf(place)}${place.path}`;
    const send: Parameters<typeof fetchBy>[0] = async (method, options, parts) => {
      const request = this.request(
        method,
        withoutFragment(url),
        { ...options, ...(parts && { body: parts }) },
        'whole',
      );
      try {
        const stream = await request;
        const head = await stream.response({ timeout: Number.POSITIVE_INFINITY });
        await stream.settled();
        return { stream, head, failure: () => request.sourceError };
      } catch (error) {
        throw request.sourceError ?? error;
      }
    };
    return fetchBy(send, target, init, POOLED_NAMES);
  }

  async checkout<M>(url: unknown, options: PooledWaitOptions): Promise<Lease<M>> {
    const { scope, timeout, signal } = own(options, WAIT_NAMES, '') as PooledWaitOptions; // Checked below.
    const authority = this.#at(placeOf(url), checkScope(scope));
    const { queueTimeout } = authority.settings;
    const limit = timeout === undefined ? queueTimeout : integer({ timeout }, 'timeout', 0, [1, LONGEST]);
    return wait<Lease<M>>(`checkout(${authority.name.origin})`, { signal }, (settle) => {
      const granted = (held: MemberPlace): void => settle(undefined, new Lease<M>(held));
      const waiting = authority.ask({ granted, refused: (error) => settle(error) }, limit);
      return () => waiting.leave();
    });
  }

  // ── what is known of them ─────────────────────────────────────────────────────────────────────────────────

  configure(url: unknown, options: AuthorityOptions & ScopeOptions): void {
    const { scope, ...rest } = ownOf(options);
    const place = placeOf(url);
    const key = keyOf(place, checkScope(scope));
    if (this.#all.has(key)) {
      throw new GunportError('ERR_GUNPORT_BAD_STATE', `configure(): ${originOf(place)} is in use already`);
    }
    const given = checkAuthority(rest);
    settingsFor(place, originOf(place), this.#given, given);
    this.#assertOpen();
    this.#configured.set(key, given);
    this.#at(place, checkScope(scope));
  }

  async awaitUp(url: unknown, options: PooledWaitOptions): Promise<void> {
    const { scope, timeout, signal } = own(options, WAIT_NAMES, '') as PooledWaitOptions; // Checked below.
    checkWait(timeout ?? 0, signal);
    await this.#at(placeOf(url), checkScope(scope)).awaitUp({ timeout, signal });
  }

  // ── their end ─────────────────────────────────────────────────────────────────────────────────────────────

  async drain(url: unknown, options: DrainOptions): Promise<void> {
    const { scope, ...given } = own(options, DRAIN_NAMES, '');
    const timeout = integer(given, 'timeout', DRAIN, [0, LONGEST]);
    const chosen = this.#chosen(url, scope);
    if (url === undefined) this.#draining++;
    await Promise.all(chosen.map((authority) => authority.drain(timeout)));
    if (url === undefined) this.#draining--;
  }

  async stop(url: unknown, options: ScopeOptions): Promise<void> {
    const { scope } = own(options, SCOPE_NAMES, '');
    await Promise.all(this.#chosen(url, scope).map((authority) => authority.stop()));
  }

  /** Drains all, as far as that goes within `timeout` ms; then nothing is waited for. */
  async close(timeout: number): Promise<void> {
    this.#draining++;
    let late: NodeJS.Timeout | undefined;
    const passed = new Promise<void>((resolve) => {
      late = setTimeout(resolve, timeout);
    });
    // Each stops what is not drained by then; a thread that is stuck tells of no end.
    await Promise.race([this.drain(undefined, { timeout }), passed]);
    clearTimeout(late);
  }

  /** They are forgotten, with all that was configured. */
  #chosen(url: unknown, scope: unknown): Authority[] {
    if (url === undefined) {
      if (scope !== undefined) throw new OptionError('scope must come with a URL');
      this.#configured.clear();
      return [...this.#all.values()];
    }
    const key = keyOf(placeOf(url), checkScope(scope));
    this.#configured.delete(key);
    const found = this.#all.get(key);
    return found ? [found] : [];
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  #at(place: Place, scope: string): Authority {
    const key = keyOf(place, scope);
    const known = this.#all.get(key);
    if (known) return known;
    this.#assertOpen();
    const origin = originOf(place);
    const settings = settingsFor(place, origin, this.#given, this.#configured.get(key) ?? NO_OPTIONS);
    const host = this.#host;
    const name = { origin, scope };
    const authority = new Authority(name, settings, {
      get keepsAlive() {
        return host.keepsAlive;
      },
      open: () => host.open(origin, settings.connection),
      turned: (state: AuthorityState, reason) => host.turned({ ...name, state, reason }),
      vacant: () => void (this.#all.get(key) === authority && this.#all.delete(key)),
    });
    this.#all.set(key, authority);
    return authority;
  }

  #assertOpen(): void {
    if (this.#draining === 0) return;
    throw new GunportError('ERR_GUNPORT_POOL_CLOSED', 'the pool is drained', { phase: 'closed' });
  }
}

const SCOPE_NAMES: ReadonlySet<string> = new Set(['scope']);
const WAIT_NAMES: ReadonlySet<string> = new Set(['scope', 'timeout', 'signal']);
const DRAIN_NAMES: ReadonlySet<string> = new Set(['scope', 'timeout']);

/** Own properties, read once; names are checked by what reads them. */
function ownOf(value: unknown): Given {
  return own(value, new Set(typeof value === 'object' && value !== null ? Object.keys(value) : []), '');
}

function placeOf(url: unknown): Place {
  if (typeof url === 'string' || url instanceof URL) return checkTarget(url);
  throw new OptionError(`url must be an absolute URL, got ${typeof url}`);
}

function withoutFragment(url: string | URL): string | URL {
  const text = String(url);
  const at = text.indexOf('#');
  return at < 0 ? url : text.slice(0, at);
}

function originOf({ secure, webSocket, authority }: Place): string {
  return `${webSocket ? 'ws' : 'http'}${secure ? 's' : ''}://${authority}`;
}

/** No scope has a line break in the name that stands before it. */
function keyOf(place: Place, scope: string): string {
  return `${originOf(place)}\n${scope}`;
}
