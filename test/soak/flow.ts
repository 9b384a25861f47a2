// flow — slow owners of an endless fast feed, for ten seconds each; what is asked of them is in support/slow-owner.ts.
// Run by run.ts.

import { Pool } from '../../lib/pool.ts';
import { flood } from '../support/flood.ts';
import { slowOwner } from '../support/slow-owner.ts';

const MiB = 1024 * 1024;
const MAX_BUFFERED = 16 * MiB;
const DURATION = 10_000;

export const job: { readonly name: string; run(log: (line: string) => void): Promise<string> } = {
  name: `flow: slow owners, ${DURATION / 1_000} s each`,
  async run(log) {
    const results: string[] = [];
    for (const reader of ['stopped', 'slow'] as const) {
      await using server = await flood();
      await using pool = new Pool({ threads: 1 });
      const figures = await slowOwner(pool, server, {
        maxBuffered: MAX_BUFFERED,
        duration: DURATION,
        reader,
      });
      const { growth, pings, pongs, messages } = figures;
      const result = `${reader}: memory grew by ${Math.round(growth / MiB)} MiB, ${pongs} of ${pings} pings answered, ${messages} messages in order afterwards`;
      log(result);
      results.push(result);
    }
    return results.join('; ');
  },
};
