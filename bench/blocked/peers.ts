// peers — the ways to have a feed's messages while main is busy with something else, behind one door.
// Opened through works.ts, once a round each.
// Invariant: a message's age is taken by the code that consumes it, in its own thread, when it has it.

import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { Pool } from '../../lib/index.ts';
import { fileBeside } from '../instruments/serverprocess.ts';
import type { Close } from '../instruments/work.ts';
import type { AgesApi } from './handler.ts';
import { age } from './stamps.ts';

interface BlockedLine {
  /** Ages of the messages since it was asked last, in us. */
  readonly take: () => Promise<number[]>;
  readonly close: Close;
}

export interface BlockedPeer {
  readonly label: string;
  readonly open: (url: string) => Promise<BlockedLine>;
}

export const BLOCKED_PEER_NAMES = ['gunport', 'gunport-handler', 'gunport-owner', 'ws', 'ws-post'] as const;
export type BlockedPeerName = (typeof BLOCKED_PEER_NAMES)[number];

export const BLOCKED_PEERS: Readonly<Record<BlockedPeerName, BlockedPeer>> = {
  gunport: { label: 'gunport, messages on main', open: openGunport },
  'gunport-handler': { label: 'gunport, handler beside the socket', open: openHandler },
  'gunport-owner': { label: 'gunport, given to a worker', open: openOwner },
  ws: { label: 'ws on main', open: openWs },
  'ws-post': { label: 'ws in a worker, a postMessage each', open: openWorker },
};

// One thread for all rounds, as a program would have it; idle, it keeps nothing alive.
let pool: Pool | undefined;

function thePool(): Pool {
  pool ??= new Pool({ threads: 1 });
  return pool;
}

async function openGunport(url: string): Promise<BlockedLine> {
  const feed = await thePool().connect(url);
  const ages = new Ages();
  feed.on('message', (data) => ages.had(data as Uint8Array)); // All are binary.
  return { take: async () => ages.take(), close: () => feed.connection.close() };
}

async function openHandler(url: string): Promise<BlockedLine> {
  const module = pathToFileURL(fileBeside(import.meta.url, 'handler'));
  const feed = await thePool().connect(url, { handler: { module } });
  const api = feed.remote<AgesApi>();
  return { take: () => api.take(), close: () => feed.connection.close() };
}

async function openOwner(url: string): Promise<BlockedLine> {
  const worker = new Worker(fileBeside(import.meta.url, 'worker-owner'));
  const feed = await thePool().connect(url);
  await feed.transferOwnership(worker);
  return {
    take: async () => {
      worker.postMessage('?');
      const [ages] = await once(worker, 'message');
      return ages as number[]; // It says nothing else.
    },
    // Its connection ends with its owner.
    close: async () => void (await worker.terminate()),
  };
}

async function openWs(url: string): Promise<BlockedLine> {
  const client = new WebSocket(url, { perMessageDeflate: false });
  const ages = new Ages();
  client.on('message', (data) => ages.had(data as Buffer)); // binaryType is 'nodebuffer' unless asked otherwise.
  await once(client, 'open');
  return { take: async () => ages.take(), close: async () => client.terminate() };
}

async function openWorker(url: string): Promise<BlockedLine> {
  const worker = new Worker(fileBeside(import.meta.url, '../echoes/worker-ws'), { workerData: url });
  await once(worker, 'message'); // It says that it is open.
  const ages = new Ages();
  worker.on('message', (data: Uint8Array) => ages.had(data));
  return { take: async () => ages.take(), close: async () => void (await worker.terminate()) };
}

/** Of the messages that main has. */
class Ages {
  #ages: number[] = [];

  had(message: Uint8Array): void {
    this.#ages.push(age(message));
  }

  take(): number[] {
    const taken = this.#ages;
    this.#ages = [];
    return taken;
  }
}
