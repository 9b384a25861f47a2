// Many streams on one HTTP/2 connection: none of them is another's business.

import { once } from 'node:events';
import * as http2 from 'node:http2';
import { getDefaultHighWaterMark } from 'node:stream';
import { expect } from 'chai';
import { chance } from '../support/chance.ts';
import * as h2 from '../support/h2frames.ts';
import { echoing, h2talks, wordsOf } from '../support/h2origin.ts';
import { rejects } from '../support/rejects.ts';

const OK = { ':status': 200 } as const;

describe('requests at the same time over HTTP/2', () => {
  const { both } = h2talks();

  it('check 19: are answered in any order, 200 of them with their parts in confusion', async () => {
    const { connection, server } = await both();
    const streams = Array.from({ length: 200 }, (_, i) => connection.get(`/${i}`));
    const texts = Promise.all(streams.map((stream) => stream.text()));
    const requests = await server.requests(200);
    expect(requests.map(({ path }) => path)).to.deep.equal(streams.map(({ path }) => path));
    // Of each: its head, and three parts of a body that tells whose it is.
    const left = requests.map(({ stream, path }) => [
      h2.headers(stream, OK),
      ...[0, 1, 2].map((part) => h2.data(stream, `${path}:${part};`, part === 2)),
    ]);
    const below = chance(7_540);
    while (left.length > 0) {
      const at = below(left.length);
      server.send(left[at]!.shift()!);
      if (left[at]!.length === 0) left.splice(at, 1);
    }
    expect(await texts).to.deep.equal(streams.map(({ path }) => `${path}:0;${path}:1;${path}:2;`));
  });

  it('send bodies at the same time', async () => {
    const { connection, server } = await both({}, { settings: { initialWindowSize: 1_000_000 } });
    server.send(h2.windowUpdate(0, 10_000_000));
    const below = chance(1);
    const bodies = Array.from({ length: 20 }, (_, i) => Buffer.alloc(below(50_000), `${i},`));
    const streams = bodies.map((body, i) => connection.post(`/${i}`, { body }));
    const requests = await server.requests(20);
    for (const [i, { stream, fields }] of requests.entries()) {
      expect(fields['content-length']).to.equal(String(bodies[i]!.length));
      const { body } = await server.body(stream);
      expect(body.equals(bodies[i]!)).to.equal(true);
      server.answer(stream, 200, `${i}`);
    }
    const texts = await Promise.all(streams.map((stream) => stream.text()));
    expect(texts).to.deep.equal(bodies.map((_, i) => `${i}`));
  });
});

describe('RST_STREAM of a server', () => {
  const { both } = h2talks();

  for (const code of ['REFUSED_STREAM', 'CANCEL', 'INTERNAL_ERROR', 'PROTOCOL_ERROR'] as const) {
    it(`with ${code} ends its stream with ERR_GUNPORT_RESET, and no other`, async () => {
      const { connection, server } = await both({ retry: 0 });
      const streams = ['/1', '/2', '/3'].map((path) => connection.get(path));
      const [first, second, third] = await server.requests(3);
      server.send(h2.headers(first!.stream, OK), h2.reset(second!.stream, code));
      const error = await rejects(connection.await(streams[1]!), 'ERR_GUNPORT_RESET');
      expect(error).to.include({ name: 'StreamError', reason: code });
      server.send(h2.data(first!.stream, 'one', true));
      server.answer(third!.stream, 200, 'three');
      expect(await streams[0]!.text()).to.equal('one');
      expect(await streams[2]!.text()).to.equal('three');
      expect(connection.status).to.equal('up');
    });
  }

  it('comes after what was sent of the answer', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/');
    const { stream: id } = await server.request();
    server.send(h2.headers(id, OK), h2.data(id, 'half'), h2.reset(id, 'INTERNAL_ERROR'));
    const words = await wordsOf(connection, stream);
    expect(words).to.deep.equal(['200', 'data half', 'ERR_GUNPORT_RESET INTERNAL_ERROR']);
  });

  it('with NO_ERROR after a whole answer leaves that whole, and the upload undone (RFC 9113 §8.1)', async () => {
    const { connection, server } = await both();
    const stream = connection.post('/');
    stream.data('nofin', 'begun');
    const { stream: id } = await server.request();
    await server.next('data', id);
    server.send(h2.headers(id, { ':status': 413 }), h2.data(id, 'too big', true), h2.reset(id, 'NO_ERROR'));
    expect(await wordsOf(connection, stream)).to.deep.equal(['413', 'data too big', 'fin']);
    await server.roundTrip();
    expect(connection.status).to.equal('up');
  });

  it('with NO_ERROR before the answer is complete is no whole answer', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/');
    const { stream: id } = await server.request();
    server.send(
      h2.headers(id, { ...OK, 'content-length': 8 }),
      h2.data(id, 'half'),
      h2.reset(id, 'NO_ERROR'),
    );
    const words = await wordsOf(connection, stream);
    expect(words).to.deep.equal(['200', 'data half', 'ERR_GUNPORT_RESET NO_ERROR']);
  });
});

describe('cancel() of a request over HTTP/2', () => {
  const { both, open } = h2talks();

  it('is RST_STREAM(CANCEL); nothing more comes for it, and its neighbour is not hurt', async () => {
    const { connection, server } = await both();
    const [stream, other] = [connection.get('/1'), connection.get('/2')];
    const [first, second] = await server.requests(2);
    server.send(h2.headers(first!.stream, OK), h2.data(first!.stream, 'some'));
    await stream.response();
    stream.cancel();
    expect((await server.next('reset', first!.stream)).code).to.equal('CANCEL');
    await rejects(connection.await(stream), 'ERR_GUNPORT_CANCELLED');
    server.answer(second!.stream, 200, 'two');
    expect(await other.text()).to.equal('two');
  });

  it('bears late HEADERS, DATA, trailers and RST_STREAM (cowlib#97)', async () => {
    const { connection, server } = await both({ retry: 0 });
    const late = [
      (id: number) => [h2.headers(id, OK), h2.data(id, 'late', true)],
      (id: number) => [h2.headers(id, OK, { fin: true })],
      (id: number) => [h2.headers(id, OK), h2.data(id, 'a'), h2.headers(id, { late: 'yes' }, { fin: true })],
      (id: number) => [h2.headers(id, { ':status': 103 }), h2.headers(id, OK), h2.reset(id, 'CANCEL')],
      (id: number) => [
        h2.headers(id, { ...OK, more: 'x' }, { end: false }),
        h2.continuation(id, [['y', 'z']], true),
      ],
      (id: number) => [h2.windowUpdate(id, 10), h2.priority(id), h2.reset(id, 'NO_ERROR')],
    ];
    for (const frames of late) {
      const stream = connection.get('/');
      const { stream: id } = await server.request();
      stream.cancel();
      await server.next('reset', id);
      server.send(...frames(id));
      await server.roundTrip();
    }
    // The table of header fields is the connection's: it still agrees.
    const stream = connection.get('/after');
    const { stream: id } = await server.request();
    server.answer(id, 200, 'well');
    expect(await stream.text()).to.equal('well');
  });

  it('in the turn that asked for it costs nobody anything', async () => {
    const { connection, server } = await both();
    const stream = connection.get('/1');
    stream.cancel();
    await rejects(connection.await(stream), 'ERR_GUNPORT_CANCELLED');
    const posted = connection.post('/2', { body: Buffer.alloc(100_000) });
    posted.cancel();
    void echoing(server).catch(() => {});
    expect(await connection.get('/3').text()).to.equal('/3');
    const asked = server.frames.filter(({ type, fields }) => type === 'headers' && fields[':path'] !== '/3');
    for (const { stream: id } of asked) expect((await server.next('reset', id)).code).to.equal('CANCEL');
  });

  it('drops what was not sent of an upload, and gives the window back', async () => {
    const { connection, server } = await both({}, { settings: { initialWindowSize: 1_000 } });
    const stream = connection.post('/', { body: Buffer.alloc(1_000_000) });
    const { stream: id } = await server.request();
    await server.next('data', id);
    stream.cancel();
    expect((await server.next('reset', id)).code).to.equal('CANCEL');
    const other = connection.post('/', { body: 'small' });
    const next = await server.request();
    expect((await server.body(next.stream)).body.toString()).to.equal('small');
    server.answer(next.stream, 200);
    expect((await other.response()).status).to.equal(200);
  });

  it('of 1000 requests in a row is taken for no attack by node:http2 (CVE-2023-44487)', async () => {
    const server = http2.createServer((_request, response) => void response.end('here'));
    let refused = 0;
    server.on('session', (session) => session.on('goaway', () => refused++).on('error', () => refused++));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const connection = open(`http://127.0.0.1:${port}`, { protocols: ['http2'], retry: 0 });
    try {
      for (let round = 0; round < 10; round++) {
        const streams = Array.from({ length: 100 }, () => connection.get('/'));
        await Promise.race(streams.map((stream) => stream.response()));
        for (const stream of streams) stream.cancel();
      }
      expect(await connection.get('/').text({ timeout: 4_000 })).to.equal('here');
      expect(connection.status).to.equal('up');
      expect(refused).to.equal(0);
    } finally {
      await connection.close();
      server.close();
      await once(server, 'close');
    }
  });
});

describe('the windows of HTTP/2', () => {
  const { both } = h2talks();

  it('let other streams go on while one is not read (flow)', async () => {
    const { connection, server } = await both({ streamWindow: 65_535, connectionWindow: 1_000_000 });
    const stalled = connection.get('/stalled', { flow: 1 });
    const { stream: id } = await server.request();
    const part = Buffer.alloc(10_000, 's');
    server.send(h2.headers(id, OK));
    for (let i = 0; i < 6; i++) {
      server.send(h2.data(id, part));
      await server.roundTrip();
    }
    // What node:http2 keeps for who reads counts as read: 16 KiB with Node 20, 64 with later ones.
    const updates = server.frames.filter(({ type, stream }) => type === 'windowUpdate' && stream === id);
    const given = updates.reduce((sum, { value }) => sum + value, 0);
    expect(given).to.be.at.most(getDefaultHighWaterMark(false));
    for (let i = 0; i < 5; i++) {
      const other = connection.get('/other').bytes();
      const next = await server.request();
      server.answer(next.stream, 200, Buffer.alloc(50_000));
      expect(await other).to.have.lengthOf(50_000);
    }
    await stalled.response();
    expect((await connection.await(stalled)).type).to.equal('data');
    stalled.updateFlow(1_000);
    const { value } = await server.next('windowUpdate', id);
    expect(value).to.be.greaterThan(0);
    server.send(h2.data(id, '', true));
    expect(await stalled.bytes()).to.have.length.within(1, 59_999);
  });

  it('let others go on while one is not read at all (automatic credit)', async () => {
    const { connection, server } = await both();
    const stalled = connection.get('/stalled');
    const { stream: id } = await server.request();
    const part = Buffer.alloc(16_384, 's');
    let window = (await server.next('settings')).settings.initialWindowSize ?? 65_535;
    let sent = 0;
    server.send(h2.headers(id, OK));
    // All that the client gives room for, and it does not read: that must end.
    for (;;) {
      while (window - sent >= part.length) {
        server.send(h2.data(id, part));
        sent += part.length;
      }
      await server.roundTrip();
      const room = credit(server.frames, id);
      if (room + 1_048_576 - sent < part.length) break;
      window = room + 1_048_576;
    }
    expect(sent).to.be.below(16 * 1_048_576);
    const other = connection.get('/other').bytes();
    const next = await server.request();
    server.answer(next.stream, 200, Buffer.alloc(500_000));
    expect(await other).to.have.lengthOf(500_000);
    // Read at last: it goes on.
    const reading = stalled.bytes();
    await server.next('windowUpdate', id);
    server.send(h2.data(id, '', true));
    expect(await reading).to.have.lengthOf(sent);
  });

  it('of a server are kept: that of the stream, that of the connection, and a change of SETTINGS (RFC 9113 §6.9)', async () => {
    const { connection, server } = await both({}, { settings: { initialWindowSize: 10 } });
    const first = connection.post('/1', { body: Buffer.alloc(40_000, '1') });
    const { stream: one } = await server.request();
    await received(server, one, 10);
    server.send(h2.windowUpdate(one, 5));
    await received(server, one, 15);
    await server.roundTrip();
    expect(sizeOf(server.frames, one)).to.equal(15);
    // RFC 9113 §6.9.2: the change is for streams that are open, too.
    server.send(h2.settings({ initialWindowSize: 39_995 }));
    await received(server, one, 40_000);
    const second = connection.post('/2', { body: Buffer.alloc(39_000, '2') });
    const { stream: two } = await server.request();
    await received(server, two, 25_535);
    await server.roundTrip();
    expect(sizeOf(server.frames, two)).to.equal(25_535);
    await rejects(second.drained({ timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
    expect(second.bufferedAmount).to.be.above(0);
    server.send(h2.windowUpdate(0, 100_000));
    await received(server, two, 39_000);
    await second.drained();
    expect(second.bufferedAmount).to.equal(0);
    server.answer(one, 200, 'one');
    server.answer(two, 200, 'two');
    expect(await Promise.all([first.text(), second.text()])).to.deep.equal(['one', 'two']);
  });

  it('that SETTINGS make negative stay shut until they are positive (RFC 9113 §6.9.2)', async () => {
    const { connection, server } = await both({}, { settings: { initialWindowSize: 1_000 } });
    const stream = connection.post('/', { body: Buffer.alloc(3_000) });
    const { stream: id } = await server.request();
    await received(server, id, 1_000);
    server.send(h2.settings({ initialWindowSize: 0 }), h2.windowUpdate(id, 1_000));
    await server.roundTrip();
    expect(sizeOf(server.frames, id)).to.equal(1_000);
    server.send(h2.windowUpdate(id, 2_000));
    await received(server, id, 3_000);
    server.answer(id, 200);
    expect((await stream.response()).status).to.equal(200);
  });
});

describe('MAX_CONCURRENT_STREAMS while requests are under way', () => {
  const { both } = h2talks();

  it('may go up, and what waited goes out', async () => {
    const { connection, server } = await both({}, { settings: { maxConcurrentStreams: 1 } });
    for (let i = 0; i < 5; i++) connection.get(`/${i}`);
    await server.request();
    server.send(h2.settings({ maxConcurrentStreams: 3 }));
    expect((await server.requests(2)).map(({ path }) => path)).to.deep.equal(['/1', '/2']);
    await server.roundTrip();
    expect(server.frames.filter(({ type }) => type === 'headers')).to.have.lengthOf(3);
  });

  it('may go down, and no more go out until fewer are open', async () => {
    const { connection, server } = await both({}, { settings: { maxConcurrentStreams: 3 } });
    const streams = Array.from({ length: 5 }, (_, i) => connection.get(`/${i}`));
    const requests = await server.requests(3);
    const changed = once(connection, 'notify');
    server.send(h2.settings({ maxConcurrentStreams: 1 }));
    await changed;
    for (const [i, { stream }] of requests.entries()) {
      server.answer(stream, 200, `${i}`);
      expect(await streams[i]!.text()).to.equal(`${i}`);
      await server.roundTrip();
      expect(server.frames.filter(({ type }) => type === 'headers')).to.have.lengthOf(i < 2 ? 3 : 4);
    }
    for (const path of ['/3', '/4']) {
      const request = await server.request();
      expect(request.path).to.equal(path);
      server.answer(request.stream, 200, path);
    }
    expect(await Promise.all(streams.slice(3).map((stream) => stream.text()))).to.deep.equal(['/3', '/4']);
  });

  it('may be 0: a request ends by its headersTimeout, or waits until there is room (RFC 9113 §6.5.2)', async () => {
    const { connection, server } = await both({}, { settings: { maxConcurrentStreams: 0 } });
    const late = connection.get('/late', { headersTimeout: 30 });
    const waiting = connection.get('/waiting');
    const error = await rejects(late.response(), 'ERR_GUNPORT_TIMEOUT');
    expect(error).to.include({ name: 'TimeoutError', reason: 'headersTimeout' });
    server.send(h2.settings({ maxConcurrentStreams: 1 }));
    const { stream, path } = await server.request();
    expect(path).to.equal('/waiting');
    server.answer(stream, 200, 'at last');
    expect(await waiting.text()).to.equal('at last');
    expect(server.frames.filter(({ type }) => type === 'headers')).to.have.lengthOf(1);
  });
});

/** What a client has given of the window of a stream beyond the first. */
function credit(frames: readonly h2.H2Frame[], id: number): number {
  const updates = frames.filter(({ type, stream }) => type === 'windowUpdate' && stream === id);
  return updates.reduce((sum, { value }) => sum + value, 0);
}

function sizeOf(frames: readonly h2.H2Frame[], id: number): number {
  const parts = frames.filter(({ type, stream }) => type === 'data' && stream === id);
  return parts.reduce((sum, { payload }) => sum + payload.length, 0);
}

/** So many bytes of a request's body have come. */
async function received(
  server: { frames: readonly h2.H2Frame[]; next: H2Next },
  id: number,
  size: number,
): Promise<void> {
  while (sizeOf(server.frames, id) < size) await server.next('data', id);
}
type H2Next = (type: 'data', stream: number) => Promise<unknown>;
