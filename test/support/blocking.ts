// blocking — holds this thread's event loop: what must go on without it is seen to do so.
// Used by the tests of promise O7 and of pings that main has no part in.
// Invariant: nothing of this thread runs in between; what is waited for is written by other threads into shared memory.

/** Milliseconds that `blockUntil` blocks for at most. */
const LATEST = 10_000;

/** Blocks this thread for so many milliseconds. */
export function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Blocks this thread for so many milliseconds, and on until it holds: a busy machine takes its time.
 *  @throws an error when it does not hold within ten seconds. */
export function blockUntil(holds: () => boolean, least: number): void {
  block(least);
  const until = performance.now() + LATEST;
  while (!holds()) if (performance.now() > until) throw new Error(`not within ${LATEST} ms: ${holds}`);
}
