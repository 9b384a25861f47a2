// settings — user options become Settings: checked at once, complete, and plain data that can be posted.
// Called by connect, open and wsUpgrade, before anything is started; options.ts has the defaults in words.
// Invariant: whatever leaves here survives structured clone unchanged and shares no memory with the caller.
// Options are read by own property only. Functions that must run beside the socket leave as module references;
// retryFun and renew may stay functions: they are asked across the port.
// Source: Gun's opts() and ws_opts().

import { isIP } from 'node:net';
import type { AdviceFunctions } from './advice.ts';
import {
  checkSignal,
  flag,
  type Given,
  headerList,
  integer,
  LONGEST,
  mergeHeaders,
  moduleReference,
  NOTHING,
  oneOf,
  own,
  tokens,
  within,
} from './checks.ts';
import { checkCookies } from './cookies/cookies.ts';
import { describe, OptionError } from './errors.ts';
import { type CheckedHandler, checkHandler } from './handlersettings.ts';
import { checkHttp, checkTunnelReference, HTTP_OPTIONS } from './httpsettings.ts';
import type { Hop, Leg } from './httpwire.ts';
import type { OpenOptions, UpgradeOptions } from './options.ts';
import { checkProxies } from './proxies.ts';
import { checkRetry, RETRY_OPTIONS } from './retrysettings.ts';
import { bareLeg, checkBare, checkRoad, type Standards } from './roads.ts';
import { basic, checkPath, checkTarget, type Endpoint, type Place } from './target.ts';
import type { CompressSettings, Settings, WsSettings } from './wire.ts';

/** The names in WsOptions. @internal */
export const WS_OPTIONS: readonly string[] = [
  'headers',
  'subprotocols',
  'compress',
  'maxPayload',
  'maxFragments',
  'flow',
  'upgradeTimeout',
  'keepalive',
  'pongTimeout',
  'closingTimeout',
  'handler',
];

/** The names in OpenOptions. What else a caller reads itself (`pool`) is its business. @internal */
export const OPEN_OPTIONS: readonly string[] = [
  ...WS_OPTIONS,
  ...HTTP_OPTIONS,
  ...RETRY_OPTIONS,
  'tls',
  'proxy',
  'socketPath',
  'localAddress',
  'family',
  'noDelay',
  'lookup',
  'maxBuffered',
  'maxHeaderSize',
  'lookupTimeout',
  'connectTimeout',
  'tlsTimeout',
  'onOwnerDown',
  'isolated',
  'signal',
  'cookies',
];

/** What a connection is opened to. @internal */
export type OpenTarget = string | URL | Endpoint;

/** What checkOpen makes of a target and its options. @internal */
export interface CheckedOpen {
  readonly settings: Settings;
  readonly isolated: boolean;
  readonly signal: AbortSignal | undefined;
  readonly cookies: ReturnType<typeof checkCookies>;
  /** The user's functions; of `settings`, what has the same name is `'ask'` then. */
  readonly retryFun: AdviceFunctions['retryFun'];
  readonly renew: AdviceFunctions['renew'];
  /** Of connect()'s WebSocket; of open(), of each that says nothing else. */
  readonly handling: CheckedHandler | undefined;
}

/** Checks all that open() and connect() are given. `extra`: names of options that the caller reads itself.
 *  @throws {OptionError} naming the option and the value. @internal */
export function checkOpen(
  target: OpenTarget,
  options: OpenOptions | undefined,
  connect: boolean,
  extra: readonly string[] = [],
): CheckedOpen {
  const place = checkTarget(target);
  const given = own(options, new Set([...OPEN_OPTIONS, ...extra]), '');
  const { retryFun, renew } = given;
  const way = checkWay(place, given, connect);
  const handling = checkHandler(given['handler']);
  const ws = checkWsGiven(given, standardWs(place, way, connect));
  return {
    settings: settingsOf(given, way, connect ? withHandler(ws, handling) : ws, connect),
    isolated: flag(given, 'isolated', false),
    signal: checkSignal(given['signal']),
    cookies: checkCookies(given['cookies']),
    // They are functions; what they answer is checked where it is used (protocol/retry.ts, renewal.ts).
    retryFun: typeof retryFun === 'function' ? (retryFun as AdviceFunctions['retryFun']) : undefined,
    renew: typeof renew === 'function' ? (renew as AdviceFunctions['renew']) : undefined,
    handling,
  };
}

/** Written out: a literal with `...` at its beginning has a hidden class of its own for each name behind that, each time. */
function settingsOf(
  given: Given,
  { leg, hops, socketPath, socks, authorization }: Way,
  ws: WsSettings,
  connect: boolean,
): Settings {
  const retrying = checkRetry(given, connect);
  return {
    transport: socketPath === undefined ? leg.transport : 'unix',
    host: leg.host,
    port: leg.port,
    origin: leg.origin,
    authority: leg.authority,
    urlAuthorization: authorization,
    socketPath,
    localAddress: checkAddress(given['localAddress']),
    family: oneOf<0 | 4 | 6>(given, 'family', [0, 4, 6]),
    noDelay: flag(given, 'noDelay', true),
    lookup: moduleReference(given['lookup'], 'lookup'),
    tls: leg.tls,
    checkServerIdentity: leg.checkServerIdentity,
    maxBuffered: integer(given, 'maxBuffered', 16_777_216, [1, Number.MAX_SAFE_INTEGER]),
    maxHeaderSize: integer(given, 'maxHeaderSize', 100_000, [1, LONGEST]),
    lookupTimeout: integer(given, 'lookupTimeout', 5_000, [1, LONGEST]),
    connectTimeout: leg.connectTimeout,
    tlsTimeout: leg.tlsTimeout,
    retry: retrying.retry,
    retryFirst: retrying.retryFirst,
    retryTimeout: retrying.retryTimeout,
    backoff: retrying.backoff,
    retryFun: retrying.retryFun,
    renew: retrying.renew,
    advised: retrying.advised,
    reconnectOn: retrying.reconnectOn,
    onOwnerDown: oneOf<'shutdown' | 'rehome'>(given, 'onOwnerDown', ['shutdown', 'rehome']),
    ws,
    http: checkHttp(given, leg.protocols, ws),
    hops,
    upAtFirstHop: socks,
  };
}

/** The way to the far end of a connection, and what is there. */
interface Way {
  readonly leg: Leg;
  readonly hops: readonly Hop[];
  /** Its target is a SOCKS server: the far end is behind that. */
  readonly socks: boolean;
  readonly socketPath: string | undefined;
  /** What the user name and password of the target's URL become. */
  readonly authorization: string | undefined;
}

function checkWay(place: Place, given: Given, connect: boolean): Way {
  const webSocket = place.webSocket || connect;
  const standards: Standards = {
    webSocket,
    connectTimeout: integer(given, 'connectTimeout', 10_000, [1, LONGEST]),
    tlsTimeout: integer(given, 'tlsTimeout', 10_000, [1, LONGEST]),
  };
  const protocols = { name: 'protocols', value: given['protocols'] };
  const road = checkRoad(bareLeg(place, given, '', standards), protocols, standards, place.credentials);
  const proxies = checkProxies(given['proxy'], place, standards);
  const socketPath = checkSocketPath(given['socketPath']);
  const socks = road.hops.length > 0;
  if (socks) checkBare(place, 'target');
  if (socketPath !== undefined && (socks || proxies.length > 0)) {
    throw new OptionError('socketPath must be left out where there is a proxy');
  }
  // A SOCKS server's user is told to it, not to what is behind it.
  const authorization = socks || !place.credentials ? undefined : basic(place.credentials, 'target');
  return { leg: road.leg, hops: [...proxies, ...road.hops], socks, socketPath, authorization };
}

/** What wsUpgrade() comes down to. @internal */
export interface CheckedUpgrade {
  readonly ws: WsSettings;
  /** The stream of the tunnel that it goes through. */
  readonly tunnel: number | undefined;
  readonly handling: CheckedHandler | undefined;
}

/** Checks what wsUpgrade() is given and lays it over the connection's own WebSocket options; headers by name. Through a
 *  tunnel those are another server's, and so are not sent. `standing`: the handler where it is given none.
 *  @throws {OptionError} naming the option and the value. @internal */
export function checkWs(
  path: string,
  options: UpgradeOptions | undefined,
  defaults: Settings,
  standing?: CheckedHandler | undefined,
): CheckedUpgrade {
  const given = own(options, new Set([...WS_OPTIONS, 'tunnel']), '');
  const tunnel = checkTunnelReference(given['tunnel']);
  const headers = tunnel === undefined ? defaults.ws.headers : [];
  const handling = checkHandler(given['handler']) ?? standing;
  const { handler: _, ...ws } = defaults.ws;
  const base: WsSettings = { ...ws, headers, path: checkPath(path), spans: false };
  return { ws: withHandler(checkWsGiven(given, base), handling), tunnel, handling };
}

function withHandler(ws: WsSettings, handling: CheckedHandler | undefined): WsSettings {
  return handling ? { ...ws, handler: handling.handler } : ws;
}

function standardWs(place: Place, { authorization }: Way, connect: boolean): WsSettings {
  return {
    path: place.path,
    headers: authorization === undefined ? [] : ['Authorization', authorization],
    subprotocols: [],
    compress: undefined,
    maxPayload: 104_857_600,
    maxFragments: 16_384,
    flow: undefined,
    upgradeTimeout: 10_000,
    keepalive: 30_000,
    pongTimeout: 10_000,
    closingTimeout: 15_000,
    spans: connect,
  };
}

function checkWsGiven(given: Given, base: WsSettings): WsSettings {
  const time = (name: string, standard: number, least = 1) =>
    integer(given, name, standard, [least, LONGEST]);
  return {
    ...base,
    headers: mergeHeaders(base.headers, headerList(given['headers'])),
    subprotocols: tokens(given, 'subprotocols', base.subprotocols),
    compress: given['compress'] === undefined ? base.compress : checkCompress(given['compress']),
    maxPayload: integer(given, 'maxPayload', base.maxPayload, [1, LONGEST]),
    maxFragments: integer(given, 'maxFragments', base.maxFragments, [1, LONGEST]),
    flow: given['flow'] === undefined ? base.flow : integer(given, 'flow', 1, [1, Number.MAX_SAFE_INTEGER]),
    upgradeTimeout: time('upgradeTimeout', base.upgradeTimeout),
    keepalive: time('keepalive', base.keepalive, 0),
    pongTimeout: time('pongTimeout', base.pongTimeout),
    closingTimeout: time('closingTimeout', base.closingTimeout),
  };
}

const COMPRESS_NAMES: ReadonlySet<string> = new Set([
  'serverNoContextTakeover',
  'clientNoContextTakeover',
  'serverMaxWindowBits',
  'clientMaxWindowBits',
  'threshold',
  'level',
]);

function checkCompress(value: unknown): CompressSettings | undefined {
  if (value === false) return undefined;
  if (value !== true && (typeof value !== 'object' || value === null || Array.isArray(value))) {
    throw new OptionError(`compress must be true, false or an object, got ${describe(value)}`);
  }
  const given = value === true ? NOTHING : within(value, COMPRESS_NAMES, 'compress');
  return {
    serverNoContextTakeover: flag(given, 'compress.serverNoContextTakeover', false),
    clientNoContextTakeover: flag(given, 'compress.clientNoContextTakeover', false),
    serverMaxWindowBits: integer(given, 'compress.serverMaxWindowBits', 15, [9, 15]),
    clientMaxWindowBits: integer(given, 'compress.clientMaxWindowBits', 15, [9, 15]),
    threshold: integer(given, 'compress.threshold', 1024, [0, LONGEST]),
    // -1 is zlib's own choice, Z_DEFAULT_COMPRESSION.
    level: given['compress.level'] === undefined ? -1 : integer(given, 'compress.level', 6, [0, 9]),
  };
}

function checkSocketPath(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  // sockaddr_un holds 108 bytes with the closing NUL; a longer path would name another socket. A leading NUL is
  // Linux's abstract namespace.
  if (
    typeof value === 'string' &&
    value !== '' &&
    value.indexOf('\0', 1) === -1 &&
    Buffer.byteLength(value) <= 107
  ) {
    return value;
  }
  throw new OptionError(`socketPath must be a path of 1 to 107 bytes, got ${describe(value)}`);
}

function checkAddress(value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && isIP(value) !== 0)) return value;
  throw new OptionError(`localAddress must be an IP address, got ${describe(value)}`);
}
