// property — a law that must hold for whatever fast-check makes up.
// Used by the property tests. Invariant: a failure is told with its seed and path, and repeated by GUNPORT_SEED and
// GUNPORT_PATH. Source: fast-check.

import fc from 'fast-check';
import { seedOf } from './chance.ts';

/** Runs in the suite, unless told otherwise. */
const RUNS = 1_000;

/** Holds `law` for `runs` values. @throws with the smallest that it does not hold for. */
export function holds<T>(arbitrary: fc.Arbitrary<T>, law: (value: T) => void, runs: number = RUNS): void {
  const path = process.env['GUNPORT_PATH'];
  fc.assert(fc.property(arbitrary, law), {
    seed: seedOf(),
    numRuns: runs,
    ...(path !== undefined && { path }),
  });
}

/** Bytes in pieces: cut anywhere, with empty ones among them. */
export function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

/** For `pieces`. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.nat(65_535), { maxLength: 12 });
