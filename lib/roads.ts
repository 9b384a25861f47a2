// roads — where a connection or a tunnel leads, and by which SOCKS servers: legs, hops, destinations.
// Called by settings.ts and proxies.ts for a connection, by connection.ts for connect() and raw(), before anything is sent.
// Invariant: what leaves here is plain data; a leg's `origin` has no credentials in it, and no message shows any.
// `protocols` says what is spoken at a far end. Where it says SOCKS, that far end is a hop, and where the SOCKS server
// is to lead to is the far end.
// Source: Gun's connect_destination(), socks_opts(), raw_opts(), connect/4; RFC 1928 §5, RFC 1929; RFC 9110 §9.3.6.

import { checkSignal, flag, type Given, integer, kindOf, LONGEST, namesIn, own, within } from './checks.ts';
import { describe, OptionError } from './errors.ts';
import {
  type CheckedRequest,
  checkCount,
  checkHeaders,
  checkReplyTo,
  checkTunnelReference,
} from './httpsettings.ts';
import {
  firstLeg,
  type Hop,
  hostAndPort,
  type Leg,
  type Road,
  type Spoken,
  type Timeouts,
} from './httpwire.ts';
import type { Destination, RawOptions, TunnelOptions } from './options.ts';
import { basic, type Credentials, checkEndpoint, checkUrl, type Place, WEB } from './target.ts';
import { checkTls } from './tls.ts';
import type { Settings } from './wire.ts';

/** Most proxies on a road: options that lead back to themselves end here. @internal */
export const MOST_HOPS = 32;

/** A far end of which it is not said yet what it speaks. @internal */
export type Bare = Omit<Leg, 'protocols'>;

/** What the far ends of a road have in common. @internal */
export interface Standards {
  /** The last of them is for WebSockets. */
  readonly webSocket: boolean;
  readonly connectTimeout: number;
  readonly tlsTimeout: number;
}

// ── legs ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A place, and how it is reached: by what is given within `name`, or at the top where that is ''.
 *  @throws {OptionError} @internal */
export function bareLeg(place: Place, given: Given, name: string, standards: Standards): Bare {
  const at = (option: string) => (name === '' ? option : `${name}.${option}`);
  const time = (option: 'connectTimeout' | 'tlsTimeout') =>
    integer(given, at(option), standards[option], [1, LONGEST]);
  return {
    transport: place.secure ? 'tls' : 'tcp',
    host: place.host,
    port: place.port,
    origin: `${place.webSocket ? 'ws' : 'http'}${place.secure ? 's' : ''}://${place.authority}`,
    authority: place.authority,
    ...checkTls(given[at('tls')], place.secure, at('tls')),
    connectTimeout: time('connectTimeout'),
    tlsTimeout: time('tlsTimeout'),
  };
}

/** Follows `protocols` from a far end on: while it is a SOCKS server, it is a hop, and the next is behind it.
 *  `credentials`: the first one's, where it is a SOCKS server that is given none. @throws {OptionError} @internal */
export function checkRoad(
  first: Bare,
  protocols: { readonly name: string; readonly value: unknown },
  standards: Standards,
  credentials?: Credentials | undefined,
): Road {
  const hops: Hop[] = [];
  let leg = first;
  let { name, value } = protocols;
  for (;;) {
    const said = checkProtocols(value, name, leg.transport === 'tls', standards.webSocket);
    if (!('socks' in said)) return { hops, leg: speaking(leg, said.spoken) };
    if (hops.length === MOST_HOPS) {
      throw new OptionError(`${protocols.name} must lead through ${MOST_HOPS} SOCKS servers at most`);
    }
    name = `${name}[0]`;
    const auth = checkAuth(said.socks[`${name}.auth`], `${name}.auth`);
    const told = auth ?? (hops.length === 0 ? credentials : undefined);
    hops.push(socksHop(leg, told, auth ? `${name}.auth` : 'target'));
    // A ws: URL leads to a WebSocket, also where it names the SOCKS server before it.
    const place = { ...checkEndpoint(said.socks, name), webSocket: first.origin.startsWith('ws') };
    checkBehind(place, `${name}.host`, 'socks');
    leg = bareLeg(place, said.socks, name, standards);
    name = `${name}.protocols`;
    value = said.socks[name];
  }
}

/** A SOCKS server on the way. `what`: the option that has named it. @throws {OptionError} @internal */
export function socksHop(leg: Bare, credentials: Credentials | undefined, what: string): Hop {
  if (credentials) checkCredentials(credentials, what);
  const origin = `socks5://${hostAndPort(leg)}`;
  return { leg: { ...leg, origin, protocols: [] }, kind: 'socks', headers: [], credentials };
}

/** That a proxy can be asked for it. @throws {OptionError} @internal */
export function checkBehind({ host }: { readonly host: string }, name: string, kind: Hop['kind']): void {
  // RFC 4007 §11.2: a zone "has strictly local significance".
  if (host.includes('%')) throw new OptionError(`${name} must have no zone where a proxy is asked for it`);
  // RFC 1928 §5: "The first octet of the address field contains the number of octets of name that follow".
  if (kind === 'socks' && host.length > 255) {
    throw new OptionError(`${name} must have at most 255 bytes for SOCKS, got ${host.length}`);
  }
}

/** RFC 1929 §2: each is "1 to 255" octets. */
function checkCredentials({ username, password }: Credentials, what: string): void {
  for (const [name, text] of Object.entries({ username, password })) {
    const length = Buffer.byteLength(text);
    if (length < 1 || length > 255) {
      throw new OptionError(`${what} must have a ${name} of 1 to 255 bytes for SOCKS, got ${length}`);
    }
  }
}

/** Of RFC 1929, as SocksProtocol has them. */
function checkAuth(value: unknown, name: string): Credentials | undefined {
  if (value === undefined) return undefined;
  const given = within(value, AUTH_NAMES, name);
  return { username: secret(given, `${name}.username`), password: secret(given, `${name}.password`) };
}
const AUTH_NAMES: ReadonlySet<string> = new Set(['username', 'password']);

function secret(given: Given, name: string): string {
  const value = given[name];
  // What is sent is UTF-8, and a lone surrogate has none.
  if (typeof value === 'string' && !/\p{Surrogate}/u.test(value)) return value;
  throw new OptionError(`${name} must be a text, got ${kindOf(value)}`);
}

// ── protocols ───────────────────────────────────────────────────────────────────────────────────────────────

type Said = { readonly spoken: readonly Spoken[] } | { readonly socks: Given };

const SOCKS_NAMES: ReadonlySet<string> = new Set([
  ...['name', 'auth', 'host', 'port', 'transport'],
  ...['protocols', 'tls', 'connectTimeout', 'tlsTimeout'],
]);

function checkProtocols(value: unknown, name: string, secure: boolean, webSocket: boolean): Said {
  if (value === undefined) return { spoken: secure && !webSocket ? ['http2', 'http'] : ['http'] };
  const items: readonly unknown[] = Array.isArray(value) ? [...value] : [];
  const [first] = items;
  if (items.length === 1 && typeof first === 'object' && first !== null) {
    const socks = within(first, SOCKS_NAMES, `${name}[0]`);
    if (socks[`${name}[0].name`] === 'socks') return { socks };
    throw new OptionError(`${name}[0].name must be "socks", got ${kindOf(socks[`${name}[0].name`])}`);
  }
  if (items.length === 1 && first === 'raw') {
    if (!webSocket) return { spoken: ['raw'] };
    throw new OptionError(`${name} must not be ["raw"] where a WebSocket is opened`);
  }
  const list = httpNames(value);
  if (list === undefined) {
    const rule = items.some((item) => item === 'raw' || typeof item === 'object')
      ? 'have "raw" or a SOCKS server alone'
      : 'be some of ["http2","http"], each once, or ["raw"], or one SOCKS server';
    throw new OptionError(`${name} must ${rule}, got ${shown(value)}`);
  }
  // There is no ALPN to choose between them.
  if (!secure && list.length > 1) {
    throw new OptionError(`${name} must be one where there is no TLS, got ${describe(list)}`);
  }
  return { spoken: list };
}

/** Names of HTTP, each once; undefined: it is anything else. @internal */
export function httpNames(value: unknown): readonly Spoken[] | undefined {
  const items: readonly unknown[] = Array.isArray(value) ? [...value] : [];
  const list = items.filter((item) => item === 'http' || item === 'http2');
  const all = list.length > 0 && list.length === items.length && new Set(list).size === list.length;
  return all ? list : undefined;
}

/** What was given in place of names; it may be an object with a password in it. @internal */
export function shown(value: unknown): string {
  const names = !Array.isArray(value) || value.every((item) => typeof item === 'string');
  return names ? describe(value) : kindOf(value);
}

function speaking(leg: Bare, protocols: readonly Spoken[]): Leg {
  if (protocols[0] !== 'raw') return { ...leg, protocols };
  // Nothing of HTTP is there.
  const scheme = leg.transport === 'tls' ? 'tls' : 'tcp';
  return { ...leg, origin: `${scheme}://${hostAndPort(leg)}`, protocols };
}

// ── connect() and raw() ─────────────────────────────────────────────────────────────────────────────────────

/** What connect() comes down to. @internal */
export interface CheckedTunnel extends CheckedRequest {
  readonly road: Road;
}

const REFERENCE_NAMES = ['flow', 'replyTo', 'signal', 'tunnel'] as const;
const LEG_NAMES = ['protocols', 'tls', 'connectTimeout', 'tlsTimeout'] as const;
const TUNNEL_NAMES: ReadonlySet<string> = new Set([
  ...REFERENCE_NAMES,
  ...LEG_NAMES,
  ...['headers', 'username', 'password'],
]);
const RAW_NAMES: ReadonlySet<string> = new Set([...REFERENCE_NAMES, 'halfOpen']);
const DESTINATION_NAMES: ReadonlySet<string> = new Set([...LEG_NAMES, 'host', 'port', 'transport']);

/** Checks what connection.connect() is given. @throws {OptionError} naming the option and the value. @internal */
export function checkTunnel(
  destination: string | URL | Destination,
  options: TunnelOptions | undefined,
  settings: Settings,
): CheckedTunnel {
  const given = own(options, TUNNEL_NAMES, '');
  const road = checkDestination(destination, given, settings);
  const first = firstLeg(road);
  const { flow } = given;
  return {
    request: {
      method: 'CONNECT',
      // RFC 9110 §9.3.6: "only the host and port of the tunnel destination", "the port number is always sent".
      path: hostAndPort(first),
      headers: checkConnectHeaders(given),
      timeouts: { ...NO_TIMEOUTS, headersTimeout: first.connectTimeout },
      ...(flow !== undefined && { flow: checkCount(given, 'flow') }),
    },
    road,
    ...checkReferences(given),
  };
}

/** Checks what connection.raw() is given. @throws {OptionError} naming the option and the value. @internal */
export function checkRaw(options: RawOptions | undefined, settings: Settings): CheckedRequest {
  const given = own(options, RAW_NAMES, '');
  const { flow } = given;
  const references = checkReferences(given);
  if (references.tunnel === undefined && settings.http.protocols[0] !== 'raw') {
    throw new OptionError(
      `raw() must have a tunnel where protocols is no ["raw"], got ${describe(settings.http.protocols)}`,
    );
  }
  return {
    request: {
      ...{ method: 'RAW', path: '', headers: [], streamed: true, timeouts: NO_TIMEOUTS },
      ...(flag(given, 'halfOpen', false) && { halfOpen: true }),
      ...(flow !== undefined && { flow: checkCount(given, 'flow') }),
    },
    ...references,
  };
}

const NO_TIMEOUTS: Timeouts = { requestTimeout: 0, headersTimeout: 0, idleTimeout: 0, continueTimeout: 0 };

function checkReferences(given: Given): Omit<CheckedRequest, 'request'> {
  return {
    replyTo: checkReplyTo(given['replyTo']),
    signal: checkSignal(given['signal']),
    declared: undefined,
    tunnel: checkTunnelReference(given['tunnel']),
  };
}

function checkDestination(destination: unknown, options: Given, settings: Settings): Road {
  const { connectTimeout, tlsTimeout } = settings;
  const plain = { connectTimeout, tlsTimeout, webSocket: false };
  if (typeof destination === 'string' || destination instanceof URL) {
    const { webSocket, ...place } = checkUrl(destination, 'destination', WEB);
    checkBare(place, 'destination');
    if (place.credentials) {
      throw new OptionError('destination must have no user name and password: they are options of the proxy');
    }
    const standards = { ...plain, webSocket };
    const leg = bareLeg({ ...place, webSocket: false }, options, '', standards);
    return checkRoad(leg, { name: 'protocols', value: options['protocols'] }, standards);
  }
  if (typeof destination !== 'object' || destination === null) {
    throw new OptionError(`destination must be a URL or { host, port, … }, got ${kindOf(destination)}`);
  }
  const given = within(destination, DESTINATION_NAMES, 'destination');
  const twice = LEG_NAMES.find((name) => options[name] !== undefined);
  if (twice) throw new OptionError(`${twice} must stand in the destination where that is an object`);
  const place = checkEndpoint(given, 'destination');
  checkBehind(place, 'destination.host', 'connect');
  const leg = bareLeg(place, given, 'destination', plain);
  const name = 'destination.protocols';
  return checkRoad(leg, { name, value: given[name] }, plain);
}

/** That a URL leads to a place and no further. @throws {OptionError} @internal */
export function checkBare({ path }: { readonly path: string }, name: string): void {
  if (path !== '/') throw new OptionError(`${name} must have no path and no query`);
}

function checkConnectHeaders(given: Given): readonly string[] {
  const headers = withoutLengths(checkHeaders(given['headers']));
  const { username, password } = given;
  if (username === undefined && password === undefined) return headers;
  const user = secret(given, 'username');
  const credentials = { username: user, password: password === undefined ? '' : secret(given, 'password') };
  const authorization = basic(credentials, 'connect()');
  return authorized(headers, authorization);
}

/** With what a proxy is to know us by, if the user has not said it otherwise. @internal */
export function authorized(headers: readonly string[], authorization: string): readonly string[] {
  if (namesIn(headers).has('proxy-authorization')) return headers;
  return [...headers, 'proxy-authorization', authorization];
}

/** RFC 9110 §9.3.6: "A CONNECT request message does not have content". Gun leaves out what would say that it has. */
function withoutLengths(headers: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (name !== 'content-length' && name !== 'transfer-encoding') kept.push(name, headers[i + 1] ?? '');
  }
  return kept;
}
