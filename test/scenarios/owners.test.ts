// owners.test — owners that behave badly: one that throws, one that reads nothing, one whose loop stands still when it is
// to take; and watchers who stop watching at the moment of a death.

import { expect } from 'chai';
import { type Down, Pool } from '../../lib/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { emptied } from '../support/emptied.ts';
import { feeds, numbers as frames, range as words } from '../support/feeds.ts';
import { ENDLESS, flood } from '../support/flood.ts';
import { uncaught } from '../support/listeners.ts';
import { range, readNumbers } from '../support/numbers.ts';
import { numberOf } from '../support/slow-owner.ts';
import { errorOf, stage } from '../support/stage.ts';

describe('an owner whose listener throws', () => {
  const { talk } = feeds();

  it('has an uncaught exception each time, and gets the next message all the same', async () => {
    const { feed, server } = await talk();
    const heard: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      feed.on('message', (message) => {
        heard.push(message);
        if (heard.length === 100) resolve();
        if (heard.length % 10 === 3) throw new RangeError(`at ${message}`);
      });
    });
    const thrown = await uncaught(10, async () => {
      server.send(frames(0, 100));
      await all;
    });
    expect(heard).to.deep.equal(words(0, 100));
    expect(thrown.map(String)).to.deep.equal(range(0, 10).map((i) => `RangeError: at ${i * 10 + 2}`));
    expect(feed.state).to.equal('open');
    expect(feed.connection.status).to.equal('up');
  });
});

describe('another thread that owns a WebSocket', () => {
  const on = stage();

  it('and whose listener throws has an uncaught exception of its own; main and the connection have none', async () => {
    const { server, a } = on;
    await on.giveTo(a);
    const heard = a.run(async ({ feed }) => {
      const [messages, thrown]: [string[], string[]] = [[], []];
      const listener = (error: unknown): void => void thrown.push(String(error));
      process.on('uncaughtException', listener);
      await new Promise<void>((resolve) => {
        feed.on('message', (message) => {
          messages.push(String(message));
          if (messages.length === 10) setImmediate(resolve);
          if (messages.length % 5 === 0) throw new RangeError(`at ${message}`);
        });
      });
      process.off('uncaughtException', listener);
      feed.removeAllListeners('message');
      return { messages, thrown, status: feed.connection.status };
    });
    server.send(10);
    expect(await heard).to.deep.equal({
      messages: words(0, 10),
      thrown: ['RangeError: at 4', 'RangeError: at 9'],
      status: 'up',
    });
  });

  it('and whose loop stands still does not hinder its giver: what it says too late counts for nothing (O3)', async () => {
    const { server, feed, a } = on;
    const word = new Int32Array(new SharedArrayBuffer(4));
    const next = a.run((here) => here.take());
    // It waits for an offer, and answers none.
    const still = a.run((_, word) => {
      Atomics.store(word, 0, 1);
      Atomics.wait(word, 0, 1);
    }, word);
    while (Atomics.load(word, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
    server.send(10);
    const error = await errorOf(feed.transferOwnership(a.worker, { timeout: 50 }));
    expect(error).to.include({ code: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
    server.send(10);
    Atomics.store(word, 0, 2);
    Atomics.notify(word, 0);
    await still;
    // Its yes falls on a closed channel. It waits on, and main is the owner, with all there is.
    await a.run(() => {});
    expect(await readNumbers(feed, 20)).to.deep.equal(range(0, 20));
    feed.send('still here');
    expect(await server.heard(1)).to.deep.equal(['still here']);
    await Promise.all([next, feed.transferOwnership(a.worker, { data: 'in time' })]);
    expect(await next).to.equal('in time');
    server.send(3);
    expect(await a.run((here) => here.read(3))).to.deep.equal([20, 21, 22]);
  });
});

describe('an owner that reads nothing, ever', function () {
  this.slow(2_000);
  const pool = new Pool({ threads: 1 });
  after(async () => {
    await emptied(pool);
    await pool.close();
  });

  it('hears the Down of a thread while its socket is paused, and can read all that was posted after it (M2, F1)', async () => {
    await using server = await flood();
    const feed = await pool.connect(server.url, { maxBuffered: 1024 * 1024 });
    const stalled = server.next('stalled');
    server.tell({ type: 'send', upTo: ENDLESS });
    // The kernel takes no more: it is paused.
    await stalled;
    const before = process.memoryUsage.rss();
    const downs: Down[] = [];
    const monitor = feed.connection.monitor((down) => downs.push(down));
    await pool.terminate(feed.connection.threadId);
    expect((await monitor.down)?.reason.kind).to.equal('terminated');
    let expected = 0;
    let error: unknown;
    try {
      for await (const message of feed) expect(numberOf(message)).to.equal(expected++);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).to.include({ code: 'ERR_GUNPORT_DOWN', reason: 'terminated' });
    // What may be in flight without a word from its reader.
    expect(expected).to.be.above(1_000);
    expect(process.memoryUsage.rss() - before).to.be.below(64 * 1024 * 1024);
    expect(downs).to.have.lengthOf(1);
  });
});

describe('a watcher who stops watching while the connection dies', () => {
  const { talk, pool } = feeds();
  const seed = seedOf();

  it(`hears no Down once demonitor() with flush has returned, and one before it or none (M2; GUNPORT_SEED=${seed})`, async () => {
    const roll = chance(seed);
    let before = 0;
    for (let round = 0; round < 40; round++) {
      const { feed } = await talk();
      const { connection } = feed;
      let heard = 0;
      const monitor = connection.monitor(() => heard++);
      const other = connection.monitor();
      const closing = connection.close();
      for (let turns = roll(8); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      connection.demonitor(monitor, { flush: true });
      const then = heard;
      before += then;
      expect((await monitor.down)?.reason.kind).to.equal(then === 0 ? undefined : 'shutdown');
      expect((await other.down)?.reason.kind).to.equal('shutdown');
      await closing;
      // A Down that was queued behind the others would be here by now.
      await connection.monitor().down;
      expect(heard, `round ${round}`).to.equal(then);
      expect(then).to.be.oneOf([0, 1]);
    }
    expect(before).to.be.below(40);
    expect(pool.info().connections).to.equal(0);
  });
});
