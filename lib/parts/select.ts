// select — parts that let some values through and not others: by what they are, by their bytes, or by count and time.
// Put anywhere in a pipe; `contains` first, where it looks at memory and never makes a text of what is not wanted.
// Invariant: order is kept; what is not passed on is counted as dropped.
// Source: RxJS's filter, map, throttle; memmem(3).

import type { Batch } from '../batch.ts';
import { LONGEST } from '../checks.ts';
import { describe, OptionError } from '../errors.ts';
import type { Message } from '../types.ts';
import { type Counting, optionsOf, type Part, part, requiredFunction, requiredInteger } from './part.ts';
import type { Picking } from './pipe.ts';

/** Passes on what `predicate` is true of. @throws {OptionError} */
export function filter<I, O extends I>(predicate: (value: I) => value is O): Part<I, O>;
export function filter<I>(predicate: (value: I) => unknown): Part<I, I>;
export function filter<I>(predicate: (value: I) => unknown): Part<I, I> {
  requiredFunction(predicate, 'filter.predicate');
  return part('filter', {}, (_context, next, counting) => ({
    take: (value) => {
      if (predicate(value)) next(value);
      else counting.dropped++;
    },
  }));
}

/** Passes on what `change` gives of a value, at once: a promise is a value as any other. `undefined` drops it.
 *  @throws {OptionError} */
export function map<I, O>(change: (value: I) => O | undefined): Part<I, O> {
  requiredFunction(change, 'map.change');
  return part('map', {}, (_context, next, counting) => ({
    take: (value) => {
      const changed = change(value);
      if (changed === undefined) counting.dropped++;
      else next(changed);
    },
  }));
}

/** Passes on one in so many, the first to begin with; or the first in each `interval` milliseconds. What is between is
 *  gone: for figures that are read now and then, never for trades or books. @throws {OptionError}
 *  @example
 *  sample(20); sample({ interval: 1_000 }); */
export function sample<I>(every: number | { readonly interval: number }): Part<I, I> {
  const interval = typeof every === 'object' ? intervalOf(every) : undefined;
  const count = interval === undefined ? countOf(every) : 1;
  return part('sample', {}, (context, next, counting) => {
    let place = 0;
    let due = Number.NEGATIVE_INFINITY;
    const isDue = (): boolean => {
      if (interval === undefined) return place++ % count === 0;
      const now = context.now();
      if (now < due) return false;
      due = now + interval;
      return true;
    };
    return {
      take: (value) => {
        if (isDue()) next(value);
        else counting.dropped++;
      },
    };
  });
}

/** Passes on the messages in which one of the needles stands, text or bytes, without decoding or parsing: for a feed of
 *  which little is wanted. It sees bytes, not meaning: name what stands around the word too (`'"s":"BTC"'`), and put a
 *  `filter` behind the decoder where it must be exact. First in a pipe it searches whole reads at once.
 *  @throws {OptionError} */
export function contains(...needles: readonly (string | Uint8Array)[]): Picking {
  if (needles.length === 0) throw new OptionError('contains must have a needle, got none');
  const wanted = needles.map(needleOf);
  const made = part<Message, Message>('contains', {}, (_context, next, counting) => ({
    take: (data) => {
      if (wanted.some((needle) => isIn(needle, data))) next(data);
      else counting.dropped++;
    },
  }));
  return {
    ...made,
    pick: (batch, each) => {
      const counting = made.counters as Counting; // Made above; a batch does not come through the pipe's count.
      const found = pickFrom(batch, wanted, each);
      counting.in += batch.length;
      counting.out += found;
      counting.dropped += batch.length - found;
    },
  };
}

interface Needle {
  readonly bytes: Buffer;
  /** It is text: what comes as text is looked through as that. */
  readonly text: string | undefined;
}

function needleOf(value: unknown): Needle {
  const fits = typeof value === 'string' || value instanceof Uint8Array;
  if (fits && value.length > 0) {
    return { bytes: Buffer.from(value as string), text: typeof value === 'string' ? value : undefined }; // Or bytes.
  }
  throw new OptionError(`contains must be given texts or bytes, not empty, got ${describe(value)}`);
}

function isIn({ bytes, text }: Needle, data: Message): boolean {
  if (typeof data !== 'string') {
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(bytes);
  }
  return text === undefined ? Buffer.from(data).includes(bytes) : data.includes(text);
}

/** Searches the memory that all messages stand in, and then asks in which message it was. */
function pickFrom(batch: Batch, needles: readonly Needle[], each: (index: number) => void): number {
  if (batch.length === 0) return 0;
  if (!isInOrder(batch)) return pickOneByOne(batch, needles, each);
  const { buffer, byteOffset, byteLength } = batch.memory;
  const memory = Buffer.from(buffer, byteOffset, byteLength);
  // Where each needle is next found; -1: nowhere any more.
  const hits = needles.map(({ bytes }) => memory.indexOf(bytes, batch.offset(0)));
  let found = 0;
  for (let i = 0; i < batch.length; i++) {
    const start = batch.offset(i);
    const end = start + batch.byteLength(i);
    let wanted = false;
    let nearest = Number.POSITIVE_INFINITY;
    for (let place = 0; place < needles.length; place++) {
      const { bytes } = needles[place] as Needle; // In bounds.
      let hit = hits[place] as number; // One for each needle.
      // What was found before this message stands between two, in a frame's header, or across it.
      if (hit >= 0 && hit < start) hit = memory.indexOf(bytes, start);
      hits[place] = hit;
      if (hit < 0) continue;
      if (hit + bytes.length <= end) wanted = true;
      else if (hit < nearest) nearest = hit;
    }
    if (wanted) {
      found++;
      each(i);
    } else if (nearest === Number.POSITIVE_INFINITY) break;
  }
  return found;
}

function pickOneByOne(batch: Batch, needles: readonly Needle[], each: (index: number) => void): number {
  let found = 0;
  for (let i = 0; i < batch.length; i++) {
    const bytes = batch.bytes(i);
    if (!needles.some((needle) => isIn(needle, bytes))) continue;
    found++;
    each(i);
  }
  return found;
}

/** Messages stand one behind the other, but where one was put together elsewhere. */
function isInOrder(batch: Batch): boolean {
  let at = 0;
  for (let i = 0; i < batch.length; i++) {
    const start = batch.offset(i);
    if (start < at) return false;
    at = start + batch.byteLength(i);
  }
  return true;
}

function countOf(value: unknown): number {
  return requiredInteger({ 'sample.every': value }, 'sample.every', [1, Number.MAX_SAFE_INTEGER]);
}

function intervalOf(value: unknown): number {
  return requiredInteger(optionsOf(value, ['interval'], 'sample'), 'sample.interval', [1, LONGEST]);
}
