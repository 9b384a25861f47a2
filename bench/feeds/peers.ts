// peers — the ways to receive a feed on the main thread that are compared, behind one door.
// Opened through works.ts, once a round each; thread-peers.ts has those that put ws into a worker.
// Invariant: each counts a message when the main thread's own code has it in its hands as a user would: text as a
// string, binary as bytes. No peer is spared work that another does, and no peer does work that its users would not.

import { connect as dial, type Socket } from 'node:net';
import { Agent, buildConnector, WebSocket as UndiciWebSocket } from 'undici';
import websocket from 'websocket';
import { WebSocket } from 'ws';
import { type Batch, type Connection, Pool, type WsStream } from '../../lib/index.ts';
import type { Close, Tally } from '../instruments/work.ts';
import type { Payload, Source } from './payloads.ts';
import { comlinkPeer, postPeer } from './thread-peers.ts';

export const FEED_PEER_NAMES = [
  'events',
  'for-await',
  'batches',
  'borrowed',
  'taken',
  'ws',
  'undici',
  'websocket',
  'ws-post',
  'ws-comlink',
  'raw',
] as const;
export type FeedPeerName = (typeof FEED_PEER_NAMES)[number];

/** A way to receive a feed. */
export interface FeedPeer {
  readonly label: string;
  /** Opens a fresh connection and counts what comes into `tally`. */
  readonly open: (source: Source, tally: Tally) => Promise<Close>;
  /** Where it would only repeat another row. */
  readonly skips?: (payload: Payload) => boolean;
}

export const FEED_PEERS: Readonly<Record<FeedPeerName, FeedPeer>> = {
  events: { label: "gunport, 'message' events", open: gunport(onEvents) },
  'for-await': { label: 'gunport, for await', open: gunport(forAwait) },
  batches: {
    label: 'gunport, batches(), read in place',
    open: gunport((feed, tally) => inBatches(feed, tally, sumInPlace)),
  },
  borrowed: {
    label: 'gunport, batches({ borrow }), in place',
    open: gunport((feed, tally) => inBatches(feed, tally, sumInPlace, true)),
  },
  taken: {
    label: 'gunport, batches(), bytes(i) or text(i)',
    open: gunport((feed, tally, text) => inBatches(feed, tally, text ? lengthOfTexts : lengthOfBytes)),
  },
  ws: { label: 'ws on main', open: openWs },
  undici: { label: 'undici WebSocket on main', open: openUndici },
  websocket: {
    label: 'websocket on main',
    open: openWebsocket,
    skips: ({ compressed }) => compressed, // It has no compression.
  },
  'ws-post': { label: 'ws in a worker, a postMessage each', open: postPeer },
  'ws-comlink': { label: 'ws in a worker, a comlink call each', open: comlinkPeer },
  raw: {
    label: '(bytes only, no WebSocket: the ceiling)',
    open: openRaw,
    skips: ({ secure }) => secure,
  },
};

// ── gunport ─────────────────────────────────────────────────────────────────────────────────────────────────

type Feed = WsStream<Connection>;
type Reader = (feed: Feed, tally: Tally, text: boolean) => Promise<void> | void;

// One thread for all rounds, as a program would have it; idle, it keeps nothing alive.
let pool: Pool | undefined;

function gunport(read: Reader): FeedPeer['open'] {
  return async ({ url, payload, ca }, tally) => {
    pool ??= new Pool({ threads: 1 });
    const feed = await pool.connect(url, {
      compress: payload.compressed,
      ...(payload.secure && { tls: { ca } }),
    });
    let closing = false;
    const failed = (error: unknown): void => {
      if (!closing) tally.error ??= error;
    };
    void feed.closed.then(({ code, error }) => failed(error ?? new Error(`the feed closed with ${code}`)));
    const reading = Promise.resolve(read(feed, tally, payload.text)).catch(failed);
    return async () => {
      closing = true;
      await feed.connection.close();
      await reading;
    };
  };
}

function onEvents(feed: Feed, tally: Tally): void {
  feed.on('message', (message) => {
    tally.messages++;
    tally.bytes += message.length;
  });
}

async function forAwait(feed: Feed, tally: Tally): Promise<void> {
  for await (const message of feed) {
    tally.messages++;
    tally.bytes += message.length;
  }
}

async function inBatches(
  feed: Feed,
  tally: Tally,
  lengthOf: (batch: Batch) => number,
  borrow = false,
): Promise<void> {
  for await (const batch of feed.batches({ borrow })) {
    tally.bytes += lengthOf(batch);
    tally.messages += batch.length;
  }
}

// Functions of their own, called anew for each batch: V8 optimizes the body of an endless async loop late, and each of
// these sees one kind of message only.

/** The first byte of each message, read where it stands. */
function sumInPlace(batch: Batch): number {
  let length = 0;
  const { memory } = batch;
  for (let i = 0; i < batch.length; i++) {
    length += batch.byteLength(i);
    if (memory[batch.offset(i)] === undefined) throw new Error('a message is not where it should be');
  }
  return length;
}

function lengthOfTexts(batch: Batch): number {
  let length = 0;
  for (let i = 0; i < batch.length; i++) length += batch.text(i).length;
  return length;
}

function lengthOfBytes(batch: Batch): number {
  let length = 0;
  for (let i = 0; i < batch.length; i++) length += batch.bytes(i).length;
  return length;
}

// ── others on the main thread ───────────────────────────────────────────────────────────────────────────────

async function openWs({ url, payload, ca }: Source, tally: Tally): Promise<Close> {
  const socket = new WebSocket(url, { perMessageDeflate: payload.compressed, ca });
  let closing = false;
  const failed = (error: unknown): void => {
    if (!closing) tally.error ??= error;
  };
  socket.on('message', (data, isBinary) => {
    // binaryType is 'nodebuffer' unless asked otherwise.
    const message = isBinary ? (data as Buffer) : (data as Buffer).toString();
    tally.messages++;
    tally.bytes += message.length;
  });
  socket.on('error', failed);
  socket.on('close', (code) => failed(new Error(`the feed closed with ${code}`)));
  return async () => {
    closing = true;
    socket.terminate();
  };
}

async function openUndici({ url, payload, ca }: Source, tally: Tally): Promise<Close> {
  const connector = buildConnector({ ca });
  let carrier: Socket | undefined;
  const dispatcher = new Agent({
    connect: (options, callback) =>
      connector(options, (...result) => {
        // close() would first read what the kernel still holds; so the window ends with the socket itself.
        carrier = result[1] ?? undefined;
        callback(...result);
      }),
  });
  const socket = new UndiciWebSocket(url, { dispatcher });
  socket.binaryType = 'arraybuffer';
  let closing = false;
  socket.addEventListener('message', ({ data }: { data: string | ArrayBuffer }) => {
    tally.messages++;
    tally.bytes += typeof data === 'string' ? data.length : data.byteLength;
  });
  socket.addEventListener('close', ({ code }) => {
    if (!closing) tally.error ??= new Error(`the feed closed with ${code}`);
  });
  if (payload.compressed) {
    socket.addEventListener('open', () => {
      if (!socket.extensions) tally.error ??= new Error('undici did not take the compression');
    });
  }
  return async () => {
    closing = true;
    carrier?.destroy();
    await dispatcher.destroy();
  };
}

async function openWebsocket({ url, ca }: Source, tally: Tally): Promise<Close> {
  const most = 64 * 1024 * 1024;
  const client = new websocket.client({
    maxReceivedFrameSize: most,
    maxReceivedMessageSize: most,
    tlsOptions: { ca },
  });
  let closing = false;
  let connection: websocket.connection | undefined;
  client.on('connectFailed', (error) => {
    tally.error ??= error;
  });
  client.on('connect', (opened) => {
    connection = opened;
    opened.on('message', (message) => {
      tally.messages++;
      tally.bytes += message.type === 'utf8' ? message.utf8Data.length : message.binaryData.length;
    });
    opened.on('close', (code) => {
      if (!closing) tally.error ??= new Error(`the feed closed with ${code}`);
    });
  });
  client.connect(url);
  return async () => {
    closing = true;
    connection?.socket.destroy();
  };
}

/** Reads into one buffer and looks at nothing: what server, kernel and libuv would allow a client. */
async function openRaw({ url, payload, frameBytes }: Source, tally: Tally): Promise<Close> {
  const { hostname, port, pathname } = new URL(url);
  const read = (count: number): boolean => {
    tally.messages += count / frameBytes;
    tally.bytes += (count / frameBytes) * payload.size;
    return true;
  };
  const buffer = Buffer.allocUnsafeSlow(512 * 1024);
  const socket = dial({ host: hostname, port: Number(port), onread: { buffer, callback: read } });
  socket.on('error', (error) => {
    tally.error ??= error;
  });
  socket.write(
    `GET ${pathname} HTTP/1.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n` +
      'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
  );
  return async () => {
    socket.destroy();
  };
}
