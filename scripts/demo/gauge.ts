// gauge — how busy this thread is, and how late it runs what is due.
// Read once a second by show.ts and listener.ts.
// Invariant: a reading covers the time since the last one and nothing else. Time in a block on purpose is busy time;
// who wants it out subtracts it. Source: performance.eventLoopUtilization, monitorEventLoopDelay.

import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';

/** Milliseconds between two looks at the clock; the histogram's values include it. At most fifty looks a second, so
 *  that one long stop is not the hundredth that the 99th percentile leaves out. */
const RESOLUTION = 20;

type Utilisation = ReturnType<typeof performance.eventLoopUtilization>;

export interface Reading {
  /** Of the time since the last reading, in seconds. */
  readonly seconds: number;
  /** Part of that time in which the thread ran something, 0 to 1. */
  readonly utilisation: number;
  /** 99th percentile of the event loop's delay, in milliseconds. */
  readonly delay: number;
}

export class Gauge {
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  #first: Utilisation = performance.eventLoopUtilization();
  #last: Utilisation = this.#first;
  #at: number = performance.now();

  /** Begins; what was before does not count. */
  start(): void {
    this.#first = performance.eventLoopUtilization();
    this.#last = this.#first;
    this.#at = performance.now();
    this.#delays.enable();
  }

  read(): Reading {
    const last = this.#last;
    const at = performance.now();
    const seconds = (at - this.#at) / 1000;
    this.#last = performance.eventLoopUtilization();
    this.#at = at;
    const { utilization } = performance.eventLoopUtilization(this.#last, last);
    const delay = Math.max(0, this.#delays.percentile(99) / 1e6 - RESOLUTION);
    this.#delays.reset();
    return { seconds, utilisation: utilization, delay };
  }

  /** Utilisation since the start, without `blocked` milliseconds that were spent on purpose. */
  total(blocked = 0): number {
    const { active, idle } = performance.eventLoopUtilization(
      performance.eventLoopUtilization(),
      this.#first,
    );
    return Math.max(0, active - blocked) / Math.max(1, active + idle - blocked);
  }

  stop(): void {
    this.#delays.disable();
  }
}
