// report — a run as a value: what was measured where, when and how, with every sample; JSON as it stands.
// Made by run.ts; written with --json, and drawn as a page with --html.

import { describeMachine } from './machine.ts';
import { baseOf, judge, type Row, type Summary, summary, type Verdict } from './results.ts';
import type { Settings, Work } from './work.ts';

export interface ReportRow extends Row, Summary {}

/** Something drawn beside the bars. */
export interface Curve {
  /** Latencies by percentile, a figure second by second, or how many of which size. */
  readonly kind: 'percentiles' | 'time' | 'sizes';
  readonly title: string;
  /** Of y; of sizes, that of x. */
  readonly unit: string;
  readonly series: readonly {
    readonly label: string;
    readonly tone: 'ours' | 'base' | 'other';
    readonly dashed?: true | undefined;
    /** Percentile and us; second and figure; first size of a power of two and count. */
    readonly points: readonly (readonly [x: number, y: number])[];
  }[];
}

export interface ReportWork extends Omit<Work, 'peers' | 'targets'> {
  readonly curves?: readonly Curve[];
  readonly rows: readonly ReportRow[];
  readonly verdicts: readonly Verdict[];
}

export interface Report {
  /** Of its page. Default: that gunport is compared with its peers. */
  readonly title?: string;
  /** ISO 8601. */
  readonly date: string;
  readonly machine: string;
  /** Versions of what was compared, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** As it was typed. */
  readonly command: string;
  /** Share of the machine that others kept busy, before and after: 0 to 1. */
  readonly others: readonly number[];
  readonly settings: Pick<Settings, 'rounds' | 'window' | 'warmup'>;
  readonly works: readonly ReportWork[];
}

export function reportWork({ peers: _, targets, ...work }: Work, rows: readonly Row[]): ReportWork {
  const base = baseOf(work, rows);
  const verdicts = judge(targets ? { ...work, targets } : work, rows);
  return { ...work, rows: rows.map((row) => ({ ...row, ...summary(row, base) })), verdicts };
}

export function reportOf(about: Omit<Report, 'date' | 'machine'>): Report {
  return { date: new Date().toISOString(), machine: describeMachine(), ...about };
}
