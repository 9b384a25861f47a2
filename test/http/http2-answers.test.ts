// Answers and bodies over HTTP/2, as a server frames them: well, oddly, and wrong.

import { expect } from 'chai';
import * as h2 from '../support/h2frames.ts';
import { type H2Talk, h2talks, wordsOf } from '../support/h2origin.ts';
import type { Fields } from '../support/hpack.ts';
import { rejects } from '../support/rejects.ts';

const OK = { ':status': 200 } as const;
/** The nghttp2 of Node 22 and later takes two of the faults for the connection's. */
const ENDS_ALL = Number(process.versions['nghttp2']?.split('.')[1]) > 61;

describe('an answer over HTTP/2', () => {
  const { both } = h2talks();

  it('may have interim ones before it (RFC 9110 §15.2)', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/inform');
    const { stream: id } = await server.request();
    server.send(h2.headers(id, { ':status': 103, link: '</a.css>' }), h2.headers(id, { ':status': 103 }));
    expect(await connection.await(stream)).to.deep.include({
      type: 'inform',
      status: 103,
      rawHeaders: ['link', '</a.css>'],
    });
    expect(await connection.await(stream)).to.include({ type: 'inform', status: 103 });
    server.answer(id, 200, 'x');
    expect(await wordsOf(connection, stream)).to.deep.equal(['200', 'data x', 'fin']);
  });

  it('may have trailers, which end it (RFC 9113 §8.1)', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/trailers', { headers: { te: 'trailers' } });
    const { stream: id, fields } = await server.request();
    expect(fields['te']).to.equal('trailers');
    server.answer(id, 200, 'body', {
      trailers: [
        ['expires', 'never'],
        ['x-a', '1'],
        ['x-a', '2'],
      ],
    });
    const words = await wordsOf(connection, stream);
    expect(words).to.deep.equal(['200', 'data body', 'trailers {"expires":"never","x-a":["1","2"]}']);
    const other = connection.get('/trailers');
    const next = await server.request();
    server.answer(next.stream, 200, '', { trailers: { done: 'yes' } });
    const { body, trailers } = await other.body();
    expect([body.length, trailers?.['done']]).to.deep.equal([0, 'yes']);
  });

  it('has no body where its head is all (HEAD, 204, 304, END_STREAM)', async () => {
    const { connection, server } = await both();
    const head = connection.head('/');
    const one = await server.request();
    expect(one.fields[':method']).to.equal('HEAD');
    server.answer(one.stream, 200, '', { fields: { 'content-length': 12_345 } });
    const response = await connection.await(head);
    expect(response).to.deep.include({ fin: true, status: 200, rawHeaders: ['content-length', '12345'] });
    // RFC 9110 §8.6: a 304 has the length that the 200 would have.
    for (const [status, length] of [[204], [304], [304, 77], [200], [205, 0]] as const) {
      const stream = connection.get('/');
      const { stream: id } = await server.request();
      server.answer(id, status, '', length === undefined ? {} : { fields: { 'content-length': length } });
      expect(await connection.await(stream)).to.include({ fin: true, status });
      expect(await stream.bytes()).to.have.lengthOf(0);
    }
  });

  it('may end with an empty DATA frame, and have empty ones in its midst', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/');
    const { stream: id } = await server.request();
    server.send(h2.headers(id, OK), h2.data(id), h2.data(id, 'a'), h2.data(id), h2.data(id, '', true));
    expect(await stream.text()).to.equal('a');
    const other = connection.get('/');
    const next = await server.request();
    server.send(h2.headers(next.stream, OK));
    expect(await connection.await(other)).to.include({ fin: false });
    server.send(h2.data(next.stream, '', true));
    expect(await connection.await(other)).to.deep.equal({ type: 'data', fin: true, data: new Uint8Array(0) });
  });

  it('has its fields as they came: a list, and an object with lower-case names', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/');
    const { stream: id } = await server.request();
    const fields = [
      ['set-cookie', 'a=1'],
      ['x', '\u00e9'],
      ['set-cookie', 'b=2'],
      ['__proto__', 'p'],
      ['empty', ''],
    ] as const;
    server.answer(id, 299, '', { fields });
    const { status, headers, rawHeaders } = await stream.response();
    expect(status).to.equal(299);
    expect(rawHeaders).to.deep.equal(fields.flat());
    expect(headers['set-cookie']).to.deep.equal(['a=1', 'b=2']);
    expect(Reflect.get(headers, '__proto__')).to.equal('p');
    expect(Object.getPrototypeOf(headers)).to.equal(null);
  });

  it('comes whole through every cut of the bytes', async () => {
    const { connection, server } = await both();
    const bytes = (id: number) =>
      Buffer.concat([
        h2.headers(id, { ':status': 103 }),
        h2.headers(id, { ...OK, a: 'b' }, { end: false, padding: 3 }),
        h2.continuation(id, { c: 'd' }, true),
        h2.ping('12345678', true),
        h2.data(id, 'one'),
        h2.frame(77, 1, 0, 'unknown'),
        h2.priority(id),
        h2.data(id, 'two'),
        h2.headers(id, { t: 'u' }, { fin: true }),
      ]);
    const { length } = bytes(1);
    for (let at = 1; at < length; at += 1) {
      const stream = connection.get('/');
      const { stream: id } = await server.request();
      const whole = bytes(id);
      server.send(whole.subarray(0, at));
      await new Promise((resolve) => setImmediate(resolve));
      server.send(whole.subarray(at));
      expect((await stream.response()).rawHeaders).to.deep.equal(['a', 'b', 'c', 'd']);
      const { body, trailers } = await stream.body();
      expect([Buffer.from(body).toString(), trailers?.['t']]).to.deep.equal(['onetwo', 'u']);
    }
  });
});

describe('an answer over HTTP/2 that is malformed', () => {
  const { both } = h2talks();

  // RFC 9113 §8.1.1: "MUST be treated as a stream error of type PROTOCOL_ERROR".
  const wrong: Record<string, (id: number) => Uint8Array[]> = {
    'is shorter than its content-length': (id) => [
      h2.headers(id, { ...OK, 'content-length': 10 }),
      h2.data(id, 'abc', true),
    ],
    'is longer than its content-length': (id) => [
      h2.headers(id, { ...OK, 'content-length': 2 }),
      h2.data(id, 'abc', true),
    ],
    'has two lengths': (id) => [
      h2.headers(id, [...Object.entries(OK), ['content-length', 3], ['content-length', 4]]),
      h2.data(id, 'abc', true),
    ],
    'has a body after all for HEAD': (id) => [h2.headers(id, OK), h2.data(id, 'abc', true)],
    'has no status': (id) => [h2.headers(id, { server: 'x' }, { fin: true })],
    'has a status that is none': (id) => [h2.headers(id, { ':status': 'abc' }, { fin: true })],
    'has two statuses': (id) => [
      h2.headers(
        id,
        [
          [':status', 200],
          [':status', 201],
        ],
        { fin: true },
      ),
    ],
    'has status 101': (id) => [h2.headers(id, { ':status': 101 }), h2.headers(id, OK, { fin: true })],
    'has a name with capitals': (id) => [h2.headers(id, { ...OK, 'X-Big': 'y' }, { fin: true })],
    'has a field of the connection': (id) => [h2.headers(id, { ...OK, connection: 'close' }, { fin: true })],
    'has a pseudo-header after others': (id) => [
      h2.headers(
        id,
        [
          ['a', 'b'],
          [':status', 200],
        ],
        { fin: true },
      ),
    ],
    'has an interim end': (id) => [h2.headers(id, { ':status': 103 }, { fin: true })],
    'has trailers that do not end it': (id) => [
      h2.headers(id, OK),
      h2.data(id, 'a'),
      h2.headers(id, { t: 'u' }),
      h2.data(id, 'b', true),
    ],
    'has a status in its trailers': (id) => [
      h2.headers(id, OK),
      h2.data(id, 'a'),
      h2.headers(id, { ':status': 200 }, { fin: true }),
    ],
  };
  it('because of a line break or NUL in a value has that field no more: it is none of its own (RFC 9113 §8.2.1)', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/');
    const { stream: id } = await server.request();
    const fields = { a: 'b\r\nc: d', e: 'f\0g', h: 'i\nj', well: 'yes' };
    server.answer(id, 200, '', { fields });
    expect((await stream.response()).rawHeaders).to.deep.equal(['well', 'yes']);
  });

  for (const [what, frames] of Object.entries(wrong)) {
    it(`because it ${what} ends with an error, and its neighbour well (RFC 9113 §8.1.1)`, async () => {
      const { connection, server } = await both({ retry: 0 });
      const stream = what.includes('HEAD') ? connection.head('/bad') : connection.get('/bad');
      const other = connection.get('/good');
      const [bad, good] = await server.requests(2);
      server.send(...frames(bad!.stream));
      const words = await wordsOf(connection, stream);
      if (ENDS_ALL && /HEAD|longer/.test(what)) {
        await rejects(other.text(), 'ERR_GUNPORT_PROTOCOL');
        return;
      }
      expect(words.at(-1)).to.match(/^ERR_GUNPORT_(PROTOCOL|RESET)/);
      server.answer(good!.stream, 200, 'well');
      expect(await other.text()).to.equal('well');
      expect((await server.next('reset', bad!.stream)).code).to.match(/ERROR$|^CANCEL$/);
      expect(connection.status).to.equal('up');
    });
  }
});

describe('the size of a head over HTTP/2', () => {
  const { both } = h2talks();

  const oversize = async (server: H2Talk, id: number, fields: Fields, padding = 9_000): Promise<void> => {
    const { encode } = await import('../support/hpack.ts');
    const block = encode(fields);
    const parts = [h2.headers(id, block.subarray(0, padding), { end: false })];
    for (let at = padding; at < block.length; at += padding) {
      const end = at + padding >= block.length;
      parts.push(h2.continuation(id, block.subarray(at, at + padding), end));
    }
    server.send(...parts);
  };

  it('is bounded by maxHeaderSize: ERR_GUNPORT_TOO_BIG for its stream only', async () => {
    const { connection, server } = await both({ maxHeaderSize: 10_000, retry: 0 });
    const [stream, other] = [connection.get('/big'), connection.get('/small')];
    const [big, small] = await server.requests(2);
    await oversize(server, big!.stream, { ...OK, big: 'x'.repeat(10_001) });
    const error = await rejects(stream.response(), 'ERR_GUNPORT_TOO_BIG');
    expect(error).to.include({ name: 'StreamError', phase: 'protocol' });
    server.answer(small!.stream, 200, 'well');
    expect(await other.text()).to.equal('well');
    expect((await server.next('reset', big!.stream)).type).to.equal('reset');
  });

  it('may be almost that', async () => {
    const { connection, server } = await both({ maxHeaderSize: 40_000 });
    const stream = connection.get('/big');
    const { stream: id } = await server.request();
    await oversize(server, id, { ...OK, big: 'x'.repeat(39_000) });
    server.send(h2.data(id, 'body', true));
    expect((await stream.response()).headers['big']).to.have.lengthOf(39_000);
    expect(await stream.text()).to.equal('body');
  });

  it('of trailers is bounded by maxTrailerSize', async () => {
    const { connection, server } = await both({ maxTrailerSize: 1_000, retry: 0 });
    const [stream, other] = [connection.get('/big'), connection.get('/small')];
    const [big, small] = await server.requests(2);
    server.answer(big!.stream, 200, 'body', { trailers: { t: 'x'.repeat(1_001) } });
    const words = await wordsOf(connection, stream);
    expect(words[0]).to.equal('200');
    expect(words.at(-1)).to.match(/^ERR_GUNPORT_TOO_BIG/);
    server.answer(small!.stream, 200, 'well', { trailers: { t: 'x'.repeat(900) } });
    expect(await other.text()).to.equal('well');
  });

  it('of a request goes out however large, in CONTINUATION frames (RFC 9113 §6.10)', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/', { headers: { big: 'Z'.repeat(50_000) } });
    const { stream: id, fields } = await server.request();
    expect(fields['big']).to.equal('Z'.repeat(50_000));
    server.answer(id, 200, 'read');
    expect(await stream.text()).to.equal('read');
  });

  it("of a request that is above the server's MAX_HEADER_LIST_SIZE is its own failure or the server's answer", async () => {
    const { connection, server } = await both({}, { settings: { maxHeaderListSize: 1_000 } });
    const stream = connection.get('/', { headers: { big: 'Z'.repeat(5_000) }, headersTimeout: 1_000 });
    const other = connection.get('/small');
    const words = wordsOf(connection, stream);
    for (;;) {
      const { stream: id, path } = await server.request();
      server.answer(id, path === '/' ? 431 : 200, 'x');
      if (path === '/small') break;
    }
    expect(await other.text()).to.equal('x');
    expect((await words)[0]).to.match(/^(431|ERR_GUNPORT_\w+)/);
    expect((await words)[0]).not.to.include('TIMEOUT');
  });
});
