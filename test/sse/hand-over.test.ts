// hand-over.test — a feed of server-sent events moved between threads while it flows: each event once, in order.
// Source: promises O1 to O5; the design's hand-over.

import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { Connection, Stream } from '../../lib/index.ts';
import { open, receiveOwnership, receiveReply } from '../../lib/index.ts';
import { type Fed, type Feeding, feeding, numbered, readData } from '../support/feeding.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';

const SSE = { contentHandlers: ['sse'] } as const;
const FILLER = ' of a feed that is handed over'.repeat(3);

for (const speaks of ['http', 'h2c'] as const) {
  describe(`the hand-over of an event stream, on ${speaks}`, () => {
    let server: Feeding;
    let connection: Connection;
    let threads: readonly [TestThread, TestThread];
    const mine = new Set<Connection>();

    before(() => {
      threads = [new TestThread(), new TestThread()];
    });
    after(() => Promise.all(threads.map((thread) => thread.end())));
    beforeEach(async () => {
      server = await feeding(speaks);
      connection = open(server.url, { ...server.trust, retryTimeout: 1 });
      mine.add(connection);
      await connection.awaitUp();
    });
    afterEach(async () => {
      for (const thread of threads) await thread.closeOwned();
      // NOT_OWNER: somebody else has it, and has closed it.
      for (const one of mine) await one.close().catch(() => {});
      mine.clear();
      await server.close();
    });

    /** Sends numbered events until it is told to stop; resolves with how many there were. */
    function pump(asked: Fed): () => Promise<number> {
      let going = true;
      let sent = 0;
      const all = (async () => {
        for (; going; sent += 100) await asked.write(numbered(sent, sent + 100, FILLER));
        asked.end();
        return sent;
      })();
      return () => {
        going = false;
        return all;
      };
    }

    async function ask(): Promise<{ stream: Stream<Connection>; asked: Fed }> {
      const stream = connection.get('/', SSE);
      const asked = await server.next();
      asked.begin();
      return { stream, asked };
    }

    async function giveTo(thread: TestThread, stream: Stream<Connection>): Promise<void> {
      await Promise.all([
        thread.run((here) => here.take().then(() => {})),
        stream.transferOwnership(thread.worker),
      ]);
    }

    /** Events that a thread reads from its stream: their ids. */
    function readIn(thread: TestThread, count?: number): Promise<string[]> {
      return thread.run(async (here, count) => {
        const ids: string[] = [];
        for await (const { lastEventId } of here.stream.events()) if (ids.push(lastEventId) === count) break;
        return ids;
      }, count);
    }

    it('through three threads and back, under way, gives each event once, in order', async () => {
      const { stream, asked } = await ask();
      const stop = pump(asked);
      const [a, b] = threads;
      const ids: string[] = [];
      let here = stream;
      for (let round = 0; round < 5; round++) {
        for await (const { lastEventId } of here.events()) if (ids.push(lastEventId) % 1_000 === 0) break;
        await giveTo(a, here);
        ids.push(...(await readIn(a, 500)));
        const { threadId } = b;
        await Promise.all([
          b.run((here) => here.take().then(() => {})),
          a.run((here, threadId) => here.stream.transferOwnership({ threadId }), threadId),
        ]);
        ids.push(...(await readIn(b, 500)));
        const [received] = await Promise.all([
          receiveOwnership(),
          b.run((here) => here.stream.transferOwnership({ threadId: 0 })),
        ]);
        mine.add(received.connection);
        here = received.stream as Stream<Connection>; // It was named.
        expect(here.lastEventId).to.equal(ids.at(-1));
      }
      const sent = stop();
      for await (const { lastEventId } of here.events()) ids.push(lastEventId);
      const count = await sent;
      expect(ids).to.have.lengthOf(count);
      expect(ids.findIndex((id, i) => id !== String(i))).to.equal(-1);
    }).timeout(20_000);

    it('takes along what nobody has read, lone ids and the end too', async () => {
      const { stream, asked } = await ask();
      void asked.write('id: 1\ndata: a\n\nid: 2\n\nretry: 5\nevent: e\ndata: b\n\n');
      asked.end();
      while (stream.state !== 'ended') await connection.info();
      const [a] = threads;
      await giveTo(a, stream);
      const notices = await a.run(async (here) => {
        const all: unknown[] = [];
        for (let i = 0; i < 5; i++) all.push(await here.connection.await(here.stream));
        return all;
      });
      expect(notices.slice(1)).to.deep.equal([
        { type: 'sse', fin: false, event: { type: 'message', data: 'a', lastEventId: '1' } },
        { type: 'sse', fin: false, event: { lastEventId: '2' } },
        { type: 'sse', fin: false, event: { type: 'e', data: 'b', lastEventId: '2', retry: 5 } },
        { type: 'sse', fin: true },
      ]);
    });

    it('ends a loop of the giver with NOT_OWNER, one that waits too', async () => {
      const { stream, asked } = await ask();
      void asked.write(numbered(0, 3));
      const loop = readData(stream.events());
      while (stream.lastEventId !== '2') await connection.info();
      const [a] = threads;
      await Promise.all([rejects(loop, 'ERR_GUNPORT_NOT_OWNER'), giveTo(a, stream)]);
      expect(() => stream.events())
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_NOT_OWNER');
      void asked.write(numbered(3, 4));
      expect(await readIn(a, 1)).to.deep.equal(['3']);
    });

    it('that fails leaves a loop as it was', async () => {
      const { stream, asked } = await ask();
      const loop = readData(stream.events(), 2);
      const { port1 } = new MessageChannel();
      await rejects(stream.transferOwnership(port1, { timeout: 1 }), 'ERR_GUNPORT_TRANSFER_TIMEOUT');
      port1.close();
      void asked.write(numbered(0, 2));
      expect(await loop).to.deep.equal(['0', '1']);
    });

    describe('of an EventStream', () => {
      it('ends it here, in a loop and while it waits, and the new owner goes on with its id', async () => {
        const [a] = threads;
        const feed = connection.sse('/', { reconnect: true, retryDelay: 1_000_000 });
        const asked = await server.next();
        asked.begin();
        void asked.write(numbered(0, 3));
        expect(await readData(feed, 2)).to.deep.equal(['0', '1']);
        const loop = readData(feed);
        while (feed.lastEventId !== '2') await connection.info();
        await Promise.all([rejects(loop, 'ERR_GUNPORT_NOT_OWNER'), giveTo(a, feed.stream)]);
        expect(feed.state).to.equal('closed');
        const rest = a.run(async (here) => {
          const all: string[] = [];
          const feed = here.connection.sse(here.stream, { reconnect: true, retryDelay: 1 });
          for await (const { data } of feed) if (all.push(data) === 4) break;
          feed.close();
          return all;
        });
        void asked.write(numbered(3, 5));
        asked.end();
        const second = await server.next();
        expect(second.headers['last-event-id']).to.equal('4');
        second.begin();
        void second.write(numbered(5, 7));
        expect(await rest).to.deep.equal(['3', '4', '5', '6']);
      });

      it('ends it while it waits to ask again', async () => {
        const feed = connection.sse('/', { reconnect: true, retryDelay: 1_000_000 });
        const asked = await server.next();
        asked.begin();
        asked.end();
        const loop = readData(feed);
        while (feed.state !== 'waiting') await connection.info();
        await Promise.all([rejects(loop, 'ERR_GUNPORT_NOT_OWNER'), giveTo(threads[0], feed.stream)]);
        feed.close();
      });

      it('that fails after it was closed leaves nothing behind', async () => {
        const feed = connection.sse('/', { reconnect: true });
        const asked = await server.next();
        asked.begin();
        const { port1 } = new MessageChannel();
        const giving = connection.transferOwnership(port1, { timeout: 1 });
        feed.close();
        await rejects(giving, 'ERR_GUNPORT_TRANSFER_TIMEOUT');
        port1.close();
        await asked.gone;
      });

      it('that fails lets it go on, asking again too', async () => {
        const feed = connection.sse('/', { reconnect: true, retryDelay: 0 });
        const asked = await server.next();
        asked.begin();
        void asked.write(numbered(0, 1));
        const loop = readData(feed, 2);
        while (feed.lastEventId !== '0') await connection.info();
        const { port1 } = new MessageChannel();
        const giving = connection.transferOwnership(port1, { timeout: 50 });
        asked.end();
        await rejects(giving, 'ERR_GUNPORT_TRANSFER_TIMEOUT');
        port1.close();
        const second = await server.next();
        second.begin();
        void second.write(numbered(1, 2));
        expect(await loop).to.deep.equal(['0', '1']);
        feed.close();
      });
    });

    it('leaves an answer with its replyTo port', async () => {
      const { port1, port2 } = new MessageChannel();
      const stream = connection.get('/', { ...SSE, replyTo: port1 });
      const asked = await server.next();
      asked.begin();
      const reply = receiveReply(port2);
      void asked.write(numbered(0, 2));
      expect(await readData(reply.events(), 1)).to.deep.equal(['0']);
      await giveTo(threads[0], stream);
      void asked.write(numbered(2, 4));
      asked.end();
      expect(await readData(reply.events())).to.deep.equal(['1', '2', '3']);
    });
  });
}
