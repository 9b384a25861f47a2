// target — where something is: a URL, or host, port and transport, taken apart and checked.
// Called by settings.ts (where a connection goes), roads.ts (destinations) and proxies.ts.
// Invariant: user name and password leave here in `credentials` and nowhere else: neither in what is shown nor in messages.
// Unix sockets are never taken from a URL: a redirect or a config file could name one.
// Source: WHATWG URL; RFC 6455 §3 (ws URIs), RFC 7617 (Basic); Gun open/3 (TLS when the port is 443).

import { isIP, isIPv6 } from 'node:net';
import { type Given, integer, oneOf, parseUrl, within } from './checks.ts';
import { describe, OptionError } from './errors.ts';

/** Where to connect to, without a URL. `transport` is by default `'tls'` on port 443 and `'tcp'` on others. Source: Gun open/3. */
export interface Endpoint {
  host: string;
  port: number;
  transport?: 'tcp' | 'tls' | undefined;
}

/** What a target comes down to. @internal */
export interface Place {
  /** Of the URL: `wss:`. */
  readonly scheme: string;
  readonly secure: boolean;
  /** A ws: or wss: URL: for WebSockets and nothing else. */
  readonly webSocket: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** The Host header's value: brackets, and no port where it is the default. */
  readonly authority: string;
  /** With its query. */
  readonly path: string;
  /** Of the URL, percent-decoded. */
  readonly credentials: Credentials | undefined;
}

/** Whom a server or a proxy is told that we are. @internal */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Takes a target apart. @throws {OptionError} @internal */
export function checkTarget(target: unknown): Place {
  if (target instanceof URL || typeof target === 'string') return checkUrl(target, 'target', WEB);
  if (typeof target === 'object' && target !== null)
    return checkEndpoint(within(target, ENDPOINT_NAMES, 'target'), 'target');
  throw new OptionError(`target must be a URL or { host, port, transport }, got ${describe(target)}`);
}
const ENDPOINT_NAMES: ReadonlySet<string> = new Set(['host', 'port', 'transport']);

/** The default ports of some schemes. @internal */
export type Schemes = ReadonlyMap<string, number>;

/** What is spoken to servers. @internal */
export const WEB: Schemes = new Map([
  ['ws:', 80],
  ['wss:', 443],
  ['http:', 80],
  ['https:', 443],
]);

/** Takes a URL of one of these schemes apart. `name`: which of the options it is. @throws {OptionError} @internal */
export function checkUrl(value: string | URL, name: string, schemes: Schemes): Place {
  const text = typeof value === 'string' ? value : value.href;
  const url = parseUrl(text);
  if (!url) throw new OptionError(`${name} must be an absolute URL, got ${redacted(text)}`);
  const { protocol } = url;
  const standard = schemes.get(protocol);
  if (standard === undefined) {
    // `user:password@host` is a URL whose scheme is the user.
    const shown = text.includes('@') ? redacted(text) : describe(protocol);
    throw new OptionError(`${name} must be a ${either([...schemes.keys()])} URL, got ${shown}`);
  }
  // RFC 6455 §3. An empty fragment shows in href only.
  if (url.href.includes('#')) {
    throw new OptionError(`${name} must not have a fragment, got ${redacted(text)}`);
  }
  const secure = protocol === 'wss:' || protocol === 'https:';
  // What WHATWG URL calls no special scheme, as socks5:, has a host that is as it was written.
  const host = WEB.has(protocol) ? url.hostname : hostOf(url.hostname);
  if (host === undefined) throw new OptionError(`${name} must have a host, got ${redacted(text)}`);
  const port = url.port === '' ? standard : Number(url.port);
  if (port === 0) throw new OptionError(`${name} must have a port from 1 to 65535, got 0`);
  return {
    scheme: protocol,
    secure,
    webSocket: protocol === 'ws:' || protocol === 'wss:',
    host: unbracketed(host),
    port,
    authority: port === standard ? host : `${host}:${port}`,
    path: checkPath(`${url.pathname || '/'}${url.search}`),
    credentials: credentialsOf(url, name),
  };
}

/** Takes host, port and transport as they are given within `name`. @throws {OptionError} @internal */
export function checkEndpoint(given: Given, name: string): Place {
  const asked = given[`${name}.host`];
  if (given[`${name}.port`] === undefined)
    throw new OptionError(`${name}.port must be an integer from 1 to 65535, got undefined`);
  const port = integer(given, `${name}.port`, 0, [1, 65_535]);
  const standard = port === 443 ? 'tls' : 'tcp';
  const secure =
    oneOf(given, `${name}.transport`, standard === 'tls' ? ['tls', 'tcp'] : ['tcp', 'tls']) === 'tls';
  const written = typeof asked === 'string' ? unbracketed(asked) : '';
  // A zone id (fe80::1%eth0) is for this machine only: it has no place in a URL or in the Host header.
  const bare = isIPv6(written) ? `[${written.replace(/%.*$/, '')}]` : written;
  const host = hostOf(bare);
  if (host === undefined) {
    // Whoever takes a URL apart by hand may have left a password in it.
    const shown = typeof asked === 'string' ? redacted(asked) : describe(asked);
    throw new OptionError(`${name}.host must be a host name or an IP address, got ${shown}`);
  }
  return {
    ...{ scheme: secure ? 'https:' : 'http:', secure, webSocket: false },
    ...{ port, path: '/', credentials: undefined },
    host: isIP(written) ? written : unbracketed(host),
    authority: port === (secure ? 443 : 80) ? host : `${host}:${port}`,
  };
}

/** A host as a URL has it, with brackets; undefined: it is none. */
function hostOf(written: string): string | undefined {
  // The separators of a URL would end the name and start something else.
  if (written === '' || /[/\\?#@\s]/.test(written)) return undefined;
  return parseUrl(`http://${written}:1/`)?.hostname;
}

/** Of the Authorization and Proxy-Authorization headers. @throws {OptionError} @internal */
export function basic({ username, password }: Credentials, name: string): string {
  // RFC 7617 §2: "a user-id containing a colon character is invalid".
  if (username.includes(':')) throw new OptionError(`${name} must have a user name without a colon`);
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** A request target: path and query, ready for the wire. @throws {OptionError} @internal */
export function checkPath(path: unknown): string {
  if (typeof path !== 'string' || !path.startsWith('/')) {
    throw new OptionError(`path must be a string that starts with /, got ${describe(path)}`);
  }
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    // RFC 6455 §3: fragment identifiers "MUST NOT be used on these URIs".
    if (code <= 0x20 || code >= 0x7f || code === 0x23) {
      const shown = code.toString(16).padStart(2, '0');
      throw new OptionError(
        `path must be visible ASCII without a fragment, got character 0x${shown} at ${i}`,
      );
    }
  }
  return path;
}

function credentialsOf(url: URL, name: string): Credentials | undefined {
  if (url.username === '' && url.password === '') return undefined;
  try {
    return { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  } catch {
    // The URIError has no text of ours in it; the message must not show the credentials.
    throw new OptionError(`${name} must have a user name and password in valid percent-encoding`);
  }
}

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

function either(list: readonly string[]): string {
  return `${list.slice(0, -1).join(', ')} or ${list.at(-1)}`;
}

/** A URL without what may be secret in it: credentials, query and fragment. */
function redacted(text: string): string {
  const end = text.search(/[?#]/);
  const short = end === -1 ? text : text.slice(0, end);
  // An @ behind ? or # may be the end of a password that has one of them in it.
  if (text.includes('@', short.length)) {
    return describe(`${/^[a-z][a-z\d+.-]*:\/\//i.exec(text)?.[0] ?? ''}…`);
  }
  const at = short.lastIndexOf('@');
  return describe(`${at === -1 ? short : `…${short.slice(at)}`}${end === -1 ? '' : '…'}`);
}
