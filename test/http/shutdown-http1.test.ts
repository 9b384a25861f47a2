// shutdown-http1.test — how a connection that is not up, or speaks HTTP/1.1, ends politely: by shutdown(), or with its
// owner. The server answers only when the test says so: what must have happened before that is awaited before it.

import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { Connection, OpenOptions, Stream } from '../../lib/index.ts';
import { downOf } from '../support/downs.ts';
import { feeds } from '../support/feeds.ts';
import { DEATHS, heardOfIt, mortals, repliesAt } from '../support/mortal.ts';
import { origin, type Talk } from '../support/origin.ts';
import { refusing } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';

describe('a connection that is not up', () => {
  const { keep, open } = feeds();
  const mortalOwner = mortals();

  it('is shut down while it dials, and what waits for it fails (shutdown_SUITE not_connected_gun_shutdown)', async () => {
    const server = await keep(origin());
    const connection = open(server.url.replace('http', 'https'));
    const stream = connection.get('/');
    const talk = await server.next();
    const down = downOf(connection);
    const failed = rejects(connection.await(stream), 'ERR_GUNPORT_CLOSED');
    await connection.shutdown();
    expect((await down).kind).to.equal('shutdown');
    expect((await failed).reason).to.equal('shutdown');
    await talk.closed;
  });

  it('is shut down while it waits to try again (shutdown_SUITE not_connected_gun_shutdown)', async () => {
    const { url } = await refusing();
    const connection = open(url.replace('ws', 'http'), { retryTimeout: 60_000 });
    const down = downOf(connection);
    while (!connection.lastError) await connection.info();
    await connection.shutdown();
    expect((await down).kind).to.equal('shutdown');
  });

  for (const { how, twin, die } of DEATHS) {
    it(`ends while it waits to try again, when its owner ${how} (shutdown_SUITE not_connected_${twin})`, async () => {
      const server = await keep(origin());
      const connection = open(server.url, { retryTimeout: 60_000 });
      await connection.awaitUp();
      const lost = once(connection, 'down');
      await server.close();
      await lost;
      const { down } = connection.monitor({ keep: true });
      const owner = await mortalOwner(connection);
      void die(owner);
      expect((await down)?.reason.kind).to.equal('owner-gone');
      await owner.gone;
    });
  }

  it('ends while it dials, when the thread that opened it is gone (shutdown_SUITE not_connected_owner_down_error)', async () => {
    const server = await keep(origin());
    const owner = new TestThread();
    const dials = (here: Parameters<Parameters<TestThread['run']>[0]>[0], url: string): void =>
      void here.owned.add(here.gunport.open(url));
    await owner.run(dials, server.url.replace('http', 'https'));
    const talk = await server.next();
    expect(talk.number).to.equal(1);
    await owner.kill();
    await talk.closed;
    expect(talk.socket.destroyed).to.equal(true);
  });
});

describe('shutdown() of an HTTP/1.1 connection', () => {
  const { keep, open } = feeds();

  /** A connection with so many requests, of which the server has the heads. */
  async function asked(
    count: number,
    options: OpenOptions = {},
  ): Promise<{
    connection: Connection;
    talk: Talk;
    first: Stream<Connection>;
    others: Stream<Connection>[];
  }> {
    const server = await keep(origin());
    const connection = open(server.url, options);
    const streams = Array.from({ length: count }, (_, i) => connection.get(`/${i + 1}`));
    const [first = connection.get('/1'), ...others] = streams;
    const talk = await server.next();
    for (let i = 0; i < Math.max(count, 1); i++) await talk.request();
    return { connection, talk, first, others };
  }

  it('closes at once where nothing was asked (shutdown_SUITE http1_gun_shutdown_no_streams)', async () => {
    const server = await keep(origin());
    const connection = open(server.url);
    await connection.awaitUp();
    const down = downOf(connection);
    await connection.shutdown();
    expect(connection.status).to.equal('dead');
    expect((await down).kind).to.equal('shutdown');
    await (await server.next()).ended;
    expect(() => connection.get('/'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_DOWN');
  });

  it('closes at once between two requests (shutdown_SUITE http1_gun_shutdown_no_streams)', async () => {
    const { connection, talk, first } = await asked(1);
    await talk.answer(200, 'Hello world!');
    expect(await first.text()).to.equal('Hello world!');
    const down = downOf(connection);
    await connection.shutdown();
    expect((await down).kind).to.equal('shutdown');
    await talk.ended;
  });

  it('lets the answer come to its end (shutdown_SUITE http1_gun_shutdown_one_stream)', async () => {
    const { connection, talk, first } = await asked(1);
    const down = downOf(connection);
    const ended = connection.shutdown();
    await connection.info();
    await talk.answer(200, 'Hello world!');
    expect((await first.response()).status).to.equal(200);
    expect(await first.text()).to.equal('Hello world!');
    await ended;
    expect((await down).kind).to.equal('shutdown');
    await talk.ended;
  });

  for (const isolated of [true, false]) {
    it(`lets the answer to what was just asked come, ${isolated ? 'in a new thread' : 'before anything else'}`, async () => {
      const server = await keep(origin());
      const connection = open(server.url, { isolated });
      await connection.awaitUp();
      const stream = connection.get('/');
      const ended = connection.shutdown();
      const late = rejects(connection.await(connection.get('/late')), 'ERR_GUNPORT_CLOSING');
      const talk = await server.next();
      await talk.request();
      await talk.answer(200, 'Hello world!');
      expect(await stream.text()).to.equal('Hello world!');
      await Promise.all([ended, late]);
    });
  }

  it('lets an answer whose body has begun come to its end', async () => {
    const { connection, talk, first } = await asked(1);
    await talk.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n');
    await first.response();
    const ended = connection.shutdown();
    await connection.info();
    await talk.write('7\r\n world!\r\n0\r\nexpires: never\r\n\r\n');
    expect(await first.text()).to.equal('Hello world!');
    expect(first.trailers).to.deep.include({ expires: 'never' });
    await ended;
    await talk.ended;
  });

  it('lets the body of a request go out, and its answer come', async () => {
    const server = await keep(origin());
    const connection = open(server.url);
    const stream = connection.post('/', { headers: { 'content-length': '12' } });
    stream.data('nofin', 'Hello ');
    const talk = await server.next();
    await talk.request();
    const ended = connection.shutdown();
    await connection.info();
    stream.data('fin', 'world!');
    expect((await talk.body()).text).to.equal('Hello world!');
    await talk.answer(200, 'Thanks');
    expect(await stream.text()).to.equal('Thanks');
    await ended;
  });

  it('fails pipelined requests at once, and new ones (shutdown_SUITE http1_gun_shutdown_pipelined_streams)', async () => {
    const { connection, talk, first, others } = await asked(3);
    const down = downOf(connection);
    const ended = connection.shutdown();
    for (const stream of [...others, connection.get('/late')]) {
      const error = await rejects(connection.await(stream), 'ERR_GUNPORT_CLOSING');
      expect(error).to.include({ reason: 'shutdown', name: 'StreamError' });
    }
    await talk.answer(200, 'Hello world!');
    expect(await first.text()).to.equal('Hello world!');
    await ended;
    expect((await down).kind).to.equal('shutdown');
    await talk.ended;
    expect(talk.raw).not.to.contain('/late');
  });

  it('fails requests that wait for their turn to be sent', async () => {
    const server = await keep(origin());
    const connection = open(server.url, { pipelining: 1 });
    const [first, second] = [connection.get('/1'), connection.get('/2')];
    const talk = await server.next();
    await talk.request();
    const ended = connection.shutdown();
    const error = await rejects(connection.await(second), 'ERR_GUNPORT_CLOSING');
    expect(error.reason).to.equal('shutdown');
    await talk.answer(200, 'Hello world!');
    expect(await first.text()).to.equal('Hello world!');
    await ended;
    expect(talk.raw).not.to.contain('/2');
  });

  it('ends what takes longer than closingTimeout (shutdown_SUITE http1_gun_shutdown_timeout)', async () => {
    const { connection, talk, first } = await asked(1, { closingTimeout: 50 });
    const down = downOf(connection);
    const ended = connection.shutdown();
    const error = await rejects(connection.await(first), 'ERR_GUNPORT_CLOSED');
    expect(error.reason).to.equal('shutdown');
    await ended;
    expect((await down).kind).to.equal('shutdown');
    await talk.closed;
  });

  it('waits for no answer that nobody wants', async () => {
    const { connection, talk, first } = await asked(1);
    const down = downOf(connection);
    first.cancel();
    await connection.shutdown();
    await talk.closed;
    expect((await down).kind).to.equal('shutdown');
  });

  it('is followed by no retry, whatever becomes of the socket', async () => {
    const { connection, talk, first } = await asked(1, { retry: 5 });
    const down = downOf(connection);
    const ended = connection.shutdown();
    const failed = rejects(connection.await(first), 'ERR_GUNPORT_CLOSED');
    await connection.info();
    talk.reset();
    await failed;
    await ended;
    expect((await down).kind).to.equal('shutdown');
    expect(connection.attempt).to.equal(1);
  });

  it('may be called again, and after the end', async () => {
    const { connection, talk, first } = await asked(1);
    const down = downOf(connection);
    const ended = Promise.all([connection.shutdown(), connection.shutdown()]);
    await connection.info();
    await talk.answer(200, 'Hello world!');
    expect(await first.text()).to.equal('Hello world!');
    await ended;
    expect((await down).kind).to.equal('shutdown');
    await connection.shutdown();
  });

  it('is cut short by close(), and by nothing else', async () => {
    const { connection, talk, first } = await asked(1);
    const failed = rejects(connection.await(first), 'ERR_GUNPORT_CLOSED');
    const ended = connection.shutdown();
    await connection.info();
    expect(connection.status).to.equal('closing');
    const { port1 } = new MessageChannel();
    await rejects(connection.transferOwnership(port1), 'ERR_GUNPORT_CLOSING');
    port1.close();
    await Promise.all([connection.close(), ended]);
    expect((await failed).reason).to.equal('shutdown');
    await talk.closed;
  });

  it('ends a connection that closes already, which does not come back (shutdown_SUITE closing_gun_shutdown)', async () => {
    const { connection, talk, first } = await asked(1, { retry: 5 });
    await talk.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 12\r\n\r\nHello ');
    await first.response();
    const down = downOf(connection);
    const ended = connection.shutdown();
    await connection.info();
    await talk.write('world!');
    expect(await first.text()).to.equal('Hello world!');
    await ended;
    expect((await down).kind).to.equal('shutdown');
    expect(connection.attempt).to.equal(1);
  });
});

describe('an HTTP/1.1 connection whose owner is gone', () => {
  const { keep, open } = feeds();
  const mortalOwner = mortals();

  for (const { how, twin, die } of DEATHS) {
    it(`ends at once where nothing was asked: it ${how} (shutdown_SUITE http1_${twin})`, async () => {
      const server = await keep(origin());
      const connection = open(server.url);
      await connection.awaitUp();
      const { down } = connection.monitor({ keep: true });
      const owner = await mortalOwner(connection);
      void die(owner);
      expect((await down)?.reason.kind).to.equal('owner-gone');
      await (await server.next()).ended;
      await owner.gone;
    });

    it(`fails pipelined requests and lets the current answer come: it ${how} (shutdown_SUITE http1_${twin})`, async () => {
      const server = await keep(origin());
      const connection = open(server.url);
      const [current, ...pipelined] = ['/1', '/2', '/3'].map((path) => {
        const { port1, port2 } = new MessageChannel();
        connection.get(path, { replyTo: port1 });
        return repliesAt(port2);
      });
      const talk = await server.next();
      for (let i = 0; i < 3; i++) await talk.request();
      const { down } = connection.monitor({ keep: true });
      const owner = await mortalOwner(connection);
      void die(owner);
      for (const replies of await Promise.all(pipelined)) {
        expect(replies).to.have.lengthOf(1);
        expect(replies[0]).to.have.property('error').that.includes({
          code: 'ERR_GUNPORT_CLOSING',
          reason: 'owner-gone',
        });
      }
      await talk.answer(200, 'Hello world!');
      expect((await current)?.map(({ type }) => type)).to.deep.equal(['response', 'data']);
      expect((await down)?.reason.kind).to.equal('owner-gone');
      await talk.ended;
      await owner.gone;
    });
  }

  it('says so although it was shut down before: the last reason counts (shutdown_SUITE closing_owner_down, _error)', async () => {
    const server = await keep(origin());
    const connection = open(server.url);
    const witness = open(server.url);
    connection.get('/');
    const talk = await server.next();
    await talk.request();
    const { down } = connection.monitor({ keep: true });
    const owner = await mortalOwner(connection);
    await owner.run(async (here) => {
      for (const one of here.owned) {
        void one.shutdown();
        await one.info();
      }
    });
    await owner.kill();
    await heardOfIt(witness);
    await talk.answer(200, 'Hello world!');
    expect((await down)?.reason.kind).to.equal('owner-gone');
  });
});
