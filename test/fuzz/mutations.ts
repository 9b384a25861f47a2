// mutations — ways of spoiling bytes: noise, or a few bytes changed, gone, doubled, spliced, made extreme.
// Applied by mouth.ts to one piece of a conversation. Pure: chance comes in.
// Invariant: what comes out has at most MOST bytes.

import { excerpts } from './excerpts.ts';

type Roll = (below: number) => number;

/** Most bytes that a piece becomes, unless told otherwise. */
const MOST = 256 * 1024;
const REPEATS = 1_000;

export type Mutation =
  | ('noise' | 'noise before it' | 'noise behind it' | 'flipped' | 'cut' | 'gap' | 'doubled' | 'spliced')
  | ('extreme' | 'a thousand times' | 'as it is');

const ways: Readonly<Record<Mutation, (bytes: Buffer, roll: Roll, most: number) => Buffer>> = {
  /** Nothing of it is left. */
  noise: (_bytes, roll) => noise(roll),
  'noise before it': (bytes, roll) => Buffer.concat([noise(roll), bytes]),
  'noise behind it': (bytes, roll) => Buffer.concat([bytes, noise(roll)]),
  flipped: (bytes, roll) => {
    const made = Buffer.from(bytes);
    for (let times = 1 + roll(4); times > 0; times--) {
      const at = roll(made.length);
      made[at] = roll(2) === 0 ? roll(256) : (made[at] ?? 0) ^ (1 << roll(8));
    }
    return made;
  },
  cut: (bytes, roll) => bytes.subarray(0, roll(bytes.length)),
  gap: (bytes, roll) => {
    const from = roll(bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + roll(12))]);
  },
  doubled: (bytes, roll) => {
    const from = roll(bytes.length);
    const to = from + roll(bytes.length - from + 1);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  spliced: (bytes, roll) => {
    const at = roll(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), excerpts(roll), bytes.subarray(at)]);
  },
  extreme: (bytes, roll) => extreme(bytes, roll),
  'a thousand times': (bytes, _roll, most) => {
    const times = Math.min(REPEATS, Math.ceil(most / bytes.length));
    return Buffer.concat(Array.from({ length: times }, () => bytes));
  },
  /** How it is cut is all that is done to it. */
  'as it is': (bytes) => bytes,
};

export const MUTATIONS: readonly Mutation[] = Object.keys(ways) as Mutation[]; // Its keys are all that it has.

/** A piece with one after another done to it. Where there is nothing to spoil, something is put. */
export function mutated(
  bytes: Buffer,
  mutations: readonly Mutation[],
  roll: Roll,
  most: number = MOST,
): Buffer {
  let made = bytes;
  for (const mutation of mutations) {
    const nothing = made.length === 0 && mutation !== 'as it is';
    const what = nothing ? (roll(2) === 0 ? noise(roll) : excerpts(roll)) : made;
    made = nothing && mutation !== 'a thousand times' ? what : ways[mutation](what, roll, most);
  }
  return made.subarray(0, most);
}

function noise(roll: Roll): Buffer {
  const length = 1 + roll([8, 40, 300, 5_000][roll(4)] ?? 8);
  // Of a few values only, now and then: that is what parsers get far with.
  const among = roll(3) === 0 ? Buffer.from('\r\n :;,0159fFaA=\0\xff\x7f\x81\x82', 'latin1') : undefined;
  return Buffer.from(Array.from({ length }, () => (among ? (among[roll(among.length)] ?? 0) : roll(256))));
}

const NUMBERS = [
  ...['0', '-1', '+1', '1e9', '0x10', '4294967296', '2147483648', '9007199254740993', '18446744073709551616'],
  ...[
    '99999999999999999999999999',
    'ffffffffffffffff',
    '10000000000000000',
    '',
    '00000000000000000005',
    '1.5',
  ],
];
const VALUES = [0, 1, 0x7f, 0x80, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** A number that is in it, in text or in bytes, is an extreme one. */
function extreme(bytes: Buffer, roll: Roll): Buffer {
  const text = bytes.toString('latin1');
  const found = [...text.matchAll(/[0-9a-f]+/gi)];
  const one = found[roll(found.length)];
  if (one && roll(3) > 0) {
    const [from, to] = [one.index, one.index + one[0].length];
    return Buffer.from(`${text.slice(0, from)}${NUMBERS[roll(NUMBERS.length)]}${text.slice(to)}`, 'latin1');
  }
  const made = Buffer.from(bytes);
  const size = Math.min([1, 2, 4][roll(3)] ?? 1, made.length);
  const width = size === 3 ? 2 : size;
  const value = VALUES[roll(VALUES.length)] ?? 0;
  made.writeUIntBE(value % 2 ** (8 * width), roll(made.length - width + 1), width);
  return made;
}
