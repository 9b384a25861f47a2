// shutdown-http2.test — how a connection of HTTP/2 ends politely: by shutdown(), with its owner, or by the server's
// GOAWAY. The server answers only when the test says so: what must have happened before that is awaited before it.

import { once } from 'node:events';
import { constants } from 'node:http2';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { Connection, LostNotice, OpenOptions, Stream } from '../../lib/index.ts';
import { downOf } from '../support/downs.ts';
import { feeds } from '../support/feeds.ts';
import * as h2 from '../support/h2frames.ts';
import { type H2Talk, h2origin } from '../support/h2origin.ts';
import { DEATHS, heardOfIt, mortals, repliesAt } from '../support/mortal.ts';
import { rejects } from '../support/rejects.ts';
import { type Asked, type Sessions, sessions } from '../support/sessions.ts';

const { NGHTTP2_NO_ERROR } = constants;

/** A connection with requests under way: the server has each. */
interface Scene {
  readonly server: Sessions;
  readonly connection: Connection;
  readonly streams: readonly Stream<Connection>[];
  readonly asked: readonly Asked[];
}

describe('shutdown() of an HTTP/2 connection', () => {
  const { keep, open } = feeds();
  const mortalOwner = mortals();

  async function scene(count: number, options: OpenOptions = {}): Promise<Scene> {
    const server = await keep(sessions());
    const connection = open(server.url, { ...server.trust, ...options });
    await connection.awaitUp();
    const streams = Array.from({ length: count }, (_, i) => connection.get(`/${i + 1}`));
    const asked: Asked[] = [];
    for (let i = 0; i < count; i++) asked.push(await server.next());
    return { server, connection, streams, asked };
  }

  for (const [count, twin] of [
    [0, 'no_streams'],
    [1, 'one_stream'],
    [3, 'many_streams'],
  ] as const) {
    it(`says GOAWAY and lets ${count} answers come (RFC 9113 §6.8, shutdown_SUITE http2_gun_shutdown_${twin})`, async () => {
      const { server, connection, streams, asked } = await scene(count);
      const down = downOf(connection);
      const ended = connection.shutdown();
      expect(await server.goodbye).to.equal(NGHTTP2_NO_ERROR);
      for (const one of asked) one.answer(`Hello ${one.path}`);
      for (const stream of streams) expect(await stream.text()).to.equal(`Hello ${stream.path}`);
      await ended;
      expect(connection.status).to.equal('dead');
      expect((await down).kind).to.equal('shutdown');
    });
  }

  it('lets the answers to what was just asked come: GOAWAY stands behind it', async () => {
    const { server, connection } = await scene(0);
    const streams = ['/1', '/2', '/3'].map((path) => connection.get(path));
    const ended = connection.shutdown();
    for (const stream of streams) {
      (await server.next()).answer(`Hello ${stream.path}`);
      expect(await stream.text()).to.equal(`Hello ${stream.path}`);
    }
    await ended;
  });

  it('lets bodies that have begun come and go', async () => {
    const { server, connection, streams, asked } = await scene(1);
    asked[0]?.stream.respond({ ':status': 200 });
    asked[0]?.stream.write('Hello ');
    await streams[0]?.response();
    const upload = connection.headers('POST', '/upload');
    upload.data('nofin', 'Hello ');
    const { stream } = await server.next();
    const ended = connection.shutdown();
    await server.goodbye;
    upload.data('fin', 'you!');
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part);
    expect(Buffer.concat(parts).toString()).to.equal('Hello you!');
    stream.respond({ ':status': 204 }, { endStream: true });
    expect((await upload.response()).status).to.equal(204);
    asked[0]?.stream.end('world!');
    expect(await streams[0]?.text()).to.equal('Hello world!');
    await ended;
  });

  it('fails new requests', async () => {
    const { connection, streams, asked } = await scene(1);
    const ended = connection.shutdown();
    const error = await rejects(connection.await(connection.get('/late')), 'ERR_GUNPORT_CLOSING');
    expect(error).to.include({ reason: 'shutdown', name: 'StreamError' });
    asked[0]?.answer();
    expect(await streams[0]?.text()).to.equal('Hello world!');
    await ended;
  });

  it('fails what waits for its turn to be sent', async () => {
    const server = await keep(sessions({ settings: { maxConcurrentStreams: 1 } }));
    const connection = open(server.url, server.trust);
    await connection.awaitUp();
    const [first, second] = [connection.get('/1'), connection.get('/2')];
    const asked = await server.next();
    const ended = connection.shutdown();
    const error = await rejects(connection.await(second), 'ERR_GUNPORT_CLOSING');
    expect(error.reason).to.equal('shutdown');
    asked.answer();
    expect(await first.text()).to.equal('Hello world!');
    await ended;
  });

  it('ends what takes longer than closingTimeout (shutdown_SUITE http2_gun_shutdown_timeout)', async () => {
    const { server, connection, streams } = await scene(2, { closingTimeout: 50 });
    const down = downOf(connection);
    const ended = connection.shutdown();
    for (const stream of streams) {
      const error = await rejects(connection.await(stream), 'ERR_GUNPORT_CLOSED');
      expect(error.reason).to.equal('shutdown');
    }
    await ended;
    expect((await down).kind).to.equal('shutdown');
    const [session] = server.all;
    if (session && !session.destroyed) await once(session, 'close');
  });

  it('delivers no push that comes after it (shutdown_SUITE http2_gun_shutdown_ignore_push_promise)', async () => {
    const server = await keep(h2origin());
    const connection = open(server.url, { ...server.options, push: true });
    await connection.awaitUp();
    const stream = connection.get('/');
    const talk = await server.next();
    const { stream: id } = await talk.request();
    const ended = connection.shutdown();
    await talk.next('goaway');
    const place = { ':scheme': 'http', ':authority': new URL(server.url).host };
    const promised = { ':method': 'GET', ...place, ':path': '/pushed' };
    talk.send(h2.promise(id, 2, promised));
    expect((await talk.next('reset', 2)).code).to.equal('CANCEL');
    talk.answer(id, 200, 'Hello world!');
    const types: string[] = [];
    for (let fin = false; !fin; ) {
      const notice = await connection.await(stream);
      types.push(notice.type);
      fin = 'fin' in notice && notice.fin;
    }
    expect(types).to.deep.equal(['response', 'data']);
    expect([...connection.streams.keys()]).to.deep.equal([stream.id]);
    await ended;
  });

  it('waits for no answer that nobody wants', async () => {
    const { connection, streams, asked } = await scene(1);
    const down = downOf(connection);
    streams[0]?.cancel();
    await connection.shutdown();
    await asked[0]?.closed;
    expect((await down).kind).to.equal('shutdown');
  });

  it('is followed by no retry, whatever becomes of the socket', async () => {
    const { server, connection, streams } = await scene(1, { retry: 5 });
    const down = downOf(connection);
    const failed = rejects(connection.await(streams[0]!), 'ERR_GUNPORT_CLOSED');
    const ended = connection.shutdown();
    await server.goodbye;
    server.all[0]?.destroy();
    await failed;
    await ended;
    expect((await down).kind).to.equal('shutdown');
    expect(server.taken).to.equal(1);
  });

  it('may be called again, and is cut short by close()', async () => {
    const { server, connection, streams } = await scene(1);
    const down = downOf(connection);
    const failed = rejects(connection.await(streams[0]!), 'ERR_GUNPORT_CLOSED');
    const ended = Promise.all([connection.shutdown(), connection.shutdown()]);
    await server.goodbye;
    await Promise.all([connection.close(), ended]);
    expect((await failed).reason).to.equal('shutdown');
    expect((await down).kind).to.equal('shutdown');
    await connection.shutdown();
  });

  for (const { how, twin, die } of DEATHS) {
    it(`is what an owner does that ${how}: GOAWAY, and open streams end (shutdown_SUITE http2_${twin})`, async () => {
      const { server, connection } = await scene(0);
      const replies = ['/1', '/2'].map((path) => {
        const { port1, port2 } = new MessageChannel();
        connection.get(path, { replyTo: port1 });
        return repliesAt(port2);
      });
      const asked = [await server.next(), await server.next()];
      const { down } = connection.monitor({ keep: true });
      const owner = await mortalOwner(connection);
      void die(owner);
      expect(await server.goodbye).to.equal(NGHTTP2_NO_ERROR);
      for (const one of asked) one.answer();
      for (const heard of await Promise.all(replies)) {
        expect(heard.map(({ type }) => type).slice(0, 2)).to.deep.equal(['response', 'data']);
      }
      expect((await down)?.reason.kind).to.equal('owner-gone');
      await owner.gone;
    });
  }

  it('tells the last reason: the owner is gone while it closes (shutdown_SUITE closing_owner_down, _error)', async () => {
    const { server, connection, asked } = await scene(1);
    const witness = open(server.url, server.trust);
    const { down } = connection.monitor({ keep: true });
    const owner = await mortalOwner(connection);
    await owner.run((here) => {
      for (const one of here.owned) void one.shutdown();
    });
    await server.goodbye;
    await owner.kill();
    await heardOfIt(witness);
    asked[0]?.answer();
    expect((await down)?.reason.kind).to.equal('owner-gone');
  });

  describe('whose server says GOAWAY (RFC 9113 §6.8)', () => {
    /** The `down` event, of a connection that loses nothing. */
    async function lossOf(connection: Connection): Promise<LostNotice> {
      const [lost] = (await once(connection, 'down')) as [LostNotice];
      expect(lost).to.deep.include({ protocol: 'http2', attempt: 1 });
      return lost;
    }

    it('ends at once where nothing was asked (shutdown_SUITE http2_server_goaway_no_streams)', async () => {
      const { server, connection } = await scene(0, { retry: 0 });
      const down = downOf(connection);
      const lost = lossOf(connection);
      server.all[0]?.goaway(NGHTTP2_NO_ERROR, 0);
      expect((await lost).killed).to.deep.equal([]);
      expect((await down).kind).to.equal('normal');
    });

    it('lets the answer come, and then ends (shutdown_SUITE http2_server_goaway_one_stream)', async () => {
      const { server, connection, streams, asked } = await scene(1, { retry: 0 });
      const down = downOf(connection);
      const lost = lossOf(connection);
      server.all[0]?.goaway(NGHTTP2_NO_ERROR, 1);
      asked[0]?.answer();
      expect(await streams[0]?.text()).to.equal('Hello world!');
      expect((await lost).killed).to.deep.equal([]);
      expect((await down).kind).to.equal('normal');
    });

    /** Three requests, whose server is spoken by hand. */
    async function three(): Promise<{
      readonly talk: H2Talk;
      readonly connection: Connection;
      readonly streams: readonly Stream<Connection>[];
    }> {
      const server = await keep(h2origin());
      const connection = open(server.url, { ...server.options, retry: 0 });
      await connection.awaitUp();
      const streams = ['/1', '/2', '/3'].map((path) => connection.get(path));
      const talk = await server.next();
      await talk.requests(3);
      return { talk, connection, streams };
    }

    it('fails what is above the last stream, and what is new; the others end (shutdown_SUITE http2_server_goaway_many_streams)', async () => {
      const { talk, connection, streams } = await three();
      const down = downOf(connection);
      const lost = lossOf(connection);
      talk.send(h2.goaway(3));
      const above = await rejects(connection.await(streams[2]!), 'ERR_GUNPORT_GOAWAY');
      expect(above).to.include({ reason: 'NO_ERROR', name: 'StreamError' });
      const late = await rejects(connection.await(connection.get('/late')), 'ERR_GUNPORT_CLOSING');
      expect(late).to.include({ reason: 'goaway', name: 'StreamError' });
      for (const [i, stream] of streams.slice(0, 2).entries()) {
        talk.answer(2 * i + 1, 200, `Hello ${i}`);
        expect(await stream.text()).to.equal(`Hello ${i}`);
      }
      // It says goodbye too.
      expect((await talk.next('goaway')).code).to.equal('NO_ERROR');
      await talk.ended;
      expect((await lost).killed).to.deep.equal([]);
      expect((await down).kind).to.equal('normal');
    });

    it('loses nothing by a first warning, whose last stream is the highest there is', async () => {
      const { talk, connection, streams } = await three();
      const lost = lossOf(connection);
      talk.send(h2.goaway(2 ** 31 - 1));
      await talk.roundTrip();
      await rejects(connection.await(connection.get('/late')), 'ERR_GUNPORT_CLOSING');
      talk.send(h2.goaway(5));
      for (const [i, stream] of streams.entries()) {
        talk.answer(2 * i + 1, 200, `Hello ${i}`);
        expect(await stream.text()).to.equal(`Hello ${i}`);
      }
      expect((await lost).killed).to.deep.equal([]);
    });

    it('that tells of an error lets the others end too, and is a loss', async () => {
      const { talk, connection, streams } = await three();
      const down = downOf(connection);
      talk.send(h2.goaway(3, 'ENHANCE_YOUR_CALM'));
      const above = await rejects(connection.await(streams[2]!), 'ERR_GUNPORT_GOAWAY');
      expect(above.reason).to.equal('ENHANCE_YOUR_CALM');
      for (const [i, stream] of streams.slice(0, 2).entries()) {
        talk.answer(2 * i + 1, 200, `Hello ${i}`);
        expect(await stream.text()).to.equal(`Hello ${i}`);
      }
      const { kind, cause } = await down;
      expect(kind).to.equal('gave-up');
      expect(cause).to.include({ code: 'ERR_GUNPORT_GOAWAY', reason: 'ENHANCE_YOUR_CALM' });
    });

    it('cuts nothing that goes on coming, while nobody waits for the next connection', async () => {
      const { server, connection, streams, asked } = await scene(1, { retry: 0, closingTimeout: 50 });
      const [{ stream: answer }] = asked as [Asked];
      const [stream] = streams as [Stream<Connection>];
      server.all[0]?.goaway(NGHTTP2_NO_ERROR, 1);
      answer.respond({ ':status': 200 });
      let size = 0;
      for (const until = performance.now() + 200; performance.now() < until; size++) {
        answer.write('x');
        await connection.info();
      }
      answer.end();
      expect(await stream.bytes()).to.have.lengthOf(size);
    });

    it('serves new requests on the next connection, with retry, and that costs none', async () => {
      const { server, connection, streams, asked } = await scene(1, { retry: 1, retryTimeout: 60_000 });
      for (let round = 1; round <= 5; round++) {
        const [stream, one] =
          round === 1 ? [streams[0]!, asked[0]!] : [connection.get(`/${round}`), await server.next()];
        server.all[round - 1]?.goaway(NGHTTP2_NO_ERROR, 1);
        one.answer(`Hello ${round}`);
        expect(await stream.text()).to.equal(`Hello ${round}`);
      }
      const waits = connection.get('/last');
      (await server.next()).answer('Hello again!');
      expect(await waits.text()).to.equal('Hello again!');
    });

    it('is shut down meanwhile, and does not come back (shutdown_SUITE closing_gun_shutdown)', async () => {
      const { server, connection, streams, asked } = await scene(2, { retry: 5 });
      const down = downOf(connection);
      server.all[0]?.goaway(NGHTTP2_NO_ERROR, 1);
      await rejects(connection.await(streams[1]!), 'ERR_GUNPORT_GOAWAY');
      const ended = connection.shutdown();
      await connection.info();
      asked[0]?.answer();
      expect(await streams[0]?.text()).to.equal('Hello world!');
      await ended;
      expect((await down).kind).to.equal('shutdown');
      expect(server.taken).to.equal(1);
    });

    it('loses its owner meanwhile, and does not come back (shutdown_SUITE closing_owner_down, _error)', async () => {
      const { server, connection, streams, asked } = await scene(2, { retry: 5 });
      const witness = open(server.url, server.trust);
      await witness.awaitUp();
      server.all[0]?.goaway(NGHTTP2_NO_ERROR, 1);
      await rejects(connection.await(streams[1]!), 'ERR_GUNPORT_GOAWAY');
      const { down } = connection.monitor({ keep: true });
      const owner = await mortalOwner(connection);
      await owner.kill();
      await heardOfIt(witness);
      asked[0]?.answer();
      expect((await down)?.reason.kind).to.equal('owner-gone');
      expect(server.taken).to.equal(2);
    });
  });
});
