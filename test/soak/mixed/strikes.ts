// strikes — what befalls threads in the soak: those of the pool are killed or kept busy, owners are killed, main stands
// still.
// Acts of soak.ts. Invariant: who is struck is marked before; a thread's death is one `down` of the pool, with its reason.

import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { ThreadDown } from '../../../lib/index.ts';
import { block } from '../../support/blocking.ts';
import { fault } from '../../support/faults.ts';
import { one, type Random, type Stage } from './stage.ts';

const KINDS = { terminate: 'terminated', exit: 'exit', throw: 'uncaught' } as const;
const WAYS = ['terminate', 'exit', 'throw', 'spin'] as const;

/** A thread of the pool, after a while. */
export async function strike(stage: Stage, random: Random): Promise<void> {
  await wait(stage, 300 + random(2_500));
  const threads = stage.pool.info().threads.filter(({ isolated }) => !isolated);
  if (stage.rest.aborted || threads.length === 0) return;
  const { threadId } = one(random, threads);
  const how = one(random, WAYS);
  if (how === 'spin')
    return fault(threadId, { kind: 'spin', ms: random(400), word: new SharedArrayBuffer(4) });
  stage.ledger.strike(threadId);
  stage.lastStrike = performance.now();
  const died = downOf(stage, threadId);
  if (how === 'exit') fault(threadId, { kind: 'exit', code: random(3) });
  else if (how === 'throw')
    fault(threadId, { kind: 'throw', value: one(random, ['error', 'undefined', 'string']) });
  // A thread in which no name was looked up yet cannot hear of a fault.
  const deaf = how === 'terminate' || !(await Promise.race([died.then(() => true), pause(500, false)]));
  if (deaf) await stage.pool.terminate(threadId).catch(() => {}); // It may have died at last.
  const { reason } = await stage.tracker.note(`down of thread ${threadId}`, died);
  if (reason.kind !== KINDS[how] && !(deaf && reason.kind === 'terminated'))
    throw new Error(`${how} of thread ${threadId} was told as ${reason.kind}`);
  stage.ledger.count('kills');
}

async function downOf(stage: Stage, threadId: number): Promise<ThreadDown> {
  for (;;) {
    const [down] = (await once(stage.pool, 'down')) as [ThreadDown];
    if (down.threadId === threadId) return down;
  }
}

/** One that owns connections, after a while. */
export async function strikeOwner(stage: Stage, random: Random): Promise<void> {
  await wait(stage, 500 + random(4_000));
  if (stage.rest.aborted) return;
  await stage.tracker.note('an owner is killed', stage.crew.strike(random));
  stage.ledger.count('ownerKills');
}

/** Main does not turn. */
export async function blockMain(stage: Stage, random: Random): Promise<void> {
  await wait(stage, 1_000 + random(8_000));
  if (stage.rest.aborted) return;
  block(random(500));
  stage.ledger.count('blocks');
}

/** Until then, or until all rest. */
async function wait(stage: Stage, ms: number): Promise<void> {
  await pause(ms, undefined, { signal: stage.rest }).catch(() => {}); // It rests.
}
