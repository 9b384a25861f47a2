import { MessageChannel, type MessagePort, threadId } from 'node:worker_threads';
import { expect } from 'chai';
import { type Down, Pool } from '../../lib/index.ts';
import { block, blockUntil } from '../support/blocking.ts';
import { type StormServer, stormServer } from '../support/storm-feed.ts';
import { TestThread } from '../support/thread.ts';

/** Words that the threads of a test share: how often each thing was done, and when to stop. */
const HANDED = 0;
const SENT = 1;
const STOP = 2;

describe("while main's event loop stands still (O7)", () => {
  let server: StormServer;
  let a: TestThread;
  let b: TestThread;
  before(async () => {
    server = await stormServer();
    a = new TestThread();
    b = new TestThread();
  });
  after(async () => {
    await Promise.all([a.end(), b.end()]);
    await server.close();
  });

  it('threads read, ask, send and hand over', async () => {
    const words = new Int32Array(new SharedArrayBuffer(12));
    const { port1, port2 } = new MessageChannel();
    await a.run((here, url) => here.connect(url).then(() => {}), server.url(1e9));
    const play = (thread: TestThread, port: MessagePort, owns: boolean): Promise<void> =>
      thread.run(
        async (here, words, port, owns) => {
          const [handed, sent, stop] = [0, 1, 2];
          let mine = owns;
          for (;;) {
            if (!mine) {
              const taken = await here.take(port).catch((error) => error.code);
              if (taken === 'ERR_GUNPORT_TARGET_DEAD') return;
            }
            let count = 0;
            for await (const _ of here.feed) if (++count === 50) break;
            // Not a ping: its pong comes behind all that the server has sent.
            await here.feed.connection.info();
            here.feed.send('still here');
            await here.feed.drained();
            // Written by both threads, read by main.
            Atomics.add(words, sent, 1);
            if (Atomics.load(words, stop) === 1) return port.close();
            await here.feed.transferOwnership(port);
            Atomics.add(words, handed, 1);
            mine = false;
          }
        },
        words,
        port,
        owns,
      );
    const done = Promise.all([play(a, port1, true), play(b, port2, false)]);
    while (Atomics.load(words, HANDED) === 0) await new Promise((resolve) => setImmediate(resolve));
    const before = [Atomics.load(words, HANDED), Atomics.load(words, SENT)];
    // Written by both threads.
    const gone = (): number[] => before.map((count, which) => Atomics.load(words, which) - count);
    blockUntil(() => gone().every((more) => more > 10), 200);
    const moved = gone();
    Atomics.store(words, STOP, 1);
    await done;
    for (const more of moved) expect(more).to.be.above(10);
  });

  it('a hand-over by thread id waits for main, and comes about', async () => {
    await a.run((here, url) => here.connect(url).then(() => {}), server.url(1e9));
    const taken = b.run((here) => here.take());
    const given = a.run((here, id) => here.feed.transferOwnership({ threadId: id }), b.threadId);
    block(200);
    await Promise.all([taken, given]);
    expect(await b.run((here) => here.feed.state)).to.equal('open');
    const late = a.run((here) => here.codeOf(here.feed.ping()));
    expect(await late).to.equal('ERR_GUNPORT_NOT_OWNER');
  });

  it('and a thread has died meanwhile, its Down is told as soon as main wakes', async () => {
    const pool = new Pool({ threads: 1 });
    const feed = await pool.connect(server.url(1e9));
    const host = feed.connection.threadId;
    expect(host).to.not.equal(threadId);
    const taken = a.run((here) => here.take());
    await feed.transferOwnership(a.worker);
    await taken;
    const down = a.run(async ({ feed }) => ((await feed.connection.monitor().down) as Down).reason.kind);
    const gone = pool.terminate(host);
    block(200);
    expect(await down).to.equal('terminated');
    await gone;
    await pool.close();
  });
});
