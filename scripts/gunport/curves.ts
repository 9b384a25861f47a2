// curves — what a report of `gunport bench` draws beside its bars: sizes, latencies by percentile, the rate over time.
// Called by bench.ts. Invariant: rounds of one peer are one curve; over time there is one only where there is one round.

import type { Curve } from '../../bench/instruments/report.ts';
import type { BenchCommand } from './command.ts';
import type { Probed } from './probe.ts';
import { Recorder } from './recorder.ts';
import { Sizes } from './sizes.ts';
import type { PeerName } from './values.ts';

/** All rounds of one peer. */
export interface Measured {
  readonly peer: PeerName;
  readonly label: string;
  readonly rounds: (Probed | undefined)[];
}

type Tone = Curve['series'][number]['tone'];

export function curvesOf(measured: readonly Measured[], { rate, kind }: BenchCommand): Curve[] {
  const latencies = measured.flatMap((one) => latencySeries(one, rate !== undefined));
  const sizes = measured.map((one) => ({ ...headOf(one), points: sizesOf(one) }));
  // All of one size is said by a figure.
  const isSpread = new Set(sizes.flatMap(({ points }) => points.map(([from]) => from))).size > 1;
  const over = measured.flatMap((one) => {
    const [first, more] = one.rounds;
    const points = (first?.seconds ?? []).map((count, second) => [second + 1, count] as const);
    return more || points.length < 2 ? [] : [{ ...headOf(one), points }];
  });
  const per = kind === 'get' ? 'GET/s' : 'msg/s';
  const curves: Curve[] = [
    { kind: 'percentiles', title: 'latency by percentile', unit: 'us', series: latencies },
    { kind: 'time', title: `${per} over time`, unit: per, series: over },
    { kind: 'sizes', title: 'sizes in bytes', unit: 'B', series: isSpread ? sizes : [] },
  ];
  return curves.filter(({ series }) => series.some(({ points }) => points.length > 0));
}

function headOf({ peer, label }: Measured): { readonly label: string; readonly tone: Tone } {
  return { label, tone: peer === 'gunport' ? 'ours' : 'base' };
}

/** Of all rounds together: a median over rounds would hide what happened in one of them. */
export function latenciesOf({ rounds }: Measured): Recorder {
  const all = new Recorder();
  for (const probed of rounds) if (probed?.recorder) all.add(probed.recorder);
  return all;
}

function latencySeries(one: Measured, isPaced: boolean): Curve['series'] {
  const all = latenciesOf(one);
  const head = headOf(one);
  const due = { ...head, points: all.curve('due') };
  if (due.points.length === 0) return [];
  if (!isPaced) return [due];
  return [due, { ...head, label: `${head.label}, as sent`, dashed: true, points: all.curve('sent') }];
}

function sizesOf({ rounds }: Measured): (readonly [from: number, count: number])[] {
  const all = new Sizes();
  for (const probed of rounds) if (probed) all.addAll(probed.sizes);
  return all.buckets().map(({ from, count }) => [from, count] as const);
}
