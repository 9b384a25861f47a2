import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { PushNotice, StreamNotice } from '../../lib/index.ts';
import { readBytes } from '../support/counted.ts';
import { type Answered, BOTH, expectCounted, httpStage } from '../support/httpstage.ts';
import { rejects } from '../support/rejects.ts';
import { errorOf } from '../support/stage.ts';

for (const speaks of BOTH) {
  describe(`a hand-over with an answer half read, over ${speaks}`, () => {
    const on = httpStage(speaks);

    it('gives the new owner the very next bytes, after a break', async () => {
      const { stream, asked } = await on.download(300_000);
      void asked.send(0, 200_000);
      const mine = await readBytes(stream, 1);
      await on.giveTo(on.a, stream);
      void asked.send(200_000, 300_000);
      asked.end();
      const theirs = await on.a.run((here) => here.bytes());
      expect(expectCounted([mine, theirs])).to.equal(300_000);
    });

    it('gives it what had come and nobody was given, before anything newer (O2)', async () => {
      const { stream, asked } = await on.download(100_000);
      const mine: Uint8Array[] = [];
      // Small pieces, so that many wait.
      for (let at = 0; at < 50_000; at += 1_000) {
        await asked.send(at, at + 1_000);
        await on.connection.info();
      }
      mine.push(await readBytes(stream, 1));
      const taken = on.a.run((here) => here.take().then(() => {}));
      const given = stream.transferOwnership(on.a.worker);
      void asked.send(50_000, 100_000);
      asked.end();
      await Promise.all([taken, given]);
      const theirs = await on.a.run((here) => here.bytes());
      expect(expectCounted([...mine, theirs])).to.equal(100_000);
    });

    it('throws from a loop over it, and goes on with the next bytes there', async () => {
      const { stream, asked } = await on.download(2_000_000);
      void asked.send(0, 2_000_000);
      asked.end();
      const mine: Uint8Array[] = [];
      const taken = on.a.run((here) => here.take().then(() => {}));
      const loop = (async () => {
        for await (const chunk of stream) {
          mine.push(chunk);
          if (mine.length === 2) await stream.transferOwnership(on.a.worker);
        }
      })();
      expect(await errorOf(loop)).to.include({ code: 'ERR_GUNPORT_NOT_OWNER', name: 'OwnerError' });
      expect(mine).to.have.length(2);
      await taken;
      const theirs = await on.a.run((here) => here.bytes());
      expect(expectCounted([...mine, theirs])).to.equal(2_000_000);
    });

    it('gives nothing to a loop that waits in it, whenever the bytes come', async () => {
      const { stream, asked } = await on.download(10_000);
      const loop = errorOf(readBytes(stream));
      const taken = on.a.run((here) => here.take().then(() => {}));
      const given = stream.transferOwnership(on.a.worker);
      for (let at = 0; at < 10_000; at += 1_000) {
        void asked.send(at, at + 1_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      asked.end();
      expect(await loop).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
      await Promise.all([taken, given]);
      expect(expectCounted([await on.a.run((here) => here.bytes())])).to.equal(10_000);
    });

    it('leaves the bytes that were read as they are, though their neighbours moved', async () => {
      const { stream, asked } = await on.download(500_000);
      void asked.send(0, 500_000);
      asked.end();
      const mine = await stream[Symbol.asyncIterator]().next();
      await on.giveTo(on.a, stream);
      const theirs = await on.a.run((here) => here.bytes());
      expect(expectCounted([mine.value, theirs])).to.equal(500_000);
    });

    it('gives notices one by one, head first, where nobody has taken it', async () => {
      const { stream, asked } = await on.get();
      asked.head({ 'x-answer': 'yes' });
      void asked.send(0, 5_000);
      while (stream.state !== 'answered') await on.connection.info();
      const there = await on.loop(stream);
      expect(there).to.include({ id: stream.id, method: 'GET', path: '/', state: 'answered', status: 200 });
      const head = (await there.connection.await(there)) as StreamNotice & { type: 'response' };
      expect(head).to.include({ type: 'response', status: 200, fin: false });
      expect(head.headers).to.include({ 'x-answer': 'yes' });
      expect(await there.connection.await(there)).to.include({ type: 'data' });
      asked.end();
    });

    it('knows the head there that was taken here (O5)', async () => {
      const { stream, asked } = await on.get();
      asked.head({ 'x-answer': 'yes' }, 203);
      await stream.response();
      const there = await on.loop(stream);
      expect(there).to.include({ status: 203, state: 'answered', url: stream.url });
      expect(there.headers).to.deep.equal(stream.headers);
      expect((await there.response()).headers).to.include({ 'x-answer': 'yes' });
      asked.end();
      expect(await there.text()).to.equal('');
    });

    it('gives its trailers and its end to who reads on', async () => {
      const { stream, asked } = await on.get();
      asked.head({ trailer: 'x-sum' });
      void asked.send(0, 1_000);
      const mine = await readBytes(stream, 1_000);
      const there = await on.loop(stream);
      void asked.send(1_000, 2_000);
      asked.end({ 'x-sum': '7' });
      const { body, trailers } = await there.body();
      expect(expectCounted([mine, body])).to.equal(2_000);
      expect(trailers).to.deep.equal({ 'x-sum': '7' });
      expect(there.state).to.equal('ended');
    });

    it('gives an answer that was complete and unread', async () => {
      const { stream, asked } = await on.download(3_000);
      void asked.send(0, 3_000);
      asked.end();
      while (stream.state !== 'ended') await on.connection.info();
      const there = await on.loop(stream);
      expect(there).to.include({ state: 'ended', status: 200 });
      expect(expectCounted([await there.bytes()])).to.equal(3_000);
    });

    it('gives what had come, and the error, of one that failed', async () => {
      const { stream, asked } = await on.download(3_000);
      await asked.send(0, 1_000);
      await stream.response();
      const other = on.connection.get('/unanswered');
      if (speaks === 'h2c') (await on.server.next()).drop();
      asked.drop();
      while (stream.state !== 'ended' || other.state !== 'ended') await new Promise(setImmediate);
      expect(other.state).to.equal('ended');
      if (speaks === 'http') return; // Its connection went with it, and there is nothing to hand over.
      const there = await on.loop(stream);
      const parts = there[Symbol.asyncIterator]();
      expect(expectCounted([(await parts.next()).value])).to.equal(1_000);
      // Later ones than Node 20 look at its length first.
      const codes = ['ERR_GUNPORT_RESET', 'ERR_GUNPORT_PROTOCOL'];
      expect(await errorOf(parts.next()))
        .to.have.property('code')
        .that.is.oneOf(codes);
      const lost = there.connection.streams.get(other.id) as Answered;
      expect(await errorOf(lost.text())).to.include({ code: 'ERR_GUNPORT_RESET' });
    });

    it('takes requests along that wait for their answers, and those that wait for their turn', async () => {
      const streams = ['/1', '/2', '/3', '/4'].map((path) => on.connection.get(path));
      const first = await on.server.next();
      const texts = on.a.run(async (here) => {
        await here.take();
        const all = [...here.connection.streams.values()] as (typeof here.stream)[];
        return Promise.all(all.map((one) => one.text().then((text) => `${one.id} ${text}`)));
      });
      await on.connection.transferOwnership(on.a.worker);
      first.answer(first.path);
      for (let i = 1; i < 4; i++) {
        const next = await on.server.next();
        next.answer(next.path);
      }
      expect(await texts).to.deep.equal(streams.map(({ id, path }) => `${id} ${path}`));
    });

    it('names the stream that was given, and no feed', async () => {
      const { stream, asked } = await on.get();
      on.connection.get('/other');
      const [{ stream: named, feed }] = await Promise.all([
        on.take(),
        stream.transferOwnership({ threadId: 0 }),
      ]);
      expect(named).to.include({ id: stream.id });
      expect(feed).to.equal(undefined);
      asked.answer('mine');
      expect(await (named as Answered).text()).to.equal('mine');
    });

    it('names no stream where the connection was given with several', async () => {
      const { asked } = await on.get('/1');
      on.connection.get('/2');
      const [received] = await Promise.all([on.take(), on.connection.transferOwnership({ threadId: 0 })]);
      expect(received.stream).to.equal(undefined);
      expect([...received.connection.streams.values()].map(({ id }) => id)).to.have.length(2);
      asked.answer('x');
    });

    it('makes new streams there, with ids that nobody had', async () => {
      const { stream, asked } = await on.get();
      const there = await on.loop(stream);
      const next = there.connection.get('/next');
      expect(next.id).to.be.above(stream.id);
      asked.answer('one');
      (await on.server.next()).answer('two');
      expect(await Promise.all([there.text(), next.text()])).to.deep.equal(['one', 'two']);
    });

    it('moves its credit along: a large answer goes on through 30 owners (F1)', async () => {
      const size = 24 * 1024 * 1024;
      const { stream, asked } = await on.download(size);
      void (async () => {
        for (let at = 0; at < size; at += 65_536) await asked.send(at, at + 65_536);
        asked.end();
      })();
      let now = stream;
      let at = 0;
      for (let owner = 0; owner < 30 && at < size / 2; owner++) {
        at = expectCounted([await readBytes(now, 300_000)], at);
        now = await on.loop(now);
      }
      expect(expectCounted([await now.bytes()], at)).to.equal(size);
    });

    it('moves the credit of a request that counts messages (flow)', async () => {
      const { stream, asked } = await on.get('/', { flow: 1 });
      asked.head();
      await asked.send(0, 1_000);
      const mine = await readBytes(stream, 1_000);
      await asked.send(1_000, 2_000);
      const there = await on.loop(stream);
      await rejects(there.connection.await(there, { timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
      there.updateFlow(1);
      const theirs = await readBytes(there, 1_000);
      expect(expectCounted([mine, theirs])).to.equal(2_000);
      there.cancel();
    });

    if (speaks === 'http') return;

    describe('that promises others (push)', () => {
      const on = httpStage(speaks, { push: true });

      it('takes along a push that nobody was told of, and its answer', async () => {
        const { stream, asked } = await on.get();
        const pushed = await asked.push('/pushed');
        pushed.answer('unasked');
        while (on.connection.streams.size < 2) await on.connection.info();
        const there = await on.loop(stream);
        const push = (await there.connection.await(there)) as PushNotice<Answered>;
        expect(push).to.include({ type: 'push', method: 'GET' });
        expect(push.stream).to.equal(there.connection.streams.get(push.stream.id));
        expect(await push.stream.text()).to.equal('unasked');
        asked.answer('asked');
        expect(await there.text()).to.equal('asked');
      });

      it('gives what was pushed, half read, to the new owner', async () => {
        const { stream, asked } = await on.get();
        const answer = await asked.push('/pushed');
        answer.head({ 'content-length': 4_000 });
        await answer.send(0, 2_000);
        const push = (await on.connection.await(stream)) as PushNotice<Answered>;
        const mine = await readBytes(push.stream, 2_000);
        const there = await on.loop(push.stream);
        expect(there.id).to.equal(push.stream.id).and.to.be.below(0);
        void answer.send(2_000, 4_000);
        answer.end();
        expect(expectCounted([mine, await there.bytes()])).to.equal(4_000);
        asked.answer('');
      });

      it('tells the new owner of what is pushed to it', async () => {
        const { stream, asked } = await on.get();
        const { port1, port2 } = new MessageChannel();
        const given = stream.transferOwnership(port1);
        const pushed = await asked.push('/pushed');
        pushed.answer('late');
        const there = (await on.take({ source: port2 })).stream as Answered;
        await given;
        const push = (await there.connection.await(there)) as PushNotice<Answered>;
        expect(await push.stream.text()).to.equal('late');
        asked.answer('');
        port1.close();
      });
    });
  });
}
