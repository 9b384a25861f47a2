// deaths.test — what the death of a thread or of a process does to others: nothing, but that they hear of it.
// Hooks that fault are modules in data: URLs; threads are broken by support/faults.ts.

import { once } from 'node:events';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import type { Connection } from '../lib/connection.ts';
import { Pool } from '../lib/pool.ts';
import type { Message } from '../lib/types.ts';
import type { WsStream } from '../lib/wsstream.ts';
import { certificates } from './support/certificates.ts';
import { downOf } from './support/downs.ts';
import { emptied } from './support/emptied.ts';
import { FAULTY, fault, faulty } from './support/faults.ts';
import { uncaught } from './support/listeners.ts';
import { refusing, wsServer } from './support/peers.ts';
import { rejects } from './support/rejects.ts';

const moduleOf = (source: string) => ({ module: `data:text/javascript,${encodeURIComponent(source)}` });

type PeerServer = Awaited<ReturnType<typeof wsServer>>;

describe('the death of a thread', () => {
  let server: PeerServer;
  beforeEach(async () => {
    server = await wsServer();
    server.server.on('connection', (socket) => echo(socket));
  });
  afterEach(() => server.close());

  it('check 3: is one event of the pool with the connections it took; others do not notice (M1)', async () => {
    await using pool = new Pool({ threads: 2 });
    const events: unknown[] = [];
    pool.on('down', (down) => events.push(down));
    const feeds = await Promise.all(
      [0, 1, 2, 3, 4, 5].map(() => pool.connect(faulty(server.url), { lookup: FAULTY })),
    );
    const threads = [...new Set(feeds.map((feed) => feed.connection.threadId))];
    expect(threads).to.have.lengthOf(2);
    const [dies, lives] = threads.map((id) => feeds.filter((feed) => feed.connection.threadId === id));
    const quiet: unknown[] = [];
    for (const { connection } of lives!) {
      connection.monitor((down) => quiet.push(down));
      connection.on('down', (lost) => quiet.push(lost));
    }
    const downs = dies!.map((feed) => downOf(feed.connection));
    fault(threads[0]!, { kind: 'exit', code: 9 });
    for (const reason of await Promise.all(downs)) expect(reason).to.include({ kind: 'exit', exitCode: 9 });
    for (const feed of lives!) {
      feed.send('still here');
      expect(await feed.connection.await(feed)).to.include({ data: 'still here' });
    }
    expect(quiet).to.deep.equal([]);
    expect(events).to.have.lengthOf(1);
    expect(events[0]).to.have.property('threadId', threads[0]);
    expect(events[0]).to.have.nested.include({ 'reason.kind': 'exit', 'reason.exitCode': 9 });
    expect(events[0])
      .to.have.property('connections')
      .with.members(dies!.map(({ connection }) => connection.id));
    // The pool replaces it when it is needed.
    const next = await pool.connect(server.url);
    expect(next.connection.threadId).to.not.equal(threads[0]);
  });

  it('leaves what had arrived readable, and the stream ends after it (M2)', async () => {
    await using pool = new Pool({ threads: 1 });
    const feed = await pool.connect(server.url);
    feed.send(['one', 'two', 'three']);
    await arrived(feed, 3);
    const monitor = feed.connection.monitor();
    await pool.terminate(feed.connection.threadId);
    expect((await monitor.down)?.reason.kind).to.equal('terminated');
    const { read, error } = await readAll(feed);
    expect(read).to.deep.equal(['one', 'two', 'three']);
    expect(error).to.include({ code: 'ERR_GUNPORT_DOWN', phase: 'down', reason: 'terminated' });
    expect(await feed.closed).to.include({ code: 1006, wasClean: false });
  });

  it('is heard by all, whatever the listeners of some throw (M1, S2)', async () => {
    const pool = new Pool({ threads: 1 });
    pool.on('down', () => {
      throw new Error('pool');
    });
    const feeds = await Promise.all([0, 1, 2, 3].map(() => pool.connect(server.url)));
    for (const [i, feed] of feeds.entries()) {
      feed.on('close', () => {
        throw new Error(`close ${i}`);
      });
    }
    const thrown = await uncaught(5, async () => {
      const downs = feeds.map((feed) => downOf(feed.connection));
      await pool.terminate(feeds[0]!.connection.threadId);
      for (const reason of await Promise.all(downs)) expect(reason.kind).to.equal('terminated');
      for (const feed of feeds) expect(await feed.closed).to.include({ code: 1006 });
      await pool.close();
    });
    expect(thrown.map(String).sort()).to.deep.equal([
      'Error: close 0',
      'Error: close 1',
      'Error: close 2',
      'Error: close 3',
      'Error: pool',
    ]);
  });

  it('reaches a reader who waits for more (S2)', async () => {
    await using pool = new Pool({ threads: 1 });
    const feeds = await Promise.all([0, 1, 2].map(() => pool.connect(server.url)));
    const ways = [readAll(feeds[0]!), batches(feeds[1]!), events(feeds[2]!)];
    for (const feed of feeds) feed.send('hello');
    await Promise.all(feeds.map((feed) => arrived(feed, 1)));
    await pool.terminate(feeds[0]!.connection.threadId);
    for (const { read, error } of await Promise.all(ways)) {
      expect(read).to.deep.equal(['hello']);
      expect(error).to.include({ code: 'ERR_GUNPORT_DOWN' });
    }
  });
});

describe('the end of a process', () => {
  it('is told at once; all that it still holds stays readable after the Down (M2)', async () => {
    const message = Buffer.alloc(256 * 1024, 7);
    await using server = await wsServer();
    await using pool = new Pool({ threads: 1 });
    // More than may be in flight, less than pauses the socket.
    const count = 20;
    server.server.on('connection', (socket) => {
      for (let i = 0; i < count; i++) socket.send(message);
      socket.close(1000);
    });
    const feed = await pool.connect(server.url);
    expect((await feed.connection.monitor().down)?.reason.kind).to.equal('normal');
    let bytes = 0;
    for await (const data of feed) bytes += data.length;
    expect(bytes).to.equal(count * message.length);
    expect(await feed.closed).to.include({ code: 1000, wasClean: true });
    await rejects(feed.connection.info(), 'ERR_GUNPORT_DOWN');
  });

  describe('leaves nothing in its thread of what its owner has not read', () => {
    /** More than may be in flight, then the end of the socket. */
    const flood = (server: PeerServer, end: (socket: WebSocket) => unknown): unknown =>
      server.server.on('connection', (socket) => {
        for (let i = 0; i < 20; i++) socket.send(Buffer.alloc(256 * 1024));
        end(socket);
      });
    const ends: Record<string, (connection: Connection, pool: Pool) => Promise<void>> = {
      'close()': (connection) => connection.close(),
      'shutdown()': (connection) => connection.shutdown(),
      'the end of its scope': (connection) => connection[Symbol.asyncDispose](),
      'the end of its pool': (_, pool) => pool.close({ timeout: 60_000 }),
    };
    for (const [how, end] of Object.entries(ends)) {
      it(`after ${how}, though it was dead before`, async () => {
        await using server = await wsServer();
        await using pool = new Pool({ threads: 1 });
        flood(server, (socket) => socket.close(1000));
        const { connection } = await pool.connect(server.url);
        await connection.monitor().down;
        expect(pool.info().connections).to.equal(1);
        await end(connection, pool);
        await emptied(pool);
        expect(pool.info().connections).to.equal(0);
      });
      it(`after ${how} between two attempts`, async () => {
        await using server = await wsServer();
        await using pool = new Pool({ threads: 1 });
        flood(server, (socket) => socket.close(1012));
        const { connection } = await pool.connect(server.url, { retry: 5, retryTimeout: 60_000 });
        while (!(await connection.info()).lastError) await new Promise((resolve) => setImmediate(resolve));
        const { down } = connection.monitor();
        await end(connection, pool);
        expect((await down)?.reason.kind).to.equal('shutdown');
        await emptied(pool);
        expect(pool.info().connections).to.equal(0);
      });
    }
  });
});

describe('what waits for a process', () => {
  it('is told of its end, though messages before it wait for a reader (S1)', async () => {
    await using server = await wsServer();
    await using pool = new Pool({ threads: 1 });
    const connected = once(server.server, 'connection') as Promise<[WebSocket]>;
    const feed = await pool.connect(server.url);
    const [socket] = await connected;
    // It reads nothing, and sends more than may be in flight.
    socket.pause();
    for (let i = 0; i < 20; i++) socket.send(Buffer.alloc(256 * 1024));
    for (let i = 0; i < 100; i++) feed.send(new Uint8Array(128 * 1024));
    const waits = [feed.drained(), feed.ping()];
    const monitor = feed.connection.monitor();
    // The peer's Close comes behind all that is held here.
    socket.close(1000);
    const results = await Promise.allSettled(waits);
    expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    expect((await monitor.down)?.reason.kind).to.equal('normal');
    expect(feed.bufferedAmount).to.equal(0);
    let bytes = 0;
    for await (const message of feed) bytes += message.length;
    expect(bytes).to.equal(20 * 256 * 1024);
  });
});

describe('a fault in a hook', () => {
  let server: Awaited<ReturnType<typeof wsServer>>;
  let pool: Pool;
  let other: WsStream<Connection>;
  beforeEach(async () => {
    server = await wsServer();
    server.server.on('connection', (socket) => echo(socket));
    pool = new Pool({ threads: 1 });
    other = await pool.connect(server.url);
  });
  afterEach(async () => {
    // It lived beside each of them.
    other.send('unharmed');
    expect(await other.connection.await(other)).to.include({ data: 'unharmed' });
    expect(pool.info().threads).to.have.lengthOf(1);
    await pool.close();
    await server.close();
  });

  const named = (url: string) => url.replace('127.0.0.1', 'named.test');
  for (const [how, source] of [
    ['throws', 'export default () => { throw new RangeError("hook") }'],
    ['throws undefined', 'export default () => { throw undefined }'],
    ['rejects', 'export default async () => { throw new RangeError("hook") }'],
    ['rejects with undefined', 'export default () => Promise.reject()'],
    ['answers nonsense', 'export default (host, options, answer) => answer(null, [{ address: {} }])'],
    ['cannot be loaded', 'throw new RangeError("hook")'],
  ] as const) {
    it(`fails only that connection: a lookup that ${how} (M1)`, async () => {
      const connection = pool.open(named(server.url), { lookup: moduleOf(source), retry: 0 });
      const reason = await downOf(connection);
      expect(reason.kind).to.equal('gave-up');
      expect(reason.cause)
        .to.have.property('code')
        .that.matches(/^ERR_GUNPORT_(LOOKUP|OPTION)$/);
    });
  }

  for (const [how, source] of [
    ['throws', 'export default () => { throw new RangeError("hook") }'],
    ['rejects with undefined', 'export default () => Promise.reject()'],
    ['answers nonsense', 'export default () => "soon"'],
  ] as const) {
    it(`fails only that connection: a retryFun beside the socket that ${how} (M1)`, async () => {
      const { url } = await refusing();
      const reason = await downOf(pool.open(url, { retryFun: moduleOf(source) }));
      expect(reason.kind).to.equal('gave-up');
    });
  }

  it('fails only that connection: a checkServerIdentity that throws (M1)', async () => {
    await using secure = await wsServer({ secure: true });
    const checkServerIdentity = moduleOf('export default () => { throw undefined }');
    const { ca } = await certificates();
    const error = await rejects(
      pool.connect(secure.url, { tls: { ca, checkServerIdentity } }),
      'ERR_GUNPORT_TLS',
    );
    expect(error.phase).to.equal('tls');
  });
});

function echo(socket: WebSocket): void {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
}

/** Resolves when so many messages have come to this thread: a reply comes behind them on the same port. */
async function arrived(feed: WsStream<Connection>, count: number): Promise<void> {
  while ((await feed.connection.info()).counters.messagesReceived < count);
}

interface Read {
  readonly read: (Message | string)[];
  readonly error: unknown;
}

async function readAll(feed: AsyncIterable<Message>): Promise<Read> {
  const read: Message[] = [];
  try {
    for await (const message of feed) read.push(typeof message === 'string' ? message : text(message));
  } catch (error) {
    return { read, error };
  }
  return { read, error: undefined };
}

async function batches(feed: WsStream<Connection>): Promise<Read> {
  const read: string[] = [];
  try {
    for await (const batch of feed.batches()) for (let i = 0; i < batch.length; i++) read.push(batch.text(i));
  } catch (error) {
    return { read, error };
  }
  return { read, error: undefined };
}

async function events(feed: WsStream<Connection>): Promise<Read> {
  const read: string[] = [];
  feed.on('message', (message) => read.push(typeof message === 'string' ? message : text(message)));
  const { error } = await feed.closed;
  return { read, error };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
