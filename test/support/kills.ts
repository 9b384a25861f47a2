// kills — threads die at random moments of connects, awaits, sends and transfers, again and again.
// Used by kills.test.ts and soak/kills.ts. Two consumer threads take connections from this one and give some back.
// Invariant: whatever dies when, every promise settles, each monitor hears exactly one Down with the true reason, and
// in the end threads, handles, ports, descriptors and timers are what they were. What does not hold is thrown, with
// the seed and the round.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Connection } from '../../lib/connection.ts';
import { GunportError } from '../../lib/errors.ts';
import type { Monitor } from '../../lib/monitor.ts';
import { Pool } from '../../lib/pool.ts';
import { receiveOwnership } from '../../lib/receive.ts';
import type { Down, ThreadDown } from '../../lib/types.ts';
import type { WsStream } from '../../lib/wsstream.ts';
import { chance } from './chance.ts';
import { FAULTY, fault, faulty, THROWABLE } from './faults.ts';
import { livePorts, openModules } from './handles.ts';
import type { Plan, Report, ToConsumer } from './kills-consumer.ts';
import { returnsTo, snapshot } from './leaks.ts';
import { wsServer } from './peers.ts';
import { later, rejection, Tracker, turns } from './tracker.ts';

export interface KillFigures {
  readonly kills: number;
  /** Promises that settled, in all threads. */
  readonly promises: number;
  /** Downs that were heard, by kind. */
  readonly downs: Readonly<Record<string, number>>;
  /** Hand-overs that came about. */
  readonly transfers: number;
}

type Feed = WsStream<Connection>;
type Chance = (n: number) => number;

const WAYS = ['terminate', 'exit', 'throw', 'reject'] as const;
const KINDS = { terminate: 'terminated', exit: 'exit', throw: 'uncaught', reject: 'uncaught' } as const;
const CONNECTIONS = 5;
/** How a connection may end that no kill has met. */
const OWN_ENDS: readonly string[] = ['normal', 'shutdown', 'gave-up'];

/** Kills so many threads. `countPorts`: also those that keep nothing alive, which Node calls experimental.
 *  @throws what did not hold. */
export async function kills(
  count: number,
  seed: number,
  log: (line: string) => void,
  countPorts = false,
): Promise<KillFigures> {
  log(`seed ${seed}`);
  // What is made on first use stays.
  await storm(3, seed, () => {});
  const before = snapshot();
  const modules = openModules();
  const ports = countPorts ? livePorts() : 0;
  const figures = await storm(count, seed, log);
  await returnsTo(before, 5_000, { descriptors: openModules() - modules });
  // Those of a worker that has just ended go a little later.
  for (let tries = 0; countPorts && livePorts() > ports; tries++) {
    if (tries === 20) throw new Error(`seed ${seed}: ${livePorts() - ports} ports are left`);
    await later(100);
  }
  return { kills: count, ...figures };
}

async function storm(count: number, seed: number, log: (line: string) => void): Promise<Storm['figures']> {
  const server = await wsServer();
  server.server.on('connection', (socket) => {
    for (let i = 0; i < 5; i++) socket.send(`${i}`);
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  const all = new Storm(faulty(server.url), chance(seed));
  await all.ready();
  try {
    for (let round = 0; round < count; round++) {
      await all.round().catch((error: unknown) => {
        throw new Error(`seed ${seed}, round ${round}: ${String(error)}`, { cause: error });
      });
      if ((round + 1) % 100 === 0) log(`${round + 1} kills`);
    }
  } finally {
    await all.end();
    await server.close();
  }
  return all.figures;
}

interface Watched {
  readonly id: string;
  readonly keep: boolean;
  readonly monitor: Monitor<Connection>;
  readonly heard: Down[];
}

class Storm {
  readonly #url: string;
  readonly #next: Chance;
  readonly #pool = new Pool({ threads: 2 });
  readonly #consumers = [0, 1].map(() => new Worker(new URL('./kills-consumer.js', import.meta.url)));
  readonly #tracker = new Tracker();
  readonly #downs: ThreadDown[] = [];
  #watched: Watched[] = [];
  /** Handles that this thread owns, or owned. */
  #handles = new Set<Connection>();
  #ending = false;
  #firstResources: number[] = [];
  readonly figures = { promises: 0, downs: {} as Record<string, number>, transfers: 0 };

  constructor(url: string, next: Chance) {
    this.#url = url;
    this.#next = next;
    this.#pool.on('down', (down) => this.#downs.push(down));
    for (const consumer of this.#consumers) void this.#takeBack(consumer);
  }

  async ready(): Promise<void> {
    const reports = await this.#ask('report', 'report');
    this.#firstResources = reports.map(({ resources }) => resources.length);
  }

  /** One kill, and all that was promised of it. */
  async round(): Promise<void> {
    this.#ending = false;
    this.#downs.length = 0;
    // A fault of one is told once all are at their end.
    const lives = Array.from({ length: CONNECTIONS }, (_, i) => rejection(this.#live(i)));
    await this.#kill();
    // What lives still is ended; what is given back from now on, too.
    this.#ending = true;
    const ends = await this.#tracker.within(Promise.all(lives), 'the lives of connections');
    for (const error of ends) if (error) throw error;
    await this.#ask('finish', 'finished');
    await this.#endAll();
    this.#check();
    await this.#emptied();
    const reports = await this.#ask('report', 'report');
    this.#checkReports(reports);
    await this.#tracker.settled(5_000);
    this.figures.promises += this.#tracker.started + reports.reduce((sum, { started }) => sum + started, 0);
    this.#tracker.started = 0;
    this.#watched = [];
    this.#handles = new Set();
  }

  async end(): Promise<void> {
    await this.#pool.close();
    await Promise.all(this.#consumers.map((consumer) => consumer.terminate()));
  }

  // ── what connections do ───────────────────────────────────────────────────────────────────────────────────

  async #live(i: number): Promise<void> {
    try {
      await turns(this.#next(3));
      const feed = this.#next(3) > 0 ? await this.#connect(i) : await this.#open(i);
      await this.#use(feed);
    } catch (error) {
      // Its thread was killed; anything else is a fault.
      if (!(error instanceof GunportError)) throw error;
      const { reason, code } = error;
      const told = this.#downs.some((down) => down.reason.kind === reason);
      if (!told && !OWN_ENDS.includes(String(reason)) && !EXPECTED.has(code)) throw error;
    }
  }

  async #connect(i: number): Promise<Feed> {
    const options = { lookup: FAULTY, ...(this.#next(2) ? { retry: 3 } : {}) };
    const feed = await this.#note(`connect ${i}`, this.#pool.connect(this.#url, options));
    this.#watch(feed.connection);
    return feed;
  }

  async #open(i: number): Promise<Feed> {
    const connection = this.#pool.open(this.#url, { lookup: FAULTY });
    this.#watch(connection);
    const up = this.#note(`awaitUp ${i}`, connection.awaitUp());
    const feed = connection.wsUpgrade('/');
    const upgrade = this.#note(`upgrade ${i}`, connection.await(feed));
    await Promise.all([up, upgrade]);
    return feed;
  }

  async #use(feed: Feed): Promise<void> {
    const { connection } = feed;
    const { id } = connection;
    const ignore = (): void => {};
    for (let step = 0; step < 8; step++) {
      await turns(this.#next(8));
      if (this.#ending) return;
      switch (this.#next(8)) {
        case 0:
          void this.#note(`${id} ping`, feed.ping()).catch(ignore);
          break;
        case 1:
          void this.#note(`${id} info`, connection.info()).catch(ignore);
          break;
        case 2:
          feed.send(['a', 'b', new Uint8Array(100_000)]);
          void this.#note(`${id} drained`, feed.drained()).catch(ignore);
          break;
        case 3:
          await this.#note(`${id} await`, connection.await(feed, { timeout: 50 })).catch(timedOut);
          break;
        case 4:
          void this.#note(`${id} read`, readSome(feed, this.#next(4))).catch(ignore);
          break;
        case 5:
          if (this.#next(4) > 0) break;
          await this.#note(`${id} close`, feed.close());
          return;
        default: {
          const consumer = this.#consumers[this.#next(2)]!;
          const data: Plan = { seed: this.#next(0x7fffffff) };
          await this.#note(`${id} transfer`, feed.transferOwnership(consumer, { data, timeout: 1_000 }));
          this.figures.transfers++;
          return;
        }
      }
    }
  }

  async #takeBack(consumer: Worker): Promise<void> {
    for await (const { connection, feed } of receiveOwnership.all(consumer)) {
      this.figures.transfers++;
      this.#watch(connection);
      if (this.#ending) void this.#note(`${connection.id} close`, connection.close());
      else void this.#note(`${connection.id} ping`, feed.ping()).catch(() => {});
    }
  }

  #watch(connection: Connection): void {
    this.#handles.add(connection);
    for (const keep of [true, false]) {
      const heard: Down[] = [];
      const monitor = connection.monitor((down) => heard.push(down), { keep });
      void this.#note(`${connection.id} monitor${keep ? ', kept' : ''}`, monitor.down);
      this.#watched.push({ id: connection.id, keep, monitor, heard });
    }
  }

  #note<T>(name: string, promise: Promise<T>): Promise<T> {
    return this.#tracker.note(name, promise);
  }

  // ── the kill ──────────────────────────────────────────────────────────────────────────────────────────────

  async #kill(): Promise<void> {
    await turns(this.#next(2) ? this.#next(10) : this.#next(200));
    let { threads } = this.#pool.info();
    // In the first round nothing may have been opened yet.
    while (threads.length === 0) {
      await turns(1);
      ({ threads } = this.#pool.info());
    }
    const { threadId } = threads[this.#next(threads.length)]!;
    const way = WAYS[this.#next(WAYS.length)]!;
    const code = this.#next(3);
    const down = once(this.#pool, 'down') as Promise<[ThreadDown]>;
    let given = way as keyof typeof KINDS;
    if (way === 'exit') fault(threadId, { kind: 'exit', code, post: this.#next(2) === 0 });
    else if (way !== 'terminate')
      fault(threadId, { kind: way, value: THROWABLE[this.#next(THROWABLE.length)]! });
    // A thread in which nothing was looked up yet cannot hear of a fault.
    const deaf = way === 'terminate' || !(await Promise.race([down.then(() => true), later(200)]));
    if (deaf) {
      given = 'terminate';
      await this.#note('terminate', this.#pool.terminate(threadId));
    }
    const [told] = await this.#tracker.within(down, 'the down of the pool');
    if (told.threadId !== threadId) throw new Error(`thread ${told.threadId} died instead of ${threadId}`);
    // A fault may be heard after all, before the terminate.
    if (deaf && told.reason.kind === KINDS[way]) given = way;
    if (told.reason.kind !== KINDS[given]) throw new Error(`${given} was told as ${told.reason.kind}`);
    if (given === 'exit' && told.reason.exitCode !== code)
      throw new Error(`exit ${code}: ${told.reason.exitCode}`);
  }

  // ── what must hold ────────────────────────────────────────────────────────────────────────────────────────

  async #endAll(): Promise<void> {
    for (const handle of this.#handles) {
      void this.#note(`${handle.id} end`, handle.close()).catch((error: unknown) => {
        if (!(error instanceof GunportError) || error.code !== 'ERR_GUNPORT_NOT_OWNER') throw error;
      });
    }
    await this.#tracker.settled(5_000);
  }

  #check(): void {
    if (this.#downs.length !== 1) throw new Error(`${this.#downs.length} downs of the pool for one kill`);
    const [down] = this.#downs as [ThreadDown];
    for (const { id, keep, heard } of this.#watched) {
      const [first] = heard;
      if (heard.length > 1 || (keep && !first))
        throw new Error(`${id}: a monitor has heard ${heard.length} Downs`);
      if (!first) continue;
      const { kind } = first.reason;
      this.figures.downs[kind] = (this.figures.downs[kind] ?? 0) + 1;
      // One that had ended before, and was not forgotten yet, has the reason of its own end.
      const own = OWN_ENDS.includes(kind);
      const taken = down.connections.includes(id) && kind === down.reason.kind;
      if (!own && !taken) throw new Error(`${id} was told ${kind}, its thread ${down.reason.kind}`);
    }
  }

  /** Released a little after its Down. */
  async #emptied(): Promise<void> {
    for (let tries = 0; this.#pool.info().connections > 0; tries++) {
      if (tries === 200) throw new Error(`left in the pool: ${JSON.stringify(this.#pool.info())}`);
      await later(10);
    }
  }

  #checkReports(reports: readonly Report[]): void {
    const kinds = new Map(
      this.#watched.flatMap(({ id, heard }) => heard.map(({ reason }) => [id, reason.kind])),
    );
    for (const { downs, pending } of reports) {
      if (pending.length > 0) throw new Error(`never settled in a consumer: ${pending.join(', ')}`);
      for (const [id, heard] of downs) {
        if (heard.length !== 1)
          throw new Error(`${id}: a consumer's monitor has heard ${heard.length} Downs`);
        if (heard[0] !== kinds.get(id)) throw new Error(`${id}: ${heard[0]} there, ${kinds.get(id)} here`);
      }
    }
    const resources = reports.map(({ resources: all }) => all);
    for (const [i, all] of resources.entries()) {
      if (all.length > this.#firstResources[i]!) throw new Error(`alive in a consumer: ${all.join(', ')}`);
    }
  }

  async #ask(what: ToConsumer, answer: Report['type']): Promise<Report[]> {
    const answers = this.#consumers.map(async (consumer) => {
      consumer.postMessage(what);
      for (;;) {
        const [report] = (await once(consumer, 'message')) as [Report | object];
        if ('type' in report && report.type === answer) return report;
      }
    });
    return this.#tracker.within(Promise.all(answers), `the consumers' ${answer}`);
  }
}

/** What a call may get that came too late for its connection, or while its end was not known yet. */
const EXPECTED: ReadonlySet<string> = new Set([
  'ERR_GUNPORT_DOWN',
  'ERR_GUNPORT_TRANSFER_TIMEOUT',
  'ERR_GUNPORT_READING',
  'ERR_GUNPORT_NOT_CONNECTED',
]);

async function readSome(feed: Feed, count: number): Promise<void> {
  let read = 0;
  for await (const _message of feed) if (++read > count) return;
}

/** Nothing came: that is no fault of anybody's. */
function timedOut(error: unknown): void {
  if (!(error instanceof GunportError) || error.code !== 'ERR_GUNPORT_TIMEOUT') throw error;
}
