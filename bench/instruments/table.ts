// table — the benchmark's face: progress while it runs, tables and verdict at the end.
// Called by run.ts. On a terminal progress is one line that changes; in a pipe it is one plain line a round.

import { styleText } from 'node:util';
import { FIGURES, type FigureName, STANDARD } from './figures.ts';
import type { ReportRow, ReportWork } from './report.ts';
import type { Row, Verdict } from './results.ts';
import type { Watcher } from './rounds.ts';
import type { Peer, Unit, Work } from './work.ts';

const pretty = process.stdout.isTTY === true;

export class Progress implements Watcher {
  readonly #place: string;
  readonly #rounds: number;
  #round = '';

  /** `place`: which of how many works it is. */
  constructor(place: string, rounds: number) {
    this.#place = place;
    this.#rounds = rounds;
  }

  /** Before each window. */
  window({ name: work }: Work, round: number, { label }: Peer): void {
    const name = `${work}, round ${round + 1} of ${this.#rounds}`;
    if (pretty) {
      const line = `${this.#place}: ${name}: ${label}`.slice(0, (process.stdout.columns || 80) - 1);
      process.stdout.write(`\r\x1b[K${styleText('dim', line)}`);
    }
    this.#round = name;
  }

  /** After each round; `rows`: those of the work. */
  round(work: Work, rows: readonly Row[], round: number): void {
    if (pretty) return;
    const [first = 'rate'] = columnsOf(work);
    const figures = rows.map(({ peer, samples }) => {
      const value = samples[round]?.[first];
      return `${peer} ${value === undefined ? 'failed' : cell(first, value, work.unit)}`;
    });
    console.log(`${this.#round}: ${figures.join(', ')} (${headOf(first, work.unit)})`);
  }

  done(): void {
    if (pretty) process.stdout.write('\r\x1b[K');
  }
}

const LABEL_WIDTH = 42;

/** Figures that a work shows, in their order. */
export function columnsOf({ columns }: Pick<Work, 'columns'>): readonly FigureName[] {
  return columns ?? STANDARD;
}

export function headOf(name: FigureName, unit: Unit): string {
  return name === 'rate' ? unit.rate : FIGURES[name].head;
}

/** What the columns of these works are. */
export function legendOf(works: readonly Pick<Work, 'columns'>[]): string {
  const names = [...new Set(works.flatMap(columnsOf))];
  const says = names.map((name) => `${FIGURES[name].head}: ${FIGURES[name].says}`);
  return [
    'of base: median of the ratio, in the same round, to the peer that has 1.00; spread: between the quartiles of the rate',
    ...says,
  ].join('\n');
}

/** One table a work. */
export function tableOf(work: ReportWork): string {
  const columns = columnsOf(work);
  const heads = columns.flatMap((name) => [
    headOf(name, work.unit),
    ...(FIGURES[name].compared ? ['of base'] : []),
  ]);
  const lines = work.rows.map((row) => cellsOf(row, columns, work.unit));
  const rows = [[...heads, 'spread'], ...lines];
  const widths = rows[0]?.map(
    (_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)) + 2,
  );
  const line = (cells: readonly string[]): string =>
    cells.map((text, column) => text.padStart(widths?.[column] ?? 0)).join('');
  const body = work.rows.map(({ label, error }, place) => {
    const failed = error === undefined ? '' : `  FAILED: ${error}`;
    return `${label.padEnd(LABEL_WIDTH)}${line(lines[place] ?? [])}${failed}`;
  });
  const notes = (work.notes ?? []).map((note) => `  ${note}`);
  return [bold(`${work.label.padEnd(LABEL_WIDTH)}${line(rows[0] ?? [])}`), ...body, ...notes].join('\n');
}

function cellsOf(
  { medians, ratios, spread }: ReportRow,
  columns: readonly FigureName[],
  unit: Unit,
): string[] {
  const cells = columns.flatMap((name) => {
    const [value, ratio] = [medians[name], ratios[name]];
    const own = value === undefined ? '-' : cell(name, value, unit);
    return FIGURES[name].compared ? [own, ratio === undefined ? '-' : ratioText(ratio)] : [own];
  });
  return [...cells, spread === undefined ? '-' : percent(spread)];
}

/** A line for each target, and how many were met. */
export function verdictOf(works: readonly ReportWork[]): string {
  const lines = works.flatMap(({ name, verdicts, unit }) =>
    verdicts.map((one) => verdictLine(name, one, unit)),
  );
  const all = works.flatMap(({ verdicts }) => verdicts);
  const met = all.filter((verdict) => verdict.met).length;
  return [bold('Targets'), ...lines, `${met} of ${all.length} targets met`].join('\n');
}

function verdictLine(work: string, verdict: Verdict, unit: Unit): string {
  const mark = verdict.met ? paint('green', 'met   ') : paint('red', 'MISSED');
  return `${mark} ${work.padEnd(10)} ${verdict.peer.padEnd(10)} ${verdictText(verdict, unit)}`;
}

/** What was found, what is asked, and against whom. */
export function verdictText(
  { figure, found, least, most, absolute, with: other }: Verdict,
  unit: Unit,
): string {
  const show = (value: number): string => (absolute ? cell(figure, value, unit) : ratioText(value));
  const asked = least === undefined ? `at most ${show(most ?? 0)}` : `at least ${show(least)}`;
  const value = found === undefined ? '-' : show(found);
  const against = other === undefined ? '' : `, against ${other}`;
  return `${headOf(figure, unit)} ${value} (${asked})${against}`;
}

/** Three digits at least: 12.3x, 0.123x. */
export function ratioText(value: number): string {
  if (value > 0 && value < 0.001) return '<0.001x';
  return `${value >= 100 ? whole(value) : value.toPrecision(3)}x`;
}

/** A figure as it is shown, without its unit. */
export function cell(name: FigureName, value: number, unit: Unit): string {
  const { form } = FIGURES[name];
  const shown = scaled(name, value, unit);
  if (form === 'percent') return percent(shown);
  return form === 'digits' && shown < 100 ? shown.toPrecision(3) : whole(shown);
}

/** A figure in the unit that it is shown in. */
export function scaled(name: FigureName, value: number, { per }: Unit): number {
  return name === 'rate' ? value / per : value * (FIGURES[name].scale ?? 1);
}

/** 12 345. */
export function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function bold(text: string): string {
  return paint('bold', text);
}

function paint(format: 'bold' | 'green' | 'red', text: string): string {
  return pretty ? styleText(format, text) : text;
}
