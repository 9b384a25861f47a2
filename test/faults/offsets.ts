// offsets — a conversation over a bad line, again and again: each time the line breaks at another byte.
// Used by the tests of this folder. Cases run a few at a time, each through a proxy of its own.
// Invariant: a case that fails says at which byte, and how the line broke.

import { type FaultProxy, type Faults, faultProxy } from '../support/faultproxy.ts';

/** How a line breaks. */
const BREAKS = ['cut', 'reset'] as const;
export type Break = (typeof BREAKS)[number];

/** Bytes of the 101 of wsPeer: its frames begin behind them. */
export const HEAD = 129;

/** As many at a time. */
const LANES = 12;

/** 0, 1 … length. */
export function upTo(length: number): number[] {
  return Array.from({ length: length + 1 }, (_, i) => i);
}

/** So many of them, the first and the last among them. `roll(n)`: an integer below n. */
export function some(numbers: readonly number[], count: number, roll: (below: number) => number): number[] {
  const chosen = new Set([0, numbers.length - 1]);
  while (chosen.size < Math.min(count, numbers.length)) chosen.add(roll(numbers.length));
  return [...chosen].map((i) => numbers[i] ?? 0);
}

/** Runs one case for each, a few at a time. @throws the first that fails, with its name. */
export async function each<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const left = [...items.entries()];
  const lane = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [, item] = next;
      await run(item).catch((error: unknown) => {
        left.length = 0;
        // What is compared stays readable.
        if (error instanceof Error) error.message = `${JSON.stringify(item)}: ${error.message}`;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** One case: a line to that port with these faults, gone when it is over. */
export async function over<T>(
  port: number,
  faults: Faults | ((connection: number) => Faults),
  run: (line: FaultProxy) => Promise<T>,
): Promise<T> {
  await using line = await faultProxy(port, faults);
  return await run(line);
}

/** Every way to break at each of these bytes, on the way to the client. */
export function breaksAt(bytes: readonly number[]): { readonly how: Break; readonly at: number }[] {
  return BREAKS.flatMap((how) => bytes.map((at) => ({ how, at })));
}
