// settings — user options become Settings: checked at once, complete, and plain data that can be posted.
// Called by connect, open and wsUpgrade, before anything is started; options.ts has the defaults in words.
// Invariant: whatever leaves here survives structured clone unchanged and shares no memory with the caller.
// Options are read by own property only. Functions that must run beside the socket leave as module references;
// retryFun alone may stay a function: it is asked across the port.
// Source: Gun's opts() and ws_opts().

import { isIP } from 'node:net';
import {
  checkSignal,
  flag,
  type Given,
  headerList,
  integer,
  LONGEST,
  mergeHeaders,
  moduleReference,
  oneOf,
  own,
  tokens,
} from './checks.ts';
import { describe, OptionError } from './errors.ts';
import { checkHttp, HTTP_OPTIONS } from './httpsettings.ts';
import type { OpenOptions, WsOptions } from './options.ts';
import { checkPath, checkTarget, type Endpoint, type Place } from './target.ts';
import { checkTls } from './tls.ts';
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
];

/** The names in OpenOptions. What else a caller reads itself (`pool`) is its business. @internal */
export const OPEN_OPTIONS: readonly string[] = [
  ...WS_OPTIONS,
  ...HTTP_OPTIONS,
  'tls',
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
  'retry',
  'retryTimeout',
  'retryFun',
  'onOwnerDown',
  'isolated',
  'signal',
];

/** What a connection is opened to. @internal */
export type OpenTarget = string | URL | Endpoint;

/** What checkOpen makes of a target and its options. @internal */
export interface CheckedOpen {
  readonly settings: Settings;
  readonly isolated: boolean;
  readonly signal: AbortSignal | undefined;
  /** The user's function; `settings.retryFun` is `'ask'` then. */
  readonly retryFun: Extract<OpenOptions['retryFun'], (...args: never[]) => unknown> | undefined;
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
  const time = (name: string, standard: number) => integer(given, name, standard, [1, LONGEST]);
  const retryFun = given['retryFun'];
  const socketPath = checkSocketPath(given['socketPath']);
  const ws = checkWsGiven(given, standardWs(place, connect));
  const settings: Settings = {
    transport: socketPath === undefined ? (place.secure ? 'tls' : 'tcp') : 'unix',
    host: place.host,
    port: place.port,
    origin: `${place.webSocket ? 'ws' : 'http'}${place.secure ? 's' : ''}://${place.authority}`,
    authority: place.authority,
    socketPath,
    localAddress: checkAddress(given['localAddress']),
    family: oneOf<0 | 4 | 6>(given, 'family', [0, 4, 6]),
    noDelay: flag(given, 'noDelay', true),
    lookup: moduleReference(given['lookup'], 'lookup'),
    ...checkTls(given['tls'], place.secure),
    maxBuffered: integer(given, 'maxBuffered', 16_777_216, [1, Number.MAX_SAFE_INTEGER]),
    maxHeaderSize: integer(given, 'maxHeaderSize', 100_000, [1, LONGEST]),
    lookupTimeout: time('lookupTimeout', 5_000),
    connectTimeout: time('connectTimeout', 10_000),
    tlsTimeout: time('tlsTimeout', 10_000),
    retry: given['retry'] === Infinity ? Infinity : integer(given, 'retry', 5, [0, Number.MAX_SAFE_INTEGER]),
    retryFirst: !connect || given['retry'] !== undefined,
    retryTimeout:
      given['retryTimeout'] === undefined ? undefined : integer(given, 'retryTimeout', 0, [0, LONGEST]),
    retryFun: typeof retryFun === 'function' ? 'ask' : moduleReference(retryFun, 'retryFun'),
    onOwnerDown: oneOf<'shutdown' | 'rehome'>(given, 'onOwnerDown', ['shutdown', 'rehome']),
    ws,
    http: checkHttp(given, { secure: place.secure, webSocket: place.webSocket || connect }, ws),
  };
  return {
    settings,
    isolated: flag(given, 'isolated', false),
    signal: checkSignal(given['signal']),
    // It is a function; what it answers is checked where it is used (protocol/retry.ts).
    retryFun: typeof retryFun === 'function' ? (retryFun as NonNullable<CheckedOpen['retryFun']>) : undefined,
  };
}

/** Checks what wsUpgrade() is given and lays it over the connection's own WebSocket options; headers by name.
 *  @throws {OptionError} naming the option and the value. @internal */
export function checkWs(
  path: string,
  options: WsOptions | undefined,
  defaults: Settings,
  extra: readonly string[] = [],
): WsSettings {
  const given = own(options, new Set([...WS_OPTIONS, ...extra]), '');
  return checkWsGiven(given, { ...defaults.ws, path: checkPath(path), spans: false });
}

function standardWs(place: Place, connect: boolean): WsSettings {
  return {
    path: place.path,
    headers: place.authorization === undefined ? [] : ['Authorization', place.authorization],
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
  if (value !== true && (typeof value !== 'object' || value === null)) {
    throw new OptionError(`compress must be true, false or an object, got ${describe(value)}`);
  }
  const raw = own(value === true ? undefined : value, COMPRESS_NAMES, 'compress');
  // Messages name the whole option: compress.level, not level.
  const given: Given = Object.fromEntries(
    Object.entries(raw).map(([name, item]) => [`compress.${name}`, item]),
  );
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
