// thread — another thread of a test, which runs functions of the test's and may own connections.
// Made by ownership tests; its far side is thread-entry.ts.
// Invariant: a function is sent as its source text: it sees its arguments and `here`, nothing else of the test.
// The thread's parentPort and 'workerMessage' stay free for offers: orders travel on a port of their own.

import { MessageChannel, MessagePort, Worker } from 'node:worker_threads';
import { type ErrorRecord, fromRecord } from '../../lib/errors.ts';
import type { Here } from './thread-entry.ts';

export type { Here } from './thread-entry.ts';

/** What the entry answers. */
export type Answer = { readonly id: number } & (
  | { readonly value: unknown }
  | { readonly error: ErrorRecord }
);

export class TestThread {
  readonly worker: Worker;
  /** Settles when the thread has ended. */
  readonly gone: Promise<void>;
  readonly #orders: MessagePort;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #next = 1;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.worker = new Worker(new URL('./thread-entry.js', import.meta.url), {
      workerData: { orders: port2 },
      transferList: [port2],
    });
    this.#orders = port1;
    port1.on('message', (answer: Answer) => this.#waiting.get(answer.id)?.(answer));
    this.worker.on('error', () => {}); // Told by 'exit' as well.
    this.gone = new Promise((resolve) => {
      this.worker.on('exit', () => {
        port1.close();
        const error = { name: 'Error', message: 'the thread has ended' };
        for (const [id, settle] of this.#waiting) settle({ id, error });
        resolve();
      });
    });
  }

  get threadId(): number {
    return this.worker.threadId;
  }

  /** Runs `task` there; ports among the arguments are moved. Rejects with the error that it threw. */
  run<A extends unknown[], R>(task: (here: Here, ...args: A) => R, ...args: A): Promise<Awaited<R>> {
    const id = this.#next++;
    const ports = args.filter((arg) => arg instanceof MessagePort);
    return new Promise((resolve, reject) => {
      if (this.threadId < 0) throw new Error('the thread has ended');
      this.#waiting.set(id, (answer) => {
        this.#waiting.delete(id);
        if ('error' in answer) reject(fromRecord(answer.error));
        else resolve(answer.value as Awaited<R>);
      });
      this.#orders.postMessage({ id, source: task.toString(), args }, ports);
    });
  }

  /** Kills it, as its host would. */
  async kill(): Promise<void> {
    await this.worker.terminate();
    await this.gone;
  }

  /** Closes what it owns; nothing if it is dead. */
  async closeOwned(): Promise<void> {
    await this.run(async (here) => {
      // NOT_OWNER: it was given on.
      for (const connection of here.owned) await connection.close().catch(() => {});
      here.owned.clear();
    }).catch(() => {});
  }

  /** Closes what it owns and lets it end by itself. */
  async end(): Promise<void> {
    await this.closeOwned();
    this.run((here) => here.orders.close()).catch(() => {});
    await this.gone;
  }
}

/** Called in a describe whose tests each need a thread of their own: gives one, while the next one starts beside it. */
export function spares(): () => TestThread {
  let next: TestThread | undefined;
  after(() => next?.end());
  return () => {
    const one = next ?? new TestThread();
    next = new TestThread();
    return one;
  };
}
