// resources — what main keeps active: handles, timers and requests of this thread, by type.
// Asked by show.ts: for sockets while it runs, and for leftovers at the end.
// Invariant: only this thread is looked at; what other threads hold does not show.
// Source: process.getActiveResourcesInfo.

import { now } from './clock.ts';

/** How long handles may take to close, in milliseconds. */
const CLOSING = 1_000;

export class Resources {
  readonly #before: readonly string[] = process.getActiveResourcesInfo();
  readonly #seen = new Set<string>();

  /** Types that were active at any look. */
  get seen(): ReadonlySet<string> {
    return this.#seen;
  }

  look(): void {
    for (const type of process.getActiveResourcesInfo()) this.#seen.add(type);
  }

  /** What is active now and was not at the beginning, after a moment for what is closing. */
  async left(): Promise<string[]> {
    const deadline = now() + CLOSING;
    for (;;) {
      const left = without(process.getActiveResourcesInfo(), this.#before);
      if (left.length === 0 || now() > deadline) return left;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** `all` without one of it for each of `known`. */
function without(all: readonly string[], known: readonly string[]): string[] {
  const rest = [...known];
  return all.filter((type) => {
    const at = rest.indexOf(type);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}
