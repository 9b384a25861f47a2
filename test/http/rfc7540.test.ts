// The lines of Gun's rfc7540_SUITE that are not about tunnels; each `it` names its twin.

import { once } from 'node:events';
import { expect } from 'chai';
import type { LostNotice } from '../../lib/index.ts';
import { checkOpen } from '../../lib/settings.ts';
import { requestHeaders } from '../../workers/http2/head.ts';
import * as h2 from '../support/h2frames.ts';
import { echoing, h2talks, wordsOf } from '../support/h2origin.ts';
import { rejects } from '../support/rejects.ts';

// Nobody may listen on ports 80 and 443 in a test: so what the driver puts into a head is looked at.
function authorityFor(target: string, headers: readonly string[] = []): unknown {
  const { settings } = checkOpen(target, target.startsWith('https') ? {} : { protocols: ['http2'] }, false);
  return requestHeaders({ method: 'GET', path: '/', headers }, settings, undefined)[':authority'];
}

describe(':authority of a request', () => {
  const { both } = h2talks();

  it('has no port where it is the default of http (authority_default_port_http)', () => {
    expect(authorityFor('http://localhost')).to.equal('localhost');
    expect(authorityFor('http://localhost:80')).to.equal('localhost');
    expect(authorityFor('http://localhost:443')).to.equal('localhost:443');
  });

  it('has no port where it is the default of https (authority_default_port_https)', () => {
    expect(authorityFor('https://localhost')).to.equal('localhost');
    expect(authorityFor('https://localhost:443')).to.equal('localhost');
    expect(authorityFor('https://localhost:80')).to.equal('localhost:80');
  });

  it('has brackets around an IPv6 address (authority_ipv6)', () => {
    expect(authorityFor('http://[::1]')).to.equal('[::1]');
    expect(authorityFor('http://[::1]:8080')).to.equal('[::1]:8080');
    expect(authorityFor('https://[::1]:443')).to.equal('[::1]');
  });

  it('is what a host header says, which is not sent itself (gun:request/4)', async () => {
    expect(authorityFor('http://localhost', ['host', 'other.example'])).to.equal('other.example');
    const { connection, server } = await both();
    connection.get('/', { headers: { Host: 'other.example:1' } });
    const { fields } = await server.request();
    expect(fields).to.include({ ':authority': 'other.example:1' }).and.not.to.have.property('host');
  });

  for (const secure of [false, true]) {
    const name = secure ? 'https' : 'http';
    it(`has any other port of ${name} (authority_other_port_${name})`, async () => {
      const { connection, server, origin } = await both({}, { secure });
      connection.get('/');
      const { fields } = await server.request();
      expect(fields).to.include({
        ':method': 'GET',
        ':scheme': name,
        ':authority': `${secure ? 'localhost' : '127.0.0.1'}:${origin.port}`,
        ':path': '/',
      });
    });
  }
});

describe('the preface of a server', () => {
  const { served } = h2talks();

  const hostile = (bytes: string | Uint8Array) =>
    served(
      async (talk) => {
        await talk.ready;
        talk.socket.write(bytes);
      },
      { retry: 0 },
      { preface: false, acknowledge: false },
    );

  it('is refused when it is garbage, at once (prior_knowledge_preface_garbage)', async () => {
    for (const bytes of ['\0\x11garbage\r\n', 'SSH-2.0-OpenSSH_9.2\r\n', Buffer.alloc(64, 0xff)]) {
      const { connection } = await hostile(bytes);
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROTOCOL');
      expect(error).to.include({ name: 'ConnectionError', phase: 'protocol' });
      expect(error.message).to.match(/^invalid connection preface/);
    }
  });

  it('is told to be HTTP/1 when it is (prior_knowledge_preface_http1)', async () => {
    const { connection } = await hostile('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
    const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROTOCOL');
    expect(error.message).to.match(/^invalid connection preface.*HTTP\/1/);
  });

  it('ends what was asked for before with that reason (prior_knowledge_preface_http1_await)', async () => {
    const { connection } = await hostile('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
    const stream = connection.get('/');
    const error = await rejects(connection.await(stream), 'ERR_GUNPORT_PROTOCOL');
    expect(error.message).to.match(/HTTP\/1/);
    const down = await connection.monitor().down;
    expect(down?.reason.kind).to.equal('gave-up');
    expect(down?.reason.cause).to.include({ code: 'ERR_GUNPORT_PROTOCOL' });
  });

  it('is refused when its first frame is no SETTINGS (prior_knowledge_preface_other_frame)', async () => {
    for (const frame of [
      h2.windowUpdate(0, 1),
      h2.ping(),
      h2.goaway(0),
      h2.headers(1, { ':status': 200 }),
      h2.settingsAck(),
    ]) {
      const { connection } = await hostile(frame);
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROTOCOL');
      expect(error.message).to.match(/^invalid connection preface/);
    }
  });
});

describe('the window of a connection', () => {
  const { both } = h2talks();

  it('is topped up for DATA that comes after our RST_STREAM (lingering_data_counts_toward_connection_window)', async () => {
    const { connection, server } = await both({ connectionWindow: 65_535, streamWindow: 65_535 });
    const part = Buffer.alloc(10_000);
    // Four windows in all, each on a stream that is read no more.
    for (let round = 0; round < 4; round++) {
      const stream = connection.get('/lingering');
      const { stream: id } = await server.request();
      server.send(h2.headers(id, { ':status': 200 }));
      await connection.await(stream);
      stream.cancel();
      expect((await server.next('reset', id)).code).to.equal('CANCEL');
      const credit = credited(server.frames);
      for (let i = 0; i < 6; i++) server.send(h2.data(id, part));
      await server.roundTrip();
      // An update may wait for half a window to be used; never for a whole one.
      expect(credited(server.frames) - credit).to.be.at.least(32_767);
    }
    const answered = connection.get('/next').bytes();
    const { stream: id } = await server.request();
    server.answer(id, 200, Buffer.alloc(30_000));
    expect(await answered).to.have.lengthOf(30_000);
  });
});

function credited(frames: readonly h2.H2Frame[]): number {
  const updates = frames.filter(({ type, stream }) => type === 'windowUpdate' && stream === 0);
  return updates.reduce((sum, { value }) => sum + value, 0);
}

describe('MAX_CONCURRENT_STREAMS of a server', () => {
  const { both } = h2talks();

  it('lets requests wait, in order, and the first is not affected (max_concurrent_streams_request)', async () => {
    const { connection, server } = await both({}, { settings: { maxConcurrentStreams: 1 } });
    const paths = ['/1', '/2', '/3', '/4'];
    const streams = paths.map((path) => connection.get(path));
    for (const [i, stream] of streams.entries()) {
      const { stream: id, path } = await server.request();
      expect(path).to.equal(paths[i]);
      await server.roundTrip();
      expect(server.frames.filter(({ type }) => type === 'headers')).to.have.lengthOf(i + 1);
      const states = await Promise.all(streams.map(async (one) => (await connection.streamInfo(one))?.state));
      expect(states.slice(i)).to.deep.equal(['running', ...Array(3 - i).fill('queued')]);
      server.answer(id, 200, path);
      expect(await stream.text()).to.equal(path);
    }
  });

  it('lets requests wait whose bodies follow, with what was given of them (max_concurrent_streams_headers)', async () => {
    const { connection, server } = await both({}, { settings: { maxConcurrentStreams: 1 } });
    const first = connection.headers('POST', '/first');
    const second = connection.headers('POST', '/second');
    second.data('nofin', 'sec');
    second.data('fin', 'ond');
    first.data('nofin', 'fir');
    const { stream: id, path } = await server.request();
    expect(path).to.equal('/first');
    await server.roundTrip();
    first.data('fin', 'st');
    expect((await server.body(id)).body.toString()).to.equal('first');
    server.answer(id, 200, 'a');
    const next = await server.request();
    expect(next.path).to.equal('/second');
    expect((await server.body(next.stream)).body.toString()).to.equal('second');
    server.answer(next.stream, 200, 'b');
    expect(await Promise.all([first.text(), second.text()])).to.deep.equal(['a', 'b']);
  });

  it('lets a WebSocket wait like a request, each in its turn (max_concurrent_streams_ws_upgrade)', async () => {
    const settings = { maxConcurrentStreams: 1, enableConnectProtocol: 1 };
    const { connection, server } = await both({}, { settings });
    const first = connection.get('/first');
    const feed = connection.wsUpgrade('/ws');
    const last = connection.get('/last');
    const { stream: id } = await server.request();
    await server.roundTrip();
    expect(server.frames.filter(({ type }) => type === 'headers')).to.have.lengthOf(1);
    server.answer(id, 200, 'first');
    expect(await first.text()).to.equal('first');
    const upgrade = await server.request();
    expect(upgrade).to.include({ path: '/ws', fin: false });
    expect(upgrade.fields).to.include({ ':method': 'CONNECT', ':protocol': 'websocket' });
    server.send(h2.headers(upgrade.stream, { ':status': 200 }));
    expect(await connection.await(feed)).to.include({ type: 'upgrade' });
    await server.roundTrip();
    expect(server.frames.filter(({ type }) => type === 'headers')).to.have.lengthOf(2);
    feed.cancel();
    const after = await server.request();
    expect(after.path).to.equal('/last');
    server.answer(after.stream, 200, 'last');
    expect(await last.text()).to.equal('last');
  });

  it('passes over one that was cancelled while it waited, which never was on the wire', async () => {
    const { connection, server } = await both({}, { settings: { maxConcurrentStreams: 1 } });
    const first = connection.get('/1');
    connection.get('/2').cancel();
    const third = connection.get('/3');
    const { stream: id } = await server.request();
    server.answer(id, 200, '1');
    const next = await server.request();
    expect(next.path).to.equal('/3');
    server.answer(next.stream, 200, '3');
    expect(await Promise.all([first.text(), third.text()])).to.deep.equal(['1', '3']);
    expect(server.frames.filter(({ type }) => type === 'reset')).to.deep.equal([]);
  });
});

describe('frames of a server', () => {
  const { both } = h2talks();

  it('may have a priority, or padding, in their HEADERS (headers_priority_flag)', async () => {
    const { connection, server } = await both();
    for (const options of [{ priority: true }, { padding: 9 }, { priority: true, padding: 0 }]) {
      const stream = connection.get('/');
      const { stream: id } = await server.request();
      server.send(h2.headers(id, { ':status': 200, 'x-a': 'b' }, options), h2.data(id, 'body', true));
      expect(await connection.await(stream)).to.deep.include({ status: 200, rawHeaders: ['x-a', 'b'] });
      expect(await stream.text()).to.equal('body');
    }
  });

  it('must acknowledge our SETTINGS in time, or get GOAWAY(SETTINGS_TIMEOUT) (settings_ack_timeout)', async () => {
    const { connection, server } = await both({ settingsTimeout: 150, retry: 0 }, { acknowledge: false });
    const [{ reason }] = (await once(connection, 'down')) as [LostNotice];
    expect(reason).to.include({ name: 'ConnectionError', code: 'ERR_GUNPORT_SETTINGS_TIMEOUT' });
    expect((await server.next('goaway')).code).to.equal('SETTINGS_TIMEOUT');
    await server.ended;
  });
});

describe('goodbye to a server', () => {
  const { both } = h2talks();

  it('is GOAWAY(NO_ERROR), and then the end (graceful_shutdown_goaway_no_error)', async () => {
    const { connection, server } = await both();
    const gone = connection.shutdown();
    expect(await server.next('goaway')).to.include({ code: 'NO_ERROR' });
    await server.ended;
    await gone;
    expect((await connection.monitor().down)?.reason.kind).to.equal('shutdown');
  });
});

describe('keepalive of HTTP/2', () => {
  const { both } = h2talks();
  const options = { keepalive: 20, keepaliveTolerance: 2, retry: 0 };

  it('bears as many unanswered pings as keepaliveTolerance says, not one more (keepalive_tolerance_ping_ack_timeout)', async () => {
    const { connection, server } = await both(options, { pong: false });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    await server.next('ping');
    await server.next('ping');
    expect(connection.status).to.equal('up');
    const [{ reason }] = await lost;
    expect(reason).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT', phase: 'timeout' });
    expect((await server.next('goaway')).code).to.equal('NO_ERROR');
    await server.ended;
    expect(server.frames.filter(({ type }) => type === 'ping')).to.have.lengthOf(2);
  });

  it('has no use for answers that nobody asked for (keepalive_tolerance_unrequested_ping_acks)', async () => {
    const { connection, server } = await both(options, { pong: false });
    const lost = once(connection, 'down') as Promise<[LostNotice]>;
    for (let i = 0; i < 100; i++) server.send(h2.ping(Buffer.alloc(8, i), true));
    const [{ reason }] = await lost;
    expect(reason).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT' });
    expect(server.frames.filter(({ type }) => type === 'ping')).to.have.lengthOf(2);
  });

  it('goes on for as long as pings are answered', async () => {
    const { connection, server } = await both({ keepalive: 10, keepaliveTolerance: 50, retry: 0 });
    for (let i = 0; i < 60; i++) await server.next('ping');
    expect(connection.status).to.equal('up');
  });

  it('has a deadline for each ping where there is no tolerance', async () => {
    const { connection, server } = await both({ keepalive: 20, pongTimeout: 50, retry: 0 }, { pong: false });
    const [{ reason }] = (await once(connection, 'down')) as [LostNotice];
    expect(reason).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT' });
    expect(server.frames.filter(({ type }) => type === 'ping')).to.have.lengthOf(1);
  });

  it('is none unless it is asked for (2.3: infinity)', async () => {
    const { connection, server } = await both({ retry: 0 });
    void echoing(server).catch(() => {});
    expect(await connection.get('/a').text()).to.equal('/a');
    expect(server.frames.filter(({ type }) => type === 'ping')).to.deep.equal([]);
  });
});

describe('a promise for a foreign authority', () => {
  const { both } = h2talks();

  it('is reset with PROTOCOL_ERROR, and told to nobody (push_promise_invalid_authority)', async () => {
    const { connection, server } = await both({ push: true });
    const stream = connection.get('/');
    const { stream: id, fields } = await server.request();
    const promised = { ':method': 'GET', ':scheme': 'http', ':path': '/style.css' };
    server.send(h2.promise(id, 2, { ...promised, ':authority': 'foreign.example' }));
    server.send(
      h2.promise(id, 4, { ...promised, ':scheme': 'https', ':authority': fields[':authority'] ?? '' }),
    );
    expect((await server.next('reset', 2)).code).to.equal('PROTOCOL_ERROR');
    expect((await server.next('reset', 4)).code).to.equal('PROTOCOL_ERROR');
    server.answer(id, 200, 'page');
    expect(await wordsOf(connection, stream)).to.deep.equal(['200', 'data page', 'fin']);
  });
});
