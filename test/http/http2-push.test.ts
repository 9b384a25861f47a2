// Requests that nobody made, and their answers: RFC 9113 §8.4.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, LostNotice, PushNotice, Stream } from '../../lib/index.ts';
import * as h2 from '../support/h2frames.ts';
import { h2talks, wordsOf } from '../support/h2origin.ts';
import { rejects } from '../support/rejects.ts';

const OK = { ':status': 200 } as const;
type Push = PushNotice<Stream<Connection>>;

describe('server push over HTTP/2', () => {
  const { both } = h2talks();

  /** The head of a request as this server may promise it. */
  const promised = (fields: h2.H2Frame['fields'], path: string, method = 'GET') => ({
    ':method': method,
    ':scheme': 'http',
    ':authority': fields[':authority'] ?? '',
    ':path': path,
  });

  it('check 19: is off unless it is asked for: a promise is an error of the connection then (RFC 9113 §8.4)', async () => {
    const { connection, server } = await both({ retry: 0 });
    expect((await server.next('settings')).settings).to.include({ enablePush: 0 });
    const stream = connection.get('/');
    const { stream: id, fields } = await server.request();
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    server.send(h2.promise(id, 2, promised(fields, '/a')));
    await rejects(stream.response(), 'ERR_GUNPORT_PROTOCOL');
    expect((await lost)[0].reason).to.include({ code: 'ERR_GUNPORT_PROTOCOL' });
    expect((await server.next('goaway')).code).to.equal('PROTOCOL_ERROR');
    await server.ended;
  });

  it('check 19: is a notice of the stream that it belongs to, and a stream of its own (push)', async () => {
    const { connection, server, origin } = await both({ push: true, maxConcurrentPushes: 7 });
    const { settings } = await server.next('settings');
    expect(settings.enablePush ?? 1).to.equal(1);
    expect(settings.maxConcurrentStreams).to.equal(7);
    const stream = connection.get('/page');
    const { stream: id, fields } = await server.request();
    server.send(
      h2.promise(id, 2, { ...promised(fields, '/style.css'), accept: 'text/css' }),
      h2.headers(id, OK),
      h2.headers(2, { ...OK, 'content-type': 'text/css' }),
      h2.data(2, 'style'),
      h2.promise(id, 4, promised(fields, '/head', 'HEAD')),
      h2.data(id, 'page', true),
      h2.data(2, 's', true),
      h2.headers(4, { ':status': 204 }, { fin: true }),
    );
    const first = (await connection.await(stream)) as Push;
    expect(first).to.deep.include({
      ...{ type: 'push', method: 'GET', uri: `${origin.url}/style.css`, rawHeaders: ['accept', 'text/css'] },
    });
    expect(first.stream).to.include({ method: 'GET', path: '/style.css', connection });
    expect(first.stream.id).to.be.below(0);
    // Nothing orders a head and a promise that came in one read.
    const notices = [await connection.await(stream), await connection.await(stream)];
    const second = notices.find(({ type }) => type === 'push') as Push;
    expect(notices.map(({ type }) => type)).to.have.members(['push', 'response']);
    expect(second).to.include({ type: 'push', method: 'HEAD' });
    expect(await wordsOf(connection, stream)).to.deep.equal(['data page', 'fin']);
    const { headers } = await first.stream.response();
    expect(headers['content-type']).to.equal('text/css');
    expect(await first.stream.text()).to.equal('styles');
    expect(await wordsOf(connection, second.stream)).to.deep.equal(['204', 'fin']);
  });

  it('may be cancelled by us, and its parent goes on (cancel_pushed)', async () => {
    const { connection, server } = await both({ push: true });
    const stream = connection.get('/page');
    const { stream: id, fields } = await server.request();
    server.send(h2.promise(id, 2, promised(fields, '/a')), h2.promise(id, 4, promised(fields, '/b')));
    const first = (await connection.await(stream)) as Push;
    first.stream.cancel();
    expect((await server.next('reset', 2)).code).to.equal('CANCEL');
    // Late, and of no interest.
    server.send(h2.headers(2, OK), h2.data(2, 'late', true));
    const second = (await connection.await(stream)) as Push;
    server.send(h2.headers(4, OK), h2.data(4, 'beg'));
    await second.stream.response();
    second.stream.cancel();
    expect((await server.next('reset', 4)).code).to.equal('CANCEL');
    server.send(h2.data(4, 'un', true));
    server.answer(id, 200, 'page');
    expect(await stream.text()).to.equal('page');
    await rejects(connection.await(first.stream), 'ERR_GUNPORT_CANCELLED');
    await server.roundTrip();
    expect(connection.status).to.equal('up');
  });

  it('goes on when its parent has ended, or was cancelled', async () => {
    const { connection, server } = await both({ push: true });
    for (const cancel of [false, true]) {
      const stream = connection.get('/page');
      const { stream: id, fields } = await server.request();
      const even = 2 * id;
      server.send(h2.promise(id, even, promised(fields, '/a')));
      const push = (await connection.await(stream)) as Push;
      if (cancel) stream.cancel();
      else server.answer(id, 200, 'page');
      if (cancel) await server.next('reset', id);
      else expect(await stream.text()).to.equal('page');
      server.send(h2.headers(even, OK), h2.data(even, 'pushed', true));
      expect(await push.stream.text()).to.equal('pushed');
    }
  });

  it('may be reset by the server, and fails then alone', async () => {
    const { connection, server } = await both({ push: true });
    const stream = connection.get('/page');
    const { stream: id, fields } = await server.request();
    server.send(h2.promise(id, 2, promised(fields, '/a')), h2.promise(id, 4, promised(fields, '/b')));
    const first = (await connection.await(stream)) as Push;
    const second = (await connection.await(stream)) as Push;
    server.send(h2.reset(2, 'INTERNAL_ERROR'), h2.headers(4, OK), h2.data(4, 'half'), h2.reset(4, 'CANCEL'));
    expect(await wordsOf(connection, first.stream)).to.deep.equal(['ERR_GUNPORT_RESET INTERNAL_ERROR']);
    const words = await wordsOf(connection, second.stream);
    expect(words).to.deep.equal(['200', 'data half', 'ERR_GUNPORT_RESET CANCEL']);
    server.answer(id, 200, 'page');
    expect(await stream.text()).to.equal('page');
  });

  it('that comes for a cancelled request is refused, and nothing else happens', async () => {
    const { connection, server } = await both({ push: true, retry: 0 });
    const stream = connection.get('/page');
    const { stream: id, fields } = await server.request();
    stream.cancel();
    await server.next('reset', id);
    server.send(
      h2.promise(id, 2, promised(fields, '/late')),
      h2.headers(2, OK),
      h2.data(2, 'late', true),
      h2.headers(id, OK, { fin: true }),
    );
    await server.roundTrip();
    const other = connection.get('/other');
    const next = await server.request();
    server.answer(next.stream, 200, 'well');
    expect(await other.text()).to.equal('well');
    expect(connection.streams.size).to.be.below(3);
  });

  it('above maxConcurrentPushes is refused', async () => {
    const { connection, server } = await both({ push: true, maxConcurrentPushes: 2, retry: 0 });
    const stream = connection.get('/page');
    const { stream: id, fields } = await server.request();
    for (let i = 1; i <= 5; i++) server.send(h2.promise(id, 2 * i, promised(fields, `/${i}`)));
    for (let i = 1; i <= 5; i++) server.send(h2.headers(2 * i, OK), h2.data(2 * i, `${i}`, true));
    server.answer(id, 200, 'page');
    const notices = [];
    for (let fin = false; !fin; ) {
      const notice = await connection.await(stream);
      notices.push(notice.type);
      fin = 'fin' in notice && notice.fin;
    }
    // A promise costs nothing but its notice: RFC 9113 §8.4.1 counts streams from their response on.
    expect(notices.filter((type) => type !== 'push')).to.deep.equal(['response', 'data']);
    expect(connection.status).to.equal('up');
  });

  const bad: Record<string, (fields: h2.H2Frame['fields']) => Parameters<typeof h2.promise>[2]> = {
    'a method with a body': (fields) => promised(fields, '/', 'POST'),
    'a method that changes things': (fields) => promised(fields, '/', 'DELETE'),
    'no path': (fields) => ({
      ':method': 'GET',
      ':scheme': 'http',
      ':authority': fields[':authority'] ?? '',
    }),
    'another port': (fields) => ({ ...promised(fields, '/'), ':authority': '127.0.0.1:1' }),
  };
  for (const [what, head] of Object.entries(bad)) {
    it(`with ${what} is reset with PROTOCOL_ERROR, and told to nobody (RFC 9113 §8.4)`, async () => {
      const { connection, server } = await both({ push: true, retry: 0 });
      const stream = connection.get('/');
      const { stream: id, fields } = await server.request();
      server.send(h2.promise(id, 2, head(fields)));
      expect((await server.next('reset', 2)).code).to.equal('PROTOCOL_ERROR');
      server.answer(id, 200, 'page');
      expect(await wordsOf(connection, stream)).to.deep.equal(['200', 'data page', 'fin']);
    });
  }
});
