// thread-entry — the far side of thread.ts: a thread that runs what it is told.
// Invariant: it listens to its orders only, so that parentPort stays for offers; it ends by itself once nothing in
// it is alive.

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { toRecord } from '../../lib/errors.ts';
import * as gunport from '../../lib/index.ts';
import { readBytes } from './counted.ts';
import { readNumbers } from './numbers.ts';

type Feed = gunport.WsStream<gunport.Connection>;

/** What a function that runs in a thread sees, beside its arguments. */
export interface Here {
  readonly gunport: typeof gunport;
  readonly orders: MessagePort;
  readonly parentPort: MessagePort;
  /** Connections that this thread was given, or has opened with `connect`. */
  readonly owned: Set<gunport.Connection>;
  /** The last feed that was taken or opened. */
  feed: Feed;
  /** The last connection that was taken, and the stream that came with it. */
  connection: gunport.Connection;
  stream: gunport.Stream<gunport.Connection>;
  /** receiveOwnership, remembered in `feed`, `connection` and `stream`; resolves with the giver's data. */
  take(source?: MessagePort, options?: gunport.ReceiveOptions): Promise<unknown>;
  connect(url: string, options?: gunport.OpenOptions): Promise<Feed>;
  /** The next `count` messages of the feed, as numbers. */
  read(count: number): Promise<number[]>;
  /** Chunks of `stream` until there are `count` bytes, or until its end; the loop is left after them. */
  bytes(count?: number): Promise<Uint8Array>;
  /** How a promise ends: the code of its error, or 'resolved'. */
  codeOf(promise: Promise<unknown>): Promise<string>;
  /** For the next function. */
  readonly notes: Record<string, unknown>;
}

// The worker's data is made by thread.ts.
const { orders } = workerData as { orders: MessagePort };

const here: Here = {
  gunport,
  orders,
  parentPort: parentPort as MessagePort, // This file is run as a worker only.
  owned: new Set(),
  feed: undefined as unknown as Feed, // Until the first one is there.
  connection: undefined as unknown as gunport.Connection, // As above.
  stream: undefined as unknown as gunport.Stream<gunport.Connection>, // As above.
  async take(source, options) {
    const { connection, feed, stream, data } = await gunport.receiveOwnership({ source, ...options });
    // Who takes a request, or reads as a feed what is none, is a test's own fault.
    Object.assign(here, { connection, feed, stream });
    here.owned.add(connection);
    return data;
  },
  async connect(url, options) {
    return keep(await gunport.connect(url, options));
  },
  read: (count) => readNumbers(here.feed, count),
  bytes: (count) => readBytes(here.stream, count),
  codeOf: (promise) =>
    promise.then(
      () => 'resolved',
      (error) => error.code ?? error.message,
    ),
  notes: {},
};

function keep(feed: Feed): Feed {
  here.feed = feed;
  here.owned.add(feed.connection);
  return feed;
}

orders.on('message', async ({ id, source, args }: { id: number; source: string; args: unknown[] }) => {
  try {
    // It comes from our own test.
    const task = new Function(`return (${source})`)() as (...all: unknown[]) => unknown;
    orders.postMessage({ id, value: await task(here, ...args) });
  } catch (error) {
    orders.postMessage({ id, error: toRecord(error) });
  }
});
