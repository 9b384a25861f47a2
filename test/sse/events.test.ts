// events.test — answers that are event streams, as their owner reads them: as notices, or in a loop.
// Source: Gun's sse_SUITE and flow_SUITE; HTML §9.2 (WHATWG).

import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { Connection, SseNotice, Stream } from '../../lib/index.ts';
import { receiveReply } from '../../lib/index.ts';
import { type Fed, type Feeding, feeding, numbered, readData } from '../support/feeding.ts';
import { feeds } from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';
import { atRest, nothingMore } from '../support/roads.ts';

const SSE = { contentHandlers: ['sse'] } as const;
const KiB = 1024;
const MiB = 1024 * KiB;
const FILLER = ' of a feed that nobody reads for a while';

for (const speaks of ['http', 'h2c'] as const) {
  describe(`an answer that is an event stream, on ${speaks}`, () => {
    const { keep, open } = feeds();
    let server: Feeding;
    let connection: Connection;

    beforeEach(async () => {
      server = await keep(feeding(speaks));
      connection = open(server.url, { ...server.trust, retry: 0 });
      await connection.awaitUp();
    });

    /** A request that is answered with a head. */
    async function ask(
      headers?: Record<string, string>,
      options?: object,
    ): Promise<{ stream: Stream<Connection>; asked: Fed }> {
      const stream = connection.get('/', { ...SSE, ...options });
      const asked = await server.next();
      asked.begin(headers);
      return { stream, asked };
    }

    async function nextEvent(stream: Stream<Connection>): Promise<SseNotice> {
      const notice = await connection.await(stream);
      expect(notice.type).to.equal('sse');
      return notice as SseNotice; // As was said.
    }

    it('comes as one notice an event, and one for the end (sse_SUITE http_clock, http2_clock)', async () => {
      const { stream, asked } = await ask();
      expect(await connection.await(stream)).to.include({ type: 'response', fin: false, status: 200 });
      for (let i = 0; i < 3; i++) {
        void asked.write(`data: at ${i}\n\n`);
        const event = { type: 'message', data: `at ${i}`, lastEventId: '' };
        expect(await nextEvent(stream)).to.deep.equal({ type: 'sse', fin: false, event });
      }
      void asked.write('event: bye\nretry: 10\nid: 7\ndata: 3\ndata: 4\n\ndata: not whole\n');
      asked.end();
      const event = { type: 'bye', data: '3\n4', lastEventId: '7', retry: 10 };
      expect(await nextEvent(stream)).to.deep.equal({ type: 'sse', fin: false, event });
      expect(await nextEvent(stream)).to.deep.equal({ type: 'sse', fin: true });
      expect(stream.state).to.equal('ended');
      await rejects(connection.await(stream), 'ERR_GUNPORT_CLOSED');
    });

    it('tells a lone id, and nothing else with it (sse_SUITE lone_id)', async () => {
      const { stream, asked } = await ask();
      await stream.response();
      void asked.write(': hello\n\nid: 42\n\n');
      expect(await nextEvent(stream)).to.deep.equal({
        type: 'sse',
        fin: false,
        event: { lastEventId: '42' },
      });
      void asked.write('retry: 5\n\n');
      expect(await nextEvent(stream)).to.deep.equal({
        type: 'sse',
        fin: false,
        event: { lastEventId: '42', retry: 5 },
      });
      expect(stream.lastEventId).to.equal('42');
    });

    it('is one with parameters behind its type, in any case (sse_SUITE with_mime_param)', async () => {
      for (const type of [
        'text/event-stream;encoding=UTF-8',
        'Text/Event-Stream ; charset=x',
        'text/event-stream',
      ]) {
        const { stream, asked } = await ask({ 'content-type': type });
        void asked.write('data: x\n\n');
        asked.end();
        expect(await readData(stream.events()), type).to.deep.equal(['x']);
      }
    });

    it('of another type comes as it is, and so without the handler', async () => {
      const cases: [string, object][] = [
        ['text/plain', SSE],
        ['text/event-streams', SSE],
        ['application/x-text/event-stream', SSE],
        ['text/event-stream', { contentHandlers: [] }],
      ];
      for (const [type, options] of cases) {
        const { stream, asked } = await ask({ 'content-type': type }, options);
        void asked.write('data: x\n\n');
        asked.end();
        expect(await stream.text(), type).to.equal('data: x\n\n');
      }
    });

    it('may be asked for by all requests of a connection, which may do without', async () => {
      const all = open(server.url, { ...server.trust, ...SSE });
      const [one, other] = [all.get('/'), all.get('/', { contentHandlers: [] })];
      for (let i = 0; i < 2; i++) {
        const asked = await server.next();
        asked.begin();
        void asked.write('data: x\n\n');
        asked.end();
      }
      expect(await readData(one.events())).to.deep.equal(['x']);
      expect(await other.text()).to.equal('data: x\n\n');
    });

    it('is no body: HEAD, 204 and an empty one have no events', async () => {
      const head = connection.head('/', SSE);
      (await server.next()).end();
      expect(await connection.await(head)).to.include({ type: 'response', fin: true });
      const none = connection.get('/', SSE);
      const asked = await server.next();
      asked.begin({}, 204);
      asked.end();
      expect(await readData(none.events())).to.deep.equal([]);
      const { stream, asked: empty } = await ask();
      empty.end();
      expect(await readData(stream.events())).to.deep.equal([]);
    });

    it('may have trailers, which end it', async () => {
      const { stream, asked } = await ask({ trailer: 'expires' }, { headers: { te: 'trailers' } });
      await stream.response();
      void asked.write('data: x\n\n');
      asked.end({ expires: 'never' });
      expect((await nextEvent(stream)).event?.data).to.equal('x');
      expect(await connection.await(stream)).to.deep.include({
        type: 'trailers',
        headers: Object.assign(Object.create(null), { expires: 'never' }),
      });
    });

    it('that is lost ends with an error, behind the events that had come', async () => {
      const { stream, asked } = await ask();
      await asked.write('data: 1\n\ndata: 2\n\ndata: 3');
      const events = stream.events();
      expect((await events.next()).value?.data).to.equal('1');
      asked.drop();
      expect((await events.next()).value?.data).to.equal('2');
      const error = await events.next().catch((error: unknown) => error);
      expect(error).to.have.property('code').that.is.oneOf(['ERR_GUNPORT_CLOSED', 'ERR_GUNPORT_RESET']);
    });

    it('with an event above maxEventSize fails, it alone', async () => {
      const { stream, asked } = await ask({}, { maxEventSize: 1_000 });
      void asked.write(`data: 1\n\ndata: ${'x'.repeat(2_000)}\n\n`);
      const loop = readData(stream.events());
      expect(await rejects(loop, 'ERR_GUNPORT_TOO_BIG')).to.include({ reason: 1_000 });
      await asked.gone;
      if (speaks === 'http') return;
      const { stream: next, asked: nextAsked } = await ask();
      void nextAsked.write('data: y\n\n');
      nextAsked.end();
      expect(await readData(next.events())).to.deep.equal(['y']);
      expect(connection.attempt).to.equal(1);
    });

    it('goes to a replyTo port', async () => {
      const { port1, port2 } = new MessageChannel();
      const { asked } = await ask({}, { replyTo: port1 });
      const reply = receiveReply(port2);
      void asked.write(numbered(0, 3));
      asked.end();
      expect(await readData(reply.events())).to.deep.equal(['0', '1', '2']);
      expect(reply.lastEventId).to.equal('2');
    });

    it('goes to a replyTo port that is read by hand, several events in a message', async () => {
      const { port1, port2 } = new MessageChannel();
      const { asked } = await ask({}, { replyTo: port1 });
      const events: unknown[] = [];
      port2.on('message', (message) => events.push(...(message.events ?? [])));
      void asked.write('id: 1\ndata: x\n\nid: 2\n\n');
      asked.end();
      await once(port2, 'close');
      expect(events).to.deep.equal([{ type: 'message', data: 'x', lastEventId: '1' }, { lastEventId: '2' }]);
    });

    it('comes to fetch() as it is', async () => {
      const all = open(server.url, { ...server.trust, ...SSE });
      const fetching = all.fetch('/');
      const asked = await server.next();
      asked.begin();
      void asked.write('data: x\n\n');
      asked.end();
      expect(await (await fetching).text()).to.equal('data: x\n\n');
    });

    describe('in a loop', () => {
      it('is left by break, and goes on with the next one', async () => {
        const { stream, asked } = await ask();
        void asked.write(numbered(0, 5));
        expect(await readData(stream.events(), 2)).to.deep.equal(['0', '1']);
        expect(await readData(stream.events(), 1)).to.deep.equal(['2']);
        expect(stream.lastEventId).to.equal('2');
        void asked.write(numbered(5, 6));
        asked.end();
        expect(await readData(stream.events())).to.deep.equal(['3', '4', '5']);
        expect(await readData(stream.events())).to.deep.equal([]);
      });

      it('loses nothing when it is left while it waits', async () => {
        const { stream, asked } = await ask();
        const events = stream.events();
        const pending = events.next();
        await rejects(events.next(), 'ERR_GUNPORT_READING');
        await events.return?.();
        expect(await pending).to.deep.equal({ value: undefined, done: true });
        void asked.write(numbered(0, 1));
        expect(await readData(stream.events(), 1)).to.deep.equal(['0']);
      });

      it('is one way of reading at a time', async () => {
        const { stream } = await ask();
        stream.events();
        expect(() => stream.events())
          .to.throw()
          .with.property('code', 'ERR_GUNPORT_READING');
        expect(() => stream[Symbol.asyncIterator]())
          .to.throw()
          .with.property('code', 'ERR_GUNPORT_READING');
        await rejects(stream.text(), 'ERR_GUNPORT_READING');
      });

      it('of what has no events throws, and leaves the body to be read', async () => {
        for (const wait of [false, true]) {
          const { stream, asked } = await ask({ 'content-type': 'text/html' });
          const write = (): void => {
            void asked.write('<p>');
            asked.end();
          };
          const loop = wait ? readData(stream.events()) : undefined;
          write();
          if (!wait) while (stream.state !== 'ended') await connection.info();
          const error = await rejects(loop ?? readData(stream.events()), 'ERR_GUNPORT_NO_EVENTS');
          expect(error).to.deep.include({ status: 200 });
          expect(await stream.text()).to.equal('<p>');
        }
      });

      it('passes lone ids over, and remembers them', async () => {
        const { stream, asked } = await ask();
        void asked.write('id: 1\n\ndata: x\n\nid: 2\n\n');
        asked.end();
        expect(await readData(stream.events())).to.deep.equal(['x']);
        expect(stream.lastEventId).to.equal('2');
      });
    });

    it('counts its events for flow (flow_SUITE sse_flow_http, sse_flow_http2)', async () => {
      const { stream, asked } = await ask({}, { flow: 1 });
      await stream.response();
      void asked.write(numbered(0, 10));
      asked.end();
      expect((await nextEvent(stream)).event?.data).to.equal('0');
      await nothingMore(connection, stream);
      connection.updateFlow(stream, 2);
      for (const data of ['1', '2']) expect((await nextEvent(stream)).event?.data).to.equal(data);
      await nothingMore(connection, stream);
      stream.updateFlow(100);
      expect(await readData(stream.events())).to.deep.equal(['3', '4', '5', '6', '7', '8', '9']);
    });

    it('gives what waits for flow before its error', async () => {
      const { stream, asked } = await ask({}, { flow: 1, requestTimeout: 500 });
      await stream.response();
      void asked.write(numbered(0, 3));
      for (const data of ['0', '1', '2']) expect((await nextEvent(stream)).event?.data).to.equal(data);
      expect((await rejects(connection.await(stream), 'ERR_GUNPORT_TIMEOUT')).reason).to.equal(
        'requestTimeout',
      );
    });

    it('that nobody reads holds its server back, in bytes of small events too, and loses nothing', async () => {
      const { stream, asked } = await ask();
      let sent = 0;
      let events = 0;
      const pump = (async () => {
        for (; sent < 16 * MiB; events += 500) {
          const text = numbered(events, events + 500, FILLER);
          sent += text.length;
          await asked.write(text);
        }
        asked.end();
      })();
      const stuck = await atRest(connection, () => sent);
      expect(stuck).to.be.below(12 * MiB);
      expect(stream.state).to.equal('answered');
      let next = 0;
      for await (const { data } of stream.events()) {
        if (data !== next + FILLER) expect(data).to.equal(next + FILLER);
        next++;
      }
      await pump;
      expect(next).to.equal(events);
    });
  });
}

describe('an event stream that is pushed', () => {
  const { keep, open } = feeds();

  it('has the handlers of the request that it comes with, or of the connection', async () => {
    const server = await keep(feeding('h2c'));
    for (const [options, own] of [
      [SSE, {}],
      [{}, SSE],
    ]) {
      const connection = open(server.url, { ...server.trust, push: true, ...options });
      const stream = connection.get('/', own);
      const asked = await server.next();
      const pushed = await asked.push('/pushed');
      pushed.begin();
      void pushed.write(numbered(0, 2));
      pushed.end();
      asked.begin();
      asked.end();
      const notice = await connection.await(stream);
      if (notice.type !== 'push') throw new Error(`it is a ${notice.type}`);
      expect(await readData((notice.stream as Stream<Connection>).events())).to.deep.equal(['0', '1']);
    }
  });
});

describe('an event stream of a server that closes', () => {
  const { keep, open } = feeds();

  it('is read to its end (sse_SUITE http_clock_close)', async () => {
    const server = await keep(feeding('http'));
    const connection = open(server.url, { closingTimeout: 1_000 });
    const stream = connection.get('/', SSE);
    const asked = await server.next();
    asked.begin({ connection: 'close' });
    for (let i = 0; i < 3; i++) void asked.write(numbered(i, i + 1));
    const events = stream.events();
    for (let i = 0; i < 3; i++)
      expect((await events.next()).value).to.include({ type: 'message', data: `${i}` });
    asked.end();
    expect(await events.next()).to.deep.equal({ value: undefined, done: true });
  });
});
