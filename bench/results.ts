// results — from the samples of all rounds to the figures of a row, and from rows to the verdict.
// Filled by run.ts, printed by table.ts, written out with --json.
// Ratios are medians over the rounds of (peer ÷ the work's base in the same round): on a machine that others use as
// well the two meet the same weather, and the ratio stays while both figures move.
// Targets: what gunport is to reach.

import type { Sample } from './peer.ts';

/** All rounds of one peer at one work. */
export interface Row {
  readonly work: string;
  readonly peer: string;
  /** It is the one that the others are compared with. */
  readonly isBase: boolean;
  readonly samples: (Sample | undefined)[];
  /** Why it has none in some round. */
  error?: string;
}

/** Medians over the rounds; ratios are against the base. */
export interface Figures {
  readonly rate: number;
  readonly activeNs: number;
  readonly mainCpuNs: number | undefined;
  readonly cpuNs: number;
  readonly busy: number;
  /** Distance of the quartiles of `rate`, as a share of it. */
  readonly spread: number;
  readonly rateRatio: number | undefined;
  readonly activeRatio: number | undefined;
  readonly mainCpuRatio: number | undefined;
  /** How long one took, in us. */
  readonly p50: number | undefined;
}

export interface Target {
  readonly work: string;
  readonly peer: string;
  /** At least this many times the rate of the base. */
  readonly rate: number;
  /** At most this share of its active time per message. */
  readonly active?: number;
}

export interface Verdict extends Target {
  readonly rateRatio: number | undefined;
  readonly activeRatio: number | undefined;
  readonly mainCpuRatio: number | undefined;
  readonly met: boolean;
}

export const TARGETS: readonly Target[] = [
  { work: '64B', peer: 'events', rate: 3, active: 1 / 4 },
  { work: '64B', peer: 'for-await', rate: 2, active: 1 / 2 },
  { work: '64B', peer: 'batches', rate: 3, active: 1 / 10 },
  { work: '150B', peer: 'events', rate: 2, active: 1 / 4 },
  { work: '150B', peer: 'for-await', rate: 1.5, active: 1 / 2 },
  { work: '150B', peer: 'batches', rate: 3, active: 1 / 10 },
  { work: 'deflate', peer: 'events', rate: 20 },
  { work: 'deflate', peer: 'for-await', rate: 20 },
  { work: 'deflate', peer: 'batches', rate: 20 },
  { work: 'book', peer: 'book', rate: 1, active: 1 / 20 },
  { work: 'book', peer: 'book-latest', rate: 1, active: 1 / 20 },
  { work: 'get', peer: 'gunport', rate: 0.8 },
  { work: 'get2', peer: 'gunport', rate: 0.8 },
  { work: 'download', peer: 'gunport', rate: 0.9, active: 1 / 5 },
];

/** The row that those of its work are compared with. */
export function baseOf(work: string, rows: readonly Row[]): Row | undefined {
  return rows.find((row) => row.work === work && row.isBase);
}

export function figures(row: Row, base: Row | undefined): Figures | undefined {
  const samples = row.samples.filter((sample) => sample !== undefined);
  if (samples.length === 0) return undefined;
  const rates = samples.map(({ rate }) => rate);
  return {
    rate: quantile(rates, 0.5),
    activeNs: median(samples.map(({ activeNs }) => activeNs)) ?? Number.NaN,
    mainCpuNs: median(samples.map(({ mainCpuNs }) => mainCpuNs)),
    cpuNs: median(samples.map(({ cpuNs }) => cpuNs)) ?? Number.NaN,
    busy: median(samples.map(({ busy }) => busy)) ?? Number.NaN,
    spread: (quantile(rates, 0.75) - quantile(rates, 0.25)) / quantile(rates, 0.5),
    rateRatio: ratio(row, base, ({ rate }) => rate),
    activeRatio: ratio(row, base, ({ activeNs }) => activeNs),
    mainCpuRatio: ratio(row, base, ({ mainCpuNs }) => mainCpuNs),
    p50: median(samples.map(({ p50 }) => p50)),
  };
}

/** One verdict for each target whose row and base were measured. */
export function judge(rows: readonly Row[]): Verdict[] {
  return TARGETS.flatMap((target) => {
    const row = rows.find(({ work, peer }) => work === target.work && peer === target.peer);
    const base = baseOf(target.work, rows);
    if (!row || !base) return [];
    const { rateRatio, activeRatio, mainCpuRatio } = figures(row, base) ?? {};
    const fast = rateRatio !== undefined && rateRatio >= target.rate;
    const light = target.active === undefined || (activeRatio !== undefined && activeRatio <= target.active);
    return [{ ...target, rateRatio, activeRatio, mainCpuRatio, met: fast && light }];
  });
}

function ratio(
  row: Row,
  base: Row | undefined,
  of: (sample: Sample) => number | undefined,
): number | undefined {
  const pairs = row.samples.flatMap((sample, round) => {
    const other = base?.samples[round];
    const [mine, its] = [sample && of(sample), other && of(other)];
    return mine !== undefined && its !== undefined ? [mine / its] : [];
  });
  return pairs.length > 0 ? quantile(pairs, 0.5) : undefined;
}

/** Of those that are known. */
function median(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? quantile(known, 0.5) : undefined;
}

/** Between the two nearest values, linearly. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * at;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}
