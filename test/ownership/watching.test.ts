import { expect } from 'chai';
import { type Down, Pool } from '../../lib/index.ts';
import { type Numbers, readNumbers } from '../support/numbers.ts';
import { type Feed, stage } from '../support/stage.ts';
import type { TestThread } from '../support/thread.ts';

describe('watching and a hand-over (O6)', () => {
  const on = stage();
  let server: Numbers;
  let a: TestThread;
  let b: TestThread;
  let pool: Pool;
  let mortal: Feed;
  beforeEach(async () => {
    ({ server, a, b } = on);
    pool = new Pool({ threads: 1 });
    mortal = await pool.connect(server.url);
  });
  afterEach(() => pool.close());

  const kill = (): Promise<void> => pool.terminate(mortal.connection.threadId);
  const kindOf = (down: Down | undefined): string | undefined => down?.reason.kind;

  /** A monitor in that thread; resolves once it watches, with how it ends. */
  async function watchIn(thread: TestThread): Promise<() => Promise<string | undefined>> {
    await thread.run(({ feed, notes }) => {
      notes['down'] = feed.connection.monitor().down;
    });
    return () => thread.run(async ({ notes }) => ((await notes['down']) as Down | undefined)?.reason.kind);
  }

  it('check 13: tells the new owner of the Down, with the real reason', async () => {
    await on.giveTo(a, mortal);
    const down = await watchIn(a);
    await kill();
    expect(await down()).to.equal('terminated');
  });

  it('tells the new owner of an end by itself', async () => {
    await on.giveTo(a, mortal);
    const down = await watchIn(a);
    server.close1000();
    expect(await down()).to.equal('normal');
  });

  it('check 13: ends a monitor with the ownership', async () => {
    const monitor = mortal.connection.monitor();
    const called: unknown[] = [];
    mortal.connection.monitor((down) => called.push(down));
    await on.giveTo(a, mortal);
    expect(await monitor.down).to.equal(undefined);
    await kill();
    expect(called).to.deep.equal([]);
  });

  it('goes on with keep', async () => {
    const monitor = mortal.connection.monitor({ keep: true });
    await on.giveTo(a, mortal);
    const down = await watchIn(a);
    await kill();
    expect(kindOf(await monitor.down)).to.equal('terminated');
    expect(await down()).to.equal('terminated');
  });

  it('goes on with keep when the connection comes back: each handle hears its own Down', async () => {
    const kept = mortal.connection.monitor({ keep: true });
    await on.giveTo(a, mortal);
    const received = on.take({ source: a.worker });
    await a.run((here) => {
      here.notes['kept'] = here.feed.connection.monitor({ keep: true }).down;
      return here.feed.transferOwnership(here.parentPort);
    });
    const { connection } = await received;
    const fresh = connection.monitor();
    await kill();
    expect((await kept.down)?.connection).to.equal(mortal.connection);
    expect((await fresh.down)?.connection).to.equal(connection);
    const inA = await a.run(async ({ notes }) => ((await notes['kept']) as Down).reason.kind);
    expect(inA).to.equal('terminated');
  });

  it('goes on for the new owner in the same thread when the old one stops watching', async () => {
    const kept = mortal.connection.monitor({ keep: true });
    const [{ connection }] = await Promise.all([on.take(), mortal.transferOwnership({ threadId: 0 })]);
    mortal.connection.demonitor(kept);
    expect(await kept.down).to.equal(undefined);
    const monitor = connection.monitor();
    await kill();
    expect(kindOf(await monitor.down)).to.equal('terminated');
  });

  it('tells every owner of a chain that has kept a monitor, once', async () => {
    const downs: string[] = [];
    mortal.connection.monitor((down) => downs.push(down.reason.kind), { keep: true });
    await on.giveTo(a, mortal);
    await a.run((here) => {
      here.notes['kept'] = here.feed.connection.monitor({ keep: true }).down;
    });
    const taken = b.run((here) => here.take());
    await a.run((here, threadId) => here.feed.transferOwnership({ threadId }), b.threadId);
    await taken;
    const down = await watchIn(b);
    await kill();
    expect(await down()).to.equal('terminated');
    expect(await a.run(async ({ notes }) => ((await notes['kept']) as Down).reason.kind)).to.equal(
      'terminated',
    );
    expect(downs).to.deep.equal(['terminated']);
  });

  it('ends the awaits of the new owner with the Down', async () => {
    await on.giveTo(a, mortal);
    const code = a.run((here) => here.codeOf(here.feed.connection.await(here.feed, { timeout: 4_000 })));
    await a.run((here) => here.feed.connection.info());
    await kill();
    expect(await code).to.be.oneOf(['ERR_GUNPORT_DOWN', 'ERR_GUNPORT_CLOSED']);
  });

  it('tells a new owner at once that the process died on the way', async () => {
    server.send(3);
    expect(await readNumbers(mortal, 1)).to.deep.equal([0]);
    const { connection, feed: there } = await new Promise<{ connection: Feed['connection']; feed: Feed }>(
      (resolve, reject) => {
        on.take({ source: b.worker }).then(resolve, reject);
        // Posted by b, then the process dies while main is blocked: all of it is news to main.
        void on.giveTo(b, mortal).then(async () => {
          const given = b.run((here) => here.feed.transferOwnership(here.parentPort));
          await given;
          void kill();
        });
      },
    );
    expect(kindOf(await connection.monitor().down)).to.equal('terminated');
    expect(await readNumbers(there, 2)).to.deep.equal([1, 2]);
  });
});
