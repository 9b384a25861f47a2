// storm-actor — one owner among the threads of a transfer storm: takes the feed, reads its share, gives it on.
// Run by storm-worker.ts in each thread, and by storm.ts in main.
// Invariant: every number that a user is given is the one after the last; anything else ends the storm with a
// sentence. What it knows goes along in `data`, so a message that two owners get, or none, is found.

import { setMaxListeners } from 'node:events';
import { setTimeout as pause, setImmediate as turnOfLoop } from 'node:timers/promises';
import { type MessagePort, parentPort, type Worker } from 'node:worker_threads';
import {
  type Connection,
  connect,
  type Message,
  type OpenOptions,
  type Received,
  receiveOwnership,
  type WsStream,
} from '../../lib/index.ts';
import { block } from './blocking.ts';
import { attempt, type Roads } from './storm-faults.ts';
import { type Baton, planTurn, type Storm, type Turn } from './storm-plan.ts';
import { type Holder as Reading, readers } from './storm-readers.ts';

export type Feed = WsStream<Connection>;

/** What a thread is given to take part. */
export interface Setup {
  readonly storm: Storm;
  readonly me: number;
  /** Thread ids, by place. */
  readonly threadIds: readonly number[];
  /** To give by, and to take by, each other thread; nothing at its own place. */
  readonly give: readonly (MessagePort | undefined)[];
  readonly take: readonly (MessagePort | undefined)[];
  /** The same, where the other looks now and then only. */
  readonly giveLate: readonly (MessagePort | undefined)[];
  readonly takeLate: readonly (MessagePort | undefined)[];
  /** Nobody ever takes there. */
  readonly deaf: MessagePort;
  /** Everything is refused there; and where this thread refuses for another. */
  readonly refused: MessagePort;
  readonly refuse: MessagePort;
}

/** Which feed is to be opened, and how. */
export interface Begin {
  readonly url: string;
  readonly options?: OpenOptions | undefined;
  readonly feed: number;
}

/** What a thread tells. */
export type Report =
  | { readonly type: 'turn'; readonly me: number; readonly baton: Baton; readonly way: string }
  | { readonly type: 'done'; readonly baton: Baton }
  | { readonly type: 'broken'; readonly message: string };

export class Actor {
  readonly #setup: Setup;
  readonly #report: (report: Report) => void;
  /** The workers by place, in main. */
  readonly #workers: readonly (Worker | undefined)[];
  readonly #stop = new AbortController();

  constructor(setup: Setup, report: (report: Report) => void, workers: readonly (Worker | undefined)[] = []) {
    this.#setup = setup;
    this.#report = report;
    this.#workers = workers;
  }

  /** Takes from now on, by every road. */
  start(): void {
    const { take, takeLate, refuse } = this.#setup;
    const { signal } = this.#stop;
    setMaxListeners(0, signal); // One for each road.
    for (const port of take) if (port) this.#serve(receiveOwnership.all<Baton>(port, { signal }));
    for (const worker of this.#workers)
      if (worker) this.#serve(receiveOwnership.all<Baton>(worker, { signal }));
    this.#serve(receiveOwnership.all<Baton>({ signal }));
    for (const port of takeLate) if (port) this.#serve(this.#takeLate(port));
    this.#serve(receiveOwnership.all<Baton>(refuse, { signal, accept: () => false }));
  }

  /** Opens the feed: the first turn is this thread's. */
  begin({ url, options, feed }: Begin): void {
    this.#guard(async () => {
      await this.#turn(await connect(url, options), { feed, turn: 0, next: 0, failed: {} });
    });
  }

  stop(): void {
    this.#stop.abort();
    const { give, take, giveLate, takeLate, deaf, refused, refuse } = this.#setup;
    for (const port of [...give, ...take, ...giveLate, ...takeLate, deaf, refused, refuse]) port?.close();
  }

  #serve(taken: AsyncIterable<Received<Baton>>): void {
    this.#guard(async () => {
      for await (const { feed, data } of taken) await this.#turn(feed, data);
    });
  }

  async *#takeLate(port: MessagePort): AsyncGenerator<Received<Baton>> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const received = await receiveOwnership<Baton>(port, { signal, timeout: 1 }).catch((error) => {
        if (error.code !== 'ERR_GUNPORT_TIMEOUT') throw error;
      });
      if (received) yield received;
      await pause(5 + Math.random() * 15, undefined, { signal });
    }
  }

  #guard(run: () => Promise<void>): void {
    run().catch((error) => {
      if (this.#stop.signal.aborted) return;
      this.#report({ type: 'broken', message: `thread ${this.#setup.me}: ${error.stack ?? error}` });
    });
  }

  /** From the moment it is taken until somebody else has it. */
  async #turn(feed: Feed, data: Baton): Promise<void> {
    const { storm, me } = this.#setup;
    const plan = planTurn(storm, data, me);
    const holder = new Holder(feed, data, storm, plan, this.#roads());
    this.#report({ type: 'turn', me, baton: data, way: plan.way });
    await readers[plan.way](holder);
    if (holder.given) return;
    await feed.close();
    this.#report({ type: 'done', baton: holder.baton });
  }

  #roads(): Roads {
    const { give, giveLate, threadIds, deaf, refused, me } = this.#setup;
    return {
      deaf,
      refused,
      target: (place, road) => {
        const port = (road === 'late' ? giveLate : give)[place];
        if (!port) throw new Error(`thread ${me} has no port to ${place}`);
        if (road === 'thread') return { threadId: threadIds[place] ?? -1 };
        if (road === 'parent')
          return this.#workers[place] ?? (threadIds[place] === 0 && parentPort ? parentPort : port);
        return port;
      },
    };
  }
}

/** The feed while one turn lasts. Readers tell it every message, and ask it to give the feed away at a cut. */
class Holder implements Reading {
  readonly feed: Feed;
  readonly #storm: Storm;
  readonly #plan: Turn;
  readonly #roads: Roads;
  readonly #failed: Record<string, number>;
  readonly #turn: number;
  readonly #number: number;
  #faults = 0;
  #next: number;
  #cut: number;
  #giving = false;
  #doing = 'nothing yet';
  #ended = false;
  /** It is another's. */
  given = false;

  constructor(
    feed: Feed,
    { feed: number, turn, next, failed }: Baton,
    storm: Storm,
    plan: Turn,
    roads: Roads,
  ) {
    this.feed = feed;
    this.#number = number;
    this.#turn = turn;
    this.#next = next;
    this.#failed = { ...failed };
    this.#storm = storm;
    this.#plan = plan;
    this.#roads = roads;
    this.#cut = plan.cut;
  }

  get baton(): Baton {
    return { feed: this.#number, turn: this.#turn, next: this.#next, failed: this.#failed };
  }

  /** All messages of the feed have been read. */
  get over(): boolean {
    const { closes, transfers, messages } = this.#storm;
    if (this.given || closes) return this.#ended;
    return this.#turn >= transfers && this.#next === messages;
  }

  /** This turn reads no more. */
  get finished(): boolean {
    return this.given || this.over;
  }

  /** It is time to give it away. */
  get isCut(): boolean {
    return this.#next >= this.#cut && !this.over;
  }

  /** The server has closed. */
  end(): void {
    const { closes, messages } = this.#storm;
    if (!closes || this.#next !== messages) {
      throw new Error(`turn ${this.#turn} (${this.#plan.way}): it ended before message ${this.#next}`);
    }
    this.#ended = true;
  }

  /** A message was given to the user. */
  message(bytes: Message): void {
    if (typeof bytes === 'string') throw new Error(`a text came: ${bytes}`);
    // A frame's header has two bytes or four, and its number is at byte 4.
    const at = this.#storm.frame === 64 ? 2 : 0;
    const number = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)) + bytes[at + 3]! * 0x1000000;
    if (number !== this.#next) {
      throw new Error(`turn ${this.#turn} (${this.#plan.way}): ${number} came in place of ${this.#next}`);
    }
    if (this.#giving || this.given)
      throw new Error(`turn ${this.#turn}: ${number} came after the cut (${this.#doing})`);
    this.#next++;
    if (this.#storm.slow && this.#next % 32 === 0) block(0.1);
  }

  /** Tries to give it away: a fault that is due, or the real thing. It is `given`, or is read on. */
  async giveAway(): Promise<void> {
    const { faults, random, target, road } = this.#plan;
    const fault = faults[this.#faults++];
    this.#giving = true;
    this.#doing = `feed ${this.#number}, ${fault ?? road}`;
    const to = this.#roads.target(target, fault === 'tight' ? 'port' : road);
    const data: Baton = { ...this.baton, turn: this.#turn + 1 };
    const done = fault
      ? attempt(fault, { feed: this.feed, data, to, roads: this.#roads, random })
      : attempt(road === 'late' ? 'late' : 'real', { feed: this.feed, data, to, roads: this.#roads, random });
    if (this.#storm.slow) block(2 * random());
    const code = await done.catch((error) => {
      // The server was faster: what it sent is read to its end.
      if (this.#storm.closes && error.message.includes('ERR_GUNPORT_DOWN')) return 'ERR_GUNPORT_DOWN';
      throw error;
    });
    this.#giving = false;
    this.#doing += ` ended with ${code}`;
    if (code === undefined) {
      this.given = true;
      return;
    }
    this.#failed[code] = (this.#failed[code] ?? 0) + 1;
    // Nothing may be lost: read on a little, and try again. What is over is not read on.
    const soon = Math.min(this.#next + Math.floor(random() * 100), this.#storm.messages);
    this.#cut = code === 'ERR_GUNPORT_DOWN' ? Number.POSITIVE_INFINITY : soon;
    if (random() < 0.3) await turnOfLoop();
  }
}
