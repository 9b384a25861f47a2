// values — what stands behind the options, one by one: taken as it is meant, or named with its value.
// Called by command.ts.

import { listOf, UsageError } from '../../bench/instruments/commandline.ts';

/** As parseArgs gives them. */
export interface Values {
  readonly send?: string[] | undefined;
  readonly echo?: boolean | undefined;
  readonly ping?: boolean | undefined;
  readonly rate?: string | undefined;
  readonly size?: string | undefined;
  readonly message?: string | undefined;
  readonly connections?: string | undefined;
  readonly concurrency?: string | undefined;
  readonly threads?: string | undefined;
  readonly duration?: string | undefined;
  readonly warmup?: string | undefined;
  readonly rounds?: string | undefined;
  readonly header?: string[] | undefined;
  readonly subprotocol?: string[] | undefined;
  readonly compress?: boolean | undefined;
  readonly insecure?: boolean | undefined;
  readonly read?: string | undefined;
  readonly peers?: string | undefined;
  readonly json?: string | undefined;
  readonly html?: string | undefined;
}

export type PeerName = 'gunport' | 'ws';

const PEERS: readonly PeerName[] = ['gunport', 'ws'];
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** A second; more is for drivers of their own. */
const MOST_RATE = 1_000_000;

/** A second; fractions are taken. */
export function rateOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
  if (value > 0 && value <= MOST_RATE) return value;
  throw new UsageError(`--rate must be a number above 0, up to ${MOST_RATE}, got '${given}'`);
}

/** In ms, from `500ms`, `10s`, `2m` or `1h`. */
export function duration(
  name: string,
  given: string | undefined,
  standard: string,
  [least, most]: readonly [number, number],
): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(given ?? standard) ?? [];
  const value = Number(number) * (UNITS[unit] ?? Number.NaN);
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `${name} must be a time like 500ms, 10s or 2m, from ${least} ms to ${most / 1_000} s, got '${given}'`,
  );
}

/** A header: its name, and its value. */
export function fieldOf(given: string): readonly [name: string, value: string] {
  const [, name, value = ''] = /^([!#$%&'*+.^`|~\w-]+):[ \t]*([^\r\n\0]*)$/.exec(given) ?? [];
  if (name !== undefined) return [name, value.trimEnd()];
  throw new UsageError(`--header must be like 'name: value', got '${given}'`);
}

export function oneOf<T extends string>(
  name: string,
  given: string | undefined,
  known: readonly T[],
  standard: T,
): T {
  if (given === undefined) return standard;
  const found = known.find((one) => one === given);
  if (found !== undefined) return found;
  throw new UsageError(`${name} must be one of ${known.join(', ')}, got '${given}'`);
}

/** gunport alone where nothing is said. */
export function peerList(given: string | undefined): readonly PeerName[] {
  return listOf('--peers', given, PEERS, ['gunport']);
}
