// bucket-taker — a thread that takes tokens from a shared bucket as fast as it can, until it is told to stop.
// Started by test/session/bucket.test.ts. Its clock is a word of shared memory, which the test moves on.
// Invariant: it counts what it took, and has tried once more after the clock stood still.

import { parentPort, workerData } from 'node:worker_threads';
import { type SharedRateLimit, TokenBucket } from '../../lib/session/bucket.ts';

export interface TakerData {
  readonly limit: SharedRateLimit;
  /** Three words: milliseconds, whether to stop, how many have begun. */
  readonly words: Int32Array;
  readonly cost: number;
}

// The test gives nothing else.
const { limit, words, cost } = workerData as TakerData;
// The test writes it, in no order with anything but the stop that follows its last change.
const bucket = new TokenBucket(limit.options, limit.memory, () => Atomics.load(words, 0));

let taken = 0;
let last = false;
Atomics.add(words, 2, 1); // The test waits for all to have begun.
while (!last) {
  last = Atomics.load(words, 1) === 1; // Read first: so that one more round follows the last change of the clock.
  while (bucket.take(cost)) taken += 1;
}
parentPort?.postMessage(taken);
