// heapwatch — ends its thread before the heap of that is full: a process that Node would abort lives on, and what lives
// in the thread has a Down that tells the truth.
// Held by host.ts. Invariant: it looks only after a full collection of garbage, so that what it counts is in use; keeps no
// thread alive, and costs nothing between two of them. A heap that fills in one turn of the loop is V8's to end: no code
// runs in between.
// Catch: a PerformanceObserver of 'gc' is told of every small collection as well, which took a tenth of the rate of 150 B
// texts. A young object whose end somebody waits for is held by small collections: its end is that of a full one.
// Source: Node 24 may abort the process where 20 and 22 end the thread.

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
  afterEachFullCollection(() => {
    const used = oldGeneration();
    if (used <= MOST * limit) return true;
    full(used, limit);
    return false;
  });
}

/** As long as it returns true. */
function afterEachFullCollection(look: () => boolean): void {
  const ends = new FinalizationRegistry(() => {
    if (look()) ends.register({}, undefined);
  });
  ends.register({}, undefined);
  // Of one that is collected itself nothing is heard.
  kept.push(ends);
}
const kept: unknown[] = [];

/** What is in use of it, in MiB. */
function oldGeneration(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => !YOUNG.has(space_name));
  return spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0) / MiB;
}
