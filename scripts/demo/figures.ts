// figures — how numbers are written.
// Used by show.ts, listener.ts and verdict.ts. Invariant: a number stands with its unit.

/** 1 234 567 */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US').replaceAll(',', ' ');
}

/** 1 message, 2 messages */
export function many(count: number, thing: string): string {
  return `${grouped(count)} ${thing}${count === 1 ? '' : 's'}`;
}

/** 1.2 % */
export function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

/** 0.4 ms */
export function milliseconds(value: number): string {
  return `${value.toFixed(1)} ms`;
}

/** 12.3 MB of 10^6 bytes, or what suits it. */
export function bytes(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} GB`;
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e3).toFixed(1)} kB`;
}
