// queue — what waits until an asynchronous hook has its answer: messages that were read, and what stands between them.
// Held by runner.ts. Invariant: order is kept; messages in it are in memory of their own; their bytes are counted.
// Source: Erlang's mailbox; promise F1.

import { LENGTH_MASK } from '../wire.ts';
import type { Laid } from './outlet.ts';

/** Messages, some of which have been dealt with. */
interface Unhandled {
  readonly raw: Laid;
  next: number;
  /** All of them have been. */
  readonly done: (() => void) | undefined;
}
/** A hook that stands behind messages. */
interface Due {
  readonly run: () => void;
  /** It stands behind the last message of an attempt. */
  readonly ends: boolean;
}
type Item = Unhandled | Due;

/** What one of them costs beside its memory, so that many small ones are bounded too. */
const OVERHEAD = 256;
/** The part of the list that has been taken is cut off when it is so long. */
const CUT = 1_024;

/** @internal */
export class HandlingQueue {
  #items: Item[] = [];
  #head = 0;
  #bytes = 0;

  get empty(): boolean {
    return this.#head === this.#items.length;
  }
  /** Of messages. */
  get bytes(): number {
    return this.#bytes;
  }
  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  add(item: Item): void {
    this.#items.push(item);
    this.#bytes += costOf(item);
  }

  /** Before all others; only while what it belongs to is being dealt with. */
  putFirst(item: Item): void {
    if (this.#head > 0) this.#items[--this.#head] = item;
    else this.#items.unshift(item);
    this.#bytes += costOf(item);
  }

  /** The first is dealt with. */
  shift(): void {
    const first = this.first;
    if (!first) return;
    this.#bytes -= costOf(first);
    this.#head++;
    if (this.#head < CUT && !this.empty) return;
    this.#items.splice(0, this.#head);
    this.#head = 0;
  }

  /** Messages go, as if they had been dealt with: all, or those of the attempt that is being dealt with. Returns whether
   *  that has ended. */
  dropMessages(all: boolean): boolean {
    const items = this.#items.slice(this.#head);
    const end = items.findIndex((item) => 'run' in item && item.ends);
    const goes = (item: Item, at: number): item is Unhandled => 'raw' in item && (all || end < 0 || at < end);
    this.#items = items.filter((item, at) => !goes(item, at));
    this.#head = 0;
    this.#bytes = this.#items.reduce((sum, item) => sum + costOf(item), 0);
    items.forEach((item, at) => {
      if (goes(item, at)) item.done?.();
    });
    return end >= 0;
  }
}

function costOf(item: Item): number {
  return 'raw' in item ? item.raw.slab.byteLength + OVERHEAD : 0;
}

/** The messages from `from` on, in memory of their own. @internal */
export function ownCopy({ slab, index: whole, count, ...flags }: Laid, from: number): Laid {
  const index = whole.slice(2 * from, 2 * count);
  const start = index[0] ?? 0;
  let end = start;
  let bytes = 0;
  for (let at = 0; at < index.length; at += 2) {
    const length = (index[at + 1] ?? 0) & LENGTH_MASK;
    end = (index[at] ?? 0) + length;
    bytes += length;
    index[at] = (index[at] ?? 0) - start;
  }
  // Not slice(): that of a Buffer does not copy.
  return { ...flags, slab: new Uint8Array(slab.subarray(start, end)), index, count: count - from, bytes };
}
