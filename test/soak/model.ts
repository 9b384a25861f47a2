// model — 100 000 plans of the model (test/model), and every fault that it must see.
// Run by run.ts, as `model`. Seed: GUNPORT_SEED; plans: GUNPORT_MODEL.

import { FAULTS } from '../model/faults.ts';
import { assertPlayed, playPlans } from '../model/modelling.ts';
import { seedOf } from '../support/chance.ts';

/** Plans of one process. */
const LOT = 10_000;

async function run(progress: (line: string) => void): Promise<string> {
  const plans = Number(process.env['GUNPORT_MODEL'] ?? 100_000);
  const first = seedOf();
  let seconds = 0;
  for (let done = 0; done < plans; done += LOT) {
    const seed = first + done / LOT;
    const played = await playPlans(Math.min(LOT, plans - done), seed);
    assertPlayed(played, seed);
    seconds += played.seconds;
    progress(`${done + played.runs} plans, seed ${seed}`);
  }
  const seen: string[] = [];
  for (const fault of Object.keys(FAULTS)) {
    const { failure, runs } = await playPlans(LOT, first, { fault });
    if (!failure) throw new Error(`${fault}: ${runs} plans have gone well, seed ${first}`);
    seen.push(`${runs}`);
    progress(`${fault}: seen in plan ${runs}`);
  }
  const each = ((1_000 * seconds) / plans).toFixed(2);
  return `${plans} plans from seed ${first}, ${each} ms each; ${seen.length} planted faults, seen after ${seen.join(' ')} plans`;
}

export const job: { readonly name: string; run(log: (line: string) => void): Promise<string> } = {
  name: 'model',
  run,
};
