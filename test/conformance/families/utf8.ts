// utf8 — family 6: texts that are UTF-8 and texts that are not, cut in the midst of characters, failed at once.
// Source: RFC 6455 §8.1, RFC 3629; Markus Kuhn's decoder stress test; family 6 of the Autobahn test suite.

import { unhex } from '../../support/peers.ts';
import {
  type Case,
  chop,
  echoed,
  FAILED,
  fails,
  fragments,
  frame,
  OP,
  pieces,
  text,
  whole,
  write,
} from '../case.ts';
import { Utf8 } from '../utf8.ts';
import { make, numbered } from './making.ts';

const SECTION = 'RFC 6455 §8.1';
const KOSME = Buffer.from('κόσμε');
const MIXED = Buffer.from('Hello-µ@ßöäüàá-€-😀-UTF-8!!');
const NOT = fails(1007);

function valid(id: string, title: string, bytes: Uint8Array): Case {
  return make(id, title, SECTION, { steps: [write(whole(text(bytes)))], messages: [text(bytes)] });
}

function invalid(id: string, title: string, bytes: Uint8Array): Case {
  return make(id, title, SECTION, { steps: [write(whole(text(bytes)))], end: NOT });
}

/** Cases of byte sequences in hex, each valid, or none. */
function sequences(prefix: string, what: string, good: boolean, list: readonly string[]): Case[] {
  return numbered(prefix, list, (id, hex) => (good ? valid : invalid)(id, `${what}: ${hex}`, unhex(hex)));
}

function empty(): Case[] {
  const nothing = Buffer.alloc(0);
  return [
    valid('6.1.1', 'text without payload', nothing),
    make('6.1.2', 'text in three fragments without payload', SECTION, {
      steps: [write(...fragments(OP.text, ['', '', '']))],
      messages: [text('')],
    }),
    make('6.1.3', 'text in three fragments, only the second with payload', SECTION, {
      steps: [write(...fragments(OP.text, ['', 'middle', '']))],
      messages: [text('middle')],
    }),
  ];
}

/** Cut between and within characters. */
function cut(): Case[] {
  const inFragments = (id: string, title: string, bytes: Buffer, size: number): Case =>
    make(id, title, SECTION, {
      steps: [write(...fragments(OP.text, pieces(bytes, size)))],
      messages: [text(bytes)],
    });
  const at = Array.from({ length: MIXED.length + 1 }, (_, i) => i);
  return [
    valid('6.2.1', 'text with characters of one and two bytes', MIXED),
    make('6.2.2', 'the same in two fragments, cut between characters', SECTION, {
      steps: [write(...fragments(OP.text, ['Hello-µ@ßöäüàá', '-€-😀-UTF-8!!']))],
      messages: [text(MIXED)],
    }),
    inFragments('6.2.3', 'the same in fragments of a byte', MIXED, 1),
    inFragments('6.2.4', 'κόσμε in fragments of a byte', KOSME, 1),
    inFragments('6.2.5', 'characters of two to four bytes in fragments of two', MIXED, 2),
    inFragments('6.2.6', 'characters of two to four bytes in fragments of three', MIXED, 3),
    make('6.2.7', 'the same in two fragments, cut at every byte', SECTION, {
      steps: [write(...at.flatMap((i) => fragments(OP.text, [MIXED.subarray(0, i), MIXED.subarray(i)])))],
      messages: at.map(() => text(MIXED)),
    }),
    make('6.2.8', 'the same in one frame, byte by byte', SECTION, {
      steps: [chop(1, whole(text(MIXED)))],
      messages: [text(MIXED)],
    }),
    make('6.2.9', 'the same in one frame, in pieces of every size', SECTION, {
      steps: at.flatMap((i) => [chop(2 + i, whole(text(MIXED))), echoed(i + 1)]),
      messages: at.map(() => text(MIXED)),
    }),
    make('6.2.10', 'a character of four bytes in four fragments, with pings and pongs between', SECTION, {
      steps: [
        write(
          ...fragments(OP.text, pieces(Buffer.from('😀'), 1)).flatMap((one) => [
            one,
            frame(OP.ping, Buffer.of(0xff)),
            frame(OP.pong, Buffer.of(0xc3)),
          ]),
        ),
      ],
      messages: [text('😀')],
      pongs: Array.from({ length: 4 }, () => Buffer.of(0xff)),
    }),
    make('6.2.11', 'bytes that are no UTF-8, in binary messages', 'RFC 6455 §5.6', {
      steps: [
        write(frame(OP.binary, unhex('c3 28 ff')), ...fragments(OP.binary, [unhex('ed a0'), unhex('80')])),
      ],
      messages: [
        { text: false, bytes: unhex('c3 28 ff') },
        { text: false, bytes: unhex('ed a0 80') },
      ],
    }),
  ];
}

const BAD = Buffer.concat([KOSME, unhex('eda080'), Buffer.from('edited')]);

function whereItIs(): Case[] {
  const bytes = pieces(BAD, 1);
  return [
    invalid('6.3.1', 'text with a surrogate in its midst', BAD),
    make('6.3.2', 'the same in fragments of a byte', SECTION, {
      steps: [write(...fragments(OP.text, bytes))],
      end: NOT,
    }),
    make('6.3.3', 'a text that is none behind one that is, in one write', SECTION, {
      steps: [write(whole(text(MIXED)), whole(text(BAD)))],
      perhaps: [text(MIXED)],
      end: NOT,
    }),
    make('6.3.4', 'a text that is none behind one that was echoed', SECTION, {
      steps: [write(whole(text(MIXED))), echoed(1), write(whole(text(BAD)), whole(text('never')))],
      messages: [text(MIXED)],
      end: NOT,
    }),
    make('6.3.5', 'a text that is none, then a ping, in one write: it is not answered', SECTION, {
      steps: [write(whole(text(BAD)), frame(OP.ping, 'x'))],
      end: NOT,
    }),
    make(
      '6.3.6',
      'a text that is none, then a reserved opcode, in one write: the first fault counts',
      SECTION,
      {
        steps: [write(whole(text(BAD)), frame(3, 'x'))],
        end: NOT,
      },
    ),
    make('6.3.7', 'a text that is none, then a close, in one write: the first fault counts', SECTION, {
      steps: [write(whole(text(BAD)), frame(OP.close, Buffer.of(3, 232)))],
      end: NOT,
    }),
    make('6.3.8', 'a last fragment that ends within a character', SECTION, {
      steps: [write(...fragments(OP.text, ['ok', unhex('e2 82')]))],
      end: NOT,
    }),
    make('6.3.9', 'a text that ends within a character, which the next text would complete', SECTION, {
      steps: [write(frame(OP.text, unhex('e2 82')), frame(OP.text, unhex('ac')))],
      end: NOT,
    }),
  ];
}

/** Fail-fast: the message, or the frame, is never complete. */
function atOnce(): Case[] {
  const tail = Buffer.from('edited');
  const over = unhex('f4 90 80 80');
  const inFrame = (id: string, title: string, good: Buffer, bad: Buffer, rest: Buffer): Case => {
    const all = whole(text(Buffer.concat([good, bad, rest])));
    const to = all.length - rest.length;
    return make(id, title, SECTION, {
      steps: [write(all.subarray(0, to)), FAILED, write(all.subarray(to))],
      end: NOT,
    });
  };
  const inFragment = (id: string, title: string, bad: Buffer, rest: Buffer): Case => {
    const [first, second, third] = fragments(OP.text, [KOSME, bad, rest]);
    return make(id, title, SECTION, {
      steps: [write(first!), write(second!), FAILED, write(third!)],
      end: NOT,
    });
  };
  const begins = sorts.map(([what, hex]) => [what, badPart(unhex(hex))] as const);
  return [
    inFragment('6.4.1', 'above U+10FFFF in the second of three fragments', over, tail),
    inFragment(
      '6.4.2',
      'above U+10FFFF by its second byte, at which the second fragment ends',
      over.subarray(0, 2),
      Buffer.concat([over.subarray(2), tail]),
    ),
    inFrame('6.4.3', 'above U+10FFFF in a frame that is not whole', KOSME, over, tail),
    inFrame(
      '6.4.4',
      'above U+10FFFF by its second byte, where a frame is not whole',
      KOSME,
      over.subarray(0, 2),
      Buffer.concat([over.subarray(2), tail]),
    ),
    ...numbered('6.24', begins, (id, [what, bad]) =>
      inFragment(id, `${what} in the second of three fragments, which ends with it`, bad, tail),
    ),
    ...numbered('6.25', begins, (id, [what, bad]) =>
      inFrame(id, `${what} in a frame that is not whole`, KOSME, bad, tail),
    ),
    make(
      '6.26.1',
      'a character that ends in the first byte of a frame that is not whole, and then is none',
      SECTION,
      {
        steps: [
          write(frame(OP.text, unhex('f0 9f'), { fin: false }), frame(OP.more, unhex('41'), { length: 90n })),
          FAILED,
          write(Buffer.alloc(89, 'x')),
        ],
        end: NOT,
      },
    ),
    make('6.26.2', 'overlong in the first bytes of a frame of 100000', SECTION, {
      steps: [
        write(frame(OP.text, unhex('c0 af'), { length: 100_000n })),
        FAILED,
        write(Buffer.alloc(99_998, 'x')),
      ],
      end: NOT,
    }),
    make(
      '6.26.3',
      'a surrogate, byte by byte, in a frame that is not whole, behind texts that were echoed',
      SECTION,
      {
        steps: [
          write(whole(text(MIXED))),
          echoed(1),
          chop(1, frame(OP.text, unhex('41 42 ed a0'), { length: 5n })),
          FAILED,
          write(unhex('80')),
        ],
        messages: [text(MIXED)],
        end: NOT,
      },
    ),
    make('6.26.4', 'above U+10FFFF in the last fragment, which is not whole', SECTION, {
      steps: [
        write(frame(OP.text, KOSME, { fin: false }), frame(OP.more, unhex('f4 90'), { length: 4n })),
        FAILED,
        write(unhex('80 80')),
      ],
      end: NOT,
    }),
  ];
}

/** Up to the byte that no text may have there. */
function badPart(bytes: Buffer): Buffer {
  const utf8 = new Utf8();
  for (let i = 0; i < bytes.length; i++)
    if (!utf8.feed(bytes.subarray(i, i + 1))) return bytes.subarray(0, i + 1);
  throw new Error(`${bytes.toString('hex')} may yet be UTF-8`);
}

/** Every sort of byte sequence that is no UTF-8. */
const sorts: readonly (readonly [string, string])[] = [
  ['a continuation byte', '80'],
  ['the last continuation byte', 'bf'],
  ['an overlong slash of two bytes', 'c0 af'],
  ['the last overlong of two bytes', 'c1 bf'],
  ['a start of two bytes and a letter', 'c3 28'],
  ['a start of three bytes and a letter', 'e2 28 a1'],
  ['two bytes of three and a letter', 'e2 82 28'],
  ['an overlong of three bytes', 'e0 80 af'],
  ['the last overlong of three bytes', 'e0 9f bf'],
  ['the first surrogate', 'ed a0 80'],
  ['the last surrogate', 'ed bf bf'],
  ['a pair of surrogates', 'ed a0 80 ed b0 80'],
  ['a start of four bytes and a letter', 'f0 28 8c bc'],
  ['two bytes of four and a letter', 'f0 90 28 bc'],
  ['three bytes of four and a letter', 'f0 90 8c 28'],
  ['an overlong of four bytes', 'f0 80 80 af'],
  ['the last overlong of four bytes', 'f0 8f bf bf'],
  ['U+110000', 'f4 90 80 80'],
  ['a start of four bytes above U+10FFFF', 'f5 80 80 80'],
  ['a start of five bytes', 'f8 88 80 80 80'],
  ['a start of six bytes', 'fc 84 80 80 80 80'],
  ['the byte fe', 'fe'],
  ['the byte ff', 'ff'],
];

const hexOf = (bytes: readonly number[]): string => Buffer.from(bytes).toString('hex');
/** Each start byte from … to, with a space behind. */
const lonely = (from: number, to: number): string =>
  hexOf(Array.from({ length: to - from + 1 }, (_, i) => [from + i, 0x20]).flat());
const CONTINUATIONS = Array.from({ length: 64 }, (_, i) => 0x80 + i);
/** U+nFFFE and U+nFFFF of each plane. */
const NONCHARACTERS = Array.from({ length: 17 }, (_, plane) =>
  [0xfffe, 0xffff].map((low) => Buffer.from(String.fromCodePoint(plane * 0x10000 + low)).toString('hex')),
).flat();
const INCOMPLETE = [
  'c0',
  'e080',
  'f08080',
  'f8808080',
  'fc80808080',
  'df',
  'efbf',
  'f7bfbf',
  'fbbfbfbf',
  'fdbfbfbfbf',
];

function stress(): Case[] {
  return [
    ...sequences('6.5', 'characters', true, [
      MIXED.toString('hex'),
      Buffer.from('Îñţérñåţîöñåļîžåţîöñ').toString('hex'),
      Buffer.from('\u{12345}\u{10ffff}').toString('hex'),
      Buffer.from('\ufeffbyte order mark first').toString('hex'),
      Buffer.from('nul \0 and more \0').toString('hex'),
    ]),
    ...numbered(
      '6.6',
      Array.from({ length: KOSME.length }, (_, i) => i + 1),
      (id, length) => {
        const bytes = KOSME.subarray(0, length);
        const title = `${length} bytes of κόσμε`;
        return bytes.toString().includes('\ufffd') ? invalid(id, title, bytes) : valid(id, title, bytes);
      },
    ),
    ...sequences('6.7', 'first of its length', true, ['00', 'c280', 'e0a080', 'f0908080']),
    ...sequences('6.8', 'first of five and six bytes', false, ['f888808080', 'fc8480808080']),
    ...sequences('6.9', 'last of its length', true, ['7f', 'dfbf', 'efbfbf', 'f48fbfbf']),
    ...sequences('6.10', 'last of four to six bytes', false, ['f7bfbfbf', 'fbbfbfbfbf', 'fdbfbfbfbfbf']),
    ...sequences('6.11', 'boundary', true, ['ed9fbf', 'ee8080', 'efbfbd', 'f48fbfbf']),
    ...sequences('6.11.5', 'boundary', false, ['f4908080']),
    ...sequences('6.12', 'continuation bytes', false, [
      '80',
      'bf',
      ...[2, 3, 4, 5, 6].map((count) => hexOf(CONTINUATIONS.slice(0, count))),
      hexOf(CONTINUATIONS),
    ]),
    ...sequences('6.13', 'start bytes alone', false, [
      lonely(0xc0, 0xdf),
      lonely(0xe0, 0xef),
      lonely(0xf0, 0xf7),
      lonely(0xf8, 0xfb),
      lonely(0xfc, 0xfd),
    ]),
    ...sequences('6.14', 'last byte missing', false, INCOMPLETE),
    ...sequences('6.15', 'last byte of each missing', false, [INCOMPLETE.join('')]),
    ...sequences('6.16', 'impossible bytes', false, ['fe', 'ff', 'fefeffff']),
    ...sequences('6.17', 'overlong slash', false, [
      'c0af',
      'e080af',
      'f08080af',
      'f8808080af',
      'fc80808080af',
    ]),
    ...sequences('6.18', 'last overlong', false, [
      'c1bf',
      'e09fbf',
      'f08fbfbf',
      'f887bfbfbf',
      'fc83bfbfbfbf',
    ]),
    ...sequences('6.19', 'overlong NUL', false, ['c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080']),
    ...sequences('6.20', 'surrogate', false, [
      ...['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf'],
    ]),
    ...sequences('6.21', 'pair of surrogates', false, [
      ...['eda080edb080', 'eda080edbfbf', 'edadbfedb080', 'edadbfedbfbf'],
      ...['edae80edb080', 'edae80edbfbf', 'edafbfedb080', 'edafbfedbfbf'],
    ]),
    ...sequences('6.22', 'noncharacter, which is valid', true, NONCHARACTERS),
    ...sequences('6.23', 'special character', true, [
      ...['efbfb9', 'efbfba', 'efbfbb', 'efbfbc', 'efbfbd', 'efbfbe', 'efbfbf'],
    ]),
  ];
}

export const UTF8: readonly Case[] = [...empty(), ...cut(), ...whereItIs(), ...stress(), ...atOnce()];
