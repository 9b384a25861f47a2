// peers — 10 000 fuzzed peers, or as many as GUNPORT_PEERS says; what they do is in test/fuzz/.
// Run by run.ts; GUNPORT_SEED repeats a run.

import { fuzz } from '../fuzz/fuzz.ts';
import { seedOf } from '../support/chance.ts';
import { mebibytes } from './mixed/flatness.ts';

/** What memory may grow to from half of the peers to all: a share, and bytes that come and go. */
const FLAT = 1.05;
const SLACK = 2 * 2 ** 20;
const PEERS = Number(process.env['GUNPORT_PEERS'] ?? 10_000);

export const job: { readonly name: string; run(log: (line: string) => void): Promise<string> } = {
  name: `peers: ${PEERS} that are fuzzed`,
  async run(log) {
    const seed = seedOf();
    log(`seed ${seed}`);
    const { faults, peers, promises, heaps, stages, codes } = await fuzz({
      seed,
      count: PEERS,
      weigh: true,
      log,
    });
    for (const fault of faults) log(fault);
    if (faults.length > 0) throw new Error(`${faults.length} faults; the first: ${faults[0]}`);
    const [half, whole] = heaps;
    for (const place of ['main', 'thread'] as const) {
      const [before, after] = [half?.[place] ?? 0, whole?.[place] ?? 0];
      log(`${place}: ${mebibytes(before)} MiB after half of them, ${mebibytes(after)} MiB after all`);
      if (after > before * FLAT + SLACK) throw new Error(`memory has grown: ${place}`);
    }
    return [
      `${peers} peers, ${promises} promises settled, nothing left behind`,
      `spoilt at: ${told(stages)}`,
      `ended with: ${told(codes)}`,
    ].join('\n  ');
  },
};

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
