// pool.test — where connections are placed, how a pool ends, and what it does not let through.
// Each test has a pool of its own; what a whole process does is in default-pool.test.ts.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import type { Connection } from '../lib/connection.ts';
import { Pool } from '../lib/pool.ts';
import { GUNPORT } from './support/child.ts';
import { block, FAULTY, faulty } from './support/faults.ts';
import { uncaught } from './support/listeners.ts';
import { type Conversation, peer, refusing, silent, wsPeer, wsServer } from './support/peers.ts';
import { rejects } from './support/rejects.ts';

/** Loads of the threads, largest first. */
const loads = (pool: Pool): number[] =>
  pool
    .info()
    .threads.map(({ connections }) => connections.length)
    .sort((a, b) => b - a);

/** Resolves once nothing of them is left in the pool. */
async function released(pool: Pool, left: number): Promise<void> {
  while (pool.info().connections > left) await new Promise((resolve) => setImmediate(resolve));
}

describe('a pool', () => {
  it('places each connection on the least loaded thread, and starts threads as they are needed', async () => {
    await using server = await peer(silent);
    await using pool = new Pool({ threads: 3 });
    expect(pool.info()).to.deep.equal({ threads: [], connections: 0 });
    const opened: Connection[] = [];
    const open = () => opened.push(pool.open(server.url));
    open();
    expect(loads(pool)).to.deep.equal([1]);
    open();
    open();
    expect(loads(pool)).to.deep.equal([1, 1, 1]);
    for (let i = 0; i < 6; i++) open();
    expect(loads(pool)).to.deep.equal([3, 3, 3]);
    await Promise.all(opened.map((connection) => connection.awaitUp()));
    const [{ threadId }] = opened as [Connection];
    const [stay, leave] = [true, false].map((same) =>
      opened.filter((one) => (one.threadId === threadId) !== same),
    );
    expect([stay!.length, leave!.length]).to.deep.equal([6, 3]);
    await Promise.all(leave!.map((connection) => connection.close()));
    await released(pool, 6);
    for (let i = 0; i < 3; i++) open();
    expect(loads(pool)).to.deep.equal([3, 3, 3]);
    const { threads, connections } = pool.info();
    expect(connections).to.equal(9);
    expect(threads.find((one) => one.threadId === threadId)?.connections).to.deep.equal(
      opened.slice(-3).map(({ id }) => id),
    );
  });

  it('takes an idle thread before it starts another', async () => {
    await using server = await peer(silent);
    await using pool = new Pool({ threads: 4 });
    const ids = new Set<number>();
    for (let i = 0; i < 5; i++) {
      const connection = pool.open(server.url);
      await connection.awaitUp();
      ids.add(connection.threadId);
      await connection.close();
      await released(pool, 0);
    }
    expect(ids.size).to.equal(1);
  });

  it('gives an isolated connection a thread of its own, which ends with it', async () => {
    await using server = await peer(silent);
    await using pool = new Pool({ threads: 1 });
    const alone = pool.open(server.url, { isolated: true });
    const shared = [pool.open(server.url), pool.open(server.url)];
    await Promise.all([alone, ...shared].map((connection) => connection.awaitUp()));
    expect(shared[0]!.threadId).to.equal(shared[1]!.threadId);
    expect(alone.threadId).to.not.equal(shared[0]!.threadId);
    expect(pool.info().threads.map(({ isolated }) => isolated)).to.have.members([true, false]);
    await alone.close();
    while (pool.info().threads.length > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(pool.info().threads[0]).to.include({ threadId: shared[0]!.threadId, isolated: false });
    expect((await shared[0]!.info()).status).to.equal('up');
  });

  it('leaves no thread behind an isolated connect() that failed (S4)', async () => {
    const { url } = await refusing();
    await using pool = new Pool({ threads: 1 });
    await rejects(pool.connect(url, { isolated: true }), 'ERR_GUNPORT_CONNECT');
    while (pool.info().threads.length > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('keeps a thread through a thousand opens and closes', async () => {
    await using pool = new Pool({ threads: 1 });
    const { url } = await refusing();
    const downs = Array.from({ length: 1_000 }, () => pool.open(url, { retry: 0 }).monitor().down);
    for (const down of await Promise.all(downs)) expect(down?.reason.kind).to.equal('gave-up');
    await released(pool, 0);
    expect(pool.info().threads).to.have.lengthOf(1);
  });

  for (const [options, message] of [
    [{ threads: 0 }, 'threads must be an integer from 1 to 1024, got 0'],
    [{ threads: 1.5 }, 'threads must be an integer from 1 to 1024, got 1.5'],
    [{ threads: '2' }, 'threads must be an integer from 1 to 1024, got "2"'],
    [{ thread: 1 }, 'unknown option thread'],
    [{ resourceLimits: { maxOldGenerationSizeMb: 0 } }, 'resourceLimits.maxOldGenerationSizeMb must be'],
    [{ resourceLimits: { heap: 1 } }, 'unknown option resourceLimits.heap'],
    [7, 'options must be an object, got 7'],
    [null, 'options must be an object, got null'],
  ] as const) {
    it(`refuses options ${JSON.stringify(options)}`, () => {
      expect(() => new Pool(options as never)).to.throw(message);
    });
  }

  it('throws for a bad option of open() at once, and rejects for one of connect()', async () => {
    await using pool = new Pool();
    expect(() => pool.open('ws://x', { retry: -1 })).to.throw('retry must be an integer from 0');
    expect(() => pool.open('gopher://x')).to.throw('target must be');
    await rejects(pool.connect('ws://x', { pool } as never), 'ERR_GUNPORT_OPTION');
    expect(pool.info().threads).to.have.lengthOf(0);
  });

  it('refuses to terminate a thread that is not its own', async () => {
    await using pool = new Pool();
    await rejects(pool.terminate(12_345), 'ERR_GUNPORT_OPTION');
  });

  it('whose down listener throws still settles what waits for the death (S1)', async () => {
    await using server = await peer(silent);
    const pool = new Pool({ threads: 1 });
    const connection = pool.open(server.url);
    await connection.awaitUp();
    pool.on('down', () => {
      throw new Error('listener');
    });
    const thrown = await uncaught(1, async () => {
      const monitor = connection.monitor();
      await pool.terminate(connection.threadId);
      expect((await monitor.down)?.reason.kind).to.equal('terminated');
      await pool.close();
    });
    expect(thrown.map(String)).to.deep.equal(['Error: listener']);
  });

  it('offers an orphan that asked for it to its listener, alive (O8)', async () => {
    await using server = await wsServer();
    server.server.on('connection', (socket) => echo(socket));
    await using pool = new Pool({ threads: 1 });
    const orphan = once(pool, 'orphan') as Promise<[Connection]>;
    const feed = await pool.connect(server.url, { onOwnerDown: 'rehome' });
    const owner = new Worker(
      `import(${JSON.stringify(GUNPORT)}).then(({ receiveOwnership }) => receiveOwnership());`,
      { eval: true },
    );
    await feed.transferOwnership(owner);
    await owner.terminate();
    const [connection] = await orphan;
    expect(connection.id).to.equal(feed.connection.id);
    const [stream] = connection.streams.values() as Iterable<typeof feed>;
    stream!.send('at home');
    expect(await connection.await(stream!)).to.include({ data: 'at home' });
  });
});

describe('closing a pool', () => {
  it('says goodbye with 1001 to every peer, and resolves when the threads are gone', async () => {
    await using server = await wsServer();
    const codes: number[] = [];
    server.server.on('connection', (socket) => socket.on('close', (code) => codes.push(code)));
    const pool = new Pool({ threads: 2 });
    const events: unknown[] = [];
    pool.on('down', (down) => events.push(down));
    const feeds = await Promise.all([0, 1, 2, 3].map((i) => pool.connect(server.url, { isolated: i === 3 })));
    const downs = feeds.map((feed) => feed.connection.monitor().down);
    const closing = pool.close();
    expect(pool.close()).to.equal(closing);
    await closing;
    for (const down of await Promise.all(downs)) expect(down?.reason.kind).to.equal('shutdown');
    for (const feed of feeds) expect(await feed.closed).to.include({ code: 1001, wasClean: true });
    while (codes.length < 4) await new Promise((resolve) => setImmediate(resolve));
    expect(codes).to.deep.equal([1001, 1001, 1001, 1001]);
    expect(pool.info()).to.deep.equal({ threads: [], connections: 0 });
    expect(events).to.deep.equal([]);
  });

  it('is bounded: who does not end in time is terminated', async () => {
    let conversation: Conversation | undefined;
    await using server = await wsPeer((one) => {
      conversation = one;
    });
    const pool = new Pool({ threads: 1 });
    const feed = await pool.connect(server.url, { closingTimeout: 60_000 });
    const monitor = feed.connection.monitor();
    const close = conversation!.read();
    await pool.close({ timeout: 100 });
    expect((await close).payload.readUInt16BE()).to.equal(1001);
    expect((await monitor.down)?.reason.kind).to.equal('terminated');
  });

  it('is bounded by a thread that is blocked, too', async () => {
    await using server = await wsServer();
    const pool = new Pool({ threads: 1 });
    const feed = await pool.connect(faulty(server.url), { lookup: FAULTY });
    const monitor = feed.connection.monitor();
    await block(feed.connection.threadId, 1e9);
    await pool.close({ timeout: 100 });
    expect((await monitor.down)?.reason.kind).to.equal('terminated');
  });

  it('ends connections that dial, upgrade, or wait to retry', async () => {
    await using server = await peer(silent);
    const gone = await refusing();
    const pool = new Pool({ threads: 1 });
    const lookup = { module: 'data:text/javascript,export default () => {}' };
    const waits = [
      rejects(pool.connect('ws://never.test/', { lookup }), 'ERR_GUNPORT_CLOSED'),
      rejects(pool.connect(server.url), 'ERR_GUNPORT_CLOSED'),
      rejects(pool.connect(gone.url, { retry: 9, retryTimeout: 60_000 }), 'ERR_GUNPORT_CLOSED'),
      rejects(pool.open('ws://never.test/', { lookup }).awaitUp(), 'ERR_GUNPORT_DOWN'),
    ];
    while (server.open === 0) await new Promise((resolve) => setImmediate(resolve));
    await pool.close();
    for (const error of await Promise.all(waits)) expect(error.reason).to.equal('shutdown');
  });

  it('ends an empty pool, and one whose threads are idle', async () => {
    await new Pool().close();
    await using server = await wsServer();
    const pool = new Pool({ threads: 1 });
    await (await pool.connect(server.url)).close();
    await pool.close();
    expect(pool.info().threads).to.have.lengthOf(0);
  });

  it('keeps what was received readable', async () => {
    await using server = await wsServer();
    server.server.on('connection', (socket) => socket.send('last words'));
    const pool = new Pool({ threads: 1 });
    const feed = await pool.connect(server.url);
    while ((await feed.connection.info()).counters.messagesReceived < 1);
    await pool.close();
    const read: unknown[] = [];
    for await (const message of feed) read.push(message);
    expect(read).to.deep.equal(['last words']);
  });

  it('lets nothing be opened any more', async () => {
    const pool = new Pool();
    await pool.close();
    expect(() => pool.open('ws://127.0.0.1:1'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_POOL_CLOSED');
    await rejects(pool.connect('ws://127.0.0.1:1'), 'ERR_GUNPORT_POOL_CLOSED');
  });

  it('is what leaving an `await using` scope does', async () => {
    await using server = await wsServer();
    const closed = once(server.server, 'connection').then(([socket]) => once(socket as WebSocket, 'close'));
    {
      await using pool = new Pool({ threads: 1 });
      await pool.connect(server.url);
    }
    expect((await closed)[0]).to.equal(1001);
  });
});

function echo(socket: WebSocket): void {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
}
