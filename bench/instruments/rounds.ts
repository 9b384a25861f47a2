// rounds — all rounds of a work: each peer has its turn in each, begun by another one each time, so that drift and
// neighbours hit all alike.
// Called by run.ts, work by work.
// Invariant: a peer that fails has no sample in that round, and its row says why; the others go on.

import type { Row } from './results.ts';
import type { Peer, Work } from './work.ts';

/** Who hears of it while it goes on. */
export interface Watcher {
  window(work: Work, round: number, peer: Peer): void;
  round(work: Work, rows: readonly Row[], round: number): void;
  done(): void;
}

export async function roundsOf(work: Work, rounds: number, watcher: Watcher): Promise<Row[]> {
  const rows = work.peers.map(({ name, label }): Row => ({ peer: name, label, samples: [] }));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < rows.length; turn++) {
      const place = (turn + round) % rows.length;
      const [row, peer] = [rows[place], work.peers[place]];
      if (!row || !peer) continue;
      watcher.window(work, round, peer);
      try {
        row.samples[round] = await peer.measure();
      } catch (error) {
        row.samples[round] = undefined;
        row.error = `round ${round + 1}: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    watcher.round(work, rows, round);
  }
  watcher.done();
  return rows;
}
