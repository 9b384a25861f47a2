// HTTP/2 servers that break the protocol, or break off: a typed error soon, one connection at most, and then the next.
// Source: RFC 9113 §5 and §6; h2spec's table for clients; the ones that node:http2 meets with silence.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, LostNotice, OpenOptions } from '../../lib/index.ts';
import * as h2 from '../support/h2frames.ts';
import { echoing, type H2Options, type H2Talk, h2origin, h2talks, wordsOf } from '../support/h2origin.ts';
import { encode } from '../support/hpack.ts';
import { rejects } from '../support/rejects.ts';
import { reset } from '../support/reset.ts';

const OK = { ':status': 200 } as const;
/** Milliseconds that anything here may take. */
const SOON = 1_500;
const MAX = 0x7fffffff;

type Frames = (id: number) => (string | Uint8Array)[];

/** Errors of the connection: RFC 9113 §5.4.1. */
const fatal: Record<string, Frames> = {
  'garbage after its preface': () => [Buffer.alloc(64, 0xff)],
  'HTTP/1 after its preface': () => [Buffer.from('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')],
  'the magic of a client': () => [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  'a frame of 16 MiB': () => ['ffffff 00 00 00000001'],
  'a frame of one byte too many': (id) => [h2.headers(id, OK), h2.data(id, Buffer.alloc(16_385))],
  'HEADERS of one byte too many': (id) => [h2.headers(id, Buffer.alloc(16_385))],
  'DATA on stream 0': () => [h2.data(0, 'x')],
  'HEADERS on stream 0': () => [h2.headers(0, OK)],
  'RST_STREAM on stream 0': () => [h2.reset(0, 'CANCEL')],
  'PUSH_PROMISE on stream 0': () => [h2.promise(0, 2, OK)],
  'CONTINUATION on stream 0': () => [h2.continuation(0, OK, true)],
  'SETTINGS on a stream': (id) => [h2.frame(4, 0, id)],
  'PING on a stream': (id) => [h2.frame(6, 0, id, '01234567')],
  'GOAWAY on a stream': (id) => [h2.frame(7, 0, id, Buffer.alloc(8))],
  'DATA on a stream that is idle': () => [h2.data(99, 'x')],
  'DATA before the head of an answer': (id) => [h2.data(id, 'x', true)],
  'HEADERS on a stream that is idle': () => [h2.headers(99, OK)],
  'HEADERS on a stream that was never promised': () => [h2.headers(2, OK, { fin: true })],
  'RST_STREAM on a stream that is idle': () => [h2.reset(99, 'CANCEL')],
  'WINDOW_UPDATE on a stream that is idle': () => [h2.windowUpdate(99, 1)],
  'a window above 2 147 483 647': () => [h2.windowUpdate(0, MAX), h2.windowUpdate(0, MAX)],
  'a WINDOW_UPDATE of 0 for the connection': () => [h2.windowUpdate(0, 0)],
  'SETTINGS with a window above 2 147 483 647': () => [h2.settings({ initialWindowSize: 2 ** 31 })],
  'SETTINGS with a frame size below 16 384': () => [h2.settings({ maxFrameSize: 16_383 })],
  'SETTINGS with a frame size above 16 777 215': () => [h2.settings({ maxFrameSize: 2 ** 24 })],
  'SETTINGS with ENABLE_PUSH of 2': () => [h2.settings({ enablePush: 2 })],
  'SETTINGS of 5 bytes': () => [h2.frame(4, 0, 0, Buffer.alloc(5))],
  'an acknowledgement of SETTINGS with a payload': () => [h2.frame(4, 1, 0, Buffer.alloc(6))],
  'PING of 7 bytes': () => [h2.ping('0123456')],
  'an answer to a ping of 9 bytes': () => [h2.ping('012345678', true)],
  'RST_STREAM of 3 bytes': (id) => [h2.frame(3, 0, id, Buffer.alloc(3))],
  'WINDOW_UPDATE of 3 bytes': () => [h2.frame(8, 0, 0, Buffer.alloc(3))],
  'GOAWAY of 7 bytes': () => [h2.frame(7, 0, 0, Buffer.alloc(7))],
  'CONTINUATION without HEADERS': (id) => [h2.continuation(id, OK, true)],
  'DATA in the midst of a header block': (id) => [h2.headers(id, OK, { end: false }), h2.data(id, 'x')],
  'PING in the midst of a header block': (id) => [h2.headers(id, OK, { end: false }), h2.ping()],
  'an unknown frame in the midst of a header block': (id) => [
    h2.headers(id, OK, { end: false }),
    h2.frame(99, 0, 0, 'x'),
  ],
  'the CONTINUATION of another stream': (id) => [
    h2.headers(id, OK, { end: false }),
    h2.continuation(id + 2, [['a', 'b']], true),
  ],
  'padding longer than its frame': (id) => [h2.headers(id, OK), h2.frame(0, 8, id, Buffer.of(200, 1, 2))],
  'padding of a frame without a byte': (id) => [h2.headers(id, OK), h2.frame(0, 8, id)],
  'a header block that is none (RFC 7541 §2.3.3)': (id) => [
    h2.headers(id, Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f)),
  ],
  'a header block that breaks off': (id) => [h2.headers(id, Buffer.of(0x40, 0x05, 0x61))],
  'an empty promise with pushes off': (id) => [h2.promise(id, 2, { ':method': 'GET' })],
};

/** Errors of one stream, or of the connection, or nothing at all: as long as nothing hangs. */
const either: Record<string, Frames> = {
  'DATA after the end of an answer': (id) => [h2.headers(id, OK, { fin: true }), h2.data(id, 'x', true)],
  'a second answer after the end of the first': (id) => [
    h2.headers(id, OK, { fin: true }),
    h2.headers(id, OK, { fin: true }),
  ],
  'DATA after RST_STREAM': (id) => [h2.reset(id, 'CANCEL'), h2.data(id, 'x', true)],
  'HEADERS after RST_STREAM': (id) => [h2.reset(id, 'CANCEL'), h2.headers(id, OK, { fin: true })],
  'WINDOW_UPDATE after the end of an answer': (id) => [
    h2.headers(id, OK, { fin: true }),
    h2.windowUpdate(id, 5),
  ],
  'RST_STREAM twice': (id) => [h2.reset(id, 'CANCEL'), h2.reset(id, 'CANCEL')],
  'a window of a stream above 2 147 483 647': (id) => [h2.windowUpdate(id, MAX), h2.windowUpdate(id, MAX)],
  'a WINDOW_UPDATE of 0 for a stream': (id) => [h2.windowUpdate(id, 0)],
  'PRIORITY of 4 bytes': (id) => [h2.frame(2, 0, id, Buffer.alloc(4)), h2.headers(id, OK, { fin: true })],
  'a stream that depends on itself': (id) => [
    h2.frame(1, 0x25, id, Buffer.concat([Buffer.of(0, 0, 0, id, 0), encode(OK)])),
  ],
  'an unknown error code': (id) => [h2.frame(3, 0, id, Buffer.of(0, 0, 99, 99))],
  'an unknown setting': (id) => [
    h2.frame(4, 0, 0, Buffer.of(0, 0x77, 0, 0, 0, 1)),
    h2.headers(id, OK, { fin: true }),
  ],
};

describe('an HTTP/2 server that sends', () => {
  const { open, keep, served } = h2talks();
  let witness: Connection;

  beforeEach(async () => {
    const honest = await keep(h2origin(echoing));
    witness = open(honest.url, honest.options);
    await witness.awaitUp();
  });

  const hostile = (frames: Frames, options: OpenOptions = {}, server: H2Options = {}) =>
    served(
      async (talk) => {
        if (talk.number > 1) return echoing(talk);
        const { stream } = await talk.request();
        talk.send(...frames(stream));
        return echoing(talk);
      },
      { retryTimeout: 1, closingTimeout: 500, ...options },
      server,
    );

  for (const [what, frames] of Object.entries(fatal)) {
    it(`${what} loses its connection as ERR_GUNPORT_PROTOCOL`, async () => {
      const { connection, origin } = await hostile(frames);
      await connection.awaitUp();
      const begun = performance.now();
      const down = once(connection, 'down') as Promise<[LostNotice]>;
      const words = wordsOf(connection, connection.get('/victim'));
      const [{ reason }] = await down;
      expect(reason).to.include({ name: 'ConnectionError', code: 'ERR_GUNPORT_PROTOCOL' });
      expect((await words).at(-1)).to.match(/^(ERR_GUNPORT_(PROTOCOL|RESET)|fin)/);
      expect(await connection.get('/next').text()).to.equal('/next');
      expect(origin.taken).to.equal(2);
      expect(await witness.get('/well').text()).to.equal('/well');
      expect(performance.now() - begun).to.be.below(SOON);
    });
  }

  for (const [what, frames] of Object.entries(either)) {
    it(`${what} hurts no more than its connection`, async () => {
      const { connection, origin } = await hostile(frames, { headersTimeout: 400 });
      const begun = performance.now();
      const words = await wordsOf(connection, connection.get('/victim'));
      expect(words.at(-1)).to.match(/^(ERR_GUNPORT_(PROTOCOL|RESET|TIMEOUT)|fin)/);
      // Where the connection was lost: over the next one.
      let text = '';
      for (let i = 0; i < 3 && text !== '/next'; i++)
        text = await connection.get('/next').text().catch(String);
      expect(text).to.equal('/next');
      expect(origin.taken).to.be.at.most(2);
      expect(await witness.get('/well').text()).to.equal('/well');
      expect(performance.now() - begun).to.be.below(SOON);
    });
  }

  it('more than the window of a stream allows is reset with FLOW_CONTROL_ERROR (RFC 9113 §6.9.1)', async function () {
    // Later ones end the connection with that: RFC 9113 allows it.
    if (!process.version.startsWith('v20.')) this.skip();
    const origin = await keep(h2origin());
    const connection = open(origin.url, { ...origin.options, streamWindow: 65_535 });
    const stream = connection.get('/victim', { flow: 1 });
    const talk = await origin.next();
    const { stream: id } = await talk.request();
    talk.send(h2.headers(id, OK), h2.data(id, 'first'));
    await stream.response();
    await connection.await(stream);
    // Not read now, so that no window is given back.
    for (let i = 0; i < 5; i++) talk.send(h2.data(id, Buffer.alloc(16_384)));
    expect((await talk.next('reset', id)).code).to.equal('FLOW_CONTROL_ERROR');
    stream.updateFlow(1_000);
    expect((await wordsOf(connection, stream)).at(-1)).to.match(/^ERR_GUNPORT_PROTOCOL/);
    const other = connection.get('/well');
    talk.answer((await talk.request()).stream, 200, 'well');
    expect(await other.text()).to.equal('well');
  });

  it('no SETTINGS at all fails the attempt with ERR_GUNPORT_SETTINGS_TIMEOUT', async () => {
    const origin = await keep(h2origin(() => {}, { preface: false, acknowledge: false }));
    const options = { ...origin.options, settingsTimeout: 50, retry: 0 };
    const connection = open(origin.url, options);
    const stream = connection.get('/');
    const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_SETTINGS_TIMEOUT');
    expect(error).to.include({ name: 'ConnectionError', phase: 'protocol' });
    await rejects(stream.response(), 'ERR_GUNPORT_SETTINGS_TIMEOUT');
    await (await origin.next()).ended;
  });

  it('nothing for a request is bounded by its headersTimeout, nothing more of an answer by its idleTimeout', async () => {
    const { connection } = await served(async (talk) => {
      for (;;) {
        const { stream, path } = await talk.request();
        if (path === '/half') talk.send(h2.headers(stream, OK), h2.data(stream, 'half'));
        if (path === '/well') talk.answer(stream, 200, path);
      }
    });
    const silent = connection.get('/silent', { headersTimeout: 30 });
    const half = connection.get('/half', { idleTimeout: 30 });
    expect(await wordsOf(connection, silent)).to.deep.equal(['ERR_GUNPORT_TIMEOUT headersTimeout']);
    expect(await wordsOf(connection, half)).to.deep.equal([
      ...['200', 'data half', 'ERR_GUNPORT_TIMEOUT idleTimeout'],
    ]);
    expect(await connection.get('/well').text()).to.equal('/well');
  });
});

describe('an HTTP/2 server that breaks off', () => {
  const { both, served } = h2talks();

  const phases: Record<string, Frames> = {
    'after the request': () => [],
    'in the header of a frame': () => ['0000'],
    'in HEADERS': (id) => [h2.headers(id, OK).subarray(0, 12)],
    'between HEADERS and CONTINUATION': (id) => [h2.headers(id, OK, { end: false })],
    'after the head of an answer': (id) => [h2.headers(id, OK)],
    'in DATA': (id) => [h2.headers(id, OK), h2.data(id, 'abcdef').subarray(0, 12)],
    'before END_STREAM': (id) => [h2.headers(id, OK), h2.data(id, 'abcdef')],
    'before the trailers': (id) => [
      h2.headers(id, OK),
      h2.data(id, 'abcdef'),
      h2.headers(id, {}, { end: false }),
    ],
    'in GOAWAY': () => [h2.goaway(1).subarray(0, 11)],
  };
  const breaks: Record<string, (talk: H2Talk) => void> = {
    FIN: (talk) => talk.socket.end(),
    RST: (talk) => reset(talk.socket),
  };
  for (const [name, end] of Object.entries(breaks)) {
    for (const [phase, frames] of Object.entries(phases)) {
      it(`with ${name} ${phase} ends what was under way as ERR_GUNPORT_CLOSED, and is asked again`, async () => {
        const { connection, origin } = await served(
          async (talk) => {
            if (talk.number > 1) return echoing(talk);
            const { stream } = await talk.request();
            talk.send(...frames(stream));
            end(talk);
          },
          { retryTimeout: 1 },
        );
        const words = await wordsOf(connection, connection.get('/victim'));
        expect(words.at(-1)).to.match(/^ERR_GUNPORT_CLOSED/);
        expect(await connection.get('/next').text()).to.equal('/next');
        expect(origin.taken).to.equal(2);
      });
    }

    it(`with ${name} before its SETTINGS fails the attempt, and what it may have been asked`, async () => {
      const { connection, origin } = await served(
        async (talk) => {
          await talk.ready;
          if (talk.number === 1) return talk.request().then(() => end(talk));
          talk.send(h2.settings(), h2.settingsAck());
          return echoing(talk);
        },
        { retryTimeout: 1 },
        { preface: false, acknowledge: false },
      );
      // A request without a body goes out before the SETTINGS: it may have been served.
      await rejects(connection.get('/first').response(), 'ERR_GUNPORT_CLOSED');
      expect(await connection.get('/next').text()).to.equal('/next');
      expect([origin.taken, (await connection.info()).attempt]).to.deep.equal([2, 1]);
    });
  }

  it('right behind the end of a WebSocket leaves the thread alive (node:http2 would write for ever)', async () => {
    const { connection, server } = await both({ retry: 0 }, { settings: { enableConnectProtocol: 1 } });
    const stream = connection.get('/');
    const feed = connection.wsUpgrade('/ws');
    const [, { stream: id }] = (await server.requests(2)) as [unknown, { stream: number }];
    server.send(h2.headers(id, OK));
    await connection.await(feed);
    // No frame of a WebSocket, the end of its stream, and no frame of HTTP/2.
    server.send(h2.data(id, 'x'.repeat(1_000), true), 'ffffff 00 00 00000001');
    expect(await wordsOf(connection, stream)).to.deep.equal(['ERR_GUNPORT_PROTOCOL']);
    const other = await both();
    const asked = other.connection.get('/');
    other.server.answer((await other.server.request()).stream, 200, 'well');
    expect(await asked.text()).to.equal('well');
  });
});

describe('an HTTP/2 server that never reads', () => {
  const { both, open, keep } = h2talks();
  const settings = { initialWindowSize: MAX };

  it('holds up an upload, within bounds, and nobody else; the deadline of the request ends it', async () => {
    const honest = await keep(h2origin(echoing));
    const witness = open(honest.url, honest.options);
    const { connection, server } = await both({ maxBuffered: 1_000_000, retryTimeout: 1 }, { settings });
    server.send(h2.windowUpdate(0, MAX - 65_535));
    await server.roundTrip();
    server.socket.pause();
    const stream = connection.post('/', { requestTimeout: 400 });
    const part = Buffer.alloc(100_000);
    let given = 0;
    // What the kernel takes, and then as much as four times maxBuffered.
    const over = expectThrow(() => {
      for (;;) {
        stream.data('nofin', part);
        given += part.length;
      }
    });
    expect(over).to.include({ code: 'ERR_GUNPORT_OVERLOADED' });
    expect(given).to.be.at.most(4_100_000);
    expect(stream.bufferedAmount).to.be.at.most(4_100_000);
    expect(await witness.get('/well').text()).to.equal('/well');
    const error = await rejects(stream.response(), 'ERR_GUNPORT_TIMEOUT');
    expect(error).to.include({ reason: 'requestTimeout' });
    expect(await witness.get('/well').text()).to.equal('/well');
  });

  it('is found out by keepalive', async () => {
    const { connection, server } = await both(
      { keepalive: 20, pongTimeout: 100, retry: 0, maxBuffered: 1_000_000 },
      { settings },
    );
    server.socket.pause();
    const down = once(connection, 'down') as Promise<[LostNotice]>;
    const stream = connection.post('/', { body: Buffer.alloc(10_000_000) });
    expect((await down)[0].reason).to.include({ code: 'ERR_GUNPORT_PONG_TIMEOUT' });
    await rejects(stream.response(), 'ERR_GUNPORT_PONG_TIMEOUT');
  });

  it('is left by close() at once, and by shutdown() after closingTimeout', async () => {
    for (const polite of [false, true]) {
      const { connection, server } = await both({ closingTimeout: 80 }, { settings });
      server.send(h2.windowUpdate(0, MAX - 65_535));
      await server.roundTrip();
      server.socket.pause();
      const stream = connection.post('/', { body: Buffer.alloc(10_000_000) });
      const failed = rejects(stream.response(), 'ERR_GUNPORT_CLOSED');
      const begun = performance.now();
      await (polite ? connection.shutdown() : connection.close());
      expect(performance.now() - begun).to.be.below(1_000);
      await failed;
    }
  });
});

function expectThrow(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}
