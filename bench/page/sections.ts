// sections — one work of a report as a part of the page: its plots, the table behind them, and what else to know.
// Called by page.ts.
// Invariant: a figure that is drawn stands in the table too, as the terminal has it.

import { FIGURES, type FigureName } from '../instruments/figures.ts';
import type { ReportRow, ReportWork } from '../instruments/report.ts';
import { quantile } from '../instruments/results.ts';
import { cell, columnsOf, headOf, percent, ratioText, scaled, whole } from '../instruments/table.ts';
import { type Bar, barsOf, type Tone } from './bars.ts';
import { curveOf, time } from './curves.ts';
import { element, text } from './markup.ts';
import { type Mark, type Range, rangesOf } from './ranges.ts';

const LATENCIES = ['p50', 'p99', 'p999', 'max'] as const;
/** Drawn wherever they are shown; others where they are compared with a target. */
const DRAWN: readonly FigureName[] = ['rate', 'activeNs'];

export function sectionOf(work: ReportWork): string {
  const notes = (work.notes ?? []).map((note) => element('li', {}, text(note)));
  const failed = work.rows.flatMap(({ label, error }) =>
    error === undefined ? [] : [element('li', { class: 'failed' }, text(`${label} failed: ${error}`))],
  );
  const remarks = [...failed, ...notes];
  return element(
    'section',
    { id: work.name },
    element('h2', {}, text(work.label)),
    element('div', { class: 'soft' }, element('code', {}, text(work.name)), text(comparedWith(work))),
    element('div', { class: 'plots' }, ...plotsOf(work)),
    element(
      'details',
      {},
      element('summary', {}, 'All figures'),
      element('div', { class: 'wide' }, tableOf(work)),
    ),
    remarks.length > 0 ? element('ul', { class: 'notes' }, ...remarks) : '',
  );
}

function comparedWith({ base, rows }: ReportWork): string {
  if (!rows.some(({ peer }) => peer === base.peer)) {
    return `; ${base.label} was not in this run, so there are no multiples`;
  }
  return rows.length > 1 ? `; multiples are of ${base.label}, in the same round` : '';
}

function plotsOf(work: ReportWork): string[] {
  const columns = columnsOf(work);
  const asked = new Set(work.verdicts.map(({ figure }) => figure));
  const isLatency = (name: FigureName): boolean => LATENCIES.some((one) => one === name);
  const drawn = columns.filter(
    (name, index) => !isLatency(name) && (index === 0 || DRAWN.includes(name) || asked.has(name)),
  );
  const bars = drawn.flatMap((name) => (has(work, name) ? [figureOf(work, name)] : []));
  const latencies = columns.some((name) => isLatency(name) && has(work, name)) ? [latenciesOf(work)] : [];
  return [...bars, ...latencies, ...(work.curves ?? []).map(curveOf)];
}

function has({ rows }: ReportWork, name: FigureName): boolean {
  return rows.some(({ medians }) => medians[name] !== undefined);
}

function figureOf(work: ReportWork, name: FigureName): string {
  const { better, says, form } = FIGURES[name];
  const isShare = form === 'percent';
  const show = (value: number): string => (isShare ? percent(value) : tick(value));
  const bars = work.rows.map((row): Bar => {
    const rounds = row.samples.flatMap((sample) => {
      const value = sample?.[name];
      return value === undefined ? [] : [scaled(name, value, work.unit)];
    });
    const value = row.medians[name];
    return {
      label: row.label,
      tone: toneOf(work, row),
      value: value === undefined ? undefined : scaled(name, value, work.unit),
      shown: shownOf(work, row, name),
      low: quantile(rounds, 0.25),
      high: quantile(rounds, 0.75),
      rounds,
    };
  });
  const hint = `${says}; ${better} is better`;
  return barsOf({ title: headOf(name, work.unit), hint, bars, less: better === 'less', show });
}

function shownOf({ unit, base }: ReportWork, row: ReportRow, name: FigureName): string {
  const [value, ratio] = [row.medians[name], row.ratios[name]];
  if (value === undefined) return row.error === undefined ? '-' : 'failed';
  const own = cell(name, value, unit);
  return ratio === undefined || row.peer === base.peer ? own : `${own} · ${ratioText(ratio)}`;
}

function latenciesOf(work: ReportWork): string {
  const ranges = work.rows.map((row): Range => {
    const marks = LATENCIES.flatMap((kind): Mark[] => {
      const value = row.medians[kind];
      return value === undefined || value <= 0
        ? []
        : [{ kind, name: FIGURES[kind].head.replace(/ us$/, ''), value, shown: time(value) }];
    });
    const shown = marks
      .slice(0, 2)
      .map((mark) => mark.shown)
      .join(' · ');
    return { label: row.label, tone: toneOf(work, row), shown: shown || '-', marks };
  });
  return rangesOf('latency', ranges, time);
}

/** The whole table, as the terminal has it. */
function tableOf(work: ReportWork): string {
  const columns = columnsOf(work);
  const heads = columns.flatMap((name) => [
    headOf(name, work.unit),
    ...(FIGURES[name].compared ? ['of base'] : []),
  ]);
  const cells = (tag: 'td' | 'th', list: readonly string[]): string =>
    element('tr', {}, ...list.map((one) => element(tag, {}, text(one))));
  const rows = work.rows.map((row) => {
    const figures = columns.flatMap((name) => {
      const [value, ratio] = [row.medians[name], row.ratios[name]];
      const own = value === undefined ? '-' : cell(name, value, work.unit);
      return FIGURES[name].compared ? [own, ratio === undefined ? '-' : ratioText(ratio)] : [own];
    });
    return cells('td', [row.label, ...figures, row.spread === undefined ? '-' : percent(row.spread)]);
  });
  return element(
    'table',
    {},
    element('thead', {}, cells('th', ['', ...heads, 'spread'])),
    element('tbody', {}, ...rows),
  );
}

function toneOf({ base }: ReportWork, { peer, label }: ReportRow): Tone {
  if (label.startsWith('gunport')) return 'ours';
  return peer === base.peer ? 'base' : 'other';
}

/** 0, 2.5, 12 000. */
function tick(value: number): string {
  return value < 1_000 ? String(Number(value.toPrecision(3))) : whole(value);
}
