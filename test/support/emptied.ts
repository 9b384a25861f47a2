// emptied — waits until a pool that tests share has nothing left of the test before.
// Used in `afterEach` of files that keep one pool for all their tests: a thread takes a fourteenth of a second to start.
// Invariant: it waits by turns of the event loop, for two seconds at most, and closes nothing itself.

import { performance } from 'node:perf_hooks';
import type { Pool } from '../../lib/index.ts';

/** Resolves when no connection of the pool is left. @throws an error that tells how many are. */
export async function emptied(pool: Pool): Promise<void> {
  const end = performance.now() + 2_000;
  while (pool.info().connections > 0) {
    if (performance.now() > end) throw new Error(`left behind: ${pool.info().connections} connections`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
