// heap — what is alive on the heap of this thread.
// Used by fuzz.ts, and by witness-handler.ts in the other thread. Source: V8's own collector, run to the end.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** In bytes, after a collection. Buffers do not count: slabs that are kept for later come and go. */
export function collectedHeap(): number {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  // What the first has finalized is gone with the second.
  for (let times = 0; times < 2; times++) if (typeof gc === 'function') gc();
  return process.memoryUsage().heapUsed;
}
