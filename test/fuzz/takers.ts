// takers — the other thread that connections to fuzzed peers are handed to, seen from the giver.
// One for each run of fuzz.ts; its far side is taker.ts.
// Invariant: what did not hold there is told in the verdict of the giver; a taker that was given one has let it go before
// the visit is over.

import { Worker } from 'node:worker_threads';
import type { Connection } from '../../lib/index.ts';
import type { Plan } from './plan.ts';
import type { Left } from './taker.ts';
import type { Verdict } from './verdict.ts';

export class Takers {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, (left: Left) => void>();

  /** Started when it is first wanted. */
  get #thread(): Worker {
    if (this.#worker) return this.#worker;
    this.#worker = new Worker(new URL('./taker.js', import.meta.url));
    this.#worker.on('message', (left: Left) => {
      this.#waiting.get(left.index)?.(left);
      this.#waiting.delete(left.index);
    });
    return this.#worker;
  }

  /** False: it stays with the giver. */
  async give(connection: Connection, { index, clientSeed }: Plan, verdict: Verdict): Promise<boolean> {
    const left = new Promise<Left>((resolve) => this.#waiting.set(index, resolve));
    const given = await verdict.note(
      'transferOwnership to a thread',
      Promise.resolve()
        .then(() =>
          connection.transferOwnership(this.#thread, { data: { index, clientSeed }, timeout: 1_000 }),
        )
        .then(() => true),
    );
    if (!given) {
      this.#waiting.delete(index);
      return false;
    }
    const told = await verdict.note('the taker', left);
    for (const fault of told?.faults ?? []) verdict.wrong(`in the taker: ${fault}`);
    return true;
  }

  async end(): Promise<void> {
    await this.#worker?.terminate();
  }
}
