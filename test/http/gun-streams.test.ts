// Twins of gun_SUITE that look at streams and connections as their owner sees them.

import { once } from 'node:events';
import { expect } from 'chai';
import type { LostNotice } from '../../lib/index.ts';
import { OptionError } from '../../lib/index.ts';
import { cowboy } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import { h2talks } from '../support/h2origin.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';
import { upgrading } from '../support/upgrading.ts';

/** The first retry is made at once, else: it could have come up before it was looked at. */
const LATER = { retryFun: () => ({ retries: 0, timeout: 60_000 }) };

describe('a connection with streams', () => {
  const { open, keep, pool } = feeds();

  it('knows its socket and that it is up (gun_SUITE info)', async () => {
    const server = await keep(cowboy());
    const connection = open(server.url);
    await connection.awaitUp();
    const info = await connection.info();
    expect(info).to.include({ protocol: 'http', status: 'up', attempt: 1, transport: 'tcp' });
    expect(info).to.include({
      localAddress: '127.0.0.1',
      remoteAddress: '127.0.0.1',
      remotePort: server.port,
    });
    expect(info.localPort).to.be.a('number');
    expect(info.origin).to.equal(server.url);
  });

  it('belongs to the thread that it was given to (gun_SUITE set_owner)', async () => {
    const server = await keep(cowboy());
    const connection = open(server.url);
    await connection.awaitUp();
    const thread = new TestThread();
    try {
      const taken = thread.run(async (here) => {
        const { connection } = await here.gunport.receiveOwnership();
        here.owned.add(connection);
        const { ownerThreadId } = await connection.info();
        return { ownerThreadId, text: await connection.get('/').text() };
      });
      await connection.transferOwnership(thread.worker);
      expect(await taken).to.deep.equal({ ownerThreadId: thread.threadId, text: 'Hello world!' });
    } finally {
      await thread.end();
    }
  });

  it('may have a thread to itself; close() ends it all the same (gun_SUITE supervise_false)', async () => {
    const server = await keep(cowboy());
    const connection = open(server.url, { isolated: true });
    expect(await connection.get('/').text()).to.equal('Hello world!');
    const alone = pool.info().threads.filter(({ connections }) => connections.includes(connection.id));
    expect(alone).to.deep.equal([
      { threadId: connection.threadId, isolated: true, connections: [connection.id] },
    ]);
    const { down } = connection.monitor();
    await connection.close();
    expect((await down)?.reason.kind).to.equal('shutdown');
  });

  it('tells of no killed streams when an answer was complete (gun_SUITE killed_streams_http)', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.answer(200, 'Hello', { headers: { connection: 'close' } });
        talk.end();
      }),
    );
    const connection = open(server.url, { retry: 0 });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    const stream = connection.get('/');
    expect(await stream.text()).to.equal('Hello');
    const [{ protocol, killed, reason }] = await lost;
    expect({ protocol, killed, why: reason.reason }).to.deep.equal({
      protocol: 'http',
      killed: [],
      why: 'normal',
    });
    expect((await connection.monitor().down)?.reason.kind).to.equal('normal');
  });

  it('takes no endless head: the stream and the connection fail (gun_SUITE max_header_block_size)', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write(`HTTP/1.1 200 OK\r\n${`x-long: ${'x'.repeat(990)}\r\n`.repeat(320)}`);
      }),
    );
    const connection = open(server.url, { retry: 0 });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    const stream = connection.get('/');
    const error = await rejects(connection.await(stream), 'ERR_GUNPORT_TOO_BIG');
    expect(error.message).to.include('100000');
    const [{ reason, killed }] = await lost;
    expect([reason.code, killed]).to.deep.equal(['ERR_GUNPORT_TOO_BIG', [stream.id]]);
  });

  it('gives what came before too long trailers, then fails (gun_SUITE max_trailer_block_size)', async () => {
    const server = await keep(
      origin(async (talk) => {
        await talk.request();
        await talk.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n');
        await talk.write(`0\r\n${`x-long: ${'x'.repeat(990)}\r\n`.repeat(32)}`);
      }),
    );
    const connection = open(server.url, { retry: 0 });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    const stream = connection.get('/');
    expect(await connection.await(stream)).to.include({ type: 'response', fin: false, status: 200 });
    const data = await connection.await(stream);
    expect(data.type === 'data' && [String(Buffer.from(data.data)), data.fin]).to.deep.equal([
      'Hello',
      false,
    ]);
    const error = await rejects(connection.await(stream), 'ERR_GUNPORT_TOO_BIG');
    expect(error.message).to.include('10000');
    expect((await lost)[0].reason.code).to.equal('ERR_GUNPORT_TOO_BIG');
  });

  it('has both limits where it is told to (max_header_block_size, max_trailer_block_size)', async () => {
    const server = await keep(cowboy());
    const small = open(server.url, { maxHeaderSize: 50, retry: 0 });
    await rejects(small.get('/').response(), 'ERR_GUNPORT_TOO_BIG');
    const short = open(server.url, { maxTrailerSize: 20, retry: 0 });
    const stream = short.get('/trailers', { headers: { te: 'trailers' } });
    expect(await stream.response()).to.include({ status: 200 });
    await rejects(stream.text(), 'ERR_GUNPORT_TOO_BIG');
  });

  it('survives a send on a WebSocket that was never opened (gun_SUITE ws_send_http)', async () => {
    const server = await keep(upgrading('HTTP/1.1'));
    const connection = open(server.url);
    await connection.awaitUp();
    const refused = connection.wsUpgrade('/reject');
    expect(await connection.await(refused)).to.include({ type: 'response', status: 400 });
    expect(() => connection.wsSend(refused, 'Hello'))
      .to.throw()
      .with.property('code')
      .that.matches(/^ERR_GUNPORT_/);
    expect(await connection.get('/').text()).to.equal('hello /');
    expect(server.taken).to.equal(1);
  });

  describe('asked for a stream', () => {
    it('knows whether it runs, stops or is over, on HTTP/1 (gun_SUITE stream_info_http)', async () => {
      const server = await keep(cowboy());
      const connection = open(server.url, { retry: 0 });
      await connection.awaitUp();

      const over = connection.get('/');
      await over.text();
      expect(await connection.streamInfo(over)).to.equal(undefined);

      const running = connection.get('/delayed');
      await server.arrival();
      expect(await connection.streamInfo(running)).to.deep.equal({
        id: running.id,
        kind: 'http',
        state: 'running',
        method: 'GET',
        path: '/delayed',
        replyTo: false,
        intermediaries: [],
      });

      connection.cancel(running);
      expect(await connection.streamInfo(running)).to.include({ state: 'stopping' });
      const behind = connection.get('/');
      server.release();
      expect(await behind.text()).to.equal('Hello world!');
      expect(await connection.streamInfo(running)).to.equal(undefined);
    });

    it('is not connected once it was lost (gun_SUITE stream_info_http)', async () => {
      const server = await keep(cowboy());
      const connection = open(server.url, LATER);
      await connection.awaitUp();
      const stream = connection.get('/');
      await stream.text();
      await server.close();
      while (connection.status !== 'down') await once(connection, 'down');
      await rejects(connection.streamInfo(stream), 'ERR_GUNPORT_NOT_CONNECTED');
    });

    it('of another connection: that is an option error, since no reference can be unknown', async () => {
      const server = await keep(cowboy());
      const [one, other] = [open(server.url), open(server.url)];
      const stream = one.get('/');
      const error = await rejects(other.streamInfo(stream), 'ERR_GUNPORT_OPTION');
      expect(error).to.be.instanceOf(OptionError);
      await stream.text();
    });

    describe('on HTTP/2', () => {
      const { both } = h2talks();

      it('knows whether it runs or is over (gun_SUITE stream_info_http2)', async () => {
        const { connection, server } = await both(LATER);
        const running = connection.get('/running');
        const { stream } = await server.request();
        expect(await connection.streamInfo(running)).to.include({ state: 'running', path: '/running' });
        server.answer(stream, 200, 'Hello');
        await running.text();
        expect(await connection.streamInfo(running)).to.equal(undefined);
        const lost = once(connection, 'down');
        server.socket.destroy();
        await lost;
        await rejects(connection.streamInfo(running), 'ERR_GUNPORT_NOT_CONNECTED');
      });
    });
  });
});
