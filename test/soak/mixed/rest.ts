// rest — brings all of a soak to a stop between two acts, counts what is there then, and lets it go on.
// Called by soak.ts. Invariant: when it measures, nobody sends, no act is under way, each thread of the pools is there and
// has nothing in it but veterans, which main owns. What differs from the first rest is given some seconds to go.

import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { BroadcastChannel, type Worker } from 'node:worker_threads';
import { poolHere } from '../../../lib/default.ts';
import { connect, type Pool } from '../../../lib/index.ts';

import type { BodyBaton } from './body.ts';
import type { Journeys } from './feeds.ts';
import { counts, type Sample } from './flatness.ts';
import type { Lanes } from './lanes.ts';
import { doings, type Held, handles, held, whole } from './measure.ts';
import { CHANNEL, type Probed } from './probe-lookup.ts';
import { BOUND, type Stage, way } from './stage.ts';

/** How long what differs may take to go, in milliseconds: longer than an offer waits that was lost in a dying thread. */
const SETTLING = 15_000;
/** The same, where what is planted does not go. */
const SETTLING_PLANTED = 500;

/** Stops, counts, and goes on. `first`: what it must be like. */
export async function rest(
  stage: Stage,
  lanes: Lanes,
  journeys: Journeys,
  { at, first }: { readonly at: number; readonly first: Sample | undefined },
): Promise<Sample> {
  stage.ledger.resting = true;
  lanes.hold();
  await until(
    () => lanes.busy().length === 0,
    () => `busy still: ${lanes.busy().join(', ')}`,
  );
  await until(
    () => journeys.home,
    () => 'a veteran does not come home',
  );
  await until(
    () => stage.ground.giving === 0,
    () => `${stage.ground.giving} hand-overs of main do not end`,
  );
  stage.servers.tell('hush');
  const defaults = Math.max(1, availableParallelism() - 1);
  await fill(stage, 2, (url, options) => stage.pool.connect(url, options));
  await fill(stage, defaults, connect);
  await Promise.all(stage.crew.workers.map((worker) => lend(stage, worker)));
  await until(
    () => emptied(stage.pool),
    () => `left in the pool: ${JSON.stringify(left(stage))}`,
  );
  const patience = stage.plants.length > 0 ? SETTLING_PLANTED : SETTLING;
  const sample = await settled(() => measure(stage, at), first, patience);
  stage.ledger.resting = false;
  stage.servers.tell('speak');
  lanes.go();
  return sample;
}

/** The first that counts what `first` does, else the last that there was time for; without `first`, what was counted twice. */
async function settled(
  measured: () => Promise<Sample>,
  first: Sample | undefined,
  patience: number,
): Promise<Sample> {
  const end = performance.now() + patience;
  for (let before = first; ; ) {
    const sample = await measured();

    if ((before && counts(before, sample).length === 0) || performance.now() > end) return sample;
    before = first ?? sample;
    await pause(50);
  }
}

/** Waits by turns of the loop. @throws after as long as any promise may take. */
export async function until(isSo: () => boolean, otherwise: () => string): Promise<void> {
  const end = performance.now() + BOUND;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`hung: ${otherwise()}\n${doings()}`);
    await pause(5);
  }
}

/** Each thread of a pool is there, and has loaded the probe. */
async function fill(stage: Stage, threads: number, open: Pool['connect']): Promise<void> {
  const { origin, options } = way(stage, 'http', 'ws');
  const feeds = await Promise.all(Array.from({ length: threads }, () => open(`${origin}/echo`, options)));
  await Promise.all(feeds.map((feed) => feed.close()));
}

/** A thread that has owned a connection has a life line to main: one that is new gets it here. */
async function lend(stage: Stage, worker: Worker): Promise<void> {
  const { origin, options } = way(stage, 'http');
  const connection = stage.pool.open(origin, options);
  const over = connection.monitor({ keep: true }).down;
  await connection.awaitUp();
  const data: BodyBaton = { type: 'body', size: 0, at: 0 };
  await connection.transferOwnership(worker, { data });
  await over;
}

/** Nothing but veterans, each in a thread of its own. */
function emptied(pool: Pool): boolean {
  return pool.info().threads.every(({ isolated, connections }) => isolated || connections.length === 0);
}

/** What there is in the pool, and what could have left it. */
function left({ pool, servers }: Stage): object {
  return { ...pool.info(), authorities: pool.authorities(), ports: servers.ports };
}

async function measure(stage: Stage, at: number): Promise<Sample> {
  const consumers = await stage.crew.measure();
  const pooled = await probe(stage);
  const main = await held();
  const { rss, threads, descriptors } = whole();
  const others = [...consumers, ...pooled];
  const memory = {
    rss,
    main: main.heap + main.external,
    others: sum(others.map(({ heap, external }) => heap + external)),
  };
  const all: Record<string, number> = { threads, descriptors, ...handles() };
  for (const [name, group] of Object.entries({ main: [main], consumers, pools: pooled })) {
    all[`listeners of ${name}`] = sum(group.map(({ listeners }) => listeners));
    for (const { resources } of group) {
      for (const [type, count] of Object.entries(resources))
        all[`${type} of ${name}`] = (all[`${type} of ${name}`] ?? 0) + count;
    }
  }
  return { at, memory, counts: all };
}

/** What the threads of the pools hold. */
async function probe(stage: Stage): Promise<Held[]> {
  const ids = [stage.pool, poolHere()].flatMap(
    (pool) => pool?.info().threads.map(({ threadId }) => threadId) ?? [],
  );
  const found = new Map<number, Held>();
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event) => {
    const { threadId, held: what } = (event as { data: Probed }).data; // Posted by probe-lookup.ts.
    if (what) found.set(threadId, what);
  };
  channel.postMessage('measure');
  try {
    await until(
      () => ids.every((id) => found.has(id)),
      () => `no answer of threads ${ids.filter((id) => !found.has(id))}`,
    );
  } finally {
    channel.close();
  }
  return ids.map((id) => found.get(id)!);
}

function sum(all: readonly number[]): number {
  return all.reduce((total, one) => total + one, 0);
}
