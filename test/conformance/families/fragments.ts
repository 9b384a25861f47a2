// fragments — families 5 and 10: messages in fragments, control frames between them, fragments out of order.
// Source: RFC 6455 §5.4; families 5 and 10 of the Autobahn test suite.

import {
  binary,
  type Case,
  chop,
  echoed,
  fails,
  fragments,
  frame,
  OP,
  pieces,
  ponged,
  type Step,
  text,
  whole,
  write,
} from '../case.ts';
import { make, noise, numbered, words } from './making.ts';

const SECTION = 'RFC 6455 §5.4';
const FIRST = 'fragment1';
const BOTH = text('fragment1fragment2');
const HELLO = text('Hello, world!');

/** Three ways of writing the same frames. */
const WAYS: readonly (readonly [string, (...frames: Buffer[]) => Step[]])[] = [
  ['', (...frames) => frames.map((one) => write(one))],
  [', in one write', (...frames) => [write(...frames)]],
  [', byte by byte', (...frames) => [chop(1, ...frames)]],
];

/** A case for each way: `n`, `n+1`, `n+2`. */
function ways(
  first: number,
  title: string,
  frames: readonly Buffer[],
  body: Parameters<typeof make>[3],
): Case[] {
  return WAYS.map(([how, steps], i) =>
    make(`5.${first + i}`, title + how, SECTION, { ...body, steps: steps(...frames) }),
  );
}

const begun = frame(OP.text, FIRST, { fin: false });
const rest = frame(OP.more, 'fragment2');
const nothing = (fin: boolean): Buffer => frame(OP.more, 'non-continuation payload', { fin });
const five = fragments(OP.text, ['fragment1', 'fragment2', 'fragment3', 'fragment4', 'fragment5']);
const FIVE = text('fragment1fragment2fragment3fragment4fragment5');

function order(): Case[] {
  const end = fails(1002);
  const half = (opcode: number): Buffer[] => [
    frame(opcode, FIRST, { fin: false }),
    frame(OP.more, 'fragment2'),
  ];
  return [
    make('5.1', 'ping in two fragments', 'RFC 6455 §5.5', { steps: [write(...half(OP.ping))], end }),
    make('5.2', 'pong in two fragments', 'RFC 6455 §5.5', { steps: [write(...half(OP.pong))], end }),
    ...ways(3, 'text in two fragments', [begun, rest], { messages: [BOTH] }),
    ...ways(6, 'text in two fragments, a ping between', [begun, frame(OP.ping, 'ping'), rest], {
      messages: [BOTH],
      pongs: [Buffer.from('ping')],
    }),
    ...ways(9, 'continuation (FIN) of nothing, then a text', [nothing(true), whole(HELLO)], { end }),
    ...ways(12, 'continuation of nothing, then a text', [nothing(false), whole(HELLO)], { end }),
    make('5.15', 'text in two fragments, a continuation of nothing, a text', SECTION, {
      steps: [write(begun, rest), echoed(1), write(nothing(false), whole(HELLO))],
      messages: [BOTH],
      end,
    }),
    make('5.16', 'continuation, begin of a text, continuation (FIN); twice', SECTION, {
      steps: [write(nothing(false), begun, rest, nothing(false), begun, rest)],
      end,
    }),
    make('5.17', 'continuation (FIN), begin of a text, continuation (FIN); twice', SECTION, {
      steps: [write(nothing(true), begun, rest, nothing(true), begun, rest)],
      end,
    }),
    make('5.18', 'text within a text', SECTION, {
      steps: [write(begun, frame(OP.text, 'fragment2'))],
      end,
    }),
    make('5.19', 'text in five fragments, pings between, in one write', SECTION, {
      steps: [
        write(five[0]!, five[1]!, frame(OP.ping, 'pongme 1')),
        write(five[2]!, five[3]!, frame(OP.ping, 'pongme 2'), five[4]!),
      ],
      messages: [FIVE],
      pongs: [Buffer.from('pongme 1'), Buffer.from('pongme 2')],
    }),
    make('5.20', 'text in five fragments, pings between that are answered at once', SECTION, {
      steps: [
        write(five[0]!, five[1]!, frame(OP.ping, 'pongme 1')),
        ponged(1),
        write(five[2]!, five[3]!, frame(OP.ping, 'pongme 2')),
        ponged(2),
        write(five[4]!),
      ],
      messages: [FIVE],
      pongs: [Buffer.from('pongme 1'), Buffer.from('pongme 2')],
    }),
    make('5.21', 'binary within a text', SECTION, {
      steps: [write(begun, frame(OP.binary, 'x'))],
      end,
    }),
    make('5.22', 'begin of a text within a binary', SECTION, {
      steps: [write(frame(OP.binary, 'x', { fin: false }), begun)],
      end,
    }),
    make('5.23', 'continuation behind the last fragment', SECTION, {
      steps: [write(begun, rest), echoed(1), write(frame(OP.more, 'x'))],
      messages: [BOTH],
      end,
    }),
    make('5.24', 'close in two fragments', 'RFC 6455 §5.5', {
      steps: [write(frame(OP.close, Buffer.of(3, 232), { fin: false }), frame(OP.more, 'bye'))],
      end,
    }),
    make('5.25', 'ping in fragments between the fragments of a text', 'RFC 6455 §5.5', {
      steps: [write(begun, frame(OP.ping, 'x', { fin: false }), frame(OP.more, 'y'), rest)],
      end,
    }),
  ];
}

/** Sizes and numbers of fragments. */
function shapes(): Case[] {
  const shape = (id: string, title: string, first: number, payloads: readonly Buffer[]): Case => {
    const bytes = Buffer.concat(payloads);
    return make(id, title, SECTION, {
      steps: [write(...fragments(first, payloads))],
      messages: [{ text: first === OP.text, bytes }],
    });
  };
  const empty = Buffer.alloc(0);
  return [
    shape('5.26', 'text in 500 fragments of a byte', OP.text, pieces(words(500), 1)),
    shape('5.27', 'binary in 300 fragments without payload, and one with', OP.binary, [
      ...Array.from({ length: 300 }, () => empty),
      Buffer.from('x'),
    ]),
    shape('5.28', 'text in three fragments without payload', OP.text, [empty, empty, empty]),
    shape('5.29', 'text that has its payload in its first fragment only', OP.text, [words(10), empty]),
    shape('5.30', 'text that has its payload in its last fragment only', OP.text, [empty, words(10)]),
    ...numbered('5.31', [125, 126, 127, 65_535, 65_536], (id, size) =>
      shape(id, `binary in three fragments of ${size} bytes`, OP.binary, pieces(noise(3 * size), size)),
    ),
    make('5.32', 'fragments of ten messages, text and binary, one behind the other in one write', SECTION, {
      steps: [
        write(
          ...Array.from({ length: 10 }, (_, i) =>
            Buffer.concat(fragments(1 + (i % 2), pieces(Buffer.from(`message ${i}`), 1 + i))),
          ),
        ),
      ],
      messages: Array.from({ length: 10 }, (_, i) => (i % 2 ? binary : text)(`message ${i}`)),
    }),
    make('5.33', 'a ping of 125 bytes, and a pong, behind each of ten fragments', SECTION, {
      steps: [
        write(
          ...fragments(OP.text, pieces(words(100), 10)).flatMap((one, i) => [
            one,
            frame(OP.ping, Buffer.alloc(125, i)),
            frame(OP.pong, 'nobody asked'),
          ]),
        ),
      ],
      messages: [text(words(100))],
      pongs: Array.from({ length: 10 }, (_, i) => Buffer.alloc(125, i)),
    }),
  ];
}

const AUTO = [
  make('10.1.1', 'text of 65536 bytes in fragments of 1300', SECTION, {
    steps: [write(...fragments(OP.text, pieces(words(65_536), 1_300)))],
    messages: [text(words(65_536))],
  }),
  make('10.1.2', 'binary of 65536 bytes in fragments of 1300, each in a write of its own', SECTION, {
    steps: fragments(OP.binary, pieces(noise(65_536), 1_300)).map((one) => write(one)),
    messages: [binary(noise(65_536))],
  }),
];

export const FRAGMENTS: readonly Case[] = [...order(), ...shapes(), ...AUTO];
