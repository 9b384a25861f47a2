// taker — a thread that takes connections to fuzzed peers, reads on what has begun, and leaves.
// Started by takers.ts. Invariant: it tells of each what did not hold, once all that it has begun has settled.

import { parentPort } from 'node:worker_threads';
import { type Connection, receiveOwnership } from '../../lib/index.ts';
import { chance } from '../support/chance.ts';
import { turns } from '../support/tracker.ts';
import type { Plan } from './plan.ts';
import { Verdict } from './verdict.ts';

/** What it tells of one. */
export interface Left {
  readonly index: number;
  readonly faults: readonly string[];
}

type Given = Pick<Plan, 'index' | 'clientSeed'>;

/** Milliseconds in which all must settle. */
const DEADLINE = 8_000;
const port = parentPort;
if (!port) throw new Error('taker must be a thread');

for await (const { connection, data } of receiveOwnership.all<Given>(port)) void visit(connection, data);

async function visit(connection: Connection, { index, clientSeed }: Given): Promise<void> {
  const verdict = new Verdict();
  let downs = 0;
  const monitor = connection.monitor(() => downs++);
  void verdict.note('monitor', monitor.down);
  for (const stream of connection.streams.values()) {
    const reading = async (): Promise<void> => {
      for await (const _ of stream) verdict.attempt('updateFlow', () => stream.updateFlow(1));
    };
    void verdict.note('reading on', reading());
  }
  const roll = chance(clientSeed);
  await turns(roll(60));
  void verdict.note(
    'leaving',
    Promise.resolve().then(() => (roll(2) === 0 ? connection.close() : connection.shutdown())),
  );
  await verdict.all(DEADLINE);
  if (downs !== 1) verdict.wrong(`its monitor has heard ${downs} Downs`);
  port!.postMessage({ index, faults: verdict.faults } satisfies Left);
}
