// limits — family 9: large messages, whole, in fragments and in pieces; many small ones; and what is too large.
// Invariant: those that are `large` are for `run.js --all`; the others take a few milliseconds each.
// Source: family 9 of the Autobahn test suite; RFC 6455 §10.4.

import {
  binary,
  type Case,
  chop,
  echoed,
  FAILED,
  fails,
  fragments,
  frame,
  type Message,
  OP,
  pieces,
  text,
  whole,
  write,
} from '../case.ts';
import { make, noise, numbered, words } from './making.ts';

const KIB = 1024;
const MIB = KIB * KIB;
const SECTION = 'RFC 6455 §5.2, payload length';

type Kind = readonly [name: string, prefix: number, of: (size: number) => Message];
const KINDS: readonly Kind[] = [
  ['text', 0, (size) => text(words(size))],
  ['binary', 1, (size) => binary(noise(size))],
];

function bytesOf(size: number): string {
  return size % MIB === 0 ? `${size / MIB} MiB` : size % KIB === 0 ? `${size / KIB} KiB` : `${size} bytes`;
}

/** Large ones are made when they are played, and once: the echo is compared with the same. */
function lazy(of: () => Message): () => Message {
  let made: Message | undefined;
  return () => {
    made ??= of();
    return made;
  };
}

function large(above: boolean): { large?: true } {
  return above ? { large: true } : {};
}

function sizes([name, prefix, of]: Kind): Case[] {
  return numbered(`9.${1 + prefix}`, [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB], (id, size) => {
    const message = lazy(() => of(size));
    return {
      ...make(id, `${name} of ${bytesOf(size)}`, SECTION, { ...large(size > MIB) }),
      steps: () => [write(whole(message()))],
      expected: echo(message),
    };
  });
}

function inFragments([name, prefix, of]: Kind): Case[] {
  const list = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
  return list.flatMap((size, i) =>
    [256 * KIB, 4 * MIB].flatMap((total, all) => {
      if (size > total) return [];
      const id = `9.${3 + prefix}.${i + 1}${all ? '.all' : ''}`;
      const message = lazy(() => of(total));
      return [
        {
          ...make(id, `${name} of ${bytesOf(total)} in fragments of ${bytesOf(size)}`, 'RFC 6455 §5.4', {
            ...large(all === 1),
            client: { maxFragments: 65_536 },
          }),
          steps: () => {
            const { text, bytes } = message();
            return [write(...fragments(text ? OP.text : OP.binary, pieces(bytes, size)))];
          },
          expected: echo(message),
        },
      ];
    }),
  );
}

function inPieces([name, prefix, of]: Kind): Case[] {
  return [64, 128, 256, 512, KIB, 2 * KIB].flatMap((size, i) =>
    [64 * KIB, MIB].map((total, all) => {
      const message = lazy(() => of(total));
      const id = `9.${5 + prefix}.${i + 1}${all ? '.all' : ''}`;
      return {
        ...make(id, `${name} of ${bytesOf(total)} in pieces of ${bytesOf(size)}`, SECTION, {
          ...large(all === 1),
        }),
        steps: () => [chop(size, whole(message()))],
        expected: echo(message),
      };
    }),
  );
}

function roundTrips([name, prefix, of]: Kind): Case[] {
  return [0, 16, 64, 256, KIB, 4 * KIB].flatMap((size, i) =>
    [100, 1_000].map((count, all) => {
      const message = lazy(() => of(size));
      const id = `9.${7 + prefix}.${i + 1}${all ? '.all' : ''}`;
      // One at a time, or all in one write.
      return {
        ...make(id, `${count} of ${name} of ${bytesOf(size)}${all ? ', one at a time' : ''}`, SECTION, {
          ...large(all === 1),
        }),
        steps: () => {
          const one = whole(message());
          if (all === 0) return [write(...Array.from({ length: count }, () => one)), echoed(count)];
          return Array.from({ length: count }, (_, n) => [write(one), echoed(n + 1)]).flat();
        },
        expected: echo(message, count),
      };
    }),
  );
}

function echo(message: () => Message, count = 1): Case['expected'] {
  return {
    get messages() {
      return Array.from({ length: count }, message);
    },
    end: { type: 'close', code: 1000 },
  };
}

const MOST = 10_000;

/** What a client must refuse that was told what the most is. */
function tooLarge(): Case[] {
  const section = 'RFC 6455 §10.4, §7.4.1 (1009)';
  const client = { maxPayload: MOST };
  const end = fails(1009);
  const most = words(MOST);
  return [
    make('9.9.1', 'text of as many bytes as the client takes', section, {
      client,
      steps: [write(whole(text(most)))],
      messages: [text(most)],
    }),
    make('9.9.2', 'text of one byte more than the client takes', section, {
      client,
      steps: [write(whole(text(words(MOST + 1))))],
      end,
    }),
    make('9.9.3', 'the header alone of one byte more than the client takes', section, {
      client,
      steps: [write(frame(OP.binary, '', { length: BigInt(MOST + 1) })), FAILED],
      end,
    }),
    make('9.9.4', 'as many bytes as the client takes, in fragments', section, {
      client,
      steps: [write(...fragments(OP.binary, pieces(most, 999)))],
      messages: [binary(most)],
    }),
    make('9.9.5', 'one byte more than the client takes, in fragments', section, {
      client,
      steps: [write(...fragments(OP.text, pieces(words(MOST + 1), 1_000)))],
      end,
    }),
    make('9.9.6', 'fragments that exceed what the client takes, without a last one', section, {
      client,
      steps: [
        write(
          frame(OP.text, words(6_000), { fin: false }),
          frame(OP.more, words(3_000), { fin: false }),
          frame(OP.more, '', { fin: false, length: 1_001n }),
        ),
        FAILED,
      ],
      end,
    }),
    make('9.9.7', 'three texts of as many bytes as the client takes', section, {
      client,
      steps: [write(whole(text(most)), whole(text(most)), whole(text(most)))],
      messages: [text(most), text(most), text(most)],
    }),
  ];
}

export const LIMITS: readonly Case[] = [
  ...KINDS.flatMap((kind) => [...sizes(kind), ...inFragments(kind), ...inPieces(kind), ...roundTrips(kind)]),
  ...tooLarge(),
];
