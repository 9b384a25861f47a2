// report — verdicts as a table by family, and each that is not OK with its reason.
// Pure; printed by run.ts.

import type { Case } from './case.ts';
import { FAMILIES, familyOf } from './cases.ts';
import type { Grade, Verdict } from './judge.ts';

const GRADES: readonly Grade[] = ['OK', 'NON-STRICT', 'INFORMATIONAL', 'FAILED'];

/** Verdicts counted by grade. */
function tally(verdicts: readonly Verdict[]): Record<Grade, number> {
  const counts = { OK: 0, 'NON-STRICT': 0, INFORMATIONAL: 0, FAILED: 0 };
  for (const { grade } of verdicts) counts[grade]++;
  return counts;
}

export function table(
  client: string,
  cases: readonly Case[],
  verdicts: readonly Verdict[],
  ms: number,
): string {
  const families = [...new Set(cases.map(familyOf))];
  const width = Math.max(...families.map((family) => nameOf(family).length), client.length, 5);
  const row = (name: string, cells: readonly (string | number)[]): string =>
    `${name.padEnd(width)}${cells.map((cell, i) => `  ${String(cell).padStart(GRADES[i]?.length ?? 0)}`).join('')}`;
  const lines = [row(client, GRADES)];
  for (const family of families) {
    const counts = tally(verdicts.filter((verdict) => familyOf(verdict) === family));
    lines.push(
      row(
        nameOf(family),
        GRADES.map((grade) => counts[grade]),
      ),
    );
  }
  const counts = tally(verdicts);
  lines.push(
    row(
      'total',
      GRADES.map((grade) => counts[grade]),
    ),
  );
  for (const [i, { id, grade, reason }] of verdicts.entries()) {
    const one = cases[i];
    if (grade !== 'OK' && one) lines.push(`${grade} ${id} ${one.title} (${one.section}): ${reason}`);
  }
  lines.push(`${verdicts.length} cases in ${(ms / 1_000).toFixed(1)} s`, '');
  return lines.join('\n');
}

function nameOf(family: string): string {
  return `${family.padStart(2)} ${FAMILIES[family] ?? ''}`;
}
