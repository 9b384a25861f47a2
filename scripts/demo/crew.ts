// crew — main's handle on the two consumer threads.
// Made by show.ts. Invariant: main gives the feed to the first of them and has no part in what goes on between them;
// what they count is read from shared memory. After stop() both threads are gone.

import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { within } from './clock.ts';
import type { FromConsumer, ToConsumer } from './consumer.ts';
import { Board, type Counts } from './ledger.ts';

const NAMES = ['A', 'B'] as const;
/** How long a thread may take to begin and to end, in milliseconds. */
const DEADLINE = 5_000;

/** How the feed ended, as the consumer that owned it tells. */
export interface Ending {
  readonly consumer: string;
  /** Of the Down that its own monitor got. */
  readonly kind: string;
  readonly message: string;
}

export class Crew {
  /** Settles when the feed has ended in a consumer's hands. */
  readonly ended: Promise<Ending>;
  readonly threadIds: readonly number[];
  readonly #workers: readonly Worker[];
  readonly #board: Board;

  /** Starts both; they keep the feed for `every` milliseconds each. @throws {Error} they are not ready in time. */
  static async start(every: number): Promise<Crew> {
    const board = new Board();
    const { port1, port2 } = new MessageChannel();
    const workers = NAMES.map(() => new Worker(new URL('./consumer.js', import.meta.url)));
    const crew = new Crew(workers, board);
    const ready = Promise.all(workers.map((worker) => once(worker, 'message')));
    workers.forEach((worker, index) => {
      const other = index === 0 ? port1 : port2;
      const order: ToConsumer = { type: 'start', index, board: board.memory, every, other };
      worker.postMessage(order, [other]);
    });
    try {
      await within(ready, DEADLINE, 'the start of the consumers');
    } catch (error) {
      await crew.stop();
      throw error;
    }
    return crew;
  }

  private constructor(workers: readonly Worker[], board: Board) {
    this.#workers = workers;
    this.#board = board;
    this.threadIds = workers.map(({ threadId }) => threadId);
    this.ended = new Promise((resolve) => {
      workers.forEach((worker, index) => {
        const consumer = nameOf(index);
        worker.on('message', (message: FromConsumer) => {
          if (message.type === 'end') resolve({ consumer, kind: message.kind, message: message.message });
        });
        worker.on('error', (error) =>
          resolve({ consumer, kind: 'consumer crashed', message: String(error) }),
        );
      });
    });
  }

  /** The first consumer: who is given the feed. */
  get first(): Worker {
    const [first] = this.#workers;
    if (!first) throw new Error('the crew has no consumers');
    return first;
  }

  /** What the owners have counted up to now. */
  counts(): Counts {
    return this.#board.read();
  }

  /** Lets both end by themselves. */
  async stop(): Promise<void> {
    await Promise.all(this.#workers.map(end));
  }
}

/** 'A' or 'B'. */
export function nameOf(index: number): string {
  return NAMES[index] ?? '-';
}

async function end(worker: Worker): Promise<void> {
  if (worker.threadId < 0) return; // It has ended already.
  const exit = once(worker, 'exit');
  worker.postMessage({ type: 'stop' } satisfies ToConsumer);
  await within(exit, DEADLINE, 'the end of a consumer').catch(() => worker.terminate());
}
