import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import type { CompressOptions, OpenOptions } from '../../lib/index.ts';
import { drain, feeds, frame, plain, take, untilClose } from '../support/feeds.ts';
import { unhex, wsPeer, wsServer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

const agreed = (parameters = '') => ({
  headers: `Sec-WebSocket-Extensions: permessage-deflate${parameters}\r\n`,
});

/** One message without context: a whole number of blocks, without the tail (RFC 7692 §7.2.1). */
function deflated(text: string): Buffer {
  return deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

/** Undoes it. */
function inflated(payload: Uint8Array): string {
  const whole = Buffer.concat([payload, unhex('0000ffff')]);
  return inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
}

const TEXT = 'the quick brown fox jumps over the lazy dog, '.repeat(40);

describe('permessage-deflate', () => {
  const { connect, keep, talk } = feeds();

  describe('with the ws server', () => {
    const cases: [string, CompressOptions | true, object][] = [
      ['with context takeover both ways', true, {}],
      ['without context of the server', { serverNoContextTakeover: true }, {}],
      ['without context of the client', { clientNoContextTakeover: true }, {}],
      ['without any context', { serverNoContextTakeover: true, clientNoContextTakeover: true }, {}],
      ['with a smaller window of the server', { serverMaxWindowBits: 9 }, {}],
      ['with a smaller window of the client', { clientMaxWindowBits: 10 }, { clientMaxWindowBits: 10 }],
      [
        'with what the server asks for',
        true,
        { serverNoContextTakeover: true, clientNoContextTakeover: true },
      ],
      ['with windows that the server asks for', true, { serverMaxWindowBits: 10, clientMaxWindowBits: 11 }],
      ['at level 1', { level: 1 }, {}],
    ];
    for (const [what, compress, server] of cases) {
      it(`goes both ways ${what} (RFC 7692 §7.1)`, async () => {
        const peer = await keep(wsServer({ perMessageDeflate: { threshold: 0, ...server } }));
        peer.server.on('connection', (socket) => {
          socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
        });
        const options = compress === true ? { threshold: 0 } : { threshold: 0, ...compress };
        const feed = await connect(peer.url, { compress: options });
        expect(feed.extensions).to.match(/^permessage-deflate/);
        const sent: (string | Uint8Array)[] = [];
        for (let i = 0; i < 30; i++) {
          sent.push(`${i} ${TEXT}`, Buffer.from(`${TEXT} ${i}`), '', 'é€😀'.repeat(i));
        }
        sent.push('large '.repeat(200_000));
        feed.send(sent);
        const back = await take(feed, sent.length);
        expect(back.findIndex((message, i) => plain(message) !== plain(sent[i] ?? ''))).to.equal(-1);
      });
    }

    it('is not spoken when nobody asks for it', async () => {
      const peer = await keep(wsServer({ perMessageDeflate: true }));
      const feed = await connect(peer.url);
      expect(feed.extensions).to.equal('');
    });

    it('is not spoken when the server does not want it', async () => {
      const peer = await keep(wsServer({ perMessageDeflate: false }));
      peer.server.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))));
      const feed = await connect(peer.url, { compress: { threshold: 0 } });
      expect(feed.extensions).to.equal('');
      feed.send(TEXT);
      expect(await take(feed, 1)).to.deep.equal([TEXT]);
    });
  });

  describe('on the wire', () => {
    it('offers the four parameters (RFC 7692 §7.1)', async () => {
      const { server } = await talk({ compress: true });
      expect(server.header('Sec-WebSocket-Extensions')).to.equal(
        'permessage-deflate; client_max_window_bits',
      );
      const all: CompressOptions = {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 10,
        clientMaxWindowBits: 11,
      };
      const offer = (await talk({ compress: all })).server.header('Sec-WebSocket-Extensions');
      expect(offer?.split('; ').sort()).to.deep.equal([
        'client_max_window_bits=11',
        'client_no_context_takeover',
        'permessage-deflate',
        'server_max_window_bits=10',
        'server_no_context_takeover',
      ]);
    });

    it('fails the upgrade for parameters that nobody offered (RFC 7692 §7.1)', async () => {
      for (const parameters of [
        '; x=1',
        '; server_max_window_bits=7',
        '; client_no_context_takeover; client_no_context_takeover',
      ]) {
        await rejects(talk({ compress: true }, agreed(parameters)), 'ERR_GUNPORT_HANDSHAKE');
      }
    });

    it('compresses from the threshold on, and marks it with RSV1 (RFC 7692 §6.1)', async () => {
      const { feed, server } = await talk({ compress: { threshold: 10 } }, agreed());
      feed.send(['short', 'long enough', new Uint8Array(9), new Uint8Array(10)]);
      const frames = [await server.read(), await server.read(), await server.read(), await server.read()];
      expect(frames.map(({ rsv }) => rsv)).to.deep.equal([0, 4, 0, 4]);
      expect(frames.map(({ opcode }) => opcode)).to.deep.equal([1, 1, 2, 2]);
      expect(frames[0]?.payload.toString()).to.equal('short');
      expect(inflated(frames[1]?.payload ?? Buffer.of())).to.equal('long enough');
    });

    it('does so from 1024 bytes on unless told otherwise', async () => {
      const { feed, server } = await talk({ compress: true }, agreed());
      feed.send(['x'.repeat(1_023), 'x'.repeat(1_024)]);
      expect([(await server.read()).rsv, (await server.read()).rsv]).to.deep.equal([0, 4]);
    });

    it('keeps its context from message to message, and not when it was agreed otherwise (RFC 7692 §7.1.1)', async () => {
      const options: OpenOptions = { compress: { threshold: 0 } };
      const text = 'context is kept or not '.repeat(3);
      const kept = await talk(options, agreed());
      kept.feed.send([text, text]);
      const sizes = [(await kept.server.read()).payload.length, (await kept.server.read()).payload.length];
      expect(sizes[1]).to.be.below(sizes[0] ?? 0);
      const not = await talk(options, agreed('; client_no_context_takeover'));
      not.feed.send([text, text]);
      const both = [await not.server.read(), await not.server.read()];
      expect(both.map(({ payload }) => inflated(payload))).to.deep.equal([text, text]);
    });

    it('takes the examples of RFC 7692 §7.2.3: one block, many, stored, and shared context', async () => {
      const { feed, server } = await talk({ compress: true }, agreed());
      server.send('c1 07 f2 48 cd c9 c9 07 00'); // §7.2.3.1
      server.send('41 03 f2 48 cd  80 04 c9 c9 07 00'); // the same in two fragments
      server.send('c1 05 f2 00 11 00 00'); // §7.2.3.2, with the context of the first
      server.send('c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00'); // §7.2.3.3, stored
      server.send('c1 08 f3 48 cd c9 c9 07 00 00'); // §7.2.3.4, a block with BFINAL
      server.send('c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00'); // §7.2.3.5, two blocks
      server.send('81 05 48656c6c6f'); // not compressed
      expect(await take(feed, 7)).to.deep.equal(Array(7).fill('Hello'));
    });

    it('goes on after a block with BFINAL, whose context may be used or not (RFC 7692 §7.2.3.4)', async () => {
      const { feed, server } = await talk({ compress: true }, agreed());
      const final = Buffer.concat([deflateRawSync('final'), Buffer.of(0)]);
      for (let i = 0; i < 3; i++)
        server.send(Buffer.concat([frame(0xc1, final), frame(0xc1, deflated('after'))]));
      expect(await take(feed, 6)).to.deep.equal(['final', 'after', 'final', 'after', 'final', 'after']);
    });

    it('takes empty messages, compressed', async () => {
      const { feed, server } = await talk({ compress: true }, agreed());
      server.send('c1 01 00  c2 01 00  81 00');
      expect((await take(feed, 3)).map(plain)).to.deep.equal(['', '<>', '']);
    });

    it('may be split anywhere, between two fragments as well', async () => {
      const { feed, server } = await talk({ compress: true }, agreed('; server_no_context_takeover'));
      const bytes = deflated('Grüße aus der Kombüse');
      for (let cut = 0; cut <= bytes.length; cut++) {
        server.send(Buffer.concat([frame(0x41, bytes.subarray(0, cut)), frame(0x89, 'p')]));
        expect((await server.read()).payload.toString()).to.equal('p');
        server.send(frame(0x80, bytes.subarray(cut)));
        expect(await take(feed, 1)).to.deep.equal(['Grüße aus der Kombüse']);
      }
    });

    for (const [what, bytes] of [
      ['garbage', frame(0xc1, unhex('ff ff ff ff'))],
      ['garbage in fragments', Buffer.concat([frame(0x41, unhex('ff ff')), frame(0x80, unhex('ff ff'))])],
      ['a distance beyond the window', frame(0xc2, unhex('03 fe 07 00'))],
      ['text that inflates to no UTF-8', frame(0xc1, deflateNotUtf8())],
    ] as const) {
      it(`fails ${what} with 1007, after all that came before`, async () => {
        const { feed, server } = await talk({ compress: true }, agreed());
        const told = untilClose(server);
        server.send(
          Buffer.concat([frame(0xc1, deflated('fine')), frame(0x81, 'too'), bytes, frame(0x81, 'never')]),
        );
        const { messages, error } = await drain(feed);
        expect(messages).to.deep.equal(['fine', 'too']);
        expect(error).to.include({ phase: 'protocol', reason: 1007 });
        expect(error).to.have.property('code').that.is.oneOf(['ERR_GUNPORT_PROTOCOL', 'ERR_GUNPORT_UTF8']);
        expect(await told).to.deep.equal(['close 1007']);
      });
    }

    it('begins anew with each connection (RFC 7692 §7)', async () => {
      let taken = 0;
      const peer = await keep(
        wsPeer((server) => {
          taken++;
          // In the first both messages use one context; the second connection knows nothing of it.
          server.send('c1 07 f2 48 cd c9 c9 07 00');
          if (taken === 1) server.send('c1 05 f2 00 11 00 00');
          if (taken === 1) server.end();
        }, agreed()),
      );
      const feed = await connect(peer.url, { compress: true });
      expect(await take(feed, 3)).to.deep.equal(['Hello', 'Hello', 'Hello']);
      expect(taken).to.equal(2);
    });
  });
});

function deflateNotUtf8(): Buffer {
  return deflateRawSync(unhex('c328'), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}
