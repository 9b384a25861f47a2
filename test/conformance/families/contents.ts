// contents — families 12 and 13, first half: permessage-deflate with contents of all sorts and sizes, and with all
// parameters that can be offered and answered.
// Source: RFC 7692 §7.1; families 12 and 13 of the Autobahn test suite.

import { binary, type Case, type Message, text } from '../case.ts';
import { echoes, MESSAGES } from './compressed.ts';
import { noise, numbered, words } from './making.ts';

const CONTENT: readonly (readonly [string, (size: number, n: number) => Message])[] = [
  [
    'JSON',
    (size, n) => text(Buffer.alloc(size, JSON.stringify({ n, bid: 1.25, ask: 1.375, venue: 'XNYS' }))),
  ],
  ['noise', (size, n) => binary(noise(size, n + 1))],
  ['English', (size) => text(words(size))],
  ['code', (size, n) => text(Buffer.alloc(size, `if (a[${n}] < b) {\n  return f(x => x + ${n});\n}\n`))],
  [
    'Greek',
    (size) =>
      text(
        Buffer.alloc(size & ~1, 'Ωλόγος'.repeat(3))
          .toString()
          .replaceAll('\ufffd', ''),
      ),
  ],
];
const SIZES = [16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072];
const FRAGMENTS = [256, 1024, 4096, 32_768];

/** Kinds of content by size; from 32 KiB up just two of each. */
function contents(): Case[] {
  return CONTENT.flatMap(([name, of], i) => [
    ...numbered(`12.${i + 1}`, SIZES, (id, size) =>
      echoes(id, `${size < 32_768 ? 8 : 2} messages of ${size} bytes of ${name}`, () =>
        Array.from({ length: size < 32_768 ? 8 : 2 }, (_, n) => of(size, n)),
      ),
    ),
    ...FRAGMENTS.map((size, n) =>
      echoes(
        `12.${i + 1}.${SIZES.length + 1 + n}`,
        `two messages of 128 KiB of ${name} in fragments of ${size} bytes`,
        () => [of(131_072, 1), of(131_072, 2)],
        { size },
      ),
    ),
  ]);
}

const FLAGS = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;

/** Every answer that a server may give, and every offer. */
function parameters(): Case[] {
  const flags = ([server, client]: readonly [boolean, boolean]): string =>
    `${server ? 'no ' : ''}context of the server, ${client ? 'no ' : ''}context of the client`;
  const bits = [9, 10, 11, 12, 13, 14, 15];
  return [
    ...numbered('13.1', FLAGS, (id, one) =>
      echoes(id, `answered with ${flags(one)}`, MESSAGES, {
        agreed: { serverNoContext: one[0], clientNoContext: one[1] },
      }),
    ),
    ...bits.flatMap((serverBits) =>
      [false, true].map((serverNoContext, i) =>
        echoes(
          `13.2.${serverBits}.${i + 1}`,
          `offered and answered: window of ${serverBits} bits at the server${i ? ', no context' : ''}`,
          MESSAGES,
          {
            compress: serverBits < 15 ? { serverMaxWindowBits: serverBits } : {},
            agreed: { serverBits, serverNoContext },
          },
        ),
      ),
    ),
    ...bits.flatMap((clientBits) =>
      [false, true].map((clientNoContext, i) =>
        echoes(
          `13.3.${clientBits}.${i + 1}`,
          `answered: window of ${clientBits} bits at the client${i ? ', no context' : ''}`,
          MESSAGES,
          { agreed: { clientBits, clientNoContext } },
        ),
      ),
    ),
    ...numbered('13.4', bits, (id, clientMaxWindowBits) =>
      echoes(
        id,
        `the client offers a window of ${clientMaxWindowBits} bits, the server asks for 9`,
        MESSAGES,
        {
          compress: { clientMaxWindowBits },
          agreed: { clientBits: 9 },
        },
      ),
    ),
    echoes('13.4.8', 'a window of 12 bits offered, of 10 answered, at the server', MESSAGES, {
      compress: { serverMaxWindowBits: 12 },
      agreed: { serverBits: 10 },
    }),
    ...numbered('13.5', FLAGS, (id, [serverNoContextTakeover, clientNoContextTakeover]) =>
      echoes(
        id,
        `offered and answered: ${flags([serverNoContextTakeover, clientNoContextTakeover])}`,
        MESSAGES,
        {
          compress: { serverNoContextTakeover, clientNoContextTakeover },
          agreed: { serverNoContext: serverNoContextTakeover, clientNoContext: clientNoContextTakeover },
        },
      ),
    ),
    echoes('13.5.5', 'everything offered, everything answered, the least of it', MESSAGES, {
      compress: {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 9,
        clientMaxWindowBits: 9,
      },
      agreed: { serverNoContext: true, clientNoContext: true, serverBits: 9, clientBits: 9 },
    }),
    echoes(
      '13.5.6',
      'a window of 8 bits at the server, which did not have to be offered',
      () => [text('Hello'), text('Hello')],
      {
        agreed: { serverBits: 8, serverNoContext: true },
      },
    ),
    echoes('13.5.7', 'a window of 8 bits asked of the client, which zlib has not', () => [text('Hello')], {
      agreed: { clientBits: 8, clientNoContext: true },
      informational: true,
    }),
  ];
}

export const CONTENTS: readonly Case[] = [...contents(), ...parameters()];
