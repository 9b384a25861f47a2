import { threadId } from 'node:worker_threads';
import { expect } from 'chai';
import { BIT, WORD_BYTES } from '../../lib/events/eventwire.ts';
import { EVENTS } from '../../lib/index.ts';
import { Openings, openWith, type Placing } from '../../lib/open.ts';
import { Thread } from '../../lib/spawn.ts';
import { FAULTY, fault } from '../support/faults.ts';
import { feeds, take } from '../support/feeds.ts';
import { FRAME_BYTES, flood } from '../support/flood.ts';
import { listening } from '../support/listening.ts';
import { TestThread } from '../support/thread.ts';
import { type Upgrading, upgrading } from '../support/upgrading.ts';

const END = 'gunport:ws:recv-frame:end';

describe('events that nobody listens to', () => {
  const { keep } = feeds();
  let thread: Thread;
  let posts: number;
  let word: Int32Array;
  let release: () => void;
  beforeEach(() => {
    posts = 0;
    const listens = new SharedArrayBuffer(WORD_BYTES);
    word = new Int32Array(listens);
    const host = {
      ...{ listens, ended() {}, released: () => release(), orphan() {}, down() {} },
      events: () => void posts++,
    };
    thread = new Thread(host, { isolated: false, resourceLimits: {}, beatEvery: 0 });
  });
  afterEach(() => thread.leave(2_000));

  for (const version of ['HTTP/1.1', 'HTTP/2'] as const) {
    it(`are not posted to the host, whatever happens over ${version}; each is once somebody does`, async () => {
      const server = await keep(upgrading(version));
      const opener = {
        hostId: `host-${threadId}`,
        openings: new Openings(),
        place: (placing: Placing) => {
          thread.place(`host-${threadId}`, placing, true);
          return thread.threadId;
        },
        keep() {},
        gone: () => Promise.resolve(),
      };
      const busy = async (): Promise<void> => {
        const released = new Promise<void>((resolve) => {
          release = resolve;
        });
        const protocols = [version === 'HTTP/2' ? 'http2' : 'http'] as const;
        const connection = openWith(opener, server.url, { protocols });
        await connection.awaitUp();
        await connection.get('/bytes/1000').bytes();
        await connection.post('/', { body: 'x' }).text();
        const stream = connection.wsUpgrade('/');
        expect(await connection.await(stream)).to.include({ type: 'upgrade' });
        for (let i = 0; i < 100; i++) stream.send(`${i}`);
        expect(await take(stream, 100)).to.have.lengthOf(100);
        await stream.close();
        connection.get('/hold').cancel();
        await connection.close();
        // The last word of its thread on it.
        await released;
      };
      await busy();
      expect(posts).to.equal(0);
      word[0] = EVENTS.reduce((bits, name) => bits | BIT[name], 0);
      await busy();
      expect(posts).to.be.above(5);
      word[0] = 0;
      const before = posts;
      await busy();
      expect(posts).to.equal(before);
    });
  }
});

describe('who listens to events', () => {
  const { pool, open, keep, connect } = feeds();
  const heard = listening();
  let server: Upgrading;
  beforeEach(async () => {
    server = await keep(upgrading('HTTP/1.1'));
  });

  it('may come and go while a connection lives', async () => {
    const connection = open(server.url);
    await connection.get('/1').text();
    heard.to('gunport:request:start');
    await connection.get('/2').text();
    expect(await heard.next('gunport:request:start')).to.include({ path: '/2' });
    heard.stop();
    await connection.get('/3').text();
    heard.to('gunport:request:start', 'gunport:terminate');
    await connection.get('/4').text();
    await connection.close();
    await heard.next('gunport:terminate');
    expect(heard.of('gunport:request:start').map(({ path }) => path)).to.deep.equal(['/2', '/4']);
  });

  it('hears the events of each connection in the order of what happened', async () => {
    heard.to();
    const connections = Array.from({ length: 8 }, () => open(server.url));
    await Promise.all(connections.map((one, i) => one.get(`/bytes/${1 + 7_777 * i}`).bytes()));
    await Promise.all(connections.map((one) => one.close()));
    for (const { id } of connections) {
      await heard.next('gunport:terminate', ({ connection }) => connection === id);
      const mine = heard.all.filter(({ message }) => 'connection' in message && message.connection === id);
      expect(mine.map(({ name }) => name.slice('gunport:'.length))).to.deep.equal([
        ...['init', 'connect:start', 'connect:end', 'request:start', 'request:headers', 'request:end'],
        ...['response:start', 'response:headers', 'response:end', 'disconnect', 'terminate'].filter(
          (name) => name !== 'disconnect',
        ),
      ]);
      const times = mine.map(({ message }) => message.time);
      expect(times).to.deep.equal([...times].sort((a, b) => a - b));
    }
  });

  it('is told of what a thread did before it left by process.exit()', async () => {
    heard.to('gunport:connect:end', 'gunport:terminate');
    const { port } = server;
    const connection = open({ host: 'far.example', port }, { lookup: FAULTY, isolated: true });
    await connection.awaitUp();
    fault(connection.threadId, { kind: 'exit', code: 3 });
    const { reason } = await heard.next('gunport:terminate', (one) => one.connection === connection.id);
    expect(reason.kind).to.equal('exit');
    expect(heard.of('gunport:connect:end')).to.have.lengthOf(1);
    expect(heard.all.at(-1)?.name).to.equal('gunport:terminate');
  });

  it('does not slow down or lose what it listens to: all frames come, and are told or counted', async () => {
    const MESSAGES = 40_000;
    await using fast = await flood();
    const feed = await connect(fast.url);
    heard.to(END, 'gunport:dropped');
    fast.tell({ type: 'send', upTo: MESSAGES });
    let next = 0;
    for await (const message of feed) {
      if (numberOf(message) !== next) throw new Error(`${numberOf(message)} in place of ${next}`);
      if (++next === MESSAGES) break;
    }
    const told = (): number => {
      const dropped = heard.of('gunport:dropped').reduce((sum, { count }) => sum + count, 0);
      return heard.of(END).length + dropped;
    };
    while (told() < MESSAGES) await new Promise((resolve) => setImmediate(resolve));
    expect(told()).to.equal(MESSAGES);
    // In their order.
    const numbers = heard.of(END).map(({ payload }) => numberOf(payload));
    expect(numbers).to.deep.equal([...numbers].sort((a, b) => a - b));
  });

  it('and was blocked, is told how many it has missed; the data itself is whole', async () => {
    const MESSAGES = 40_000;
    await using fast = await flood();
    const feed = await connect(fast.url);
    const thread = new TestThread();
    const taken = thread.run((here) => here.take().then(() => {}));
    await feed.transferOwnership({ threadId: thread.threadId }).catch(async (error) => {
      await thread.end();
      throw error;
    });
    await taken;
    heard.to(END, 'gunport:dropped');
    const done = new Int32Array(new SharedArrayBuffer(4));
    const reading = thread.run(
      async (here, shared, count) => {
        let next = 0;
        for await (const message of here.feed) {
          const bytes = message as Uint8Array;
          const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
          if (number !== next++) break;
          if (next === count) break;
        }
        shared[0] = next;
        Atomics.notify(shared, 0);
        return next;
      },
      done,
      MESSAGES,
    );
    // The order is with the thread, and then this one does nothing at all until all is read.
    await thread.run(() => {});
    fast.tell({ type: 'send', upTo: MESSAGES });
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(done, 0, 0, 4_000);
    expect(await reading).to.equal(MESSAGES);
    const dropped = await heard.next('gunport:dropped');
    expect(dropped).to.include({ threadId: feed.connection.threadId });
    const missed = (): number =>
      heard.of('gunport:dropped').reduce((sum, { events }) => sum + (events[END] ?? 0), 0);
    while (heard.of(END).length + missed() < MESSAGES) await new Promise((resolve) => setImmediate(resolve));
    expect(heard.of(END).length + missed()).to.equal(MESSAGES);
    expect(missed()).to.be.above(MESSAGES - 2 * ((8 * 1024 * 1024) / FRAME_BYTES));
    await thread.end();
    expect(pool.info().connections).to.equal(0);
  });
});

/** The number that a message of the flood begins with. */
function numberOf(message: string | Uint8Array): number {
  if (typeof message === 'string') throw new Error('a text');
  return new DataView(message.buffer, message.byteOffset).getUint32(0);
}
