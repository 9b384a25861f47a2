// peers — the ways to send from the main thread that are compared, behind one door.
// Opened through works.ts, once a round each. Invariant: none sends while more than LIMIT bytes of it wait here; each
// waits as its users would: for a drain, for the last callback, or turn by turn where there is neither.

import type { Socket } from 'node:net';
import { Agent, WebSocket as UndiciWebSocket } from 'undici';
import { WebSocket } from 'ws';
import { Pool } from '../../lib/index.ts';
import type { Close } from '../instruments/work.ts';

/** Bytes that may wait in the process before its sender does. */
const LIMIT = 4 * 1024 * 1024;

/** An open WebSocket. */
interface Line {
  /** Sends the message so often, in this turn. A promise: no more before it has resolved. */
  readonly send: (times: number) => Promise<void> | undefined;
  readonly close: Close;
  /** It ended before it was closed. */
  readonly failed: () => unknown;
}

export interface SendPeer {
  readonly label: string;
  readonly open: (url: string, message: Buffer) => Promise<Line>;
}

export const SEND_PEER_NAMES = ['gunport', 'ws', 'ws-corked', 'undici'] as const;
export type SendPeerName = (typeof SEND_PEER_NAMES)[number];

export const SEND_PEERS: Readonly<Record<SendPeerName, SendPeer>> = {
  gunport: { label: 'gunport, send()', open: openGunport },
  ws: { label: 'ws on main', open: (url, message) => openWs(url, message, false) },
  'ws-corked': {
    label: 'ws on main, its socket corked by hand',
    open: (url, message) => openWs(url, message, true),
  },
  undici: { label: 'undici WebSocket on main', open: openUndici },
};

// One thread for all rounds, as a program would have it; idle, it keeps nothing alive.
let pool: Pool | undefined;

async function openGunport(url: string, message: Buffer): Promise<Line> {
  pool ??= new Pool({ threads: 1 });
  const feed = await pool.connect(url, { maxBuffered: LIMIT });
  let error: unknown;
  let closing = false;
  void feed.closed.then((end) => {
    if (!closing) error = end.error ?? new Error(`it closed with ${end.code}`);
  });
  return {
    send: (times) => {
      let more = true;
      for (let i = 0; i < times; i++) more = feed.send(message);
      return more ? undefined : feed.drained();
    },
    close: async () => {
      closing = true;
      await feed.connection.close();
    },
    failed: () => error,
  };
}

async function openWs(url: string, message: Buffer, corked: boolean): Promise<Line> {
  const client = new WebSocket(url, { perMessageDeflate: false });
  let error: unknown;
  client.on('error', (cause) => {
    error = cause;
  });
  await new Promise((resolve, reject) => client.on('open', resolve).on('error', reject));
  // Not documented: what one does who knows that a write for each message is what costs.
  const carrier = (client as unknown as { _socket: Socket })._socket;
  return {
    send: (times) => {
      if (corked) carrier.cork();
      for (let i = 1; i < times; i++) client.send(message);
      const drained =
        client.bufferedAmount > LIMIT
          ? new Promise<void>((resolve) => client.send(message, () => resolve()))
          : void client.send(message);
      if (corked) carrier.uncork();
      return drained ?? undefined;
    },
    close: async () => client.terminate(),
    failed: () => error,
  };
}

async function openUndici(url: string, message: Buffer): Promise<Line> {
  const dispatcher = new Agent();
  const client = new UndiciWebSocket(url, { dispatcher });
  let error: unknown;
  await new Promise((resolve, reject) => {
    client.addEventListener('open', resolve);
    client.addEventListener('error', (event) => {
      error = event.error;
      reject(error);
    });
  });
  return {
    send: (times) => {
      for (let i = 0; i < times; i++) client.send(message);
      return client.bufferedAmount > LIMIT ? belowLimit(client) : undefined;
    },
    close: async () => {
      await dispatcher.destroy();
    },
    failed: () => error,
  };
}

async function belowLimit(client: UndiciWebSocket): Promise<void> {
  while (client.bufferedAmount > LIMIT && client.readyState === UndiciWebSocket.OPEN) {
    await new Promise(setImmediate);
  }
}
