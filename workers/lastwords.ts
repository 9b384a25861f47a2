// lastwords — an error that nobody caught, made fit for its way out of the thread.
// Installed by host.ts, once in each thread.
// Node 20 takes an error and all its causes along, and never comes to an end where one is its own cause, or there are very
// many: the thread hangs instead of dying. So such a chain is cut before.
// Source: serializeError in lib/internal/error_serdes.js of Node 20.20; 22 and 24 do not take causes along.

/** Causes that are told. */
const MOST = 16;

/** From now on, in this thread. */
export function shortenLastWords(): void {
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    try {
      shorten(error);
    } catch {
      // Frozen, or it does not let itself be looked at: it goes as it is.
    }
  });
}

/** Cuts a chain of causes where it comes back to an error, or is too long. */
function shorten(error: unknown): void {
  const seen = new Set<unknown>();
  for (let one = error; one instanceof Error; one = one.cause) {
    seen.add(one);
    if (seen.has(one.cause) || seen.size > MOST) return void delete one.cause;
  }
}
