// failures — each way in which a connect can fail, a hundred times; the ways are in support/failures.ts.
// Run by run.ts.

import { Pool } from '../../lib/pool.ts';
import { failTimes } from '../support/failing.ts';
import { FAILURES } from '../support/failures.ts';

const TIMES = 100;

export const job: { readonly name: string; run(log: (line: string) => void): Promise<string> } = {
  name: `failed connects, ${TIMES} of each kind`,
  async run(log) {
    await using pool = new Pool({ threads: 1 });
    for (const failure of FAILURES) {
      try {
        await failTimes(failure, TIMES, pool);
      } catch (error) {
        throw new Error(`at ${failure.name}`, { cause: error });
      }
      log(`${failure.name}: ${failure.code}`);
    }
    return `${FAILURES.length} kinds, each a typed error with phase and cause, and nothing left behind`;
  },
};
