// works — a feed of server-sent events as a work of the benchmark, and the ways to receive it on the main thread.
// Started by run.ts; server.ts is who sends it.
// Invariant: each counts an event when the main thread's own code has its type, data and id in its hands as texts.

import { get } from 'node:http';
import { connect as dial } from 'node:net';
import { createParser } from 'eventsource-parser';
import { EventSource, type MessageEvent } from 'undici';
import { type Connection, Pool } from '../../lib/index.ts';
import { measure } from '../instruments/measure.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Close, Group, Peer, Settings, Tally, Unit, Work } from '../instruments/work.ts';

/** What its server says. */
export interface SseReady {
  readonly port: number;
  /** Mean size of an event on the wire, in bytes. */
  readonly wireBytes: number;
}

const SSE_PEER_NAMES = ['sse', 'sse-events', 'parser', 'eventsource', 'sse-raw'] as const;
type SsePeerName = (typeof SSE_PEER_NAMES)[number];

const EVENTS: Unit = { rate: 'k events/s', per: 1_000 };
/** Bytes of data in an event. */
const SIZE = 100;
const TYPE = 'trade';

/** One event as it is sent. */
export function eventText(i: number): string {
  const quote = JSON.stringify({
    symbol: 'BTC-USDT',
    price: '60123.45',
    sequence: 1_000_000 + i,
    side: 'buy',
  });
  return `id: ${1_000_000 + i}\nevent: ${TYPE}\ndata: ${quote.padEnd(SIZE)}\n\n`;
}

interface SsePeer {
  readonly label: string;
  readonly open: (ready: SseReady, tally: Tally) => Promise<Close>;
}

const PEERS: Readonly<Record<SsePeerName, SsePeer>> = {
  sse: { label: 'gunport, for await of sse()', open: gunport((connection) => connection.sse('/')) },
  'sse-events': {
    label: 'gunport, for await of get().events()',
    open: gunport((connection) => connection.get('/', { contentHandlers: ['sse'] }).events()),
  },
  parser: { label: 'eventsource-parser on main, node:http', open: openParser },
  eventsource: { label: 'undici EventSource on main', open: openEventSource },
  'sse-raw': { label: '(bytes only, no events: the ceiling)', open: openRaw },
};

export const SSE: Group = {
  works: ['sse'],
  peers: SSE_PEER_NAMES,
  start: async (_, settings) => {
    const server = await ServerProcess.start<SseReady>(fileBeside(import.meta.url, 'server'));
    const works = [workOf(server.ready, settings)];
    return server.serving(works);
  },
};

function workOf(ready: SseReady, settings: Settings): Work {
  const peers = SSE_PEER_NAMES.map((peer): Peer => {
    const { label, open } = PEERS[peer];
    return { name: peer, label, measure: () => measure((tally) => open(ready, tally), SIZE, settings) };
  });
  const base = { peer: 'parser', label: 'eventsource-parser on main' };
  return {
    name: 'sse',
    label: `${SIZE} B server-sent events`,
    unit: EVENTS,
    base,
    peers,
    quick: ['sse', 'parser'],
  };
}

/** An event is in hand. */
function count(tally: Tally, type: string, data: string, id: string | undefined): void {
  if (type !== TYPE || id === undefined) throw new Error(`an event of type ${type} with the id ${id}`);
  tally.messages++;
  tally.bytes += data.length;
}

// ── gunport ─────────────────────────────────────────────────────────────────────────────────────────────────

type Events = AsyncIterable<{ readonly type: string; readonly data: string; readonly lastEventId: string }>;

// One thread for all rounds, as a program would have it; idle, it keeps nothing alive.
let pool: Pool | undefined;

function gunport(feed: (connection: Connection) => Events): SsePeer['open'] {
  return async ({ port }, tally) => {
    pool ??= new Pool({ threads: 1 });
    const connection = pool.open(`http://127.0.0.1:${port}`);
    await connection.awaitUp();
    let closing = false;
    const read = async (): Promise<void> => {
      for await (const { type, data, lastEventId } of feed(connection)) count(tally, type, data, lastEventId);
    };
    const reading = read().catch((error: unknown) => {
      if (!closing) tally.error ??= error;
    });
    return async () => {
      closing = true;
      await connection.close();
      await reading;
    };
  };
}

// ── others on the main thread ───────────────────────────────────────────────────────────────────────────────

async function openParser({ port }: SseReady, tally: Tally): Promise<Close> {
  const parser = createParser({
    onEvent: ({ event = 'message', data, id }) => count(tally, event, data, id),
  });
  const decoder = new TextDecoder();
  const request = get({ host: '127.0.0.1', port, path: '/', agent: false }, (response) => {
    response.on('data', (chunk: Buffer) => parser.feed(decoder.decode(chunk, { stream: true })));
    response.on('error', () => {}); // It is closed in the midst of it.
  });
  request.on('error', (error) => {
    if (!request.destroyed) tally.error ??= error;
  });
  return async () => {
    request.destroy();
  };
}

async function openEventSource({ port }: SseReady, tally: Tally): Promise<Close> {
  const source = new EventSource(`http://127.0.0.1:${port}/`);
  source.addEventListener(TYPE, (event) => {
    const { type, data, lastEventId } = event as MessageEvent; // An EventSource has no others.
    count(tally, type, String(data), lastEventId);
  });
  return async () => source.close();
}

/** Counts bytes: what server, kernel and libuv would allow a client. */
async function openRaw({ port, wireBytes }: SseReady, tally: Tally): Promise<Close> {
  let total = 0;
  const read = (length: number): boolean => {
    total += length;
    tally.messages = total / wireBytes;
    tally.bytes = tally.messages * SIZE;
    return true;
  };
  const buffer = Buffer.allocUnsafeSlow(64 * 1024);
  const socket = dial({ host: '127.0.0.1', port, noDelay: true, onread: { buffer, callback: read } });
  socket.on('error', (error) => {
    tally.error ??= error;
  });
  socket.write(`GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
  return async () => {
    socket.destroy();
  };
}
