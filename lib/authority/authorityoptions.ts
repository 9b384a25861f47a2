// authorityoptions — options of the pool by authority, each with unit and default, checked at once.
// Read by authorities.ts for a pool, by pool.configure() for one authority. Requests' own are pooledrequest.ts's.
// Invariant: what leaves here is complete, and good for connections to its authority: nothing of it can fail later.
// Source: Gun's gun_pool opts (size, scope, setup_fun, conn_opts); RFC 9110 §9.2.2 for what may be sent again.

import { type Given, integer, LONGEST, oneOf, own } from '../checks.ts';
import type { Connection } from '../connection.ts';
import { describe, OptionError } from '../errors.ts';
import type { OpenOptions } from '../options.ts';
import { checkOpen } from '../settings.ts';
import type { Place } from '../target.ts';
import type { Settings } from '../wire.ts';

/** What a pool decides itself for its connections. */
type PoolsOwn =
  | ('retry' | 'retryTimeout' | 'retryFun' | 'backoff' | 'reconnectOn')
  | ('pipelining' | 'signal' | 'onOwnerDown');

/** What may be sent again once it was sent. `'unprocessed'`: what the peer has provably not processed: nothing of it was
 *  written, its HTTP/2 stream is above the last of a GOAWAY, or was reset with REFUSED_STREAM. `'idempotent'`: also GET,
 *  HEAD, OPTIONS, TRACE, PUT and DELETE that were lost with their connection, before the head of their answer. */
export type RetryKind = 'unprocessed' | 'idempotent';

/** How the connections of one authority are kept, and what waits for them. */
export interface AuthorityOptions {
  /** Connections that are kept open, from the first use on, or from `configure()`. Default 0. */
  minConnections?: number | undefined;
  /** Connections at most; one that its server leaves with answers under way is not counted. Default 8. Source: Gun size. */
  maxConnections?: number | undefined;
  /** Requests at a time on one connection of HTTP/2, at most; never more than its server allows. On HTTP/1 it is one.
   *  Default Infinity. */
  maxStreams?: number | undefined;
  /** Requests and checkouts that wait for a connection, at most; more are ERR_GUNPORT_OVERLOADED. Default 10 000. */
  maxQueue?: number | undefined;
  /** How long each may wait, in milliseconds; then it is ERR_GUNPORT_TIMEOUT with the reason `queueTimeout`, and as its
   *  cause what the last connection failed with, if it did. Default 10 000. */
  queueTimeout?: number | undefined;
  /** A connection that nobody has used for so many milliseconds is closed, if more than `minConnections` are open.
   *  What its server says of itself (`keep-alive: timeout=5`) goes before. Default 60 000. */
  idleTimeout?: number | undefined;
  /** How long it waits before it opens a connection again after one has failed, in milliseconds: half of it fixed, half
   *  by chance, and twice as long with each failure in a row. Default 250. */
  reopenDelay?: number | undefined;
  /** The longest that this becomes. Default 30 000. */
  maxReopenDelay?: number | undefined;
  /** What is sent again, by itself. Default `'unprocessed'`. Source: RFC 9110 §9.2.2. */
  retry?: RetryKind | undefined;
  /** How often one request is sent again, at most. Default 3. */
  retries?: number | undefined;
  /** Of each connection. An authority without TLS takes no heed of a pool's `tls`. */
  connection?: Omit<OpenOptions, PoolsOwn> | undefined;
  /** Called for each connection that has come up, before it is used: upgrade it, log in, ask for something. What it
   *  resolves with is `lease.meta`. A connection for which it rejects is closed, and has failed.
   *  Source: Gun's setup_fun. */
  setup?: ((connection: Connection, authority: AuthorityName) => unknown) | undefined;
  /** How long that may take, in milliseconds. Default 10 000. */
  setupTimeout?: number | undefined;
}

/** Which authority: two scopes of one are two pools. */
export interface AuthorityName {
  /** `https://example.com` */
  readonly origin: string;
  readonly scope: string;
}

/** Complete. @internal */
export interface AuthoritySettings {
  readonly minConnections: number;
  readonly maxConnections: number;
  readonly maxStreams: number;
  readonly maxQueue: number;
  readonly queueTimeout: number;
  readonly idleTimeout: number;
  readonly reopenDelay: number;
  readonly maxReopenDelay: number;
  readonly retry: RetryKind;
  readonly retries: number;
  readonly setup: AuthorityOptions['setup'];
  readonly setupTimeout: number;
  /** For openWith(). */
  readonly connection: OpenOptions;
  /** What becomes of that, for who checks requests. */
  readonly settings: Settings;
}

const NAMES: ReadonlySet<string> = new Set([
  ...[
    'minConnections',
    'maxConnections',
    'maxStreams',
    'maxQueue',
    'queueTimeout',
    'idleTimeout',
    'reopenDelay',
  ],
  ...['maxReopenDelay', 'retry', 'retries', 'connection', 'setup', 'setupTimeout'],
]);
const POOLS_OWN: readonly PoolsOwn[] = [
  ...(['retry', 'retryTimeout', 'retryFun', 'backoff', 'reconnectOn'] as const),
  ...(['pipelining', 'signal', 'onOwnerDown'] as const),
];
/** A connection of a pool lives once: what replaces it is another. One request of HTTP/1 at a time. */
const OURS = { retry: 0, pipelining: 1 } as const;

/** Checks a pool's options. `prefix`: for messages. @throws {OptionError} @internal */
export function checkAuthority(value: unknown, prefix = ''): Given {
  const given = own(value, NAMES, prefix);
  const standard = standing(given, prefix);
  if (standard.minConnections > standard.maxConnections) {
    const text = `must be at most maxConnections (${standard.maxConnections}), got ${standard.minConnections}`;
    throw new OptionError(`${named(prefix, 'minConnections')} ${text}`);
  }
  checkConnection(given['connection'], named(prefix, 'connection'));
  return given;
}

/** All that is needed for one authority: what was given for it goes before what was given for the pool.
 *  @throws {OptionError} @internal */
export function settingsFor(place: Place, target: string, ofPool: Given, own: Given): AuthoritySettings {
  const common = fitting(ofPool['connection'] as OpenOptions | undefined, place.secure); // Checked by checkAuthority.
  const connection = { ...common, ...(own['connection'] as OpenOptions | undefined), ...OURS };
  const merged: Record<string, unknown> = { ...ofPool };
  for (const [name, item] of Object.entries(own)) if (item !== undefined) merged[name] = item;
  checkAuthority({ ...merged, connection: undefined });
  const { settings } = checkOpen(target, connection, false);
  if (settings.upAtFirstHop) {
    throw new OptionError('connection.protocols must not have socks in a pool: name its server as the proxy');
  }
  return { ...standing(merged, ''), connection, settings };
}

function standing(given: Given, prefix: string): Omit<AuthoritySettings, 'connection' | 'settings'> {
  const whole = Object.fromEntries(Object.entries(given).map(([name, item]) => [named(prefix, name), item]));
  const count = (name: string, standard: number, least: number, most: number = LONGEST) =>
    integer(whole, named(prefix, name), standard, [least, most]);
  const setup = given['setup'];
  if (setup !== undefined && typeof setup !== 'function') {
    throw new OptionError(`${named(prefix, 'setup')} must be a function, got ${describe(setup)}`);
  }
  const maxConnections = count('maxConnections', 8, 1, 65_535);
  return {
    minConnections: count('minConnections', 0, 0, 65_535),
    maxConnections,
    maxStreams: given['maxStreams'] === Infinity ? Infinity : count('maxStreams', Infinity, 1),
    maxQueue: count('maxQueue', 10_000, 0),
    queueTimeout: count('queueTimeout', 10_000, 1),
    idleTimeout: count('idleTimeout', 60_000, 1),
    reopenDelay: count('reopenDelay', 250, 1),
    maxReopenDelay: count('maxReopenDelay', 30_000, 1),
    retry: oneOf<RetryKind>(whole, named(prefix, 'retry'), ['unprocessed', 'idempotent']),
    retries: count('retries', 3, 0),
    setup: setup as AuthorityOptions['setup'], // It is a function; what it does with its arguments is its business.
    setupTimeout: count('setupTimeout', 10_000, 1),
  };
}

/** A pool's own are for authorities of any kind: they are checked as for one with TLS, where all of them may stand. */
function checkConnection(value: unknown, name: string): void {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OptionError(`${name} must be an object, got ${describe(value)}`);
  }
  for (const mine of POOLS_OWN) {
    if (mine in value) throw new OptionError(`${name} must not have ${mine}: the pool decides that`);
  }
  try {
    checkOpen('https://localhost', { ...value, ...OURS }, false);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(`${name}: ${error.message}`, { cause: error });
  }
}

/** Those of a pool's options that mean something to an authority without TLS. */
function fitting(given: OpenOptions | undefined, secure: boolean): OpenOptions {
  if (!given || secure) return given ?? {};
  const { tls: _, protocols, ...rest } = given;
  // Where nothing is negotiated there is one.
  const one = protocols && protocols.length > 1 ? protocols.filter((name) => name === 'http') : protocols;
  return one && one.length > 0 ? { ...rest, protocols: one } : rest;
}

function named(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}
