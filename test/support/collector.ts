// collector — V8's own garbage collector, run to its end when a test says so.
// Used by tests and long runs that weigh what is held. Invariant: no flag of the command line is needed, in any thread.

import { Session } from 'node:inspector/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects all that nothing holds, in this thread. */
export const collect: () => void = collector();

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void; // The flag has made it one.
}

/** The same, and gives back to the system what V8 keeps, empty, for what may come: most of what an idle thread holds.
 *  Source: HeapProfiler.collectGarbage of the inspector's protocol, which tells V8 that memory is low. */
export async function giveBack(): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.collectGarbage');
  session.disconnect();
}
