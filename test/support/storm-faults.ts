// storm-faults — one hand-over of a storm: the real one, and each way in which one must fail or may.
// Called by storm-actor.ts and soak/mixed/turn.ts. Invariant: an outcome that is not one of those expected ends the storm with a sentence.
// Source: promise O3.

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { TransferOptions, TransferTarget } from '../../lib/index.ts';
import type { Feed } from './storm-actor.ts';
import type { Fault, Road } from './storm-plan.ts';

export interface Roads {
  readonly deaf: MessagePort;
  readonly refused: MessagePort;
  target(place: number, road: Road): TransferTarget;
}

export interface Attempt {
  readonly feed: Feed;
  readonly data: object;
  /** The thread whose turn is next. */
  readonly to: TransferTarget;
  readonly roads: Roads;
  readonly random: () => number;
  /** What it may end with besides, where connections and targets die. */
  readonly also?: readonly string[] | undefined;
  /** How long the real one may take, in milliseconds. */
  readonly patience?: number | undefined;
}

type Kind = Fault | 'real' | 'late';

/** Tries it. Resolves with the code that it failed with, or undefined when the feed is another's. */
export async function attempt(kind: Kind, all: Attempt): Promise<string | undefined> {
  const expected = [...EXPECTED[kind], ...(all.also ?? [])];
  const outcome = await tries[kind](all);
  if (!expected.includes(outcome)) {
    throw new Error(
      `a hand-over of kind ${kind} ended with ${outcome ?? 'success'}, not ${expected.join(' or ')}`,
    );
  }
  return outcome;
}

const TIMEOUT = 'ERR_GUNPORT_TRANSFER_TIMEOUT';
const EXPECTED: Record<Kind, readonly (string | undefined)[]> = {
  real: [undefined],
  late: [undefined, TIMEOUT],
  tight: [undefined, TIMEOUT],
  deaf: [TIMEOUT],
  abort: [undefined, 'ERR_GUNPORT_ABORTED'],
  refused: ['ERR_GUNPORT_REFUSED'],
  closed: ['ERR_GUNPORT_TARGET_DEAD'],
  closing: ['ERR_GUNPORT_TARGET_DEAD'],
  'no-thread': [TIMEOUT, 'ERR_GUNPORT_TARGET_DEAD'],
  'far-end': ['ERR_GUNPORT_OWN_FAR_END'],
  'not-cloneable': ['ERR_GUNPORT_NOT_CLONEABLE'],
  second: [TIMEOUT],
};

/** Long enough for a thread that waits its turn on a loaded machine. */
const PATIENCE = 30_000;

const tries: Record<Kind, (all: Attempt) => Promise<string | undefined>> = {
  real: ({ feed, to, data, patience = PATIENCE }) => give(feed, to, { data, timeout: patience }),
  late: ({ feed, to, data, random }) => give(feed, to, { data, timeout: 1 + 20 * random() }),
  tight: ({ feed, to, data, random }) => give(feed, to, { data, timeout: Math.floor(3 * random()) }),
  deaf: ({ feed, data, roads, random }) => give(feed, roads.deaf, { data, timeout: 5 * random() }),
  refused: ({ feed, data, roads }) => give(feed, roads.refused, { data, timeout: PATIENCE }),
  'no-thread': ({ feed, data, random }) =>
    give(feed, { threadId: 1_000_000 }, { data, timeout: random() < 0.02 ? PATIENCE : 20 * random() }),
  'far-end': ({ feed, data }) => give(feed, { threadId: feed.connection.threadId }, { data }),
  'not-cloneable': ({ feed, to, data }) => give(feed, to, { data: { ...data, no: () => {} } }),
  abort: async ({ feed, to, data, random }) => {
    const controller = new AbortController();
    const late = random() < 0.5;
    const timer = setTimeout(() => controller.abort(), 2 * random());
    if (!late) setImmediate(() => controller.abort());
    const outcome = await give(feed, to, { data, timeout: PATIENCE, signal: controller.signal });
    clearTimeout(timer);
    return outcome;
  },
  closed: async ({ feed, data }) => {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    return give(feed, port1, { data, timeout: PATIENCE });
  },
  closing: async ({ feed, data, random }) => {
    const { port1, port2 } = new MessageChannel();
    const outcome = give(feed, port1, { data, timeout: PATIENCE });
    setTimeout(() => port2.close(), random());
    return outcome;
  },
  second: async ({ feed, data, to, roads, random, also = [] }) => {
    const first = give(feed, roads.deaf, { data, timeout: 5 * random() });
    const second = await give(feed, to, { data });
    if (![...also, 'ERR_GUNPORT_TRANSFERRING'].includes(second ?? ''))
      throw new Error(`a second hand-over ended with ${second}`);
    return first;
  },
};

async function give(
  feed: Feed,
  target: TransferTarget,
  options: TransferOptions,
): Promise<string | undefined> {
  try {
    await feed.transferOwnership(target, options);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
