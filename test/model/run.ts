// run — the model, in a process of its own: plays plans, and says what was wrong with which.
// Started by modelling.ts: `node run.js runs seed [path] [fault]`. Prints one line of JSON, a Played.
// Invariant: nothing in it waits for time, a socket or a thread. Source: fast-check's seeds and paths.

import { register } from 'node:module';
import fc from 'fast-check';
import { Lands } from './lands.ts';
import { plans, tellPlan } from './plan.ts';
import { play } from './stage.ts';
import { world } from './world.ts';

/** How a run of many plans has ended. */
export interface Played {
  readonly runs: number;
  /** Of the processor. */
  readonly seconds: number;
  readonly failure:
    | { readonly path: string; readonly wrong: string; readonly plan: string; readonly shrinks: number }
    | undefined;
}

register(new URL('./loader.js', import.meta.url));
const [runs = '1000', seed = '1', path = '', fault = ''] = process.argv.slice(2);
world.install();
const lands = await Lands.load(fault);

// From a macrotask: microtasks are run by hand.
setImmediate(() => {
  // Most runs have rejections in them, and none of these needs to know where it comes from.
  if (!path) Error.stackTraceLimit = 0;
  const began = process.cpuUsage();
  const property = fc.property(plans, (plan) => {
    const wrong = play(plan, lands);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  });
  // A planted fault is to be found, not to be explained.
  const how = { endOnFailure: fault !== '', interruptAfterTimeLimit: 600_000, markInterruptAsFailure: true };
  const { failed, counterexample, counterexamplePath, errorInstance, numRuns, numShrinks } = fc.check(
    property,
    {
      ...{ seed: Number(seed), numRuns: Number(runs), ...how },
      ...(path && { path }),
    },
  );
  const { user, system } = process.cpuUsage(began);
  const [plan] = counterexample ?? [];
  const failure = {
    path: counterexamplePath ?? '',
    wrong: errorInstance instanceof Error ? errorInstance.message : String(errorInstance),
    plan: plan ? tellPlan(plan) : '',
    shrinks: numShrinks,
  };
  const played: Played = {
    runs: numRuns,
    seconds: (user + system) / 1e6,
    failure: failed ? failure : undefined,
  };
  process.stdout.write(`${JSON.stringify(played)}\n`);
});
