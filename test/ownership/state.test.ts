import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { connect, type GunportError, open, Pool } from '../../lib/index.ts';
import { type Numbers, range, readNumbers } from '../support/numbers.ts';
import { wsServer } from '../support/peers.ts';
import { errorOf, type Feed, stage } from '../support/stage.ts';
import type { TestThread } from '../support/thread.ts';

describe('the new owner', () => {
  const on = stage();
  let server: Numbers;
  let feed: Feed;
  let a: TestThread;
  beforeEach(() => {
    ({ server, feed, a } = on);
  });

  describe('gets the whole state (O5)', () => {
    it('check 12: what the connection and the upgrade were', async () => {
      const { id, origin, threadId } = feed.connection;
      await on.giveTo(a);
      const state = await a.run(({ feed }) => ({
        id: feed.connection.id,
        origin: feed.connection.origin,
        threadId: feed.connection.threadId,
        status: feed.connection.status,
        attempt: feed.connection.attempt,
        streams: [...feed.connection.streams.keys()],
        same: feed.connection.streams.get(feed.id) === feed,
        url: feed.url,
        state: feed.state,
        headers: { ...feed.headers },
      }));
      expect(state).to.deep.include({ id, origin, threadId, status: 'up', attempt: 1, same: true });
      expect(state).to.deep.include({ streams: [feed.id], url: feed.url, state: 'open' });
      expect(state.headers).to.deep.equal({ ...feed.headers });
      expect(state.headers).to.include({ upgrade: 'websocket' });
    });

    it('check 12: subprotocol and extensions', async () => {
      const other = await wsServer({ perMessageDeflate: true, handleProtocols: () => 'v2' });
      const made = await connect(other.url, { subprotocols: ['v1', 'v2'], compress: true });
      await on.giveTo(a, made);
      const { protocol, extensions } = await a.run((here) => ({
        protocol: here.feed.protocol,
        extensions: here.feed.extensions,
      }));
      expect(protocol).to.equal('v2');
      expect(extensions).to.match(/^permessage-deflate/);
      for (const client of other.server.clients) client.send('x'.repeat(5_000));
      expect(await a.run((here) => here.feed.connection.await(here.feed))).to.include({
        data: 'x'.repeat(5_000),
      });
      await a.closeOwned();
      await other.close();
    });

    it('check 12: info(): counters that go on, and the number of transfers', async () => {
      server.send(5);
      feed.send('one');
      await readNumbers(feed, 5);
      await feed.drained();
      const before = await feed.connection.info();
      expect(before).to.deep.include({ ownerThreadId: 0, protocol: 'ws' });
      await on.giveTo(a);
      server.send(2);
      await a.run((here) => here.read(2));
      const { counters, ...info } = await a.run((here) => here.feed.connection.info());
      expect(info.ownerThreadId).to.equal(a.threadId);
      expect(info).to.deep.include({
        threadId: before.threadId,
        localPort: before.localPort,
        protocol: 'ws',
      });
      expect(counters).to.include({ messagesReceived: 7, messagesSent: 1, transfers: 1 });
      const received = on.take({ source: a.worker });
      await a.run((here) => here.feed.transferOwnership(here.parentPort));
      const back = await (await received).connection.info();
      expect(back.counters.transfers).to.equal(2);
      expect(back.ownerThreadId).to.equal(0);
    });

    it('check 12: the last error, and the attempt, after a reconnect', async () => {
      server.drop();
      await once(feed.connection, 'up');
      const { lastError } = feed.connection;
      expect(lastError).to.include({ code: 'ERR_GUNPORT_CLOSED', name: 'ConnectionError' });
      await on.giveTo(a);
      const there = await a.run(({ feed }) => ({
        attempt: feed.connection.attempt,
        code: feed.connection.lastError?.code,
        name: feed.connection.lastError?.name,
        message: feed.connection.lastError?.message,
      }));
      const { code, name, message } = lastError as GunportError;
      expect(there).to.deep.equal({ attempt: 2, code, name, message });
    });

    it('a stream that has ended with messages unread, and its end', async () => {
      const plain = await on.connect();
      server.send(5);
      expect(await readNumbers(plain, 1)).to.deep.equal([0]);
      const { port1, port2 } = new MessageChannel();
      const taken = on.take({ source: port2 });
      const given = plain.transferOwnership(port1);
      server.send(5);
      const { feed: there } = await taken;
      await given;
      server.close1000();
      const read: number[] = [];
      for await (const message of there) read.push(Number(message));
      expect(read).to.deep.equal(range(1, 10));
      expect(await there.closed).to.deep.equal({ code: 1000, reason: '', wasClean: true });
      port1.close();
    });

    it('a stream that has ended while much of it is held: its end, and all of its messages', async () => {
      const connection = open(server.url);
      const stream = connection.wsUpgrade('/');
      await connection.await(stream);
      for (let i = 0; i < 100; i++) {
        server.send(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const reader = stream[Symbol.asyncIterator]();
      expect((await reader.next()).value).to.equal('0');
      server.close1000();
      // Its end is told ahead of what is held.
      while (stream.state === 'open') await connection.info();
      const [{ feed: there }] = await Promise.all([on.take(), connection.transferOwnership({ threadId: 0 })]);
      expect(await there.closed).to.deep.equal({ code: 1000, reason: '', wasClean: true });
      expect(await readNumbers(there, 9_999)).to.deep.equal(range(1, 10_000));
    });

    it('streams that were opened on it, answers that nobody has awaited, and no feed where none is meant', async () => {
      const connection = new Pool({ threads: 1 });
      const opened = connection.open(server.url);
      await opened.awaitUp();
      const stream = opened.wsUpgrade('/');
      while (stream.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
      const [received] = await Promise.all([on.take(), opened.transferOwnership({ threadId: 0 })]);
      const there = received.connection.streams.get(stream.id);
      expect(there).to.equal(received.feed);
      expect(await received.connection.await(received.feed)).to.include({ type: 'upgrade' });
      server.send(1);
      expect(await received.connection.await(received.feed)).to.include({ type: 'ws', data: '0' });
      const next = received.connection.transferOwnership({ threadId: 0 });
      const again = await on.take();
      await next;
      expect(again.feed.id).to.equal(stream.id);
      await again.connection.close();
      await connection.close();
    });

    it('the gap between two attempts, in its place between two messages', async () => {
      server.send(3);
      expect(await readNumbers(feed, 1)).to.deep.equal([0]);
      // Somebody reads, so that the gap has a place; nothing is taken out of the queue meanwhile.
      const reader = feed[Symbol.asyncIterator]();
      expect(await reader.next()).to.deep.equal({ value: '1', done: false });
      server.drop();
      await once(feed.connection, 'up');
      while (feed.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
      server.send(2);
      await feed.ping();
      const heard = a.run(async (here) => {
        await here.take();
        const { feed } = here;
        const all: string[] = [];
        feed.on('down', ({ attempt }) => all.push(`down ${attempt}`));
        feed.on('up', ({ attempt }) => all.push(`up ${attempt}`));
        for await (const message of feed) if (all.push(String(message)) === 5) break;
        return all;
      });
      await feed.transferOwnership(a.worker);
      expect(await heard).to.deep.equal(['2', 'down 1', 'up 2', '3', '4']);
    });

    it('the credit of a stream that counts messages (flow)', async () => {
      const counted = await on.connect({ flow: 5 });
      server.send(20);
      expect(await readNumbers(counted, 3)).to.deep.equal([0, 1, 2]);
      await on.giveTo(a, counted);
      expect(await a.run((here) => here.read(2))).to.deep.equal([3, 4]);
      const more = a.run(async (here) => {
        const next = here.read(10);
        await here.feed.ping();
        here.feed.updateFlow(10);
        return next;
      });
      expect(await more).to.deep.equal(range(5, 15));
    });

    it('a ping of its own, not the answer to one of the old owner', async () => {
      server.mute = true;
      const lost = errorOf(feed.ping());
      await on.giveTo(a);
      expect(await lost).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
      const began = performance.now();
      const rtt = a.run((here) => here.feed.ping('mine'));
      await server.heard(2);
      server.unmute();
      expect(await rtt).to.be.below(performance.now() - began);
    });
  });
});
