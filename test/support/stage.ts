// stage — what each ownership test has: a server of numbers, a feed of it owned by main, and two more threads.
// Called inside a `describe`, where it adds its hooks.
// Invariant: after each test everything that main or a thread owns is closed; the threads end with the describe.

import { expect } from 'chai';
import { type Connection, connect, type Received, receiveOwnership, type WsStream } from '../../lib/index.ts';
import type { OpenOptions } from '../../lib/options.ts';
import type { ReceiveOptions } from '../../lib/receive.ts';
import { type Numbers, numbers, range, readNumbers } from './numbers.ts';
import { TestThread } from './thread.ts';

export type Feed = WsStream<Connection>;

export interface Stage {
  readonly server: Numbers;
  /** Owned by main, new for each test. */
  readonly feed: Feed;
  readonly a: TestThread;
  readonly b: TestThread;
  /** receiveOwnership in main; closed after the test. */
  take<D = unknown>(options?: ReceiveOptions): Promise<Received<D>>;
  /** Another feed of main's; closed after the test. */
  connect(options?: OpenOptions): Promise<Feed>;
  /** Gives `feed` to a thread, by its parentPort, and waits until it is there. */
  giveTo(thread: TestThread, feed?: Feed): Promise<void>;
  /** `attempt` rejects with `code`; the old owner goes on with all there is, and can give it to another after it.
   *  Resolves with the error. */
  fails(code: string, attempt: () => Promise<unknown>): Promise<unknown>;
}

/** @param options of the feed. */
export function stage(options: OpenOptions = {}): Stage {
  let server: Numbers;
  let feed: Feed;
  let threads: TestThread[];
  const mine = new Set<Connection>();

  before(() => {
    threads = [new TestThread(), new TestThread()];
  });
  after(() => Promise.all(threads.map((thread) => thread.end())));
  beforeEach(async () => {
    server = await numbers();
    feed = await set.connect(options);
  });
  afterEach(async () => {
    for (const thread of threads) await thread.closeOwned();
    // NOT_OWNER: somebody else had it, and has closed it.
    for (const connection of mine) await connection.close().catch(() => {});
    mine.clear();
    await server.close();
  });

  const set: Stage = {
    get server() {
      return server;
    },
    get feed() {
      return feed;
    },
    get a() {
      return threads[0]!;
    },
    get b() {
      return threads[1]!;
    },
    async take<D>(receiveOptions?: ReceiveOptions) {
      const received = await receiveOwnership<D>(receiveOptions);
      mine.add(received.connection);
      return received;
    },
    async connect(openOptions) {
      const made = await connect(server.url, openOptions);
      mine.add(made.connection);
      return made;
    },
    async giveTo(thread, given = feed) {
      await Promise.all([
        thread.run((here) => here.take().then(() => {})),
        given.transferOwnership(thread.worker),
      ]);
    },
    async fails(code, attempt) {
      const { server, feed, a } = set;
      server.send(10);
      expect(await readNumbers(feed, 3)).to.deep.equal([0, 1, 2]);
      const rejected = errorOf(attempt());
      server.send(10);
      const error = await rejected;
      expect(error).to.include({ code });
      server.send(10);
      expect(await readNumbers(feed, 26)).to.deep.equal(range(3, 29));
      feed.send('still here');
      expect(await server.heard(1)).to.deep.equal(['still here']);
      await set.giveTo(a);
      expect(await a.run((here) => here.read(1))).to.deep.equal([29]);
      return error;
    },
  };
  return set;
}

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}
