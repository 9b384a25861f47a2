// curves — latencies by percentile, a figure over time, or how many messages of which size, each with its table.
// Called by sections.ts.
// Invariant: y begins at 0; what is drawn stands in the table behind it.
// A drawing is stretched to the width of the page, and text stands beside it at its own size.

import type { Curve } from '../instruments/report.ts';
import { percent as share, whole } from '../instruments/table.ts';
import { type Axis, linear, type Tick } from './axis.ts';
import { element, percent, text } from './markup.ts';

type Series = Curve['series'][number];

const HEIGHT = 200;
const FOOT = 22;
/** Of the stretched drawing. */
const UNITS = 1_000;
const NINES = [0, 90, 99, 99.9, 99.99, 99.999];

interface Shape {
  /** A share of the width: 0 to 1. */
  readonly x: (value: number) => number;
  readonly xTicks: readonly Tick[];
  readonly y: Axis;
  /** As they are drawn. */
  readonly series: readonly Series[];
  readonly nameOf: (x: number) => string;
  readonly sayOf: (y: number) => string;
}

export function curveOf(curve: Curve): string {
  const shape = shapeOf(curve);
  const drawn = curve.kind === 'sizes' ? columnsOf(shape) : shape.series.map((one) => lineOf(one, shape));
  const plot = element(
    'svg',
    { class: 'plot', role: 'img', 'aria-label': curve.title, width: '100%', height: HEIGHT + FOOT },
    gridOf(shape),
    element(
      'svg',
      { width: '100%', height: HEIGHT, viewBox: `0 0 ${UNITS} ${HEIGHT}`, preserveAspectRatio: 'none' },
      ...drawn,
    ),
  );
  const caption = element('figcaption', {}, element('b', {}, text(curve.title)), ...keysOf(curve.series));
  return element('figure', {}, caption, plot, tableOf(curve, shape));
}

function shapeOf({ kind, series, unit }: Curve): Shape {
  const points = series.flatMap((one) => one.points);
  const most = Math.max(...points.map(([, y]) => y));
  const last = Math.max(...points.map(([x]) => x));
  const show = (value: number): string => (unit === 'us' ? time(value) : `${short(value)} ${unit}`);
  if (kind === 'sizes') return sizesShape(series);
  if (kind === 'time') {
    const axis = linear(last, (value) => `${short(value)} s`);
    const nameOf = (x: number): string => `${short(x)} s`;
    return { x: axis.place, xTicks: axis.ticks, y: linear(most, show), series, nameOf, sayOf: show };
  }
  const nines = (percentile: number): number => -Math.log10(1 - Math.min(percentile, 99.99999) / 100);
  const end = Math.max(nines(last), 1);
  const x = (percentile: number): number => (nines(percentile) / end) * 0.97;
  const xTicks = NINES.filter((one) => nines(one) <= end + 1e-9).map((one) => ({
    at: x(one),
    label: `${one} %`,
  }));
  const nameOf = (percentile: number): string => `${Number(percentile.toPrecision(5))} %`;
  return { x, xTicks, y: linear(most, show), series, nameOf, sayOf: show };
}

/** Shares of all, so that peers with more messages can be compared with others. */
function sizesShape(series: readonly Series[]): Shape {
  const shares = series.map((one) => {
    const all = one.points.reduce((sum, [, count]) => sum + count, 0) || 1;
    return { ...one, points: one.points.map(([x, count]) => [x, count / all] as const) };
  });
  const places = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const x = (from: number): number => (places.indexOf(from) / places.length) * 0.97;
  const every = Math.ceil(places.length / 8);
  const xTicks = places
    .filter((_, index) => index % every === 0)
    .map((from) => ({ at: x(from), label: short(from) }));
  const most = Math.max(...shares.flatMap(({ points }) => points.map(([, y]) => y)));
  const nameOf = (from: number): string =>
    from === 0 ? '0 B' : `${whole(from)} to ${whole(from * 2 - 1)} B`;
  return { x, xTicks, y: linear(most, share), series: shares, nameOf, sayOf: percentText };
}

function lineOf({ tone, dashed, points }: Series, { x, y }: Shape): string {
  const steps = points.map(([at, value], index) => {
    const [left, top] = [x(at) * UNITS, HEIGHT - (y.place(value) / 0.97) * (HEIGHT - 16)];
    return `${index === 0 ? 'M' : 'L'}${left.toFixed(1)} ${top.toFixed(1)}`;
  });
  return element('path', { class: dashed ? `${tone} raw` : tone, d: steps.join('') });
}

function columnsOf({ x, y, series, nameOf, sayOf }: Shape): string[] {
  const places = new Set(series.flatMap(({ points }) => points.map(([from]) => from))).size;
  const room = (0.97 / places) * UNITS;
  const width = (room * 0.8) / series.length;
  return series.flatMap(({ tone, label, points }, index) =>
    points.map(([from, value]) => {
      const height = (y.place(value) / 0.97) * (HEIGHT - 16);
      const about = element('title', {}, text(`${label}, ${nameOf(from)}: ${sayOf(value)}`));
      const left = x(from) * UNITS + index * width;
      const size = { x: left.toFixed(1), y: (HEIGHT - height).toFixed(1), width: width.toFixed(1) };
      return element('rect', { class: tone, ...size, height: height.toFixed(1) }, about);
    }),
  );
}

/** Lines across with their values above them at the left, and the names of x below. */
function gridOf({ y, xTicks }: Shape): string {
  const across = y.ticks.map(({ at, label }) => {
    const top = HEIGHT - (at / 0.97) * (HEIGHT - 16);
    const line = element('line', { class: 'grid', x1: 0, x2: '100%', y1: top, y2: top });
    return line + element('text', { class: 'tick', x: 0, y: top - 4 }, text(label));
  });
  const below = xTicks.map(({ at, label }, index) => {
    const anchor = index === 0 ? 'start' : at > 0.93 ? 'end' : 'middle';
    return element(
      'text',
      { class: 'tick', x: percent(at), y: HEIGHT + 15, 'text-anchor': anchor },
      text(label),
    );
  });
  return [...across, ...below].join('');
}

function keysOf(series: readonly Series[]): string[] {
  return series.map(({ label, tone, dashed }) =>
    element(
      'span',
      { class: 'key' },
      element('i', { class: dashed ? `${tone} raw` : tone }, ''),
      text(label),
    ),
  );
}

function tableOf({ title }: Curve, { series, nameOf, sayOf }: Shape): string {
  const places = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const rows = places.map((place) => {
    const cells = series.map(({ points }) => {
      const found = points.find(([x]) => x === place);
      return element('td', {}, found ? text(sayOf(found[1])) : '-');
    });
    return element('tr', {}, element('td', {}, text(nameOf(place))), ...cells);
  });
  const heads = ['', ...series.map(({ label }) => label)].map((head) => element('th', {}, text(head)));
  const table = element(
    'table',
    {},
    element('thead', {}, element('tr', {}, ...heads)),
    element('tbody', {}, ...rows),
  );
  const summary = element('summary', {}, text(`Figures: ${title}`));
  return element('details', {}, summary, element('div', { class: 'wide' }, table));
}

function short(value: number): string {
  return value < 10_000 ? String(Number(value.toPrecision(4))) : whole(value);
}

function percentText(value: number): string {
  return `${Number((value * 100).toPrecision(3))} %`;
}

/** `us`: microseconds. */
export function time(us: number): string {
  if (us < 1_000) return `${Number(us.toPrecision(3))} us`;
  return us < 1e6 ? `${Number((us / 1e3).toPrecision(3))} ms` : `${Number((us / 1e6).toPrecision(3))} s`;
}
