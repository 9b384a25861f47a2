// renewal — what a hook gives for one attempt is checked, and laid over the settings of its connection.
// Called at the owner for its `renew`, and beside the socket for a module's and for handlers; applied by workers/process.ts.
// Invariant: what leaves `checkRenewal` can be posted; what is made of it was checked as the options were; proxies, TLS
// options and the unix socket stay. No message shows a path, a query or a password.
// Source: lib/settings.ts, whose rules for a URL these are.

import { headerList, mergeHeaders, tokens, within } from './checks.ts';
import { describe, OptionError } from './errors.ts';
import type { HttpSettings } from './httpwire.ts';
import type { RenewalRecord } from './retrywire.ts';
import { basic, checkUrl, type Place, WEB } from './target.ts';
import type { Settings } from './wire.ts';

const NAMES: ReadonlySet<string> = new Set(['url', 'headers', 'subprotocols']);

/** What a hook gave, as plain data; undefined: nothing. @throws {OptionError} @internal */
export function checkRenewal(value: unknown): RenewalRecord | undefined {
  if (value === undefined) return undefined;
  const given = within(value, NAMES, 'renewal');
  const url = given['renewal.url'];
  if (url !== undefined && typeof url !== 'string' && !(url instanceof URL)) {
    throw new OptionError(`renewal.url must be a URL, got ${describe(url)}`);
  }
  const headers = headerList(given['renewal.headers'], undefined, 'renewal.headers');
  const asked = given['renewal.subprotocols'];
  const subprotocols = asked === undefined ? undefined : tokens(given, 'renewal.subprotocols', []);
  if (url !== undefined) checkUrl(url, 'renewal.url', WEB);
  return { url: url instanceof URL ? url.href : url, headers, subprotocols };
}

/** The settings of an attempt: what was renewed, laid over those of its connection in this order.
 *  @throws {OptionError} @internal */
export function renewed(settings: Settings, renewals: readonly RenewalRecord[]): Settings {
  let result = settings;
  for (const one of renewals) result = laidOver(result, one, settings);
  return result;
}

function laidOver(
  settings: Settings,
  { url, headers, subprotocols }: RenewalRecord,
  given: Settings,
): Settings {
  const led = url === undefined ? settings : ledTo(checkUrl(url, 'renewal.url', WEB), settings, given);
  if (headers.length === 0 && subprotocols === undefined) return led;
  const { ws, http } = led;
  return {
    ...led,
    ws: {
      ...ws,
      headers: mergeHeaders(ws.headers, headers),
      subprotocols: subprotocols ?? ws.subprotocols,
    },
    http: withHeaders(http, headers),
  };
}

function ledTo(place: Place, settings: Settings, given: Settings): Settings {
  const { secure, webSocket, host, port, authority, path, credentials } = place;
  if (settings.ws.spans && !webSocket) {
    throw new OptionError(`renewal.url must be a ws: or wss: URL, got ${describe(place.scheme)}`);
  }
  // RFC 1928 §5, as lib/roads.ts has it.
  if (settings.hops.at(-1)?.kind === 'socks' && host.length > 255) {
    throw new OptionError(`renewal.url must have a host of at most 255 bytes for SOCKS, got ${host.length}`);
  }
  const urlAuthorization = credentials && basic(credentials, 'renewal.url');
  const authorization = urlAuthorization && ['Authorization', urlAuthorization];
  const isElsewhere = host !== settings.host || port !== settings.port || secure !== !!settings.tls;
  const { ws, http, socketPath } = isElsewhere ? withoutUser(settings) : settings;
  return {
    ...settings,
    urlAuthorization: urlAuthorization ?? (isElsewhere ? undefined : settings.urlAuthorization),
    transport: socketPath !== undefined ? 'unix' : secure ? 'tls' : 'tcp',
    host,
    port,
    origin: `${webSocket ? 'ws' : 'http'}${secure ? 's' : ''}://${authority}`,
    authority,
    tls: secure ? tlsFor(place, given) : undefined,
    checkServerIdentity: secure ? given.checkServerIdentity : undefined,
    ws: {
      ...ws,
      path,
      secretPath: true,
      headers: authorization ? mergeHeaders(ws.headers, authorization) : ws.headers,
    },
    http: {
      ...(authorization ? withHeaders(http, authorization) : http),
      // Without TLS there is no ALPN to choose by.
      protocols: !secure && http.protocols.length > 1 ? ['http'] : http.protocols,
    },
  };
}

/** User name and password of a URL are for its own host and port, and for TLS where it says so: they go nowhere else. */
function withoutUser(settings: Settings): Settings {
  const { ws, http, urlAuthorization } = settings;
  if (urlAuthorization === undefined) return settings;
  const without = (headers: readonly string[]): readonly string[] =>
    headers.filter((_, i) => {
      const [name = '', value] = headers.slice(i - (i % 2), i - (i % 2) + 2);
      return name.toLowerCase() !== 'authorization' || value !== urlAuthorization;
    });
  const headers = without(ws.headers);
  return { ...settings, ws: { ...ws, headers }, http: { ...http, headers: without(http.headers) } };
}

/** Where the options had no TLS, it verifies as it does by default. A session is of the host that it was made with. */
function tlsFor({ host, port }: Place, given: Settings): NonNullable<Settings['tls']> {
  const { tls = { rejectUnauthorized: true } } = given;
  if (!('session' in tls) || (host === given.host && port === given.port)) return tls;
  const { session: _, ...rest } = tls;
  return rest;
}

function withHeaders(http: HttpSettings, headers: readonly string[]): HttpSettings {
  const lower = headers.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
  return { ...http, headers: mergeHeaders(http.headers, lower) };
}

/** Where an attempt leads, for hooks. @internal */
export function urlOf({ origin, ws }: Settings): string {
  return origin.replace(/^http/, ws.spans ? 'ws' : 'http') + ws.path;
}
