// kills — 500 threads killed at random moments; what is asked of them is in support/kills.ts.
// Run by run.ts; GUNPORT_SEED repeats a run.

import { seedOf } from '../support/chance.ts';
import { kills } from '../support/kills.ts';

const KILLS = 500;

export const job: { readonly name: string; run(log: (line: string) => void): Promise<string> } = {
  name: `kills: ${KILLS} threads at random moments`,
  async run(log) {
    const { promises, downs, transfers } = await kills(KILLS, seedOf(), log, true);
    const told = Object.entries(downs)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ');
    return `${promises} promises settled, ${transfers} hand-overs, Downs: ${told}`;
  },
};
