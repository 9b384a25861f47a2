import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import {
  type Connection,
  type Down,
  type OpenOptions,
  Pool,
  type Reply,
  receiveReply,
} from '../../lib/index.ts';
import { type Asked, type Counted, counted, faultIn, piece, readBytes } from '../support/counted.ts';
import { emptied } from '../support/emptied.ts';
import { type Answered, BOTH, expectCounted } from '../support/httpstage.ts';
import { errorOf } from '../support/stage.ts';
import { type Here, spares, type TestThread } from '../support/thread.ts';

for (const speaks of BOTH) {
  describe(`requests of a connection whose owner, or thread, is gone, over ${speaks}`, () => {
    let server: Counted;
    const pool: Pool = new Pool({ threads: 1 });
    const spare = spares();
    let owner: TestThread | undefined;
    beforeEach(async () => {
      server = await counted(speaks);
    });
    afterEach(async () => {
      await owner?.kill();
      owner = undefined;
      await server.close();
      await emptied(pool);
    });
    after(() => pool.close());

    /** Made where it is needed: one that is killed while it loads leaves its files open. */
    function thread(): TestThread {
      owner ??= spare();
      return owner;
    }

    async function opened(options: OpenOptions = {}): Promise<Connection> {
      const connection = pool.open(server.url, { ...server.trust, retry: 0, ...options });
      await connection.awaitUp();
      return connection;
    }

    /** Gives it to `owner`, who reads nothing by himself; main keeps watching. */
    async function give(connection: Connection): Promise<{ down: Promise<Down | undefined> }> {
      const { down } = connection.monitor({ keep: true });
      await Promise.all([
        thread().run((here) => here.take().then(() => {})),
        connection.transferOwnership(thread().worker),
      ]);
      return { down };
    }

    /** A GET whose answer has begun: `sent` of `size` bytes. */
    async function begun(connection: Connection, size: number, sent: number): Promise<[Answered, Asked]> {
      const stream = connection.get('/begun');
      const asked = await server.next();
      asked.head({ 'content-length': size, 'x-answer': 'yes' });
      void asked.send(0, sent);
      return [stream, asked];
    }

    /** A request with a port of its own. */
    async function replied(connection: Connection): Promise<{ reply: Reply; asked: Asked }> {
      const { port1, port2 } = new MessageChannel();
      connection.get('/replied', { replyTo: port1 });
      return { reply: receiveReply(port2), asked: await server.next() };
    }

    describe("when its owner's thread has ended (O8)", () => {
      it('finishes the answer that is under way, and shuts down', async () => {
        const connection = await opened();
        const [, asked] = await begun(connection, 2_000, 1_000);
        const { down } = await give(connection);
        await thread().kill();
        if (speaks === 'h2c') expect(await server.goodbye).to.equal(0);
        void asked.send(1_000, 2_000);
        asked.end();
        expect((await down)?.reason.kind).to.equal('owner-gone');
      });

      it('gives an answer with a port of its own whole, and shuts down after it', async () => {
        const connection = await opened();
        const { reply, asked } = await replied(connection);
        asked.head({ 'content-length': 500_000 });
        await asked.send(0, 1_000);
        const parts = [await readBytes(reply, 1)];
        const { down } = await give(connection);
        await thread().kill();
        void asked.send(1_000, 500_000);
        asked.end();
        parts.push(await readBytes(reply));
        expect(expectCounted(parts)).to.equal(500_000);
        expect((await down)?.reason.kind).to.equal('owner-gone');
      });
    });

    describe("with onOwnerDown: 'rehome'", () => {
      /** Main gives it away, its owner is killed, and the pool offers it. */
      async function orphaned(connection: Connection): Promise<Connection> {
        await give(connection);
        return rehomed();
      }
      async function rehomed(): Promise<Connection> {
        const orphan = once(pool, 'orphan');
        await thread().kill();
        const [connection] = (await orphan) as [Connection];
        return connection;
      }

      it('offers the host its requests as they are', async () => {
        const connection = await opened({ onOwnerDown: 'rehome' });
        const [stream, asked] = await begun(connection, 1_000, 500);
        await stream.response();
        const waiting = connection.get('/waiting');
        await connection.info();
        const orphan = await orphaned(connection);
        const there = orphan.streams.get(stream.id) as Answered;
        expect(there).to.include({ method: 'GET', path: '/begun', state: 'answered', status: 200 });
        expect((await there.response()).headers).to.include({ 'x-answer': 'yes' });
        const next = orphan.streams.get(waiting.id) as Answered;
        expect(next).to.include({ path: '/waiting', state: 'requested' });
        void asked.send(500, 1_000);
        asked.end();
        await there.text();
        (await server.next()).answer('late');
        expect(await next.text()).to.equal('late');
        expect(orphan.get('/').id).to.be.above(waiting.id);
        await orphan.close();
      });

      it('gives the host the rest of an answer, whatever was lost with its owner (F1)', async () => {
        const size = 24 * 1024 * 1024;
        const connection = await opened({ onOwnerDown: 'rehome' });
        const [stream, asked] = await begun(connection, size, 0);
        void (async () => {
          for (let at = 0; at < size; at += 65_536) await asked.send(at, Math.min(size, at + 65_536));
          asked.end();
        })();
        await readBytes(stream, 1);
        await give(connection);
        // As much as it is given; it takes no more.
        await thread().run(async ({ connection }) => {
          const received = async (): Promise<number> => (await connection.info()).counters.bytesReceived;
          for (let last = -1, now = 0; now !== last; [last, now] = [now, await received()]);
        });
        const orphan = await rehomed();
        const rest = await readBytes(orphan.streams.get(stream.id) as Answered);
        expect(rest.length).to.be.within(1, size - 1);
        expect(faultIn(rest, size - rest.length)).to.equal(-1);
        await orphan.close();
      });

      it('lets the host go on with an upload, whose length it knows', async () => {
        const connection = await opened({ onOwnerDown: 'rehome' });
        const stream = connection.post('/', { headers: { 'content-length': 3_000 } });
        stream.data(false, piece(0, 1_000));
        const asked = await server.next();
        await asked.has(1_000);
        const orphan = await orphaned(connection);
        const there = orphan.streams.get(stream.id) as Answered;
        expect(() => there.data(true, piece(1_000, 2_999)))
          .to.throw()
          .that.includes({ code: 'ERR_GUNPORT_BAD_STATE', reason: 2_000 });
        there.data(true, piece(1_000, 3_000));
        await there.drained();
        expect(expectCounted([await asked.body])).to.equal(3_000);
        asked.answer('thanks');
        expect(await there.text()).to.equal('thanks');
        await orphan.close();
      });

      it('leaves an answer with a port of its own as it is', async () => {
        const connection = await opened({ onOwnerDown: 'rehome' });
        const { reply, asked } = await replied(connection);
        asked.head({ 'content-length': 2_000 });
        await asked.send(0, 1_000);
        const parts = [await readBytes(reply, 1_000)];
        const orphan = await orphaned(connection);
        const [stream] = orphan.streams.values();
        expect(stream).to.include({ replied: true, path: '/replied' });
        await asked.send(1_000, 2_000);
        asked.end();
        parts.push(await readBytes(reply));
        expect(expectCounted(parts)).to.equal(2_000);
        await orphan.close();
      });

      it('gives the host all that a taker never got who died with it (O8)', async () => {
        const connection = await opened({ onOwnerDown: 'rehome' });
        const stream = connection.get('/');
        const asked = await server.next();
        /** Says yes, and dies with the commit unread. */
        await thread().run(({ parentPort }) => {
          parentPort.once('message', ({ handshake }) => {
            handshake.postMessage({ type: 'adopt', threadId: -2, hosts: [] });
            // Its event loop turns no more: it is killed in here.
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
          });
        });
        await stream.transferOwnership(thread().worker);
        const orphan = await rehomed();
        asked.answer('late');
        expect(await (orphan.streams.get(stream.id) as Answered).text()).to.equal('late');
        await orphan.close();
      });

      it('shuts down when nobody listens', async () => {
        const connection = await opened({ onOwnerDown: 'rehome' });
        const [, asked] = await begun(connection, 100, 50);
        const { down } = await give(connection);
        await thread().kill();
        if (speaks === 'h2c') await server.goodbye;
        void asked.send(50, 100);
        asked.end();
        expect((await down)?.reason.kind).to.equal('owner-gone');
      });
    });

    describe('when the thread of its process has died', () => {
      it('gives what had come, and then the error, to each stream; one Down to each monitor (M1, M2, S1)', async () => {
        const connection = await opened();
        const elsewhere = new Pool({ threads: 1 });
        const other = elsewhere.open(server.url, server.trust);
        await other.awaitUp();
        const downs: Down[] = [];
        const monitors = [0, 1].map(() => connection.monitor((down) => void downs.push(down)));
        const [stream, asked] = await begun(connection, 300_000, 200_000);
        const unread = connection.get('/unread');
        const upload = connection.post('/up', { headers: { 'content-length': 100 } });
        upload.data(false, piece(0, 50));
        const pending = [connection.fetch('/'), connection.streamInfo(unread), connection.info()];
        const first = await readBytes(stream, 1);
        const rest = stream[Symbol.asyncIterator]();
        await here(async () => (await connection.info()).counters.bytesReceived, 200_000);
        const settled = Promise.allSettled(pending);
        void pool.terminate(connection.threadId);
        const parts = [first];
        let error: unknown;
        try {
          for await (const chunk of rest) parts.push(Buffer.from(chunk));
        } catch (thrown) {
          error = thrown;
        }
        expect(error).to.include({ code: 'ERR_GUNPORT_DOWN', reason: 'terminated' });
        expect(expectCounted(parts)).to.equal(200_000);
        for (const read of [() => unread.response(), () => upload.text(), () => upload.drained()]) {
          expect(await errorOf(read())).to.include({ code: 'ERR_GUNPORT_DOWN' });
        }
        expect(() => upload.data(true, piece(50, 100)))
          .to.throw()
          .with.property('code', 'ERR_GUNPORT_DOWN');
        expect(() => connection.get('/'))
          .to.throw()
          .with.property('code', 'ERR_GUNPORT_DOWN');
        const [fetched] = await settled;
        expect(fetched).to.have.nested.property('reason.code', 'ERR_GUNPORT_DOWN');
        await Promise.all(monitors.map(({ down }) => down));
        expect(downs.map(({ reason }) => reason.kind)).to.deep.equal(['terminated', 'terminated']);
        await asked.gone;
        const answered = other.get('/other');
        for (let one = await server.next(); ; one = await server.next()) {
          if (one.path === '/other') {
            one.answer('unharmed');
            break;
          }
        }
        expect(await answered.text()).to.equal('unharmed');
        await elsewhere.close();
      });

      it('errors the body of a Response after what had come', async () => {
        const connection = await opened();
        const fetched = connection.fetch('/');
        const asked = await server.next();
        asked.head({ 'content-length': 2_000 });
        await asked.send(0, 1_000);
        const reader = (await fetched).body!.getReader();
        const { value } = await reader.read();
        expect(expectCounted([value!])).to.equal(1_000);
        await pool.terminate(connection.threadId);
        expect(await errorOf(reader.read())).to.include({ code: 'ERR_GUNPORT_DOWN' });
      });

      it('errors a reply after what had come', async () => {
        const connection = await opened();
        const { reply, asked } = await replied(connection);
        asked.head({ 'content-length': 2_000 });
        await asked.send(0, 1_000);
        const first = await readBytes(reply, 1_000);
        await pool.terminate(connection.threadId);
        expect(await errorOf(readBytes(reply))).to.include({ code: 'ERR_GUNPORT_CLOSED' });
        expect(expectCounted([first])).to.equal(1_000);
      });

      it('tells a new owner, who reads what had come first (O6)', async () => {
        const connection = await opened();
        const [stream, asked] = await begun(connection, 200_000, 0);
        await asked.send(0, 100_000);
        const mine = await readBytes(stream, 1);
        await Promise.all([
          thread().run((here) => here.take().then(() => {})),
          stream.transferOwnership(thread().worker),
        ]);
        const { threadId } = connection;
        const read = thread().run(async (here) => {
          const monitor = here.connection.monitor();
          const { reason } = (await monitor.down)!;
          const parts: Uint8Array[] = [];
          const code = await here.codeOf(
            (async () => {
              for await (const chunk of here.stream) parts.push(chunk);
            })(),
          );
          return { kind: reason.kind, code, bytes: Buffer.concat(parts) };
        });
        const received = ({ connection }: Here) =>
          connection.info().then(({ counters }) => counters.bytesReceived);
        await here(() => thread().run(received), 100_000);
        await pool.terminate(threadId);
        const { kind, code, bytes } = await read;
        expect({ kind, code }).to.deep.equal({ kind: 'terminated', code: 'ERR_GUNPORT_DOWN' });
        expect(expectCounted([mine, bytes])).to.equal(100_000);
      });
    });
  });
}

/** The process has read so many bytes of a body: all that there are. */
async function here(received: () => Promise<number>, bytes: number): Promise<void> {
  let before = -1;
  // HTTP/1.1 counts heads, too.
  for (let still = 0; still < 3 || before < bytes; ) {
    const now = await received();
    still = now === before ? still + 1 : 0;
    before = now;
  }
}
