// recorder — how long each took: from when it should have been sent, and from when it was.
// Filled by load.ts; read by probe.ts for the figures, and by report.ts for the curves.
// Invariant: both see the same exchanges, each once. The first is corrected for coordinated omission: what had to wait
// because the server stalled counts from its own time, so that one stall is as many slow answers as it made wait.
// Source: Gil Tene, "How NOT to measure latency"; HdrHistogram, which node:perf_hooks has.

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { FigureName } from '../../bench/instruments/figures.ts';

/** Longest time that is told apart, in us: an hour. */
const LONGEST = 3_600_000_000;
const KINDS = [
  ['p50', 'sentP50', 50],
  ['p90', 'sentP90', 90],
  ['p99', 'sentP99', 99],
  ['p999', 'sentP999', 99.9],
] as const;

export class Recorder {
  readonly #due = histogram();
  readonly #sent = histogram();

  get count(): number {
    return this.#due.count;
  }

  /** All times in ms. `sentAt` undefined: it was never sent, and has waited until `now`. */
  record(dueAt: number, sentAt: number | undefined, now: number): void {
    this.#due.record(us(now - dueAt));
    if (sentAt !== undefined) this.#sent.record(us(now - sentAt));
  }

  add(other: Recorder): void {
    this.#due.add(other.#due);
    this.#sent.add(other.#sent);
  }

  /** In us. `isPaced`: there was a time at which each should have been sent; without, both are the same. */
  figures(isPaced: boolean): Partial<Record<FigureName, number>> {
    if (this.count === 0) return {};
    const found: Partial<Record<FigureName, number>> = { max: this.#due.max };
    for (const [name, , at] of KINDS) found[name] = this.#due.percentile(at);
    if (!isPaced || this.#sent.count === 0) return found;
    for (const [, name, at] of KINDS) found[name] = this.#sent.percentile(at);
    return { ...found, sentMax: this.#sent.max };
  }

  /** Percentile by percentile, in us, as far as there are enough for it. */
  curve(which: 'due' | 'sent'): (readonly [percentile: number, us: number])[] {
    const from = which === 'due' ? this.#due : this.#sent;
    if (from.count === 0) return [];
    // Ten steps for each nine: 0, 20.6, … 90, 92.1 … as long as one exchange is a step.
    const steps = Math.floor(Math.log10(from.count) * 10);
    return Array.from({ length: steps + 1 }, (_, i) => {
      const percentile = 100 * (1 - 10 ** (-i / 10));
      // It takes no 0.
      return [percentile, from.percentile(Math.max(percentile, 1e-6))] as const;
    });
  }
}

function histogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: LONGEST, figures: 3 });
}

/** A histogram takes integers from 1. */
function us(ms: number): number {
  return Math.min(LONGEST, Math.max(1, Math.round(ms * 1e3)));
}
