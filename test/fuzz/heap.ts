// heap — what is alive on the heap of this thread.
// Used by fuzz.ts, and by witness-handler.ts in the other thread. Source: V8's own collector, run to the end.

import { collect } from '../support/collector.ts';

/** In bytes, after a collection. Buffers do not count: slabs that are kept for later come and go. */
export function collectedHeap(): number {
  // What the first has finalized is gone with the second.
  for (let times = 0; times < 2; times++) collect();
  return process.memoryUsage().heapUsed;
}
