import { expect } from 'chai';
import type { Connection, FetchInit } from '../../lib/index.ts';
import { feeds } from '../support/feeds.ts';
import { type Origin, origin, type Talk } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';

describe('fetch, of a server spoken by hand', () => {
  const { open, keep } = feeds();
  let server: Origin;
  let connection: Connection;
  beforeEach(async () => {
    server = await keep(origin());
    connection = open(server.url);
  });

  /** A fetch whose request the server has read. */
  async function asked(init?: FetchInit): Promise<{ talk: Talk; answered: Promise<Response> }> {
    const answered = connection.fetch('/', init);
    answered.catch(() => {}); // Awaited later.
    const talk = server.talks[0] ?? (await server.next());
    await talk.request();
    return { talk, answered };
  }

  it('makes the six methods upper-case, and no others (WHATWG Fetch §2.2.1)', async () => {
    for (const method of ['get', 'Post', 'dElete', 'head', 'oPtions', 'put', 'patch']) {
      const answered = connection.fetch('/', { method });
      const talk = server.talks[0] ?? (await server.next());
      const normal = method === 'patch' ? method : method.toUpperCase();
      expect((await talk.request()).method).to.equal(normal);
      await talk.answer(200);
      await (await answered).text();
    }
  });

  it('keeps fields that came twice, and set-cookie apart', async () => {
    const { talk, answered } = await asked();
    await talk.write(
      'HTTP/1.1 200 OK\r\nX: 1\r\nSet-Cookie: a=1, 2\r\nx: 2\r\nset-cookie: b\r\nContent-Length: 0\r\n\r\n',
    );
    const { headers } = await answered;
    expect(headers.get('x')).to.equal('1, 2');
    expect(headers.getSetCookie()).to.deep.equal(['a=1, 2', 'b']);
  });

  it('sends the trailers of a body, whole or in parts', async () => {
    for (const body of ['x', new Blob(['x']).stream()]) {
      const { talk, answered } = await asked({ method: 'POST', body, trailers: { 'X-End': '1' } });
      expect(await talk.body()).to.deep.include({ text: 'x', trailers: { 'x-end': '1' } });
      await talk.answer(200);
      await (await answered).text();
    }
  });

  it('takes a status above 599 for one of 5xx (RFC 9110 §15)', async () => {
    const { talk, answered } = await asked();
    await talk.answer(999, 'odd');
    const response = await answered;
    expect(response.status).to.equal(500);
    expect(await response.text()).to.equal('odd');
  });

  it('passes interim answers over', async () => {
    const { talk, answered } = await asked();
    await talk.write('HTTP/1.1 103 Early\r\n\r\n');
    await talk.answer(200, 'late');
    expect(await (await answered).text()).to.equal('late');
  });

  for (const status of [204, 205, 304]) {
    it(`has no body with ${status}`, async () => {
      const { talk, answered } = await asked();
      await talk.write(`HTTP/1.1 ${status} x\r\n${status === 205 ? 'content-length: 0\r\n' : ''}\r\n`);
      expect(await answered).to.include({ status, body: null });
    });
  }

  it('reads nothing before it is wanted', async () => {
    const { talk, answered } = await asked();
    const size = 64 * 1024 * 1024;
    await talk.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    const { body } = await answered;
    const part = Buffer.alloc(1024 * 1024, 'x');
    for (let sent = 0; sent < size; sent += part.length) talk.socket.write(part);
    // The kernel takes what it can; what the reader does not want stays in the server.
    for (let turn = 0; turn < 50; turn++) await connection.info();
    expect(talk.socket.writableLength).to.be.above(size / 4);
    await body!.cancel();
    await talk.closed;
  });

  it('errors the body where the connection is lost', async () => {
    const { talk, answered } = await asked();
    await talk.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    const response = await answered;
    talk.reset();
    await rejects(response.text(), 'ERR_GUNPORT_CLOSED');
  });

  it('stops the source of its body once the answer is complete', async () => {
    let told: () => void = () => {};
    const left = new Promise<void>((resolve) => (told = resolve));
    const body = new ReadableStream({ start: (parts) => parts.enqueue('begun'), cancel: () => told() });
    const { talk, answered } = await asked({ method: 'POST', body });
    await talk.answer(413, 'too much');
    expect(await (await answered).text()).to.equal('too much');
    await left;
  });

  it('waits for room before it asks the source for more', async () => {
    let asked = 0;
    const part = new Uint8Array(1024 * 1024);
    const body = new ReadableStream(
      {
        pull: (parts) => {
          asked++;
          parts.enqueue(part);
        },
      },
      { highWaterMark: 0 },
    );
    const failed = rejects(connection.fetch('/', { method: 'POST', body }), 'ERR_GUNPORT_CLOSED');
    const talk = await server.next();
    talk.socket.pause();
    let before = -1;
    for (let still = 0; still < 50; ) {
      still = asked === before ? still + 1 : 0;
      before = asked;
      await connection.info();
    }
    expect(asked).to.be.below(64);
    talk.reset();
    await failed;
  });
});
