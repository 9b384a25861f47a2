// killing — ends the thread that holds a connection, in each way that threads end.
// Called by tests; mortal.ts is its far side. The death itself is seen by the connection's monitor.
// Invariant: it resolves with the Down, or rejects and has killed nobody it knows of; main lives on.
// Source: promise M1.

import { setTimeout as turn } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';
import { wait } from '../await.ts';
import { Connection } from '../connection.ts';
import { poolHere } from '../default.ts';
import { describe, OptionError } from '../errors.ts';
import type { OpenOptions } from '../options.ts';
import type { Pool } from '../pool.ts';
import type { Down } from '../types.ts';
import { CHANNEL, type Killing, type MortalStrike } from './mortal.ts';

/** How a thread ends: `terminate` from outside; the others from within, of threads that loaded `mortal()`: `exit` is
 *  process.exit(70), `uncaught` an error that nobody caught; `out-of-memory` wants a pool with resourceLimits, or patience. */
export type KillKind = 'terminate' | MortalStrike;

const KINDS: readonly KillKind[] = ['terminate', 'exit', 'uncaught', 'out-of-memory'];

/** Options of `killThread`. */
export interface KillOptions {
  /** Whose thread it is, for `terminate`. Default: the default pool of this thread. */
  pool?: Pool | undefined;
  /** From the call to the Down, in milliseconds. Default 5 000. */
  timeout?: number | undefined;
}

/** What lives in a thread: a connection, or what has one. */
export type Killable = Connection | { readonly connection: unknown };

/** Options of `connect`, `open` or a client, with which its thread can be killed from within.
 *  @example
 *  const feed = await connect(url, mortal({ retry: 5 }));
 *  const { reason } = await killThread(feed, 'uncaught');     // reason.kind: 'uncaught' */
export function mortal<O extends OpenOptions>(options?: O): O & Pick<OpenOptions, 'lookup'> {
  const module = new URL(`./mortal${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
  // Without options they are none.
  return { ...(options as O), lookup: { module } };
}

/** Kills the thread that holds a connection, and all in it. Resolves when its Down is there.
 *  @throws {OptionError} `how` is none; the thread is none of the pool's. @throws {OwnerError} it was handed over.
 *  @throws {TimeoutError} the Down did not come: for ways from within, the thread has not loaded `mortal()`. */
export async function killThread(
  target: Killable,
  how: KillKind = 'terminate',
  { pool = poolHere(), timeout = 5_000 }: KillOptions = {},
): Promise<Down<Connection>> {
  if (!KINDS.includes(how)) {
    throw new OptionError(`how must be one of ${KINDS.join(', ')}, got ${describe(how)}`);
  }
  const connection = target instanceof Connection ? target : target?.connection;
  if (!(connection instanceof Connection)) {
    throw new OptionError(`target must be a connection or have one, got ${describe(target)}`);
  }
  if (how === 'terminate' && !pool)
    throw new OptionError('pool must be given: this thread has no default one');
  const threadId = await placed(connection, timeout);
  const heard = new SharedArrayBuffer(4);
  const explain = (): unknown =>
    how === 'terminate' || Atomics.load(new Int32Array(heard), 0) === 1 // mortal.ts sets it.
      ? undefined
      : new Error(`thread ${threadId} has not loaded mortal()`);
  let failed: unknown;
  const down = await wait<Down<Connection> | undefined>(
    `killThread(${how})`,
    { timeout },
    (settle) => {
      const monitor = connection.monitor();
      void monitor.down.then((found) => settle(undefined, found));
      if (how !== 'terminate') strike({ threadId, how, heard });
      else {
        pool?.terminate(threadId).catch(async (error: unknown) => {
          // It may have died by itself just now, and its Down be on its way.
          await turn(DYING);
          failed = error;
          settle(undefined, undefined);
        });
      }
      return () => connection.demonitor(monitor, { flush: true });
    },
    explain,
  );
  if (failed && !down) throw failed;
  if (!down) throw new OptionError('target must be owned by this thread until its Down');
  return down;
}

/** How long a Down may be behind the death, in milliseconds. */
const DYING = 100;

/** Its thread, once that is known. */
async function placed(connection: Connection, timeout: number): Promise<number> {
  const end = performance.now() + timeout;
  while (connection.threadId === -1 && performance.now() < end) await turn(1);
  return connection.threadId;
}

function strike(killing: Killing): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(killing);
  channel.close();
}
