// pace — so many a second: tells when the next ones are due.
// Used by load.ts; ticker.ts is the thread that keeps the time.
// Invariant: number `n` is due at `start + n / rate`, whatever happens meanwhile. It starts when that thread has.

import { createHistogram } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { fileBeside } from '../../bench/instruments/serverprocess.ts';
import type { Tick, Ticking } from './ticker.ts';

/** In ms: those that are due within one are sent by one tick. */
const SHORTEST = 0.25;

export class Pace implements AsyncDisposable {
  readonly #interval: number;
  /** From tick to tick. */
  readonly #every: number;
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;
  readonly #late = createHistogram({ lowest: 1, highest: 60_000_000, figures: 2 });
  /** When number 0 is due; nothing is, before there is a tick. */
  #start = Number.POSITIVE_INFINITY;
  /** When the next tick should come, from the start. */
  #expected = 0;

  /** `rate`: a second. `tick` is called when more are due. */
  constructor(rate: number, tick: () => void) {
    this.#interval = 1_000 / rate;
    this.#every = Math.max(this.#interval, SHORTEST);
    const words = this.#words.buffer as SharedArrayBuffer; // It was made of one.
    const ticking: Ticking = { words, interval: this.#every };
    this.#worker = new Worker(fileBeside(import.meta.url, 'ticker'), { workerData: ticking });
    this.#worker.on('message', (from: Tick) => {
      // The ticker may post again from here on; nothing else is shared.
      Atomics.store(this.#words, 1, 0);
      this.#ticked(from);
      tick();
    });
  }

  /** How many are due by `now`. */
  due(now: number): number {
    return now < this.#start ? 0 : Math.floor((now - this.#start) / this.#interval) + 1;
  }

  /** When number `n` is due, from 0. */
  at(n: number): number {
    return this.#start + n * this.#interval;
  }

  #ticked(from: Tick): void {
    const now = performance.now();
    const since = Number(process.hrtime.bigint() - from) / 1e6;
    if (this.#start === Number.POSITIVE_INFINITY) this.#start = now - since;
    this.#late.record(Math.max(1, Math.round((since - this.#expected) * 1e3)));
    this.#expected = (Math.floor(since / this.#every) + 1) * this.#every;
  }

  /** How late the ticks came, in us: what this machine adds by itself. */
  late(percentile: number): number {
    return this.#late.count === 0 ? 0 : this.#late.percentile(percentile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The ticker wakes and sees it.
    Atomics.store(this.#words, 0, 1);
    Atomics.notify(this.#words, 0);
    await this.#worker.terminate();
  }
}
