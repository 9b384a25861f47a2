// httpstorm-actor — one owner among the threads of a storm of requests: takes the connection, reads and sends a share
// of all that is open on it, gives it on.
// Run by httpstorm-worker.ts in each thread, and by httpstorm.ts in main.
// Invariant: every byte that a user is given is the one after the last, whoever got that; what each stream has come to
// stands in memory that all threads share, so that bytes which two owners get, or none, are found at once.

import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { type Connection, type Received, receiveOwnership, type Stream } from '../../lib/index.ts';
import { mulberry32 } from './chance.ts';
import { faultIn, piece } from './counted.ts';

export interface Plan {
  readonly seed: number;
  /** Streams in all, and at a time. */
  readonly streams: number;
  readonly open: number;
  /** Bytes of one, at most. */
  readonly size: number;
  readonly transfers: number;
  /** Answers beside them that go to ports of their own. */
  readonly replied: number;
  /** Mean number of hand-overs that fail, or may, before each that comes about. */
  readonly faults: number;
}

/** What a thread is given to take part. */
export interface Setup {
  readonly plan: Plan;
  readonly me: number;
  /** To give by, and to take by, each other thread; nothing at its own place. */
  readonly give: readonly (MessagePort | undefined)[];
  readonly take: readonly (MessagePort | undefined)[];
  /** Everything is refused there; and where this thread refuses for another. */
  readonly refused: MessagePort;
  readonly refuse: MessagePort;
  /** Nobody ever takes there. */
  readonly deaf: MessagePort;
  readonly shared: SharedArrayBuffer;
}

/** What a thread tells. */
export type Report =
  | { readonly type: 'turn'; readonly turn: number }
  | { readonly type: 'done' }
  | { readonly type: 'broken'; readonly message: string };

/** How long a hand-over may take on a loaded machine, in milliseconds: less than would stop the storm as stuck. */
const PATIENCE = 15_000;

/** Words of the shared memory: some counters, then four for each stream. Only the owner of the moment writes; that it
 *  has changed is told by the messages of the hand-over, behind which the words are read. */
export const WORDS = { begun: 0, turn: 1, failed: 2, reads: 3, first: 4, each: 4 } as const;

export type Answered = Stream<Connection>;
type Random = () => number;

export class Actor {
  readonly #setup: Setup;
  readonly #report: (report: Report) => void;
  readonly #words: Int32Array;
  readonly #stop = new AbortController();

  constructor(setup: Setup, report: (report: Report) => void) {
    this.#setup = setup;
    this.#report = report;
    this.#words = new Int32Array(setup.shared);
  }

  /** Waits for the connection at every road that leads here. */
  start(): void {
    const { signal } = this.#stop;
    for (const source of this.#setup.take) {
      if (!source) continue;
      this.#guard(async () => {
        for await (const received of receiveOwnership.all(source, { signal })) void this.#taken(received);
      });
    }
    this.#guard(async () => {
      await receiveOwnership(this.#setup.refuse, { accept: () => false, signal });
    });
  }

  /** The first owner. */
  begin(connection: Connection): void {
    this.#guard(() => this.#turn(connection));
  }

  stop(): void {
    this.#stop.abort();
    const { give, take, refused, refuse, deaf } = this.#setup;
    for (const port of [...give, ...take, refused, refuse, deaf]) port?.close();
  }

  #taken({ connection }: Received): void {
    this.#guard(() => this.#turn(connection));
  }

  #guard(run: () => Promise<void>): void {
    run().catch((error) => {
      if (this.#stop.signal.aborted) return;
      this.#report({ type: 'broken', message: `thread ${this.#setup.me}: ${error.stack ?? error}` });
    });
  }

  // ── one turn ──────────────────────────────────────────────────────────────────────────────────────────────

  /** From the moment it is taken until somebody else has it, or all is done. */
  async #turn(connection: Connection): Promise<void> {
    const { plan, me } = this.#setup;
    const turn = Atomics.add(this.#words, WORDS.turn, 1);
    const random = mulberry32(plan.seed + Math.imul(turn + 1, 0x9e3779b1));
    const last = turn >= plan.transfers;
    for (;;) {
      const shares = this.#open(connection, random, last);
      if (shares.length === 0) {
        await connection.close();
        return this.#report({ type: 'done' });
      }
      const ends = shares.map((share) => share.run().catch((error: unknown) => ({ error })));
      const all = Promise.all(ends);
      if (!last) {
        await patient(all, random);
        await this.#give(connection, random, me);
      }
      // What they were given before it was another's, they have counted.
      for (const end of await all) if (end && (last || !isNotOwner(end.error))) throw end.error;
      if (!last) return this.#report({ type: 'turn', turn });
    }
  }

  /** What is not done of what is begun, and some more that is begun now. */
  #open(connection: Connection, random: Random, last: boolean): Share[] {
    const { plan } = this.#setup;
    const open: Share[] = [];
    for (let i = 0; i < plan.streams && open.length < plan.open; i++) {
      const share = new Share(this.#words, i, plan);
      if (share.done) continue;
      const begun = this.#words[WORDS.begun] as number; // It is within.
      if (i >= begun) {
        this.#words[WORDS.begun] = i + 1;
        share.begin(connection);
      }
      share.take(connection, random, last);
      open.push(share);
    }
    return open;
  }

  /** After some that fail. */
  async #give(connection: Connection, random: Random, me: number): Promise<void> {
    const { faults } = this.#setup.plan;
    while (random() * (1 + faults) > 1) if (await this.#fault(connection, random)) return;
    await connection.transferOwnership(this.#target(random, me), { timeout: PATIENCE });
  }

  #target(random: Random, me: number): MessagePort {
    const others = this.#setup.give.flatMap((port, place) => (port && place !== me ? [port] : []));
    return others[Math.floor(random() * others.length)] as MessagePort; // There are some.
  }

  /** A hand-over that fails, or may. True: it came about. */
  async #fault(connection: Connection, random: Random): Promise<boolean> {
    const { refused, deaf, me } = this.#setup;
    const attempts = [
      () => connection.transferOwnership(deaf, { timeout: Math.floor(random() * 4) }),
      () => connection.transferOwnership(refused, { timeout: PATIENCE }),
      () => connection.transferOwnership(deaf, { data: () => {} }),
      () => connection.transferOwnership({ threadId: connection.threadId }),
      () => {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), random() * 2);
        return connection.transferOwnership(random() < 0.5 ? deaf : this.#target(random, me), controller);
      },
      () => connection.transferOwnership(this.#target(random, me), { timeout: Math.floor(random() * 3) }),
    ];
    const attempt = attempts[Math.floor(random() * attempts.length)] as () => Promise<void>; // There are six.
    try {
      await attempt();
      return true;
    } catch (error) {
      const { code } = error as { code?: string };
      if (!EXPECTED.has(code)) throw error;
      Atomics.add(this.#words, WORDS.failed, 1);
      return false;
    }
  }
}

/** Until they are through, or some turns of the loop long. */
async function patient(all: Promise<unknown>, random: Random): Promise<void> {
  let through = false;
  void all.then(() => (through = true));
  for (let turns = Math.floor(random() * 30); turns > 0 && !through; turns--) await turnOfLoop();
}

function isNotOwner(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ERR_GUNPORT_NOT_OWNER';
}

const EXPECTED: ReadonlySet<unknown> = new Set([
  'ERR_GUNPORT_TRANSFER_TIMEOUT',
  'ERR_GUNPORT_REFUSED',
  'ERR_GUNPORT_NOT_CLONEABLE',
  'ERR_GUNPORT_OWN_FAR_END',
  'ERR_GUNPORT_ABORTED',
]);

// ── one stream ──────────────────────────────────────────────────────────────────────────────────────────────

/** What one owner does for one stream. */
class Share {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #index: number;
  readonly #size: number;
  #stream: Answered | undefined;
  #way = 0;
  /** Parts that may be read, or sent, in this turn. */
  #left = 0;

  constructor(words: Int32Array, index: number, plan: Plan) {
    this.#words = words;
    this.#index = index;
    this.#at = WORDS.first + WORDS.each * index;
    const random = mulberry32(plan.seed ^ Math.imul(index + 1, 0x85ebca6b));
    this.#size = Math.floor(random() * plan.size);
  }

  /** Every third goes the other way. */
  get #isUpload(): boolean {
    return this.#index % 3 === 2;
  }
  get done(): boolean {
    return this.#words[this.#at + 2] === 1;
  }
  get #offset(): number {
    return this.#words[this.#at + 1] as number; // It is within.
  }

  begin(connection: Connection): void {
    const stream = this.#isUpload
      ? connection.post('/up', this.#index % 2 === 0 ? {} : { headers: { 'content-length': this.#size } })
      : connection.get(`/down?${this.#size}`);
    this.#words[this.#at] = stream.id;
  }

  take(connection: Connection, random: Random, last: boolean): void {
    this.#stream = connection.streams.get(this.#words[this.#at] as number) as Answered | undefined;
    this.#way = Math.floor(random() * 3);
    this.#left = last ? Number.POSITIVE_INFINITY : Math.floor(random() * 4);
  }

  /** To its end, or as far as this turn goes. */
  async run(): Promise<undefined> {
    if (this.#left === 0) return;
    const ended = await (this.#isUpload ? this.#upload() : this.#download());
    if (ended) this.#words[this.#at + 2] = 1;
  }

  // ── down ──

  async #download(): Promise<boolean> {
    const stream = this.#stream;
    // It was read to its end, which nobody was told of: then it is forgotten.
    const read = [this.#loop, this.#breaking, this.#notices][this.#way];
    const ended = stream ? await read?.call(this, stream) : true;
    if (ended && this.#offset !== this.#size) {
      throw new Error(`stream ${this.#index} ended at ${this.#offset} of ${this.#size}`);
    }
    return ended === true;
  }

  async #loop(stream: Answered): Promise<boolean> {
    for await (const chunk of await owned(stream, () => stream[Symbol.asyncIterator]())) {
      if (!this.#given(chunk)) return false;
    }
    return true;
  }

  /** A new loop for each chunk. */
  async #breaking(stream: Answered): Promise<boolean> {
    for (;;) {
      let ended = true;
      for await (const chunk of await owned(stream, () => stream[Symbol.asyncIterator]())) {
        if (!this.#given(chunk)) return false;
        ended = false;
        break;
      }
      if (ended) return true;
    }
  }

  async #notices(stream: Answered): Promise<boolean> {
    for (;;) {
      let notice: Awaited<ReturnType<Connection['await']>>;
      try {
        notice = await stream.connection.await(stream, { timeout: 30_000 });
      } catch (error) {
        if ((error as { code?: unknown }).code === 'ERR_GUNPORT_CLOSED' && stream.state === 'ended')
          return true;
        throw error;
      }
      if (notice.type === 'data' && !this.#given(notice.data)) return false;
    }
  }

  /** True: it may read on. */
  #given(chunk: Uint8Array): boolean {
    const fault = faultIn(chunk, this.#offset);
    if (fault >= 0)
      throw new Error(`stream ${this.#index}: not the next bytes at ${fault}, after ${this.#offset}`);
    this.#words[this.#at + 1] = this.#offset + chunk.byteLength;
    Atomics.add(this.#words, WORDS.reads, 1);
    return --this.#left > 0;
  }

  // ── up ──

  async #upload(): Promise<boolean> {
    const stream = this.#stream;
    if (!stream) throw new Error(`upload ${this.#index} is lost at ${this.#offset} of ${this.#size}`);
    while (this.#offset < this.#size || this.#words[this.#at + 3] !== 1) {
      const to = Math.min(this.#size, this.#offset + 7_000 * (1 + this.#way));
      const last = to === this.#size;
      const bytes = piece(this.#offset, to);
      const send = (): boolean => {
        const more = stream.data(last, bytes);
        this.#words[this.#at + 1] = to;
        if (last) this.#words[this.#at + 3] = 1;
        return more;
      };
      if (this.#left-- <= 0) return false;
      const more = await owned(stream, send);
      if (!more || this.#way === 0) await owned(stream, () => stream.drained({ timeout: 30_000 }));
      else await turnOfLoop();
    }
    const { headers, status } = await owned(stream, () => stream.response({ timeout: 30_000 }));
    const verdict = `${status} ${headers['x-length']} ${headers['x-fault']}`;
    if (verdict !== `200 ${this.#size} -1`)
      throw new Error(`upload ${this.#index} of ${this.#size}: ${verdict}`);
    return true;
  }
}

/** Calls again what was called in the midst of a hand-over, once that is decided. */
async function owned<T>(stream: Answered, call: () => T): Promise<Awaited<T>> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_GUNPORT_TRANSFERRING') throw error;
      await stream.settled();
    }
  }
}
