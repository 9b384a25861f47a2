// cut.test — a line that breaks off in the midst of something: what was whole is delivered, what was not never is, and
// each that waits is told.

import { expect } from 'chai';
import type { Down, GunportError, OpenOptions } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { downOf } from '../support/downs.ts';
import { type FaultProxy, faultProxy } from '../support/faultproxy.ts';
import { arrived, drain, feeds, frame, pause, plain } from '../support/feeds.ts';
import * as h2 from '../support/h2frames.ts';
import { type H2Talk, h2origin } from '../support/h2origin.ts';
import { origin, type Talk } from '../support/origin.ts';
import { wsPeerOfOne } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

/** What a promise ended with. */
const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    ({ code }: GunportError) => code,
  );

describe('a WebSocket whose line is cut', () => {
  const { connect, keep } = feeds();
  let proxy: FaultProxy | undefined;
  afterEach(() => proxy?.close());

  async function lined(secure: boolean) {
    const { peer, first } = await wsPeerOfOne(undefined, { secure });
    await keep(Promise.resolve(peer));
    proxy = await faultProxy(peer.port);
    const trust: OpenOptions = secure ? { tls: { ca: (await certificates()).ca } } : {};
    const feed = await connect(proxy.url(peer.url), { ...trust, retry: 0 });
    return { feed, line: proxy, server: await first };
  }

  for (const [road, secure] of [
    ['TCP', false],
    ['TLS', true],
  ] as const) {
    for (const [how, by, cause] of [
      ['an RST', 'rst', 'ECONNRESET'],
      ['a FIN', 'fin', undefined],
    ] as const) {
      it(`by ${how} in mid message, over ${road}: what came before is delivered, then it ends; one Down (M2, S1)`, async () => {
        const { feed, line, server } = await lined(secure);
        const down = downOf(feed.connection);
        // Two whole ones, and three bytes of 256.
        server.send('81 02 6f6b  82 01 07  81 7e 0100 616263');
        await arrived(feed, 2);
        await pause(feed);
        const waiting = [outcome(feed.ping()), outcome(feed.connection.awaitUp({ timeout: 5_000 }))];
        line.drop(by);
        const reason = await down;
        expect(reason.kind).to.equal('gave-up');
        expect(reason.cause).to.include({ code: 'ERR_GUNPORT_CLOSED', phase: 'closed' });
        const { messages, error } = await drain(feed);
        expect(messages.map(plain)).to.deep.equal(['ok', '<07>']);
        expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
        const loss = error?.cause as GunportError; // The chain ends with Node's own.
        expect(loss).to.include({ code: 'ERR_GUNPORT_CLOSED' });
        expect((loss.cause as { code?: string } | undefined)?.code).to.equal(cause);
        const closed = await feed.closed;
        expect(closed).to.include({ code: 1006, wasClean: false });
        expect(closed.error).to.include({ code: 'ERR_GUNPORT_GAVE_UP', message: error?.message });
        expect(await Promise.all(waiting)).to.deep.equal(['ERR_GUNPORT_CLOSED', 'resolved']);
      });
    }
  }

  it('by a FIN at whatever byte of a message is never given a part of it (RFC 6455 §7.1.5)', async () => {
    const whole = Buffer.concat([frame(0x01, 'Hello, '), frame(0x89, 'p'), frame(0x80, 'world')]);
    for (let at = 1; at < whole.length; at++) {
      const { feed, line, server } = await lined(false);
      server.send(Buffer.concat([frame(0x81, 'ok'), whole.subarray(0, at)]));
      await arrived(feed, 1);
      await pause(feed);
      line.drop('fin');
      const { messages, error } = await drain(feed);
      expect(messages, `cut at ${at}`).to.deep.equal(['ok']);
      expect(error, `cut at ${at}`).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
      expect(await feed.closed).to.include({ code: 1006, wasClean: false });
      await line.close();
    }
  });
});

/** Ways to take a whole body. */
const WAYS: readonly (readonly [
  string,
  (url: string, open: ReturnType<typeof feeds>['open']) => Promise<unknown>,
])[] = [
  ['text()', (url, open) => open(url, { retry: 0 }).get('/').text()],
  ['bytes()', (url, open) => open(url, { retry: 0 }).get('/').bytes()],
  ['json()', (url, open) => open(url, { retry: 0 }).get('/').json()],
  [
    'awaitBody()',
    async (url, open) => {
      const connection = open(url, { retry: 0 });
      const stream = connection.get('/');
      await connection.await(stream);
      return connection.awaitBody(stream);
    },
  ],
  [
    'a loop',
    async (url, open) => {
      for await (const _ of open(url, { retry: 0 }).get('/'));
    },
  ],
  ['fetch()', async (url, open) => (await open(url, { retry: 0 }).fetch('/')).arrayBuffer()],
];

/** Half of an answer of ten bytes. */
const HALVES: readonly (readonly [string, string])[] = [
  ['of which content-length has more', 'content-length: 10\r\n\r\n"one"'],
  ['whose chunk has more', 'transfer-encoding: chunked\r\n\r\na\r\n"one"'],
  ['whose last chunk is missing', 'transfer-encoding: chunked\r\n\r\n5\r\n"one"\r\n'],
];

describe('an answer that is cut short', () => {
  const { open, keep } = feeds();

  for (const [what, half] of HALVES) {
    it(`${what} is never a short success, however it is taken (RFC 9112 §8)`, async () => {
      const server = await keep(
        origin(async (talk: Talk) => {
          await talk.request();
          talk.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${half}`);
        }),
      );
      for (const [way, take] of WAYS) {
        const error = await take(server.url, open).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(error, way).to.be.instanceOf(Error);
        const { code, cause } = error as GunportError; // fetch() has it as its cause.
        expect(way === 'fetch()' ? ((cause as GunportError | undefined)?.code ?? code) : code, way).to.equal(
          'ERR_GUNPORT_CLOSED',
        );
      }
    });
  }

  it('on HTTP/2, by an RST with three under way: each is given what came and its error, and a monitor one Down', async () => {
    let talk: H2Talk | undefined;
    const server = await keep(
      h2origin(async (one) => {
        talk = one;
        for (const { stream } of await one.requests(3)) {
          one.send(h2.headers(stream, { ':status': '200' }), h2.data(stream, `part ${stream}`));
        }
        await one.ended;
      }),
    );
    const proxy = await faultProxy(server.port);
    const connection = open(proxy.url(server.url), { protocols: ['http2'], retry: 0 });
    const order: string[] = [];
    const monitor = connection.monitor((down: Down) => order.push(`down ${down.reason.kind}`));
    const streams = [1, 2, 3].map((i) => connection.get(`/${i}`));
    const firsts = streams.map(async (stream) => {
      await connection.await(stream);
      return connection.await(stream);
    });
    for (const notice of await Promise.all(firsts)) expect(notice).to.include({ type: 'data', fin: false });
    const rests = streams.map(async (stream) => {
      await rejects(connection.await(stream), 'ERR_GUNPORT_CLOSED');
      order.push('stream');
    });
    expect(talk?.number).to.equal(1);
    proxy.drop('rst');
    await Promise.all(rests);
    await monitor.down;
    // Who reads hears of its stream first; the one Down is the last word.
    expect(order).to.deep.equal(['stream', 'stream', 'stream', 'down gave-up']);
    await proxy.close();
  });

  for (const [road, secure] of [
    ['TCP', false],
    ['TLS', true],
  ] as const) {
    it(`which only its end delimits is an error by an RST, and by a FIN a good answer, over ${road} (RFC 9112 §6.3)`, async () => {
      const server = await keep(
        origin(
          async (talk: Talk) => {
            await talk.request();
            await talk.write('HTTP/1.1 200 OK\r\n\r\nHello');
            await talk.closed;
          },
          { secure },
        ),
      );
      const trust = secure ? { tls: { ca: (await certificates()).ca } } : {};
      for (const how of ['fin', 'rst'] as const) {
        const proxy = await faultProxy(server.port);
        const connection = open(proxy.url(server.url), { ...trust, protocols: ['http'], retry: 0 });
        const stream = connection.get('/');
        // No closure alert of TLS comes in either case, and Node tells no difference.
        expect(await connection.await(stream)).to.include({ type: 'response', fin: false });
        const head = await connection.await(stream);
        expect(Buffer.from((head as { data: Uint8Array }).data).toString()).to.equal('Hello');
        const rest = connection.awaitBody(stream);
        proxy.drop(how);
        if (how === 'rst') await rejects(rest, 'ERR_GUNPORT_CLOSED');
        else expect((await rest).body).to.have.lengthOf(0);
        await proxy.close();
      }
    });
  }
});
