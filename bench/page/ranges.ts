// ranges — latencies of all rows on one logarithmic axis: from the median through p99 and p99.9 to the longest.
// Called by sections.ts.
// Invariant: what a row does not have is not drawn; each mark says its value when pointed at, and in the table.

import { type Axis, logarithmic } from './axis.ts';
import { figureOf, rowHead, type Tone } from './bars.ts';
import { element, percent, text } from './markup.ts';

export interface Mark {
  /** Class of its shape, and its name in the legend. */
  readonly kind: 'p50' | 'p90' | 'p99' | 'p999' | 'max';
  readonly name: string;
  readonly value: number;
  readonly shown: string;
}

export interface Range {
  readonly label: string;
  readonly tone: Tone;
  readonly shown: string;
  readonly marks: readonly Mark[];
}

const ROW = 38;
const LINE_AT = 25;
const RADIUS: Readonly<Record<Mark['kind'], number>> = { p50: 6, p90: 3, p99: 4.5, p999: 3.5, max: 2.5 };

/** `show`: a tick's label. */
export function rangesOf(title: string, ranges: readonly Range[], show: (value: number) => string): string {
  const values = ranges.flatMap(({ marks }) => marks.map(({ value }) => value)).filter((value) => value > 0);
  if (values.length === 0) return '';
  const axis = logarithmic(Math.min(...values), Math.max(...values), show);
  const rows = ranges.map((range, row) => drawn(range, row * ROW, axis));
  const names = [...new Set(ranges.flatMap(({ marks }) => marks.map(({ name }) => name)))];
  const hint = `less is better; logarithmic axis; from the left: ${names.join(', ')}`;
  return figureOf(title, hint, { axis, rows, height: ranges.length * ROW });
}

function drawn(range: Range, y: number, axis: Axis): string {
  const middle = y + LINE_AT;
  const places = range.marks.map(({ value }) => axis.place(value));
  const [x1, x2] = [percent(Math.min(...places)), percent(Math.max(...places))];
  const line =
    places.length > 1
      ? element('line', { class: `range ${range.tone}`, x1, x2, y1: middle, y2: middle })
      : '';
  const marks = [...range.marks].reverse().map(({ kind, name, value, shown }) =>
    element(
      'circle',
      {
        class: `mark ${range.tone} ${kind}`,
        cx: percent(axis.place(value)),
        cy: middle,
        r: RADIUS[kind],
      },
      element('title', {}, text(`${range.label}, ${name}: ${shown}`)),
    ),
  );
  return rowHead(range, y) + line + marks.join('');
}
