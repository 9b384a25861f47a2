import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { piece } from '../support/counted.ts';
import { type Answered, BOTH, expectCounted, httpStage } from '../support/httpstage.ts';
import { errorOf } from '../support/stage.ts';

for (const speaks of BOTH) {
  describe(`a hand-over with an upload under way, over ${speaks}`, () => {
    const on = httpStage(speaks);

    it('lets the new owner go on with data(), and read the answer', async () => {
      const { stream, asked } = await on.upload();
      stream.data(false, piece(0, 1_000));
      await on.giveTo(on.a, stream);
      await asked.has(1_000);
      const text = on.a.run(
        ({ stream }, bytes) => {
          stream.data(false, bytes as Uint8Array<ArrayBuffer>);
          stream.data(true);
          return stream.text();
        },
        new Uint8Array(piece(1_000, 3_000)),
      );
      expect(expectCounted([await asked.body])).to.equal(3_000);
      asked.answer('thanks');
      expect(await text).to.equal('thanks');
    });

    it('sends what the old owner gave before what the new one gives, in any number of turns', async () => {
      const { stream, asked } = await on.upload();
      let now = stream;
      let at = 0;
      for (let owner = 0; owner < 12; owner++) {
        for (let i = 0; i < 5; i++) {
          now.data(false, piece(at, at + 10_000));
          at += 10_000;
        }
        now = await on.loop(now);
      }
      now.data('fin', piece(at, at + 1));
      expect(expectCounted([await asked.body])).to.equal(at + 1);
      asked.answer('');
      expect(await now.text()).to.equal('');
    });

    it('keeps account of its content-length', async () => {
      const { stream, asked } = await on.upload(100);
      stream.data(false, piece(0, 40));
      const there = await on.loop(stream);
      const state = { code: 'ERR_GUNPORT_BAD_STATE', reason: 60 };
      expect(() => there.data(false, piece(40, 101)))
        .to.throw()
        .that.includes(state);
      expect(() => there.data(true, piece(40, 99)))
        .to.throw()
        .that.includes(state);
      there.data(true, piece(40, 100));
      expect(() => there.data(false, 'x'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_BAD_STATE');
      expect(expectCounted([await asked.body])).to.equal(100);
      asked.answer('');
    });

    it('knows there that it is complete', async () => {
      const { stream, asked } = await on.upload();
      stream.data(true, 'all of it');
      const there = await on.loop(stream);
      expect(() => there.data(false, 'more'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_BAD_STATE');
      await there.drained();
      expect((await asked.body).toString()).to.equal('all of it');
      asked.answer('');
    });

    it('settles drained() of the new owner only, once all has left', async () => {
      const { stream, asked } = await on.upload();
      const size = 4 * 1024 * 1024;
      stream.data(false, piece(0, size));
      const waiting = errorOf(stream.drained());
      const { port1, port2 } = new MessageChannel();
      // The answer to drained() finds nobody at home.
      const given = stream.transferOwnership(port1);
      const there = (await on.take({ source: port2 })).stream as Answered;
      await given;
      expect(await waiting).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
      await there.drained();
      expect(there.bufferedAmount).to.equal(0);
      there.data('fin', piece(size, size + 10));
      expect(expectCounted([await asked.body])).to.equal(size + 10);
      asked.answer('');
      port1.close();
    });

    it('lets the new owner send the trailers', async () => {
      const { stream, asked } = await on.upload();
      stream.data(false, 'one ');
      const there = await on.loop(stream);
      there.data(true, 'two', { trailers: { 'x-sum': '3' } });
      expect((await asked.body).toString()).to.equal('one two');
      asked.answer('');
    });

    it('goes on here when it failed, with nothing lost or sent twice', async () => {
      const { stream, asked } = await on.upload(3_000);
      stream.data(false, piece(0, 1_000));
      const { port1 } = new MessageChannel();
      const failed = errorOf(stream.transferOwnership(port1, { timeout: 20 }));
      expect(() => stream.data(false, 'x'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_TRANSFERRING');
      expect(await failed).to.include({ code: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
      stream.data(true, piece(1_000, 3_000));
      expect(expectCounted([await asked.body])).to.equal(3_000);
      asked.answer('thanks');
      expect(await stream.text()).to.equal('thanks');
      port1.close();
    });

    it('hears there of an answer that came in the midst of it', async () => {
      const { stream, asked } = await on.upload();
      stream.data(false, piece(0, 1_000));
      await asked.has(1_000);
      const there = await on.loop(stream);
      asked.head({ 'content-length': 3 }, 413);
      const { status } = await there.response();
      expect(status).to.equal(413);
      there.cancel();
    });

    describe('by fetch', () => {
      const enough = { code: 'ERR_GUNPORT_NOT_OWNER', name: 'OwnerError' };

      it('rejects, and leaves the request to the new owner', async () => {
        const body = new ReadableStream({ start: (parts) => parts.enqueue(piece(0, 1_000)) });
        const failed = errorOf(on.connection.fetch('/', { method: 'POST', body }));
        const asked = await on.server.next();
        await asked.has(1_000);
        const [stream] = on.connection.streams.values();
        const there = await on.loop(stream as Answered);
        expect(await failed).to.include(enough);
        there.data(true, piece(1_000, 2_000));
        expect(expectCounted([await asked.body])).to.equal(2_000);
        asked.answer('thanks');
        expect(await there.text()).to.equal('thanks');
      });

      it('errors the body of its Response, and leaves the rest of it to the new owner', async () => {
        const fetched = on.connection.fetch('/');
        const asked = await on.server.next();
        asked.head({ 'content-length': 4_000 });
        void asked.send(0, 1_000);
        const reader = (await fetched).body!.getReader();
        const mine = (await reader.read()).value!;
        const [stream] = on.connection.streams.values();
        const there = await on.loop(stream as Answered);
        expect(await errorOf(reader.read())).to.include(enough);
        void asked.send(1_000, 4_000);
        asked.end();
        expect(expectCounted([mine, await there.bytes()])).to.equal(4_000);
      });

      it('waits while a hand-over is under way, and goes on when it failed', async () => {
        let more: (part: Uint8Array) => void = () => {};
        let close: () => void = () => {};
        const body = new ReadableStream({
          start(parts) {
            more = (part) => parts.enqueue(part);
            close = () => parts.close();
          },
        });
        const fetched = on.connection.fetch('/', { method: 'POST', body });
        const asked = await on.server.next();
        more(piece(0, 1_000));
        await asked.has(1_000);
        const { port1 } = new MessageChannel();
        const failed = errorOf(on.connection.transferOwnership(port1, { timeout: 20 }));
        more(piece(1_000, 2_000));
        close();
        expect(await failed).to.include({ code: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
        expect(expectCounted([await asked.body])).to.equal(2_000);
        asked.answer('thanks');
        expect(await (await fetched).text()).to.equal('thanks');
        port1.close();
      });
    });
  });
}
