// Requests over HTTP/2, as they come out of the wire at the server.

import { expect } from 'chai';
import * as h2 from '../support/h2frames.ts';
import { echoing, h2talks, wordsOf } from '../support/h2origin.ts';

describe('the head of a request over HTTP/2', () => {
  const { both } = h2talks();

  it('has its pseudo-header fields first, then the fields of the connection and its own', async () => {
    const { connection, server, origin } = await both({ headers: { 'X-All': 'every', 'user-agent': 'gun' } });
    connection.request('PURGE', '/a?b=c', { headers: { 'User-Agent': 'mine', Accept: ['a', 'b'] } });
    connection.options('*');
    const [first, second] = await server.requests(2);
    expect(first!.fields).to.deep.equal({
      ...{
        ':method': 'PURGE',
        ':scheme': 'http',
        ':authority': `127.0.0.1:${origin.port}`,
        ':path': '/a?b=c',
      },
      ...{ 'x-all': 'every', 'user-agent': 'mine', accept: 'a, b' },
    });
    expect(
      Object.keys(first!.fields)
        .slice(0, 4)
        .every((name) => name.startsWith(':')),
    ).to.equal(true);
    expect(second!.fields).to.include({ ':method': 'OPTIONS', ':path': '*' });
  });

  it('has no fields that belong to a connection (RFC 9113 §8.2.2)', async () => {
    const { connection, server } = await both();
    connection.get('/', {
      headers: {
        ...{ connection: 'close, x', 'keep-alive': 'timeout=5', 'proxy-connection': 'close', upgrade: 'h2c' },
        ...{ 'transfer-encoding': 'chunked', 'http2-settings': 'AAA', te: 'gzip', well: 'yes' },
      },
    });
    const { fields } = await server.request();
    expect(Object.keys(fields).filter((name) => !name.startsWith(':'))).to.deep.equal(['well']);
  });

  it('that cannot be sent fails its own stream', async () => {
    const { connection, server } = await both();
    const headers = [
      ['content-type', 'a'],
      ['content-type', 'b'],
    ] as const;
    const streams = [
      connection.get('/twice', { headers }),
      connection.post('/twice', { headers, body: 'x' }),
    ];
    void echoing(server).catch(() => {});
    // Some would send it; nobody hangs or hurts another.
    for (const stream of streams) {
      const words = await wordsOf(connection, stream);
      expect(words.at(-1)).to.match(/^(fin|ERR_GUNPORT_OPTION)/);
    }
    expect(await connection.get('/well').text()).to.equal('/well');
  });

  it('is compressed as far as the server has a table for it (RFC 7541 §4.2)', async () => {
    const { connection, server } = await both({}, { settings: { headerTableSize: 0 } });
    const headers = { 'x-long': 'a value that is the same every time' };
    for (const headerTableSize of [undefined, 4_096, 0, 1_000_000, 64]) {
      if (headerTableSize !== undefined) server.send(h2.settings({ headerTableSize }));
      await server.roundTrip();
      for (let i = 0; i < 3; i++) {
        const stream = connection.get(`/${i}`, { headers });
        const { stream: id, fields, path } = await server.request();
        expect([path, fields['x-long']]).to.deep.equal([`/${i}`, headers['x-long']]);
        server.answer(id, 204);
        await stream.response();
      }
    }
    const sizes = server.frames.filter(({ type }) => type === 'headers').map(({ payload }) => payload.length);
    // With a table, the third is all in it.
    expect(sizes[5]).to.be.below(sizes[2]! - 20);
    expect(sizes[8]).to.be.at.least(sizes[2]! - 5);
  });

  it('has secrets that no table of the connection remembers (RFC 7541 §7.1.3)', async () => {
    const { connection, server } = await both();
    for (let i = 0; i < 2; i++) {
      connection.get('/', { headers: { authorization: 'Bearer secret', cookie: 'a=b' } });
      const { fields } = await server.request();
      expect(fields).to.include({ authorization: 'Bearer secret', cookie: 'a=b' });
    }
    // What the table has takes a byte each: both secrets stand there again.
    const [, second] = server.frames.filter(({ type }) => type === 'headers');
    expect(second!.payload.length).to.be.above(18);
  });
});

describe('the body of a request over HTTP/2', () => {
  const { both } = h2talks();

  it('is in DATA frames as it is given; empty parts are none, an empty last one ends it (ignore_empty_data_http2)', async () => {
    const { connection, server } = await both();
    const stream = connection.post('/', { headers: { 'content-type': 'text/plain' } });
    const { stream: id, fin, fields } = await server.request();
    expect(fin).to.equal(false);
    expect(fields).to.include({ 'content-type': 'text/plain' }).and.not.have.property('content-length');
    for (const part of ['a', '', 'b', '']) stream.data('nofin', part);
    await stream.drained();
    stream.data('fin');
    expect((await server.body(id)).body.toString()).to.equal('ab');
    const frames = server.frames.filter(({ type }) => type === 'data');
    expect(frames.slice(0, -1).every(({ payload }) => payload.length > 0)).to.equal(true);
    server.answer(id, 200, 'ok');
    expect(await stream.text()).to.equal('ok');
  });

  it('may have trailers, behind all of it or behind the last part', async () => {
    const { connection, server } = await both();
    const whole = connection.post('/', { body: 'abc', trailers: { sum: '6' } });
    const one = await server.request();
    const first = await server.body(one.stream);
    expect([first.body.toString(), first.trailers]).to.deep.equal(['abc', { sum: '6' }]);
    const parts = connection.post('/');
    const two = await server.request();
    parts.data('nofin', 'de');
    parts.data('fin', 'f', {
      trailers: [
        ['sum', '15'],
        ['x', 'y'],
      ],
    });
    const second = await server.body(two.stream);
    expect([second.body.toString(), second.trailers]).to.deep.equal(['def', { sum: '15', x: 'y' }]);
    const none = connection.post('/');
    const three = await server.request();
    none.data('fin', undefined, { trailers: { sum: '0' } });
    const third = await server.body(three.stream);
    expect([third.body.length, third.trailers]).to.deep.equal([0, { sum: '0' }]);
    for (const { stream } of [one, two, three]) server.answer(stream, 204);
    for (const stream of [whole, parts, none]) expect((await stream.response()).status).to.equal(204);
  });

  it('is none for GET, and an empty one for POST has a length (RFC 9110 §8.6)', async () => {
    const { connection, server } = await both();
    connection.get('/');
    connection.post('/', { body: '' });
    connection.delete('/', { body: 'x' });
    const [get, post, del] = await server.requests(3);
    expect(get).to.include({ fin: true });
    expect(get!.fields).not.to.have.property('content-length');
    expect(post).to.include({ fin: true });
    expect(post!.fields['content-length']).to.equal('0');
    expect(del!.fields['content-length']).to.equal('1');
  });

  it('waits for 100 (Continue), and is sent then', async () => {
    const { connection, server } = await both();
    const options = { headers: { expect: '100-continue' }, body: 'body', continueTimeout: 4_000 };
    const stream = connection.post('/', options);
    const { stream: id, fields } = await server.request();
    expect(fields['expect']).to.equal('100-continue');
    await server.roundTrip();
    expect(server.frames.filter(({ type }) => type === 'data')).to.deep.equal([]);
    server.send(h2.headers(id, { ':status': 100 }));
    expect((await server.body(id)).body.toString()).to.equal('body');
    server.answer(id, 200, 'thanks');
    expect(await stream.text()).to.equal('thanks');
  });

  it('is sent after continueTimeout when no 100 comes', async () => {
    const { connection, server } = await both();
    const headers = { expect: '100-continue' };
    const stream = connection.post('/', { headers, body: 'body', continueTimeout: 10 });
    const { stream: id } = await server.request();
    expect((await server.body(id)).body.toString()).to.equal('body');
    server.answer(id, 200, 'thanks');
    expect(await stream.text()).to.equal('thanks');
  });

  it('is not sent when the answer is a refusal', async () => {
    const { connection, server } = await both();
    const headers = { expect: '100-continue' };
    const stream = connection.post('/', { headers, body: 'body', continueTimeout: 4_000 });
    const { stream: id } = await server.request();
    server.answer(id, 417, 'no');
    expect(await wordsOf(connection, stream)).to.deep.equal(['417', 'data no', 'fin']);
    await server.next('reset', id);
    expect(server.frames.filter(({ type }) => type === 'data')).to.deep.equal([]);
  });
});
