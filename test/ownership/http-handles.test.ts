import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { receiveOwnership } from '../../lib/index.ts';
import { piece, readBytes } from '../support/counted.ts';
import { type Answered, BOTH, expectCounted, httpStage } from '../support/httpstage.ts';
import { errorOf } from '../support/stage.ts';

const NOT_OWNER = { code: 'ERR_GUNPORT_NOT_OWNER', name: 'OwnerError' };
const TRANSFERRING = { code: 'ERR_GUNPORT_TRANSFERRING', name: 'OwnerError' };

for (const speaks of BOTH) {
  describe(`the handle of a request, over ${speaks}`, () => {
    const on = httpStage(speaks);

    /** What each call does, as the error that it throws or rejects with. */
    async function errors(calls: Record<string, () => unknown>): Promise<Record<string, unknown>> {
      const entries = Object.entries(calls).map(async ([name, call]) => {
        const error = await errorOf((async () => call())());
        return [name, { code: (error as { code?: unknown }).code, name: (error as Error).name }];
      });
      return Object.fromEntries(await Promise.all(entries));
    }

    const calls = (stream: Answered): Record<string, () => unknown> => {
      const { connection } = stream;
      return {
        get: () => connection.get('/'),
        post: () => connection.post('/', { body: 'x' }),
        headers: () => connection.headers('POST', '/'),
        request: () => connection.request('GET', '/'),
        fetch: () => connection.fetch('/'),
        data: () => connection.data(stream, true),
        drained: () => stream.drained(),
        cancel: () => stream.cancel(),
        'connection.cancel': () => connection.cancel(stream),
        updateFlow: () => stream.updateFlow(1),
        flush: () => stream.flush(),
        'connection.flush': () => connection.flush(),
        streamInfo: () => connection.streamInfo(stream),
        response: () => stream.response(),
        text: () => stream.text(),
        loop: () => readBytes(stream),
        ping: () => connection.ping(),
        connect: () => connection.connect('http://example.com'),
        raw: () => connection.raw({ tunnel: stream }),
        established: () => stream.established(),
        transferOwnership: () => stream.transferOwnership(on.a.worker),
      };
    };

    it('throws ERR_GUNPORT_TRANSFERRING from each call while it is given', async () => {
      const { stream } = await on.upload();
      const { port1, port2 } = new MessageChannel();
      const failed = errorOf(stream.transferOwnership(port1));
      for (const [name, error] of Object.entries(await errors(calls(stream)))) {
        expect(error, name).to.deep.equal(TRANSFERRING);
      }
      port2.close();
      await failed;
    });

    it('throws ERR_GUNPORT_NOT_OWNER from each call once it is given (O4)', async () => {
      const { stream } = await on.upload();
      await on.loop(stream);
      const all = await errors({
        ...calls(stream),
        await: () => stream.connection.await(stream),
        awaitBody: () => stream.connection.awaitBody(stream),
      });
      for (const [name, error] of Object.entries(all)) expect(error, name).to.deep.equal(NOT_OWNER);
      await stream[Symbol.asyncDispose]();
    });

    it('rejects what was pending (O4)', async () => {
      const streams = [(await on.get()).stream, ...[1, 2, 3, 4].map(() => on.connection.get('/'))];
      const [one, two, three, four, five] = streams as [Answered, Answered, Answered, Answered, Answered];
      const { port1, port2 } = new MessageChannel();
      const pending = [
        one.response(),
        two.text(),
        readBytes(three),
        on.connection.await(four),
        on.connection.awaitBody(five),
        on.connection.fetch('/'),
        on.connection.streamInfo(one),
        ...(speaks === 'h2c' ? [on.connection.ping()] : []),
      ].map(errorOf);
      const given = on.connection.transferOwnership(port1);
      await on.take({ source: port2 });
      await given;
      for (const error of await Promise.all(pending)) expect(error).to.include(NOT_OWNER);
      port1.close();
    });

    it('leaves a pending read waiting while it is given, which gets the next bytes when that failed', async () => {
      const { stream, asked } = await on.download(1_000);
      await stream.response();
      const next = stream[Symbol.asyncIterator]().next();
      const { port1, port2 } = new MessageChannel();
      const failed = errorOf(stream.transferOwnership(port1));
      await asked.send(0, 1_000);
      expect(await Promise.race([next, on.connection.awaitUp().then(() => 'parked')])).to.equal('parked');
      port2.close();
      expect(await failed).to.include({ code: 'ERR_GUNPORT_TARGET_DEAD' });
      expect(expectCounted([(await next).value])).to.equal(1_000);
    });

    it('is not cancelled any more by a signal of the old owner', async () => {
      const controller = new AbortController();
      const { stream, asked } = await on.get('/', { signal: controller.signal });
      const there = await on.loop(stream);
      controller.abort();
      await there.connection.info();
      asked.answer('as ever');
      expect(await there.text()).to.equal('as ever');
    });

    it('is cancelled by its signal in the midst of it: the new owner knows', async () => {
      const controller = new AbortController();
      const { stream } = await on.get('/', { signal: controller.signal });
      const { port1, port2 } = new MessageChannel();
      const given = stream.transferOwnership(port1);
      controller.abort();
      const there = (await on.take({ source: port2 })).connection.streams.get(stream.id) as Answered;
      await given;
      expect(await errorOf(there.text())).to.include({ code: 'ERR_GUNPORT_ABORTED' });
      port1.close();
    });

    it('cancels from the new owner', async () => {
      const { stream, asked } = await on.get();
      const there = await on.loop(stream);
      there.cancel();
      await (speaks === 'h2c' ? asked.gone : there.connection.info());
      expect(await errorOf(there.text())).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
    });

    it('tells the new owner what the process knows of it', async () => {
      const { stream } = await on.get('/here');
      const there = await on.loop(stream);
      const info = await there.connection.streamInfo(there);
      expect(info).to.deep.equal({
        ...{ id: stream.id, kind: 'http', state: 'running', method: 'GET', path: '/here', replyTo: false },
        intermediaries: [],
      });
      if (speaks === 'h2c') expect(await there.connection.ping()).to.be.within(0, 5_000);
    });

    describe('of a hand-over that does not come about, in mid-body (O3)', () => {
      const attempts: Record<string, (stream: Answered) => Promise<unknown>> = {
        'since the target does not adopt in time': (stream) => {
          const { port1, port2 } = new MessageChannel();
          port2.unref();
          return stream.transferOwnership(port1, { timeout: 20 }).finally(() => port1.close());
        },
        'since it refuses': async (stream) => {
          const { port1, port2 } = new MessageChannel();
          const refusing = errorOf(receiveOwnership(port2, { accept: () => false }));
          await stream.transferOwnership(port1).finally(() => port1.close());
          await refusing;
        },
        'since a signal was aborted': (stream) => {
          const { port1 } = new MessageChannel();
          const controller = new AbortController();
          setImmediate(() => controller.abort());
          return stream.transferOwnership(port1, controller).finally(() => port1.close());
        },
        'since the data cannot be cloned': (stream) =>
          stream.transferOwnership({ threadId: 0 }, { data: () => {} }),
        'since the target has ended': async (stream) => {
          const { port1, port2 } = new MessageChannel();
          const closed = once(port1, 'close');
          port2.close();
          await closed;
          return stream.transferOwnership(port1);
        },
        "since it is the connection's own far end": (stream) =>
          stream.transferOwnership({ threadId: stream.connection.threadId }),
      };
      for (const [name, attempt] of Object.entries(attempts)) {
        it(`${name}: everything is given back, and it can be given again`, async () => {
          const { stream, asked } = await on.download(500_000);
          const upload = on.connection.post('/up');
          void asked.send(0, 150_000);
          const parts = [await readBytes(stream, 1)];
          upload.data(false, piece(0, 100));
          const failed = errorOf(attempt(stream));
          void asked.send(150_000, 300_000);
          expect(await failed)
            .to.have.property('code')
            .that.matches(/^ERR_GUNPORT_/);
          parts.push(await readBytes(stream, 1));
          await on.giveTo(on.a, stream);
          void asked.send(300_000, 500_000);
          asked.end();
          parts.push(Buffer.from(await on.a.run((here) => here.bytes())));
          expect(expectCounted(parts)).to.equal(500_000);
          const up = await on.server.next();
          const there = on.a.run(
            (here, id, rest) => {
              const upload = here.connection.streams.get(id as number) as typeof here.stream;
              upload.data(true, rest as Uint8Array<ArrayBuffer>);
              return upload.text();
            },
            upload.id,
            new Uint8Array(piece(100, 200)),
          );
          expect(expectCounted([await up.body])).to.equal(200);
          up.answer('both');
          expect(await there).to.equal('both');
        });
      }
    });

    it('goes from thread to thread and back under a running answer (O7)', async () => {
      const size = 8 * 1024 * 1024;
      const { stream, asked } = await on.download(size);
      void (async () => {
        for (let at = 0; at < size; at += 65_536) await asked.send(at, Math.min(size, at + 65_536));
        asked.end();
      })();
      const parts = [await readBytes(stream, 1)];
      await on.giveTo(on.a, stream);
      for (let turn = 0; turn < 10; turn++) {
        const [from, to] = turn % 2 === 0 ? [on.a, on.b] : [on.b, on.a];
        parts.push(Buffer.from(await from.run((here) => here.bytes(400_000))));
        await on.pass(from, to);
      }
      const back = on.take({ source: on.a.worker });
      await on.a.run((here) => here.stream.transferOwnership(here.parentPort));
      parts.push(await readBytes((await back).stream as Answered));
      expect(expectCounted(parts)).to.equal(size);
    });
  });
}
