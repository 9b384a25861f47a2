// results — from the samples of all rounds to the figures of a row, and from rows to the verdict.
// Filled by rounds.ts, printed by table.ts, kept by report.ts.
// Ratios are medians over the rounds of (peer ÷ another in the same round): on a machine that others use as well the
// two meet the same weather, and the ratio stays while both figures move.

import { FIGURE_NAMES, type FigureName } from './figures.ts';
import type { Sample, Target, Work } from './work.ts';

/** All rounds of one peer at one work. */
export interface Row {
  readonly peer: string;
  readonly label: string;
  readonly samples: (Sample | undefined)[];
  /** Why it has none in some round. */
  error?: string;
}

type Numbers = Partial<Record<FigureName, number>>;

/** Over the rounds of a row. */
export interface Summary {
  readonly medians: Numbers;
  /** Against the base. */
  readonly ratios: Numbers;
  /** Distance of the quartiles of the rate, as a share of its median. */
  readonly spread: number | undefined;
}

export interface Verdict extends Target {
  /** Label of whom it was compared with. */
  readonly with: string | undefined;
  readonly found: number | undefined;
  readonly met: boolean;
}

export function summary(row: Row, base: Row | undefined): Summary {
  const medians: Numbers = {};
  const ratios: Numbers = {};
  for (const name of FIGURE_NAMES) {
    const values = valuesOf(row, name);
    if (values.length > 0) medians[name] = quantile(values, 0.5);
    const ratio = base && ratioOf(row, base, name);
    if (ratio !== undefined) ratios[name] = ratio;
  }
  const rates = valuesOf(row, 'rate');
  const middle = medians.rate;
  const spread = middle && (quantile(rates, 0.75) - quantile(rates, 0.25)) / middle;
  return { medians, ratios, spread };
}

/** The row that those of its work are compared with. */
export function baseOf({ base }: Pick<Work, 'base'>, rows: readonly Row[]): Row | undefined {
  return rows.find(({ peer }) => peer === base.peer);
}

/** One verdict for each target whose rows were measured. */
export function judge(work: Pick<Work, 'base' | 'targets'>, rows: readonly Row[]): Verdict[] {
  return (work.targets ?? []).flatMap((target) => {
    const row = rows.find(({ peer }) => peer === target.peer);
    const other = rows.find(({ peer }) => peer === (target.against ?? work.base.peer));
    if (!row || (!target.absolute && !other)) return [];
    const values = valuesOf(row, target.figure);
    const found = target.absolute
      ? values.length > 0
        ? quantile(values, 0.5)
        : undefined
      : other && ratioOf(row, other, target.figure);
    const met =
      found !== undefined &&
      found >= (target.least ?? Number.NEGATIVE_INFINITY) &&
      found <= (target.most ?? Number.POSITIVE_INFINITY);
    return [{ ...target, with: target.absolute ? undefined : other?.label, found, met }];
  });
}

function valuesOf(row: Row, name: FigureName): number[] {
  return row.samples.map((sample) => sample?.[name]).filter((value) => value !== undefined);
}

function ratioOf(row: Row, other: Row, name: FigureName): number | undefined {
  const pairs = row.samples.flatMap((sample, round) => {
    const [mine, its] = [sample?.[name], other.samples[round]?.[name]];
    return mine !== undefined && its !== undefined && its !== 0 ? [mine / its] : [];
  });
  return pairs.length > 0 ? quantile(pairs, 0.5) : undefined;
}

/** Between the two nearest values, linearly. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * at;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}
