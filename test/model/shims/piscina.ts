// piscina — what the model's main thread has in place of piscina: a pool of one thread, whose task is a host.
// Put there by ../loader.ts. Invariant: the task runs in the thread, later; destroy() ends it.

import { EventEmitter } from 'node:events';
import { hosts } from '../hosts.ts';
import type { FakeWorker } from '../worker.ts';

export class Piscina extends EventEmitter {
  readonly threads: readonly FakeWorker[] = [hosts.start()];

  run(boot: unknown, { transferList }: { readonly transferList: readonly unknown[] }): Promise<void> {
    const [worker] = this.threads;
    worker?.postMessage(boot, transferList);
    return Promise.resolve();
  }

  async destroy(): Promise<void> {
    const [worker] = this.threads;
    if (worker?.thread.alive) await worker.terminate();
  }
}
