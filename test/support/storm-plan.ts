// storm-plan — what a transfer storm does, all of it decided by its seed: no thread decides anything by itself.
// Used by storm.ts and storm-actor.ts, in every thread of a storm.
// Invariant: the plan of a turn depends on seed and turn only, so that a storm can be run again.

import { mulberry32 } from './chance.ts';

/** How an owner reads. `inside`: it gives the feed away inside its loop, not after a break. */
export const WAYS = [
  'iterator',
  'iterator-inside',
  'batches',
  'batches-inside',
  'borrow',
  'await',
  'events',
] as const;
export type Way = (typeof WAYS)[number];

/** Ways of a hand-over that must fail, or may. */
export const FAULTS = [
  'deaf', // nobody waits there
  'abort', // a signal, at a random moment
  'refused',
  'closed', // a port whose other end is closed
  'closing', // a port whose other end closes now
  'no-thread',
  'far-end',
  'not-cloneable',
  'second', // while another is under way
  'tight', // a deadline of 0 to 2 ms, to a target that would take it
] as const;
export type Fault = (typeof FAULTS)[number];

/** The road an offer takes. `late`: who takes there looks now and then only. */
export const ROADS = ['port', 'port', 'port', 'thread', 'parent', 'late'] as const;
export type Road = (typeof ROADS)[number];

export interface Storm {
  readonly name: string;
  readonly seed: number;
  /** Messages of one feed. */
  readonly messages: number;
  readonly transfers: number;
  /** Bytes of a frame: 64 or 1024. */
  readonly frame: 64 | 1024;
  /** Feeds, one after another. */
  readonly feeds: number;
  /** The server closes behind its last message, whoever owns the feed then, and in the midst of a hand-over. */
  readonly closes: boolean;
  /** Threads that own in turn; the first is main when `main` is set. */
  readonly threads: number;
  readonly main: boolean;
  /** Each owner is slower than the feed, and busy when its taker says yes. */
  readonly slow: boolean;
  /** Mean number of failing hand-overs before each that comes about. */
  readonly faults: number;
  /** Main's event loop stands still again and again. */
  readonly blockMain: boolean;
}

/** What goes along in `data`. */
export interface Baton {
  readonly feed: number;
  readonly turn: number;
  /** The number that comes next. */
  readonly next: number;
  /** How often a hand-over failed, by code. */
  readonly failed: Readonly<Record<string, number>>;
}

export interface Turn {
  readonly way: Way;
  /** Give it away as soon as `next` is this. */
  readonly cut: number;
  readonly faults: readonly Fault[];
  /** Whom to give it to. */
  readonly target: number;
  readonly road: Road;
  readonly random: () => number;
}

/** The plan of a turn of thread `me`. */
export function planTurn(storm: Storm, { feed, turn }: Baton, me: number): Turn {
  const { seed, messages, transfers, threads } = storm;
  const random = mulberry32(seed + Math.imul(turn + 1, 0x9e3779b1) + Math.imul(feed, 0x85ebca6b));
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T; // Never empty.
  // Somewhere in the turn's share of all messages: sometimes two cuts fall together, and a turn reads nothing.
  const share = messages / (transfers + 1);
  const place = random() < 0.2 ? 1 : random();
  const last = turn >= transfers && !storm.closes;
  const cut = last ? messages : Math.floor((turn + place) * share);
  const faults: Fault[] = [];
  for (let left = storm.faults * 2 * random(); left > 0.5; left--) faults.push(one(FAULTS));
  const target = (me + 1 + Math.floor(random() * (threads - 1))) % threads;
  const road = one(storm.faults > 0 ? ROADS : (['port', 'thread', 'parent'] as const));
  return { way: one(WAYS), cut, faults, target, road, random };
}
