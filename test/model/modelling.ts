// modelling — the model as its tests and the soak start it: in a process of its own.
// Used by model.test.ts and test/soak/model.ts. Invariant: what is told of a failure repeats it.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Played } from './run.ts';

const script = fileURLToPath(new URL('./run.js', import.meta.url));

/** Plays so many plans. `path`: fast-check's, of one that has failed; `fault`: one of FAULTS is planted. */
export async function playPlans(
  runs: number,
  seed: number,
  { path = '', fault = '' }: { readonly path?: string; readonly fault?: string } = {},
): Promise<Played> {
  // Half of what it does is to make objects that live for one plan.
  const options = ['--max-semi-space-size=32', script, String(runs), String(seed), path, fault];
  const { stdout } = await promisify(execFile)(process.execPath, options, { maxBuffer: 1e8 });
  return JSON.parse(stdout) as Played; // It writes nothing else.
}

/** @throws with the plan, and how to play it again. */
export function assertPlayed({ failure }: Played, seed: number): void {
  if (!failure) return;
  const { wrong, plan, path, shrinks } = failure;
  const again = `node dist/test/model/run.js 1 ${seed} ${path}`;
  throw new Error(`${wrong}\nin a plan that was made smaller ${shrinks} times:\n${plan}\nagain: ${again}`);
}
