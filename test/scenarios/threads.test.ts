// threads.test — threads that end in any way with much under way, and code in them that throws or posts what it likes:
// each who waits is told once, what had been posted is there, and nothing of it can throw in main.

import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type GunportError, Pool } from '../../lib/index.ts';
import { run } from '../support/child.ts';
import { downOf } from '../support/downs.ts';
import { arrived, drain, type Feed, numbers, range } from '../support/feeds.ts';
import { MISCHIEF, mischievous, THROWS } from '../support/mischief.ts';
import { type Conversation, wsPeer, wsServer } from '../support/peers.ts';

describe('code beside a socket', () => {
  const pool = new Pool({ threads: 1 });
  let server: Awaited<ReturnType<typeof wsServer>>;
  before(async () => {
    server = await wsServer();
  });
  after(async () => {
    await pool.close();
    await server.close();
  });

  for (const name of THROWS) {
    it(`that throws (${name}) ends its thread as uncaught: one Down, and nothing throws in main (M1, I8)`, async () => {
      const feed = await pool.connect(mischievous(server.url), { lookup: MISCHIEF });
      const down = downOf(feed.connection);
      // Its handle hears the same.
      const culprit = pool.open(mischievous(server.url, name), { lookup: MISCHIEF, retry: 0 });
      const reason = await down;
      expect(reason).to.include({ kind: 'uncaught', exitCode: 1 });
      expect(reason.message).to.match(/^uncaught in its thread: /);
      expect(reason.cause).to.be.instanceOf(Error);
      if (name === 'coded') {
        expect(reason.cause).to.include({ name: 'RangeError', code: 'E_LUCK', message: 'out of luck' });
      }
      expect((await downOf(culprit)).kind).to.equal('uncaught');
    });
  }

  it('that posts to main past gunport is heard by nobody; nor is it missed when it closes that port (I8)', async () => {
    const feed = await pool.connect(mischievous(server.url), { lookup: MISCHIEF });
    for (const name of ['post', 'close', 'post']) {
      const other = await pool.connect(mischievous(server.url, name), { lookup: MISCHIEF });
      expect(await other.ping()).to.be.a('number');
      expect(await other.close()).to.include({ code: 1000 });
    }
    expect(await feed.ping()).to.be.a('number');
    expect(feed.connection.threadId).to.equal(pool.info().threads[0]?.threadId);
    expect(await feed.close()).to.include({ code: 1000 });
  });
});

/** Sends back what it is sent. */
async function echoing(): ReturnType<typeof wsServer> {
  const server = await wsServer();
  server.server.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  return server;
}

/** In a process of its own: a thread with so many MiB of heap that `act` fills, and another, each with a feed of its own,
 *  `feed` and `other`; then `rest` of the program. */
function beside(url: string, { act, limit }: { act: string; limit: number }, rest: string) {
  return run(
    `const { MISCHIEF, mischievous } = await import(args[1]);
     const lookup = MISCHIEF;
     const small = new gunport.Pool({ threads: 1, resourceLimits: { maxOldGenerationSizeMb: ${limit} } });
     const [feed, other] = await Promise.all([small, new gunport.Pool({ threads: 1 })].map((pool) =>
       pool.connect(mischievous(args[0]), { lookup })));
     other.connection.monitor(() => console.log('never'));
     small.open(mischievous(args[0], '${act}'), { lookup, retry: 0 });
     ${rest}`,
    { args: [url, new URL('../support/mischief.js', import.meta.url)], timeout: 15_000 },
  );
}

describe('a thread with much under way', () => {
  const COUNT = 20_000;
  const code = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'resolved',
      ({ code }: GunportError) => code,
    );

  for (const [how, kind, end] of [
    ['throws', 'uncaught', (pool: Pool, url: string) => strike(pool, url, 'coded')],
    ['exits', 'exit', (pool: Pool, url: string) => strike(pool, url, 'exit')],
    ['is terminated', 'terminated', (pool: Pool, _url: string, id: number) => void pool.terminate(id)],
  ] as const) {
    it(`that ${how} leaves all that it had posted, then ends each stream; each promise settles, each monitor hears one Down (M1, M2, S1)`, async () => {
      const talks: Conversation[] = [];
      await using server = await wsPeer((one) => {
        talks.push(one);
      });
      await using pool = new Pool({ threads: 1 });
      const connect = (): Promise<Feed> =>
        pool.connect(mischievous(server.url), { lookup: MISCHIEF, retry: 3 });
      const full = await connect();
      const deaf = await connect();
      const given = await connect();
      const dialling = pool.open(mischievous(server.url, 'never'), { lookup: MISCHIEF });
      talks[0]?.send(numbers(0, COUNT));
      await arrived(full, COUNT);
      // It takes nothing, answers no ping, and nobody adopts.
      talks[1]?.socket.pause();
      for (let i = 0; i < 16; i++) deaf.send(new Uint8Array(1024 * 1024));
      const { port1, port2 } = new MessageChannel();
      const pending = [
        deaf.ping(),
        deaf.drained(),
        deaf.connection.await(deaf),
        given.transferOwnership(port1),
        dialling.awaitUp(),
        dialling.await(dialling.wsUpgrade('/')),
      ].map(code);
      const closes = [deaf.close(), given.closed].map((closing) => closing.then((result) => result.code));
      const all = [full, deaf, given].map(({ connection }) => connection);
      const downs = [...all, dialling].map(downOf);
      const thread = full.connection.threadId;
      end(pool, server.url, thread);
      for (const reason of await Promise.all(downs)) expect(reason.kind).to.equal(kind);
      // Nobody has read until now.
      const { messages, error } = await drain(full);
      expect(messages).to.deep.equal(range(0, COUNT));
      expect(error).to.include({ code: 'ERR_GUNPORT_DOWN', reason: kind });
      expect(await Promise.all(pending)).to.deep.equal(Array(6).fill('ERR_GUNPORT_DOWN'));
      expect(await Promise.all(closes)).to.deep.equal([1006, 1006]);
      // Its place is taken by another as soon as it is needed, whatever it has retries for.
      const { connection } = await connect();
      expect(connection.threadId).to.not.equal(thread);
      await connection.close();
      port2.close();
    });
  }

  it('that uses more and more memory ends itself before there is none left: the process lives, on Node 24 as well', async () => {
    await using server = await echoing();
    const { code, output, errors } = await beside(
      server.url,
      { act: 'hoard', limit: 64 },
      `const { kind, message, exitCode } = (await feed.connection.monitor().down).reason;
       console.log(kind, message, exitCode);
       other.send('here');
       console.log((await other.connection.await(other)).data);
       const next = await small.connect(mischievous(args[0]), { lookup });
       console.log((await next.close()).wasClean);
       other.connection.unref();`,
    );
    expect(output, errors).to.match(
      /^out-of-memory its thread ended itself: (5[2-9]|6\d) of at most 64 MiB of heap were in use 1\nhere\ntrue\n$/,
    );
    expect(code).to.equal(0);
  }).timeout(20_000);

  it('that runs out of memory at once is told as that, and takes nobody else along (or the process, on Node 24)', async () => {
    await using server = await echoing();
    const { code, signal, output, errors } = await beside(
      server.url,
      { act: 'memory', limit: 24 },
      `console.log((await feed.connection.monitor().down).reason.kind);
       other.send('here');
       console.log((await other.connection.await(other)).data);
       other.connection.unref();`,
    );
    if (Number(process.versions.node.split('.')[0]) >= 24 && code !== 0) {
      expect(signal ?? `${code}`).to.match(/SIGABRT|SIGTRAP|134|133/);
    } else {
      expect(output, errors).to.equal('out-of-memory\nhere\n');
      expect(code).to.equal(0);
    }
  }).timeout(20_000);
});

function strike(pool: Pool, url: string, what: string): void {
  pool.open(mischievous(url, what), { lookup: MISCHIEF, retry: 0 });
}
