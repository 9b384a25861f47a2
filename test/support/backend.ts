// backend — what stands behind the real proxies of tests: a server in this process that counts, holds and measures.
// Used by test/http/real-*.test.ts.
// GET /count/…: the path; /chunked: `Hello world!` in two parts; /hold: the head and `one `, the rest by `release()`;
// /gather: held until `full` of them are there; /silent: no answer; POST: length, digest and framing of its body, as JSON.
// Invariant: a request is counted before anything of it is answered.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import type * as net from 'node:net';
import { type ServerOptions, WebSocketServer } from 'ws';
import type { Peer } from './peers.ts';

/** What POST answers. */
export interface Uploaded {
  readonly length: number;
  readonly sha1: string;
  /** `content-length`, or the transfer encoding. */
  readonly framing: string;
}

export interface Backend extends Peer {
  /** How often each path was asked for. */
  readonly counts: ReadonlyMap<string, number>;
  /** So many requests to /gather are answered at once. */
  full: number;
  /** Most that were held at a time. */
  readonly most: number;
  /** Requests to /gather that have not come yet: the last are answered although they are fewer. */
  expected: number;
  /** A request to /hold or /silent is here; one that came before any call counts. */
  held(): Promise<void>;
  /** Ends what is held. */
  release(): void;
  readonly ws: WebSocketServer;
}

export async function backend(options: ServerOptions = {}): Promise<Backend> {
  const server = new BackendServer(options);
  await server.listen();
  return server;
}

class BackendServer implements Backend {
  readonly counts: Map<string, number> = new Map();
  readonly ws: WebSocketServer;
  full = 1;
  most = 0;
  expected = 0;
  url = '';
  port = 0;
  taken = 0;
  readonly #http = http.createServer((request, response) => this.#serve(request, response));
  readonly #sockets = new Set<net.Socket>();
  readonly #gathered: (() => void)[] = [];
  readonly #holding: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  #here = 0;

  constructor(options: ServerOptions) {
    this.ws = new WebSocketServer({ ...options, server: this.#http });
    this.ws.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
  }

  get open(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<void> {
    this.#http.on('connection', (socket: net.Socket) => {
      this.taken++;
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    });
    this.#http.listen({ host: '127.0.0.1', port: 0 });
    await once(this.#http, 'listening');
    const address = this.#http.address();
    this.port = typeof address === 'object' && address ? address.port : 0;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  async held(): Promise<void> {
    if (this.#here === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#here--;
  }

  release(): void {
    for (const end of this.#holding.splice(0)) end();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#http.listening) return;
    this.#http.close();
    await once(this.#http, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { url: path = '', method } = request;
    this.counts.set(path, (this.counts.get(path) ?? 0) + 1);
    // Its client may leave in the middle of either.
    request.on('error', () => {});
    response.on('error', () => {});
    if (method === 'POST') return this.#upload(request, response);
    request.resume();
    if (path.startsWith('/chunked')) {
      response.write('Hello ');
      response.end('world!');
    } else if (path.startsWith('/hold')) {
      response.write('one ');
      this.#hold(() => response.end('two'));
    } else if (path.startsWith('/silent')) this.#hold(() => response.end());
    else if (path.startsWith('/gather')) this.#gather(() => response.end(path));
    else response.end(path);
  }

  #upload(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { headers } = request;
    const framing = headers['transfer-encoding'] ?? (headers['content-length'] ? 'content-length' : '');
    const hash = createHash('sha1');
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      hash.update(chunk);
    });
    request.on('end', () => response.end(JSON.stringify({ length, sha1: hash.digest('hex'), framing })));
  }

  #hold(end: () => void): void {
    this.#holding.push(end);
    this.#here++;
    this.#waiting.shift()?.();
  }

  #gather(answer: () => void): void {
    this.#gathered.push(answer);
    this.expected--;
    this.most = Math.max(this.most, this.#gathered.length);
    if (this.#gathered.length < this.full && this.expected > 0) return;
    for (const one of this.#gathered.splice(0)) one();
  }
}
