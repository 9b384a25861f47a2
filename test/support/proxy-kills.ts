// proxy-kills — a WebSocket through two proxies and TLS that is moved among three threads, while its proxies are killed and
// come back: it goes on wherever it is, from 0 on, in order.
// Used by tunnels/hand-over.test.ts, and by soak/tunnels.ts for longer.
// Invariant: it rejects with the first number that is in the wrong place; either way nothing of it is left.

import { type Connection, connect, receiveOwnership, type WsStream } from '../../lib/index.ts';
import { asserted } from './asserting.ts';
import { chance } from './chance.ts';
import { type StormRoad, stormRoad } from './storm-road.ts';
import { TestThread } from './thread.ts';

type Feed = WsStream<Connection>;

/** So many turns; the proxies are killed before each fifth of them. */
export async function proxyKills(turns: number, seed: number): Promise<void> {
  const road = await stormRoad();
  const relay = new Relay(await connect(road.url(1e9), { ...road.options, retry: 100, retryTimeout: 10 }));
  try {
    await relay.run(road, turns, seed);
    await relay.end();
  } catch (error) {
    await relay.kill();
    throw new Error(`GUNPORT_SEED=${seed}`, { cause: error });
  } finally {
    await road.close();
  }
}

/** What a reader has read. */
interface Place {
  /** The number that comes next. */
  readonly next: number;
  /** How often the feed began anew. */
  readonly restarts: number;
}

/** The feed, which is with one of three threads: main, and two more. */
class Relay {
  readonly #threads = [new TestThread(), new TestThread()] as const;
  /** In main, where it is there. */
  #feed: Feed;
  /** 0 is main. */
  #owner = 0;
  #place: Place = { next: 0, restarts: 0 };

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  /** Turns of reading and giving away; before each fifth of them the proxies are killed. */
  async run(road: StormRoad, turns: number, seed: number): Promise<void> {
    // A thread that is still starting cannot be told anything.
    await Promise.all(this.#threads.map((thread) => thread.run(() => {})));
    const dice = chance(seed);
    let kills = 0;
    for (let turn = 0; turn < turns; turn++) {
      const kill = turn % 5 === 4;
      const back = kill ? road.restart() : undefined;
      if (kill) kills++;
      const count = 1 + dice(20_000);
      const to = (this.#owner + 1 + dice(2)) % 3;
      // Before it is noticed, while it retries, or after: the dice decide.
      if (dice(2) === 0) await this.#read({ count, until: kill && dice(3) === 0 ? kills : 0 });
      await this.#give(to);
      await this.#read({ count, until: kills });
      await back;
    }
    if (this.#place.restarts !== kills)
      throw new Error(`${this.#place.restarts} restarts after ${kills} kills`);
    asserted();
  }

  async end(): Promise<void> {
    if (this.#owner === 0) await this.#feed.connection.close();
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  /** What is stuck does not end by itself. */
  async kill(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.kill()));
    await this.#feed.connection.close().catch(() => {}); // It may have been another's.
  }

  async #give(to: number): Promise<void> {
    const from = this.#owner;
    const giver = this.#threads[from - 1];
    const taker = this.#threads[to - 1];
    const taken = taker
      ? taker.run((here) => here.take().then(() => {}))
      : receiveOwnership().then(({ feed }) => (this.#feed = feed as Feed)); // It is a WebSocket.
    const threadId = taker?.threadId ?? 0;
    const given = giver
      ? giver.run((here, threadId) => here.feed.transferOwnership({ threadId }), threadId)
      : this.#feed.transferOwnership({ threadId });
    await Promise.all([given, taken]);
    this.#owner = to;
  }

  /** So many messages; and on, until it has begun anew so often. */
  async #read(how: { count: number; until: number }): Promise<void> {
    const thread = this.#threads[this.#owner - 1];
    this.#place = thread
      ? await thread.run(readOn, this.#place, how)
      : await readOn({ feed: this.#feed }, this.#place, how);
  }
}

/** Runs in any thread: it sees its arguments only. @throws when a number is neither the next nor 0 */
async function readOn(
  { feed }: { feed: Feed },
  { next, restarts }: Place,
  { count, until }: { count: number; until: number },
): Promise<Place> {
  let left = count;
  for await (const batch of feed.batches()) {
    for (let i = 0; i < batch.length; i++) {
      const bytes = batch.bytes(i);
      const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(2, true);
      if (number === 0 && next !== 0) restarts++;
      else if (number !== next) throw new Error(`${number} came in place of ${next}`);
      next = number + 1;
      left--;
    }
    if (left <= 0 && restarts >= until) break;
  }
  return { next, restarts };
}
