// peers — who asks for small answers, over and over: so many at a time, the next as one has come.
// Opened through works.ts, once a round each; downloads.ts has those who fetch one large answer.
// Invariant: each answer is counted when the main thread's own code has its body in its hands, as text. No peer is
// spared work that another does, and no peer does work that its users would not.

import { Agent, get } from 'node:http';
import { connect as dial } from 'node:net';
import { text } from 'node:stream/consumers';
import { Client, fetch, Agent as UndiciAgent } from 'undici';
import { type Connection, Pool } from '../../lib/index.ts';
import type { Close, Tally } from '../instruments/work.ts';
import { SMALL, SMALL_ANSWER } from './answers.ts';

/** What is asked, and how. */
export interface Asking {
  readonly port: number;
  /** Requests that are under way at any time. */
  readonly atOnce: number;
  readonly protocol: 'http' | 'http2';
}

export interface HttpPeer {
  readonly label: string;
  readonly open: (asking: Asking, tally: Tally) => Promise<Close>;
  /** Where it cannot do what is asked. */
  readonly skips?: (asking: Asking) => boolean;
}

const isHttp2 = ({ protocol }: Asking): boolean => protocol === 'http2';

export const HTTP_PEER_NAMES = ['gunport', 'await', 'undici', 'node', 'fetch', 'raw'] as const;
type HttpPeerName = (typeof HTTP_PEER_NAMES)[number];

export const HTTP_PEERS: Readonly<Record<HttpPeerName, HttpPeer>> = {
  gunport: { label: 'gunport, get().text()', open: gunport((connection) => connection.get('/').text()) },
  await: { label: 'gunport, await() and awaitBody()', open: gunport(noticeByNotice) },
  undici: { label: 'undici Client on main, body.text()', open: openUndici },
  node: { label: 'node:http, a connection for each at a time', open: openNode, skips: isHttp2 },
  fetch: { label: 'fetch of undici, connections as it likes', open: openFetch, skips: isHttp2 },
  raw: { label: '(bytes only, no HTTP: the ceiling)', open: openRaw, skips: isHttp2 },
};

/** Asks `atOnce` at a time until it is told to stop. */
function keepAsking(ask: () => Promise<string>, { atOnce }: Asking, tally: Tally): () => Promise<void> {
  let going = true;
  const one = async (): Promise<void> => {
    while (going) {
      const start = tally.took ? performance.now() : 0;
      const body = await ask();
      tally.messages++;
      tally.bytes += body.length;
      tally.took?.push((performance.now() - start) * 1_000);
    }
  };
  const all = Promise.all(Array.from({ length: atOnce }, one)).catch((error: unknown) => {
    if (going) tally.error ??= error;
  });
  return async () => {
    going = false;
    await all;
  };
}

// ── gunport ─────────────────────────────────────────────────────────────────────────────────────────────────

// One thread for all rounds, as a program would have it; idle, it keeps nothing alive.
let pool: Pool | undefined;

/** A connection that is up. */
export async function openConnection({
  port,
  protocol,
}: Pick<Asking, 'port' | 'protocol'>): Promise<Connection> {
  pool ??= new Pool({ threads: 1 });
  const connection = pool.open(`http://127.0.0.1:${port}`, { protocols: [protocol] });
  await connection.awaitUp();
  return connection;
}

function gunport(ask: (connection: Connection) => Promise<string>): HttpPeer['open'] {
  return async (asking, tally) => {
    const connection = await openConnection(asking);
    const stop = keepAsking(() => ask(connection), asking, tally);
    return async () => {
      await stop();
      await connection.close();
    };
  };
}

async function noticeByNotice(connection: Connection): Promise<string> {
  const stream = connection.get('/');
  const response = await connection.await(stream);
  if (response.type !== 'response' || response.status !== 200) throw new Error('no answer');
  const { body } = await connection.awaitBody(stream);
  return new TextDecoder().decode(body);
}

// ── others on the main thread ───────────────────────────────────────────────────────────────────────────────

/** A client with one connection. */
export function undiciClient({ port, protocol }: Pick<Asking, 'port' | 'protocol'>, atOnce: number): Client {
  return new Client(`http://127.0.0.1:${port}`, {
    pipelining: atOnce,
    ...(protocol === 'http2' && { useH2c: true, maxConcurrentStreams: atOnce }),
  });
}

async function openUndici(asking: Asking, tally: Tally): Promise<Close> {
  const client = undiciClient(asking, asking.atOnce);
  const ask = async (): Promise<string> => {
    const { body } = await client.request({ path: '/', method: 'GET' });
    return body.text();
  };
  const stop = keepAsking(ask, asking, tally);
  return async () => {
    await stop();
    await client.destroy();
  };
}

async function openNode(asking: Asking, tally: Tally): Promise<Close> {
  const agent = new Agent({ keepAlive: true, maxSockets: asking.atOnce });
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: asking.port, path: '/', agent }, (response) => {
        text(response).then(resolve, reject);
      }).on('error', reject);
    });
  const stop = keepAsking(ask, asking, tally);
  return async () => {
    await stop();
    agent.destroy();
  };
}

async function openFetch(asking: Asking, tally: Tally): Promise<Close> {
  const dispatcher = new UndiciAgent();
  const url = `http://127.0.0.1:${asking.port}/`;
  const stop = keepAsking(async () => (await fetch(url, { dispatcher })).text(), asking, tally);
  return async () => {
    await stop();
    await dispatcher.destroy();
  };
}

/** Counts bytes: what server, kernel and libuv would allow a client. */
async function openRaw({ port, atOnce }: Asking, tally: Tally): Promise<Close> {
  const request = `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`;
  let start = performance.now();
  let pending = 0;
  const read = (length: number): boolean => {
    pending += length;
    const count = Math.floor(pending / SMALL_ANSWER.length);
    pending -= count * SMALL_ANSWER.length;
    tally.messages += count;
    tally.bytes += count * SMALL.length;
    if (tally.took && count > 0) {
      tally.took.push((performance.now() - start) * 1_000);
      start = performance.now();
    }
    if (count > 0) socket.write(request.repeat(count));
    return true;
  };
  const buffer = Buffer.allocUnsafeSlow(64 * 1024);
  const socket = dial({ host: '127.0.0.1', port, noDelay: true, onread: { buffer, callback: read } });
  socket.on('error', (error) => {
    tally.error ??= error;
  });
  socket.write(request.repeat(atOnce));
  return async () => {
    socket.destroy();
  };
}
