// connect-proxy — a proxy of HTTP/1.1: CONNECT leads to wherever its client says, other requests are answered by itself.
// Used through proxies.ts, or with options: `await keep(connectProxy({ secure: true, status: 403 }))`.
// Invariant: after a refusal its connection serves the next request; after a 2xx it is bytes alone.
// Source: RFC 9110 §9.3.6; the proxy of Gun's rfc7231_SUITE.

import * as http from 'node:http';
import type * as net from 'node:net';
import { type Ledger, type ProxyOptions, type ProxyPeer, proxying } from './proxying.ts';

export interface ConnectProxyOptions extends ProxyOptions {
  /** Of its answer to CONNECT; only 2xx makes a tunnel. Default 200; 502 when nobody is there. */
  status?: number | undefined;
  /** Of that answer. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Of a refusal. Default: the status. */
  body?: string | undefined;
  /** What that answer says it is. Default 1.1. */
  version?: '1.0' | '1.1' | undefined;
  /** Bytes in the same write as a good answer. */
  early?: string | Uint8Array | undefined;
  /** `user:password`: refuse with 407 whoever does not say so (RFC 7617). */
  auth?: string | undefined;
  /** Lead there, whatever is asked for. */
  to?: { readonly host: string; readonly port: number } | undefined;
}

export function connectProxy(options: ConnectProxyOptions = {}): Promise<ProxyPeer> {
  const server = http.createServer({ keepAliveTimeout: 0 }, (request, response) => {
    request.resume();
    response.end(`the proxy itself: ${request.url}`);
  });
  const serving = (ledger: Ledger) => {
    server.on('connect', (request: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
      const asking = new Asking(request, socket, { ledger, options });
      // Its client may leave, or what it asks for not be there: then it has been told.
      asking.serve(head).then(
        (refused) => refused && server.emit('connection', socket),
        () => socket.destroy(),
      );
    });
    return (socket: net.Socket): void => void server.emit('connection', socket);
  };
  return proxying(options.secure ? 'https' : 'http', serving, { ...options, alpn: ['http/1.1'] });
}

/** One CONNECT. */
class Asking {
  readonly #request: http.IncomingMessage;
  readonly #socket: net.Socket;
  readonly #ledger: Ledger;
  readonly #options: ConnectProxyOptions;

  constructor(
    request: http.IncomingMessage,
    socket: net.Socket,
    { ledger, options }: { ledger: Ledger; options: ConnectProxyOptions },
  ) {
    this.#request = request;
    this.#socket = socket;
    this.#ledger = ledger;
    this.#options = options;
  }

  /** Resolves with true when it was refused: the connection goes on. */
  async serve(head: Buffer): Promise<boolean> {
    const { url: authority = '', headers, rawHeaders } = this.#request;
    const { status = 200, auth, to } = this.#options;
    const lines = [`CONNECT ${authority} HTTP/${this.#request.httpVersion}`];
    for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
    await this.#ledger.note({ authority, headers, lines });
    if (head.length > 0) this.#socket.unshift(head);
    const basic = auth === undefined ? undefined : `Basic ${Buffer.from(auth).toString('base64')}`;
    if (basic !== undefined && headers['proxy-authorization'] !== basic) {
      return this.#refuse(407, { 'proxy-authenticate': 'Basic realm="gunport"' });
    }
    if (status < 200 || status > 299) return this.#refuse(status, {});
    const { host, port } = to ?? this.#ledger.asked.findLast((one) => one.authority === authority)!;
    const far = await this.#ledger.relays.dial(host, port).catch(() => undefined);
    if (!far) return this.#refuse(502, {});
    this.#say(status, {}, this.#options.early ?? '');
    this.#ledger.relays.join(this.#socket, far);
    return false;
  }

  #refuse(status: number, headers: Readonly<Record<string, string>>): true {
    const { body = `refused: ${status}` } = this.#options;
    this.#say(status, { 'content-length': String(Buffer.byteLength(body)), ...headers }, body);
    return true;
  }

  #say(status: number, headers: Readonly<Record<string, string>>, rest: string | Uint8Array): void {
    const { version = '1.1', headers: more } = this.#options;
    const fields = Object.entries({ ...headers, ...more }).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `HTTP/${version} ${status} ${http.STATUS_CODES[status] ?? ''}\r\n${fields.join('')}\r\n`;
    this.#socket.write(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(rest as string)]));
  }
}
