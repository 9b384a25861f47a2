// counted — a server, HTTP/1.1 or HTTP/2, whose bodies are counted: any piece of one tells where it stood.
// Used by the ownership tests of requests: `const server = await keep(counted('h2c'))`, `open(server.url, server.trust)`,
// `const asked = await server.next()`, `asked.send(0, 1000)`.
// Invariant: nothing is sent but what the test says; each request goes to one `next()`.

import * as http from 'node:http';
import * as http2 from 'node:http2';
import type * as net from 'node:net';
import type { OpenOptions } from '../../lib/index.ts';
import { type Peer, peer } from './peers.ts';

/** Bytes after which the count begins again: two for each number below the largest prime below 2 ** 16. */
const PERIOD = 2 * 65_521;

const once = Buffer.alloc(PERIOD);
for (let i = 0; i < PERIOD; i += 2) once.writeUInt16LE(i / 2, i);
const twice = Buffer.concat([once, once]);

/** The bytes from `from` to `to`, of all that there could be. */
export function piece(from: number, to: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = from; at < to; ) {
    const start = at % PERIOD;
    const length = Math.min(PERIOD, to - at);
    parts.push(twice.subarray(start, start + length));
    at += length;
  }
  return Buffer.concat(parts);
}

/** Where these bytes are not those that stand at `from`; -1: they are. */
export function faultIn(bytes: Uint8Array, from: number): number {
  const expected = piece(from, from + bytes.byteLength);
  if (expected.equals(bytes)) return -1;
  return from + expected.findIndex((byte, i) => byte !== bytes[i]);
}

/** Chunks of an answer until there are `count` bytes, or until its end; the loop is left after them. */
export async function readBytes(
  answer: AsyncIterable<Uint8Array>,
  count: number = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length >= count) break;
  }
  return Buffer.concat(chunks);
}

/** One request, at its server. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  /** Answers: the head. */
  head(headers?: Record<string, string | number>, status?: number): void;
  /** A piece of the body; resolves when there is room for more. */
  send(from: number, to: number): Promise<void>;
  /** Ends the answer, with trailers behind it. */
  end(trailers?: Record<string, string>): void;
  /** A whole answer. */
  answer(text: string): void;
  /** The stream is lost, and on HTTP/1.1 its connection. */
  drop(): void;
  /** HTTP/2: promises the answer to a GET of `path`. */
  push(path: string): Promise<Asked>;
  /** Bytes of its body that have come. */
  readonly received: number;
  /** Resolves when so many have come. */
  has(bytes: number): Promise<void>;
  /** All of its body, once it is complete. */
  readonly body: Promise<Buffer>;
  /** The client has cancelled it, or left. */
  readonly gone: Promise<void>;
}

export interface Counted extends Peer {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** What `open()` needs. */
  readonly trust: OpenOptions;
  /** The next request that no call of this was given, now or when it comes. */
  next(): Promise<Asked>;
  /** HTTP/2: resolves with the code of the client's GOAWAY. */
  readonly goodbye: Promise<number>;
}

type Request = http.IncomingMessage | http2.Http2ServerRequest;
/** The one of HTTP/2 has the same calls, with overloads that do not join. */
type Response = http.ServerResponse & Pick<http2.Http2ServerResponse, 'createPushResponse'>;

/** Starts one. */
export async function counted(speaks: 'http' | 'h2c', options: http2.ServerOptions = {}): Promise<Counted> {
  const asked: Asked[] = [];
  const waiting: ((one: Asked) => void)[] = [];
  const handle = (request: Request, response: unknown): void => {
    const one = made(request.url ?? '', request, response as Response); // As said above.
    const waiter = waiting.shift();
    if (waiter) waiter(one);
    else asked.push(one);
  };
  let told: (code: number) => void = () => {};
  const goodbye = new Promise<number>((resolve) => {
    told = resolve;
  });
  const server =
    speaks === 'http'
      ? http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, handle)
      : http2.createServer(options, handle);
  server.on('session', (session: http2.ServerHttp2Session) => session.on('goaway', (code) => told(code)));
  server.on('sessionError', () => {}); // A client may leave.
  const served = await peer((socket: net.Socket) => void server.emit('connection', socket.setNoDelay(true)));
  const more = {
    url: served.url.replace(/^ws/, 'http'),
    trust: { protocols: [speaks === 'http' ? ('http' as const) : ('http2' as const)] },
    next: (): Promise<Asked> => {
      const one = asked.shift();
      return one ? Promise.resolve(one) : new Promise((resolve) => waiting.push(resolve));
    },
    goodbye,
  };
  return Object.defineProperties({} as Counted, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

/** `request`: of a pushed one there is none. */
function made(path: string, request: Request | undefined, response: Response): Asked {
  const parts: Buffer[] = [];
  let received = 0;
  const wake: (() => void)[] = [];
  const woken = (): void => {
    for (const one of wake.splice(0)) one();
  };
  for (const one of [request, response]) one?.on('error', () => {}); // A client may leave.
  request?.on('data', (part: Buffer) => {
    parts.push(part);
    received += part.length;
    woken();
  });
  const gone = new Promise<void>((resolve) => void response.once('close', () => resolve()));
  return {
    method: request?.method ?? 'GET',
    path,
    head(headers = {}, status = 200) {
      response.writeHead(status, headers);
      response.flushHeaders();
    },
    async send(from, to) {
      if (response.write(piece(from, to))) return;
      await Promise.race([
        gone,
        new Promise<void>((resolve) => void response.once('drain', () => resolve())),
      ]);
    },
    end(trailers) {
      if (trailers) response.addTrailers(trailers);
      response.end();
    },
    answer(text) {
      response.writeHead(200, { 'content-length': Buffer.byteLength(text) });
      response.end(text);
    },
    drop() {
      if (response instanceof http2.Http2ServerResponse)
        response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      else response.destroy();
    },
    push: (pushed) =>
      new Promise((resolve, reject) =>
        response.createPushResponse({ ':path': pushed }, (error, answer) =>
          error ? reject(error) : resolve(made(pushed, undefined, answer as unknown as Response)),
        ),
      ),
    get received() {
      return received;
    },
    async has(bytes) {
      while (received < bytes) await new Promise<void>((resolve) => wake.push(resolve));
    },
    body: new Promise((resolve) => void request?.once('end', () => resolve(Buffer.concat(parts)))),
    gone,
  };
}
