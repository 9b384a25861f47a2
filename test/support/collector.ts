// collector — V8's own garbage collector, run to its end when a test says so.
// Used by tests and long runs that weigh what is held. Invariant: no flag of the command line is needed, in any thread.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects all that nothing holds, in this thread. */
export const collect: () => void = collector();

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void; // The flag has made it one.
}
