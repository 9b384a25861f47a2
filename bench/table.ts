// table — the benchmark's face: progress while it runs, tables and verdict at the end.
// Called by run.ts. On a terminal progress is one line that changes; in a pipe it is one plain line a round.

import { styleText } from 'node:util';
import type { Peer, Unit, Work } from './peer.ts';
import { baseOf, type Figures, figures, type Row, type Verdict } from './results.ts';

const pretty = process.stdout.isTTY === true;

export class Progress {
  readonly #rounds: number;
  #round = '';

  constructor(rounds: number) {
    this.#rounds = rounds;
  }

  /** Before each window. */
  window({ name: work }: Work, round: number, { label }: Peer): void {
    const name = `${work}, round ${round + 1} of ${this.#rounds}`;
    if (pretty) process.stdout.write(`\r\x1b[K${styleText('dim', `${name}: ${label}`)}`);
    this.#round = name;
  }

  /** After each round; `rows`: those of the work. */
  round({ unit }: Work, rows: readonly Row[], round: number): void {
    if (pretty) return;
    const rates = rows.map(({ peer, samples }) => `${peer} ${rateOf(samples[round]?.rate, unit)}`);
    console.log(`${this.#round}: ${rates.join(', ')} (${unit.rate})`);
  }

  done(): void {
    if (pretty) process.stdout.write('\r\x1b[K');
  }
}

const HEAD = ['x base', 'active ns', 'of base', 'CPU ns', 'of base', 'busy', 'all CPU', 'spread'] as const;
const WIDTHS = [10, 10, 11, 8, 9, 8, 8, 9, 8] as const;
const LABEL_WIDTH = 42;

/** What the columns are. */
export const LEGEND: string = `x base, of base: medians of the ratio, in the same round, to the peer that has 1.00x
active ns: main thread's active time per message, answer or MiB; CPU ns: the part of it with a core; busy: share of the window
all CPU: of the whole process, as active, in ns; spread: between the quartiles of the rate`;

/** One table a work. */
export function tableOf({ name, label, unit, peers }: Work, rows: readonly Row[]): string {
  const base = baseOf(name, rows);
  const timed = rows.some(({ samples }) => samples.some((sample) => sample?.p50 !== undefined));
  const head = `${label.padEnd(LABEL_WIDTH)}${line([unit.rate, ...HEAD, ...(timed ? ['p50 us'] : [])])}`;
  const body = rows.map((row) => {
    const label = (peers.find((peer) => peer.name === row.peer)?.label ?? row.peer).padEnd(LABEL_WIDTH);
    const found = figures(row, base);
    const cells = found ? line(cellsOf(found, unit)) : '';
    return `${label}${cells}${row.error === undefined ? '' : `  FAILED: ${row.error}`}`;
  });
  return [bold(head), ...body].join('\n');
}

function cellsOf(found: Figures, unit: Unit): string[] {
  const { rateRatio, activeRatio, mainCpuNs, mainCpuRatio, p50 } = found;
  return [
    rateOf(found.rate, unit),
    rateRatio === undefined ? '-' : `${rateRatio.toFixed(2)}x`,
    whole(found.activeNs),
    activeRatio === undefined ? '-' : activeRatio.toFixed(3),
    mainCpuNs === undefined ? '-' : whole(mainCpuNs),
    mainCpuRatio === undefined ? '-' : mainCpuRatio.toFixed(3),
    percent(found.busy),
    whole(found.cpuNs),
    percent(found.spread),
    ...(p50 === undefined ? [] : [whole(p50)]),
  ];
}

/** A line for each target, and how many were met. */
export function verdictOf(verdicts: readonly Verdict[], works: readonly Work[]): string {
  const lines = verdicts.map(({ work, peer, rate, active, rateRatio, activeRatio, mainCpuRatio, met }) => {
    const parts = [`${rateRatio?.toFixed(2) ?? '-'}x the rate (at least ${rate}x)`];
    if (active !== undefined)
      parts.push(`${activeRatio?.toFixed(3) ?? '-'} of the active time (at most ${active})`);
    if (active !== undefined && mainCpuRatio !== undefined)
      parts.push(`${mainCpuRatio.toFixed(3)} of the CPU time`);
    const mark = met ? paint('green', 'met   ') : paint('red', 'MISSED');
    const base = works.find(({ name }) => name === work)?.base.label ?? '';
    return `${mark} ${work.padEnd(8)} ${peer.padEnd(10)} ${parts.join(', ')}, against ${base}`;
  });
  const met = verdicts.filter((verdict) => verdict.met).length;
  return [bold('Targets'), ...lines, `${met} of ${verdicts.length} targets met`].join('\n');
}

function line(cells: readonly string[]): string {
  return cells.map((cell, column) => cell.padStart(WIDTHS[column] ?? 10)).join('');
}

/** Three digits at least: 12 345, 123, 1.23. */
function rateOf(rate: number | undefined, { per }: Unit): string {
  if (rate === undefined) return 'failed';
  const value = rate / per;
  return value < 100 ? value.toPrecision(3) : whole(value);
}

function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function bold(text: string): string {
  return paint('bold', text);
}

function paint(format: 'bold' | 'green' | 'red', text: string): string {
  return pretty ? styleText(format, text) : text;
}
