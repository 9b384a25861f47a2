import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import {
  type Connection,
  Pool,
  type PushNotice,
  type Reply,
  type RequestOptions,
  receiveOwnership,
  receiveReply,
  type Stream,
} from '../../lib/index.ts';
import { type Cowboy, cowboy } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import { repliesAt } from '../support/mortal.ts';
import { type Origin, origin, type Talk } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';

for (const speaks of ['http', 'h2c'] as const) {
  describe(`a request with replyTo, over ${speaks}`, () => {
    const { open, keep } = feeds();
    let server: Cowboy;
    let connection: Connection;
    let thread: TestThread;
    before(() => {
      thread = new TestThread();
    });
    after(() => thread.end());
    beforeEach(async () => {
      server = await keep(cowboy(speaks));
      connection = open(server.url, { ...server.trust, push: true });
    });

    /** A request, and the other end of its port. */
    function ask(
      path: string,
      options: RequestOptions = {},
      method = 'GET',
    ): [Stream<Connection>, MessagePort] {
      const { port1, port2 } = new MessageChannel();
      return [connection.request(method, path, { ...options, replyTo: port1 }), port2];
    }

    it('is answered there, with all the ways to read of a stream', async () => {
      const replies = ['/', '/', '/', '/', '/'].map((path) => receiveReply(ask(path)[1]));
      const [one, two, three, four, five] = replies as [Reply, Reply, Reply, Reply, Reply];
      expect(await one.response()).to.include({ type: 'response', status: 200, fin: false });
      expect(one).to.include({ status: 200 });
      expect(one.headers).to.include({ 'content-type': 'text/plain' });
      expect(await one.text()).to.equal('Hello world!');
      expect(one.state).to.equal('ended');
      expect(Buffer.from(await two.bytes()).toString()).to.equal('Hello world!');
      const parts: Uint8Array[] = [];
      for await (const part of three) parts.push(part);
      expect(Buffer.concat(parts).toString()).to.equal('Hello world!');
      expect(await four.await()).to.include({ type: 'response' });
      expect(await four.await()).to.include({ type: 'data' });
      // HTTP/2 may tell its end apart.
      while (four.state !== 'ended') await four.await();
      await rejects(four.await(), 'ERR_GUNPORT_CLOSED');
      expect(await five.json().catch((error) => error)).to.be.instanceOf(SyntaxError);
    });

    it('is answered there with interim answers and trailers', async () => {
      const informed = receiveReply(ask('/inform')[1]);
      const interim: number[] = [];
      const onInform = ({ status }: { status: number }): void => void interim.push(status);
      expect(await informed.response({ onInform })).to.include({ status: 200 });
      expect(interim).to.deep.equal([103, 103]);
      const trailed = receiveReply(ask('/trailers', { headers: { te: 'trailers' } })[1]);
      const { body, trailers } = await trailed.body();
      expect(Buffer.from(body).toString()).to.equal('Hello world!');
      expect(trailers).to.deep.equal({ expires: 'Sun, 10 Dec 2017 19:13:47 GMT' });
    });

    it('has the id of its stream', async () => {
      const [stream, port] = ask('/');
      const reply = receiveReply(port);
      expect(reply.id).to.equal(undefined);
      await reply.response();
      expect(reply.id).to.equal(stream.id);
      await reply.text();
    });

    it('is answered in any thread', async () => {
      const [, port] = ask('/');
      const text = await thread.run(
        (here, port) => here.gunport.receiveReply(port as MessagePort).text(),
        port,
      );
      expect(text).to.equal('Hello world!');
    });

    it('is answered with plain objects, and a close, for who reads the port himself', async () => {
      const [{ id: stream }, port] = ask('/stream');
      const [head, ...parts] = (await repliesAt(port)) as unknown as [
        Record<string, unknown>,
        ...{ type: string; stream: number; fin: boolean; data: Uint8Array }[],
      ];
      expect(head).to.include({ type: 'response', stream, status: 200, fin: false });
      expect(head['headers']).to.include({ 'content-type': 'text/plain' });
      expect(head['rawHeaders']).to.include('text/plain');
      for (const part of parts) expect(part).to.include({ type: 'data', stream });
      expect(Buffer.concat(parts.map(({ data }) => data)).toString()).to.equal('Hello world!');
      expect(parts.map(({ fin }) => fin).lastIndexOf(true)).to.equal(parts.length - 1);
    });

    it('takes its body from the owner', async () => {
      const { port1, port2 } = new MessageChannel();
      const stream = connection.post('/echo', { replyTo: port1 });
      const reply = receiveReply(port2);
      stream.data('nofin', 'one ');
      await stream.drained();
      stream.data('fin', 'two');
      expect(await reply.text()).to.equal('one two');
    });

    it('leaves its owner a handle that knows of its end', async () => {
      const [stream, port] = ask('/delayed');
      const reply = receiveReply(port);
      await Promise.all([server.arrival(), connection.awaitUp()]);
      expect(stream).to.include({ replied: true, state: 'requested' });
      expect(await connection.streamInfo(stream)).to.include({ replyTo: true });
      for (const read of [() => stream.text(), () => stream.response()])
        await rejects(read(), 'ERR_GUNPORT_BAD_STATE');
      expect(() => stream[Symbol.asyncIterator]())
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_BAD_STATE');
      const end = rejects(connection.await(stream), 'ERR_GUNPORT_CLOSED');
      server.release();
      await reply.text();
      await end;
      expect(stream.state).to.equal('ended');
    });

    describe('is cancelled', () => {
      it('by its reader: the owner is told', async () => {
        const [stream, port] = ask('/delayed');
        const reply = receiveReply(port);
        await server.arrival();
        const told = rejects(connection.await(stream), 'ERR_GUNPORT_CANCELLED');
        reply.cancel();
        await rejects(reply.text(), 'ERR_GUNPORT_CANCELLED');
        await told;
        server.release();
      });

      it('by its owner: the reader is told', async () => {
        const [stream, port] = ask('/delayed');
        const reply = receiveReply(port);
        await server.arrival();
        stream.cancel();
        await rejects(reply.response(), 'ERR_GUNPORT_CANCELLED');
        server.release();
      });

      it('by the close of its port', async () => {
        const [stream, port] = ask('/delayed');
        await server.arrival();
        port.close();
        await rejects(connection.await(stream), 'ERR_GUNPORT_CANCELLED');
        server.release();
      });

      it('by the end of the thread that reads it', async () => {
        const mortal = new TestThread();
        const [stream, port] = ask('/delayed');
        await mortal.run((here, port) => {
          here.notes['reply'] = here.gunport.receiveReply(port as MessagePort);
        }, port);
        await server.arrival();
        const told = rejects(connection.await(stream), 'ERR_GUNPORT_CANCELLED');
        await mortal.kill();
        await told;
        server.release();
      });
    });

    it('tells the reader and the owner of a deadline that passed', async () => {
      const [stream, port] = ask('/delayed', { requestTimeout: 20 });
      const told = rejects(connection.await(stream), 'ERR_GUNPORT_TIMEOUT');
      const error = await rejects(receiveReply(port).response(), 'ERR_GUNPORT_TIMEOUT');
      expect(error).to.include({ name: 'TimeoutError', reason: 'requestTimeout' });
      await told;
      server.release();
    });

    it('tells the reader of the end of the connection', async () => {
      const [, port] = ask('/delayed');
      const told = rejects(receiveReply(port).response(), 'ERR_GUNPORT_CLOSED');
      await server.arrival();
      await connection.close();
      await told;
    });

    it('ends with an error when its thread dies', async () => {
      const pool = new Pool({ threads: 1 });
      const mortal = pool.open(server.url, server.trust);
      const { port1, port2 } = new MessageChannel();
      mortal.get('/delayed', { replyTo: port1 });
      const told = rejects(receiveReply(port2).response(), 'ERR_GUNPORT_CLOSED');
      await server.arrival();
      await pool.terminate(mortal.threadId);
      await told;
      await pool.close();
    });

    it('stays with its port when the connection is handed over (4.1 of reply_to)', async () => {
      const [stream, port] = ask('/delayed');
      const reply = receiveReply(port);
      await server.arrival();
      await connection.awaitUp();
      const [received] = await Promise.all([
        receiveOwnership(),
        connection.transferOwnership({ threadId: 0 }),
      ]);
      const there = received.connection.streams.get(stream.id) as Stream<Connection>;
      expect(there).to.include({ replied: true, state: 'requested' });
      server.release();
      expect(await reply.text()).to.equal('Hello world!');
      await rejects(received.connection.await(there), 'ERR_GUNPORT_CLOSED');
      await received.connection.close();
    });

    it('whose answer came before anybody read it, can be read all the same', async () => {
      const [stream, port] = ask('/');
      await rejects(connection.await(stream), 'ERR_GUNPORT_CLOSED');
      expect(await receiveReply(port).text()).to.equal('Hello world!');
    });

    it('whose port is closed already, is lost', async () => {
      const { port1, port2 } = new MessageChannel();
      const closed = once(port2, 'close');
      port1.close();
      await closed;
      await rejects(receiveReply(port2).response(), 'ERR_GUNPORT_CLOSED');
    });

    if (speaks === 'h2c') {
      it('leaves what its answer promises to the owner (RFC 9113 §8.4)', async () => {
        const [stream, port] = ask('/push');
        const reply = receiveReply(port);
        const push = (await connection.await(stream)) as PushNotice<Stream>;
        expect(push).to.include({ type: 'push', method: 'GET' });
        expect(await push.stream.text()).to.equal('Hello world!');
        expect(await reply.text()).to.equal('Hello world!');
      });
    }
  });
}

describe('a request with replyTo, to a server spoken by hand', () => {
  const { open, keep } = feeds();
  let server: Origin;
  let connection: Connection;
  beforeEach(async () => {
    server = await keep(origin());
    connection = open(server.url);
  });

  async function asked(options: RequestOptions = {}): Promise<{ talk: Talk; reply: Reply }> {
    const { port1, port2 } = new MessageChannel();
    connection.request('GET', '/', { ...options, replyTo: port1 });
    const talk = await server.next();
    await talk.request();
    return { talk, reply: receiveReply(port2) };
  }

  it('takes an option for what it is', () => {
    for (const bad of [{}, 'port', 7]) {
      expect(() => connection.request('GET', '/', { replyTo: bad as MessagePort }))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_OPTION');
      expect(() => receiveReply(bad as MessagePort))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_OPTION');
    }
  });

  it('gives what had come before the error', async () => {
    const { talk, reply } = await asked();
    await talk.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    const parts = reply[Symbol.asyncIterator]();
    expect(Buffer.from((await parts.next()).value).toString()).to.equal('half');
    talk.reset();
    await rejects(parts.next(), 'ERR_GUNPORT_CLOSED');
  });

  it('shares one read of the socket with answers that go elsewhere', async () => {
    const { port1, port2 } = new MessageChannel();
    const before = connection.get('/1');
    connection.get('/2', { replyTo: port1 });
    const after = connection.get('/3');
    const talk = await server.next();
    for (let i = 0; i < 3; i++) await talk.request();
    const answer = (body: string): string =>
      `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    await talk.write(answer('one') + answer('two') + answer('three'));
    const texts = [before.text(), receiveReply(port2).text(), after.text()];
    expect(await Promise.all(texts)).to.deep.equal(['one', 'two', 'three']);
  });

  it('holds no more than a window of it for who does not read (F1)', async () => {
    const { talk, reply } = await asked();
    const size = 48 * 1024 * 1024;
    const part = Buffer.alloc(1024 * 1024, 'x');
    await talk.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    for (let sent = 0; sent < size; sent += part.length) talk.socket.write(part);
    const { counters } = await connection.info();
    let before = counters.bytesReceived;
    for (let still = 0; still < 50; ) {
      const now = (await connection.info()).counters.bytesReceived;
      still = now === before ? still + 1 : 0;
      before = now;
    }
    // Each part counts for something beside its bytes.
    expect(before).to.be.within(3.9 * 1024 * 1024, 6 * 1024 * 1024);
    let read = 0;
    for await (const { byteLength } of reply) read += byteLength;
    expect(read).to.equal(size);
  });

  it('goes on for who reads the port himself and tells what he has read', async () => {
    const { port1, port2 } = new MessageChannel();
    connection.get('/', { replyTo: port1 });
    const talk = await server.next();
    await talk.request();
    const size = 12 * 1024 * 1024;
    let read = 0;
    port2.on('message', ({ type, data }: { type: string; data: Uint8Array }) => {
      if (type !== 'data') return;
      read += data.byteLength;
      port2.postMessage({ type: 'read', bytes: data.byteLength + 128 });
    });
    void talk.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    void talk.write(Buffer.alloc(size, 'x'));
    await once(port2, 'close');
    expect(read).to.equal(size);
  });

  it('counts messages with flow, topped up by the reader', async () => {
    const { talk, reply } = await asked({ flow: 1 });
    await talk.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const said = ['1\r\na\r\n', '1\r\nb\r\n', '1\r\nc\r\n0\r\n\r\n'];
    expect(await reply.await()).to.include({ type: 'response' });
    await talk.write(said.join(''));
    const texts: string[] = [];
    const next = async (): Promise<void> => {
      const notice = await reply.await();
      if (notice.type === 'data') texts.push(Buffer.from(notice.data).toString());
    };
    await next();
    expect(texts).to.deep.equal(['a']);
    await rejects(reply.await({ timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
    reply.updateFlow(1);
    await next();
    expect(texts).to.deep.equal(['a', 'b']);
    reply.updateFlow(10);
    while (reply.state !== 'ended' || texts.join('') !== 'abc') await next();
  });

  it('gives what flow held back of a whole answer, though its connection is gone', async () => {
    const { talk, reply } = await asked({ flow: 1 });
    await talk.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n');
    const down = once(connection, 'down');
    talk.end();
    await down;
    const text = reply.text();
    reply.updateFlow(2);
    expect(await text).to.equal('ab');
  });

  it('minds nothing else that is posted there', async () => {
    const { port1, port2 } = new MessageChannel();
    connection.get('/', { replyTo: port1 });
    const talk = await server.next();
    await talk.request();
    for (const odd of [null, 'cancel', 7, [], { type: 'flow', add: '1' }, { type: 'read', bytes: -1 }, {}])
      port2.postMessage(odd);
    await connection.info();
    await talk.answer(200, 'as ever');
    expect(await receiveReply(port2).text()).to.equal('as ever');
  });
});
