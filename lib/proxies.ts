// proxies — the `proxy` option becomes the hops of a connection's road.
// Called by settings.ts, in the thread that opens the connection; the environment is read there, at the call.
// Invariant: user name and password leave here in a hop's headers (Basic) or credentials (RFC 1929) and nowhere else:
// neither in a leg's origin nor in messages.
// Source: RFC 9110 §9.3.6, §11.7.2 (Proxy-Authorization); RFC 1928, RFC 1929; curl's and proxy-from-env's variables.

import { createRequire } from 'node:module';
import { type Given, kindOf, NOTHING, within } from './checks.ts';
import { OptionError } from './errors.ts';
import { checkHeaders, NOT_GIVEN } from './httpsettings.ts';
import { type Hop, hostAndPort, type Spoken } from './httpwire.ts';
import {
  authorized,
  bareLeg,
  checkBare,
  checkBehind,
  httpNames,
  MOST_HOPS,
  type Standards,
  shown,
  socksHop,
} from './roads.ts';
import { basic, checkUrl, type Place, type Schemes } from './target.ts';

const require = createRequire(import.meta.url);

const PROXIES: Schemes = new Map([
  ['http:', 80],
  ['https:', 443],
  ['socks5:', 1080],
  // As curl has it for names that the proxy resolves, which is how both are understood here.
  ['socks5h:', 1080],
]);

const ENDPOINT_NAMES: ReadonlySet<string> = new Set([
  ...['url', 'headers', 'tls', 'protocols', 'connectTimeout', 'tlsTimeout'],
]);

/** What `proxy` says of the way to `target`, in the order that bytes pass it. @throws {OptionError} @internal */
export function checkProxies(value: unknown, target: Place, standards: Standards): readonly Hop[] {
  if (value === undefined || value === false) return [];
  const hops = value === 'env' ? ofEnvironment(target, standards) : ofOption(value, standards);
  for (const [i, { kind }] of hops.entries()) {
    const next = hops[i + 1];
    checkBehind(next?.leg ?? target, next ? `the host of proxy[${i + 1}]` : 'the host of target', kind);
  }
  return hops;
}

function ofOption(value: unknown, standards: Standards): readonly Hop[] {
  if (!Array.isArray(value)) return [checkProxy(value, 'proxy', standards)];
  const list: readonly unknown[] = [...value];
  if (list.length === 0 || list.length > MOST_HOPS) {
    throw new OptionError(`proxy must be of 1 to ${MOST_HOPS} proxies, got ${list.length}`);
  }
  return list.map((item, i) => checkProxy(item, `proxy[${i}]`, standards));
}

function checkProxy(value: unknown, name: string, standards: Standards): Hop {
  if (typeof value === 'string' || value instanceof URL) {
    return hopOf(checkUrl(value, name, PROXIES), NOTHING, name, standards);
  }
  if (typeof value !== 'object' || value === null) {
    const others = name === 'proxy' ? ', "env" or false' : '';
    throw new OptionError(`${name} must be a URL, { url, … }${others}, got ${kindOf(value)}`);
  }
  const given = within(value, ENDPOINT_NAMES, name);
  const url = given[`${name}.url`];
  if (typeof url === 'string' || url instanceof URL) {
    return hopOf(checkUrl(url, `${name}.url`, PROXIES), given, name, standards);
  }
  throw new OptionError(`${name}.url must be a URL, got ${kindOf(url)}`);
}

/** `given`: what is said of it beside its URL, within `name`. */
function hopOf(place: Place, given: Given, name: string, standards: Standards): Hop {
  checkBare(place, name);
  if (place.scheme.startsWith('socks')) return socksOf(place, given, name, standards);
  const leg = bareLeg(place, given, name, standards);
  const headers = checkHeaders(given[`${name}.headers`], NOT_GIVEN, `${name}.headers`);
  const authorization = place.credentials && basic(place.credentials, name);
  return {
    leg: {
      ...leg,
      origin: `http${place.secure ? 's' : ''}://${hostAndPort(place)}`,
      protocols: checkSpoken(given[`${name}.protocols`], `${name}.protocols`, place.secure),
    },
    kind: 'connect',
    headers: authorization === undefined ? headers : authorized(headers, authorization),
    credentials: undefined,
  };
}

function socksOf(place: Place, given: Given, name: string, standards: Standards): Hop {
  for (const option of ['headers', 'protocols']) {
    if (given[`${name}.${option}`] === undefined) continue;
    throw new OptionError(`${name}.${option} must be left out for a SOCKS server`);
  }
  const secure = given[`${name}.tls`] !== undefined;
  return socksHop(bareLeg({ ...place, secure }, given, name, standards), place.credentials, name);
}

function checkSpoken(value: unknown, name: string, secure: boolean): readonly Spoken[] {
  if (value === undefined) return ['http'];
  const list = httpNames(value);
  if (list && (secure || list.length === 1)) return list;
  const rule = secure ? 'some of ["http2","http"], each once' : '["http"] or ["http2"] where there is no TLS';
  throw new OptionError(`${name} must be ${rule}, got ${shown(value)}`);
}

// ── the environment ─────────────────────────────────────────────────────────────────────────────────────────

/** What the variables say: `NO_PROXY` as proxy-from-env reads it, then the one for the scheme, then `ALL_PROXY`; names in
 *  lower case win. ws: is http: here, and wss: https:, as a WebSocket begins as a request of theirs. */
function ofEnvironment({ secure, authority }: Place, standards: Standards): readonly Hop[] {
  const scheme = secure ? 'https' : 'http';
  // Loaded when it is asked for.
  const { getProxyForUrl }: typeof import('proxy-from-env') = require('proxy-from-env');
  if (getProxyForUrl(`${scheme}://${authority}/`) === '') return [];
  for (const lower of [`${scheme}_proxy`, 'all_proxy']) {
    for (const name of [lower, lower.toUpperCase()]) {
      const value = process.env[name];
      if (value === undefined || value === '') continue;
      // CGI gives a program the Proxy header of a request as HTTP_PROXY: anybody could send it there (CVE-2016-5385).
      if (name === 'HTTP_PROXY' && process.env['REQUEST_METHOD'] !== undefined) continue;
      // As curl has it: a proxy without a scheme is spoken to in the clear, whatever goes through it.
      const url = value.includes('://') ? value : `http://${value}`;
      return [checkProxy(url, `proxy (${name} in the environment)`, standards)];
    }
  }
  return [];
}
