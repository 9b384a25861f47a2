// http2/head — the head of a request or an answer, between our lists and node:http2's objects.
// Used by http2/exchange.ts, http2/upgrade.ts and http2/driver.ts.
// Invariant: pseudo-header fields are ours alone; what HTTP/2 forbids never goes out. Source: RFC 9113 §8.2.2, §8.3.

import type { OutgoingHttpHeaders } from 'node:http2';
import { mergeHeaders } from '../../lib/checks.ts';
import type { RequestSettings } from '../../lib/httpwire.ts';
import type { Settings, WsSettings } from '../../lib/wire.ts';

/** RFC 9113 §8.2.2: "connection-specific header fields" have no place in HTTP/2. `host` becomes :authority. */
const DROPPED: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'],
  ...['http2-settings', 'host'],
]);
/** Methods of which a server expects a body. RFC 9110 §8.6. */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** What the connection says of every request. */
export type Origin = Pick<Settings, 'authority' | 'transport' | 'tls' | 'http'>;

/** The scheme of the connection. */
export function schemeOf({ tls }: Pick<Settings, 'tls'>): 'http' | 'https' {
  return tls ? 'https' : 'http';
}

/** The head of a request. `length`: that of its body, where all of it is known. */
export function requestHeaders(
  { method, path, headers }: RequestSettings,
  origin: Origin,
  length: number | undefined,
): OutgoingHttpHeaders {
  const { object, authority } = fields(mergeHeaders(origin.http.headers, headers), origin.authority);
  // RFC 9113 §8.1.1: a request whose content-length is not that of its body "is also malformed".
  if (length !== undefined) delete object['content-length'];
  const known = length !== undefined && (length > 0 || WITH_BODY.has(method));
  return {
    ':method': method,
    ':scheme': schemeOf(origin),
    ':authority': authority,
    ':path': path,
    ...object,
    ...(known && { 'content-length': String(length) }),
  };
}

/** The request for a WebSocket on a stream. Source: RFC 8441 §5. */
export function connectHeaders(
  { path, headers, subprotocols }: WsSettings,
  origin: Origin,
  extensions: string | undefined,
): OutgoingHttpHeaders {
  const { object, authority } = fields(headers, origin.authority);
  return {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': schemeOf(origin),
    ':authority': authority,
    ':path': path,
    'sec-websocket-version': '13',
    ...(subprotocols.length > 0 && { 'sec-websocket-protocol': subprotocols.join(', ') }),
    ...(extensions !== undefined && { 'sec-websocket-extensions': extensions }),
    ...object,
  };
}

/** The request for a tunnel. Source: RFC 9113 §8.5: ":scheme" and ":path" "MUST be omitted". */
export function tunnelHeaders({ path, headers }: RequestSettings, origin: Origin): OutgoingHttpHeaders {
  const { object } = fields(mergeHeaders(origin.http.headers, headers), path);
  // RFC 9110 §9.3.6: a request for a tunnel "does not have content".
  delete object['content-length'];
  return { ':method': 'CONNECT', ':authority': path, ...object };
}

function fields(
  list: readonly string[],
  standard: string,
): { readonly object: OutgoingHttpHeaders; readonly authority: string } {
  const object: OutgoingHttpHeaders = Object.create(null);
  let authority = standard;
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = (list[i] ?? '').toLowerCase();
    const value = list[i + 1] ?? '';
    if (name === 'host') authority = value;
    // RFC 9113 §8.2.2: TE "MUST NOT contain any value other than "trailers"".
    if (DROPPED.has(name) || (name === 'te' && value.toLowerCase() !== 'trailers')) continue;
    const before = object[name];
    object[name] = before === undefined ? value : [before, value].flat().map(String);
  }
  return { object, authority };
}

/** Trailers, as node:http2 takes them. */
export function trailerFields(list: readonly string[]): OutgoingHttpHeaders {
  return fields(list, '').object;
}

/** The flat list, which node:http2 gives as the last argument; its types do not say so everywhere. */
export function rawOf(raw: unknown): readonly string[] {
  return Array.isArray(raw) ? raw : [];
}

/** The fields of a head without those that begin with a colon. */
export function plainFields(rawHeaders: readonly string[]): readonly string[] {
  // RFC 9113 §8.3: pseudo-header fields stand before all others.
  let at = 0;
  while (at < rawHeaders.length && rawHeaders[at]?.startsWith(':')) at += 2;
  return rawHeaders.slice(at);
}

/** Bytes of a header section, as SETTINGS_MAX_HEADER_LIST_SIZE counts but for 32 a field: as HTTP/1 has them, about. */
export function sizeOf(rawHeaders: readonly string[]): number {
  let size = 0;
  for (const text of rawHeaders) size += text.length + 2;
  return size;
}
