// blocks — family 13, second half: compressed messages in fragments, blocks of every sort, data that is none, and messages
// that grow beyond what the client takes.
// Source: RFC 7692 §6, §7.2; family 13 of the Autobahn test suite.

import { unhex } from '../../support/peers.ts';
import {
  binary,
  type Case,
  chop,
  compressorOf,
  echoed,
  FAILED,
  fails,
  frame,
  OP,
  pieces,
  type Step,
  text,
  whole,
  write,
} from '../case.ts';
import { type Compressor, PLAIN } from '../deflate.ts';
import { compressed, echoes, framed, MESSAGES, RSV1 } from './compressed.ts';
import { make, noise, numbered, words } from './making.ts';

const client = { compress: {} };
const agreed = PLAIN;

/** One conversation with the usual parameters. */
function talk(id: string, title: string, section: string, body: Parameters<typeof make>[3]): Case {
  return make(id, title, `RFC 7692 §${section}`, { client, agreed, ...body });
}

/** Messages in fragments, not compressed, empty; control frames between. */
function frames(): Case[] {
  const long = text(words(2_000));
  const steps = (of: (compressor: Compressor) => Step[]) => (): readonly Step[] => of(compressorOf(agreed));
  return [
    ...numbered('13.6', [1, 2, 3, 7, 20], (id, size) =>
      echoes(
        id,
        `messages in fragments of ${size} bytes`,
        () => MESSAGES().filter(({ bytes }) => bytes.length < 20_000),
        {
          size,
        },
      ),
    ),
    talk('13.6.6', 'a message, byte by byte', '7.2', {
      steps: steps((compressor) => [chop(1, compressed(compressor, long))]),
      messages: [long],
    }),
    talk('13.6.7', 'pings and pongs between compressed fragments', '6.1', {
      steps: steps((compressor) => {
        const [first = '', second = '', ...rest] = pieces(compressor.compress(long.bytes), 10);
        return [
          write(
            frame(OP.text, first, { rsv: RSV1, fin: false }),
            frame(OP.ping, 'a'),
            frame(OP.more, second, { fin: false }),
            frame(OP.pong, 'b'),
            frame(OP.more, Buffer.concat(rest)),
          ),
        ];
      }),
      messages: [long],
      pongs: [Buffer.from('a')],
    }),
    talk('13.6.8', 'fragments without payload before, within and behind', '6.1', {
      steps: steps((compressor) => {
        const [first = '', ...rest] = pieces(compressor.compress(long.bytes), 10);
        return [
          write(
            frame(OP.text, '', { rsv: RSV1, fin: false }),
            frame(OP.more, first, { fin: false }),
            frame(OP.more, '', { fin: false }),
            frame(OP.more, Buffer.concat(rest), { fin: false }),
            frame(OP.more, ''),
          ),
        ];
      }),
      messages: [long],
    }),
    talk('13.6.9', 'compressed and other messages in turn', '6', {
      steps: steps((compressor) => [
        write(
          compressed(compressor, long),
          whole(text('plain')),
          compressed(compressor, long),
          whole(binary(noise(100))),
          frame(OP.text, 'pl', { fin: false }),
          frame(OP.more, 'ain'),
          compressed(compressor, long),
        ),
      ]),
      messages: [long, text('plain'), long, binary(noise(100)), text('plain'), long],
    }),
    talk('13.6.10', 'messages without content', '7.2.3.6', {
      steps: [
        write(frame(OP.text, unhex('00'), { rsv: RSV1 }), frame(OP.binary, unhex('00'), { rsv: RSV1 })),
      ],
      messages: [text(''), binary('')],
    }),
    talk('13.6.11', 'a message without payload at all', '7.2.3.6', {
      informational: true,
      steps: [write(frame(OP.text, '', { rsv: RSV1 }), whole(text('next')))],
      messages: [text(''), text('next')],
    }),
    talk('13.6.12', 'RSV1 on a continuation', '6.1', {
      steps: [
        write(
          frame(OP.text, unhex('f248cd'), { rsv: RSV1, fin: false }),
          frame(OP.more, unhex('c9c90700'), { rsv: RSV1 }),
        ),
      ],
      end: fails(1002),
    }),
    ...(['ping', 'pong', 'close'] as const).map((kind, i) =>
      talk(`13.6.${13 + i}`, `RSV1 on a ${kind}`, '6.1', {
        steps: [write(frame(OP[kind], '', { rsv: RSV1 }))],
        end: fails(1002),
      }),
    ),
    ...[1, 2, 3, 6].map((rsv, i) =>
      talk(`13.6.${16 + i}`, `reserved bits ${rsv}, of which permessage-deflate has none but RSV1`, '6', {
        steps: [write(frame(OP.text, unhex('00'), { rsv }))],
        end: fails(1002),
      }),
    ),
    make('13.6.20', 'RSV1 where the server has declined permessage-deflate', 'RFC 7692 §6', {
      client,
      steps: [write(whole(text('plain'))), echoed(1), write(frame(OP.text, unhex('00'), { rsv: RSV1 }))],
      messages: [text('plain')],
      end: fails(1002),
    }),
    make('13.6.21', 'messages where the server has declined permessage-deflate', 'RFC 7692 §5', {
      client,
      steps: [write(whole(text('plain')), whole(binary(noise(1_000))))],
      messages: [text('plain'), binary(noise(1_000))],
    }),
  ];
}

/** What stands in RFC 7692 §7.2.3, and other sorts of blocks. */
function blocks(): Case[] {
  const hello = (id: string, title: string, section: string, hex: string, ...more: string[]): Case => {
    const all = [hex, ...more];
    return talk(id, title, section, {
      steps: [write(...all.map((one) => frame(OP.text, unhex(one), { rsv: RSV1 })))],
      messages: all.map(() => text('Hello')),
    });
  };
  return [
    hello('13.7.1', 'one block', '7.2.3.1', 'f248cdc9c90700'),
    hello('13.7.2', 'a message that refers to the one before', '7.2.3.2', 'f248cdc9c90700', 'f200110000'),
    hello('13.7.3', 'a block that is not compressed', '7.2.3.3', '000500faff48656c6c6f00'),
    hello('13.7.4', 'a final block', '7.2.3.4', 'f348cdc9c9070000'),
    hello(
      '13.7.5',
      'a final block, then others',
      '7.2.3.4',
      'f348cdc9c9070000',
      'f248cdc9c90700',
      'f348cdc9c9070000',
    ),
    hello('13.7.6', 'two blocks in one message', '7.2.3.5', 'f248050000 00ffffcac9c90700'),
    hello('13.7.7', 'an empty block before the message', '7.2.3.5', '000000ffff f248cdc9c90700'),
    talk('13.7.8', 'the message of one block in two fragments, as RFC 7692 has it', '7.2.3.1', {
      steps: [
        write(frame(OP.text, unhex('f248cd'), { rsv: RSV1, fin: false }), frame(OP.more, unhex('c9c90700'))),
      ],
      messages: [text('Hello')],
    }),
  ];
}

/** Data that is not deflate, or is no UTF-8, or too much. */
function wrong(): Case[] {
  const section = '7.2.2';
  const bad = (id: string, title: string, hex: string, more: Parameters<typeof make>[3] = {}): Case =>
    talk(id, title, section, {
      steps: [write(frame(OP.text, unhex(hex), { rsv: RSV1 }))],
      end: fails(1007, 1002),
      ...more,
    });
  const bomb = (size: number): Buffer => compressorOf(agreed).compress(Buffer.alloc(size));
  const most = { client: { compress: {}, maxPayload: 100_000 }, end: fails(1009) };
  return [
    bad('13.8.1', 'a block of the reserved type', '07'),
    bad('13.8.2', 'random bytes', 'ffffffffffffffff'),
    bad('13.8.3', 'a block that is not compressed, whose length is not told twice', '000500000048656c6c6f00'),
    bad('13.8.4', 'a distance further back than there is anything', '4a04110000'),
    bad('13.8.5', 'a block that is not compressed and ends too early', '000500faff4865'),
    bad('13.8.6', 'a block that is cut off in its table', '05c0'),
    bad('13.8.7', 'a fault behind a message that was echoed', '', {
      steps: [
        write(frame(OP.text, unhex('f248cdc9c90700'), { rsv: RSV1 })),
        echoed(1),
        write(frame(OP.text, unhex('07'), { rsv: RSV1 })),
      ],
      messages: [text('Hello')],
    }),
    bad('13.8.8', 'a fault in the last fragment', '', {
      steps: [
        write(frame(OP.text, unhex('f248'), { rsv: RSV1, fin: false }), frame(OP.more, unhex('07ffffff'))),
      ],
    }),
    bad('13.8.9', 'a distance beyond the window that was agreed on', '', {
      informational: true,
      client: { compress: { serverMaxWindowBits: 9 } },
      agreed: { ...PLAIN, serverBits: 9 },
      steps: () => {
        const compressor = compressorOf(PLAIN);
        const once = noise(2_000);
        return [write(compressed(compressor, binary(Buffer.concat([once, once]))))];
      },
    }),
    talk('13.8.10', 'a text that inflates to what is no UTF-8', '7.2.2', {
      steps: () => [write(framed(OP.text, compressorOf(agreed).compress(unhex('48eda08048'))))],
      end: fails(1007),
    }),
    talk('13.8.11', 'in fragments, a text that inflates to what is no UTF-8', '7.2.2', {
      steps: () => [write(framed(OP.text, compressorOf(agreed).compress(unhex('48c08048')), 2))],
      end: fails(1007),
    }),
    talk('13.8.12', 'a binary that inflates to what is no UTF-8', '7.2.2', {
      steps: () => [write(framed(OP.binary, compressorOf(agreed).compress(unhex('48c08048'))))],
      messages: [binary(unhex('48c08048'))],
    }),
    talk('13.9.1', 'a message that inflates to 64 MiB', '10.4', {
      ...most,
      steps: () => [write(framed(OP.binary, bomb(64 * 1024 * 1024)))],
    }),
    talk('13.9.2', 'a message in fragments that inflates to a byte more than the client takes', '10.4', {
      ...most,
      steps: () => [write(framed(OP.binary, bomb(100_001), 20))],
    }),
    talk('13.9.3', 'a message that inflates to as many bytes as the client takes', '10.4', {
      client: most.client,
      steps: () => [write(framed(OP.binary, bomb(100_000)))],
      messages: [binary(Buffer.alloc(100_000))],
    }),
    talk('13.9.4', 'a compressed frame that is larger by itself than the client takes', '10.4', {
      ...most,
      steps: [write(frame(OP.binary, '', { rsv: RSV1, length: 100_001n })), FAILED],
    }),
  ];
}

export const BLOCKS: readonly Case[] = [...frames(), ...blocks(), ...wrong()];
