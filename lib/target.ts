// target — where a connection goes: a URL, or host, port and transport, taken apart and checked.
// Called by settings.ts.
// Invariant: user name and password leave here as a header value and nowhere else: neither in what is shown nor in messages.
// Unix sockets are never taken from a URL: a redirect or a config file could name one.
// Source: WHATWG URL; RFC 6455 §3 (ws URIs), RFC 7617 (Basic); Gun open/3 (TLS when the port is 443).

import { isIP, isIPv6 } from 'node:net';
import { type Given, integer, oneOf, own, parseUrl } from './checks.ts';
import { describe, OptionError } from './errors.ts';

/** Where to connect to, without a URL. `transport` is by default `'tls'` on port 443 and `'tcp'` on others. Source: Gun open/3. */
export interface Endpoint {
  host: string;
  port: number;
  transport?: 'tcp' | 'tls' | undefined;
}

/** What a target comes down to. @internal */
export interface Place {
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
  /** Value of an Authorization header, from the URL's user name and password. */
  readonly authorization: string | undefined;
}

/** Takes a target apart. @throws {OptionError} @internal */
export function checkTarget(target: unknown): Place {
  if (target instanceof URL) return fromUrl(target.href);
  if (typeof target === 'string') return fromUrl(target);
  if (typeof target === 'object' && target !== null)
    return fromEndpoint(own(target, ENDPOINT_NAMES, 'target'));
  throw new OptionError(`target must be a URL or { host, port, transport }, got ${describe(target)}`);
}
const ENDPOINT_NAMES: ReadonlySet<string> = new Set(['host', 'port', 'transport']);

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

function fromUrl(text: string): Place {
  const url = parseUrl(text);
  if (!url) throw new OptionError(`target must be an absolute URL, got ${redacted(text)}`);
  const { protocol } = url;
  if (!['ws:', 'wss:', 'http:', 'https:'].includes(protocol)) {
    throw new OptionError(`target must be a ws:, wss:, http: or https: URL, got ${describe(protocol)}`);
  }
  // RFC 6455 §3. An empty fragment shows in href only.
  if (url.href.includes('#')) throw new OptionError(`target must not have a fragment, got ${redacted(text)}`);
  const secure = protocol === 'wss:' || protocol === 'https:';
  return {
    secure,
    webSocket: protocol === 'ws:' || protocol === 'wss:',
    host: unbracketed(url.hostname),
    port: url.port === '' ? (secure ? 443 : 80) : portOf(Number(url.port)),
    authority: url.host,
    path: checkPath(url.pathname + url.search),
    authorization: url.username === '' && url.password === '' ? undefined : basic(url),
  };
}

function fromEndpoint(given: Given): Place {
  const { host } = given;
  if (given['port'] === undefined)
    throw new OptionError('target.port must be an integer from 1 to 65535, got undefined');
  const port = integer(given, 'port', 0, [1, 65_535]);
  const standard = port === 443 ? 'tls' : 'tcp';
  const secure = oneOf(given, 'transport', standard === 'tls' ? ['tls', 'tcp'] : ['tcp', 'tls']) === 'tls';
  const name = typeof host === 'string' ? unbracketed(host) : '';
  // A zone id (fe80::1%eth0) is for this machine only: it has no place in a URL or in the Host header.
  const bare = isIPv6(name) ? `[${name.replace(/%.*$/, '')}]` : name;
  // The separators of a URL would end the name and start something else.
  const url = parseUrl(`http://${bare}:1/`);
  if (bare === '' || /[/\\?#@\s]/.test(bare) || !url) {
    throw new OptionError(`target.host must be a host name or an IP address, got ${describe(host)}`);
  }
  const authority = port === (secure ? 443 : 80) ? url.hostname : `${url.hostname}:${port}`;
  const shown = unbracketed(url.hostname);
  const rest = { port, authority, path: '/', authorization: undefined };
  return { secure, webSocket: false, host: isIP(name) ? name : shown, ...rest };
}

function portOf(port: number): number {
  if (port > 0) return port;
  throw new OptionError(`target must have a port from 1 to 65535, got ${port}`);
}

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

function basic(url: URL): string {
  try {
    const user = decodeURIComponent(url.username);
    // RFC 7617 §2: "a user-id containing a colon character is invalid".
    if (user.includes(':')) throw new OptionError('target must have a user name without a colon');
    return `Basic ${Buffer.from(`${user}:${decodeURIComponent(url.password)}`).toString('base64')}`;
  } catch (error) {
    if (error instanceof OptionError) throw error;
    // The URIError has no text of ours in it; the message must not show the credentials.
    throw new OptionError('target must have a user name and password in valid percent-encoding');
  }
}

/** A URL without what may be secret in it: credentials, query and fragment. */
function redacted(text: string): string {
  const end = text.search(/[?#]/);
  const short = end === -1 ? text : `${text.slice(0, end)}…`;
  const at = short.lastIndexOf('@');
  return describe(at === -1 ? short : `…${short.slice(at)}`);
}
