// jobs — the long runs that each do one thing, in full and once, by name.
// Run by run.ts; seed of what is random: GUNPORT_SEED.

import { seedOf } from '../support/chance.ts';
import { runStorm, storms, tell } from '../support/storm.ts';
import { roadStorms, stormRoad } from '../support/storm-road.ts';
import { runVerdicts, tellVerdicts } from '../support/verdicts.ts';
import { job as clients } from './clients.ts';
import { job as failures } from './failures.ts';
import { job as flow } from './flow.ts';
import { job as kills } from './kills.ts';
import { job as model } from './model.ts';
import { job as parsers } from './parsers.ts';
import { job as peers } from './peers.ts';
import { job as tunnels } from './tunnels.ts';

/** One long run. */
export interface Job {
  readonly name: string;
  /** Resolves with a line of figures; rejects with what was violated. */
  run(progress: (line: string) => void): Promise<string>;
}

/** All of them. */
export function jobs(): readonly Job[] {
  return [
    ...storms(1).map((storm) => ({
      name: `storm: ${storm.name}`,
      run: async (progress: (line: string) => void) => tell(storm, await runStorm(storm, progress)),
    })),
    ...roadStorms(1, seedOf()).map((storm) => ({
      name: `storm: in tunnels, ${storm.name}`,
      run: async (progress: (line: string) => void) =>
        tell(storm, await runStorm(storm, progress, stormRoad)),
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
    model,
  ];
}

/** Those whose names have one of these words. @throws there is none. */
export function named(words: readonly string[]): readonly Job[] {
  const all = jobs();
  for (const word of words) {
    if (!all.some(({ name }) => name.includes(word)))
      throw new Error(`no job is called ${word}; --list names them`);
  }
  return all.filter(({ name }) => words.some((word) => name.includes(word)));
}
