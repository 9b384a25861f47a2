// event-stream.test — connection.sse(): a feed of server-sent events across requests.
// Source: HTML §9.2 (WHATWG EventSource); what users of Gun ask for (Last-Event-ID).

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, EventStream, EventStreamOptions, GunportError } from '../../lib/index.ts';
import { type Fed, type Feeding, feeding, numbered, readData } from '../support/feeding.ts';
import { feeds } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';

type Reconnect = { delay: number; lastEventId: string; reason: GunportError | undefined };

for (const speaks of ['http', 'h2c'] as const) {
  describe(`an EventStream, on ${speaks}`, () => {
    const { keep, open, pool } = feeds();
    let server: Feeding;
    let connection: Connection;

    beforeEach(async () => {
      server = await keep(feeding(speaks));
      connection = open(server.url, { ...server.trust, retryTimeout: 1 });
    });

    /** The first request is answered with a head. */
    async function begun(
      options?: EventStreamOptions,
      headers?: Record<string, string>,
    ): Promise<{ feed: EventStream<Connection>; asked: Fed }> {
      const feed = connection.sse('/feed', options);
      const asked = await server.next();
      asked.begin(headers);
      return { feed, asked };
    }

    it('asks at once, for its type and past caches (HTML §9.2.2)', async () => {
      const { feed, asked } = await begun();
      expect(asked).to.include({ method: 'GET', path: '/feed' });
      expect(asked.headers).to.include({ accept: 'text/event-stream', 'cache-control': 'no-cache' });
      expect(asked.headers).not.to.have.property('last-event-id');
      void asked.write('retry: 7\nid: 1\ndata: x\n\n');
      expect(feed.state).to.equal('connecting');
      const opened = once(feed, 'open');
      for await (const event of feed) {
        expect(event).to.deep.equal({ type: 'message', data: 'x', lastEventId: '1', retry: 7 });
        break;
      }
      expect((await opened)[0]).to.include({ type: 'response', status: 200 });
      expect(feed).to.include({ state: 'open', lastEventId: '1', retryDelay: 7 });
      feed.close();
      expect(feed.state).to.equal('closed');
      expect(await readData(feed)).to.deep.equal([]);
      await asked.gone;
    });

    it('sends the headers that it is given, in place of its own', async () => {
      const headers = { Accept: 'text/event-stream;v=2', authorization: 'me' };
      const { asked } = await begun({ headers, lastEventId: 'é 1' });
      expect(asked.headers).to.include({ accept: 'text/event-stream;v=2', authorization: 'me' });
      expect(asked.headers).to.include({ 'cache-control': 'no-cache' });
      // HTML §9.2.3: "encoded as UTF-8".
      expect(Buffer.from(String(asked.headers['last-event-id']), 'latin1').toString()).to.equal('é 1');
    });

    it('can be closed in the very moment that its connection dies (M1)', async () => {
      const { feed, asked } = await begun();
      await asked.write(numbered(0, 2));
      expect(await readData(feed, 1)).to.deep.equal(['0']);
      const closed = new Promise<string>((resolve, reject) => {
        connection.monitor(() => {
          try {
            feed.close();
            resolve(feed.state);
          } catch (error) {
            reject(error);
          }
        });
      });
      await pool.terminate(connection.threadId);
      expect(await closed).to.equal('closed');
      expect(await readData(feed)).to.deep.equal([]);
    });

    it('ends with its answer, without reconnect', async () => {
      const { feed, asked } = await begun();
      void asked.write(numbered(0, 3));
      asked.end();
      expect(await readData(feed)).to.deep.equal(['0', '1', '2']);
      expect(feed.state).to.equal('closed');
    });

    it('that is lost throws, without reconnect, behind what had come; and again', async () => {
      const { feed, asked } = await begun();
      await asked.write(numbered(0, 2));
      expect(await readData(feed, 2)).to.deep.equal(['0', '1']);
      asked.drop();
      for (let i = 0; i < 2; i++) {
        const error = await readData(feed).catch((error: unknown) => error);
        expect(error).to.have.property('code').that.is.oneOf(['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_RESET']);
      }
    });

    it('asks again where it stopped, after an end and after a loss, and loses nothing', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1 });
      const marks: Reconnect[] = [];
      feed.on('reconnect', (mark) => marks.push(mark));
      const all = readData(feed, 90);
      let next = 0;
      let one = asked;
      for (const ending of ['end', 'drop', 'end']) {
        await one.write(numbered(next, next + 30));
        next += 30;
        if (ending === 'end') one.end();
        else {
          // What is on its way when a connection is reset is lost, and asked for again: here it is read before.
          while (feed.lastEventId !== String(next - 1)) await connection.info();
          one.drop();
        }
        if (next === 90) break;
        one = await server.next();
        expect(one.headers['last-event-id']).to.equal(String(next - 1));
        one.begin();
      }
      expect(await all).to.deep.equal(Array.from({ length: 90 }, (_, i) => String(i)));
      expect(marks.map(({ lastEventId }) => lastEventId)).to.deep.equal(['29', '59']);
      expect(marks[0]?.reason).to.equal(undefined);
      expect(marks[1]?.reason?.code).to.be.oneOf(['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_RESET']);
      feed.close();
    });

    it('keeps the id over an answer that gives none, until it is taken back', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1, lastEventId: 'a' });
      const loop = feed[Symbol.asyncIterator]();
      void asked.write('data: 1\n\n');
      asked.end();
      expect((await loop.next()).value).to.include({ data: '1', lastEventId: 'a' });
      const pending = loop.next();
      const second = await server.next();
      expect(second.headers['last-event-id']).to.equal('a');
      second.begin();
      void second.write('data: 2\n\nid\n\n');
      second.end();
      expect((await pending).value).to.include({ data: '2', lastEventId: 'a' });
      const last = loop.next();
      const third = await server.next();
      expect(third.headers).not.to.have.property('last-event-id');
      feed.close();
      expect(await last).to.deep.equal({ value: undefined, done: true });
    });

    it('waits as the server says, longer each time that nothing came, and as before once something does', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1 });
      const marks: Reconnect[] = [];
      feed.on('reconnect', (mark) => marks.push(mark));
      const all = readData(feed, 2);
      void asked.write('retry: 3\n\n');
      asked.end();
      for (let i = 0; i < 2; i++) {
        const one = await server.next();
        one.begin();
        one.end();
      }
      const good = await server.next();
      good.begin();
      void good.write('data: x\n\n');
      good.end();
      const last = await server.next();
      last.begin();
      void last.write('data: y\n\n');
      expect(await all).to.deep.equal(['x', 'y']);
      const within = ([least, most]: [number, number], i: number): void => {
        expect(marks[i]?.delay, `${i}`).to.be.within(least, most);
      };
      // By a quarter more at most, and doubled from 100 ms at least.
      const expected: [number, number][] = [
        [3, 4],
        [200, 250],
        [400, 500],
        [3, 4],
      ];
      expected.forEach(within);
      expect(marks).to.have.lengthOf(4);
      feed.close();
    });

    it('is told by 204 to stop for good (HTML §9.2.1)', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1 });
      void asked.write(numbered(0, 1));
      asked.end();
      const all = readData(feed);
      const second = await server.next();
      second.begin({}, 204);
      second.end();
      expect(await all).to.deep.equal(['0']);
      expect(feed.state).to.equal('closed');
    });

    it('fails for good with another status, or another type', async () => {
      const cases: [number, string][] = [
        [404, 'text/event-stream'],
        [500, 'text/event-stream'],
        [201, 'text/event-stream'],
        [302, 'text/event-stream'],
        [200, 'text/html'],
      ];
      for (const [status, type] of cases) {
        const feed = connection.sse('/feed', { reconnect: true, retryDelay: 0 });
        const asked = await server.next();
        asked.begin({ 'content-type': type, 'x-why': 'not here' }, status);
        void asked.write('no');
        asked.end();
        const error = await rejects(readData(feed), 'ERR_GUNPORT_NO_EVENTS');
        expect(error).to.include({ status });
        expect(error.headers).to.include({ 'x-why': 'not here', 'content-type': type });
        expect(feed.state).to.equal('closed');
        await rejects(readData(feed), 'ERR_GUNPORT_NO_EVENTS');
      }
    });

    it('is left by break, and goes on with the next loop, across requests', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1 });
      void asked.write(numbered(0, 3));
      asked.end();
      expect(await readData(feed, 1)).to.deep.equal(['0']);
      expect(feed.lastEventId).to.equal('0');
      const rest = readData(feed, 4);
      const second = await server.next();
      second.begin();
      void second.write(numbered(3, 9));
      expect(await rest).to.deep.equal(['1', '2', '3', '4']);
      expect(await readData(feed, 1)).to.deep.equal(['5']);
      feed.close();
    });

    it('loses nothing when a loop is left while it waits, in any state', async () => {
      const feed = connection.sse('/feed', { reconnect: true, retryDelay: 1 });
      const first = feed[Symbol.asyncIterator]();
      const pending = first.next();
      await rejects(first.next(), 'ERR_GUNPORT_READING');
      expect(() => feed[Symbol.asyncIterator]())
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_READING');
      await first.return?.();
      const asked = await server.next();
      asked.begin();
      void asked.write(numbered(0, 1));
      expect(await pending).to.deep.equal({ value: undefined, done: true });
      const second = feed[Symbol.asyncIterator]();
      expect((await second.next()).value?.data).to.equal('0');
      const waiting = second.next();
      await second.return?.();
      expect(await waiting).to.deep.equal({ value: undefined, done: true });
      void asked.write(numbered(1, 2));
      expect(await readData(feed, 1)).to.deep.equal(['1']);
      feed.close();
    });

    it('ends when it is closed: in a loop, and while it waits to ask again', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1_000_000 });
      const reconnecting = once(feed, 'reconnect');
      const all = readData(feed);
      void asked.write(numbered(0, 1));
      asked.end();
      await reconnecting;
      expect(feed.state).to.equal('waiting');
      feed.close();
      expect(await all).to.deep.equal(['0']);
      await using other = connection.sse('/feed');
      const rest = readData(other);
      (await server.next()).begin();
      other.close();
      expect(await rest).to.deep.equal([]);
    });

    it('ends when its signal is aborted: in a loop, and while it waits to ask again', async () => {
      const [one, two] = [new AbortController(), new AbortController()];
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1_000_000, signal: one.signal });
      const reconnecting = once(feed, 'reconnect');
      const all = readData(feed);
      asked.end();
      await reconnecting;
      one.abort();
      await rejects(all, 'ERR_GUNPORT_ABORTED');
      const { feed: other } = await begun({ reconnect: true, signal: two.signal });
      const rest = readData(other);
      two.abort();
      await rejects(rest, 'ERR_GUNPORT_ABORTED');
      expect(other.state).to.equal('closed');
    });

    it('ends with its connection, with the reason, also while it waits', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1_000_000 });
      const reconnecting = once(feed, 'reconnect');
      const all = readData(feed).catch((error: unknown) => error);
      asked.end();
      await reconnecting;
      await connection.close();
      const error = await all;
      expect(error).to.have.property('name', 'DownError');
      expect(() => connection.sse('/'))
        .to.throw()
        .with.property('name', 'DownError');
    });

    it('waits for a connection that comes back', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1 });
      const all = readData(feed, 3);
      await asked.write(numbered(0, 2));
      while (feed.lastEventId !== '1') await connection.info();
      server.cut();
      const second = await server.next();
      expect(second.headers['last-event-id']).to.equal('1');
      second.begin();
      void second.write(numbered(2, 3));
      expect(await all).to.deep.equal(['0', '1', '2']);
      expect(connection.attempt).to.equal(2);
      feed.close();
    });

    it('does not ask again for what that would not mend', async () => {
      const feed = connection.sse('/feed', { reconnect: true, retryDelay: 0, maxEventSize: 100 });
      const asked = await server.next();
      asked.begin();
      void asked.write(`data: ${'x'.repeat(200)}\n\n`);
      await rejects(readData(feed), 'ERR_GUNPORT_TOO_BIG');
      expect(feed.state).to.equal('closed');
    });

    it('may begin with a request that is under way', async () => {
      const stream = connection.get('/old', { contentHandlers: ['sse'] });
      const asked = await server.next();
      asked.begin();
      void asked.write(numbered(0, 3));
      expect(await readData(stream.events(), 1)).to.deep.equal(['0']);
      const feed = connection.sse(stream, { reconnect: true, retryDelay: 1 });
      expect(feed.lastEventId).to.equal('0');
      asked.end();
      const all = readData(feed, 3);
      const second = await server.next();
      expect(second).to.include({ path: '/old' });
      expect(second.headers['last-event-id']).to.equal('2');
      second.begin();
      void second.write(numbered(3, 4));
      expect(await all).to.deep.equal(['1', '2', '3']);
      feed.close();
    });

    it('counts its events for flow, each request anew', async () => {
      const { feed, asked } = await begun({ reconnect: true, retryDelay: 1, flow: 2 });
      void asked.write(numbered(0, 3));
      asked.end();
      expect(await readData(feed, 2)).to.deep.equal(['0', '1']);
      feed.updateFlow(1);
      const rest = readData(feed, 3);
      const second = await server.next();
      second.begin();
      void second.write(numbered(3, 9));
      expect(await rest).to.deep.equal(['2', '3', '4']);
      feed.close();
    });
  });
}

describe('options of an EventStream', () => {
  const { open } = feeds();
  const wrong: readonly (readonly [options: unknown, message: string])[] = [
    [{ reconnect: 1 }, 'reconnect must be true or false'],
    [{ retryDelay: -1 }, 'retryDelay must be an integer'],
    [{ lastEventId: 7 }, 'lastEventId must be a text'],
    [{ lastEventId: 'a\nb' }, 'lastEventId must be a text'],
    [{ headers: { 'last-event-id': '1' } }, 'headers must not have last-event-id'],
    [{ contentHandlers: [] }, 'unknown option contentHandlers'],
    [{ signal: 7 }, 'signal must be an AbortSignal'],
    [{ flow: 0 }, 'flow must be an integer'],
  ];
  it('throw at once', () => {
    const connection = open('http://127.0.0.1:1', { retry: 0 });
    for (const [options, message] of wrong) {
      expect(() => connection.sse('/', options as EventStreamOptions), message).to.throw(message);
    }
    expect(() => connection.sse('no path')).to.throw('path');
  });
});
