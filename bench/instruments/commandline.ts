// commandline — values of options as they are typed: taken as they are meant, or named with what is wrong.
// Called by the benchmark's options.ts, and by `gunport bench`.

/** The command line is wrong; its message is for the person who typed it. */
export class UsageError extends Error {}

/** @throws {UsageError} no integer, or out of its range. */
export function wholeOf(
  name: string,
  given: string | undefined,
  standard: number,
  [least, most]: readonly [number, number],
): number {
  if (given === undefined) return standard;
  const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${name} must be an integer from ${least} to ${most}, got '${given}'`);
}

/** Names, parted by commas, in the order of `known`, so that tables look alike. @throws {UsageError} another. */
export function listOf<T extends string>(
  name: string,
  given: string | undefined,
  known: readonly T[],
  standard: readonly T[] = known,
): readonly T[] {
  if (given === undefined) return standard;
  const asked = given.split(',').map((one) => one.trim());
  for (const one of asked) {
    if (!known.some((name) => name === one)) {
      throw new UsageError(`${name} takes a list of ${known.join(', ')}, got '${one}'`);
    }
  }
  return known.filter((one) => asked.includes(one));
}
