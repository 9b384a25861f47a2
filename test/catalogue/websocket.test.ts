// Checks 20 and 30 of CATALOGUE.md: RFC 6455, by cases that stand for the sections of Autobahn's fuzzing server (whose
// own run needs Python 2 and is out of reach here; performance and its sections 12 and 13, which are permessage-deflate's,
// are websocket/deflate.test.ts and bench/), and the codes of a close.

import { expect } from 'chai';
import { drain, feeds, frame, plain, untilClose } from '../support/feeds.ts';
import { unhex } from '../support/peers.ts';

interface Case {
  /** As Autobahn numbers it. */
  readonly section: string;
  readonly what: string;
  /** Frames of the server, in pieces as they are written. */
  readonly sent: readonly Uint8Array[];
  readonly messages: readonly string[];
  /** What the client says; default: it answers the close with 1000. */
  readonly said?: readonly string[];
}

const BYE = frame(0x88, unhex('03e8'));
/** Frame by frame, so that pings are answered one by one. */
const hex = (text: string): Uint8Array[] => text.split('|').map(unhex);
const inBytes = (bytes: Uint8Array): Uint8Array[] => Array.from(bytes, (byte) => Buffer.of(byte));
const fails = (code: number): readonly string[] => [`close ${code}`];
const KOSME = 'κόσμε';

const LENGTHS = [0, 125, 126, 127, 128, 65_535, 65_536];
const framing: readonly Case[] = LENGTHS.flatMap((length, i) => [
  {
    section: `1.1.${i + 1}`,
    what: `text of ${length} bytes`,
    sent: [frame(0x81, '*'.repeat(length)), BYE],
    messages: ['*'.repeat(length)],
  },
  {
    section: `1.2.${i + 1}`,
    what: `binary of ${length} bytes`,
    sent: [frame(0x82, Buffer.alloc(length, 0xfe)), BYE],
    messages: [`<${'fe'.repeat(length)}>`],
  },
]);

const CASES: readonly Case[] = [
  ...framing,
  {
    section: '1.1.8',
    what: 'text in single bytes',
    sent: inBytes(Buffer.concat([frame(0x81, KOSME), BYE])),
    messages: [KOSME],
  },
  {
    section: '2.1',
    what: 'ping without payload',
    sent: [frame(0x89), BYE],
    messages: [],
    said: ['pong', 'close 1000'],
  },
  {
    section: '2.4',
    what: 'ping of 125 bytes',
    sent: [frame(0x89, 'p'.repeat(125)), BYE],
    messages: [],
    said: [`pong ${'p'.repeat(125)}`, 'close 1000'],
  },
  {
    section: '2.5',
    what: 'ping of 126 bytes',
    sent: hex(`89 7e 007e ${'70'.repeat(126)}`),
    messages: [],
    said: fails(1002),
  },
  {
    section: '2.7',
    what: 'pong that nobody asked for',
    sent: [frame(0x8a, 'x'), frame(0x81, 'a'), BYE],
    messages: ['a'],
  },
  { section: '3.1', what: 'reserved bit 3', sent: hex('91 00'), messages: [], said: fails(1002) },
  {
    section: '3.2',
    what: 'reserved bit 2 behind a message',
    sent: hex('81 01 61 | a1 00'),
    messages: ['a'],
    said: fails(1002),
  },
  {
    section: '3.4',
    what: 'reserved bit 1, in single bytes',
    sent: inBytes(unhex('81 01 61 c1 00')),
    messages: ['a'],
    said: fails(1002),
  },
  ...[3, 4, 7, 0xb, 0xf].map((opcode) => ({
    section: '4',
    what: `reserved opcode ${opcode}`,
    sent: [Buffer.of(0x80 | opcode, 0)],
    messages: [],
    said: fails(1002),
  })),
  {
    section: '5.1',
    what: 'ping in fragments',
    sent: hex('09 01 61 | 80 01 62'),
    messages: [],
    said: fails(1002),
  },
  {
    section: '5.3',
    what: 'text in two fragments',
    sent: hex('01 01 61 | 80 01 62').concat(BYE),
    messages: ['ab'],
  },
  {
    section: '5.6',
    what: 'ping between fragments',
    sent: hex('01 01 61 | 89 01 70 | 80 01 62').concat(BYE),
    messages: ['ab'],
    said: ['pong p', 'close 1000'],
  },
  { section: '5.9', what: 'continuation of nothing', sent: hex('80 01 61'), messages: [], said: fails(1002) },
  {
    section: '5.18',
    what: 'text within fragments',
    sent: hex('01 01 61 | 81 01 62'),
    messages: [],
    said: fails(1002),
  },
  {
    section: '5.19',
    what: 'fragments without payload',
    sent: hex('01 00 | 00 00 | 80 01 61').concat(BYE),
    messages: ['a'],
  },
  {
    section: '6.2',
    what: 'UTF-8 cut within a character',
    sent: hex('01 01 ce | 80 01 ba').concat(BYE),
    messages: ['κ'],
  },
  {
    section: '6.3',
    what: 'text that is no UTF-8',
    sent: hex('81 0a cebaf48080ed a080 65 64'.replace('0a', '09')),
    messages: [],
    said: fails(1007),
  },
  {
    section: '6.4',
    what: 'text that cannot become UTF-8 any more, found at its end at the latest',
    sent: hex('01 04 f4908080 | 80 00'),
    messages: [],
    said: fails(1007),
  },
  {
    section: '6.6',
    what: 'a character that is cut off',
    sent: hex('81 01 ce'),
    messages: [],
    said: fails(1007),
  },
  {
    section: '6.12',
    what: 'an overlong character',
    sent: hex('81 02 c080'),
    messages: [],
    said: fails(1007),
  },
  { section: '7.1.1', what: 'close behind a message', sent: [frame(0x81, 'a'), BYE], messages: ['a'] },
  {
    section: '7.1.3',
    what: 'messages and pings behind the close',
    sent: [Buffer.concat([BYE, frame(0x89, 'p'), frame(0x81, 'b')])],
    messages: [],
  },
  { section: '7.3.1', what: 'close without a code', sent: [frame(0x88)], messages: [], said: ['close'] },
  { section: '7.3.2', what: 'close of one byte', sent: hex('88 01 03'), messages: [], said: fails(1002) },
  {
    section: '7.3.5',
    what: 'close with a reason of 123 bytes',
    sent: [frame(0x88, Buffer.concat([unhex('03e8'), Buffer.alloc(123, 'r')]))],
    messages: [],
  },
  {
    section: '7.3.6',
    what: 'close of 126 bytes',
    sent: hex(`88 7e 007e 03e8 ${'72'.repeat(124)}`),
    messages: [],
    said: fails(1002),
  },
  {
    section: '7.5.1',
    what: 'close whose reason is no UTF-8',
    sent: hex('88 04 03e8 ceff'),
    messages: [],
    said: fails(1007),
  },
  ...[1000, 1001, 1003, 1007, 1011, 3000, 4999].map((code) => ({
    section: '7.7',
    what: `close with ${code}`,
    sent: [frame(0x88, unhex(code.toString(16).padStart(4, '0')))],
    messages: [],
    said: fails(code),
  })),
  ...[0, 999, 1004, 1005, 1006, 2999, 5000].map((code) => ({
    section: '7.9',
    what: `close with ${code}, which nobody may send`,
    sent: [frame(0x88, unhex(code.toString(16).padStart(4, '0')))],
    messages: [],
    said: fails(1002),
  })),
  {
    section: '5.1 of RFC 6455',
    what: 'frame of a server with a mask',
    sent: hex('81 81 00000000 61'),
    messages: [],
    said: fails(1002),
  },
];

describe('a WebSocket, by the cases of RFC 6455', () => {
  const { talk } = feeds();

  for (const { section, what, sent, messages, said = ['close 1000'] } of CASES) {
    it(`check 20: ${section}: ${what}`, async () => {
      const { feed, server } = await talk();
      const told = untilClose(server);
      for (const piece of sent) server.send(piece);
      expect((await drain(feed)).messages.map(plain)).to.deep.equal(messages);
      expect(await told).to.deep.equal(said);
    });
  }

  it('check 20: 5.3 of RFC 6455: each frame of the client has a mask, and the masks differ', async () => {
    const { feed, server } = await talk();
    const raw: Buffer[] = [];
    server.socket.on('data', (chunk) => raw.push(chunk));
    feed.send(['aaaa', 'aaaa', 'aaaa']);
    for (let i = 0; i < 3; i++)
      expect(await server.read()).to.deep.include({ masked: true, fin: true, rsv: 0 });
    const bytes = Buffer.concat(raw);
    const masks = [0, 1, 2].map((i) => bytes.subarray(i * 10 + 2, i * 10 + 6).toString('hex'));
    expect(new Set(masks).size).to.equal(3);
  });
});

describe('the codes of a close', () => {
  const { talk } = feeds();

  it("check 30: close(4001, 'x') comes to the server, and resolves with its answer", async () => {
    const { feed, server } = await talk();
    const closing = feed.close(4001, 'x');
    const { opcode, payload } = await server.read();
    expect([opcode, payload.readUInt16BE(), String(payload.subarray(2))]).to.deep.equal([8, 4001, 'x']);
    server.send(frame(0x88, payload));
    server.end();
    expect(await closing).to.deep.equal({ code: 4001, reason: 'x', wasClean: true });
  });

  it("check 30: the server's 4002 comes to the reader, to closed and to the listener", async () => {
    const { feed, server } = await talk();
    const told = untilClose(server);
    const heard = new Promise((resolve) => feed.on('close', resolve));
    server.send(frame(0x88, Buffer.concat([unhex('0fa2'), Buffer.from('busy')])));
    expect((await drain(feed)).error).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: 4002 });
    const expected = { code: 4002, reason: 'busy', wasClean: true };
    expect([await feed.closed, await heard]).to.deep.equal([expected, expected]);
    expect(await told).to.deep.equal(['close 4002']);
  });
});
