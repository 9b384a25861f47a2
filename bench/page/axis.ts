// axis — where on the width a value stands, and the marks below: from 0 in even steps, or by powers of ten.
// Called by bars.ts, ranges.ts and curves.ts.
// Invariant: a linear axis begins at 0; no tick lies past its end.

export interface Tick {
  readonly at: number;
  readonly label: string;
}

export interface Axis {
  /** A share of the width: 0 to 1. */
  readonly place: (value: number) => number;
  readonly ticks: readonly Tick[];
  /** The largest value that it has room for. */
  readonly end: number;
}

/** Right of the axis's end, for what stands on it. */
const ROOM = 0.97;
const STEPS = [1, 2, 2.5, 5, 10];

/** From 0 to `most` or a little more. `show`: a tick's label. */
export function linear(most: number, show: (value: number) => string): Axis {
  const rough = (most > 0 ? most : 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (STEPS.find((one) => one * power >= rough) ?? 10);
  const end = Math.max(most, step);
  const count = Math.floor(end / step + 1e-9);
  const place = (value: number): number => (Math.min(Math.max(value, 0), end) / end) * ROOM;
  const ticks = Array.from({ length: count + 1 }, (_, i) => ({ at: place(i * step), label: show(i * step) }));
  return { place, ticks, end };
}

/** From the power of ten below `least` to the one above `most`. */
export function logarithmic(least: number, most: number, show: (value: number) => string): Axis {
  const from = Math.floor(Math.log10(Math.max(least, Number.MIN_VALUE)) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(most, Number.MIN_VALUE)) - 1e-9));
  const place = (value: number): number => {
    const share = (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from);
    return Math.min(share, 1) * ROOM;
  };
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => {
    const value = 10 ** (from + i);
    return { at: place(value), label: show(value) };
  });
  return { place, ticks, end: 10 ** to };
}
