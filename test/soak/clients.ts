// clients — clients in storms, one after another; what must hold is in support/client-storm.ts.
// Run by run.ts; GUNPORT_SEED repeats a run.

import { seedOf } from '../support/chance.ts';
import { clientStorm } from '../support/client-storm.ts';

const STORMS = 20;

export const job: { readonly name: string; run(log: (line: string) => void): Promise<string> } = {
  name: `clients: ${STORMS} storms of lost sockets, dead threads and hand-overs`,
  async run(log) {
    const first = seedOf();
    let [promises, connections] = [0, 0];
    for (let n = 0; n < STORMS; n++) {
      log(`GUNPORT_SEED=${first + n}`);
      const report = await clientStorm(first + n, { drops: 100, kills: 10, transfers: 40 });
      promises += report.promises;
      connections += report.connections;
    }
    return `${promises} promises settled, ${connections} connections`;
  },
};
