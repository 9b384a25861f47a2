// parsers — a million executions of what parses the bytes of peers; which those are is in test/fuzz/targets.ts.
// Run by run.ts; GUNPORT_SEED repeats a run.

import { fuzzParsers } from '../fuzz/parsers.ts';
import { seedOf } from '../support/chance.ts';

const EXECUTIONS = 1_000_000;

export const job: { readonly name: string; run(log: (line: string) => void): Promise<string> } = {
  name: `parsers: ${EXECUTIONS} executions`,
  run(log) {
    const seed = seedOf();
    log(`seed ${seed}`);
    const { faults, outcomes } = fuzzParsers({ seed, count: EXECUTIONS, log });
    for (const fault of faults) log(fault);
    if (faults.length > 0)
      return Promise.reject(new Error(`${faults.length} faults; the first: ${faults[0]}`));
    const told = [...outcomes].map(([name, count]) => `${name} ${count}`);
    return Promise.resolve(`different outcomes: ${told.join(', ')}`);
  },
};
