// run — the long runs, in full and once: `npm run soak [name…]`.
// Invariant: each job prints one line, ✔ with its figures or ✖ with what was violated; the exit code is 1 if any was.
// Seed of what is random: GUNPORT_SEED.

import { inspect } from 'node:util';
import { seedOf } from '../support/chance.ts';
import { runStorm, storms, tell } from '../support/storm.ts';
import { roadStorms, stormRoad } from '../support/storm-road.ts';
import { runVerdicts, tellVerdicts } from '../support/verdicts.ts';
import { job as clients } from './clients.ts';
import { job as failures } from './failures.ts';
import { job as flow } from './flow.ts';
import { job as kills } from './kills.ts';
import { job as parsers } from './parsers.ts';
import { job as peers } from './peers.ts';
import { job as tunnels } from './tunnels.ts';

/** One long run. */
export interface Job {
  readonly name: string;
  /** Resolves with a line of figures; rejects with what was violated. */
  run(progress: (line: string) => void): Promise<string>;
}

const jobs: readonly Job[] = [
  ...storms(1).map((storm) => ({
    name: `storm: ${storm.name}`,
    run: async (progress: (line: string) => void) => tell(storm, await runStorm(storm, progress)),
  })),
  ...roadStorms(1, seedOf()).map((storm) => ({
    name: `storm: in tunnels, ${storm.name}`,
    run: async (progress: (line: string) => void) => tell(storm, await runStorm(storm, progress, stormRoad)),
  })),
  {
    name: 'storm: killed in the midst',
    run: async (progress) => tellVerdicts(await runVerdicts(200, progress)),
  },
  tunnels,
  kills,
  clients,
  failures,
  flow,
  peers,
  parsers,
];

const wanted = process.argv.slice(2);
const chosen = jobs.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
if (chosen.length === 0) {
  process.stderr.write(
    `no job is called ${wanted.join(' or ')}; there are:\n${jobs.map(({ name }) => `  ${name}\n`).join('')}`,
  );
  process.exitCode = 1;
}
for (const job of chosen) {
  const began = performance.now();
  try {
    const line = await job.run((progress) => process.stdout.write(`  ${progress}\n`));
    process.stdout.write(
      `✔ ${job.name} (${((performance.now() - began) / 1_000).toFixed(1)} s)\n  ${line}\n`,
    );
  } catch (error) {
    process.exitCode = 1;
    process.stdout.write(`✖ ${job.name}\n`);
    process.stderr.write(`${inspect(error)}\n`);
  }
}
