// upgrading — one server for both versions of HTTP that answers requests and speaks WebSocket: by the Upgrade of HTTP/1.1,
// or by the extended CONNECT of HTTP/2 (RFC 8441).
// Used by test/http/ws*.test.ts and behind haproxy; the WebSockets are those of `ws`, with all that it can.
// GET: `hello /path`; /hold: the head, then the rest once `release()` is called; /bytes/N: so many, counted from 0 to 9 over
// and over; POST: the length of its body.
// WebSocket: an echo at any path but /reject (400, "Upgrade rejected"); `subprotocols` as Cowboy's handler of that name.
// Invariant: close() destroys every socket. Source: Gun's reject_h and ws_subprotocol_h.

import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import type * as net from 'node:net';
import { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { certificates } from './certificates.ts';
import { type Peer, unhex } from './peers.ts';

export type Version = 'HTTP/1.1' | 'HTTP/2';

export interface UpgradingOptions {
  secure?: boolean | undefined;
  /** Listen on this unix socket. */
  path?: string | undefined;
  /** Settings of HTTP/2. Default: extended CONNECT is enabled. */
  settings?: http2.Settings | undefined;
  /** Headers of a good answer to an upgrade. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** What becomes of a WebSocket. Default: what it says comes back. */
  session?: ((socket: WebSocket) => void) | undefined;
}

/** One request, as it came. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Upgrading extends Peer {
  /** PEM. */
  readonly ca: string;
  /** Requests and upgrades, in order. */
  readonly asked: readonly Asked[];
  /** WebSockets that have been opened. */
  readonly sessions: readonly WebSocket[];
  /** The next WebSocket that no call of this was given, now or when it comes. */
  next(): Promise<WebSocket>;
  /** A request to /hold that no call of this was told of is here. */
  held(): Promise<void>;
  /** Ends the answers that are held. */
  release(): void;
  /** Writes bytes to every client, between two frames of its server. */
  say(hex: string): void;
  /** Sessions of HTTP/2. */
  readonly http2: ReadonlySet<http2.ServerHttp2Session>;
}

/** What ws's server answers /subprotocol with: as Gun's handler. */
const CHOSEN = 'echo';

export async function upgrading(version: Version, options: UpgradingOptions = {}): Promise<Upgrading> {
  const server = new UpgradingServer(options);
  await server.listen(version);
  return server;
}

class UpgradingServer implements Upgrading {
  readonly asked: Asked[] = [];
  readonly sessions: WebSocket[] = [];
  readonly http2: Set<http2.ServerHttp2Session> = new Set();
  url = '';
  port = 0;
  ca = '';
  taken = 0;
  readonly #options: UpgradingOptions;
  readonly #sockets = new Set<net.Socket>();
  readonly #ws: WebSocketServer;
  readonly #waiting: ((socket: WebSocket) => void)[] = [];
  readonly #holding: (() => void)[] = [];
  readonly #holds: (() => void)[] = [];
  #given = 0;
  #here = 0;
  #server: net.Server | undefined;

  constructor(options: UpgradingOptions) {
    this.#options = options;
    this.#ws = new WebSocketServer({
      noServer: true,
      perMessageDeflate: true,
      handleProtocols: (offered) => (offered.has(CHOSEN) ? CHOSEN : false),
    });
    this.#ws.on('headers', (lines) => {
      for (const [name, value] of Object.entries(options.headers ?? {})) lines.push(`${name}: ${value}`);
    });
  }

  get open(): number {
    return this.#sockets.size;
  }

  async listen(version: Version): Promise<void> {
    const { secure = false, path } = this.#options;
    const { ca, localhost } = await certificates();
    const server = version === 'HTTP/1.1' ? this.#http1(secure, localhost) : this.#http2(secure, localhost);
    this.#server = server;
    server.on('connection', (socket: net.Socket) => {
      if (this.#sockets.has(socket)) return; // An upgrade was refused: it serves requests again.
      this.taken++;
      this.#sockets.add(socket);
      // A server does not mind being left.
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', () => {});
    server.listen(path ?? { host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    const address = server.address();
    this.port = typeof address === 'object' && address ? address.port : 0;
    this.ca = ca;
    this.url = `${secure ? 'https://localhost' : 'http://127.0.0.1'}:${this.port}`;
  }

  next(): Promise<WebSocket> {
    const socket = this.sessions[this.#given];
    if (!socket) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#given++;
    return Promise.resolve(socket);
  }

  async held(): Promise<void> {
    if (this.#here === 0) await new Promise<void>((resolve) => this.#holds.push(resolve));
    this.#here--;
  }

  release(): void {
    for (const end of this.#holding.splice(0)) end();
  }

  say(hex: string): void {
    for (const socket of this.#sockets) socket.write(unhex(hex));
  }

  async close(): Promise<void> {
    for (const session of this.http2) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server?.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #http1(secure: boolean, pair: object): net.Server {
    const server = secure ? https.createServer(pair) : http.createServer();
    server.on('request', (request, response) => {
      const { method = '', url: path = '', headers } = request;
      this.#answer({ method, path, headers }, request, {
        head: (status) => response.writeHead(status).flushHeaders(),
        end: (body) => response.end(body),
      });
    });
    server.on('upgrade', (request, socket, head) => {
      const { method = '', url: path = '', headers } = request;
      this.asked.push({ method, path, headers });
      this.#upgrade(request, socket, head);
    });
    return server;
  }

  #http2(secure: boolean, pair: object): net.Server {
    const settings = this.#options.settings ?? { enableConnectProtocol: true };
    const server = secure
      ? http2.createSecureServer({ ...pair, settings })
      : http2.createServer({ settings });
    server.on('session', (session) => {
      this.http2.add(session);
      session.on('error', () => {}).on('close', () => this.http2.delete(session));
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {}); // Left, or cancelled.
      const { ':method': method = '', ':path': path = '' } = headers;
      if (method === 'CONNECT') {
        this.asked.push({ method, path, headers });
        return this.#upgrade(asUpgrade(headers), new Bridge(stream), Buffer.alloc(0));
      }
      this.#answer({ method, path, headers }, stream, {
        // Left meanwhile, it cannot be answered.
        head: (status) => void (stream.destroyed || stream.respond({ ':status': status })),
        end: (body) => stream.end(body),
      });
    });
    return server;
  }

  #answer(asked: Asked, body: Duplex | http.IncomingMessage, answer: Answer): void {
    this.asked.push(asked);
    let length = 0;
    body.on('data', (chunk: Buffer) => (length += chunk.length));
    body.on('end', () => {
      answer.head(200);
      const [, many] = /^\/bytes\/(\d+)/.exec(asked.path) ?? [];
      if (many !== undefined) return answer.end('0123456789'.repeat(Number(many) / 10));
      const said = asked.method === 'POST' ? `${length} bytes` : `hello ${asked.path}`;
      if (!asked.path.startsWith('/hold')) return answer.end(said);
      this.#holding.push(() => answer.end(said));
      this.#here++;
      this.#holds.shift()?.();
    });
  }

  #upgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    const { url: path = '', headers } = request;
    socket.on('error', () => {});
    const offered = headers['sec-websocket-protocol'];
    if (path === '/reject') return this.#refuse(socket, head, 'Upgrade rejected');
    if (path === '/subprotocol' && !offered?.split(', ').includes(CHOSEN)) {
      return this.#refuse(socket, head, offered === undefined ? 'undefined' : 'nomatch');
    }
    this.#ws.handleUpgrade(request, socket, head, (one) => this.#opened(one));
  }

  /** With HTTP/1.1 its connection goes on; node:http has let go of the socket. */
  #refuse(socket: Duplex, head: Buffer, text: string): void {
    socket.write(`HTTP/1.1 400 Bad Request\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
    if (socket instanceof Bridge) return;
    if (head.length > 0) socket.unshift(head);
    this.#server?.emit(this.#options.secure ? 'secureConnection' : 'connection', socket);
  }

  #opened(socket: WebSocket): void {
    socket.on('error', () => {});
    const { session } = this.#options;
    if (session) session(socket);
    else socket.on('message', (data, binary) => socket.send(data, { binary, compress: true }));
    this.sessions.push(socket);
    const waiter = this.#waiting.shift();
    if (!waiter) return;
    this.#given++;
    waiter(socket);
  }
}

interface Answer {
  head(status: number): void;
  end(body: string): void;
}

/** An extended CONNECT as the upgrade that `ws` knows. */
function asUpgrade(headers: http2.IncomingHttpHeaders): http.IncomingMessage {
  const { ':path': url, ':protocol': upgrade, ...rest } = headers;
  const key = { 'sec-websocket-key': Buffer.alloc(16).toString('base64') };
  // All that handleUpgrade looks at.
  return { method: 'GET', url, headers: { ...rest, ...key, upgrade } } as unknown as http.IncomingMessage;
}

/** A stream of HTTP/2 with the face of a socket of HTTP/1.1: the head that is written to it becomes headers. */
class Bridge extends Duplex {
  readonly #stream: http2.ServerHttp2Stream;
  #head = '';
  #answered = false;

  constructor(stream: http2.ServerHttp2Stream) {
    super();
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.push(chunk) || stream.pause());
    stream.on('end', () => this.push(null));
    stream.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#answered) return void this.#stream.write(chunk, done);
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return done();
    this.#answered = true;
    const [line = '', ...fields] = this.#head.slice(0, end).split('\r\n');
    const status = Number(line.split(' ')[1]);
    this.#stream.respond({ ':status': status === 101 ? 200 : status, ...fieldsOf(fields) });
    const rest = Buffer.from(this.#head.slice(end + 4), 'latin1');
    if (status !== 101) this.#stream.end(rest, () => done());
    else if (rest.length > 0) this.#stream.write(rest, done);
    else done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#stream.closed)
      this.#stream.close(this.writableFinished ? undefined : http2.constants.NGHTTP2_CANCEL);
    done(error);
  }
}

/** Without what HTTP/2 has no place for (RFC 8441 §5: no Sec-WebSocket-Accept). */
function fieldsOf(lines: readonly string[]): Record<string, string> {
  const all = lines.map((line) => /^([^:]*): *(.*)$/.exec(line) ?? []);
  const kept = all.filter(([, name = '']) => !/^(upgrade|connection|sec-websocket-accept)$/i.test(name));
  return Object.fromEntries(kept.map(([, name = '', value = '']) => [name.toLowerCase(), value]));
}
