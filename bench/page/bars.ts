// bars — one figure of all rows as bars from 0, each with its value, its rounds, and their quartiles.
// Called by sections.ts.
// Invariant: a bar that does not fit beside the others is shown broken, and says its value all the same: an axis that
// had room for the floor of the machine would have none for what is compared.
// Widths are shares of the page's, heights are pixels: so text keeps its size on a telephone.

import { type Axis, linear } from './axis.ts';
import { element, percent, text } from './markup.ts';

export type Tone = 'ours' | 'base' | 'other';

export interface Bar {
  readonly label: string;
  readonly tone: Tone;
  readonly value: number | undefined;
  /** As it stands beside the label. */
  readonly shown: string;
  /** Of its rounds. */
  readonly low: number;
  readonly high: number;
  readonly rounds: readonly number[];
}

export interface Bars {
  readonly title: string;
  /** `more is better`, and the like. */
  readonly hint: string;
  readonly bars: readonly Bar[];
  /** Less is better: bars that are far longer than the base's are broken, so that short ones are told apart. */
  readonly less: boolean;
  readonly show: (value: number) => string;
}

const ROW = 38;
const BAR_AT = 19;
const BAR = 11;
const FOOT = 22;
/** So many times the longest of gunport and the base, and a bar is broken. */
const BROKEN_MORE = 2;
const BROKEN_LESS = 4;

export function barsOf({ title, hint, bars, less, show }: Bars): string {
  const axis = linear(axisEnd(bars, less), show);
  const rows = bars.map((bar, row) => drawn(bar, row * ROW, axis));
  return figureOf(title, hint, { axis, rows, height: bars.length * ROW });
}

/** What is drawn row by row over the lines of an axis, under its title. */
export function figureOf(
  title: string,
  hint: string,
  { axis, rows, height }: { readonly axis: Axis; readonly rows: readonly string[]; readonly height: number },
): string {
  const plot = element(
    'svg',
    { class: 'plot', role: 'img', 'aria-label': title, width: '100%', height: height + FOOT },
    grid(axis, height),
    ...rows,
  );
  const caption = element(
    'figcaption',
    {},
    element('b', {}, text(title)),
    ' ',
    element('span', {}, text(hint)),
  );
  return element('figure', {}, caption, plot);
}

/** Lines from top to bottom, and their labels. */
function grid({ ticks }: Axis, height: number): string {
  return ticks
    .map(({ at, label }, index) => {
      const x = percent(at);
      const anchor = index === 0 ? 'start' : at > 0.93 ? 'end' : 'middle';
      const line = element('line', { class: 'grid', x1: x, x2: x, y1: 0, y2: height });
      return line + element('text', { class: 'tick', x, y: height + 15, 'text-anchor': anchor }, text(label));
    })
    .join('');
}

/** Label to the left and value to the right, above whatever is drawn for the row. */
export function rowHead({ label, shown, tone }: Pick<Bar, 'label' | 'shown' | 'tone'>, y: number): string {
  const left = element('text', { class: `label ${tone}`, x: 0, y: y + 13 }, text(label));
  return left + element('text', { class: 'value', x: '100%', y: y + 13, 'text-anchor': 'end' }, text(shown));
}

function drawn(bar: Bar, y: number, axis: Axis): string {
  const head = rowHead(bar, y);
  if (bar.value === undefined) return head;
  const top = y + BAR_AT;
  const length = percent(axis.place(bar.value));
  const about = element('title', {}, text(`${bar.label}: ${bar.shown}; rounds: ${bar.rounds.length}`));
  const body = element('rect', { class: bar.tone, x: 0, y: top, width: length, height: BAR, rx: 2 }, about);
  return head + body + (bar.value > axis.end ? breakAt(top) : whisker(bar, top, axis));
}

/** Between the quartiles, and a dot for each round. */
function whisker({ low, high, rounds }: Bar, top: number, { place, end }: Axis): string {
  const middle = top + BAR / 2;
  const dots = rounds
    .filter((value) => value <= end)
    .map((value) => element('circle', { class: 'round', cx: percent(place(value)), cy: middle, r: 1.8 }));
  const [x1, x2] = [percent(place(low)), percent(place(high))];
  return element('line', { class: 'whisker', x1, x2, y1: middle, y2: middle }) + dots.join('');
}

/** Two slanted gaps: it is longer than it is drawn. */
function breakAt(top: number): string {
  const inner = [0, 7].map((x) =>
    element('line', { class: 'break', x1: x, y1: top + BAR + 2, x2: x + 5, y2: top - 2 }),
  );
  return element('svg', { x: '88%', overflow: 'visible' }, ...inner);
}

/** The longest bar that is drawn whole: gunport's and the base's always are. */
function axisEnd(bars: readonly Bar[], less: boolean): number {
  const longest = (some: readonly Bar[]): number =>
    Math.max(0, ...some.map(({ value, high }) => (value === undefined ? 0 : Math.max(value, high))));
  const others = bars.filter(({ tone }) => tone === 'other');
  const compared = bars.filter(({ tone }) => tone !== 'other');
  const limit = longest(compared) * (less ? BROKEN_LESS : BROKEN_MORE);
  if (limit === 0) return longest(others);
  const whole = others.filter(({ value }) => value === undefined || value <= limit);
  return Math.max(longest(compared), longest(whole));
}
