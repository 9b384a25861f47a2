// pool — the threads that connection processes live in, and how a connection is opened in one; the connections that it
// keeps by authority are authorities.ts's.
// Made by users; connect() and open() use a default one, started when first needed.
// Invariant: threads belong to the thread that made the pool (the host); a thread's death is one `down` of the pool;
// idle threads keep no process alive. Source: gun_sup; piscina (one thread each, see spawn.ts).

import { availableParallelism } from 'node:os';
import { type MessagePort, threadId as ownThreadId, type ResourceLimits } from 'node:worker_threads';
import { Authorities } from './authority/authorities.ts';
import type { AuthorityOptions } from './authority/authorityoptions.ts';
import { PooledVerbs } from './authority/pooledverbs.ts';
import { integer, LONGEST, own } from './checks.ts';
import { Connection } from './connection.ts';
import { portsOf } from './cookies/cookiewire.ts';
import { describe, GunportError, OptionError } from './errors.ts';
import type { WithHandler } from './handler.ts';
import { Host } from './host.ts';
import { answerHellos } from './inbox.ts';
import { shielded } from './listeners.ts';
import { downReason } from './monitor.ts';
import { connectWith, type Opener, Openings, openFeed, openWith, type Placing } from './open.ts';
import type { OpenOptions } from './options.ts';
import type { OpenTarget } from './settings.ts';
import { noThread, Thread } from './spawn.ts';
import type { Message, ThreadDown, ThreadSilence } from './types.ts';
import { checkWatchdog, Watchdog, type WatchdogOptions, type Watching } from './watchdog.ts';
import type { ConnectionState, DownRecord } from './wire.ts';
import type { WsStream } from './wsstream.ts';

export interface PoolOptions {
  /** Worker threads at most, not counting those of `isolated` connections; each starts when it is first needed.
   *  Default: one less than the cores, at least 1. */
  threads?: number | undefined;
  /** Heap and stack of each thread, in MiB, as Node's Worker takes them: past a limit the thread ends with a Down of
   *  kind `out-of-memory`; it ends itself where more than 80 % of its old generation is in use after a collection. Best
   *  effort, as Node says: where it is filled in one turn of the loop, Node 24 may end the whole process. Buffers are not
   *  counted. Default: Node's own. */
  resourceLimits?: ResourceLimits | undefined;
  /** Threads that do not answer any more are told of by the event `unresponsive`, and terminated where it says so. false:
   *  they are not watched. Default: watched for 10 000 ms, and not terminated. */
  watchdog?: WatchdogOptions | false | undefined;
  /** How connections are kept for each authority that is asked for something through `get`, `fetch`, `checkout` …; other
   *  than this for one of them by `configure()`. */
  authority?: AuthorityOptions | undefined;
}

/** One thread, as `pool.info()` tells. */
export interface ThreadInfo {
  readonly threadId: number;
  readonly isolated: boolean;
  /** Ids of the connections in it. */
  readonly connections: readonly string[];
}

// One host a thread, as soon as it makes its first pool.
let host: Host | undefined;
let placeElsewhere: ((placing: Placing) => void) | undefined;

/** This thread hosts: life lines may be laid to it, and what others open goes to `place`. @internal */
export function hostHere(place: (placing: Placing) => void): Host {
  placeElsewhere = place;
  return thisHost();
}

function thisHost(): Host {
  if (!host) {
    const here = new Host((message) => {
      if (placeElsewhere) placeElsewhere(message);
      else here.ended([message.id], noThread(new Error('the host has no default pool')));
    });
    answerHellos(({ lifeline }) => here.accept(lifeline));
    host = here;
  }
  return host;
}

/** A pool of worker threads, and of connections by authority. `connect` and `open` make a connection of your own, in the
 *  least loaded thread; `get`, `fetch` and `checkout` share those that are kept for each authority.
 *  @throws {OptionError} threads is not an integer from 1 to 1 024, a resource limit or an option of the watchdog is none,
 *  or an option is unknown.
 *  @example
 *  const pool = new Pool({ threads: 2 });
 *  pool.on('down', ({ threadId, reason }) => console.error(threadId, reason.kind));
 *  const feed = await pool.connect('wss://feed.example/trades');
 *  const price = await pool.get('https://feed.example/price').json(); */
export class Pool extends PooledVerbs implements AsyncDisposable {
  readonly #max: number;
  readonly #limits: ResourceLimits;
  readonly #watching: Watching | undefined;
  readonly #watchdog: Watchdog<Thread> | undefined;
  readonly #threads = new Set<Thread>();
  readonly #handles = new Set<Connection>();
  readonly #host = thisHost();
  readonly #leaving = new Map<string, () => void>();
  readonly #openings = new Openings();
  readonly #opener: Opener = {
    hostId: this.#host.id,
    openings: this.#openings,
    place: (placing) => this.#put(placing, this.#closing !== undefined),
    keep: (handle) => void this.#keep(handle),
    gone: (id) => this.#gone(id),
  };
  /** @internal */
  protected readonly kept: Authorities;
  /** Connections that are kept by authority. */
  readonly #pooled = new WeakSet<Connection>();
  #closing: Promise<void> | undefined;
  /** Its threads are told to leave. */
  #closed = false;
  #ref = true;

  constructor(options: PoolOptions = {}) {
    super();
    const given = own(options, POOL_NAMES, '');
    this.#max = integer(given, 'threads', Math.max(1, availableParallelism() - 1), [1, 1024]);
    this.#limits = checkLimits(given['resourceLimits']);
    this.#watching = checkWatchdog(given['watchdog']);
    this.#watchdog = this.#watching && new Watchdog(this.#watching, this.#watchdogHost());
    this.kept = new Authorities(given['authority'], this.#authoritiesHost());
  }

  #authoritiesHost(): ConstructorParameters<typeof Authorities>[1] {
    const pool = this;
    return {
      get keepsAlive() {
        return pool.#ref;
      },
      open: (target, options) => {
        if (this.#closed) throw poolClosed();
        // While it closes, too: for what waits already.
        const place = (placing: Placing): number => this.#put(placing, this.#closed);
        const connection = openWith({ ...this.#opener, place }, target, options);
        this.#pooled.add(connection);
        return connection;
      },
      turned: (notice) => shielded(() => this.emit(notice.state, notice)),
    };
  }

  #watchdogHost(): ConstructorParameters<typeof Watchdog<Thread>>[1] {
    const warned = new WeakSet<Thread>();
    return {
      unresponsive: (thread, silent) => {
        // First, since listeners may throw; what it held hears of it later.
        if (this.#watching?.terminate) void thread.terminateSilent(silent);
        const told = this.emit('unresponsive', silenceOf(thread, silent));
        if (!told && !warned.has(thread)) process.emitWarning(...warningOf(thread, silent));
        warned.add(thread);
      },
      responsive: (thread, silent) => void this.emit('responsive', silenceOf(thread, silent)),
    };
  }

  /** Opens a connection; returns at once, and connects in its thread. Source: gun:open/3.
   *  @throws {OptionError} a bad option. @throws {GunportError} ERR_GUNPORT_POOL_CLOSED. */
  open(target: OpenTarget, options?: OpenOptions): Connection {
    this.assertOpen();
    return openWith(this.#opener, target, options);
  }

  /** Opens a WebSocket: resolves with it when it is up, rejects with its first failure unless `retry` was given.
   *  (`connection.connect` is Gun's CONNECT, another thing.) `M`: what its handler delivers.
   *  @throws {OptionError} @throws {ConnectionError} with phase and cause. @throws {TimeoutError} ERR_GUNPORT_ABORTED. */
  async connect<M = Message>(
    url: OpenTarget,
    options?: WithHandler<OpenOptions, M> | OpenOptions,
  ): Promise<WsStream<Connection, M>> {
    this.assertOpen();
    return connectWith<M>(this.#opener, url, options);
  }

  /** What `connect` resolves with, at once. @internal */
  feedOf(url: OpenTarget, options?: OpenOptions): WsStream<Connection> {
    this.assertOpen();
    return openFeed(this.#opener, url, options);
  }

  /** The threads and what lives in them. */
  info(): { readonly threads: readonly ThreadInfo[]; readonly connections: number } {
    const threads = [...this.#threads].map(({ threadId, isolated, connections }) => ({
      threadId,
      isolated,
      connections: [...connections],
    }));
    return { threads, connections: threads.reduce((sum, { connections }) => sum + connections.length, 0) };
  }

  /** Kills a thread and all in it, as `Worker.terminate` does: each connection's monitors get a Down of kind
   *  `terminated`. Resolves when it is gone. @throws {OptionError} no such thread. */
  async terminate(threadId: number): Promise<void> {
    const thread = [...this.#threads].find((one) => one.threadId === threadId);
    if (!thread) throw new OptionError(`threadId must be a thread of the pool, got ${describe(threadId)}`);
    await thread.terminate();
  }

  /** Finishes what its authorities have to do, shuts every connection down politely, then the threads. Later calls share
   *  the first one's promise. `timeout`: what is not gone by then is terminated, in milliseconds. Default 5 000.
   *  @throws {OptionError} timeout is none. */
  close(options: { timeout?: number | undefined } = {}): Promise<void> {
    const timeout = integer(own(options, CLOSE_NAMES, ''), 'timeout', 5_000, [0, LONGEST]);
    this.#closing ??= this.#close(timeout);
    return this.#closing;
  }

  async #close(timeout: number): Promise<void> {
    const end = performance.now() + timeout;
    if (this.kept.size > 0) {
      // Those that nobody waits for have the same time for their goodbye.
      for (const handle of this.#handles) if (!this.#pooled.has(handle)) handle.shutdown().catch(() => {});
      await this.kept.close(timeout);
    }
    this.#closed = true;
    const left = Math.max(0, Math.ceil(end - performance.now()));
    await Promise.all([...this.#threads].map((thread) => thread.leave(left)));
  }

  /** @internal */
  protected assertOpen(): void {
    if (this.#closing) throw poolClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Connections opened through this pool, by this thread, keep the process alive (the default). */
  ref(): this {
    this.#ref = true;
    for (const handle of this.#handles) handle.ref();
    this.kept.ref();
    return this;
  }

  /** They do not. */
  unref(): this {
    this.#ref = false;
    for (const handle of this.#handles) handle.unref();
    return this;
  }

  /** Puts a process into a thread. Its owner opened it elsewhere, and is told where it is by itself. @internal */
  place(placing: Placing): void {
    // Those that another thread has opened were cloned on their way.
    const settings = this.#openings.of(placing.settings);
    this.#put({ ...placing, settings }, this.#closing !== undefined, false);
  }

  /** `silent`: the opener takes what is returned. */
  #put(placing: Placing, closed: boolean, silent = true): number {
    const { id, isolated, ownerThreadId, port } = placing;
    if (ownerThreadId === ownThreadId) this.#host.began(id);
    try {
      if (closed) throw poolClosed();
      const thread = this.#pick(isolated);
      thread.place(this.#host.id, placing, silent);
      this.#watchdog?.watch(thread);
      return thread.threadId;
    } catch (error) {
      // Told like any other end: the handle is out already, and its awaits must settle.
      for (const one of [port, ...portsOf(placing.cookies)]) one.close();
      setImmediate(() => this.#host.ended([id], noThread(error)));
      return -1;
    }
  }

  #pick(isolated: boolean): Thread {
    let least: Thread | undefined;
    let shared = 0;
    for (const thread of this.#threads) {
      if (thread.isolated || !thread.open) continue;
      shared++;
      if (!least || this.#load(thread) < this.#load(least)) least = thread;
    }
    if (!isolated && least && (this.#load(least) === 0 || shared >= this.#max)) return least;
    const thread = new Thread(
      {
        ended: (id, reason) => this.#host.ended([id], reason),
        released: (from, gone) => this.#released(from, gone),
        orphan: (port, state) => this.#orphan(port, state),
        down: (from, reason) => this.#down(from, reason),
        listens: this.#host.events.listens,
        events: (from, { events, dropped }) => this.#host.events.publish(from.threadId, events, dropped),
      },
      { isolated, resourceLimits: this.#limits, beatEvery: this.#watching?.every ?? 0 },
    );
    this.#threads.add(thread);
    return thread;
  }

  /** One that does not answer is the last to be given anything. */
  #load(thread: Thread): number {
    return this.#watchdog?.doubts(thread) ? Number.POSITIVE_INFINITY : thread.connections.size;
  }

  /** Resolves when nothing of this connection is left in a thread. */
  async #gone(id: string): Promise<void> {
    if (![...this.#threads].some(({ connections }) => connections.has(id))) return;
    // A thread of the pool keeps nothing alive; who waits for it must.
    const alive = setInterval(() => {}, LONGEST);
    await new Promise<void>((resolve) => this.#leaving.set(id, resolve));
    clearInterval(alive);
  }

  #left(id: string): void {
    this.#leaving.get(id)?.();
    this.#leaving.delete(id);
  }

  #released(thread: Thread, id: string): void {
    this.#left(id);
    if (thread.isolated && thread.connections.size === 0 && thread.open) void thread.leave(5_000);
  }

  #down(thread: Thread, reason: DownRecord): void {
    this.#threads.delete(thread);
    const connections = [...thread.connections];
    thread.connections.clear();
    this.#host.ended(connections, reason, thread.threadId);
    for (const id of connections) this.#left(id);
    // A thread that was asked to leave is no death to tell.
    if (reason.kind === 'shutdown') return;
    const down: ThreadDown = { threadId: thread.threadId, reason: downReason(reason), connections };
    shielded(() => this.emit('down', down));
  }

  #orphan(port: MessagePort, state: ConnectionState): void {
    // Nobody listens: its process sees the port close, and shuts down.
    if (this.listenerCount('orphan') === 0) return port.close();
    const connection = this.#keep(new Connection(port, state).takeOver());
    shielded(() => this.emit('orphan', connection));
  }

  #keep(handle: Connection): Connection {
    this.#handles.add(handle);
    if (!this.#ref) handle.unref();
    handle.released(() => this.#handles.delete(handle));
    return handle;
  }
}

const POOL_NAMES: ReadonlySet<string> = new Set(['threads', 'resourceLimits', 'watchdog', 'authority']);
const CLOSE_NAMES: ReadonlySet<string> = new Set(['timeout']);
const LIMIT_NAMES = [
  'maxOldGenerationSizeMb',
  'maxYoungGenerationSizeMb',
  'codeRangeSizeMb',
  'stackSizeMb',
] as const;

function checkLimits(value: unknown): ResourceLimits {
  const given = own(value, new Set(LIMIT_NAMES), 'resourceLimits');
  const limits: ResourceLimits = {};
  for (const name of LIMIT_NAMES) {
    const limit = given[name];
    if (limit === undefined) continue;
    if (typeof limit !== 'number' || !(limit > 0) || limit === Number.POSITIVE_INFINITY) {
      throw new OptionError(`resourceLimits.${name} must be a number of MiB above 0, got ${describe(limit)}`);
    }
    limits[name] = limit;
  }
  return limits;
}

function silenceOf({ threadId, connections }: Thread, silent: number): ThreadSilence {
  return { threadId, silent: Math.round(silent), connections: [...connections] };
}

function warningOf({ threadId, connections }: Thread, silent: number): [string, NodeJS.EmitWarningOptions] {
  const silence = `has not answered for ${Math.round(silent)} ms`;
  const text = `thread ${threadId} ${silence}; connections in it: ${connections.size}`;
  return [text, { type: 'UnresponsiveThread', code: 'GUNPORT_UNRESPONSIVE' }];
}

function poolClosed(): GunportError {
  return new GunportError('ERR_GUNPORT_POOL_CLOSED', 'the pool is closed', { phase: 'closed' });
}
