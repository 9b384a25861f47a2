import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, LostNotice, Stream } from '../../lib/index.ts';
import { hostilities } from '../support/hostile.ts';
import { rejects } from '../support/rejects.ts';

const HELLO = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHello';

describe('a server of HTTP/1 that speaks out of turn', () => {
  const { open, hostile, worksAnew } = hostilities();

  it('on an idle connection: it is dropped, and nobody is given what came (RFC 9112 §9.2)', async () => {
    let idle: () => void = () => {};
    const read = new Promise<void>((resolve) => (idle = resolve));
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.write(HELLO);
      await read;
      await talk.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n');
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    expect(await connection.get('/').text()).to.equal('Hello');
    idle();
    const [{ reason, killed }] = await lost;
    expect([reason.code, killed]).to.deep.equal(['ERR_GUNPORT_PROTOCOL', []]);
    await worksAnew(connection, server);
  });

  it('with a second answer right behind the first: the first is good, the connection is not', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.write(HELLO + HELLO.replace('Hello', 'Worse'));
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    expect(await connection.get('/').text()).to.equal('Hello');
    const [{ reason, killed }] = await lost;
    expect([reason.code, killed]).to.deep.equal(['ERR_GUNPORT_PROTOCOL', []]);
    await worksAnew(connection, server);
  });

  it('with an answer before there is a request: no request is given it', async () => {
    const server = await hostile((talk) => talk.write(HELLO));
    const connection = open(server.url, { retryTimeout: 1 });
    const [{ reason }] = (await once(connection, 'down')) as [LostNotice];
    expect(reason.code).to.equal('ERR_GUNPORT_PROTOCOL');
    await worksAnew(connection, server);
  });

  it('with garbage before there is a request', async () => {
    const server = await hostile((talk) => talk.write('\x00\xff\x17\xfe\r\n\x13\x37'));
    const connection = open(server.url, { retryTimeout: 1 });
    const [{ reason }] = (await once(connection, 'down')) as [LostNotice];
    expect(reason.code).to.equal('ERR_GUNPORT_PROTOCOL');
    await worksAnew(connection, server);
  });

  it('with a body behind 204, which has none (RFC 9110 §15.3.5)', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.write('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nHello');
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    const stream = connection.get('/');
    expect(await stream.response()).to.include({ status: 204, fin: true });
    expect(await stream.text()).to.equal('');
    expect((await lost)[0].reason.code).to.equal('ERR_GUNPORT_PROTOCOL');
    await worksAnew(connection, server);
  });

  it('with a body behind 304, and in answer to HEAD (RFC 9110 §9.3.2)', async () => {
    for (const [method, status] of [
      ['GET', 304],
      ['HEAD', 200],
    ] as const) {
      const server = await hostile(async (talk) => {
        await talk.request();
        await talk.write(HELLO.replace('200', String(status)));
      });
      const connection = open(server.url, { retryTimeout: 1 });
      const lost = once(connection, 'down') as Promise<[LostNotice]>;
      const stream = connection.request(method, '/');
      expect(await stream.response()).to.include({ status, fin: true });
      expect(stream.headers).to.include({ 'content-length': '5' });
      expect((await lost)[0].reason.code).to.equal('ERR_GUNPORT_PROTOCOL');
      await worksAnew(connection, server);
    }
  });

  it('with the answer to a second request in the midst of the first', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.request();
      await talk.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n');
      await talk.write(HELLO);
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const [first, second] = [connection.get('/1'), connection.get('/2')];
    const errors = [
      rejects(first.body(), 'ERR_GUNPORT_PROTOCOL'),
      rejects(second.body(), 'ERR_GUNPORT_PROTOCOL'),
    ];
    await Promise.all(errors);
    await worksAnew(connection, server);
  });
});

/** The parts of an answer's body, and the error it ended with. */
async function readAll(
  stream: Stream<Connection>,
  read = (): void => {},
): Promise<{ came: string[]; error: Error | undefined }> {
  const came: string[] = [];
  try {
    for await (const chunk of stream) {
      came.push(Buffer.from(chunk).toString());
      read();
    }
  } catch (error) {
    return { came, error: error as Error }; // What is thrown here is an error.
  }
  return { came, error: undefined };
}

describe('a server of HTTP/1 that breaks off', () => {
  const { open, hostile, worksAnew } = hostilities();

  const CUTS = [
    ['before its answer', '', []],
    ['within its status line', 'HTTP/1.1 2', []],
    ['within its head', 'HTTP/1.1 200 OK\r\nx: 1\r\n', []],
    ['behind an interim answer', 'HTTP/1.1 103 Early Hints\r\n\r\n', []],
    ['within a body', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nHello', ['Hello']],
    ['within a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nHello', ['Hello']],
    ['between two chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n', ['Hello']],
    [
      'before its trailers',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n',
      ['Hello'],
    ],
    [
      'within its trailers',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\nx: 1',
      ['Hello'],
    ],
  ] as const;
  for (const [where, bytes, parts] of CUTS) {
    it(`${where}, with FIN: what came is given, then the end is an error`, async () => {
      const server = await hostile(async (talk) => {
        await talk.request();
        talk.end(bytes);
      });
      const connection = open(server.url, { retryTimeout: 1 });
      const { came, error } = await readAll(connection.get('/bad'));
      expect(came).to.deep.equal(parts);
      expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
      await worksAnew(connection, server);
    });

    it(`${where}, with RST: what was read is given, then the end is an error`, async () => {
      let read: () => void = () => {};
      const given = new Promise<void>((resolve) => (read = resolve));
      const server = await hostile(async (talk) => {
        await talk.request();
        await talk.write(bytes);
        if (parts.length > 0) await given;
        talk.reset();
      });
      const connection = open(server.url, { retryTimeout: 1 });
      const { came, error } = await readAll(connection.get('/bad'), read);
      expect(came).to.deep.equal(parts);
      expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
      // A RST right behind bytes is told by libuv as an end of file, after them.
      if (parts.length > 0) expect(error?.cause).to.include({ code: 'ECONNRESET' });
      await worksAnew(connection, server);
    });
  }

  it('within a body that only its end delimits, with FIN: that is a good answer (RFC 9112 §6.3)', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      talk.end('HTTP/1.1 200 OK\r\n\r\nHello');
    });
    const connection = open(server.url, { retryTimeout: 1 });
    expect(await connection.get('/').text()).to.equal('Hello');
    await worksAnew(connection, server);
  });

  it('within a body that only its end delimits, with RST: that is none', async () => {
    let read: () => void = () => {};
    const given = new Promise<void>((resolve) => (read = resolve));
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.write('HTTP/1.1 200 OK\r\n\r\nHello');
      await given;
      talk.reset();
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const { came, error } = await readAll(connection.get('/'), read);
    expect(came).to.deep.equal(['Hello']);
    expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    await worksAnew(connection, server);
  });
});

describe('a server of HTTP/1 that answers an upgrade badly', () => {
  const { open, hostile, worksAnew } = hostilities();

  const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\n';
  const ACCEPT = 'sec-websocket-accept: s3pPLMBiTxaQ9kYGzhZRbK+xOo=\r\n';
  const BAD = [
    ['by 101 without an upgrade field', `${SWITCH}connection: upgrade\r\n${ACCEPT}\r\n`],
    ['by 101 without a connection field', `${SWITCH}upgrade: websocket\r\n${ACCEPT}\r\n`],
    ['by 101 to another protocol', `${SWITCH}connection: upgrade\r\nupgrade: h2c\r\n${ACCEPT}\r\n`],
    [
      'by 101 that accepts another key',
      `${SWITCH}connection: upgrade\r\nupgrade: websocket\r\n${ACCEPT}\r\n`,
    ],
    ['by 101 that accepts no key', `${SWITCH}connection: upgrade\r\nupgrade: websocket\r\n\r\n`],
    ['by garbage', '\0\xff\x17\xfe\r\n'],
    ['by a frame', '\x81\x05Hello'],
  ] as const;
  for (const [how, bytes] of BAD) {
    it(`${how}: the WebSocket fails, and the next request has a new connection (RFC 6455 §4.1)`, async () => {
      const server = await hostile(async (talk) => {
        await talk.request();
        await talk.answer(200, 'before');
        await talk.request();
        await talk.write(bytes);
      });
      const connection = open(server.url, { retryTimeout: 1 });
      expect(await connection.get('/').text()).to.equal('before');
      const feed = connection.wsUpgrade('/ws');
      const error = await connection.await(feed).catch((error: unknown) => error);
      expect(error)
        .to.have.property('code')
        .that.matches(/^ERR_GUNPORT_(HANDSHAKE|PROTOCOL)$/);
      await worksAnew(connection, server);
    });
  }
});
