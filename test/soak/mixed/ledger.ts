// ledger — what each feed has given to its owners so far, in memory that all threads share; and what is counted.
// Written by whoever owns a feed at the moment (turn.ts), read by soak.ts. That a page has changed is told by the messages
// of the hand-over, behind which it is read.
// Invariant: of each WebSocket every message comes once and in order, whichever threads it was given to; of one that ended
// politely, all of them. What an owner's thread took with it when it died is a gap that is allowed, once.
// Source: promises O1, O2, O8.

import type { Message } from '../../../lib/index.ts';
import { stampOf } from './stamps.ts';

/** What is counted, over all threads. */
export const COUNTED = {
  messages: 0,
  journeys: 1,
  handOvers: 2,
  failedHandOvers: 3,
  reconnects: 4,
  orphans: 5,
  requests: 6,
  cutRequests: 7,
  events: 8,
  echoes: 9,
  refusals: 10,
  pools: 11,
  storms: 12,
  kills: 13,
  ownerKills: 14,
  blocks: 15,
} as const;
export type Counted = keyof typeof COUNTED;

/** Words of a feed's page. */
const KEY = 0;
const NEXT = 1;
/** 1: the thread that had it has died with what was posted to it. */
const GAP = 2;
/** Thread of the owner. */
const OWNER = 3;
/** 1: its owner has begun to end it. */
const LEFT = 4;
/** Thread that it was last offered to: it may have died with it before it could say so. */
const HEIR = 5;
const PAGE = 6;
/** Of feeds that can be told apart. */
export const PAGES = 4_096;
const RESTING = 16;
const ENDING = RESTING + 1;
const FIRST = ENDING + 1;
/** Threads that were struck: a byte each. Ids only grow. */
const THREADS = 1 << 20;

export interface Shared {
  readonly words: SharedArrayBuffer;
  readonly struck: SharedArrayBuffer;
}

export function shared(): Shared {
  return { words: new SharedArrayBuffer(4 * (FIRST + PAGES * PAGE)), struck: new SharedArrayBuffer(THREADS) };
}

export class Ledger {
  readonly #words: Int32Array;
  readonly #struck: Uint8Array;

  constructor({ words, struck }: Shared) {
    this.#words = new Int32Array(words);
    this.#struck = new Uint8Array(struck);
  }

  // Counters and flags: any thread adds or looks, and no order is relied on.

  count(name: Counted, times = 1): void {
    Atomics.add(this.#words, COUNTED[name], times);
  }
  counted(name: Counted): number {
    return Atomics.load(this.#words, COUNTED[name]);
  }
  /** Whoever is at a safe point goes no further. */
  get resting(): boolean {
    return Atomics.load(this.#words, RESTING) === 1;
  }
  set resting(resting: boolean) {
    Atomics.store(this.#words, RESTING, resting ? 1 : 0);
  }
  /** Veterans end, too. */
  get ending(): boolean {
    return Atomics.load(this.#words, ENDING) === 1;
  }
  set ending(ending: boolean) {
    Atomics.store(this.#words, ENDING, ending ? 1 : 0);
  }
  /** It is about to be killed: what ends with it is no fault. */
  strike(threadId: number): void {
    Atomics.store(this.#struck, threadId, 1);
  }
  isStruck(threadId: number): boolean {
    return threadId >= 0 && Atomics.load(this.#struck, threadId) === 1;
  }

  // ── pages: only the owner of the moment writes ──

  /** A fresh page. */
  begin(page: number): void {
    this.#words.fill(0, this.#at(page), this.#at(page) + PAGE);
  }
  owned(page: number, threadId: number): void {
    Atomics.store(this.#words, this.#at(page) + OWNER, threadId);
  }
  ownerOf(page: number): number {
    return Atomics.load(this.#words, this.#at(page) + OWNER);
  }
  offered(page: number, threadId: number): void {
    Atomics.store(this.#words, this.#at(page) + HEIR, threadId);
  }
  /** Whoever has it, or may have it, was struck. */
  hasDeadOwner(page: number): boolean {
    return [OWNER, HEIR].some((word) => this.isStruck(Atomics.load(this.#words, this.#at(page) + word)));
  }
  leave(page: number): void {
    this.#words[this.#at(page) + LEFT] = 1;
  }
  isLeft(page: number): boolean {
    return this.#words[this.#at(page) + LEFT] === 1;
  }
  /** Its owner has died: what was posted to that is lost. */
  gap(page: number): void {
    this.#words[this.#at(page) + GAP] = 1;
  }

  /** A message was given to a user. @throws it is not the next one. */
  message(page: number, message: Message): void {
    const { key, number, beforeKey, beforeCount } = stampOf(message);
    const at = this.#at(page);
    const [lastKey = 0, next = 0, gap] = this.#words.subarray(at, at + PAGE);
    const wrong = gap === 1 ? afterGap({ lastKey, next, key, number }) : follows();
    if (wrong) throw new Error(`${wrong}: ${number} of ${key} came in place of ${next} of ${lastKey}`);
    if (key !== lastKey && lastKey > 0) this.count('reconnects');
    this.#words[at + KEY] = key;
    this.#words[at + NEXT] = number + 1;
    this.#words[at + GAP] = 0;
    this.count('messages');

    function follows(): string | undefined {
      if (key === lastKey) return number === next ? undefined : number < next ? 'repeated' : 'lost';
      if (key < lastKey) return 'reordered';
      if (number !== 0) return 'lost at the beginning';
      // Without a message, the one before has left no trace here.
      const exact = lastKey > 0 && beforeKey === lastKey && beforeCount >= 0;
      return exact && beforeCount !== next ? `lost before a polite end behind ${beforeCount}` : undefined;
    }
  }

  #at(page: number): number {
    return FIRST + page * PAGE;
  }
}

/** Some may be missing; none may come again. */
function afterGap(all: { lastKey: number; next: number; key: number; number: number }): string | undefined {
  const { lastKey, next, key, number } = all;
  if (key < lastKey) return 'reordered';
  return key === lastKey && number < next ? 'repeated' : undefined;
}
