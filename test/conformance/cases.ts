// cases — all cases, by family.
// Used by run.ts and the tests. Invariant: ids are unique, and name their family before the first dot.

import type { Case } from './case.ts';
import { BLOCKS } from './families/blocks.ts';
import { CLOSINGS } from './families/closings.ts';
import { CONTENTS } from './families/contents.ts';
import { FRAGMENTS } from './families/fragments.ts';
import { FRAMING } from './families/framing.ts';
import { HANDSHAKES } from './families/handshakes.ts';
import { LIMITS } from './families/limits.ts';
import { UTF8 } from './families/utf8.ts';

/** Numbers as in the Autobahn test suite; 14 and 15 are ours. */
export const FAMILIES: Readonly<Record<string, string>> = {
  '1': 'framing',
  '2': 'pings and pongs',
  '3': 'reserved bits',
  '4': 'opcodes',
  '5': 'fragments',
  '6': 'UTF-8',
  '7': 'closing',
  '9': 'limits and performance',
  '10': 'messages fragmented by themselves',
  '12': 'permessage-deflate, contents',
  '13': 'permessage-deflate, parameters and faults',
  '14': 'opening handshakes',
  '15': 'lengths and masks',
};

/** Every case, in the order of the families. */
export const CASES: readonly Case[] = [
  ...FRAMING,
  ...FRAGMENTS,
  ...UTF8,
  ...CLOSINGS,
  ...LIMITS,
  ...CONTENTS,
  ...BLOCKS,
  ...HANDSHAKES,
].sort((a, b) => Number(familyOf(a)) - Number(familyOf(b)));

/** Those that are played in every run. */
export const USUAL: readonly Case[] = CASES.filter(({ large }) => !large);

export function familyOf({ id }: Pick<Case, 'id'>): string {
  return id.split('.')[0] ?? '';
}
