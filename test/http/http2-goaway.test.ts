// A server that goes away: GOAWAY in all its shapes. RFC 9113 §6.8.

import { once } from 'node:events';
import { expect } from 'chai';
import type { LostNotice } from '../../lib/index.ts';
import * as h2 from '../support/h2frames.ts';
import { h2talks, wordsOf } from '../support/h2origin.ts';
import { rejects } from '../support/rejects.ts';

const OK = { ':status': 200 } as const;
const MAX = 0x7fffffff;

describe('GOAWAY of a server', () => {
  const { both, served } = h2talks();
  const downOf = (connection: object): Promise<[LostNotice]> =>
    once(connection as never, 'down') as Promise<[LostNotice]>; // It is an emitter.

  it('check 19: lets what it names finish, fails the rest at once, and sends what comes after over the next connection', async () => {
    const { connection, server, origin } = await both({ retryTimeout: 1 });
    const streams = ['/1', '/2', '/3'].map((path) => connection.get(path));
    const requests = await server.requests(3);
    server.send(h2.headers(requests[0]!.stream, OK));
    const down = downOf(connection);
    server.send(h2.goaway(requests[1]!.stream));
    const error = await rejects(streams[2]!.response(), 'ERR_GUNPORT_GOAWAY');
    expect(error).to.include({ name: 'StreamError', reason: 'NO_ERROR' });
    const later = connection.get('/later');
    server.send(h2.data(requests[0]!.stream, 'one', true));
    expect(await streams[0]!.text()).to.equal('one');
    expect(server.socket.destroyed).to.equal(false);
    server.answer(requests[1]!.stream, 200, 'two');
    expect(await streams[1]!.text()).to.equal('two');
    // RFC 9113 §6.8: "An endpoint SHOULD send a GOAWAY frame before closing".
    expect((await server.next('goaway')).code).to.equal('NO_ERROR');
    await server.ended;
    const [{ reason, killed }] = await down;
    expect([reason.reason, killed]).to.deep.equal(['normal', []]);
    const next = await origin.next();
    const { stream, path } = await next.request();
    expect(path).to.equal('/later');
    next.answer(stream, 200, path);
    expect(await later.text()).to.equal('/later');
    expect(server.frames.filter(({ type }) => type === 'headers')).to.have.lengthOf(3);
  });

  it('of the last stream there may be comes first, and then the real one (graceful shutdown)', async () => {
    const { connection, server } = await both({ retryTimeout: 1 });
    const first = connection.get('/1');
    const one = await server.request();
    const second = connection.get('/2');
    const two = await server.request();
    server.send(h2.goaway(MAX));
    await server.roundTrip();
    server.send(h2.goaway(one.stream));
    await rejects(second.response(), 'ERR_GUNPORT_GOAWAY');
    server.answer(one.stream, 200, 'one');
    expect(await first.text()).to.equal('one');
    expect(two.stream).to.equal(3);
    await server.ended;
  });

  it('with retry 0 ends the connection as normal, and refuses what comes meanwhile (http2_server_goaway_many_streams)', async () => {
    const { connection, server } = await both({ retry: 0 });
    const stream = connection.get('/1');
    const { stream: id } = await server.request();
    server.send(h2.headers(id, OK), h2.goaway(id));
    await stream.response();
    await server.roundTrip();
    await rejects(connection.get('/2').response(), 'ERR_GUNPORT_CLOSING');
    server.send(h2.data(id, 'one', true));
    expect(await stream.text()).to.equal('one');
    expect((await connection.monitor().down)?.reason.kind).to.equal('normal');
  });

  it('as soon as a connection is up, again and again, costs retries: it is no storm', async () => {
    const { connection, origin } = await served((talk) => talk.send(h2.goaway(0)), {
      retry: 3,
      retryTimeout: 1,
    });
    expect((await connection.monitor().down)?.reason.kind).to.equal('normal');
    expect(origin.taken).to.equal(4);
  });

  it('while nothing is under way is followed by the end, and by a new connection (http2_server_goaway_no_streams)', async () => {
    const { connection, server, origin } = await both({ retryTimeout: 1 });
    const down = downOf(connection);
    server.send(h2.goaway(0));
    expect((await down)[0].reason).to.include({ reason: 'normal' });
    await server.ended;
    const next = await origin.next();
    const stream = connection.get('/next');
    const { stream: id } = await next.request();
    next.answer(id, 200, 'next');
    expect(await stream.text()).to.equal('next');
  });

  for (const code of [
    'ENHANCE_YOUR_CALM',
    'INTERNAL_ERROR',
    'HTTP_1_1_REQUIRED',
    'PROTOCOL_ERROR',
  ] as const) {
    it(`with ${code} is the reason of what it fails, and of the loss; what it names may finish`, async () => {
      const { connection, server } = await both({ retry: 0 });
      const [first, second] = [connection.get('/1'), connection.get('/2')];
      const [one] = await server.requests(2);
      const down = downOf(connection);
      server.send(h2.goaway(one!.stream, code, 'debugging data'));
      expect(await rejects(second.response(), 'ERR_GUNPORT_GOAWAY')).to.include({ reason: code });
      server.answer(one!.stream, 200, 'one');
      expect(await first.text()).to.equal('one');
      const [{ reason }] = await down;
      expect(reason).to.include({ code: 'ERR_GUNPORT_GOAWAY', reason: code });
      expect((await connection.monitor().down)?.reason.kind).to.equal('gave-up');
    });
  }

  it('with an error and the end of the connection behind it is told, not the end', async () => {
    const { connection, server } = await both({ retry: 0 });
    const stream = connection.get('/');
    await server.request();
    const down = downOf(connection);
    server.send(h2.goaway(0, 'ENHANCE_YOUR_CALM'));
    server.socket.end();
    expect(await rejects(stream.response(), 'ERR_GUNPORT_GOAWAY')).to.include({
      reason: 'ENHANCE_YOUR_CALM',
    });
    expect((await down)[0].reason).to.include({ code: 'ERR_GUNPORT_GOAWAY', reason: 'ENHANCE_YOUR_CALM' });
  });

  it('and the end, right behind whole answers, cost none of them, however they are read', async () => {
    const body = Buffer.alloc(9_000, 'whole');
    for (let round = 0; round < 10; round++) {
      const { connection, server } = await both({ retry: 0 });
      const streams = Array.from({ length: 30 }, () => connection.get('/'));
      const texts = Promise.all(streams.map((stream) => stream.text()));
      const requests = await server.requests(30);
      const last = h2.goaway(requests.at(-1)!.stream);
      const answers = requests.flatMap(({ stream }) => [
        h2.headers(stream, OK),
        h2.data(stream, body, round % 2 === 0),
        ...(round % 2 === 0 ? [] : [h2.headers(stream, { t: 'u' }, { fin: true })]),
      ]);
      server.send(...answers, ...(round % 3 === 0 ? [] : [last]));
      if (round % 3 < 2) server.socket.end();
      expect(await texts).to.deep.equal(Array(30).fill(body.toString()));
    }
  });

  it('and silence after it is bounded by closingTimeout', async () => {
    for (const last of [1, MAX]) {
      const { connection, server, origin } = await both({ closingTimeout: 60, retryTimeout: 1 });
      const stream = connection.get('/silent');
      const { stream: id } = await server.request();
      const begun = performance.now();
      server.send(h2.headers(id, OK), h2.data(id, 'half'), h2.goaway(last));
      const words = await wordsOf(connection, stream);
      expect(words.slice(0, 2)).to.deep.equal(['200', 'data half']);
      expect(words[2]).to.match(/^ERR_GUNPORT_(CLOSED|GOAWAY)/);
      expect(performance.now() - begun).to.be.within(55, 1_000);
      await server.ended;
      const next = await origin.next();
      const other = connection.get('/other');
      const request = await next.request();
      next.answer(request.stream, 200, 'other');
      expect(await other.text()).to.equal('other');
    }
  });

  it('a second time with more streams, or a thousand times, harms nobody', async () => {
    const { connection, server } = await both({ retry: 0 });
    const [first, second] = [connection.get('/1'), connection.get('/2')];
    const [one] = await server.requests(2);
    server.send(h2.goaway(one!.stream), h2.goaway(MAX), h2.goaway(one!.stream));
    await rejects(second.response(), 'ERR_GUNPORT_GOAWAY');
    server.answer(one!.stream, 200, 'one');
    expect(await first.text()).to.equal('one');
  });

  it('lets an upload that it names go on to its end', async () => {
    const { connection, server } = await both({ retry: 0 });
    const stream = connection.post('/');
    stream.data('nofin', 'a');
    const { stream: id } = await server.request();
    await server.next('data', id);
    server.send(h2.goaway(id));
    await server.roundTrip();
    stream.data('fin', 'b');
    expect((await server.body(id)).body.toString()).to.equal('b');
    server.answer(id, 200, 'ab');
    expect(await stream.text()).to.equal('ab');
  });

  it('fails an upload that it does not name', async () => {
    const { connection, server } = await both({ retryTimeout: 1 });
    const stream = connection.post('/');
    stream.data('nofin', 'a');
    await server.request();
    server.send(h2.goaway(0));
    await rejects(stream.response(), 'ERR_GUNPORT_GOAWAY');
    expect(() => stream.data('fin', 'b'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_GOAWAY');
  });
});
