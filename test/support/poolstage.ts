// poolstage — pools for the tests of one describe, servers that they ask, and what operators would see of them.
// Used by test/pool/*: `const { pool, keep, asked } = poolStage()`; what they made is gone after each test.
// Invariant: nothing here waits for time: `until` looks again in each turn of the event loop.

import * as http from 'node:http';
import * as http2 from 'node:http2';
import type * as net from 'node:net';
import type { AuthorityInfo, AuthorityOptions, Pool as PoolType } from '../../lib/index.ts';
import { Pool } from '../../lib/index.ts';
import { type Peer, peer } from './peers.ts';

/** A request that has come to a server of `asked()`, and waits to be answered. */
export interface Asked {
  readonly request: http.IncomingMessage | http2.Http2ServerRequest;
  readonly socket: net.Socket;
  /** Of the connection, from 1. */
  readonly number: number;
  /** Answers 200 with this. */
  answer(body?: string, headers?: http.OutgoingHttpHeaders): void;
}

export interface AskedServer extends Peer {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** `GET /path`, as they came. */
  readonly requests: readonly string[];
  /** Live sockets. */
  readonly sockets: ReadonlySet<net.Socket>;
  /** The most that were open at a time. */
  readonly most: number;
  /** The next request that no call of this was given. */
  next(): Promise<Asked>;
}

export interface PoolStage {
  /** Of one thread; closed after the test. */
  pool(authority?: AuthorityOptions, threads?: number): PoolType;
  /** Closed after the test. */
  keep<P extends Peer>(peer: Promise<P>): Promise<P>;
  /** A server of HTTP/1.1, or of HTTP/2 with prior knowledge, whose `handle` answers; by default the test does. */
  asked(handle?: (asked: Asked) => unknown, speaks?: 'http' | 'h2c'): Promise<AskedServer>;
}

/** Called in a describe. */
export function poolStage(): PoolStage {
  const pools: Pool[] = [];
  const peers: Peer[] = [];
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((one) => one.close({ timeout: 1_000 })));
    await Promise.all(peers.splice(0).map((one) => one.close()));
  });
  const keep = async <P extends Peer>(made: Promise<P>): Promise<P> => {
    const one = await made;
    peers.push(one);
    return one;
  };
  return {
    keep,
    pool: (authority, threads = 1) => {
      const made = new Pool({ threads, authority });
      pools.push(made);
      return made;
    },
    asked: (handle, speaks) => keep(askedServer(handle, speaks)),
  };
}

async function askedServer(handle?: (asked: Asked) => unknown, speaks = 'http'): Promise<AskedServer> {
  const requests: string[] = [];
  const sockets = new Set<net.Socket>();
  const waiting: ((asked: Asked) => void)[] = [];
  const untaken: Asked[] = [];
  const numbers = new WeakMap<net.Socket, number>();
  let most = 0;
  let count = 0;
  const listener = (
    request: http.IncomingMessage | http2.Http2ServerRequest,
    response: http.ServerResponse | http2.Http2ServerResponse,
  ): void => {
    requests.push(`${request.method} ${request.url}`);
    const { socket } = request;
    const answer = (body = '', headers: http.OutgoingHttpHeaders = {}): void => {
      // Its client may have left.
      if ('stream' in response && response.stream.destroyed) return;
      response.writeHead(200, { 'content-length': Buffer.byteLength(body), ...headers }).end(body);
    };
    const asked = { request, socket, number: numbers.get(socket) ?? 0, answer };
    if (handle) return void handle(asked);
    const waiter = waiting.shift();
    if (waiter) waiter(asked);
    else untaken.push(asked);
  };
  const server =
    speaks === 'h2c' ? http2.createServer(listener) : http.createServer({ keepAliveTimeout: 0 }, listener);
  server.on('sessionError', () => {}); // A client may leave.
  const served = await peer((socket) => {
    numbers.set(socket, ++count);
    sockets.add(socket.setNoDelay(true));
    most = Math.max(most, sockets.size);
    socket.once('close', () => sockets.delete(socket));
    server.emit('connection', socket);
  });
  const more = {
    url: served.url.replace(/^ws/, 'http'),
    requests,
    sockets,
    get most() {
      return most;
    },
    next: (): Promise<Asked> => {
      const one = untaken.shift();
      return one ? Promise.resolve(one) : new Promise((resolve) => waiting.push(resolve));
    },
  };
  // `taken`, `open` and `most` are getters.
  return Object.defineProperties({} as AskedServer, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

/** Answers at once with the path. */
export function echo({ request, answer }: Asked): void {
  answer(request.url);
}

/** Resolves as soon as this holds. @throws when it does not hold for longer than a test may take. */
export async function until(holds: () => boolean, within = 4_500): Promise<void> {
  const end = performance.now() + within;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it never came to hold: ${holds}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What a pool tells of the only authority it has; undefined once that is forgotten. */
export function only(pool: PoolType): AuthorityInfo | undefined {
  const all = pool.authorities();
  if (all.length > 1) throw new Error(`there are ${all.length} authorities`);
  return all[0];
}

/** Events of a pool, as words: `degraded`, `operational`. */
export function turns(pool: PoolType): string[] {
  const words: string[] = [];
  pool.on('degraded', ({ state }) => words.push(state));
  pool.on('operational', ({ state }) => words.push(state));
  return words;
}
