// framing — families 1 to 4 and 15: messages in one frame, pings and pongs, reserved bits, opcodes, lengths and masks.
// Source: RFC 6455 §5.1, §5.2, §5.5; families 1 to 4 of the Autobahn test suite, and what it has no family for.

import {
  binary,
  type Case,
  chop,
  echoed,
  FAILED,
  fails,
  frame,
  OP,
  ponged,
  text,
  whole,
  write,
} from '../case.ts';
import { make, noise, numbered, words } from './making.ts';

const SIZES = [0, 125, 126, 127, 128, 65_535, 65_536];
const HELLO = text('Hello, world!');

function messages(): Case[] {
  return (['text', 'binary'] as const).flatMap((kind, i) => {
    const of = kind === 'text' ? (size: number) => text(words(size)) : (size: number) => binary(noise(size));
    return [
      ...numbered(`1.${i + 1}`, SIZES, (id, size) =>
        make(id, `${kind} of ${size} bytes`, 'RFC 6455 §5.6', {
          steps: [write(whole(of(size)))],
          messages: [of(size)],
        }),
      ),
      make(`1.${i + 1}.8`, `${kind} of 65536 bytes, in pieces of 997`, 'RFC 6455 §5.6', {
        steps: [chop(997, whole(of(65_536)))],
        messages: [of(65_536)],
      }),
    ];
  });
}

function pings(): Case[] {
  const ping = (id: string, title: string, payload: Buffer, chopped = false): Case =>
    make(id, title, 'RFC 6455 §5.5.2', {
      steps: [chopped ? chop(1, frame(OP.ping, payload)) : write(frame(OP.ping, payload))],
      pongs: [payload],
    });
  const ten = Array.from({ length: 10 }, (_, i) => Buffer.from(`payload-${i}`));
  return [
    ping('2.1', 'ping without payload', Buffer.alloc(0)),
    ping('2.2', 'ping with a text', Buffer.from('Hello, world!')),
    ping('2.3', 'ping with bytes that are no UTF-8', Buffer.from('00fffefdfcfb00ff', 'hex')),
    ping('2.4', 'ping of 125 bytes', Buffer.alloc(125, 0xfe)),
    make('2.5', 'ping of 126 bytes', 'RFC 6455 §5.5', {
      steps: [write(frame(OP.ping, Buffer.alloc(126, 0xfe)))],
      end: fails(1002),
    }),
    ping('2.6', 'ping of 125 bytes, byte by byte', Buffer.alloc(125, 0xfe), true),
    make('2.7', 'pong that nobody asked for, without payload', 'RFC 6455 §5.5.3', {
      steps: [write(frame(OP.pong))],
    }),
    make('2.8', 'pong that nobody asked for', 'RFC 6455 §5.5.3', {
      steps: [write(frame(OP.pong, 'unsolicited'))],
    }),
    make('2.9', 'pong that nobody asked for, then a ping', 'RFC 6455 §5.5.3', {
      steps: [write(frame(OP.pong, 'unsolicited')), write(frame(OP.ping, 'ping payload'))],
      pongs: [Buffer.from('ping payload')],
    }),
    make('2.10', 'ten pings in one write', 'RFC 6455 §5.5.3', {
      steps: [write(...ten.map((payload) => frame(OP.ping, payload)))],
      pongs: ten,
    }),
    make('2.11', 'ten pings, byte by byte', 'RFC 6455 §5.5.3', {
      steps: [chop(1, ...ten.map((payload) => frame(OP.ping, payload)))],
      pongs: ten,
    }),
    make('2.12', 'pings before, between and behind messages', 'RFC 6455 §5.5.2', {
      steps: [
        write(
          frame(OP.ping, 'a'),
          whole(HELLO),
          frame(OP.ping, 'b'),
          whole(binary('x')),
          frame(OP.ping, 'c'),
        ),
      ],
      messages: [HELLO, binary('x')],
      pongs: ['a', 'b', 'c'].map((payload) => Buffer.from(payload)),
    }),
    make('2.13', 'ping, answered before the next is sent, five times', 'RFC 6455 §5.5.2', {
      steps: ten.slice(0, 5).flatMap((payload, i) => [write(frame(OP.ping, payload)), ponged(i + 1)]),
      pongs: ten.slice(0, 5),
    }),
    make('2.14', 'pong of 126 bytes', 'RFC 6455 §5.5', {
      steps: [write(frame(OP.pong, Buffer.alloc(126, 0xfe)))],
      end: fails(1002),
    }),
    make('2.15', 'ping of 65536 bytes, of which the payload never comes', 'RFC 6455 §5.5', {
      steps: [write(frame(OP.ping, '', { length: 65_536n })), FAILED],
      end: fails(1002),
    }),
    make('2.16', 'ping whose length of 5 is written in 16 bits', 'RFC 6455 §5.2', {
      steps: [write(frame(OP.ping, 'hello', { bits: 16 }))],
      end: fails(1002),
    }),
  ];
}

const KINDS = [
  ['text', OP.text],
  ['binary', OP.binary],
  ['close', OP.close],
  ['ping', OP.ping],
  ['pong', OP.pong],
] as const;

function reserved(): Case[] {
  const section = 'RFC 6455 §5.2, RSV1 to RSV3';
  const alone = (id: string, rsv: number, opcode: number, title: string): Case =>
    make(id, title, section, {
      steps: [write(frame(opcode, opcode === OP.close ? '' : 'Hello', { rsv }))],
      end: fails(1002),
    });
  const behind = (id: string, rsv: number, size?: number): Case => {
    const bad = [frame(OP.text, HELLO.bytes, { rsv }), frame(OP.ping)];
    return make(id, `text, then one with reserved bits ${rsv}${size ? ', byte by byte' : ''}`, section, {
      steps: [
        size ? chop(size, whole(HELLO)) : write(whole(HELLO)),
        echoed(1),
        size ? chop(size, ...bad) : write(...bad),
      ],
      messages: [HELLO],
      end: fails(1002),
    });
  };
  return [
    alone('3.1', 1, OP.text, 'text with reserved bits 1'),
    behind('3.2', 2),
    behind('3.3', 3, 1),
    behind('3.4', 4, 1),
    alone('3.5', 5, OP.binary, 'binary with reserved bits 5'),
    alone('3.6', 6, OP.ping, 'ping with reserved bits 6'),
    alone('3.7', 7, OP.close, 'close with reserved bits 7'),
    ...[1, 2, 4].flatMap((rsv) =>
      numbered(`3.8.${rsv}`, KINDS, (id, [kind, opcode]) =>
        alone(id, rsv, opcode, `${kind} with reserved bits ${rsv}`),
      ),
    ),
    ...numbered('3.9', [1, 2, 4], (id, rsv) =>
      make(id, `second fragment with reserved bits ${rsv}`, section, {
        steps: [write(frame(OP.text, 'a', { fin: false }), frame(OP.more, 'b', { rsv }))],
        end: fails(1002),
      }),
    ),
    make('3.10', 'header of a text with reserved bits 4, of which the payload never comes', section, {
      steps: [write(frame(OP.text, '', { rsv: 4, length: 60_000n })), FAILED],
      end: fails(1002),
    }),
  ];
}

function opcodes(): Case[] {
  return [
    [3, 4, 5, 6, 7],
    [11, 12, 13, 14, 15],
  ].flatMap((list, i) =>
    list.flatMap((opcode, n) => {
      const id = `4.${i + 1}.${n + 1}`;
      const section = 'RFC 6455 §5.2, opcode';
      const bad = frame(opcode, n === 0 ? '' : 'reserved');
      const end = fails(1002);
      const more = [write(bad, frame(OP.ping)), chop(1, bad, frame(OP.ping))][n % 2]!;
      return [
        make(id, `opcode ${opcode}`, section, { steps: [write(bad)], end }),
        make(`${id}.b`, `text, then opcode ${opcode}, then a ping${n % 2 ? ', byte by byte' : ''}`, section, {
          steps: [write(whole(HELLO)), echoed(1), more],
          messages: [HELLO],
          end,
        }),
        make(`${id}.c`, `opcode ${opcode} between two fragments`, section, {
          steps: [write(frame(OP.text, 'a', { fin: false }), bad, frame(OP.more, 'b'))],
          end,
        }),
      ];
    }),
  );
}

/** Lengths and masks, which Autobahn has no family for. */
function lengths(): Case[] {
  const minimal = 'RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length"';
  const long = (id: string, opcode: number, size: number, bits: 16 | 64): Case =>
    make(
      id,
      `${opcode === OP.text ? 'text' : 'binary'} of ${size} bytes, its length in ${bits} bits`,
      minimal,
      {
        steps: [write(frame(opcode, words(size), { bits }))],
        end: fails(1002),
      },
    );
  const masked = (id: string, title: string, bytes: Buffer): Case =>
    make(id, title, 'RFC 6455 §5.1: "A client MUST close a connection if it detects a masked frame"', {
      steps: [write(bytes)],
      end: fails(1002),
    });
  const top = (id: string, title: string, length: bigint): Case =>
    make(id, title, 'RFC 6455 §5.2: "the most significant bit MUST be 0"', {
      steps: [write(frame(OP.binary, 'x', { length, bits: 64 })), FAILED],
      end: fails(1002, 1009),
    });
  return [
    long('15.1.1', OP.text, 0, 16),
    long('15.1.2', OP.text, 125, 16),
    long('15.1.3', OP.binary, 1, 16),
    long('15.1.4', OP.text, 0, 64),
    long('15.1.5', OP.text, 126, 64),
    long('15.1.6', OP.binary, 65_535, 64),
    make('15.1.7', 'continuation of 5 bytes, its length in 64 bits', minimal, {
      steps: [write(frame(OP.text, 'a', { fin: false }), frame(OP.more, 'hello', { bits: 64 }))],
      end: fails(1002),
    }),
    make('15.1.8', 'text whose length of 100 is in 16 bits, behind one that was echoed', minimal, {
      steps: [write(whole(HELLO)), echoed(1), write(frame(OP.text, words(100), { bits: 16 }))],
      messages: [HELLO],
      end: fails(1002),
    }),
    masked('15.2.1', 'text that is masked', frame(OP.text, 'Hello', { masked: true })),
    masked('15.2.2', 'binary of 1000 bytes that is masked', frame(OP.binary, noise(1_000), { masked: true })),
    masked('15.2.3', 'empty text that is masked', frame(OP.text, '', { masked: true })),
    masked('15.2.4', 'ping that is masked', frame(OP.ping, 'x', { masked: true })),
    masked('15.2.5', 'pong that is masked', frame(OP.pong, 'x', { masked: true })),
    masked('15.2.6', 'close that is masked', frame(OP.close, Buffer.of(3, 232), { masked: true })),
    masked(
      '15.2.7',
      'second fragment that is masked',
      Buffer.concat([frame(OP.text, 'a', { fin: false }), frame(OP.more, 'b', { masked: true })]),
    ),
    top('15.3.1', 'length with the top bit set', 1n << 63n),
    top('15.3.2', 'length of all ones', (1n << 64n) - 1n),
    top('15.3.3', 'length with the top bit set, and 1 below it', (1n << 63n) + 1n),
    make('15.3.4', 'length of 2^62, which is more than the client takes', 'RFC 6455 §10.4', {
      client: { maxPayload: 1_000_000 },
      steps: [write(frame(OP.binary, 'x', { length: 1n << 62n, bits: 64 })), FAILED],
      end: fails(1009),
    }),
    make('15.3.5', 'length of 2^32, which is more than the client takes', 'RFC 6455 §10.4', {
      client: { maxPayload: 1_000_000 },
      steps: [write(frame(OP.text, 'x', { length: 1n << 32n, bits: 64 })), FAILED],
      end: fails(1009),
    }),
  ];
}

export const FRAMING: readonly Case[] = [
  ...messages(),
  ...pings(),
  ...reserved(),
  ...opcodes(),
  ...lengths(),
];
