// listeners — what a listener of a test's own throws, caught where it ends: as the thread's uncaught exception.
// Used by tests about callbacks that throw; mocha's own listener is back in place afterwards.

/** Runs `body` and gives the uncaught exceptions of this thread, of which there must be `count`. */
export async function uncaught(count: number, body: () => Promise<unknown>): Promise<unknown[]> {
  const others = process.listeners('uncaughtException');
  const thrown: unknown[] = [];
  let enough: () => void = () => {};
  const all = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const listener = (error: unknown): void => {
    thrown.push(error);
    if (thrown.length >= count) enough();
  };
  process.removeAllListeners('uncaughtException').on('uncaughtException', listener);
  try {
    await body();
    await all;
  } finally {
    process.off('uncaughtException', listener);
    for (const other of others) process.on('uncaughtException', other);
  }
  return thrown;
}
