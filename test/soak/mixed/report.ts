// report — what a mixed soak has found, as a table and one line with ✔ or ✖.
// Called by ../run.ts. Pure.

import type { Mixed } from '../arguments.ts';
import { mebibytes, percent, type Sample } from './flatness.ts';
import type { Result } from './soak.ts';

/** `isGood`: nothing was violated. */
export function tellResult(
  { faults, samples, growths, totals, seed }: Result,
  { seconds, allowed }: Mixed,
): { readonly text: string; readonly isGood: boolean } {
  const lines = Object.entries(totals).map(
    ([name, count]) => `  ${worded(name).padEnd(20)} ${String(count).padStart(12)}`,
  );
  for (const { name, first, last, growth } of growths) {
    lines.push(
      `  ${`memory: ${name}`.padEnd(20)} ${mebibytes(first).padStart(8)} to ${mebibytes(last)} MiB: ${percent(growth)}`,
    );
  }
  lines.push(...ends(samples));
  const isGood = faults.length === 0;
  for (const fault of faults.slice(0, 20)) lines.push(`  ✖ ${fault.split('\n')[0]}`);
  const again = `npm run soak -- --seconds ${seconds} --seed ${seed}`;
  const memory = growths.length > 0 ? `flat within ${percent(allowed)}` : 'not judged, with so few rests';
  const verdict = isGood ? `✔ nothing lost, nothing hung, memory ${memory}` : `✖ ${faults.length} faults`;
  return { text: [...lines, `${verdict}; again: ${again}`].join('\n'), isGood };
}

/** Counts at the first rest and the last. */
function ends(samples: readonly Sample[]): string[] {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last) return [];
  return ['threads', 'descriptors', 'ports of main', 'ports of threads'].map(
    (name) =>
      `  ${name.padEnd(20)} ${String(first.counts[name]).padStart(8)} to ${last.counts[name]}, ${samples.length} rests`,
  );
}

function worded(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
