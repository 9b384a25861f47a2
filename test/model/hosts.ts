// hosts — the threads that hold connection processes: the real workers/host.ts, in one copy of the code.
// Told by stage.ts what that is; started by shims/piscina.ts. Invariant: one lives at a time, so one copy serves all.

import { type Code, FakeWorker } from './worker.ts';
import { world } from './world.ts';

/** What workers/host.ts exports, and the thread's own `node:worker_threads`. */
export interface HostCode extends Code {
  host(boot: unknown): void;
}

class Hosts {
  #code: HostCode | undefined;
  #worker: FakeWorker | undefined;

  load(code: HostCode): void {
    this.#code = code;
  }

  /** The one that lives. */
  get worker(): FakeWorker | undefined {
    return this.#worker?.thread.alive ? this.#worker : undefined;
  }

  start(): FakeWorker {
    const code = this.#code;
    if (!code) throw new Error('no code for hosts was loaded');
    const worker = new FakeWorker('process', code, []);
    this.#worker = worker;
    const { parentPort } = worker;
    world.within(worker.thread, () => parentPort.on('message', (boot: unknown) => code.host(boot)));
    return worker;
  }
}

export const hosts: Hosts = new Hosts();
