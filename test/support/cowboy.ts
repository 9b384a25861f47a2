// cowboy — a well-behaved server with the handlers of Gun's tests, on HTTP/1.1 or HTTP/2, in clear or over TLS.
// Used by the twins of Gun's suites; a server that is spoken by hand is origin.ts,
// one that knows WebSockets is upgrading.ts.
// `const server = await keep(cowboy('h2'))`; `open(server.url, server.trust)`.
// Invariant: nothing waits for time: /delayed answers when the test says `release()`.
// Source: Gun's test/handlers: hello_h, delayed_hello_h, empty_h, inform_h, stream_h, trailers_h, push_h.

import * as http from 'node:http';
import * as http2 from 'node:http2';
import type * as net from 'node:net';
import type { OpenOptions } from '../../lib/index.ts';
import { certificates } from './certificates.ts';
import { type Peer, peer } from './peers.ts';

export type Speaks = 'http' | 'https' | 'h2c' | 'h2';

export interface Cowboy extends Peer {
  /** `http://127.0.0.1:port`, `https://localhost:port`. */
  readonly url: string;
  /** What `open()` needs: the authority, and the protocol. */
  readonly trust: OpenOptions;
  /** Requests that wait in /delayed. */
  readonly delayed: number;
  /** Resolves when one more request has come to /delayed than calls of this were made. */
  arrival(): Promise<void>;
  /** Answers the oldest of them, or all. */
  release(all?: boolean): void;
  /** Requests so far, as `GET /path`. */
  readonly requests: readonly string[];
  /** Headers of the last request. */
  readonly headers: http.IncomingHttpHeaders;
}

type Request = http.IncomingMessage | http2.Http2ServerRequest;
type Response = http.ServerResponse | http2.Http2ServerResponse;

/** Starts one. */
export async function cowboy(speaks: Speaks = 'http'): Promise<Cowboy> {
  const { ca, localhost } = await certificates();
  const secure = speaks === 'https' || speaks === 'h2';
  const two = speaks === 'h2c' || speaks === 'h2';
  const handlers = new Handlers();
  const server = two ? http2Server(handlers) : http1Server(handlers);
  const accept = (socket: net.Socket): void => void server.emit('connection', socket.setNoDelay(true));
  const tls = { ...localhost, ALPNProtocols: [two ? 'h2' : 'http/1.1'] };
  const served = await peer(accept, { secure: secure && tls });
  const more = {
    url: served.url.replace(/^ws/, 'http'),
    trust: {
      ...(secure && { tls: { ca } }),
      protocols: [two ? ('http2' as const) : ('http' as const)],
    },
    requests: handlers.requests,
    arrival: () => handlers.arrival(),
    release: (all = false) => handlers.release(all),
    get delayed() {
      return handlers.delayed;
    },
    get headers() {
      return handlers.headers;
    },
  };
  return Object.defineProperties({} as Cowboy, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

function http1Server(handlers: Handlers): http.Server {
  const server = http.createServer({ keepAliveTimeout: 0 }, (request, response) =>
    handlers.handle(request, response),
  );
  return server;
}

function http2Server(handlers: Handlers): http2.Http2Server {
  const server = http2.createServer();
  server.on('sessionError', () => {}); // A client may leave.
  server.on('request', (request, response) => {
    request.stream.on('error', () => {}); // A client may cancel.
    handlers.handle(request, response);
  });
  return server;
}

class Handlers {
  readonly requests: string[] = [];
  headers: http.IncomingHttpHeaders = {};
  readonly #held: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  #unawaited = 0;

  get delayed(): number {
    return this.#held.length;
  }

  arrival(): Promise<void> {
    if (this.#unawaited > 0) {
      this.#unawaited--;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(all: boolean): void {
    for (const answer of this.#held.splice(0, all ? this.#held.length : 1)) answer();
  }

  note(request: Request): void {
    this.requests.push(`${request.method} ${request.url}`);
    this.headers = request.headers;
  }

  handle(request: Request, response: Response): void {
    this.note(request);
    const hello = (): void => say(response, 'Hello world!');
    switch (request.url) {
      case '/':
        return hello();
      case '/delayed':
        return this.#hold(hello);
      case '/push':
        return push(response);
      case '/empty':
        return say(response, '');
      case '/echo':
        return echo(request, response);
      case '/inform':
        return inform(response);
      case '/stream':
        return stream(response);
      case '/trailers':
        return trailers(request, response);
      default:
        response.statusCode = 404;
        return say(response, 'Not Found');
    }
  }

  #hold(answer: () => void): void {
    this.#held.push(answer);
    const waiter = this.#waiting.shift();
    if (waiter) waiter();
    else this.#unawaited++;
  }
}

function say(response: Response, body: string): void {
  response.setHeader('content-type', 'text/plain');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.end(body);
}

function echo(request: Request, response: Response): void {
  response.statusCode = 200;
  const type = request.headers['content-type'];
  if (type !== undefined) response.setHeader('content-type', type);
  request.on('end', () => {
    const sent = Object.entries(request.trailers);
    if (sent.length > 0) response.addTrailers(Object.fromEntries(sent) as Record<string, string>);
    response.end();
  });
  request.on('data', (chunk: Buffer) => void writeTo(response, chunk));
}

/** Two interim answers before the answer. Source: Gun's inform_h. */
function inform(response: Response): void {
  for (let i = 0; i < 2; i++) {
    if (response instanceof http.ServerResponse)
      response.socket?.write('HTTP/1.1 103 Early Hints\r\ncontent-type: text/plain\r\n\r\n');
    else response.stream.additionalHeaders({ ':status': 103, 'content-type': 'text/plain' });
  }
  say(response, 'Hello world!');
}

function stream(response: Response): void {
  response.setHeader('content-type', 'text/plain');
  writeTo(response, 'Hello ');
  response.end('world!');
}

function trailers(request: Request, response: Response): void {
  response.setHeader('content-type', 'text/plain');
  if (request.headers['te'] !== 'trailers') return say(response, 'Hello world!');
  response.setHeader('trailer', 'expires');
  writeTo(response, 'Hello world!');
  response.addTrailers({ expires: 'Sun, 10 Dec 2017 19:13:47 GMT' });
  response.end();
}

/** Two pushes before the answer. Source: Gun's push_h. */
function push(response: Response): void {
  if (response instanceof http.ServerResponse) return say(response, 'Hello world!');
  const { stream } = response;
  if (stream.pushAllowed) {
    for (const [path, body] of [
      ['/', 'Hello world!'],
      ['/empty', ''],
    ] as const) {
      stream.pushStream({ ':path': path, accept: 'text/plain' }, (error, pushed) => {
        if (error) return;
        pushed.on('error', () => {}); // A client may refuse it.
        pushed.respond({ ':status': 200, 'content-type': 'text/plain', 'content-length': body.length });
        pushed.end(body);
      });
    }
  }
  say(response, 'Hello world!');
}

/** The two kinds of response have one `write`, with overloads that do not join. */
function writeTo(response: Response, part: string | Buffer): void {
  if (response instanceof http.ServerResponse) response.write(part);
  else response.write(part);
}
