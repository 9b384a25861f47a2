// What raw bytes are to who holds their stream: on a connection of their own, and behind a switch of protocols.

import { once } from 'node:events';
import type * as net from 'node:net';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type Connection, type GunportError, receiveReply, type Stream } from '../../lib/index.ts';
import { faultIn, piece, readBytes } from '../support/counted.ts';
import { feeds } from '../support/feeds.ts';
import { origin, type Talk } from '../support/origin.ts';
import { peer } from '../support/peers.ts';
import { reset } from '../support/reset.ts';
import { errorOf } from '../support/stage.ts';

const BAD_STATE = { code: 'ERR_GUNPORT_BAD_STATE', name: 'StreamError' };
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

/** All that comes up to the client's FIN. */
async function all(socket: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  await once(socket, 'end');
  return Buffer.concat(parts);
}

describe('a raw stream', () => {
  const { open, keep } = feeds();

  /** Its server's end, and ours. */
  async function raw(
    options?: Parameters<Connection['raw']>[0],
    more: Parameters<typeof open>[1] = {},
  ): Promise<{ socket: net.Socket; stream: Stream<Connection>; connection: Connection }> {
    let begin: (socket: net.Socket) => void = () => {};
    const begun = new Promise<net.Socket>((resolve) => {
      begin = resolve;
    });
    const server = await keep(peer((socket) => begin(socket.setNoDelay(true)), { halfOpen: true }));
    const target = { host: '127.0.0.1', port: server.port };
    const connection = open(target, { protocols: ['raw'], retry: 0, ...more });
    const stream = connection.raw(options);
    return { socket: await begun, stream, connection };
  }

  it('has bytes both ways, and no head', async () => {
    const { socket, stream, connection } = await raw();
    expect(await connection.awaitUp()).to.include({ protocol: 'raw' });
    expect(stream).to.include({ method: 'RAW', state: 'answered' });
    expect(stream.url).to.equal(connection.origin);
    stream.data(false, 'ping');
    expect(text((await once(socket, 'data'))[0])).to.equal('ping');
    socket.write('pong');
    expect(await connection.await(stream)).to.deep.include({ type: 'data', fin: false });
    expect(await errorOf(stream.response())).to.include(BAD_STATE);
    expect(await connection.streamInfo(stream)).to.include({ method: 'RAW', state: 'running' });
  });

  it('is there from before the connection is up', async () => {
    const { socket, stream } = await raw();
    stream.data(false, 'early');
    expect(text((await once(socket, 'data'))[0])).to.equal('early');
  });

  it('ends our side, and reads on (FIN is no end of theirs)', async () => {
    const { socket, stream } = await raw();
    stream.data('fin', 'all I say');
    expect(text(await all(socket))).to.equal('all I say');
    expect(() => stream.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    socket.end('and this is mine');
    expect(await stream.text()).to.equal('and this is mine');
    expect(stream.state).to.equal('ended');
  });

  it('ends with their side, where it is not half open', async () => {
    const { socket, stream } = await raw();
    const heard = all(socket);
    stream.data(false, 'x');
    await once(socket, 'data');
    socket.end('bye');
    expect(await stream.text()).to.equal('bye');
    expect(stream.state).to.equal('ended');
    // By then its connection may be known to have ended too.
    expect(() => stream.data(false, 'x')).to.throw();
    expect(text(await heard)).to.equal('x');
  });

  it('half open, writes on when their side has ended', async () => {
    const { socket, stream } = await raw({ halfOpen: true });
    socket.end('all they say');
    const heard = all(socket);
    expect(await stream.text()).to.equal('all they say');
    expect(stream.state).to.equal('answered');
    stream.data(false, piece(0, 500_000));
    stream.data('fin', piece(500_000, 1_000_000));
    const drained = stream.drained();
    const bytes = await heard;
    expect(bytes).to.have.length(1_000_000);
    expect(faultIn(bytes, 0)).to.equal(-1);
    await drained;
    while (stream.state !== 'ended') await new Promise((resolve) => setImmediate(resolve));
  });

  it('half open, is over at once when ours ended first', async () => {
    const { socket, stream } = await raw({ halfOpen: true });
    stream.data('fin', 'x');
    await all(socket);
    socket.end('y');
    expect(await stream.text()).to.equal('y');
    while (stream.state !== 'ended') await new Promise((resolve) => setImmediate(resolve));
  });

  it('half open, hears of a reset behind their end', async () => {
    const { socket, stream } = await raw({ halfOpen: true });
    socket.end('all they say');
    expect(await stream.text()).to.equal('all they say');
    stream.data(false, 'x');
    await once(socket, 'data');
    reset(socket);
    while (stream.state !== 'ended') {
      try {
        stream.data(false, piece(0, 1_000));
      } catch (error) {
        expect(error).to.be.instanceOf(Error); // Between two looks at the state.
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(() => stream.data(false, 'x'))
      .to.throw()
      .with.property('code')
      .that.matches(/RESET|CLOSED/);
  });

  it('half open with a replyTo: read there, written here', async () => {
    const { port1, port2 } = new MessageChannel();
    const { socket, stream } = await raw({ halfOpen: true, replyTo: port1 });
    const heard = all(socket);
    socket.end('all they say');
    expect(await receiveReply(port2).text()).to.equal('all they say');
    stream.data(false, 'still ');
    await new Promise((resolve) => setImmediate(resolve));
    stream.data('fin', 'here');
    expect(text(await heard)).to.equal('still here');
    while (stream.state !== 'ended') await new Promise((resolve) => setImmediate(resolve));
  });

  it('is read no faster than its reader reads (F1)', async () => {
    const { socket, stream } = await raw();
    const whole = 24 * 1024 * 1024;
    socket.end(piece(0, whole));
    await stream.connection.info();
    let at = 0;
    for await (const chunk of stream) {
      if (faultIn(chunk, at) !== -1) throw new Error(`a fault behind ${at}`);
      at += chunk.byteLength;
    }
    expect(at).to.equal(whole);
  });

  it('is written no faster than its peer reads (F3)', async () => {
    const { socket, stream } = await raw({}, { maxBuffered: 1_000_000 });
    socket.pause();
    let at = 0;
    while (stream.data(false, piece(at, at + 100_000))) at += 100_000;
    at += 100_000;
    const heard = all(socket.resume());
    await stream.drained();
    expect(stream.bufferedAmount).to.equal(0);
    stream.data('fin');
    const bytes = await heard;
    expect(bytes).to.have.length(at);
    expect(faultIn(bytes, 0)).to.equal(-1);
  });

  it('takes messages one by one with flow', async () => {
    const { socket, stream, connection } = await raw({ flow: 1 });
    socket.write('one');
    expect(text(dataOf(await connection.await(stream)))).to.equal('one');
    socket.write('two');
    expect(await errorOf(connection.await(stream, { timeout: 20 }))).to.include({
      code: 'ERR_GUNPORT_TIMEOUT',
    });
    connection.updateFlow(stream, 1);
    expect(text(dataOf(await connection.await(stream)))).to.equal('two');
  });

  it('fails with its connection', async () => {
    const { socket, stream } = await raw();
    const failed = errorOf(readBytes(stream));
    reset(socket);
    expect((await failed) as GunportError).to.be.instanceOf(Error);
    expect(() => stream.data(false, 'x')).to.throw();
  });

  it('is cancelled', async () => {
    const { socket, stream, connection } = await raw();
    await connection.awaitUp();
    const gone = once(socket.resume(), 'end');
    stream.cancel();
    expect(await errorOf(stream.text())).to.include({ code: 'ERR_GUNPORT_CANCELLED' });
    await gone;
  });

  it('is none where the connection speaks HTTP', async () => {
    const server = await keep(origin());
    expect(() => open(server.url).raw())
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_OPTION');
  });
});

describe('a request that switches protocols', () => {
  const { open, keep } = feeds();
  const headers = { connection: 'upgrade', upgrade: 'echo/1, echo' };
  const SWITCH =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\nX-A: b\r\n\r\n';

  async function asked(
    make: (connection: Connection) => Stream<Connection> = (connection) => connection.get('/', { headers }),
  ): Promise<{ talk: Talk; stream: Stream<Connection>; connection: Connection }> {
    const server = await keep(origin(undefined, { halfOpen: true }));
    const connection = open(server.url, { retry: 0 });
    const stream = make(connection);
    const talk = await server.next();
    await talk.request();
    return { talk, stream, connection };
  }

  it('has bytes behind the 101, and both ways from then on (RFC 9110 §7.8)', async () => {
    const { talk, stream, connection } = await asked();
    await talk.write(`${SWITCH}behind `);
    const notice = await connection.await(stream);
    expect(notice).to.deep.include({ type: 'upgrade', protocols: ['echo/1'] });
    expect(notice).to.have.nested.property('headers.x-a', 'b');
    expect(stream).to.include({ status: 101, state: 'answered' });
    stream.data(false, 'hello');
    expect((await talk.take(5)).toString()).to.equal('hello');
    talk.end('the 101');
    expect(await stream.text()).to.equal('behind the 101');
  });

  it('ends our side alone', async () => {
    const { talk, stream } = await asked();
    await talk.write(SWITCH);
    expect(await stream.response()).to.include({ status: 101, fin: false });
    stream.data('fin', 'all I say');
    expect((await talk.take(9)).toString()).to.equal('all I say');
    await talk.ended;
    talk.end('and this is mine');
    expect(await stream.text()).to.equal('and this is mine');
  });

  it('may have a body first', async () => {
    const { talk, stream } = await asked((connection) => connection.post('/', { headers, body: 'body' }));
    expect((await talk.body()).text).to.equal('body');
    await talk.write(SWITCH);
    await stream.response();
    stream.data(false, 'more');
    expect((await talk.take(4)).toString()).to.equal('more');
  });

  it('is answered as ever by a server that will not switch', async () => {
    const { talk, stream, connection } = await asked();
    await talk.answer(200, 'no');
    expect(await connection.await(stream)).to.include({ type: 'response', status: 200 });
    expect(() => stream.data(false, 'x'))
      .to.throw()
      .that.includes(BAD_STATE);
    expect(await stream.text()).to.equal('no');
  });

  it('with a replyTo is read there and written here', async () => {
    const { port1, port2 } = new MessageChannel();
    const { talk, stream } = await asked((connection) => connection.get('/', { headers, replyTo: port1 }));
    const reply = receiveReply(port2);
    await talk.write(`${SWITCH}hello`);
    expect(await reply.await()).to.deep.include({ type: 'upgrade', protocols: ['echo/1'] });
    while (!writes(stream)) await new Promise((resolve) => setImmediate(resolve));
    expect((await talk.take(1)).toString()).to.equal('x');
    talk.end();
    expect(await reply.text()).to.equal('hello');
  });
});

function writes(stream: Stream): boolean {
  try {
    return stream.data(false, 'x');
  } catch {
    return false; // Not yet.
  }
}

function dataOf(notice: object): Uint8Array | undefined {
  return 'data' in notice ? (notice.data as Uint8Array) : undefined; // Of data alone.
}
