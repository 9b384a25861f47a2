// latency — from how long each took to the percentiles of a sample.
// Called by measure.ts, and by works that time one at a time themselves.

import { quantile } from './results.ts';
import type { Sample } from './work.ts';

/** `took`: in us, in any order. */
export function latencies(took: readonly number[]): Sample {
  return {
    p50: quantile(took, 0.5),
    p99: quantile(took, 0.99),
    p999: quantile(took, 0.999),
    max: quantile(took, 1),
  };
}
