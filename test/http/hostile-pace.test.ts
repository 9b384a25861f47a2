import { once } from 'node:events';
import { expect } from 'chai';
import type { LostNotice } from '../../lib/index.ts';
import { hostilities } from '../support/hostile.ts';
import type { Talk } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';

/** Says this over and over, a write a turn, until the client has left. */
async function on(talk: Talk, bytes: string, most = Number.POSITIVE_INFINITY): Promise<void> {
  for (let i = 0; i < most && !talk.socket.destroyed && talk.socket.writable; i++) {
    await talk.write(bytes);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a server of HTTP/1 without end', () => {
  const { open, hostile, worksAnew } = hostilities();

  const FLOODS = [
    [
      'interim answers',
      'ERR_GUNPORT_FLOOD',
      'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(100),
      '',
    ],
    ['100 (Continue)', 'ERR_GUNPORT_FLOOD', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100), ''],
    ['header fields', 'ERR_GUNPORT_TOO_BIG', `x: ${'a'.repeat(500)}\r\n`, 'HTTP/1.1 200 OK\r\n'],
    ['tiny header fields', 'ERR_GUNPORT_TOO_BIG', 'a:\r\n'.repeat(100), 'HTTP/1.1 200 OK\r\n'],
    [
      'trailer fields',
      'ERR_GUNPORT_TOO_BIG',
      'a:\r\n'.repeat(100),
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n',
    ],
    [
      'an extension of a chunk',
      'ERR_GUNPORT_TOO_BIG',
      'a'.repeat(500),
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;',
    ],
    [
      'zeros of a size',
      'ERR_GUNPORT_TOO_BIG',
      '0'.repeat(500),
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    ],
    ['empty lines', 'ERR_GUNPORT_TOO_BIG', '\r\n'.repeat(500), ''],
  ] as const;
  for (const [what, code, bytes, before] of FLOODS) {
    it(`of ${what}: a limit ends the connection, and the next request has a new one`, async () => {
      const server = await hostile(async (talk) => {
        await talk.request();
        await talk.write(before);
        await on(talk, bytes);
      });
      const connection = open(server.url, { retryTimeout: 1 });
      const error = await rejects(connection.get('/bad').body(), code);
      expect(error.message).to.match(/\d/);
      await worksAnew(connection, server);
    });
  }
});

describe('a server of HTTP/1 that is slow on purpose', () => {
  const { open, hostile, worksAnew } = hostilities();

  it('with its head, a byte at a time: headersTimeout ends the request', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.write('HTTP/1.1 200 OK\r\nx: ');
      await on(talk, 'a');
    });
    const connection = open(server.url, { retryTimeout: 1, maxHeaderSize: 2 ** 30 });
    const bad = connection.get('/bad', { headersTimeout: 50 });
    const error = await rejects(bad.response(), 'ERR_GUNPORT_TIMEOUT');
    expect(error.reason).to.equal('headersTimeout');
    await worksAnew(connection, server);
  });

  it('with its body, a byte at a time: requestTimeout ends the request', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n');
      await on(talk, 'a');
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const error = await rejects(connection.get('/bad', { requestTimeout: 50 }).body(), 'ERR_GUNPORT_TIMEOUT');
    expect(error.reason).to.equal('requestTimeout');
    await worksAnew(connection, server);
  });

  it('with its body, silent in the midst: idleTimeout ends the request', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nHello');
    });
    const connection = open(server.url, { retryTimeout: 1, idleTimeout: 50 });
    const error = await rejects(connection.get('/bad').body(), 'ERR_GUNPORT_TIMEOUT');
    expect(error.reason).to.equal('idleTimeout');
    await worksAnew(connection, server);
  });

  it('with all of it: requests behind it get a new connection', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await on(talk, '\r\n', 3);
    });
    const connection = open(server.url, { retryTimeout: 1, pipelining: 1 });
    const bad = connection.get('/bad', { headersTimeout: 50 });
    const behind = connection.get('/behind');
    await rejects(bad.response(), 'ERR_GUNPORT_TIMEOUT');
    expect(await behind.text()).to.equal('/behind');
    await worksAnew(connection, server);
  });
});

describe('an early answer', () => {
  const { open, hostile, worksAnew } = hostilities();
  const PART = new Uint8Array(65_536);

  it('413 in mid-upload that closes: it is given, the rest is not sent, the next request works', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.some();
      await talk.answer(413, 'too much', { headers: { connection: 'close' } });
      talk.end();
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    const stream = connection.post('/bad');
    stream.data('nofin', PART);
    expect(await stream.response()).to.include({ status: 413 });
    expect(await stream.text()).to.equal('too much');
    expect((await lost)[0]).to.deep.include({ killed: [] });
    // Nobody waits for it any more, and that is no error.
    await stream.drained();
    await worksAnew(connection, server);
  });

  it('413 in mid-upload, and a reset: the answer that came is not lost', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.some();
      await talk.answer(413, 'too much', { headers: { connection: 'close' } });
      setImmediate(() => talk.reset());
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const stream = connection.post('/bad', { body: new Uint8Array(4 * 1024 * 1024) });
    // A RST may overtake an answer on its way, as TCP has it; what was read is told.
    const answer = await stream.response().then(
      ({ status }) => status,
      ({ code }: { code: string }) => code,
    );
    expect(answer).to.be.oneOf([413, 'ERR_GUNPORT_CLOSED']);
    await worksAnew(connection, server);
  });

  it('200 before the body is complete, on a connection that stays: the upload ends, or goes on, and never mixes', async () => {
    const server = await hostile(async (talk) => {
      await talk.request();
      await talk.some();
      await talk.answer(200, 'early');
      for (;;) {
        const { path } = await talk.request();
        await talk.answer(200, path);
      }
    });
    const connection = open(server.url, { retryTimeout: 1 });
    const stream = connection.post('/bad', { headers: { 'content-length': '6' } });
    stream.data('nofin', 'abc');
    expect(await stream.text()).to.equal('early');
    expect(await connection.get('/next').text()).to.equal('/next');
    const first = server.talks[0]?.raw ?? '';
    // A request never begins within the body of another.
    if (first.includes('GET /next')) expect(first).to.match(/abc.{3}GET \/next/s);
    else expect(server.taken).to.equal(2);
  });
});

describe('fetch of an answer that a Response cannot be', () => {
  const { open, hostile } = hostilities();

  it('has a status of 500 (RFC 9110 §15: "process the response as if it had a 5xx")', async () => {
    for (const status of [600, 999]) {
      const server = await hostile(async (talk) => {
        await talk.request();
        await talk.answer(status, 'odd');
      });
      const response = await open(server.url).fetch('/');
      expect([response.status, await response.text()]).to.deep.equal([500, 'odd']);
    }
  });
});
