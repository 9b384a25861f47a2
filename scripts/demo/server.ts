// server — the feed, in a process of its own: numbered trades as fast as the socket takes them.
// Forked by source.ts; told what to do over the process channel, and ended by that channel's end.
// Invariant: one block is on its way at a time, so TCP pushes back on the numbering itself and nothing piles up here.
// Whole frames are written to the socket beside `ws`, which does the handshake, the pings and the goodbye.
// It pings all the time and notes when each pong came: what our heartbeats are worth is seen from here.

import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { now } from './clock.ts';
import { Block, FIRST } from './trade.ts';

/** Milliseconds between two pings of the server. */
const PING_EVERY = 25;
/** Blocks written in one turn of the loop: a write that the kernel takes at once calls back at once, and without a
 *  bound the pongs would never be read. */
const BLOCKS_A_TURN = 8;
/** How long a report waits for sockets that are about to close, in milliseconds. */
const CLOSING = 2_000;

/** One pong: when it came, by clock.ts, and its round trip in milliseconds. */
export interface Pong {
  readonly at: number;
  readonly rtt: number;
}

/** What the server has seen. */
export interface Report {
  readonly type: 'report';
  readonly sent: number;
  readonly pongs: readonly Pong[];
  /** Pings of the client. */
  readonly pings: number;
  /** Connections that are open still. */
  readonly open: number;
}

/** What the server tells its parent. */
export type FromServer =
  | { readonly type: 'listening'; readonly port: number; readonly first: number }
  | Report;

/** What the parent asks for. */
export type ToServer = { readonly type: 'report' };

const pongs: Pong[] = [];
let pings = 0;
let sent = 0;
let open = 0;

const sockets = new WebSocketServer({ noServer: true, clientTracking: false });
const server = createServer();
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (peer) => serve(peer, socket));
});
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  tell({ type: 'listening', port, first: FIRST });
});

// A terminal sends its Ctrl-C to the whole group; this process ends with its parent, not before.
process.on('SIGINT', () => {});
process.on('message', (message: ToServer) => {
  if (message.type === 'report') void report();
});
process.on('disconnect', () => process.exit());

function serve(peer: WebSocket, socket: Duplex): void {
  open++;
  const pinging = setInterval(() => peer.ping(stamp()), PING_EVERY);
  peer.on('pong', (payload: Buffer) => {
    const at = now();
    pongs.push({ at, rtt: at - payload.readDoubleBE() });
  });
  peer.on('ping', () => pings++);
  peer.on('error', () => {}); // A client that is killed resets; 'close' follows, and that is counted.
  peer.on('close', () => {
    clearInterval(pinging);
    open--;
  });
  pour(peer, socket);
}

function pour(peer: WebSocket, socket: Duplex): void {
  const block = new Block();
  let blocks = 0;
  const write = (): void => {
    if (peer.readyState !== peer.OPEN) return;
    if (blocks > 0) block.advance();
    blocks++;
    sent += block.count;
    socket.write(block.bytes, written);
  };
  const written = (error: Error | null | undefined): void => {
    if (error) return; // The client is gone.
    if (blocks % BLOCKS_A_TURN === 0) setImmediate(write);
    else write();
  };
  write();
}

function stamp(): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeDoubleBE(now());
  return payload;
}

async function report(): Promise<void> {
  const deadline = now() + CLOSING;
  while (open > 0 && now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  tell({ type: 'report', sent, pongs, pings, open });
}

function tell(message: FromServer): void {
  process.send?.(message);
}
