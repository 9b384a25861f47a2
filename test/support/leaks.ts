// leaks — what this process keeps alive, counted, so that a test can ask for the same number back.
// Used by hooks.ts after each file, and by tests that open and break things many times.
// Invariant: nothing here sleeps or keeps anything alive: it waits by turns of the event loop up to a deadline.
// Take both counts in the same kind of place (both in a hook, or both in a test): mocha's own timer counts too.
// Source: process.getActiveResourcesInfo (what is ref'd in this thread); /proc/self (threads, sockets of all threads).

import { readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { asserted } from './asserting.ts';

/** Counts by name: resource types (MessagePort, TCPSocketWrap, TLSWrap, Timeout …; a worker thread is a MessagePort
 *  while it is ref'd), and on Linux `threads` and `descriptors` of the whole process. */
export type Snapshot = Readonly<Record<string, number>>;

/** What is alive now. */
export function snapshot(): Snapshot {
  // Made on first use, and a pipe would count as a resource from then on.
  void [process.stdout, process.stderr];
  const counts: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1;
  if (process.platform === 'linux') {
    counts['threads'] = readdirSync('/proc/self/task').length;
    counts['descriptors'] = readdirSync('/proc/self/fd').length;
  }
  return counts;
}

/** Resolves when no count is above `before`, plus what `allowed` adds to it.
 *  @param deadline in milliseconds. @throws an error that names each type that is left, with its counts. */
export async function returnsTo(before: Snapshot, deadline = 2_000, allowed: Snapshot = {}): Promise<void> {
  const end = performance.now() + deadline;
  for (;;) {
    const left = excess(before, allowed);
    if (left.length === 0) return asserted();
    if (performance.now() > end) throw new Error(`left alive: ${left.join(', ')}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function excess(before: Snapshot, allowed: Snapshot): string[] {
  return Object.entries(snapshot()).flatMap(([type, count]) => {
    const most = (before[type] ?? 0) + (allowed[type] ?? 0);
    return count > most ? [`${count} ${type} instead of ${most}`] : [];
  });
}
