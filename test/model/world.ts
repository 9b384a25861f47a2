// world — threads that are none: their loops, timers and clock, turned by hand, one event at a time.
// Used by everything in test/model, and by what stands in for Node's modules there (shims/).
// Invariant: nothing happens but by `turn()`, which runs one event of one thread and all microtasks behind it; so the
// same picks give the same run. A dead thread does nothing and is told nothing; what it had posted stays posted.
// Source: shared facts on worker threads: no order between two ports, nor between a port, a timer and 'exit'.

import { mulberry32 } from '../support/chance.ts';

/** Something that may happen next. */
export interface Source {
  readonly thread: ModelThread;
  /** It waits among those that are ready. */
  queued: boolean;
  /** False: it would do nothing, and is passed over. */
  isReady(): boolean;
  run(): void;
}

interface Timer extends Source {
  at: number;
  readonly order: number;
  over: boolean;
}

/** What setTimeout gives. */
interface Handle {
  readonly timer: Timer;
  ref(): Handle;
  unref(): Handle;
  hasRef(): boolean;
  [Symbol.toPrimitive](): number;
}

// What Node itself goes on with: the fakes are there only while an event runs.
const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
  random: Math.random,
  on: process.on,
  exit: process.exit,
};
/** Not documented: runs what process.nextTick() and promises have queued, as Node does between two callbacks. */
const drain = (process as unknown as { _tickCallback(): void })._tickCallback;

/** One of them. */
export class ModelThread {
  readonly name: string;
  /** As Node numbers them: a new life has a new one. */
  id = 0;
  alive = true;
  readonly world: World;
  readonly ports: Set<{ die(): void }> = new Set();
  readonly exits: (() => void)[] = [];
  /** What postMessageToThread() reaches. */
  readonly inbox: ((message: unknown, from: number) => void)[] = [];
  /** Told of its end. */
  onEnd: (code: number, error: Error | undefined) => void = () => {};
  /** It dies behind so many posts more. */
  posts: number = Number.POSITIVE_INFINITY;
  #immediates: { readonly callback: () => void; over: boolean }[] = [];
  readonly #check: Source;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    const run = (): void => {
      const due = this.#immediates;
      this.#immediates = [];
      for (const one of due) {
        if (one.over) continue;
        one.over = true;
        this.call(one.callback);
      }
      if (this.#immediates.length > 0) world.ready(this.#check);
    };
    this.#check = {
      thread: this,
      queued: false,
      isReady: () => this.#immediates.some(({ over }) => !over),
      run,
    };
  }

  /** Runs a callback of its, and what follows from it. */
  call(callback: () => void): void {
    this.world.enter(this, callback);
  }

  immediate(callback: () => void): { over: boolean } {
    const one = { callback, over: !this.alive };
    this.#immediates.push(one);
    this.world.ready(this.#check);
    return one;
  }

  /** A post is about to leave. False: it died before. */
  posting(): boolean {
    if (!this.alive) return false;
    if (this.posts-- > 0) return true;
    this.world.kill(this, 1);
    return false;
  }

  forgetImmediates(): void {
    this.#immediates = [];
  }
}

export class World {
  now = 1_000;
  current: ModelThread | undefined;
  /** Errors that nobody caught. */
  readonly uncaught: string[] = [];
  readonly #ready: Source[] = [];
  readonly #timers: Timer[] = [];
  #order = 0;
  #random = mulberry32(1);
  #dying: { readonly thread: ModelThread; readonly code: number; readonly error: Error | undefined }[] = [];

  thread(name: string): ModelThread {
    return new ModelThread(this, name);
  }

  ready(source: Source): void {
    if (source.queued || !source.thread.alive) return;
    source.queued = true;
    this.#ready.push(source);
  }

  get isIdle(): boolean {
    return !this.#ready.some((source) => source.thread.alive && source.isReady());
  }

  /** Runs one event: the oldest for 0. False: there is none. */
  turn(pick: number): boolean {
    const all = this.#ready;
    while (all.length > 0) {
      const [source] = all.splice(pick % all.length, 1);
      if (!source) return false;
      source.queued = false;
      if (!source.thread.alive || !source.isReady()) continue;
      this.now += 0.01;
      source.run();
      return true;
    }
    return false;
  }

  /** Lets time pass: what is due may happen then, in any order. False: nothing will be. */
  advance(ms: number): void {
    this.now += ms;
    for (const timer of this.#timers) if (timer.at <= this.now) this.ready(timer);
  }

  /** Begins anew, for a run that shall not depend on those before it. @returns how many timers they have left. */
  begin(seed: number): number {
    this.#random = mulberry32(seed);
    this.now = 1_000;
    this.#order = 0;
    const left = this.#timers.length;
    this.#timers.length = 0;
    return left;
  }

  /** When the next timer is due. */
  get next(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { at, over, thread } of this.#timers) if (!over && thread.alive && at < next) next = at;
    return next;
  }

  /** Runs everything, oldest first, and lets time pass up to `until`. */
  settle(until: number = this.now, most = 20_000): void {
    for (let left = most; left > 0; left--) {
      if (this.turn(0)) continue;
      const { next } = this;
      if (next > until) return;
      this.advance(Math.max(0, next - this.now));
    }
    throw new Error(`after ${most} events there is no end`);
  }

  /** Runs something as a thread would, to the end of its microtasks. */
  enter(thread: ModelThread, callback: () => void): void {
    if (this.current) return callback();
    this.current = thread;
    try {
      callback();
    } catch (error) {
      this.#thrown(thread, error);
    }
    try {
      drain();
    } catch (error) {
      this.#thrown(thread, error);
    }
    this.current = undefined;
    for (const { thread: gone, code, error } of this.#dying.splice(0)) this.#bury(gone, code, error);
  }

  /** Does something on its behalf, in the midst of an event or outside of all. */
  within(thread: ModelThread, callback: () => void): void {
    const { current } = this;
    this.current = thread;
    try {
      callback();
    } finally {
      this.current = current;
    }
  }

  #thrown(thread: ModelThread, error: unknown): void {
    if (thread.alive) this.uncaught.push(`${thread.name}: ${error instanceof Error ? error.stack : error}`);
  }

  /** It does nothing from now on. */
  kill(thread: ModelThread, code: number, error?: Error): void {
    if (!thread.alive) return;
    thread.alive = false;
    this.#dying.push({ thread, code, error });
    if (!this.current) for (const one of this.#dying.splice(0)) this.#bury(one.thread, one.code, one.error);
  }

  #bury(thread: ModelThread, code: number, error: Error | undefined): void {
    this.enter(thread, () => {
      for (const port of [...thread.ports]) port.die();
    });
    thread.forgetImmediates();
    for (const timer of this.#timers) if (timer.thread === thread) timer.over = true;
    this.#sweep();
    thread.onEnd(code, error);
  }

  #sweep(): void {
    const live = this.#timers.filter(({ over }) => !over);
    this.#timers.length = 0;
    this.#timers.push(...live);
  }

  // ── in place of Node's ────────────────────────────────────────────────────────────────────────────────────

  #timeout(callback: () => void, ms: number, every: boolean): Handle {
    const thread = this.current;
    if (!thread) throw new Error('a timer outside of all threads');
    const wait = Math.max(1, ms || 0);
    const timer: Timer = {
      thread,
      queued: false,
      at: this.now + wait,
      order: this.#order++,
      over: !thread.alive,
      isReady: () => !timer.over,
      run: () => {
        if (every) timer.at = this.now + wait;
        else this.#clear(timer);
        thread.call(callback);
      },
    };
    if (!timer.over) this.#timers.push(timer);
    const handle: Handle = {
      timer,
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
      [Symbol.toPrimitive]: () => timer.order,
    };
    return handle;
  }

  #clear(timer: Timer | undefined): void {
    if (!timer || timer.over) return;
    timer.over = true;
    const at = this.#timers.indexOf(timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }

  /** Puts its timers, clock, chance and thread-wide `process` in place of Node's, for good. */
  install(): void {
    const timed =
      (every: boolean) =>
      (callback: (...rest: unknown[]) => void, ms: number, ...rest: unknown[]): unknown =>
        this.current
          ? this.#timeout(() => callback(...rest), ms, every)
          : (every ? real.setInterval : real.setTimeout)(callback, ms, ...rest);
    const clear =
      (otherwise: (timer: never) => void) =>
      (timer: unknown): void => {
        if (isHandle(timer)) this.#clear(timer.timer);
        else if (timer !== undefined) otherwise(timer as never);
      };
    const replaced = {
      setTimeout: timed(false),
      setInterval: timed(true),
      clearTimeout: clear(real.clearTimeout as (timer: never) => void),
      clearInterval: clear(real.clearInterval as (timer: never) => void),
      setImmediate: (callback: (...rest: unknown[]) => void, ...rest: unknown[]): unknown =>
        this.current ? this.current.immediate(() => callback(...rest)) : real.setImmediate(callback, ...rest),
      clearImmediate: (one: { over?: boolean } | undefined): void => {
        if (one && 'over' in one) one.over = true;
        else real.clearImmediate(one as NodeJS.Immediate | undefined);
      },
    };
    Object.assign(globalThis, replaced);
    const now = performance.now.bind(performance);
    performance.now = () => (this.current ? this.now : now());
    Math.random = () => (this.current ? this.#random() : real.random());
    process.on = ((name: string, listener: (...args: never[]) => void) => {
      const thread = this.current;
      if (!thread) return real.on.call(process, name, listener as never);
      if (name === 'exit') thread.exits.push(listener as () => void);
      else if (name === 'workerMessage') thread.inbox.push(listener as (typeof thread.inbox)[number]);
      // Other events are of a process that is none: nobody hears of them.
      return process;
    }) as typeof process.on;
    process.exit = ((code?: number) => {
      const thread = this.current;
      if (!thread) return real.exit.call(process, code);
      for (const listener of thread.exits.splice(0)) listener();
      this.kill(thread, code ?? 0);
      return undefined;
    }) as typeof process.exit;
  }
}

function isHandle(timer: unknown): timer is Handle {
  return typeof timer === 'object' && timer !== null && 'timer' in timer;
}

/** The one of this process. */
export const world: World = new World();
