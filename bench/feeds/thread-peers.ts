// thread-peers — ws in a worker thread, its messages sent over one by one: what one would build by hand.
// Opened by measure.ts through peers.ts; worker-ws.ts is the thread.
// Invariant: a fresh thread a round, terminated with it: its backlog has no bound and must not reach the next peer.

import { MessageChannel, Worker } from 'node:worker_threads';
import * as comlink from 'comlink';
import { fileBeside } from '../instruments/serverprocess.ts';
import type { Close, Tally } from '../instruments/work.ts';
import type { Source } from './payloads.ts';
import type { FeedApi, Task } from './worker-ws.ts';

/** One postMessage a message. */
export async function postPeer(source: Source, tally: Tally): Promise<Close> {
  const worker = start({ url: source.url, compressed: source.payload.compressed, ca: source.ca }, tally);
  worker.on('message', (message: string | Uint8Array) => {
    tally.messages++;
    tally.bytes += message.length;
  });
  return () => end(worker);
}

/** One call of a comlink callback a message. */
export async function comlinkPeer(source: Source, tally: Tally): Promise<Close> {
  const { port1, port2 } = new MessageChannel();
  const worker = start({ port: port2 }, tally, [port2]);
  const remote = comlink.wrap<FeedApi>(port1);
  const onMessage = (message: string | Uint8Array): void => {
    tally.messages++;
    tally.bytes += message.length;
  };
  await remote.open(source.url, source.payload.compressed, source.ca, comlink.proxy(onMessage));
  return async () => {
    await end(worker);
    port1.close();
  };
}

function start(task: Task, tally: Tally, transfer: Task['port'][] = []): Worker {
  const transferList = transfer.filter((port) => port !== undefined);
  const worker = new Worker(fileBeside(import.meta.url, 'worker-ws'), { workerData: task, transferList });
  worker.on('error', (error) => {
    tally.error ??= error;
  });
  return worker;
}

async function end(worker: Worker): Promise<void> {
  worker.removeAllListeners('message');
  await worker.terminate();
}
