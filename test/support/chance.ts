// chance — numbers that look random, and are the same for the same seed: so that a run can be repeated.
// Used by every test that goes by GUNPORT_SEED.

/** From 0 to below 1. Source: Tommy Ettinger's mulberry32. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `next(n)` is an integer from 0 below n. */
export function chance(seed: number): (n: number) => number {
  const next = mulberry32(seed);
  return (n) => Math.floor(next() * n);
}

/** As `chance`, for one of many runs of a seed; neighbours are not alike. */
export function chanceAt(seed: number, index: number): (n: number) => number {
  return chance(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
}

/** A seed for this run: GUNPORT_SEED, or a new one. */
export function seedOf(): number {
  const given = Number(process.env['GUNPORT_SEED']);
  return Number.isInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 0x7fffffff);
}
