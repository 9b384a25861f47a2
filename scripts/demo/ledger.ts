// ledger — what the owners of the feed have counted so far; it goes along with the feed, from owner to owner.
// Written by the owner (consumer.ts), handed over as `data`, and shown to main through shared memory.
// Invariant: there is one ledger, in the hands of the one owner: a message that was lost, repeated or overtaken
// on the way between two owners shows in it like any other. Main only reads, and needs nobody's turn to do so.

import type { Batch } from '../../lib/index.ts';
import { numberOf } from './trade.ts';

/** The counts that main sees, all integers. */
const NAMES = [
  'messages',
  'bytes',
  'gaps', // numbers that never came
  'repeats',
  'reorders', // numbers that came after a higher one
  'broken', // messages that are no trade
  'handOvers',
  'failures', // hand-overs that did not come about
  'silence', // longest time from a hand-over's call to the new owner's first message, in microseconds
  'owner', // index of the consumer, -1 before the first
  'since', // when it became the owner, in milliseconds of clock.ts
] as const;

export type Counts = Record<(typeof NAMES)[number], number>;

export interface Ledger extends Counts {
  /** The number that must come next. */
  next: number;
  /** Ranges of numbers that were jumped over, the end not included; a late one is a reorder, not a repeat. */
  missing: [from: number, to: number][];
}

/** Nothing counted yet. */
export function newLedger(first: number): Ledger {
  const zeros = Object.fromEntries(NAMES.map((name) => [name, 0]));
  // Every name of Counts is in NAMES.
  return { ...(zeros as Counts), owner: -1, next: first, missing: [] };
}

/** Enters one batch. */
export function enter(ledger: Ledger, batch: Batch): void {
  const { length } = batch;
  let { next } = ledger;
  let bytes = 0;
  for (let i = 0; i < length; i++) {
    const message = batch.bytes(i);
    bytes += message.length;
    const number = numberOf(message);
    if (number === next) next++;
    else next = amiss(ledger, number, next);
  }
  ledger.next = next;
  ledger.messages += length;
  ledger.bytes += bytes;
}

/** Another number than the one that must come next; returns the next one. */
function amiss(ledger: Ledger, number: number, next: number): number {
  if (number < 0) {
    ledger.broken++;
    return next;
  }
  if (number > next) {
    ledger.gaps += number - next;
    ledger.missing.push([next, number]);
    return number + 1;
  }
  const at = ledger.missing.findIndex(([from, to]) => number >= from && number < to);
  const range = ledger.missing[at];
  if (!range) ledger.repeats++;
  else {
    ledger.reorders++;
    ledger.gaps--;
    const [from, to] = range;
    const rest: Ledger['missing'] = [
      [from, number],
      [number + 1, to],
    ];
    ledger.missing.splice(at, 1, ...rest.filter(([start, end]) => start < end));
  }
  return next;
}

/** The counts in shared memory: the owner of the feed writes, main reads, also what happened while it was blocked. */
export class Board {
  readonly memory: SharedArrayBuffer;
  readonly #words: BigInt64Array;

  constructor(
    memory: SharedArrayBuffer = new SharedArrayBuffer(NAMES.length * BigInt64Array.BYTES_PER_ELEMENT),
  ) {
    this.memory = memory;
    this.#words = new BigInt64Array(memory);
  }

  publish(counts: Counts): void {
    // Written by the one owner, read by main; each word is true by itself, and main needs no order between them.
    NAMES.forEach((name, word) => void Atomics.store(this.#words, word, BigInt(Math.round(counts[name]))));
  }

  read(): Counts {
    const entries = NAMES.map((name, word) => [name, Number(Atomics.load(this.#words, word))]);
    return Object.fromEntries(entries) as Counts; // Every name of Counts is in NAMES.
  }
}
