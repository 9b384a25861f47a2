// journey — a feed of numbered messages that is read by one thread after another, handed on in the midst of it.
// Used by tests with peers that others have written: `await journey(on, feed, { pattern, last, share })`, where `on` is
// what movers() gave. Invariant: each owner reads in another way than the one before, stops at its share, wherever in a
// parcel that is, and gives the feed away at once; what it returns is what all of them have read, in that order.

import type { Message } from '../../lib/index.ts';
import type { Feed } from './feeds.ts';
import type { Movers } from './handed.ts';
import type { TestThread } from './thread.ts';

const WAYS = ['for await', 'batches', 'events'] as const;
type Way = (typeof WAYS)[number];

export interface Route {
  /** A regular expression that finds the number of a message; messages without one are passed by. */
  readonly pattern: string;
  /** Where it ends. */
  readonly last: number;
  /** Numbers for each owner; a batch is taken whole. */
  readonly share: number;
}

export interface Journey {
  readonly numbers: readonly number[];
  readonly transfers: number;
}

/** Main, one thread, the other, the first, main … until the last number. */
export async function journey(on: Movers, feed: Feed, { pattern, last, share }: Route): Promise<Journey> {
  const numbers: number[] = [];
  let here = feed;
  for (let leg = 0; ; leg++) {
    const owner = ownerOf(leg);
    if (leg > 0) await hand(ownerOf(leg - 1), owner);
    const task = [pattern, last, share, WAYS[leg % WAYS.length]!] as const;
    numbers.push(...(await (owner ? owner.run(read, ...task) : read({ feed: here }, ...task))));
    if (numbers.at(-1) === last || numbers.length > last) return { numbers, transfers: leg };
  }

  /** Main is undefined. Nobody twice in a row, and each of the three reads in each of the three ways. */
  function ownerOf(leg: number): TestThread | undefined {
    return [undefined, on.a, on.b][(leg + Math.floor(leg / 3)) % 3];
  }

  async function hand(from: TestThread | undefined, to: TestThread | undefined): Promise<void> {
    if (from && to) return on.pass(from, to);
    if (to) return on.giveTo(to, here);
    // What is read here is a WebSocket.
    if (from) here = (await on.back(from)) as unknown as Feed;
  }
}

/** Runs in a thread as well, from its source: it sees its arguments only. */
async function read(
  { feed }: { feed: Feed },
  pattern: string,
  last: number,
  count: number,
  way: Way,
): Promise<number[]> {
  const numbered = new RegExp(pattern);
  const numbers: number[] = [];
  const isEnough = (message: Message): boolean => {
    const text = typeof message === 'string' ? message : Buffer.from(message.subarray(0, 200)).toString();
    const found = numbered.exec(text);
    if (found) numbers.push(Number(found[1]));
    return numbers.length >= count || numbers.at(-1) === last;
  };
  if (way === 'for await') {
    for await (const message of feed) if (isEnough(message)) break;
  } else if (way === 'batches') {
    for await (const batch of feed.batches()) {
      let enough = false;
      for (const message of batch) enough = isEnough(message);
      if (enough) break;
    }
  } else {
    await new Promise<void>((resolve, reject) => {
      const onMessage = (message: Message): void => {
        if (!isEnough(message)) return;
        feed.off('message', onMessage);
        feed.off('error', reject);
        resolve();
      };
      feed.on('error', reject);
      feed.on('message', onMessage);
    });
  }
  return numbers;
}
