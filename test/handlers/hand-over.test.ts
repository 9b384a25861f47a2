// hand-over.test — the handler stays beside the socket; what it delivers goes to the next owner, exactly (O1, O2).

import { once } from 'node:events';
import { expect } from 'chai';
import { receiveOwnership } from '../../lib/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { type Feed, take } from '../support/feeds.ts';
import { handled, handler, say } from '../support/handled.ts';
import { KINDS } from '../support/handling.ts';
import { numbers, range } from '../support/numbers.ts';
import { TestThread } from '../support/thread.ts';

/** Which number a value of `kinds` stands for. It is sent to threads as its text. */
const numberIn = (value: unknown): number => {
  if (typeof value === 'string') return Number(value.replace('number ', ''));
  if (value instanceof Uint8Array) return (value[0] ?? 0) + 256 * (value[1] ?? 0);
  if (value instanceof Map) return value.get('n');
  const { n, memory } = value as { n?: number; memory?: ArrayBuffer };
  return n ?? new Int32Array(memory as ArrayBuffer)[0] ?? -1;
};

describe('a hand-over of a feed with a handler', function () {
  this.timeout(20_000);
  const { pool, talk, keep } = handled();
  let threads: TestThread[];
  before(() => {
    threads = [new TestThread(), new TestThread()];
  });
  after(() => Promise.all(threads.map((thread) => thread.end())));

  it('tells the handler of its new owner, and the new owner of the handler', async () => {
    const { feed, server } = await talk(handler('noted'));
    const [thread] = threads as [TestThread];
    say(server, 'a', 'b');
    expect(await take(feed, 1)).to.deep.equal(['a!']);
    const taken = thread.run(async (here) => {
      await here.take();
      const notice = new Promise((resolve) => here.feed.once('notify', resolve));
      return [(await here.read(0)).length, await notice];
    });
    await feed.transferOwnership(thread.worker);
    expect(await taken).to.deep.equal([0, 'owner 1']);
    say(server, 'c', 'url');
    const read = await thread.run(async (here) => {
      const messages: unknown[] = [];
      for await (const message of here.feed) {
        messages.push(message);
        if (messages.length === 3) return messages;
      }
      return messages;
    });
    expect(read.slice(0, 2)).to.deep.equal(['b!', 'c!']);
    await thread.closeOwned();
  });

  it('to nobody leaves it beside the socket: who takes the orphan hears it go on (O8)', async () => {
    const { feed, server } = await talk(handler('noted', {}, { onOwnerDown: 'rehome' }));
    const orphan = new Promise<[Feed, Promise<unknown>]>((resolve) =>
      pool.once('orphan', ({ streams }) => {
        const [stream] = streams.values() as Iterable<Feed>;
        resolve([stream!, once(stream!, 'notify')]);
      }),
    );
    const owner = new TestThread();
    await Promise.all([
      owner.run((here) => here.take().then(() => {})),
      feed.transferOwnership(owner.worker),
    ]);
    await owner.kill();
    const [stream, told] = await orphan;
    say(server, 'a', 'thread');
    expect(await take(stream, 2)).to.deep.equal(['a!', `${stream.connection.threadId} false`]);
    expect(await told).to.deep.equal(['owner 1']);
    await stream.connection.close();
  });

  it('is exact: numbered values of every kind, through 200 hand-overs among 3 threads', async () => {
    const seed = seedOf();
    const random = chance(seed);
    const server = await keep(numbers());
    const owners = [mainOwner(), ...threads.map(threadOwner)] as const;
    await owners[0]!.begin(await pool.connect(server.url, handler('kinds')));
    const read: number[] = [];
    let [left, owner] = [0, 0];
    for (let transfers = 0; transfers < 200; transfers++) {
      const count = random(60);
      server.send(count);
      left += count;
      const part = random(left + 1);
      left -= part;
      read.push(...(await owners[owner]!.read(part)));
      const next = (owner + 1 + random(2)) % 3;
      await Promise.all([owners[next]!.take(), owners[owner]!.give(owners[next]!.threadId)]);
      owner = next;
    }
    server.send(KINDS);
    read.push(...(await owners[owner]!.read(left + KINDS)));
    expect(read, `GUNPORT_SEED=${seed}`).to.deep.equal(range(0, server.sent));
    await owners[owner]!.close();
  });
});

/** Who may own the feed of the storm. */
interface Owner {
  readonly threadId: number;
  begin(feed: Feed): void;
  /** The next `count` values, as numbers. */
  read(count: number): Promise<number[]>;
  take(): Promise<void>;
  give(threadId: number): Promise<void>;
  close(): Promise<void>;
}

function mainOwner(): Owner {
  let mine: Feed;
  return {
    threadId: 0,
    begin: (feed) => {
      mine = feed;
    },
    read: (count) => valuesOf(mine, count, numberIn),
    take: async () => {
      ({ feed: mine } = await receiveOwnership());
    },
    give: (threadId) => mine.transferOwnership({ threadId }),
    close: () => mine.connection.close(),
  };
}

function threadOwner(thread: TestThread): Owner {
  return {
    threadId: thread.threadId,
    begin: () => {},
    read: (count) =>
      thread.run(
        (here, read, number, most) => {
          const [values, numbered] = [read, number].map((source) => new Function(`return (${source})`)());
          return values(here.feed, most, numbered) as Promise<number[]>;
        },
        ...([valuesOf.toString(), numberIn.toString(), count] as const),
      ),
    take: () => thread.run((here) => here.take().then(() => {})),
    give: (threadId) => thread.run((here, id) => here.feed.transferOwnership({ threadId: id }), threadId),
    close: () => thread.closeOwned(),
  };
}

async function valuesOf(feed: Feed, count: number, number: (value: unknown) => number): Promise<number[]> {
  const values: number[] = [];
  if (count === 0) return values;
  for await (const value of feed) {
    values.push(number(value));
    if (values.length === count) break;
  }
  return values;
}
