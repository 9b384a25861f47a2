// mortal — owners that end: a thread is given a connection, and dies in one of the ways there are.
// Used by the tests of what becomes of a connection then. Source: shutdown_SUITE's owner_down tests.

import type { MessagePort } from 'node:worker_threads';
import type { HttpNotice } from '../../lib/httpwire.ts';
import type { Connection } from '../../lib/index.ts';
import { spares, TestThread } from './thread.ts';

/** One way for a thread to end. */
export interface Death {
  readonly how: string;
  /** What the name of Gun's test ends with. */
  readonly twin: 'owner_down' | 'owner_down_error';
  die(thread: TestThread): unknown;
}

export const DEATHS: readonly Death[] = [
  {
    how: 'ends by itself',
    twin: 'owner_down',
    die: (thread) => thread.run((here) => here.orders.close()).catch(() => {}),
  },
  {
    how: 'calls process.exit(1)',
    twin: 'owner_down_error',
    die: (thread) => thread.run(() => process.exit(1)).catch(() => {}),
  },
  {
    how: 'throws',
    twin: 'owner_down_error',
    die: (thread) =>
      thread
        .run(() => {
          setImmediate(() => {
            throw new Error('unexpected');
          });
        })
        .catch(() => {}),
  },
  { how: 'is terminated', twin: 'owner_down_error', die: (thread) => thread.kill() },
];

/** A thread that owns `connection`, and nothing else that would keep it alive. */
export function mortalOwner(connection: Connection): Promise<TestThread> {
  return own(connection, new TestThread());
}

/** The same for a describe in which many tests need one: the next thread starts while a test runs. */
export function mortals(): (connection: Connection) => Promise<TestThread> {
  const spare = spares();
  return (connection) => own(connection, spare());
}

async function own(connection: Connection, thread: TestThread): Promise<TestThread> {
  const taken = thread.run(async (here) => {
    const received = await here.gunport.receiveOwnership();
    here.owned.add(received.connection);
    received.connection.unref();
  });
  await connection.transferOwnership(thread.worker);
  await taken;
  return thread;
}

/** All that came to the other end of a request's `replyTo` port, until its end. */
export function repliesAt(port: MessagePort): Promise<HttpNotice[]> {
  const notices: HttpNotice[] = [];
  port.on('message', (notice: HttpNotice) => void notices.push(notice));
  return new Promise((resolve) => port.once('close', () => resolve(notices)));
}

/** Resolves when the thread of `witness` has heard of what another thread's end closed. */
export async function heardOfIt(witness: Connection): Promise<void> {
  // One round trip may overtake a port's close that came in the same turn.
  for (let i = 0; i < 3; i++) await witness.info();
}
