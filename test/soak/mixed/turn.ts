// turn — what the owner of a feed does with it until somebody else has it: reads it in one of all ways, checks each
// message, asks for this and that, and gives it on; hand-overs that must fail come before the one that counts.
// Run in main and in each consumer's thread (consumer.ts).
// Invariant: it resolves when the feed is another's or has ended, and rejects with what should not have been. What ends
// with a thread that was struck is no fault; anything else is.

import { setTimeout as pause } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { type Down, GunportError, type Message, type TransferTarget } from '../../../lib/index.ts';
import { block } from '../../support/blocking.ts';
import { mulberry32 } from '../../support/chance.ts';
import type { Feed } from '../../support/storm-actor.ts';
import { attempt } from '../../support/storm-faults.ts';
import { FAULTS, type Fault, WAYS } from '../../support/storm-plan.ts';
import { type Holder, readers } from '../../support/storm-readers.ts';
import type { Tracker } from '../../support/tracker.ts';
import type { Ledger } from './ledger.ts';

/** What goes along in `data`. */
export interface Baton {
  readonly type: 'feed';
  readonly page: number;
  readonly seed: number;
  /** Hand-overs that are left. */
  readonly hops: number;
  /** It lives as long as the soak, and is at home, in main, at each rest. */
  readonly veteran: boolean;
}

/** What a thread has to take part. */
export interface Ground {
  readonly threadId: number;
  readonly ledger: Ledger;
  readonly tracker: Tracker;
  /** Nobody ever takes there. */
  readonly deaf: MessagePort;
  /** Everything is refused there. */
  readonly refused: MessagePort;
  /** Another thread; `home`: main. */
  target(random: () => number, home: boolean): Aim;
  /** A hand-over has come about here. */
  handedOver(): void;
  /** Hand-overs that are under way from here: each has ports and a timer, for as long as its target takes. */
  giving: number;
}

/** Whom to give a feed to. */
export interface Aim {
  readonly to: TransferTarget;
  readonly threadId: number;
}

const DOWN = 'ERR_GUNPORT_DOWN';
/** How a hand-over may end where connections and their targets are killed. */
const KILLED: readonly string[] = [DOWN, 'ERR_GUNPORT_TARGET_DEAD'];
const LATE_OFFER = 'ERR_GUNPORT_TRANSFER_TIMEOUT';
/** In milliseconds. */
const PATIENCE = 10_000;
/** How a call may end that has met a lost socket, a hand-over or a kill. */
const LATE: ReadonlySet<string> = new Set([
  ...[
    DOWN,
    'ERR_GUNPORT_CLOSED',
    'ERR_GUNPORT_NOT_CONNECTED',
    'ERR_GUNPORT_NOT_OWNER',
    'ERR_GUNPORT_CLOSING',
  ],
  ...['ERR_GUNPORT_TRANSFERRING', 'ERR_GUNPORT_OVERLOADED', 'ERR_GUNPORT_TIMEOUT', 'ERR_GUNPORT_PROTOCOL'],
  ...['ERR_GUNPORT_PONG_TIMEOUT'],
]);

/** From the moment it is taken until it is another's, or over. */
export async function turn(feed: Feed, baton: Baton, ground: Ground): Promise<void> {
  const { ledger } = ground;
  const { connection } = feed;
  ledger.owned(baton.page, ground.threadId);
  const heard: Down[] = [];
  const monitor = connection.monitor((down) => heard.push(down));
  const watched = baton.veteran
    ? monitor.down
    : ground.tracker.note(`monitor of ${connection.id}`, monitor.down);
  const one = new Turn(feed, baton, ground);
  try {
    await readers[one.way](one);
  } catch (error) {
    const excused = error instanceof GunportError && !one.given && ledger.isStruck(connection.threadId);
    if (!excused) throw one.named(error);
  }
  if (one.given) {
    if ((await watched) !== undefined || heard.length > 0)
      throw new Error(`a monitor has heard of a Down after the hand-over`);
    return;
  }
  await one.leave();
  await watched;
  if (heard.length !== 1) throw new Error(`a monitor of ${connection.id} has heard ${heard.length} Downs`);
}

class Turn implements Holder {
  readonly feed: Feed;
  readonly way: (typeof WAYS)[number];
  readonly #baton: Baton;
  readonly #ground: Ground;
  readonly #random: () => number;
  readonly #until: number;
  readonly #slow: boolean;
  #faults: Fault[] = [];
  #left: number;
  #read = 0;
  #giving = false;
  #ended = false;
  /** Its process is gone: what has come is read to its end. */
  #dead = false;
  given = false;

  constructor(feed: Feed, baton: Baton, ground: Ground) {
    this.feed = feed;
    this.#baton = baton;
    this.#ground = ground;
    const random = mulberry32(baton.seed + Math.imul(baton.hops, 0x9e3779b1));
    this.#random = random;
    // One that waits for a notice has a timer, which would be counted at a rest.
    this.way = this.#one(baton.veteran ? WAYS.filter((one) => one !== 'await') : WAYS);
    this.#left = Math.floor(random() * (random() < 0.3 ? 5 : 400));
    this.#until = performance.now() + 20 + random() * 800;
    this.#slow = random() < 0.1;
    for (let left = random() * 3; left > 1; left--) this.#faults.push(this.#one(FAULTS));
  }

  get over(): boolean {
    const { hops, veteran } = this.#baton;
    if (this.given || this.#ended || this.#dead) return this.#ended;
    if (veteran) return this.#ground.ledger.ending;
    return this.#isDue && (hops <= 0 || this.#ground.ledger.resting);
  }
  get finished(): boolean {
    return this.given || this.over;
  }
  get isCut(): boolean {
    if (this.#dead || this.over) return false;
    if (this.#baton.veteran && this.#ground.ledger.resting) return this.#ground.threadId !== 0;
    return this.#isDue;
  }
  get #isDue(): boolean {
    return this.#left <= 0 || performance.now() > this.#until || this.#ground.ledger.resting;
  }

  end(): void {
    if (!this.#ground.ledger.isStruck(this.feed.connection.threadId)) throw new Error('the feed has ended');
    this.#ended = true;
  }

  message(message: Message): void {
    this.#ground.ledger.message(this.#baton.page, message);
    if (this.#giving || this.given) throw new Error('a message came after the cut');
    this.#left--;
    this.#read++;
    if (this.#slow && this.#read % 16 === 0) block(1);
    if (this.#random() < 0.005) this.#aside();
  }

  async giveAway(): Promise<void> {
    const { deaf, refused, ledger } = this.#ground;
    const random = this.#random;
    const home = ledger.resting;
    const fault = home ? undefined : this.#faults.pop();
    const kind = fault ?? 'real';
    const { seed, ...rest } = this.#baton;
    const data: Baton = { ...rest, seed: seed + 1, hops: rest.hops - 1 };
    const { to, threadId } = this.#ground.target(random, home);
    ledger.offered(this.#baton.page, threadId);
    const roads = { deaf, refused, target: () => to };
    this.#giving = true;
    const also = fault ? KILLED : [...KILLED, LATE_OFFER];
    const all = { feed: this.feed, data, to, roads, random, also, patience: PATIENCE };
    this.#ground.giving++;
    const code = await attempt(kind, all).finally(() => this.#ground.giving--);
    this.#giving = false;
    // Whether an offer was in a thread when that died, nobody can tell; then the deadline has to.
    if (!fault && code === LATE_OFFER && !ledger.isStruck(threadId))
      throw new Error(`thread ${threadId} did not adopt within ${PATIENCE} ms`);
    if (code === undefined) {
      this.given = true;
      ledger.count('handOvers');
      this.#ground.handedOver();
      return;
    }
    ledger.count('failedHandOvers');
    if (code === DOWN) {
      if (!ledger.isStruck(this.feed.connection.threadId)) throw new Error('a hand-over ended with a Down');
      this.#dead = true;
    } else if (random() < 0.5) this.#left = Math.floor(random() * 50);
  }

  /** It ends here, one way or another. */
  async leave(): Promise<void> {
    const { connection } = this.feed;
    this.#ground.ledger.leave(this.#baton.page);
    const ways = [() => this.feed.close(), () => connection.close(), () => connection.shutdown()];
    await this.#ground.tracker.note(`end of ${connection.id}`, this.#one<() => Promise<unknown>>(ways)());
  }

  named(error: unknown): Error {
    const { page, hops } = this.#baton;
    const { connection } = this.feed;
    const where = `page ${page}, hops ${hops}, ${this.way}, ${this.#read} read here, ${connection.id} in ${connection.threadId}`;
    return new Error(`${where}: ${(error as Error).message}`, { cause: error });
  }

  /** Something is asked for on the side. */
  #aside(): void {
    const { feed } = this;
    const { tracker } = this.#ground;
    const asked: Record<string, () => Promise<unknown>> = {
      ping: () => feed.ping(),
      info: () => feed.connection.info(),
      drained: async () => {
        feed.send(['a', new Uint8Array(Math.floor(this.#random() * 50_000))]);
        await feed.drained();
      },
      pause: () => pause(1),
    };
    const name = this.#one(Object.keys(asked));
    tracker.note(`${name} of ${feed.connection.id}`, asked[name]!()).catch((error: { code?: string }) => {
      if (!LATE.has(error.code ?? '')) throw this.named(error);
    });
  }

  #one<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T; // Never empty.
  }
}
