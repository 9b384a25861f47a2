// making — how a family writes down a case: what is usual is left out.
// Used by every file of families/.

import { chance } from '../../support/chance.ts';
import type { Case, Step } from '../case.ts';
import { NORMAL } from '../case.ts';

/** What is special about a case. */
type Body = Partial<Omit<Case, 'id' | 'title' | 'section' | 'expected' | 'steps'>> &
  Partial<Case['expected']> & {
    readonly steps?: readonly Step[] | (() => readonly Step[]);
  };

/** A case. By default the client offers nothing, nothing is to be echoed, and the server closes with 1000. */
export function make(id: string, title: string, section: string, body: Body): Case {
  const { steps = [], messages = [], perhaps, pongs, end = NORMAL, client = {}, ...rest } = body;
  const expected = { messages, perhaps, pongs, end };
  return {
    ...rest,
    id,
    title,
    section,
    client,
    expected,
    steps: typeof steps === 'function' ? steps : () => steps,
  };
}

/** Case `${prefix}.${n}` of each, from 1. */
export function numbered<T>(prefix: string, list: readonly T[], of: (id: string, one: T) => Case): Case[] {
  return list.map((one, i) => of(`${prefix}.${i + 1}`, one));
}

/** So many bytes of words in ASCII. */
export function words(length: number): Buffer {
  return Buffer.alloc(length, 'the quick brown fox jumps over the lazy dog 0123456789 ');
}

/** So many bytes that do not repeat, the same at each run. */
export function noise(length: number, seed = 1): Buffer {
  const roll = chance(seed);
  return Buffer.alloc(length).map(() => roll(256)) as Buffer;
}
