// route — the way of a feed: from main through one worker or several, each of which gives it to the next, and home.
// Made by works.ts, one for each peer; its threads live as long as the benchmark's group.
// Invariant: a round ends with the feed closed, by whoever owns it then; a turn that fails is the round's error.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { Pool, receiveOwnership } from '../../lib/index.ts';
import { fileBeside } from '../instruments/serverprocess.ts';
import { TransferLog } from './log.ts';
import { type Baton, takeTurn } from './turn.ts';
import type { Neighbours } from './worker-owner.ts';

export class Route implements AsyncDisposable {
  readonly #pool = new Pool({ threads: 1 });
  readonly #workers: readonly [first: Worker, ...rest: Worker[]];
  readonly #home = new AbortController();
  #failed: (error: unknown) => void = () => {};

  /** Through so many workers, at least one. */
  constructor(stops: number) {
    const channels = Array.from({ length: stops - 1 }, () => new MessageChannel());
    const start = (stop: number): Worker => {
      const worker = startWorker({ take: channels[stop - 1]?.port2, give: channels[stop]?.port1 });
      worker.on('error', (error) => this.#failed(error));
      worker.unref();
      return worker;
    };
    this.#workers = [start(0), ...channels.map((_, at) => start(at + 1))];
    void this.#takeHome();
  }

  /** Sends a fresh feed on its way; `until` says when it is to end, and what it was asked for.
   *  @throws what a turn does. */
  async run<T>(url: string, until: (log: TransferLog) => Promise<T>): Promise<T> {
    const log = new TransferLog();
    const failed = new Promise<never>((_, reject) => {
      this.#failed = reject;
    });
    failed.catch(() => {}); // It may come when the round is over.
    const feed = await this.#pool.connect(url);
    const { connection } = feed;
    const { down } = connection.monitor({ keep: true });
    takeTurn(feed, { next: 0, log: log.shared }, log, this.#workers[0]).catch(this.#failed);
    try {
      return await Promise.race([until(log), failed]);
    } finally {
      log.stop();
      // Who owns it closes it at the next cut.
      await down;
    }
  }

  /** Main is the last stop, and the first of the next tour. */
  async #takeHome(): Promise<void> {
    const last = this.#workers.at(-1);
    const { signal } = this.#home;
    try {
      for await (const { feed, data } of receiveOwnership.all<Baton>(last, { signal })) {
        await takeTurn(feed, data, new TransferLog(data.log), this.#workers[0]);
      }
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#home.abort();
    await this.#pool.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function startWorker({ take, give }: Neighbours): Worker {
  return new Worker(fileBeside(import.meta.url, 'worker-owner'), {
    workerData: { take, give } satisfies Neighbours,
    transferList: [take, give].filter((port): port is MessagePort => port !== undefined),
  });
}
