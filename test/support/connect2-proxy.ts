// connect2-proxy — a proxy of HTTP/2: each CONNECT is a stream that leads to wherever its client says; other requests of
// the same connection are answered by itself, beside them.
// Used through proxies.ts, or with options: `await keep(connect2Proxy({ secure: true, maxStreams: 1 }))`.
// Invariant: a tunnel that breaks off at its far end is reset with CONNECT_ERROR, and no other is touched.
// Source: RFC 9113 §8.5; the proxy of Gun's rfc7540_SUITE.

import * as http2 from 'node:http2';
import type * as net from 'node:net';
import { type Ledger, type ProxyOptions, type ProxyPeer, proxying } from './proxying.ts';

export interface Connect2ProxyOptions extends ProxyOptions {
  /** Of its answer to CONNECT; only 2xx makes a tunnel. Default 200; 502 when nobody is there. */
  status?: number | undefined;
  /** Of that answer. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Of a refusal. Default: the status. */
  body?: string | undefined;
  /** `user:password`: refuse with 407 whoever does not say so (RFC 7617). */
  auth?: string | undefined;
  /** Most streams at once (SETTINGS_MAX_CONCURRENT_STREAMS). */
  maxStreams?: number | undefined;
  /** Lead there, whatever is asked for. */
  to?: { readonly host: string; readonly port: number } | undefined;
}

export function connect2Proxy(options: Connect2ProxyOptions = {}): Promise<ProxyPeer> {
  const { maxStreams } = options;
  const server = http2.createServer({
    maxSessionMemory: 100, // MB: it is bounded by the windows of its streams.
    settings: maxStreams === undefined ? {} : { maxConcurrentStreams: maxStreams },
  });
  server.on('sessionError', () => {}); // A client may leave.
  const serving = (ledger: Ledger) => {
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
      stream.on('error', () => {}); // Left, or cancelled.
      if (headers[':method'] !== 'CONNECT') return answer(stream, `the proxy itself: ${headers[':path']}`);
      connect(stream, headers, { ledger, options }).catch(() => stream.close());
    });
    return (socket: net.Socket): void => void server.emit('connection', socket);
  };
  return proxying(options.secure ? 'h2' : 'h2c', serving, { ...options, alpn: ['h2'] });
}

async function connect(
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  { ledger, options }: { ledger: Ledger; options: Connect2ProxyOptions },
): Promise<void> {
  const { status = 200, auth, to } = options;
  const { ':authority': authority = '' } = headers;
  await ledger.note({ authority, headers });
  if (stream.destroyed) return;
  const refuse = (code: number, more: http2.OutgoingHttpHeaders = {}): void =>
    answer(stream, options.body ?? `refused: ${code}`, { ...options.headers, ...more, ':status': code });
  const basic = auth === undefined ? undefined : `Basic ${Buffer.from(auth).toString('base64')}`;
  if (basic !== undefined && headers['proxy-authorization'] !== basic) {
    return refuse(407, { 'proxy-authenticate': 'Basic realm="gunport"' });
  }
  if (status < 200 || status > 299) return refuse(status);
  const { host, port } = to ?? ledger.asked.findLast((one) => one.authority === authority)!;
  const far = await ledger.relays.dial(host, port).catch(() => undefined);
  if (stream.destroyed) return void far?.destroy();
  if (!far) return refuse(502);
  stream.respond({ ...options.headers, ':status': status });
  // RFC 9113 §8.5: "A proxy treats any error in the TCP connection … as a stream error … of type CONNECT_ERROR."
  ledger.relays.join(stream, far, () => {
    // node:http2 would say END_STREAM before it, as if that were all.
    Object.assign(stream, { end: () => stream });
    stream.close(http2.constants.NGHTTP2_CONNECT_ERROR);
  });
}

function answer(
  stream: http2.ServerHttp2Stream,
  body: string,
  headers: http2.OutgoingHttpHeaders = { ':status': 200 },
): void {
  stream.resume();
  stream.respond({ 'content-length': Buffer.byteLength(body), ...headers });
  stream.end(body);
}
