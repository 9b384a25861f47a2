import { expect } from 'chai';
import { drain, feeds, frame, pause, plain, take, untilClose, wordsOf } from '../support/feeds.ts';
import { unhex, wsServer } from '../support/peers.ts';

const MiB = 1024 * 1024;

describe('messages of a WebSocket', () => {
  const { connect, keep, talk } = feeds();

  /** A server that sends back what it gets. */
  async function echo() {
    const peer = await keep(wsServer({ maxPayload: 64 * MiB }));
    peer.server.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    return connect(peer.url);
  }

  it('go both ways, text as strings and binary as bytes, empty ones too (RFC 6455 §5.6)', async () => {
    const feed = await echo();
    feed.send('Hello');
    feed.send(new Uint8Array([1, 2, 3]));
    feed.send('');
    feed.send(new Uint8Array(0));
    feed.send('\u0000é€😀');
    expect((await take(feed, 5)).map(plain)).to.deep.equal(['Hello', '<010203>', '', '<>', '\u0000é€😀']);
  });

  it('may be sent as any kind of memory, or as an array in order; each is copied at once', async () => {
    const feed = await echo();
    const bytes = Uint8Array.from([0, 1, 2, 3, 4, 5]);
    const shared = new SharedArrayBuffer(2);
    new Uint8Array(shared).set([7, 8]);
    feed.send(bytes.subarray(1, 3));
    feed.send(bytes.buffer);
    feed.send(new DataView(bytes.buffer, 4, 2));
    feed.send(new Uint16Array(bytes.buffer, 2, 1));
    feed.send(shared);
    feed.send(Buffer.from('pooled'));
    feed.send(['a', bytes, 'b', new Uint8Array([9])]);
    feed.send([]);
    bytes.fill(0xff);
    const expected = ['<0102>', '<000102030405>', '<0405>', '<0203>', '<0708>', '<706f6f6c6564>', 'a'];
    expect((await take(feed, 10)).map(plain)).to.deep.equal([...expected, '<000102030405>', 'b', '<09>']);
  });

  for (const [what, size] of [
    ['125 B', 125],
    ['126 B', 126],
    ['65 535 B', 65_535],
    ['65 536 B', 65_536],
    ['1 MiB', MiB],
    ['20 MiB', 20 * MiB],
  ] as const) {
    it(`of ${what} go both ways unchanged`, async () => {
      const feed = await echo();
      // Eight bytes each.
      const text = 'Grüße '.repeat(size / 8) + '.'.repeat(size % 8);
      const bytes = Buffer.alloc(size, 'gunport \u0001');
      feed.send([bytes, text, 'end']);
      const [binary, back, end] = await take(feed, 3);
      expect(Buffer.compare(bytes, binary as Uint8Array)).to.equal(0);
      expect(back === text).to.equal(true);
      expect(end).to.equal('end');
    });
  }

  it('that come in fragments are put together, pings between them answered (RFC 6455 §5.4)', async () => {
    const { feed, server } = await talk();
    server.send(
      '81 01 61  01 03 48656c  89 02 7069  00 00  80 02 6c6f  81 01 62  02 01 01  80 01 02  88 02 03e8',
    );
    const said = untilClose(server);
    expect((await drain(feed)).messages.map(plain)).to.deep.equal(['a', 'Hello', 'b', '<0102>']);
    expect(await said).to.deep.equal(['pong pi', 'close 1000']);
  });

  it('may be split anywhere on their way', async () => {
    const { feed, server } = await talk();
    const bytes = Buffer.concat([
      unhex('81 05 48656c6c6f  01 02 c3a9  89 01 70  80 03 e282ac  82 00'),
      frame(0x82, Buffer.alloc(130, 7)),
      unhex('81 04 f09f9880'),
    ]);
    const expected = ['Hello', 'é€', '<>', `<${'07'.repeat(130)}>`, '😀'];
    for (let cut = 1; cut < bytes.length; cut++) {
      server.send(bytes.subarray(0, cut));
      await pause(feed);
      server.send(bytes.subarray(cut));
      expect((await take(feed, 5)).map(plain), `cut at ${cut}`).to.deep.equal(expected);
      expect(wordsOf(await server.read())).to.equal('pong p');
    }
  });

  it('may come byte by byte', async () => {
    const { feed, server } = await talk();
    for (const byte of unhex('81 03 e282ac  01 01 61  80 01 62  82 7e 0080')) {
      server.send(Uint8Array.of(byte));
      await pause(feed);
    }
    server.send(Buffer.alloc(128, 1));
    expect((await take(feed, 3)).map(plain)).to.deep.equal(['€', 'ab', `<${'01'.repeat(128)}>`]);
  });

  it('may come in the same segment as the answer to the upgrade (RFC 6455 §4.1)', async () => {
    const { feed, server } = await talk({}, { first: '81 05 48656c6c6f  89 00  82 01 01  01 01 61  81' });
    expect((await take(feed, 2)).map(plain)).to.deep.equal(['Hello', '<01>']);
    server.send('');
    expect(wordsOf(await server.read())).to.equal('pong');
  });

  it('may come with the answer to the upgrade, cut anywhere', async () => {
    const bytes = '81 03 e282ac  01 01 61  80 01 62  82 7e 0080';
    const { length } = unhex(bytes);
    for (let cut = 0; cut <= length; cut += 1) {
      const hex = unhex(bytes).toString('hex');
      const { feed, server } = await talk({}, { first: hex.slice(0, 2 * cut) });
      await pause(feed);
      server.send(Buffer.concat([unhex(hex.slice(2 * cut)), Buffer.alloc(128, 1)]));
      const messages = (await take(feed, 3)).map(plain);
      expect(messages, `cut at ${cut}`).to.deep.equal(['€', 'ab', `<${'01'.repeat(128)}>`]);
    }
  });

  it('may come with the answer to the upgrade, and the close as well', async () => {
    const { feed, server } = await talk({}, { first: '81 01 61  88 05 03e8 627965' });
    const said = untilClose(server);
    expect(await drain(feed)).to.deep.equal({ messages: ['a'], error: undefined });
    expect(await said).to.deep.equal(['close 1000']);
    expect(await feed.closed).to.deep.equal({ code: 1000, reason: 'bye', wasClean: true });
  });

  it('that came with the answer to the upgrade may be larger than any read', async () => {
    const first = Buffer.concat([frame(0x82, Buffer.alloc(3 * MiB, 5)), frame(0x81, 'end')]).toString('hex');
    const { feed } = await talk({}, { first });
    const [large, end] = await take(feed, 2);
    expect(Buffer.alloc(3 * MiB, 5).equals(large as Uint8Array)).to.equal(true);
    expect(end).to.equal('end');
  });

  it('of 20 MiB come in fragments of any size', async () => {
    const { feed, server } = await talk();
    const whole = Buffer.alloc(20 * MiB, 'gunport \u0001');
    const reading = take(feed, 2);
    for (let at = 0, size = 1; at < whole.length; at += size, size = Math.min(2 * size, 3 * MiB)) {
      server.send(
        frame(
          (at === 0 ? 0x02 : 0x00) | (at + size >= whole.length ? 0x80 : 0),
          whole.subarray(at, at + size),
        ),
      );
    }
    server.send(frame(0x81, 'end'));
    const [message, end] = await reading;
    expect(whole.equals(message as Uint8Array)).to.equal(true);
    expect(end).to.equal('end');
  });

  it('keep their order, whichever way they are read: in place, put together, and large', async () => {
    const { feed, server } = await talk();
    const expected: string[] = [];
    const frames: Buffer[] = [];
    for (let i = 0; i < 3_000; i++) {
      const text = `${i}`.padEnd(i % 100 === 7 ? 70_000 : i % 20, '.');
      expected.push(text);
      if (i % 3 === 0) frames.push(frame(0x01, text.slice(0, 1)), frame(0x89), frame(0x80, text.slice(1)));
      else frames.push(frame(0x81, text));
    }
    const bytes = Buffer.concat(frames);
    const reading = take(feed, expected.length);
    for (let at = 0; at < bytes.length; at += 100_003) server.send(bytes.subarray(at, at + 100_003));
    const messages = await reading;
    expect(messages.findIndex((message, i) => message !== expected[i])).to.equal(-1);
  });

  it('leave as one frame each, masked with keys of their own, not compressed (RFC 6455 §5.3)', async () => {
    const { feed, server } = await talk();
    feed.send(['a', new Uint8Array([1]), 'é'.repeat(100)]);
    const frames = [await server.read(), await server.read(), await server.read()];
    for (const one of frames) expect(one).to.include({ fin: true, rsv: 0, masked: true });
    expect(frames.map(({ opcode }) => opcode)).to.deep.equal([1, 2, 1]);
    expect(frames[2]?.payload.toString()).to.equal('é'.repeat(100));
  });

  it('are counted, bytes and all', async () => {
    const { feed, server } = await talk();
    server.send('81 02 6869  82 03 010203  89 00  01 01 61  80 01 62');
    feed.send(['abc', new Uint8Array(4)]);
    await take(feed, 3);
    await feed.drained();
    const { counters } = await feed.connection.info();
    expect(counters).to.deep.equal({
      messagesReceived: 3,
      bytesReceived: 7,
      messagesSent: 2,
      bytesSent: 7,
      pingsAnswered: 1,
      transfers: 0,
    });
  });
});
