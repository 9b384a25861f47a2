// sessions — an HTTP/2 server whose streams a test answers by hand.
// `const server = await keep(sessions())`; `open(server.url, server.trust)`; `const asked = await server.next()`.
// Invariant: a request is answered only when the test does it; each goes to one `next()`. What HTTP/2 itself demands
// (SETTINGS, PING, WINDOW_UPDATE) node:http2 does. Source: gun_test:init_origin/3 with its http2 scripts.

import * as http2 from 'node:http2';
import type * as net from 'node:net';
import type { OpenOptions } from '../../lib/index.ts';
import { type Peer, peer } from './peers.ts';

/** One request, at its server. */
export interface Asked {
  readonly stream: http2.ServerHttp2Stream;
  readonly session: http2.ServerHttp2Session;
  readonly method: string;
  readonly path: string;
  readonly headers: http2.IncomingHttpHeaders;
  /** The code of RST_STREAM it ended with; 0 for none. */
  readonly closed: Promise<number>;
  /** A whole answer. */
  answer(body?: string, status?: number): void;
}

export interface Sessions extends Peer {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** What `open()` needs: prior knowledge. */
  readonly trust: OpenOptions;
  /** The next request that no call of this was given, now or when it comes. */
  next(): Promise<Asked>;
  /** All connections so far. */
  readonly all: readonly http2.ServerHttp2Session[];
  /** The first GOAWAY of any client: its code. */
  readonly goodbye: Promise<number>;
}

/** Starts one. */
export async function sessions(options: http2.ServerOptions = {}): Promise<Sessions> {
  const server = http2.createServer(options);
  const all: http2.ServerHttp2Session[] = [];
  const asked: Asked[] = [];
  const waiting: ((one: Asked) => void)[] = [];
  let told: (code: number) => void = () => {};
  const goodbye = new Promise<number>((resolve) => {
    told = resolve;
  });
  server.on('sessionError', () => {}); // A client may leave.
  server.on('session', (session) => {
    all.push(session);
    session.on('goaway', (code) => told(code));
  });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    const one = request(stream, headers);
    const waiter = waiting.shift();
    if (waiter) waiter(one);
    else asked.push(one);
  });
  const served = await peer((socket: net.Socket) => void server.emit('connection', socket.setNoDelay(true)));
  const more = {
    url: served.url.replace(/^ws/, 'http'),
    trust: { protocols: ['http2' as const] },
    next: (): Promise<Asked> => {
      const one = asked.shift();
      return one ? Promise.resolve(one) : new Promise((resolve) => waiting.push(resolve));
    },
    all,
    goodbye,
  };
  return Object.defineProperties({} as Sessions, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

function request(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): Asked {
  stream.on('error', () => {}); // A client may cancel.
  return {
    stream,
    // A stream that has just come has its session.
    session: stream.session as http2.ServerHttp2Session,
    method: String(headers[':method']),
    path: String(headers[':path']),
    headers,
    closed: new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode ?? 0))),
    answer(body = 'Hello world!', status = 200) {
      stream.respond({ ':status': status, 'content-length': Buffer.byteLength(body) });
      stream.end(body);
    },
  };
}
