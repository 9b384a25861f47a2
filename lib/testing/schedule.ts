// schedule — faults of a server at times that look random, and are the same for the same seed.
// Called by tests that want to know whether a client survives what they did not think of.
// Invariant: a schedule is plain data, made before it is run; a run ends with its server back in order.

import { randomInt } from 'node:crypto';
import { wait } from '../await.ts';
import { integer, own } from '../checks.ts';
import { describe, OptionError } from '../errors.ts';
import { type Clock, REAL_CLOCK } from './clock.ts';
import type { ScriptedServer } from './servertypes.ts';

/** What a schedule does to a server: `stall` and `refuse` last for a while. By itself a WebSocket does not come back from
 *  `garbage` and `rudeClose`: the peer has ended it. */
export type FaultKind = 'drop' | 'reset' | 'stall' | 'garbage' | 'rudeClose' | 'refuse' | 'restart';

const KINDS: readonly FaultKind[] = ['drop', 'reset', 'stall', 'garbage', 'rudeClose', 'refuse', 'restart'];

/** One fault. */
export interface ScheduledFault {
  readonly kind: FaultKind;
  /** When it strikes, in milliseconds from the beginning. */
  readonly at: number;
  /** How long a stall or a refusal lasts, in milliseconds. */
  readonly lasts: number;
}

/** Options of `faults`. */
export interface FaultsOptions {
  /** How many. Default 10. */
  count?: number | undefined;
  /** Between two, in milliseconds: from, to. Default [5, 50]. */
  every?: readonly [number, number] | undefined;
  /** Which. Default: all there are. */
  kinds?: readonly FaultKind[] | undefined;
}

/** Faults that are about to strike. */
export interface FaultSchedule {
  /** Print it: the same seed gives the same schedule. */
  readonly seed: number;
  readonly faults: readonly ScheduledFault[];
  /** Strikes a server. Resolves when all have struck; it takes upgrades and reads again then, also after an abort.
   *  @throws {TimeoutError} ERR_GUNPORT_ABORTED. */
  run(
    server: ScriptedServer,
    options?: { readonly clock?: Clock | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
}

const OPTION_NAMES: ReadonlySet<string> = new Set(['count', 'every', 'kinds']);

/** Makes a schedule. @param seed an integer from 1. Default: a new one.
 *  @throws {OptionError} an option that is none.
 *  @example
 *  const schedule = faults(undefined, { kinds: ['drop', 'stall'] });
 *  console.log(`seed ${schedule.seed}`);
 *  await schedule.run(server); */
export function faults(seed: number = randomInt(1, 2 ** 31), options: FaultsOptions = {}): FaultSchedule {
  const given = own(options, OPTION_NAMES, '');
  if (!Number.isInteger(seed)) throw new OptionError(`seed must be an integer, got ${describe(seed)}`);
  const count = integer(given, 'count', 10, [0, 1_000_000]);
  const [from, to] = checkEvery(options.every ?? [5, 50]);
  const kinds = checkKinds(options.kinds ?? KINDS);
  const next = mulberry32(seed);
  const below = (n: number): number => Math.floor(next() * n);
  const span = (): number => from + below(to - from + 1);
  let at = 0;
  const list = Array.from({ length: count }, () => {
    at += span();
    // `kinds` is not empty, and `below` stays below its length.
    return { kind: kinds[below(kinds.length)] as FaultKind, at, lasts: span() };
  });
  return { seed, faults: list, run: (server, how = {}) => run(list, server, how) };
}

async function run(
  list: readonly ScheduledFault[],
  server: ScriptedServer,
  {
    clock = REAL_CLOCK,
    signal,
  }: { readonly clock?: Clock | undefined; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const start = clock.now();
  const until = (at: number): Promise<void> =>
    wait<void>('a fault schedule', { signal }, (settle) => {
      const timer = clock.setTimeout(
        () => settle(undefined, undefined),
        Math.max(0, start + at - clock.now()),
      );
      return () => timer.clear();
    });
  try {
    for (const fault of list) {
      await until(fault.at);
      await strike(fault, server, () => until(fault.at + fault.lasts));
    }
  } finally {
    server.refuse(false);
    server.resume();
  }
}

async function strike(
  { kind }: ScheduledFault,
  server: ScriptedServer,
  lasting: () => Promise<void>,
): Promise<void> {
  switch (kind) {
    case 'drop':
      return server.drop();
    case 'reset':
      return server.drop({ reset: true });
    case 'garbage':
      return server.garbage(new Uint8Array(16).fill(0xff));
    case 'rudeClose':
      return server.rudeClose();
    case 'restart':
      return server.restart();
    case 'stall':
      server.stall();
      await lasting();
      return server.resume();
    case 'refuse':
      server.refuse(503);
      server.drop();
      await lasting();
      return server.refuse(false);
    default:
      kind satisfies never;
  }
}

function checkEvery(every: unknown): readonly [number, number] {
  const [from, to, ...more] = Array.isArray(every) ? (every as unknown[]) : [];
  const fine = [from, to].every((ms) => typeof ms === 'number' && Number.isInteger(ms) && ms >= 0);
  // Both are integers, as the line above says.
  if (fine && more.length === 0 && (from as number) <= (to as number)) return [from as number, to as number];
  throw new OptionError(`every must be two integers, from and to, got ${describe(every)}`);
}

function checkKinds(kinds: readonly FaultKind[]): readonly FaultKind[] {
  if (Array.isArray(kinds) && kinds.length > 0 && kinds.every((kind) => KINDS.includes(kind))) return kinds;
  throw new OptionError(`kinds must be some of ${KINDS.join(', ')}, got ${describe(kinds)}`);
}

/** From 0 to below 1. Source: Tommy Ettinger's mulberry32. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
