// An HTTP/2 connection as a whole: how it is chosen, comes up, is pinged, is lost and comes back.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, GunportError, LostNotice, SettingsNotice } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { moduleOf } from '../support/failures.ts';
import * as h2 from '../support/h2frames.ts';
import { echoing, h2origin, h2talks } from '../support/h2origin.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';
import { reset } from '../support/reset.ts';

describe('ALPN', () => {
  const { open, keep } = h2talks();

  /** A server that takes these protocols, and speaks HTTP/1. */
  const http1 = async (ALPNProtocols: string[] | undefined) => {
    const { localhost } = await certificates();
    const script = async (talk: Parameters<NonNullable<Parameters<typeof origin>[0]>>[0]) => {
      const { path } = await talk.request();
      await talk.answer(200, path);
    };
    return keep(origin(script, { secure: { ...localhost, ...(ALPNProtocols && { ALPNProtocols }) } }));
  };
  const tls = async () => ({ tls: { ca: (await certificates()).ca } });

  it('chooses HTTP/2 where the server has both and prefers it (RFC 9113 §3.2)', async () => {
    const server = await keep(h2origin(echoing, { secure: true, alpn: ['h2', 'http/1.1'] }));
    const connection = open(server.url, server.options);
    expect(await connection.awaitUp()).to.include({ protocol: 'http2' });
    expect(await connection.get('/a').text()).to.equal('/a');
    const { protocol, tls } = await connection.info();
    expect([protocol, tls?.alpn]).to.deep.equal(['http2', 'h2']);
  });

  it('chooses HTTP/1.1 where the server has no other', async () => {
    const server = await http1(['http/1.1']);
    const connection = open(server.url, await tls());
    expect(await connection.awaitUp()).to.include({ protocol: 'http' });
    expect(await connection.get('/a').text()).to.equal('/a');
    expect((await connection.info()).tls?.alpn).to.equal('http/1.1');
  });

  it('is not asked for HTTP/2 with protocols: ["http"]', async () => {
    const server = await http1(['h2', 'http/1.1']);
    const connection = open(server.url, { ...(await tls()), protocols: ['http'] });
    expect(await connection.awaitUp()).to.include({ protocol: 'http' });
    expect(await connection.get('/a').text()).to.equal('/a');
  });

  it('that a server does not know leaves HTTP/1.1, unless HTTP/2 alone was asked for', async () => {
    const server = await http1(undefined);
    const connection = open(server.url, await tls());
    expect(await connection.awaitUp()).to.include({ protocol: 'http' });
    expect(await connection.get('/a').text()).to.equal('/a');
    const other = await keep(h2origin(echoing, { secure: true, alpn: [] }));
    const knowing = open(other.url, { ...other.options, protocols: ['http2'] });
    expect(await knowing.awaitUp()).to.include({ protocol: 'http2' });
    expect(await knowing.get('/a').text()).to.equal('/a');
  });

  it('with nothing in common ends the attempt', async () => {
    const server = await http1(['http/1.1']);
    const connection = open(server.url, { ...(await tls()), protocols: ['http2'], retry: 0 });
    await rejects(connection.awaitUp(), 'ERR_GUNPORT_TLS');
  });
});

describe('an HTTP/2 connection', () => {
  const { both, served, open, keep } = h2talks();

  it('is up when the SETTINGS of the server have come, and sends then what was asked for before, in order', async () => {
    const { connection, origin } = await served(() => {}, {}, { preface: false, acknowledge: false });
    const streams = ['/1', '/2', '/3'].map((path) => connection.get(path));
    const talk = await origin.next();
    expect(connection.status).to.equal('connecting');
    talk.send(h2.settings(), h2.settingsAck());
    expect(await connection.awaitUp()).to.deep.include({ protocol: 'http2', attempt: 1 });
    const requests = await talk.requests(3);
    expect(requests.map(({ path }) => path)).to.deep.equal(['/1', '/2', '/3']);
    expect(requests.map(({ stream }) => stream)).to.deep.equal([1, 3, 5]);
    for (const { stream, path } of requests.toReversed()) talk.answer(stream, 200, path);
    const texts = await Promise.all(streams.map((stream) => stream.text()));
    expect(texts).to.deep.equal(['/1', '/2', '/3']);
  });

  it('has no pings and knows no streams while it dials', async () => {
    // Its lookup never answers.
    const lookup = moduleOf('export default () => {};');
    const connection = open('http://never.test', { protocols: ['http2'], lookup });
    await rejects(connection.ping(), 'ERR_GUNPORT_NOT_CONNECTED');
    await rejects(connection.streamInfo(connection.get('/')), 'ERR_GUNPORT_NOT_CONNECTED');
  });

  it('asks again, in order, what was one too many before the SETTINGS told so (RFC 9113 §5.1.2)', async () => {
    const { connection, origin } = await served(
      () => {},
      { retry: 0 },
      { preface: false, acknowledge: false },
    );
    const paths = Array.from({ length: 8 }, (_, i) => `/${i}`);
    const streams = paths.map((path) => connection.get(path));
    const talk = await origin.next();
    const early = await talk.requests(8);
    talk.send(h2.settings({ maxConcurrentStreams: 2 }), h2.settingsAck());
    // RFC 9113 §5.1.2: REFUSED_STREAM "enables automatic retry".
    for (const { stream } of early.slice(2)) talk.send(h2.reset(stream, 'REFUSED_STREAM'));
    for (const { stream, path } of early.slice(0, 2)) talk.answer(stream, 200, path);
    for (const path of paths.slice(2)) {
      const request = await talk.request();
      expect(request.path).to.equal(path);
      talk.answer(request.stream, 200, path);
    }
    expect(await Promise.all(streams.map((stream) => stream.text()))).to.deep.equal(paths);
  });

  it('says what it can take in its first SETTINGS', async () => {
    const options = { streamWindow: 100_000, connectionWindow: 200_000, maxHeaderSize: 5_000 };
    const { server } = await both(options);
    const { settings } = await server.next('settings');
    expect(settings).to.include({ enablePush: 0, initialWindowSize: 100_000 });
    // RFC 9113 §6.9.2: the window of a connection is 65 535 bytes at first.
    expect(await server.next('windowUpdate', 0)).to.include({ value: 200_000 - 65_535 });
  });

  it('knows what it is', async () => {
    const { connection, origin } = await both();
    const info = await connection.info();
    expect(info).to.include({ protocol: 'http2', transport: 'tcp', status: 'up', attempt: 1 });
    expect(info).to.include({ remotePort: origin.port, origin: origin.url });
  });

  it("tells of the server's SETTINGS, the first and each later, and acknowledges them (gun_notify settings_changed)", async () => {
    const settings = { maxConcurrentStreams: 7, initialWindowSize: 70_000, enableConnectProtocol: 1 };
    const server = await keep(h2origin(() => {}, { settings }));
    const connection = open(server.url, server.options);
    const [first] = (await once(connection, 'notify')) as [SettingsNotice];
    expect(first).to.deep.include({ type: 'notify', name: 'settings' });
    expect(first.settings).to.include({
      ...{ maxConcurrentStreams: 7, initialWindowSize: 70_000, enableConnectProtocol: true },
      ...{ headerTableSize: 4_096, maxFrameSize: 16_384 },
    });
    const later = once(connection, 'notify') as Promise<[SettingsNotice]>;
    const talk = await server.next();
    talk.send(h2.settings({ maxConcurrentStreams: 8, maxFrameSize: 20_000, maxHeaderListSize: 9_000 }));
    const [second] = await later;
    expect(second.settings).to.include({ maxConcurrentStreams: 8, initialWindowSize: 70_000 });
    expect(second.settings).to.include({ maxFrameSize: 20_000, maxHeaderListSize: 9_000 });
    await talk.roundTrip();
    expect(talk.frames.filter(({ type, ack }) => type === 'settings' && ack)).to.have.lengthOf(2);
  });

  it('is lost with what was under way; what waited goes on over the next (killed streams)', async () => {
    const { connection, origin, server } = await both(
      { retryTimeout: 1 },
      { settings: { maxConcurrentStreams: 2 } },
    );
    const streams = ['/1', '/2', '/3', '/4'].map((path) => connection.get(path));
    await server.requests(2);
    const down = once(connection, 'down') as Promise<[LostNotice]>;
    reset(server.socket);
    const [notice] = await down;
    expect(notice).to.deep.include({
      protocol: 'http2',
      attempt: 1,
      killed: [streams[0]!.id, streams[1]!.id],
    });
    for (const stream of streams.slice(0, 2)) await rejects(stream.response(), 'ERR_GUNPORT_CLOSED');
    const next = await origin.next();
    expect((await next.requests(2)).map(({ path }) => path)).to.deep.equal(['/3', '/4']);
    next.answer(1, 200, 'three');
    next.answer(3, 200, 'four');
    expect(await Promise.all([streams[2]!.text(), streams[3]!.text()])).to.deep.equal(['three', 'four']);
    expect(connection.status).to.equal('up');
    expect((await connection.info()).attempt).to.equal(2);
  });

  it('keeps what is asked for between two attempts', async () => {
    const { connection, origin, server } = await both({ retryTimeout: 1 });
    const down = once(connection, 'down');
    server.socket.destroy();
    await down;
    const stream = connection.get('/between');
    const next = await origin.next();
    const { stream: id, path } = await next.request();
    next.answer(id, 200, path);
    expect(await stream.text()).to.equal('/between');
  });

  it('fails what waits when it gives up', async () => {
    const { connection, server } = await both({ retry: 0 }, { settings: { maxConcurrentStreams: 1 } });
    const [running, waiting] = [connection.get('/1'), connection.get('/2')];
    await server.request();
    reset(server.socket);
    await rejects(running.response(), 'ERR_GUNPORT_CLOSED');
    await rejects(waiting.response(), 'ERR_GUNPORT_CLOSED');
    expect((await connection.monitor().down)?.reason.kind).to.equal('gave-up');
  });

  it('ends whole answers that had come before it was lost, and no others', async () => {
    const { connection, server } = await both({ retry: 0 });
    const whole = connection.get('/whole');
    const half = connection.get('/half');
    const [first, second] = await server.requests(2);
    const part = Buffer.alloc(9_000, 'x');
    server.send(h2.headers(second!.stream, { ':status': 200 }), h2.data(second!.stream, part));
    server.answer(first!.stream, 200, part);
    server.socket.end();
    expect(await whole.text()).to.have.lengthOf(9_000);
    await rejects(half.text(), 'ERR_GUNPORT_CLOSED');
  });
});

describe('a ping of HTTP/2', () => {
  const { both } = h2talks();

  it('is a PING frame, and resolves with its round trip in milliseconds (h2_user_ping)', async () => {
    const { connection, server } = await both();
    const rtt = await connection.ping();
    expect(rtt).to.be.within(0.001, 1_000);
    expect(await server.next('ping')).to.include({ stream: 0, ack: false });
  });

  it('is answered by its own payload, in whatever order', async () => {
    const { connection, server } = await both({}, { pong: false });
    const order: string[] = [];
    const first = connection.ping().then(() => order.push('first'));
    const second = connection.ping().then(() => order.push('second'));
    const [one, two] = [await server.next('ping'), await server.next('ping')];
    expect(one.payload.equals(two.payload)).to.equal(false);
    server.send(h2.ping('unasked!', true), h2.ping(two.payload, true), h2.ping(two.payload, true));
    await second;
    server.send(h2.ping(one.payload, true));
    await first;
    expect(order).to.deep.equal(['second', 'first']);
  });

  it('rejects when it takes too long, is aborted, or its connection is lost', async () => {
    const { connection, origin } = await both({ retryTimeout: 10_000 }, { pong: false });
    await rejects(connection.ping({ timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
    await rejects(connection.ping({ signal: AbortSignal.timeout(1) }), 'ERR_GUNPORT_ABORTED');
    const lost = connection.ping();
    // Its process has it.
    await connection.info();
    await origin.close();
    await rejects(lost, 'ERR_GUNPORT_CLOSED');
    while (connection.status === 'up') await connection.info();
    await rejects(connection.ping(), 'ERR_GUNPORT_NOT_CONNECTED');
  });

  it('from the server is answered with what it carries (RFC 9113 §6.7)', async () => {
    const { connection, server } = await both();
    server.send(h2.ping('abcdefgh'));
    const { payload, ack } = await server.next('ping');
    expect([payload.toString(), ack]).to.deep.equal(['abcdefgh', true]);
    expect((await connection.info()).counters.pingsAnswered).to.equal(1);
  });

  it('is answered while an answer waits for its reader, and its connection has no credit left', async () => {
    const { connection, server } = await both({ streamWindow: 65_535, connectionWindow: 65_535 });
    const stream = connection.get('/', { flow: 1 });
    const { stream: id } = await server.request();
    server.send(h2.headers(id, { ':status': 200 }), ...h2.body(id, Buffer.alloc(65_535), false));
    expect(await connection.ping()).to.be.a('number');
    await server.roundTrip();
    stream.cancel();
  });
});

describe('the end of an HTTP/2 connection', () => {
  const { both } = h2talks();

  const ends: Record<string, (connection: Connection) => unknown> = {
    'close()': (connection) => connection.close(),
    'shutdown()': (connection) => connection.shutdown(),
  };
  for (const [name, end] of Object.entries(ends)) {
    it(`by ${name} ends what was queued`, async () => {
      const { connection, server } = await both(
        { closingTimeout: 50 },
        { settings: { maxConcurrentStreams: 1 } },
      );
      const streams = [connection.get('/1'), connection.get('/2')];
      await server.request();
      const ended = end(connection);
      for (const stream of streams) {
        const error = (await stream.response().catch((error: unknown) => error)) as GunportError;
        expect(error.code).to.match(/^ERR_GUNPORT_CLOS(ED|ING)$/);
      }
      await ended;
      await server.closed;
    });
  }
});
