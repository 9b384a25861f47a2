// ticker — a thread that says when: timers of an event loop are late by up to a millisecond, and that would be
// counted as the server's.
// Started by pace.ts with a Ticking.
// Invariant: one tick at most is on its way, however long the other thread is busy.

import { parentPort, workerData } from 'node:worker_threads';

export interface Ticking {
  /** Word 0: stop. Word 1: a tick is on its way. */
  readonly words: SharedArrayBuffer;
  /** In ms. */
  readonly interval: number;
}

/** When number 0 is due, in ns of process.hrtime, which all threads share; in every tick. */
export type Tick = bigint;

const { words: memory, interval } = workerData as Ticking; // Made by pace.ts alone.
const words = new Int32Array(memory);
const from: Tick = process.hrtime.bigint();
let next = 0;
// The other thread writes word 0 once, and takes word 1 back to 0 with each tick; no other memory depends on them.
while (Atomics.load(words, 0) === 0) {
  const now = Number(process.hrtime.bigint() - from) / 1e6;
  if (now < next) {
    Atomics.wait(words, 0, 0, next - now);
    continue;
  }
  if (Atomics.exchange(words, 1, 1) === 0) parentPort?.postMessage(from);
  next += Math.ceil((now - next + 1e-6) / interval) * interval;
}
