import { once } from 'node:events';
import { threadId } from 'node:worker_threads';
import { expect } from 'chai';
import { type Connection, type Down, Pool } from '../../lib/index.ts';
import { emptied } from '../support/emptied.ts';
import { type Numbers, range, readNumbers } from '../support/numbers.ts';
import { type Feed, stage } from '../support/stage.ts';
import { spares, type TestThread } from '../support/thread.ts';

describe('a connection whose owner is gone (O8)', () => {
  const on = stage();
  let server: Numbers;
  const pool: Pool = new Pool({ threads: 1 });
  const spare = spares();
  let owner: TestThread;
  beforeEach(() => {
    ({ server } = on);
    owner = spare();
  });
  afterEach(async () => {
    await owner.kill();
    await on.a.closeOwned();
    pool.removeAllListeners('orphan');
    await emptied(pool);
  });
  after(() => pool.close());

  /** A feed of the pool's that `owner` owns; main keeps watching. */
  async function owned(
    onOwnerDown: 'shutdown' | 'rehome',
  ): Promise<{ down: Promise<Down | undefined>; feed: Feed }> {
    const feed = await pool.connect(server.url, { onOwnerDown });
    const { down } = feed.connection.monitor({ keep: true });
    await on.giveTo(owner, feed);
    return { down, feed };
  }

  describe("shuts down politely by default: close 1001, and a Down of kind 'owner-gone'", () => {
    const deaths: Record<string, (thread: TestThread) => unknown> = {
      'its thread ended by itself': (thread) => thread.run((here) => here.orders.close()).catch(() => {}),
      'its thread called process.exit': (thread) => thread.run(() => process.exit(3)).catch(() => {}),
      'its thread was terminated': (thread) => thread.kill(),
      'its thread threw': (thread) =>
        thread
          .run(() => {
            setImmediate(() => {
              throw new Error('out of luck');
            });
          })
          .catch(() => {}),
    };
    for (const [name, die] of Object.entries(deaths)) {
      it(`check 17: ${name}`, async () => {
        const { down } = await owned('shutdown');
        await owner.run((here) => {
          // A connection keeps its thread alive; one that ends by itself has let go of it.
          here.feed.connection.unref();
        });
        void die(owner);
        expect((await down)?.reason.kind).to.equal('owner-gone');
        expect(await server.heard(1)).to.deep.equal(['close 1001']);
      });
    }

    it('with messages unread, posted and held', async () => {
      const { down } = await owned('shutdown');
      for (let i = 0; i < 50; i++) server.send(1_000);
      await owner.run((here) => here.read(1));
      await owner.kill();
      for (let i = 0; i < 50; i++) server.send(1_000);
      expect((await down)?.reason.kind).to.equal('owner-gone');
      expect(await server.heard(1)).to.deep.equal(['close 1001']);
    });

    it('in the thread that hosts nobody else: it leaves nothing there', async () => {
      const { down } = await owned('shutdown');
      await owner.kill();
      expect((await down)?.reason.kind).to.equal('owner-gone');
      while (pool.info().connections > 0) await new Promise((resolve) => setImmediate(resolve));
    });
  });

  describe('whose taker died after it had said yes', () => {
    /** Says yes, and dies with the commit unread. */
    const adopt = (thread: TestThread): Promise<void> =>
      thread.run(({ parentPort }) => {
        parentPort.once('message', ({ handshake }) => {
          handshake.postMessage({ type: 'adopt', threadId: -2, hosts: [] });
          // Its event loop turns no more: it is killed in here.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        });
      });

    it('shuts down politely', async () => {
      const feed = await pool.connect(server.url);
      const { down } = feed.connection.monitor({ keep: true });
      await adopt(owner);
      await feed.transferOwnership(owner.worker);
      await owner.kill();
      expect((await down)?.reason.kind).to.equal('owner-gone');
      expect(await server.heard(1)).to.deep.equal(['close 1001']);
    });

    it("is offered to the host with onOwnerDown: 'rehome', with all that it never got", async () => {
      const orphan = once(pool, 'orphan');
      const feed = await pool.connect(server.url, { onOwnerDown: 'rehome' });
      await adopt(owner);
      await feed.transferOwnership(owner.worker);
      await owner.kill();
      const [connection] = (await orphan) as [Connection];
      const [stream] = connection.streams.values();
      server.send(3);
      expect(await readNumbers(stream as Feed, 3)).to.deep.equal([0, 1, 2]);
      await connection.close();
    });

    it('or just before: it is one or the other, never both and never neither', async function () {
      // A new thread for each round.
      this.timeout(10_000);
      for (let round = 0; round < 2; round++) {
        const mortal = spare();
        const feed = await pool.connect(server.url);
        const { down } = feed.connection.monitor({ keep: true });
        await mortal.run((here, round) => {
          here.gunport.receiveOwnership({
            accept: () => {
              if (round % 2 === 0) setImmediate(() => process.exit(0));
              else process.nextTick(() => process.exit(0));
              return true;
            },
          });
        }, round);
        const given = await feed.transferOwnership(mortal.worker).then(
          () => true,
          (error) => {
            expect(error).to.include({ code: 'ERR_GUNPORT_TARGET_DEAD' });
            return false;
          },
        );
        if (given) expect((await down)?.reason.kind).to.equal('owner-gone');
        else await feed.close();
        expect(await server.heard(1)).to.deep.equal([given ? 'close 1001' : 'close 1000']);
        await mortal.gone;
      }
    });
  });

  describe("with onOwnerDown: 'rehome'", () => {
    it('check 17: is offered to the host, as it is', async () => {
      const orphan = once(pool, 'orphan');
      const { feed } = await owned('rehome');
      server.send(5);
      await owner.run((here) => here.read(5));
      await owner.kill();
      const [connection] = (await orphan) as [Connection];
      expect(connection).to.include({ id: feed.connection.id, status: 'up', attempt: 1 });
      const stream = connection.streams.get(feed.id) as Feed;
      expect(stream).to.include({ state: 'open', url: feed.url });
      server.send(5);
      expect(await readNumbers(stream, 5)).to.deep.equal(range(5, 10));
      stream.send('a new home');
      expect(await server.heard(1)).to.deep.equal(['a new home']);
      const info = await connection.info();
      expect(info).to.include({ ownerThreadId: threadId });
      expect(info.counters.transfers).to.equal(1);
      const { down } = connection.monitor();
      expect(await stream.close()).to.include({ code: 1000, wasClean: true });
      expect((await down)?.reason.kind).to.equal('normal');
    });

    it('gives the host what the dead owner had not been posted, in order', async () => {
      const orphan = once(pool, 'orphan');
      await owned('rehome');
      const total = 200_000;
      for (let i = 0; i < total; i += 1_000) server.send(1_000);
      await owner.run((here) => here.read(1));
      await owner.kill();
      const [connection] = (await orphan) as [Connection];
      const [stream] = connection.streams.values();
      server.send(1);
      let first = -1;
      let next = -1;
      for await (const message of stream as Feed) {
        if (first < 0) next = first = Number(message);
        expect(Number(message)).to.equal(next++);
        if (next > total) break;
      }
      expect(first).to.be.above(0);
      await connection.close();
    });

    it('keeps its credit bounded through any number of homes (F1)', async () => {
      let homes = 0;
      const { feed } = await owned('rehome');
      for (let round = 0; round < 3; round++) {
        const orphan = once(pool, 'orphan');
        await owner.kill();
        const [connection] = (await orphan) as [Connection];
        homes++;
        const stream = connection.streams.get(feed.id) as Feed;
        const from = server.sent;
        for (let i = 0; i < 40; i++) server.send(500);
        expect(await readNumbers(stream, 20_000)).to.deep.equal(range(from, from + 20_000));
        owner = spare();
        await on.giveTo(owner, stream);
      }
      expect(homes).to.equal(3);
    });

    it('shuts down when nobody listens', async () => {
      const { down } = await owned('rehome');
      await owner.kill();
      expect((await down)?.reason.kind).to.equal('owner-gone');
      expect(await server.heard(1)).to.deep.equal(['close 1001']);
    });

    it('can be given on from the listener', async () => {
      const { feed } = await owned('rehome');
      const taken = on.a.run((here) => here.take());
      pool.on('orphan', (connection) => void connection.transferOwnership(on.a.worker, { data: 'rehomed' }));
      await owner.kill();
      expect(await taken).to.equal('rehomed');
      server.send(2);
      expect(await on.a.run((here) => here.read(2))).to.deep.equal([0, 1]);
      expect(await on.a.run((here) => here.feed.connection.id)).to.equal(feed.connection.id);
    });
  });

  it('opened by a thread itself, shuts down with it', async () => {
    await owner.run((here, url) => here.connect(url).then(() => {}), server.url);
    await owner.kill();
    expect(await server.heard(1)).to.deep.equal(['close 1001']);
  });
});
