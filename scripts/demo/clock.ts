// clock — one time for all threads and processes of the demo, and waits that end.
// Used by every file here.
// Invariant: now() is monotonic and the same everywhere on this machine, so that a moment may be posted to another
// thread or process and compared there. Source: process.hrtime; performance.now() begins anew in each of them.

/** Milliseconds since some moment in the past. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What `promise` settles with, at the latest after `deadline` milliseconds.
 *  @throws {Error} `what` took longer than that. */
export async function within<T>(promise: Promise<T>, deadline: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${deadline} ms`)), deadline);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for a moment of the clock, or until the signal says that there is nothing more to wait for. */
export function until(moment: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, moment - now()));
    signal.addEventListener('abort', end);
  });
}
