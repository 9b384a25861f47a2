// deadlines.test — what ends a request before its answer does: its own deadlines, and its AbortSignal.
// That a deadline has not passed is told by another one, longer, of the same connection, which has.

import { getEventListeners } from 'node:events';
import { constants } from 'node:http2';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type Connection, receiveOwnership, type Stream, type TimeoutOptions } from '../../lib/index.ts';
import { type Cowboy, cowboy } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import { repliesAt } from '../support/mortal.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';
import { type Answering, ROADS, stageOn } from '../support/roads.ts';

const { NGHTTP2_CANCEL } = constants;

/** An answer in one piece. */
function answer(answering: Answering, body = 'Hello world!'): void {
  answering.begin();
  void answering.write(body);
  answering.end();
}

/** What a stream ends with, whatever came before. */
async function lateBy(connection: Connection, stream: Stream<Connection>): Promise<unknown> {
  const error = await rejects(
    (async () => {
      for (;;) await connection.await(stream);
    })(),
    'ERR_GUNPORT_TIMEOUT',
  );
  expect(error).to.include({ name: 'TimeoutError', phase: 'timeout' });
  return error.reason;
}

/** Another request of the connection has waited for this long, with no answer. */
async function pass(connection: Connection, requestTimeout: number): Promise<void> {
  const stream = connection.get('/clock', { requestTimeout });
  expect(await lateBy(connection, stream)).to.equal('requestTimeout');
}

for (const road of ROADS) {
  describe(`a deadline of a request, on ${road}`, () => {
    const kit = feeds();

    /** A request that ends late, beside one that does not. */
    async function late(
      deadline: TimeoutOptions,
      say: (answering: Answering) => void = () => {},
    ): Promise<unknown> {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/late', deadline);
      const sibling = connection.get('/sibling');
      const [first, second] = [await next(), await next()];
      say(first);
      const reason = await lateBy(connection, stream);
      if (road === 'HTTP/2') expect(await first.reset).to.equal(NGHTTP2_CANCEL);
      else {
        // It comes late, and is read past.
        if (!deadline.idleTimeout) first.begin();
        void first.write('nobody reads this');
        first.end();
      }
      answer(second);
      expect(await sibling.text()).to.equal('Hello world!');
      expect(await connection.streamInfo(stream)).to.equal(undefined);
      expect(connection).to.include({ status: 'up', attempt: 1 });
      return reason;
    }

    async function cowboyOn(): Promise<{ connection: Connection; server: Cowboy }> {
      const server = await kit.keep(cowboy(road === 'HTTP/2' ? 'h2c' : 'http'));
      const connection = kit.open(server.url, server.trust);
      await connection.awaitUp();
      return { connection, server };
    }

    it('is for all of it: requestTimeout', async () => {
      expect(await late({ requestTimeout: 200 })).to.equal('requestTimeout');
    });

    it('is for the head of its answer: headersTimeout', async () => {
      expect(await late({ headersTimeout: 200 })).to.equal('headersTimeout');
    });

    it('is for the next part of its body: idleTimeout', async () => {
      const begin = (answering: Answering): void => {
        answering.begin();
        void answering.write('Hello');
      };
      expect(await late({ idleTimeout: 30 }, begin)).to.equal('idleTimeout');
    });

    it('that is for all of it passes while parts come', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/', { requestTimeout: 60 });
      const answering = await next();
      answering.begin();
      let reason: unknown;
      const done = lateBy(connection, stream).then((passed) => (reason = passed));
      while (reason === undefined) {
        void answering.write('more');
        await connection.info();
      }
      expect(await done).to.equal('requestTimeout');
    });

    it('can be that of its connection, or 0: none', async () => {
      const { connection, next } = await stageOn(road, kit, { headersTimeout: 30 });
      const patient = connection.get('/patient', { headersTimeout: 0 });
      const first = await next();
      expect(await lateBy(connection, connection.get('/late'))).to.equal('headersTimeout');
      answer(first);
      expect(await patient.text()).to.equal('Hello world!');
    });

    it('for the head stands still while its own body goes out', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.post('/', { headersTimeout: 30 });
      await next();
      stream.data('nofin', 'Hello');
      await pass(connection, 100);
      expect(stream.state).to.equal('requested');
      stream.data('fin');
      expect(await lateBy(connection, stream)).to.equal('headersTimeout');
    });

    it('is put off without its others', async () => {
      const { connection, next } = await stageOn(road, kit);
      const upload = connection.post('/', { headersTimeout: 20, requestTimeout: 100 });
      await next();
      expect(await lateBy(connection, upload)).to.equal('requestTimeout');
    });

    it('for the next part stands still while its owner does not read', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/', { flow: 1, idleTimeout: 100 });
      const answering = await next();
      answering.begin();
      await answering.write('Hello ');
      await stream.response();
      expect((await connection.await(stream)).type).to.equal('data');
      await pass(connection, 250);
      void answering.write('world!');
      answering.end();
      stream.updateFlow(10);
      expect(await stream.text()).to.equal('world!');
    });

    it('for the next part stands still while its owner takes none of many (F1)', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/', { idleTimeout: 250 });
      const answering = await next();
      const size = 16 * 1024 * 1024;
      const send = async (): Promise<void> => {
        answering.begin();
        for (let sent = 0; sent < size; sent += 65_536) await answering.write(new Uint8Array(65_536));
        answering.end();
      };
      const sent = send();
      await pass(connection, 550);
      expect(await stream.bytes()).to.have.lengthOf(size);
      await sent;
    });

    it('that passes while its own body goes out ends that too, and others are served', async () => {
      const { connection, server } = await cowboyOn();
      const stream = connection.post('/echo', { requestTimeout: 30 });
      stream.data('nofin', 'Hello');
      expect(await lateBy(connection, stream)).to.equal('requestTimeout');
      expect(() => stream.data('nofin', 'world'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_TIMEOUT');
      expect(stream.bufferedAmount).to.equal(0);
      expect(await connection.get('/').text()).to.equal('Hello world!');
      expect(server.requests).to.deep.equal(['POST /echo', 'GET /']);
    });

    it('is told where its answer goes (gun’s reply_to)', async () => {
      const { connection, next } = await stageOn(road, kit);
      const { port1, port2 } = new MessageChannel();
      const replies = repliesAt(port2);
      connection.get('/', { replyTo: port1, requestTimeout: 30 });
      await next();
      expect(await replies).to.have.lengthOf(1);
      expect((await replies)[0])
        .to.have.property('error')
        .that.includes({ code: 'ERR_GUNPORT_TIMEOUT', reason: 'requestTimeout' });
    });

    it('counts again once it is read again', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/', { flow: 1, idleTimeout: 30 });
      const answering = await next();
      answering.begin();
      await answering.write('Hello ');
      await stream.response();
      expect((await connection.await(stream)).type).to.equal('data');
      await pass(connection, 60);
      stream.updateFlow(1);
      expect(await lateBy(connection, stream)).to.equal('idleTimeout');
    });
  });

  describe(`an AbortSignal of a request, on ${road}`, () => {
    const kit = feeds();

    it('that is aborted already lets nothing be sent', async () => {
      const { connection, next } = await stageOn(road, kit);
      const why = new Error('too late');
      const stream = connection.post('/never', { body: 'x', signal: AbortSignal.abort(why) });
      const error = await rejects(connection.await(stream), 'ERR_GUNPORT_ABORTED');
      expect(error).to.include({ name: 'TimeoutError', phase: 'aborted' });
      expect(error.cause).to.equal(why);
      expect(stream.state).to.equal('ended');
      connection.get('/next');
      expect((await next()).path).to.equal('/next');
    });

    it('ends it before its answer, and its sibling goes on', async () => {
      const { connection, next } = await stageOn(road, kit);
      const why = new Error('enough');
      const abort = new AbortController();
      const stream = connection.get('/', { signal: abort.signal });
      const sibling = connection.get('/sibling');
      const [first, second] = [await next(), await next()];
      const failed = rejects(connection.await(stream), 'ERR_GUNPORT_ABORTED');
      abort.abort(why);
      expect((await failed).cause).to.equal(why);
      if (road === 'HTTP/2') expect(await first.reset).to.equal(NGHTTP2_CANCEL);
      else answer(first, 'nobody reads this');
      answer(second);
      expect(await sibling.text()).to.equal('Hello world!');
      expect(getEventListeners(abort.signal, 'abort')).to.have.lengthOf(0);
    });

    it('ends it in the midst of its answer', async () => {
      const { connection, next } = await stageOn(road, kit);
      const abort = new AbortController();
      const stream = connection.get('/', { signal: abort.signal });
      const answering = await next();
      answering.begin();
      void answering.write('Hello');
      const chunks = stream[Symbol.asyncIterator]();
      expect((await chunks.next()).value).to.have.lengthOf(5);
      const failed = rejects(chunks.next(), 'ERR_GUNPORT_ABORTED');
      abort.abort();
      await failed;
      if (road === 'HTTP/2') expect(await answering.reset).to.equal(NGHTTP2_CANCEL);
    });

    it('means nothing once it has ended', async () => {
      const { connection, next } = await stageOn(road, kit);
      const abort = new AbortController();
      const stream = connection.get('/', { signal: abort.signal });
      answer(await next());
      await stream.response();
      while (stream.state !== 'ended') await connection.info();
      expect(getEventListeners(abort.signal, 'abort')).to.have.lengthOf(0);
      abort.abort();
      expect(await stream.text()).to.equal('Hello world!');
    });

    it('is let go of, however its requests end', async () => {
      const { connection, next } = await stageOn(road, kit);
      const { signal } = new AbortController();
      const warnings: Error[] = [];
      const onWarning = (warning: Error): void => void warnings.push(warning);
      process.on('warning', onWarning);
      const many = Array.from({ length: 20 }, (_, i) => connection.get(`/${i}`, { signal }));
      for (const stream of many) {
        answer(await next());
        await stream.bytes();
      }
      connection.get('/', { signal }).cancel();
      expect(await lateBy(connection, connection.get('/', { signal, requestTimeout: 1 }))).to.be.a('string');
      expect(getEventListeners(signal, 'abort')).to.have.lengthOf(0);
      const lost = connection.get('/lost', { signal });
      await connection.close();
      await rejects(
        connection.await(lost).then(() => connection.await(lost)),
        'ERR_GUNPORT_CLOSED',
      );
      expect(getEventListeners(signal, 'abort')).to.have.lengthOf(0);
      process.off('warning', onWarning);
      expect(warnings).to.deep.equal([]);
    });

    it('stays behind in a hand-over, and means nothing there any more', async () => {
      const { connection, next } = await stageOn(road, kit);
      const abort = new AbortController();
      connection.get('/', { signal: abort.signal });
      const answering = await next();
      const { port1, port2 } = new MessageChannel();
      const received = receiveOwnership(port2);
      await connection.transferOwnership(port1);
      port1.close();
      const { connection: mine, stream } = await received;
      expect(getEventListeners(abort.signal, 'abort')).to.have.lengthOf(0);
      abort.abort();
      answer(answering);
      expect(await (stream as Stream<Connection>).text()).to.equal('Hello world!');
      await mine.close();
    });

    it('of one await leaves the request alone', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/');
      const abort = new AbortController();
      const failed = rejects(connection.await(stream, { signal: abort.signal }), 'ERR_GUNPORT_ABORTED');
      const answering = await next();
      abort.abort();
      await failed;
      expect(getEventListeners(abort.signal, 'abort')).to.have.lengthOf(0);
      answer(answering);
      expect(await stream.text()).to.equal('Hello world!');
    });
  });
}

describe('a deadline of a request that is not sent yet', () => {
  const { keep, open } = feeds();

  it('passes while its connection dials', async () => {
    const server = await keep(origin());
    const connection = open(server.url.replace('http', 'https'), { requestTimeout: 30 });
    expect(await lateBy(connection, connection.get('/'))).to.equal('requestTimeout');
    expect(connection.status).to.equal('connecting');
  });

  it('passes while it waits behind another, and it never is', async () => {
    const server = await keep(origin());
    const connection = open(server.url, { pipelining: 1 });
    const first = connection.get('/1');
    const late = connection.get('/2', { requestTimeout: 30 });
    const third = connection.get('/3');
    const talk = await server.next();
    await talk.request();
    expect(await lateBy(connection, late)).to.equal('requestTimeout');
    await talk.answer(200, 'one');
    expect(await first.text()).to.equal('one');
    expect((await talk.request()).path).to.equal('/3');
    await talk.answer(200, 'three');
    expect(await third.text()).to.equal('three');
  });
});
