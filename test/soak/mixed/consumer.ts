// consumer — a thread that takes connections, uses them and hands them on, until it is told to stop, or struck.
// Started by crew.ts. Orders come by a port of their own: parentPort and the other ports stay for offers.
// Invariant: whatever should not have been is told as `broken`, with what it was about.

import { setMaxListeners } from 'node:events';
import { type MessagePort, parentPort, threadId, workerData } from 'node:worker_threads';
import { type Received, receiveOwnership } from '../../../lib/index.ts';
import { Tracker } from '../../support/tracker.ts';
import { type BodyBaton, readBody } from './body.ts';
import { Ledger, type Shared } from './ledger.ts';
import { type Held, held } from './measure.ts';
import { BOUND } from './stage.ts';
import { type Aim, type Baton, type Ground, turn } from './turn.ts';

/** What the thread is given. */
export interface ConsumerData {
  readonly shared: Shared;
  readonly orders: MessagePort;
  readonly deaf: MessagePort;
  readonly refused: MessagePort;
}

export type Order =
  | { readonly type: 'peer'; readonly threadId: number; readonly port: MessagePort }
  | { readonly type: 'die'; readonly how: 'exit' | 'throw' }
  | { readonly type: 'measure' | 'stop' };

export type Told =
  | { readonly type: 'ready' | 'stopped' }
  | { readonly type: 'broken'; readonly message: string }
  | { readonly type: 'measured'; readonly held: Held; readonly overdue: readonly string[] };

// The worker's data is made by crew.ts; this file is run as a worker only.
const { shared, orders, deaf, refused } = workerData as ConsumerData;
const home = parentPort as MessagePort;
const ledger = new Ledger(shared);
const tracker = new Tracker();
const stop = new AbortController();
setMaxListeners(0, stop.signal); // One for each road.
const peers = new Map<MessagePort, number>();

const ground: Ground = {
  ...{ threadId, ledger, tracker, deaf, refused },
  target(random, toMain): Aim {
    const others = [...peers];
    const at = Math.floor(random() * (others.length + 2));
    const [port, id] = others[at] ?? [];
    if (toMain || !port || id === undefined) return { to: home, threadId: 0 };
    return { to: random() < 0.2 ? { threadId: id } : port, threadId: id };
  },
  handedOver: () => {},
  giving: 0,
};

function tell(message: Told): void {
  orders.postMessage(message);
}

function guard(what: string, run: () => Promise<unknown>): void {
  tracker.note(what, run()).catch((error: unknown) => broken(what, error));
}

function broken(what: string, error: unknown): void {
  if (stop.signal.aborted) return;
  tell({
    type: 'broken',
    message: `thread ${threadId}, ${what}: ${(error as Error)?.stack ?? String(error)}`,
  });
}

async function serve(taken: AsyncIterable<Received<Baton | BodyBaton>>): Promise<void> {
  try {
    for await (const received of taken) use(received);
  } catch (error) {
    if (!stop.signal.aborted) broken('receiveOwnership', error);
  }
}

function use({ connection, feed, stream, data }: Received<Baton | BodyBaton>): void {
  if (data.type === 'feed') {
    // A veteran may be here for long.
    if (data.veteran) turn(feed, data, ground).catch((error: unknown) => broken('a veteran', error));
    else guard(`turn ${data.hops} of page ${data.page}`, () => turn(feed, data, ground));
    return;
  }
  guard('a body', async () => {
    try {
      // One that was read to its end is forgotten.
      const at = stream ? await readBody(stream as AsyncIterable<Uint8Array>, data.at) : data.at;
      if (at !== data.size) throw new Error(`it ended at ${at} of ${data.size}`);
    } catch (error) {
      if (!ledger.isStruck(connection.threadId)) throw error;
    }
    await connection.close();
  });
}

orders.on('message', (order: Order) => {
  switch (order.type) {
    case 'peer':
      peers.set(order.port, order.threadId);
      order.port.on('close', () => peers.delete(order.port));
      void serve(receiveOwnership.all<Baton | BodyBaton>(order.port, { signal: stop.signal }));
      return;
    case 'die':
      if (order.how === 'exit') process.exit(3);
      throw new Error('struck');
    case 'measure':
      held().then(
        (what) => tell({ type: 'measured', held: what, overdue: tracker.overdue(BOUND) }),
        (error) => broken('measuring', error),
      );
      return;
    case 'stop':
      stop.abort();
      for (const port of [...peers.keys(), deaf, refused]) port.close();
      tell({ type: 'stopped' });
      return orders.close();
    default:
      order satisfies never;
  }
});
process.on('unhandledRejection', (error) => broken('an unhandled rejection', error));
process.on('warning', (warning) => broken('a warning', warning));
void serve(receiveOwnership.all<Baton | BodyBaton>({ signal: stop.signal }));
tell({ type: 'ready' });
