import { expect } from 'chai';
import type { CompressOptions, Message, OpenOptions } from '../../lib/index.ts';
import { type Feed, feeds, take } from '../support/feeds.ts';
import { LIBRARIES, order, type PythonPort, python, urlOf } from '../support/python.ts';
import { titled } from '../support/real.ts';
import { rejects } from '../support/rejects.ts';

/** Around each change in how a length is written (RFC 6455 §5.2), and of a slab. */
const LENGTHS = [0, 1, 125, 126, 127, 4_096, 65_535, 65_536, 65_537, 524_288, 1_048_577];
const MIXED = 'aé€😀 ';

/** Text of so many bytes. */
function text(bytes: number): string {
  const unit = Buffer.byteLength(MIXED);
  return MIXED.repeat(Math.floor(bytes / unit)) + 'x'.repeat(bytes % unit);
}

/** Of a prime length, so that no part of a message is like another of the same place. */
const PATTERN = Buffer.from(Uint8Array.from({ length: 65_521 }, (_, i) => i * 31 + (i >> 8)));

function binary(bytes: number): Buffer {
  return Buffer.alloc(bytes, PATTERN);
}

/** Which of them differs, or -1. */
function difference(back: readonly Message[], sent: readonly Message[]): number {
  if (back.length !== sent.length) return Math.min(back.length, sent.length);
  return back.findIndex((message, i) => {
    const other = sent[i]!;
    if (typeof message === 'string' || typeof other === 'string') return message !== other;
    return Buffer.compare(message, other) !== 0;
  });
}

/** It comes back as it was sent. */
async function echoes(feed: Feed, sent: Message[]): Promise<void> {
  feed.send(sent);
  expect(difference(await take(feed, sent.length), sent)).to.equal(-1);
}

for (const library of LIBRARIES) {
  describe(titled(library, `a WebSocket to a server made of Python's ${library}`), () => {
    const { connect } = feeds();
    const server = python(library);
    const to = (path: string, options?: OpenOptions, port?: PythonPort): Promise<Feed> =>
      connect(urlOf(server(), path, port), { retry: 0, ...options });
    const acts = async (options?: OpenOptions): Promise<Feed> => to('/acts', options);

    describe('messages', () => {
      for (const secure of [false, true]) {
        const port = secure ? 'tls' : 'plain';
        it(`come back as they were, of every class of length, text and binary${secure ? ', over TLS' : ''} (RFC 6455 §5.2)`, async () => {
          const feed = await to('/echo', secure ? { tls: { ca: server().ca } } : {}, port);
          await echoes(
            feed,
            LENGTHS.flatMap((length) => [text(length), binary(length)]),
          );
        });
      }

      it('come back one at a time as well', async () => {
        const feed = await to('/echo');
        for (const length of LENGTHS) await echoes(feed, [binary(length), text(length)]);
      });

      it('of 16 MiB come back as they were', async () => {
        const feed = await to('/echo');
        await echoes(feed, [binary(16 << 20), text(16 << 20), 'and after']);
      });

      for (const size of [1, 7, 1_000, 70_000]) {
        it(`that come in fragments of ${size} are whole (RFC 6455 §5.4)`, async () => {
          const feed = await to(`/pieces/${size}`);
          const sent = [text(size * 25), binary(size * 25), text(size), binary(size + 1), ''];
          await echoes(feed, sent);
        });
      }

      it('of more fragments than maxFragments are refused with 1009', async () => {
        const feed = await to('/pieces/1', { maxFragments: 10 });
        feed.send(['12345', 'x'.repeat(20)]);
        expect(await take(feed, 1)).to.deep.equal(['12345']);
        await rejects(take(feed, 1), 'ERR_GUNPORT_TOO_BIG');
        await server().logged('closed 1009');
      });
    });

    describe('permessage-deflate', () => {
      const asked: CompressOptions[] = [
        {},
        { serverNoContextTakeover: true },
        { clientNoContextTakeover: true },
        { serverNoContextTakeover: true, clientNoContextTakeover: true },
        { serverMaxWindowBits: 9 },
        { clientMaxWindowBits: 10 },
        { serverMaxWindowBits: 12, clientMaxWindowBits: 9 },
        { serverNoContextTakeover: true, serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
      ];
      const ports: [PythonPort, string][] = [
        ['deflate', 'takes what is asked'],
        ['strict', 'wants no context either way'],
        ['narrow', 'wants small windows both ways'],
      ];
      for (const [port, what] of ports) {
        for (const compress of asked) {
          it(`goes both ways with a server that ${what}, asked for ${JSON.stringify(compress)} (RFC 7692 §7.1)`, async () => {
            const opening = to('/echo', { compress: { threshold: 0, ...compress } }, port);
            if (library === 'autobahn' && port === 'narrow' && compress.clientMaxWindowBits) {
              // It overlooks what was offered, and asks for 11 bits: more than that (RFC 7692 §7.1.2.2).
              await rejects(opening, 'ERR_GUNPORT_HANDSHAKE');
              return;
            }
            const feed = await opening;
            expect(feed.extensions).to.match(/^permessage-deflate/);
            if (compress.serverNoContextTakeover)
              expect(feed.extensions).to.include('server_no_context_takeover');
            if (compress.serverMaxWindowBits)
              expect(feed.extensions).to.match(/server_max_window_bits=(9|1[0-2])/);
            if (port === 'strict') expect(feed.extensions).to.include('client_no_context_takeover');
            if (port === 'narrow') expect(feed.extensions).to.match(/client_max_window_bits=(9|1[01])/);
            const sent: Message[] = [];
            for (let i = 0; i < 12; i++) sent.push(text(i * 331), binary(i * 977), '', new Uint8Array(0));
            sent.push(text(300_000), binary(300_000), text(300_000));
            await echoes(feed, sent);
          });
        }
      }

      it('takes messages in fragments, and lets others go uncompressed (RFC 7692 §6.1)', async () => {
        const feed = await to('/pieces/500', { compress: { threshold: 100 } }, 'deflate');
        await echoes(feed, [text(50), text(20_000), binary(20_000), text(99), text(500), binary(501)]);
      });

      it('is not spoken with a server that knows nothing of it', async () => {
        const feed = await to('/echo', { compress: true });
        expect(feed.extensions).to.equal('');
        await echoes(feed, [text(5_000)]);
      });
    });

    describe('the upgrade', () => {
      it('agrees on the subprotocol that the server likes best, or on none (RFC 6455 §1.9)', async () => {
        const both = await to('/echo', { subprotocols: ['feed.v1', 'feed.v2'] });
        expect(both.protocol).to.be.oneOf(['feed.v1', 'feed.v2']);
        expect((await to('/echo', { subprotocols: ['feed.v1'] })).protocol).to.equal('feed.v1');
        expect((await to('/echo')).protocol).to.equal('');
      });

      it('carries headers both ways', async () => {
        const feed = await acts({ headers: { 'X-One': 'one', 'x-two': ['a', 'b'], 'User-Agent': 'a test' } });
        order(feed, { act: 'headers' });
        const [json] = await take(feed, 1);
        const seen = JSON.parse(String(json));
        expect(seen).to.include({ 'x-one': 'one', 'user-agent': 'a test', 'sec-websocket-version': '13' });
        expect(seen).to.have.property('x-two').that.matches(/b$/);
        expect(feed.headers).to.include({ 'x-peer': library });
        expect(feed.headers['upgrade']).to.match(/^websocket$/i);
      });

      for (const [status, what] of [
        [401, 'Unauthorized'],
        [403, 'Forbidden'],
        [503, 'Service Unavailable'],
      ] as const) {
        it(`that is refused with ${status} rejects with the answer`, async () => {
          const error = await rejects(to(`/refuse/${status}`), 'ERR_GUNPORT_UPGRADE_REFUSED');
          expect(error).to.include({ phase: 'upgrade', status });
          // autobahn sends a head only.
          const body = library === 'websockets' ? `refused: ${what}` : '';
          expect(Buffer.from(error.body ?? []).toString()).to.equal(body);
          if (library === 'websockets') expect(error.headers).to.include({ 'x-why': 'a test' });
        });
      }

      it('over TLS fails when nobody trusts the certificate', async () => {
        const error = await rejects(to('/echo', {}, 'tls'), 'ERR_GUNPORT_TLS');
        expect(error.phase).to.equal('tls');
      });
    });

    describe('pings', () => {
      it('of ours are answered, and take some milliseconds (RFC 6455 §5.5.2)', async () => {
        const feed = await acts();
        expect(await feed.ping()).to.be.within(0, 4_000);
        expect(await feed.ping('with a payload')).to.be.within(0, 4_000);
        const many = await Promise.all(Array.from({ length: 20 }, (_, i) => feed.ping(`${i}`)));
        expect(many).to.have.lengthOf(20);
      });

      it('of the server are answered with their payload, between messages (RFC 6455 §5.5.3)', async () => {
        const feed = await acts();
        for (const data of ['', 'x', 'y'.repeat(125)]) order(feed, { act: 'ping', data });
        expect(await take(feed, 3)).to.deep.equal(['ponged ', 'ponged x', `ponged ${'y'.repeat(125)}`]);
        expect((await feed.connection.info()).counters.pingsAnswered).to.equal(3);
      });

      it('that nobody has sent may be answered all the same (RFC 6455 §5.5.3)', async () => {
        const feed = await acts();
        order(feed, { act: 'pong', data: 'nobody asked' });
        expect(await take(feed, 1)).to.deep.equal(['sent']);
        expect(await feed.ping('mine')).to.be.a('number');
        expect(feed.state).to.equal('open');
      });

      it('of ours keep it alive, one after another', async () => {
        const feed = await acts({ keepalive: 5, pongTimeout: 4_000 });
        let since = server().log.length;
        for (let pings = 0; pings < 5; pings++) {
          await server().logged('pong to', since);
          since = server().log.indexOf('pong to', since) + 1;
        }
        expect(feed.state).to.equal('open');
      });
    });

    describe('the close', () => {
      for (const [code, reason] of [
        [1000, ''],
        [1000, 'bye'],
        [3000, 'é'.repeat(61)],
        [4999, 'x'.repeat(123)],
      ] as const) {
        it(`with ${code} and a reason of ${Buffer.byteLength(reason)} bytes is heard there, and clean here (RFC 6455 §7.1)`, async () => {
          const feed = await acts();
          const since = server().log.length;
          // autobahn answers every close with 1000, as it may.
          const answer = library === 'autobahn' ? { code: 1000, reason: '' } : { code, reason };
          expect(await feed.close(code, reason)).to.deep.equal({ ...answer, wasClean: true });
          await server().logged(`closed ${code} ${reason}`.trimEnd(), since);
        });

        it(`of the server with ${code} and a reason of ${Buffer.byteLength(reason)} bytes is told here (RFC 6455 §7.1)`, async () => {
          const feed = await acts();
          const since = server().log.length;
          order(feed, { act: 'numbers', from: 0, to: 1, bytes: 1 });
          expect(await take(feed, 1)).to.deep.equal(['0 ']);
          order(feed, { act: 'close', code, reason });
          const loop = take(feed, 1);
          if (code === 1000) expect(await loop).to.deep.equal([]);
          else expect(await rejects(loop, 'ERR_GUNPORT_CLOSED')).to.have.property('reason', code);
          expect(await feed.closed).to.deep.include({ code, reason, wasClean: true });
          await server().logged(`closed ${code}`, since);
        });
      }

      // The other library always sends one.
      if (library === 'autobahn') {
        it('of the server without a code ends the loop', async () => {
          const feed = await acts();
          order(feed, { act: 'close' });
          expect(await take(feed, 1)).to.deep.equal([]);
          expect(await feed.closed).to.deep.equal({ code: 1005, reason: '', wasClean: true });
        });
      }

      it('is not clean when the server resets its socket', async () => {
        const feed = await acts();
        const monitor = feed.connection.monitor();
        feed.on('message', () => {});
        order(feed, { act: 'abort' });
        const { error, ...result } = await feed.closed;
        expect(result).to.deep.equal({ code: 1006, reason: '', wasClean: false });
        expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
        expect((await monitor.down)?.reason.kind).to.equal('gave-up');
      });
    });
  });
}
