// peers — the ways to send a message from the main thread and have the answer there, behind one door.
// Opened through works.ts, once a round each. Invariant: `answered` is called when main's own code has the answer.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Agent, WebSocket as UndiciWebSocket } from 'undici';
import { WebSocket } from 'ws';
import { Pool } from '../../lib/index.ts';
import { fileBeside } from '../instruments/serverprocess.ts';
import type { Close } from '../instruments/work.ts';

/** An open WebSocket to an echo server. */
interface EchoLine {
  readonly send: (message: Buffer) => void;
  readonly close: Close;
}

/** Who hears of it. */
interface EchoHearer {
  answered(length: number): void;
  failed(error: unknown): void;
}

export interface EchoPeer {
  readonly label: string;
  readonly open: (url: string, hearer: EchoHearer) => Promise<EchoLine>;
}

export const ECHO_PEER_NAMES = ['gunport', 'ws', 'undici', 'ws-post'] as const;
export type EchoPeerName = (typeof ECHO_PEER_NAMES)[number];

export const ECHO_PEERS: Readonly<Record<EchoPeerName, EchoPeer>> = {
  gunport: { label: "gunport, send() and 'message'", open: openGunport },
  ws: { label: 'ws on main', open: openWs },
  undici: { label: 'undici WebSocket on main', open: openUndici },
  'ws-post': { label: 'ws in a worker, a postMessage each', open: openWorker },
};

// One thread for all rounds, as a program would have it; idle, it keeps nothing alive.
let pool: Pool | undefined;

async function openGunport(url: string, hearer: EchoHearer): Promise<EchoLine> {
  pool ??= new Pool({ threads: 1 });
  const feed = await pool.connect(url);
  let closing = false;
  void feed.closed.then(({ code, error }) => {
    if (!closing) hearer.failed(error ?? new Error(`it closed with ${code}`));
  });
  feed.on('message', ({ length }) => hearer.answered(length));
  return {
    send: (message) => feed.send(message),
    close: async () => {
      closing = true;
      await feed.connection.close();
    },
  };
}

async function openWs(url: string, hearer: EchoHearer): Promise<EchoLine> {
  const client = new WebSocket(url, { perMessageDeflate: false });
  client.on('error', (error) => hearer.failed(error));
  // binaryType is 'nodebuffer' unless asked otherwise.
  client.on('message', (data) => hearer.answered((data as Buffer).length));
  await once(client, 'open');
  return { send: (message) => client.send(message), close: async () => client.terminate() };
}

async function openUndici(url: string, hearer: EchoHearer): Promise<EchoLine> {
  const dispatcher = new Agent();
  const client = new UndiciWebSocket(url, { dispatcher });
  client.binaryType = 'arraybuffer';
  client.addEventListener('message', ({ data }: { data: ArrayBuffer }) => hearer.answered(data.byteLength));
  client.addEventListener('error', ({ error }) => hearer.failed(error));
  await new Promise((resolve) => client.addEventListener('open', resolve));
  return { send: (message) => client.send(message), close: () => dispatcher.destroy() };
}

/** A fresh thread a round, terminated with it. */
async function openWorker(url: string, hearer: EchoHearer): Promise<EchoLine> {
  const worker = new Worker(fileBeside(import.meta.url, 'worker-ws'), { workerData: url });
  worker.on('error', (error) => hearer.failed(error));
  await once(worker, 'message');
  worker.on('message', ({ length }: Uint8Array) => hearer.answered(length));
  return {
    // Copied: posting a view of a pooled Buffer copies all of the pool.
    send: (message) => worker.postMessage(new Uint8Array(message)),
    close: async () => void (await worker.terminate()),
  };
}
