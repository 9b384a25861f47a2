// stage — what all lanes of the soak share: servers, pool, threads, counters, and what has gone wrong.
// Made by soak.ts; given to each act of a lane. Invariant: the first fault is told at once, with what was going on.

import type { Connection, Down, ModuleReference, OpenOptions, Pool } from '../../../lib/index.ts';
import { GunportError } from '../../../lib/index.ts';
import { faulty } from '../../support/faults.ts';
import type { Tracker } from '../../support/tracker.ts';
import type { Plant } from '../arguments.ts';
import type { Crew } from './crew.ts';
import type { Ledger } from './ledger.ts';
import type { Servers } from './servers.ts';
import type { Ground } from './turn.ts';

export type Random = (n: number) => number;

/** For `lookup`: names resolve to this machine, and the thread can be struck, and asked what it holds. */
const PROBE: ModuleReference = { module: new URL('./probe-lookup.js', import.meta.url) };

/** No promise may take longer, in milliseconds. */
export const BOUND = 60_000;

export const SPEAKS = ['http', 'https', 'h2c', 'h2'] as const;
export type Speaks = (typeof SPEAKS)[number];

export interface Stage {
  readonly seed: number;
  readonly pool: Pool;
  readonly servers: Servers;
  readonly ledger: Ledger;
  readonly tracker: Tracker;
  readonly crew: Crew;
  readonly ground: Ground;
  readonly plants: readonly Plant[];
  /** What planted faults keep. */
  readonly kept: unknown[];
  /** Aborted while it rests: who just waits, waits no longer. */
  readonly rest: AbortSignal;
  /** When a thread of the pool was last struck, or has last died, by performance.now(). */
  lastStrike: number;
  fail(what: string): void;
}

/** Where to, and how. */
export function way(
  stage: Stage,
  speaks: Speaks | 'line',
  scheme: 'http' | 'ws' = 'http',
): { origin: string; options: OpenOptions } {
  const secure = speaks === 'https' || speaks === 'h2';
  const port = stage.servers.ports[speaks];
  const origin = secure ? `${scheme}s://localhost:${port}` : faulty(`${scheme}://127.0.0.1:${port}`);
  const protocols = speaks === 'h2' || speaks === 'h2c' ? (['http2'] as const) : (['http'] as const);
  return {
    origin,
    options: {
      lookup: PROBE,
      ...(secure ? { tls: { ca: stage.servers.ca } } : {}),
      ...(scheme === 'http' ? { protocols: [...protocols] } : {}),
    },
  };
}

/** What a call may end with when its thread dies: of a connection whose thread is known, only if that was struck. */
export function excused(stage: Stage, error: unknown, since: number, connection?: Connection): boolean {
  if (!(error instanceof GunportError) || !DEADLY.has(error.code)) return false;
  const threadId = connection?.threadId ?? -1;
  return threadId >= 0 ? stage.ledger.isStruck(threadId) : stage.lastStrike > since - 1_000;
}
const DEADLY: ReadonlySet<string> = new Set([
  'ERR_GUNPORT_DOWN',
  'ERR_GUNPORT_CLOSED',
  'ERR_GUNPORT_GAVE_UP',
  'ERR_GUNPORT_TARGET_DEAD',
]);

/** Watches until its end; resolves once there was exactly one Down. */
export async function watched(stage: Stage, connection: Connection): Promise<Down> {
  const heard: Down[] = [];
  const monitor = connection.monitor((down) => heard.push(down), { keep: true });
  const down = await monitor.down;
  // A second one would come in the same turn, or the next.
  await new Promise((resolve) => setImmediate(resolve));
  if (!down || heard.length !== 1)
    stage.fail(`a monitor of ${connection.id} has heard ${heard.length} Downs`);
  return heard[0]!;
}

export function one<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)] as T; // Never empty.
}
