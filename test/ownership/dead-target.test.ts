import { MessageChannel, Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { connect } from '../../lib/index.ts';
import { block } from '../support/blocking.ts';
import { collect } from '../support/collector.ts';
import { numbers, readNumbers } from '../support/numbers.ts';
import { until } from '../support/poolstage.ts';
import { errorOf, type Feed, stage } from '../support/stage.ts';
import { TestThread } from '../support/thread.ts';
import { turns } from '../support/tracker.ts';

const DEAD = 'ERR_GUNPORT_TARGET_DEAD';

describe('a hand-over to a target that is dead (O3) fails, and the old owner goes on', () => {
  const on = stage();
  let feed: Feed;
  beforeEach(() => {
    ({ feed } = on);
  });

  it('check 14: a Worker that has ended', async () => {
    const dead = new TestThread();
    await dead.kill();
    await on.fails(DEAD, () => feed.transferOwnership(dead.worker));
  });

  it('a Worker that is being terminated', async () => {
    const dying = new TestThread();
    await dying.run(() => {});
    await on.fails(DEAD, async () => {
      void dying.worker.terminate();
      await feed.transferOwnership(dying.worker);
    });
    await dying.gone;
  });

  it('a Worker that ends before it adopts', async () => {
    const dying = new TestThread();
    await dying.run(() => {});
    await on.fails(DEAD, async () => {
      const done = feed.transferOwnership(dying.worker);
      dying.run(() => process.exit(0)).catch(() => {});
      await done;
    });
    await dying.gone;
  });

  it('a Worker that ends while its last message is under way', async () => {
    const dying = new TestThread();
    dying.run(() => setImmediate(() => process.exit(0))).catch(() => {});
    await on.fails(DEAD, async () => {
      // Its thread has ended, and nobody here knows of it yet.
      block(300);
      await feed.transferOwnership(dying.worker);
    });
    await dying.gone;
  });

  it('a port that was closed', async () => {
    const { port1 } = new MessageChannel();
    port1.close();
    await on.fails(DEAD, () => feed.transferOwnership(port1));
  });

  it('a port whose other end was closed', async () => {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    await on.fails(DEAD, () => feed.transferOwnership(port1));
  });

  it('a port whose other end is closed before it adopts', async () => {
    const { port1, port2 } = new MessageChannel();
    await on.fails(DEAD, async () => {
      const done = feed.transferOwnership(port1);
      port2.close();
      await done;
    });
  });

  it('a port that was given away', async () => {
    const { port1, port2 } = new MessageChannel();
    const { port1: other, port2: far } = new MessageChannel();
    other.postMessage(port1, [port1]);
    await on.fails(DEAD, () => feed.transferOwnership(port1));
    for (const port of [port2, other, far]) port.close();
  });

  // Each of them takes a second, so they take the same one.
  it('a thread id that nobody has, and a thread that has not loaded gunport', async () => {
    await using server = await numbers();
    const other = await connect(server.url);
    const stranger = new Worker('setInterval(() => {}, 1000)', { eval: true });
    const error = errorOf(other.transferOwnership({ threadId: stranger.threadId }));
    await on.fails(DEAD, () => feed.transferOwnership({ threadId: 999_999 }));
    expect(await error).to.include({ code: DEAD });
    server.send(3);
    expect(await readNumbers(other, 3)).to.deep.equal([0, 1, 2]);
    await on.giveTo(on.b, other);
    await stranger.terminate();
  });

  for (const [message, answers] of [
    ['knock', false],
    ['offer', true],
  ] as const) {
    it(`a thread id whose thread is terminated with the ${message} under way, however long it may take`, async () => {
      const busy = new TestThread();
      await sticks(busy, answers);
      await on.fails(DEAD, async () => {
        const { threadId } = busy;
        const kill = async (): Promise<void> => {
          if (answers) await turns(100);
          await busy.kill();
        };
        await Promise.all([
          feed.transferOwnership({ threadId }, { timeout: Number.POSITIVE_INFINITY }),
          kill(),
        ]);
      });
    });
  }

  it('a thread id whose thread died later, and nothing is held of what it was offered', async () => {
    await using server = await numbers();
    const busy = new TestThread();
    await sticks(busy, false);
    const offered = async (): Promise<WeakRef<Feed>> => {
      const other = await connect(server.url);
      const late = errorOf(other.transferOwnership({ threadId: busy.threadId }, { timeout: 20 }));
      expect(await late).to.include({ code: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
      await other.connection.close();
      return new WeakRef(other);
    };
    const held = await offered();
    await busy.kill();
    await until(() => {
      collect();
      return held.deref() === undefined;
    });
  });
});

/** Its event loop stands still, at once or when it has `answered` a message. Resolves as soon as that is sure. */
async function sticks(thread: TestThread, answered: boolean): Promise<void> {
  await thread.run((_here, after) => {
    const stick = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    if (after) process.once('workerMessage' as never, () => setImmediate(stick));
    // Behind the answer to this.
    else setImmediate(() => setImmediate(stick));
  }, answered);
}
