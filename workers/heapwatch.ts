// heapwatch — ends its thread before the heap of that is full: a process that Node would abort lives on, and what lives
// in the thread has a Down that tells the truth.
// Held by host.ts. Invariant: it looks only after a full collection of garbage, so that what it counts is in use, and
// keeps no thread alive. A heap that fills in one turn of the loop is V8's to end: no code runs in between.
// Source: node:perf_hooks, 'gc' entries; Node 24 may abort the process where 20 and 22 end the thread.

import {
  constants,
  type NodeGCPerformanceDetail,
  type PerformanceEntry,
  PerformanceObserver,
} from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { resourceLimits } from 'node:worker_threads';

/** The part of a thread's limit that may be in use after a collection. */
const MOST = 0.8;
const MiB = 1024 * 1024;
/** A limit is on the old generation; these are the young one. */
const YOUNG: ReadonlySet<string> = new Set(['new_space', 'new_large_object_space']);

/** Calls `full` when more is in use than may be; both in MiB. */
export function watchHeap(full: (used: number, limit: number) => void): void {
  const limit = resourceLimits.maxOldGenerationSizeMb;
  if (!limit) return;
  const watch = new PerformanceObserver((list) => {
    if (!list.getEntries().some(isFullCollection)) return;
    const used = oldGeneration();
    if (used <= MOST * limit) return;
    watch.disconnect();
    full(used, limit);
  });
  watch.observe({ entryTypes: ['gc'] });
}

function isFullCollection(entry: PerformanceEntry): boolean {
  // @types/node 20 knows no entries with a detail; those of type 'gc' have this one.
  const { detail } = entry as { readonly detail?: NodeGCPerformanceDetail };
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}

/** What is in use of it, in MiB. */
function oldGeneration(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => !YOUNG.has(space_name));
  return spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0) / MiB;
}
