// peers — the ways to a first message, each from its import on, in a process that has loaded nothing yet.
// Read by works.ts for the names, and by fresh.ts, which runs one of them.
// Invariant: nothing of a peer is imported before `load` is called; a type costs nothing.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { fileBeside } from '../instruments/serverprocess.ts';

/** Opens a WebSocket on main, or in one more thread, and resolves when main has its first message. */
type Greet = (url: string) => Promise<void>;

interface StartupPeer {
  readonly label: string;
  /** Imports it. */
  readonly load: () => Promise<Greet>;
  /** Each further call of what was loaded takes a thread of its own. */
  readonly threads?: true;
}

export const STARTUP_PEER_NAMES = ['gunport', 'ws', 'undici', 'websocket', 'ws-post'] as const;
export type StartupPeerName = (typeof STARTUP_PEER_NAMES)[number];

/** Threads that those which have threads come to. */
export const THREADS = 4;

export const STARTUP_PEERS: Readonly<Record<StartupPeerName, StartupPeer>> = {
  gunport: { label: 'gunport', load: loadGunport, threads: true },
  ws: { label: 'ws on main', load: loadWs },
  undici: { label: 'undici WebSocket on main', load: loadUndici },
  websocket: { label: 'websocket on main', load: loadWebsocket },
  'ws-post': { label: 'ws in a worker, a postMessage each', load: loadWorker, threads: true },
};

async function loadGunport(): Promise<Greet> {
  const { Pool } = await import('../../lib/index.ts');
  const pool = new Pool({ threads: THREADS });
  return async (url) => {
    const feed = await pool.connect(url);
    await new Promise((resolve) => feed.on('message', resolve));
  };
}

async function loadWs(): Promise<Greet> {
  const { WebSocket } = await import('ws');
  return async (url) => {
    await once(new WebSocket(url, { perMessageDeflate: false }), 'message');
  };
}

async function loadUndici(): Promise<Greet> {
  const { WebSocket } = await import('undici');
  return async (url) => {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener('message', resolve);
      socket.addEventListener('error', ({ error }) => reject(error));
    });
  };
}

async function loadWebsocket(): Promise<Greet> {
  const { default: websocket } = await import('websocket'); // CommonJS.
  return (url) => {
    const client = new websocket.client();
    const greeted = new Promise<void>((resolve, reject) => {
      client.on('connect', (connection) => connection.on('message', () => resolve()));
      client.on('connectFailed', reject);
    });
    client.connect(url);
    return greeted;
  };
}

/** Main has nothing to load. */
async function loadWorker(): Promise<Greet> {
  const path = fileBeside(import.meta.url, '../echoes/worker-ws');
  return async (url) => {
    const worker = new Worker(path, { workerData: url });
    // The first says that it is open.
    await once(worker, 'message');
    await once(worker, 'message');
  };
}
