// feeding — a server, HTTP/1.1 or HTTP/2, whose answers are given piece by piece, as a test says: event streams, mostly.
// `const server = await keep(feeding('h2c'))`, `open(server.url, server.trust)`, `const asked = await server.next()`,
// `asked.begin()`, `asked.write('data: 1\n\n')`. Invariant: nothing is sent by itself; each request goes to one `next()`.

import * as http from 'node:http';
import * as http2 from 'node:http2';
import type * as net from 'node:net';
import type { OpenOptions } from '../../lib/index.ts';
import { type Peer, peer } from './peers.ts';

/** One request, at its server. */
export interface Fed {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  /** The head; an event stream, where it says nothing of its type. */
  begin(headers?: Readonly<Record<string, string>>, status?: number): void;
  /** A piece of the body; resolves when there is room for more, or it is gone. */
  write(text: string | Uint8Array): Promise<void>;
  /** Ends it, with trailers behind it. */
  end(trailers?: Readonly<Record<string, string>>): void;
  /** The stream is lost, and on HTTP/1.1 its connection. */
  drop(): void;
  /** HTTP/2: promises the answer to a GET of `path`. */
  push(path: string): Promise<Fed>;
  /** The client has cancelled it, or left, or it has ended. */
  readonly gone: Promise<void>;
}

export interface Feeding extends Peer {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** What `open()` needs. */
  readonly trust: OpenOptions;
  /** The next request that no call of this was given, now or when it comes. */
  next(): Promise<Fed>;
  /** All connections are lost. */
  cut(): void;
}

type Request = http.IncomingMessage | http2.Http2ServerRequest;
/** The one of HTTP/2 has the same calls, with overloads that do not join. */
type Response = http.ServerResponse & Pick<http2.Http2ServerResponse, 'createPushResponse'>;

/** Starts one. */
export async function feeding(speaks: 'http' | 'h2c'): Promise<Feeding> {
  const asked: Fed[] = [];
  const waiting: ((one: Fed) => void)[] = [];
  const handle = (request: Request, response: unknown): void => {
    const one = made(request, response as Response); // As said above.
    const waiter = waiting.shift();
    if (waiter) waiter(one);
    else asked.push(one);
  };
  const server =
    speaks === 'http'
      ? http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, handle)
      : http2.createServer(handle);
  server.on('sessionError', () => {}); // A client may leave.
  const sockets = new Set<net.Socket>();
  const served = await peer((socket: net.Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    server.emit('connection', socket.setNoDelay(true));
  });
  const more = {
    url: served.url.replace(/^ws/, 'http'),
    trust: { protocols: [speaks === 'http' ? ('http' as const) : ('http2' as const)] },
    cut: (): void => {
      for (const socket of sockets) socket.destroy();
    },
    next: (): Promise<Fed> => {
      const one = asked.shift();
      return one ? Promise.resolve(one) : new Promise((resolve) => waiting.push(resolve));
    },
  };
  return Object.defineProperties({} as Feeding, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

/** `request`: of a pushed one there is no more than its path. */
function made(request: Request | { readonly url: string }, response: Response): Fed {
  const { method = 'GET', headers = {} } = 'method' in request ? request : {};
  for (const one of [request, response]) if ('on' in one) one.on('error', () => {}); // A client may leave.
  const gone = new Promise<void>((resolve) => void response.once('close', () => resolve()));
  return {
    method,
    path: request.url ?? '',
    headers,
    begin(headers = {}, status = 200) {
      response.writeHead(status, { 'content-type': 'text/event-stream', ...headers });
      response.flushHeaders();
    },
    async write(text) {
      if (response.write(text)) return;
      const drained = new Promise<void>((resolve) => void response.once('drain', () => resolve()));
      await Promise.race([gone, drained]);
    },
    end(trailers) {
      if (trailers) response.addTrailers(trailers);
      response.end();
    },
    drop() {
      if (response instanceof http2.Http2ServerResponse)
        response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      else response.destroy();
    },
    push: (path) =>
      new Promise((resolve, reject) =>
        response.createPushResponse({ ':path': path }, (error, answer) =>
          error ? reject(error) : resolve(made({ url: path }, answer as unknown as Response)),
        ),
      ),
    gone,
  };
}

/** Numbered events, `from` up to below `to`, each with its number as its id. */
export function numbered(from: number, to: number, filler = ''): string {
  let text = '';
  for (let i = from; i < to; i++) text += `id: ${i}\ndata: ${i}${filler}\n\n`;
  return text;
}

/** Data of the next `count` events, or of all; the loop is left after them. */
export async function readData(
  events: AsyncIterable<{ readonly data: string }>,
  count: number = Number.POSITIVE_INFINITY,
): Promise<string[]> {
  const all: string[] = [];
  if (count === 0) return all;
  for await (const { data } of events) {
    all.push(data);
    if (all.length === count) break;
  }
  return all;
}
