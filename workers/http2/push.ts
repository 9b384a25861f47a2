// http2/push — a request that the server makes for us: whether it may, and what its owner is told of it.
// Called by http2/driver.ts when node:http2 tells of a promised stream.
// Invariant: a push speaks for the connection's own origin, or it is refused and nobody hears of it.
// Source: RFC 9113 §8.4, §10.1; gun_http2's push_promise_frame.

import { type ClientHttp2Stream, constants } from 'node:http2';
import type { Settings } from '../../lib/wire.ts';
import type { DriverHost } from '../driver.ts';
import type { Exchange } from '../exchange.ts';
import { plainFields, schemeOf } from './head.ts';

const { NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR } = constants;

/** The exchange that the promised stream answers; undefined: it was refused. */
export function promise(
  parent: Exchange | undefined,
  stream: ClientHttp2Stream,
  rawHeaders: readonly string[],
  host: DriverHost,
): Exchange | undefined {
  const refuse = (code: number): undefined => {
    stream.on('error', () => {});
    stream.close(code);
  };
  if (!parent || parent.ended) return refuse(NGHTTP2_CANCEL);
  const pseudo = pseudoFields(rawHeaders);
  const [method, path] = [pseudo.get(':method'), pseudo.get(':path')];
  // RFC 9113 §8.4: "Promised requests MUST be safe … and cacheable …, and MUST NOT include any content".
  const askable = method === 'GET' || method === 'HEAD';
  // And: "The server MUST include a value in the ":authority" … for which the server is authoritative".
  if (!askable || path === undefined || !isOurs(pseudo, host.settings)) {
    return refuse(NGHTTP2_PROTOCOL_ERROR);
  }
  const list = plainFields(rawHeaders);
  const headers = list.map((item, i) => (i % 2 === 0 ? item.toLowerCase() : item));
  const exchange = host.promised(parent, { method, path, headers });
  const uri = `${schemeOf(host.settings)}://${host.settings.authority}${path}`;
  parent.promise(exchange.stream, method, uri, list);
  return exchange;
}

function isOurs(pseudo: ReadonlyMap<string, string>, settings: Settings): boolean {
  const authority = pseudo.get(':authority')?.toLowerCase();
  const port = settings.tls ? ':443' : ':80';
  const bare = settings.authority.toLowerCase();
  const same = authority === bare || authority === `${bare}${port}`;
  return same && pseudo.get(':scheme') === schemeOf(settings);
}

function pseudoFields(rawHeaders: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length && rawHeaders[i]?.startsWith(':'); i += 2) {
    fields.set(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  }
  return fields;
}
