// results — from the samples of all rounds to the figures of a row, and from rows to the verdict.
// Filled by run.ts, printed by table.ts, written out with --json.
// Ratios are medians over the rounds of (peer ÷ ws on main in the same round): on a machine that others use as well
// the two meet the same weather, and the ratio stays while both figures move.
// Targets: what the first version was to reach.

import type { Sample } from './measure.ts';
import type { PayloadName } from './payloads.ts';
import type { PeerName } from './peers.ts';

/** All rounds of one peer with one payload. */
export interface Row {
  readonly payload: PayloadName;
  readonly peer: PeerName;
  readonly samples: (Sample | undefined)[];
  /** Why it has none in some round. */
  error?: string;
}

/** Medians over the rounds; ratios are against ws on main. */
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
}

export interface Target {
  readonly payload: PayloadName;
  readonly peer: PeerName;
  /** At least this many times the rate of ws on main. */
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
  { payload: '64B', peer: 'events', rate: 3, active: 1 / 4 },
  { payload: '64B', peer: 'for-await', rate: 2, active: 1 / 2 },
  { payload: '64B', peer: 'batches', rate: 3, active: 1 / 10 },
  { payload: '150B', peer: 'events', rate: 2, active: 1 / 4 },
  { payload: '150B', peer: 'for-await', rate: 1.5, active: 1 / 2 },
  { payload: '150B', peer: 'batches', rate: 3, active: 1 / 10 },
  { payload: 'deflate', peer: 'events', rate: 20 },
  { payload: 'deflate', peer: 'for-await', rate: 20 },
  { payload: 'deflate', peer: 'batches', rate: 20 },
];

export function figures(row: Row, base: Row | undefined): Figures | undefined {
  const samples = row.samples.filter((sample) => sample !== undefined);
  if (samples.length === 0) return undefined;
  const rates = samples.map(({ rate }) => rate);
  const cpus = samples.map(({ mainCpuNs }) => mainCpuNs).filter((ns) => ns !== undefined);
  return {
    rate: quantile(rates, 0.5),
    activeNs: quantile(
      samples.map(({ activeNs }) => activeNs),
      0.5,
    ),
    mainCpuNs: cpus.length > 0 ? quantile(cpus, 0.5) : undefined,
    cpuNs: quantile(
      samples.map(({ cpuNs }) => cpuNs),
      0.5,
    ),
    busy: quantile(
      samples.map(({ busy }) => busy),
      0.5,
    ),
    spread: (quantile(rates, 0.75) - quantile(rates, 0.25)) / quantile(rates, 0.5),
    rateRatio: ratio(row, base, ({ rate }) => rate),
    activeRatio: ratio(row, base, ({ activeNs }) => activeNs),
    mainCpuRatio: ratio(row, base, ({ mainCpuNs }) => mainCpuNs),
  };
}

/** One verdict for each target whose row and ws's were measured. */
export function judge(rows: readonly Row[]): Verdict[] {
  const find = (payload: PayloadName, peer: PeerName) =>
    rows.find((row) => row.payload === payload && row.peer === peer);
  return TARGETS.flatMap((target) => {
    const row = find(target.payload, target.peer);
    const base = find(target.payload, 'ws');
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

/** Between the two nearest values, linearly. */
function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * at;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}
