// table — the benchmark's face: progress while it runs, tables and verdict at the end.
// Called by run.ts. On a terminal progress is one line that changes; in a pipe it is one plain line a round.

import { styleText } from 'node:util';
import { PAYLOADS, type PayloadName } from './payloads.ts';
import { PEERS, type PeerName } from './peers.ts';
import { type Figures, figures, type Row, type Verdict } from './results.ts';

const pretty = process.stdout.isTTY === true;

export class Progress {
  readonly #rounds: number;
  #round = '';

  constructor(rounds: number) {
    this.#rounds = rounds;
  }

  /** Before each window. */
  window(payload: PayloadName, round: number, peer: PeerName): void {
    const name = `${payload}, round ${round + 1} of ${this.#rounds}`;
    if (pretty) process.stdout.write(`\r\x1b[K${styleText('dim', `${name}: ${PEERS[peer].label}`)}`);
    this.#round = name;
  }

  /** After each round; `rows`: those of the payload. */
  round(rows: readonly Row[], round: number): void {
    if (pretty) return;
    const rates = rows.map(({ peer, samples }) => `${peer} ${thousands(samples[round]?.rate)}`);
    console.log(`${this.#round}: ${rates.join(', ')} (thousand messages/s)`);
  }

  done(): void {
    if (pretty) process.stdout.write('\r\x1b[K');
  }
}

const HEAD = [
  'k msg/s',
  'x ws',
  'active ns',
  'of ws',
  'CPU ns',
  'of ws',
  'busy',
  'all CPU',
  'spread',
] as const;
const WIDTHS = [10, 10, 11, 8, 9, 8, 8, 9, 8] as const;
const LABEL_WIDTH = 42;

/** What the columns are. */
export const LEGEND: string = `x ws, of ws: medians of the ratio to ws on main in the same round
active ns: main thread's active time per message; CPU ns: the part of it with a core; busy: share of the window
all CPU: of the whole process, per message, in ns; spread: between the quartiles of msg/s`;

/** One table a payload. */
export function tableOf(payload: PayloadName, rows: readonly Row[]): string {
  const base = rows.find(({ peer }) => peer === 'ws');
  const head = `${PAYLOADS[payload].label.padEnd(LABEL_WIDTH)}${line(HEAD)}`;
  const body = rows.map((row) => {
    const label = PEERS[row.peer].label.padEnd(LABEL_WIDTH);
    const found = figures(row, base);
    const cells = found ? line(cellsOf(found)) : '';
    return `${label}${cells}${row.error === undefined ? '' : `  FAILED: ${row.error}`}`;
  });
  return [bold(head), ...body].join('\n');
}

function cellsOf({
  rate,
  rateRatio,
  activeNs,
  activeRatio,
  mainCpuNs,
  mainCpuRatio,
  busy,
  cpuNs,
  spread,
}: Figures): string[] {
  return [
    thousands(rate),
    rateRatio === undefined ? '-' : `${rateRatio.toFixed(2)}x`,
    whole(activeNs),
    activeRatio === undefined ? '-' : activeRatio.toFixed(3),
    mainCpuNs === undefined ? '-' : whole(mainCpuNs),
    mainCpuRatio === undefined ? '-' : mainCpuRatio.toFixed(3),
    percent(busy),
    whole(cpuNs),
    percent(spread),
  ];
}

/** A line for each target, and how many were met. */
export function verdictOf(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(({ payload, peer, rate, active, rateRatio, activeRatio, mainCpuRatio, met }) => {
    const parts = [`${rateRatio?.toFixed(2) ?? '-'}x the rate (at least ${rate}x)`];
    if (active !== undefined)
      parts.push(`${activeRatio?.toFixed(3) ?? '-'} of the active time (at most ${active})`);
    if (active !== undefined && mainCpuRatio !== undefined)
      parts.push(`${mainCpuRatio.toFixed(3)} of the CPU time`);
    const mark = met ? paint('green', 'met   ') : paint('red', 'MISSED');
    return `${mark} ${payload.padEnd(8)} ${peer.padEnd(10)} ${parts.join(', ')}`;
  });
  const met = verdicts.filter((verdict) => verdict.met).length;
  return [bold('Targets, against ws on main'), ...lines, `${met} of ${verdicts.length} targets met`].join(
    '\n',
  );
}

function line(cells: readonly string[]): string {
  return cells.map((cell, column) => cell.padStart(WIDTHS[column] ?? 10)).join('');
}

/** Three digits at least: 12 345, 123, 1.23. */
function thousands(rate: number | undefined): string {
  if (rate === undefined) return 'failed';
  const value = rate / 1_000;
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
