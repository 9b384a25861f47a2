// telling — what `gunport bench` says on a terminal: progress on stderr, and the figures at the end, peers side by side.
// Called by bench.ts. Invariant: stdout has the figures alone; progress is for terminals only.

import type { FigureName } from '../../bench/instruments/figures.ts';
import type { Report, ReportRow, ReportWork } from '../../bench/instruments/report.ts';
import { cell, headOf, percent, ratioText, whole } from '../../bench/instruments/table.ts';

/** A line of figures: its names, and what stands before it. */
const LINES: readonly (readonly [says: string, name: FigureName, unit: string])[] = [
  ['rate', 'rate', ''],
  ['received', 'bytesRate', ' MiB/s'],
  ['size, least', 'sizeMin', ' B'],
  ['size, p50', 'sizeP50', ' B'],
  ['size, p99', 'sizeP99', ' B'],
  ['size, most', 'sizeMax', ' B'],
  ["main's active time for each", 'activeNs', ' ns'],
  ["main's CPU time for each", 'mainCpuNs', ' ns'],
  ['CPU time of the process for each', 'cpuNs', ' ns'],
  ['main was busy', 'busy', ''],
  ['peak memory', 'peakBytes', ' MiB'],
];

const LATENCIES: readonly (readonly [head: string, due: FigureName, sent: FigureName])[] = [
  ['p50', 'p50', 'sentP50'],
  ['p90', 'p90', 'sentP90'],
  ['p99', 'p99', 'sentP99'],
  ['p99.9', 'p999', 'sentP999'],
  ['max', 'max', 'sentMax'],
];

/** Progress is written over itself, where somebody looks. */
export class ProgressLine {
  readonly #output: NodeJS.WriteStream;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  show(text: string): void {
    if (this.#output.isTTY) this.#output.write(`\r\x1b[K${text.slice(0, (this.#output.columns || 80) - 1)}`);
  }

  clear(): void {
    if (this.#output.isTTY) this.#output.write('\r\x1b[K');
  }
}

export function told({ works, machine, title }: Report): string {
  return [title ?? '', machine, '', ...works.flatMap(toldWork)].join('\n');
}

function toldWork(work: ReportWork): string[] {
  const lines = LINES.flatMap(([says, name, unit]) => {
    if (work.rows.every(({ medians }) => medians[name] === undefined)) return [];
    return [[says, ...work.rows.flatMap((row) => figureCells(work, row, name, unit))]];
  });
  const heads = ['', ...work.rows.flatMap((row, index) => (index === 0 ? [row.label] : [row.label, '']))];
  return [...aligned([heads, ...lines]), '', ...latencyLines(work), ...toldNotes(work)];
}

/** The first peer has its figure, the others their multiple of it too. */
function figureCells({ rows, unit }: ReportWork, row: ReportRow, name: FigureName, behind: string): string[] {
  const value = row.medians[name];
  const own =
    value === undefined
      ? '-'
      : `${cell(name, value, unit)}${name === 'rate' ? ` ${headOf(name, unit)}` : behind}`;
  if (row === rows[0]) return [own];
  const first = rows[0]?.medians[name];
  return [own, value === undefined || !first ? '' : ratioText(value / first)];
}

/** Nothing where nothing was timed. */
function latencyLines({ rows }: ReportWork): string[] {
  const timed = rows.filter(({ medians }) => medians.p50 !== undefined);
  if (timed.length === 0) return [];
  const isPaced = timed.some(({ medians }) => medians.sentP50 !== undefined);
  const lines = timed.flatMap((row) => {
    const name = rows.length > 1 ? `${row.label}, ` : '';
    const of = (index: 1 | 2): string[] =>
      LATENCIES.map((one) => {
        const value = row.medians[one[index]];
        return value === undefined ? '-' : time(value);
      });
    const due = [
      `${name}${isPaced ? 'from when it should have been sent' : 'from when it was sent'}`,
      ...of(1),
    ];
    return isPaced ? [due, [`${name}from when it was sent`, ...of(2)]] : [due];
  });
  return [...aligned([['latency', ...LATENCIES.map(([head]) => head)], ...lines]), ''];
}

function toldNotes({ notes = [], rows }: ReportWork): string[] {
  const spread = rows.flatMap(({ label, samples, spread: share }) =>
    samples.length > 1 && share !== undefined ? [`${label} ${percent(share)}`] : [],
  );
  const said = [...notes, ...(spread.length > 0 ? [`spread of the rates: ${spread.join(', ')}`] : [])];
  return said.map((note) => `- ${note}`);
}

function aligned(lines: readonly (readonly string[])[]): string[] {
  const columns = Math.max(...lines.map(({ length }) => length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...lines.map((cells) => cells[column]?.length ?? 0)),
  );
  return lines.map((cells) =>
    cells
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart((widths[column] ?? 0) + 2),
      )
      .join('')
      .trimEnd(),
  );
}

/** `us`: microseconds. */
function time(us: number): string {
  return us < 10_000 ? `${whole(us)} us` : `${whole(us / 1e3)} ms`;
}
