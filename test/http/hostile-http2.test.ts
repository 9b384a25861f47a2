// HTTP/2 servers that flood: each costs its own connection, soon, and nobody else anything.
// Source: CVE-2019-9511 … 9518, CVE-2023-44487, CVE-2024-27316; what node:http2 lets pass without an end.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, LostNotice, OpenOptions } from '../../lib/index.ts';
import * as h2 from '../support/h2frames.ts';
import { echoing, type H2Options, type H2Talk, h2origin, h2talks, wordsOf } from '../support/h2origin.ts';
import { encode } from '../support/hpack.ts';

const OK = { ':status': 200 } as const;
/** Sent again and again. */
const CHUNK = 64 * 1024;
/** A flood that is let go on for so long has no bound. */
const MOST = 64 * 1024 * 1024;
/** Milliseconds from the first byte of a flood to the loss of its connection. Much of it is this busy machine. */
const SOON = 3_000;
/** Most milliseconds that another connection of the same thread may wait for a word. */
const LAG = 1_200;
/** Bytes by which the process may have grown; it has the server in it, too. */
const GROWTH = 96 * 1024 * 1024;

/** Frames as often as they fit in a chunk. */
function chunkOf(...frames: Uint8Array[]): Buffer {
  const one = Buffer.concat(frames);
  return Buffer.concat(Array(Math.max(1, Math.floor(CHUNK / one.length))).fill(one));
}

interface Flood {
  /** What comes before the flood, on the stream of a request. */
  readonly first?: (id: number, fields: h2.H2Frame['fields']) => Uint8Array[];
  readonly chunk: (id: number, fields: h2.H2Frame['fields']) => Buffer;
  readonly code?: RegExp;
  readonly options?: OpenOptions;
  readonly server?: H2Options;
}

const promised = (fields: h2.H2Frame['fields']) => ({
  ':method': 'GET',
  ':scheme': 'http',
  ':authority': fields[':authority'] ?? '',
  ':path': '/',
});

const floods: Record<string, Flood> = {
  'CONTINUATION frames that are full (CVE-2024-27316)': {
    first: (id) => [h2.headers(id, OK, { end: false })],
    chunk: (id) => chunkOf(h2.continuation(id, encode({ a: 'x'.repeat(16_300) }))),
    code: /FLOOD|PROTOCOL|TOO_BIG/,
  },
  'empty CONTINUATION frames': {
    first: (id) => [h2.headers(id, OK, { end: false })],
    chunk: (id) => chunkOf(h2.continuation(id, Buffer.alloc(0))),
    code: /FLOOD|PROTOCOL/,
  },
  'PING frames (CVE-2019-9512)': { chunk: () => chunkOf(h2.ping()) },
  'answers to pings': { chunk: () => chunkOf(h2.ping('unasked!', true)) },
  'SETTINGS frames (CVE-2019-9515)': { chunk: () => chunkOf(h2.settings({ initialWindowSize: 70_000 })) },
  'acknowledgements of SETTINGS': { chunk: () => chunkOf(h2.settingsAck()), code: /FLOOD|PROTOCOL/ },
  'empty DATA frames (CVE-2019-9518)': {
    first: (id) => [h2.headers(id, OK)],
    chunk: (id) => chunkOf(h2.data(id)),
  },
  'padded DATA frames without data': {
    first: (id) => [h2.headers(id, OK)],
    chunk: (id) => chunkOf(h2.frame(0, 8, id, Buffer.of(0))),
    code: /FLOOD|PROTOCOL/,
  },
  'WINDOW_UPDATE frames of the connection': { chunk: () => chunkOf(h2.windowUpdate(0, 1)) },
  'WINDOW_UPDATE frames of a stream': { chunk: (id) => chunkOf(h2.windowUpdate(id, 1)) },
  'PRIORITY frames (CVE-2019-9513)': { chunk: (id) => chunkOf(h2.priority(id)) },
  'frames of unknown types': { chunk: () => chunkOf(h2.frame(99, 0, 0, 'x')) },
  'large frames of an unknown type': { chunk: () => chunkOf(h2.frame(99, 0, 0, Buffer.alloc(16_384))) },
  'interim answers': { chunk: (id) => chunkOf(h2.headers(id, { ':status': 103 })) },
  'HEADERS after the end of an answer': {
    first: (id) => [h2.headers(id, OK)],
    chunk: (id) => chunkOf(h2.headers(id, { t: 'u' }, { fin: true })),
    code: /FLOOD|PROTOCOL/,
  },
  'RST_STREAM frames (CVE-2019-9514)': {
    chunk: (id) => chunkOf(h2.reset(id, 'CANCEL')),
    code: /FLOOD|PROTOCOL/,
  },
  'promises that nobody wants': {
    chunk: (id, fields) => many((n) => h2.promise(id, 2 * n, promised(fields))),
    code: /FLOOD|PROTOCOL/,
  },
  'promises, with pushes on': {
    chunk: (id, fields) => many((n) => h2.promise(id, 2 * n, promised(fields))),
    options: { push: true },
    code: /FLOOD|PROTOCOL/,
  },
  'promises that are reset at once, with pushes on (CVE-2023-44487)': {
    chunk: (id, fields) =>
      many((n) => Buffer.concat([h2.promise(id, 2 * n, promised(fields)), h2.reset(2 * n, 'CANCEL')])),
    options: { push: true },
    code: /FLOOD|PROTOCOL/,
  },
  'GOAWAY frames': { chunk: () => chunkOf(h2.goaway(0x7fffffff)), code: /FLOOD|GOAWAY|CLOSED/ },
  'PING frames, and reads no answer': {
    chunk: () => chunkOf(h2.ping()),
    server: { pong: false },
  },
};

/** Frames of ever new streams. */
function many(frame: (n: number) => Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: 4_000 }, (_, n) => frame(n + 1)));
}

describe('an HTTP/2 server that floods with', () => {
  const { open, keep, served } = h2talks();
  let witness: Connection;

  beforeEach(async () => {
    const honest = await keep(h2origin(echoing));
    witness = open(honest.url, honest.options);
    await witness.get('/warm').text();
  });

  for (const [what, { first, chunk, code = /FLOOD/, options, server }] of Object.entries(floods)) {
    it(`${what} loses its connection soon, and no other notices`, async () => {
      let flooded: Promise<number> | undefined;
      let begun = 0;
      const script = async (talk: H2Talk): Promise<void> => {
        if (talk.number > 1) return echoing(talk);
        const { stream, fields } = await talk.request();
        if (what.includes('reads no')) talk.socket.pause();
        const bytes = chunk(stream, fields);
        talk.send(...(first?.(stream, fields) ?? []));
        begun = performance.now();
        flooded = talk.flood(bytes, MOST);
      };
      const before = process.memoryUsage().rss;
      const { connection, origin } = await served(script, { retryTimeout: 1, ...options }, server);
      // Before that, an attempt would fail, and nothing be down.
      await connection.awaitUp();
      const down = once(connection, 'down') as Promise<[LostNotice]>;
      const words = wordsOf(connection, connection.get('/victim'));
      const watched = lagUntil(witness, down);
      const [{ reason }] = await down;
      expect(reason.code).to.match(code);
      expect(performance.now() - begun).to.be.below(SOON);
      expect((await words).at(-1)).to.match(/^(fin|trailers|ERR_GUNPORT_\w+)/);
      expect(await watched).to.be.below(LAG);
      expect(await flooded).to.be.below(MOST);
      expect(process.memoryUsage().rss - before).to.be.below(GROWTH);
      expect(await connection.get('/next').text()).to.equal('/next');
      expect(origin.taken).to.equal(2);
      expect(await witness.get('/well').text()).to.equal('/well');
    });
  }

  it('header fields by an HPACK bomb ends its answer, or its connection, and grows nothing (CVE-2016-1544)', async () => {
    const before = process.memoryUsage().rss;
    const { connection } = await served(
      async (talk) => {
        if (talk.number > 1) return echoing(talk);
        const { stream } = await talk.request();
        // One entry of 4 000 bytes in the table, and 15 000 times "the same again".
        const value = Buffer.alloc(4_000, 'x');
        const entry = Buffer.concat([Buffer.of(0x40, 1, 0x61, 0x7f, 0xa1, 0x1e), value]);
        const again = Buffer.alloc(12_000, 0xbe);
        talk.send(h2.headers(stream, Buffer.concat([encode(OK), entry, again]), { fin: true }));
        return echoing(talk);
      },
      { retryTimeout: 1 },
    );
    const words = await wordsOf(connection, connection.get('/bomb'));
    expect(words.at(-1)).to.match(/^ERR_GUNPORT_(TOO_BIG|PROTOCOL|FLOOD|RESET)/);
    expect(await connection.get('/next').text()).to.equal('/next');
    expect(process.memoryUsage().rss - before).to.be.below(GROWTH);
  });
});

describe('an HTTP/2 server that says much, and all of it for a reason, is no flood:', () => {
  const { both } = h2talks();

  it('1000 answers with five interim ones, trailers, and half of them a ping', async () => {
    const { connection, server } = await both({ retry: 0 });
    for (let round = 0; round < 10; round++) {
      const streams = Array.from({ length: 100 }, () => connection.get('/'));
      for (const { stream } of await server.requests(100)) {
        for (let i = 0; i < 5; i++) server.send(h2.headers(stream, { ':status': 103 }));
        if (round % 2 === 0) server.send(h2.ping());
        server.answer(stream, 200, 'x', { trailers: { t: 'u' } });
      }
      await Promise.all(streams.map((stream) => stream.text()));
    }
    expect(connection.status).to.equal('up');
  });

  it('a body in 100 000 frames of a byte', async () => {
    const { connection, server } = await both({ retry: 0 });
    const stream = connection.get('/');
    const { stream: id } = await server.request();
    server.send(h2.headers(id, OK), ...Array<Buffer>(100_000).fill(h2.data(id, 'x')), h2.data(id, '', true));
    expect(await stream.bytes()).to.have.lengthOf(100_000);
  });

  it('two WINDOW_UPDATE frames for each part of an upload of 32 MiB', async () => {
    const { connection, server } = await both({ retry: 0 });
    const stream = connection.post('/', { body: Buffer.alloc(32 * 1024 * 1024) });
    const { stream: id } = await server.request();
    for (let fin = false; !fin; ) {
      const frame = await server.next('data', id);
      fin = frame.fin;
      const { length } = frame.payload;
      if (length > 0) server.send(h2.windowUpdate(0, length), h2.windowUpdate(id, length));
    }
    server.answer(id, 200, 'all');
    expect(await stream.text()).to.equal('all');
  });

  it('500 requests that it resets, 500 that it refuses to begin with', async () => {
    const { connection, server } = await both({ retry: 0 });
    for (let round = 0; round < 10; round++) {
      const streams = Array.from({ length: 100 }, () => connection.get('/'));
      for (const [i, { stream }] of (await server.requests(100)).entries()) {
        server.send(h2.reset(stream, i % 2 ? 'REFUSED_STREAM' : 'INTERNAL_ERROR'));
      }
      for (const stream of streams) await stream.response().catch(() => {});
    }
    expect(connection.status).to.equal('up');
  });
});

/** The longest that a connection waited for a word until this happens, in milliseconds. */
async function lagUntil(connection: Connection, happens: Promise<unknown>): Promise<number> {
  let over = false;
  void happens.then(() => {
    over = true;
  });
  let most = 0;
  while (!over) {
    const asked = performance.now();
    await connection.ping();
    most = Math.max(most, performance.now() - asked);
  }
  return most;
}
