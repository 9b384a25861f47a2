// gaps — a part that watches the numbers of a feed: what is missing, what comes twice, what comes late.
// Put behind a decoder, in front of what relies on nothing being missing.
// Invariant: of each number one value is passed on; a number that was missing and comes after all is `late`, passed on
// or dropped as asked. What is remembered is bounded, in keys and in ranges of missing numbers.
// Source: the sequence numbers of RTP (RFC 3550, appendix A.1) and of market-data feeds.

import { integer, oneOf } from '../checks.ts';
import { describe } from '../errors.ts';
import {
  type Counting,
  MOST_KEYS,
  optionalFunction,
  optionsOf,
  type Part,
  part,
  requiredFunction,
} from './part.ts';

/** A sequence number. */
export type Sequence = number | bigint;

/** Numbers that did not come. */
export interface Gap<I = unknown> {
  /** Whose: what `key` gave. */
  readonly key: unknown;
  /** The last number before it. */
  readonly last: Sequence;
  /** The number that should have come; with `previous`, the one that the value names. */
  readonly expected: Sequence;
  /** The one that came. */
  readonly got: Sequence;
  readonly value: I;
}

/** Options of `gaps()`. */
export interface GapsOptions<I> {
  /** Its number; undefined: it has none, and is passed on. */
  sequence: (value: I) => Sequence | undefined;
  /** The number that comes after another. Default: one more. */
  next?: ((sequence: Sequence) => Sequence) | undefined;
  /** The number before it, where values name that: in place of `next`. */
  previous?: ((value: I) => Sequence | undefined) | undefined;
  /** What is numbered for itself. Default: all together. */
  key?: ((value: I) => unknown) | undefined;
  /** Called before the value behind the gap is passed on. */
  onGap?: ((gap: Gap<I>) => void) | undefined;
  /** What comes twice. Default `drop`. */
  duplicates?: 'drop' | 'pass' | undefined;
  /** What comes behind a higher number. Default `pass`. */
  late?: 'pass' | 'drop' | undefined;
  /** `connection`: each connection begins a new count. Default `stream`: it goes on, so that what was missed while the
   *  socket was lost is a gap. */
  scope?: 'stream' | 'connection' | undefined;
  /** Default 65 536; above it the key that began first is forgotten. */
  maxKeys?: number | undefined;
}

/** Numbers between two others, both without. */
interface Missing {
  readonly after: Sequence;
  readonly before: Sequence;
}
interface Track {
  last: Sequence;
  missing: Missing[];
}
type Verdict = 'next' | 'late' | 'duplicate';

/** Ranges of missing numbers that are remembered for each key, to tell what is late from what comes twice. */
const MOST_RANGES = 64;
const NAMES = ['sequence', 'next', 'previous', 'key', 'onGap', 'duplicates', 'late', 'scope', 'maxKeys'];

/** The part, and how to begin anew. */
export interface GapsPart<I> extends Part<I, I> {
  /** Forgets the numbers of a key, or of all: the next one begins. For a server that tells that it counts anew; without
   *  it all that comes below the last number is taken for a duplicate. */
  reset(key?: unknown): void;
}

/** Passes on each number once, and tells of gaps. Counts `gaps`, `duplicates` and `late` beside. @throws {OptionError} */
export function gaps<I>(options: GapsOptions<I>): GapsPart<I> {
  const given = optionsOf(options, NAMES, 'gaps');
  const sequence = requiredFunction(options?.sequence, 'gaps.sequence');
  const after = optionalFunction(options.next, 'gaps.next') ?? oneMore;
  const previous = optionalFunction(options.previous, 'gaps.previous');
  const keyOf = optionalFunction(options.key, 'gaps.key') ?? (() => undefined);
  const onGap = optionalFunction(options.onGap, 'gaps.onGap');
  const dropDuplicates = oneOf(given, 'gaps.duplicates', ['drop', 'pass']) === 'drop';
  const dropLate = oneOf(given, 'gaps.late', ['pass', 'drop']) === 'drop';
  const perConnection = oneOf(given, 'gaps.scope', ['stream', 'connection']) === 'connection';
  const maxKeys = integer(given, 'gaps.maxKeys', MOST_KEYS, [1, 2 ** 24]);
  const tracks = new Map<unknown, Track>();
  const judge = (value: I, got: Sequence, counting: Counting): Verdict => {
    const key = keyOf(value);
    const track = tracks.get(key);
    if (!track) {
      tracks.set(key, { last: got, missing: [] });
      if (tracks.size > maxKeys) forgetFirst(tracks);
      return 'next';
    }
    const { last } = track;
    if (got <= last) return takeOut(track, got, after) ? 'late' : 'duplicate';
    const expected = previous ? previous(value) : after(last);
    track.last = got;
    if (expected === undefined || expected === (previous ? last : got)) return 'next';
    track.missing.push({ after: last, before: got });
    if (track.missing.length > MOST_RANGES) track.missing.shift();
    counting['gaps'] = (counting['gaps'] ?? 0) + 1;
    onGap?.({ key, last, expected, got, value });
    return 'next';
  };
  const made = part<I, I>('gaps', { gaps: 0, duplicates: 0, late: 0 }, (_context, next, counting) => ({
    take: (value) => {
      const got = sequence(value);
      const verdict = got === undefined ? 'next' : judge(value, checked(got), counting);
      if (verdict === 'late') count(counting, 'late', dropLate, value, next);
      else if (verdict === 'duplicate') count(counting, 'duplicates', dropDuplicates, value, next);
      else next(value);
    },
    down: () => {
      if (perConnection) tracks.clear();
    },
  }));
  const reset = (...keys: readonly unknown[]): void => {
    if (keys.length === 0) tracks.clear();
    else tracks.delete(keys[0]);
  };
  return { ...made, reset };
}

/** The peer wrote it: a text would be compared by its letters, and NaN is never equal. */
function checked(sequence: Sequence): Sequence {
  if (typeof sequence === 'bigint' || Number.isFinite(sequence)) return sequence;
  throw new TypeError(`a sequence must be a number, got ${describe(sequence)}`);
}

function count<I>(counting: Counting, name: string, drop: boolean, value: I, next: (value: I) => void): void {
  counting[name] = (counting[name] ?? 0) + 1;
  if (drop) counting.dropped++;
  else next(value);
}

/** Whether the number was missing; it is not any more. */
function takeOut(track: Track, got: Sequence, after: (sequence: Sequence) => Sequence): boolean {
  const place = track.missing.findIndex((range) => range.after < got && got < range.before);
  const range = track.missing[place];
  if (!range) return false;
  const parts = [
    { after: range.after, before: got },
    { after: got, before: range.before },
  ].filter((one) => after(one.after) < one.before);
  track.missing.splice(place, 1, ...parts);
  if (track.missing.length > MOST_RANGES) track.missing.shift();
  return true;
}

function oneMore(sequence: Sequence): Sequence {
  return typeof sequence === 'bigint' ? sequence + 1n : sequence + 1;
}

function forgetFirst(tracks: Map<unknown, Track>): void {
  for (const key of tracks.keys()) {
    tracks.delete(key);
    return;
  }
}
