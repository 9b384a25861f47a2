// worker-threads — what one thread of the model has in place of node:worker_threads.
// Put there by ../loader.ts, once for each thread: `?thread=` says for which.
// Invariant: as ports.ts and world.ts have it.

import { FakeChannel, FakePort } from '../ports.ts';
import { adopt, FakeWorker } from '../worker.ts';
import { type ModelThread, world } from '../world.ts';

const name = new URL(import.meta.url).searchParams.get('thread') ?? '';

export let threadId = -1;
export const isMainThread: boolean = name.startsWith('main');
export let parentPort: FakePort | null = null;
/** All have one heap, and none fills it. */
export const resourceLimits: object = {};

/** Who it is, in the life that begins. */
export function become(id: number, port: FakePort | null): void {
  threadId = id;
  parentPort = port;
}

export { FakeChannel as MessageChannel, FakePort as MessagePort, FakeWorker as Worker };

export function receiveMessageOnPort(port: FakePort): { message: unknown } | undefined {
  return port.take();
}

/** Delivered in the thread it names, if somebody listens there; settles in the one that runs. */
export function postMessageToThread(
  id: number,
  message: unknown,
  list: readonly unknown[] = [],
): Promise<void> {
  const from = world.current as ModelThread; // Only threads call it.
  const channel = new FakeChannel();
  return new Promise((resolve, reject) => {
    const found = FakeWorker.find(id);
    if (!found) {
      channel.port1.close();
      from.immediate(() => reject(new Error(`no thread ${id}`)));
      return;
    }
    channel.port1.postMessage(message, list);
    channel.port1.on('message', () => {
      channel.port1.close();
      resolve();
    });
    // It died on the way, or nobody listens: what was sent along is lost.
    channel.port1.on('close', () => reject(new Error(`thread ${id} does not answer`)));
    adopt(found, channel.port2.leave(), (port, posted) => {
      if (found.inbox.length === 0) return;
      port.postMessage(true);
      for (const listener of found.inbox) listener(posted, from.id);
    });
  });
}
