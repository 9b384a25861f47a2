// watchdog — hears that the threads of a pool are alive: each beats while it has connections, and this counts how long
// one has not.
// Held by pool.ts; the beats are those of workers/pulse.ts, in one shared word a thread, so that nothing is posted.
// Invariant: only time in which this thread itself was awake counts, one interval a look at most: a host that was blocked,
// or a process that was stopped as a whole, finds its threads alive, since they get as long to beat as any others. No
// timer runs while no thread has connections, and none keeps a process alive.
// Source: Erlang's heart; node-threads facts on terminate() and on loops that it does not end.

import { flag, integer, LONGEST, own } from './checks.ts';
import { shielded } from './listeners.ts';

/** Whether threads are watched that do not answer any more. */
export interface WatchdogOptions {
  /** How long a thread with connections may not get to its event loop until it counts as unresponsive, in milliseconds.
   *  Told after up to half as long again. Default 10 000, at least 100. */
  timeout?: number | undefined;
  /** Such a thread is terminated; each monitor of what lived in it gets a Down of kind `unresponsive`. Default false: it
   *  is told of, given no new connections where there is another thread, and may answer again. */
  terminate?: boolean | undefined;
}

/** Options of a watchdog, checked. @internal */
export interface Watching {
  readonly timeout: number;
  readonly terminate: boolean;
  /** Milliseconds between two beats, and between two looks. */
  readonly every: number;
}

/** What is known of one thread's beats. @internal */
export interface Silence {
  /** As counted at the last look. */
  readonly beats: number;
  /** Milliseconds since they have been so many, as far as they count. */
  readonly silent: number;
  /** It counts as unresponsive. */
  readonly told: boolean;
}

/** A thread, as far as it is watched. @internal */
export interface Beating {
  readonly connections: ReadonlySet<string>;
  /** How often it has beaten; 0 while it is being started. */
  readonly beats: number;
  /** It may be given connections. */
  readonly open: boolean;
}

/** What is told of threads. @internal */
export interface WatchdogHost<T> {
  unresponsive(thread: T, silent: number): void;
  /** `silent`: how long it had not been. */
  responsive(thread: T, silent: number): void;
}

/** Where time comes from. @internal */
export interface WatchdogClock {
  now(): number;
  /** Keeps no process alive. */
  setInterval(callback: () => void, ms: number): { clear(): void };
}

/** A thread loads modules before it first beats, on a machine that may be busy: it has at least so many ms. */
const STARTING = 10_000;
/** Beats within the timeout. */
const BEATS = 4;

const NAMES: ReadonlySet<string> = new Set(['timeout', 'terminate']);

/** The option `watchdog` of a pool. @throws {OptionError} @internal */
export function checkWatchdog(value: unknown): Watching | undefined {
  if (value === false) return undefined;
  const given = own(value, NAMES, 'watchdog');
  const named = { 'watchdog.timeout': given['timeout'], 'watchdog.terminate': given['terminate'] };
  const timeout = integer(named, 'watchdog.timeout', 10_000, [100, LONGEST]);
  return { timeout, terminate: flag(named, 'watchdog.terminate', false), every: Math.floor(timeout / BEATS) };
}

/** One look at one thread. `elapsed`: milliseconds that count, since the look before. */
function listen(
  { beats, silent, told }: Silence,
  { heard, elapsed, timeout }: { readonly heard: number; readonly elapsed: number; readonly timeout: number },
): { readonly silence: Silence; readonly verdict: 'unresponsive' | 'responsive' | undefined } {
  if (heard !== beats)
    return { silence: { beats: heard, silent: 0, told: false }, verdict: told ? 'responsive' : undefined };
  const longer = silent + elapsed;
  const late = longer >= (beats === 0 ? Math.max(timeout, STARTING) : timeout);
  return {
    silence: { beats, silent: longer, told: told || late },
    verdict: late && !told ? 'unresponsive' : undefined,
  };
}

/** @internal */
export class Watchdog<T extends Beating> {
  readonly #watching: Watching;
  readonly #host: WatchdogHost<T>;
  readonly #clock: WatchdogClock;
  readonly #threads = new Map<T, Silence>();
  #timer: { clear(): void } | undefined;
  #last = 0;

  constructor(watching: Watching, host: WatchdogHost<T>, clock: WatchdogClock = REAL) {
    this.#watching = watching;
    this.#host = host;
    this.#clock = clock;
  }

  /** Looks at it from now on, until it has no connections any more or is none to use. */
  watch(thread: T): void {
    if (!this.#threads.has(thread))
      this.#threads.set(thread, { beats: thread.beats, silent: 0, told: false });
    if (this.#timer) return;
    this.#last = this.#clock.now();
    this.#timer = this.#clock.setInterval(() => this.#look(), this.#watching.every);
  }

  /** It has not answered for so long that nothing new should be given to it. */
  doubts(thread: T): boolean {
    return this.#threads.get(thread)?.told ?? false;
  }

  #look(): void {
    const { timeout, every } = this.#watching;
    const now = this.#clock.now();
    const elapsed = Math.min(now - this.#last, every);
    this.#last = now;
    for (const [thread, before] of this.#threads) {
      const { silence, verdict } = listen(before, { heard: thread.beats, elapsed, timeout });
      this.#threads.set(thread, silence);
      if (verdict === 'unresponsive') shielded(() => this.#host.unresponsive(thread, silence.silent));
      if (verdict === 'responsive') shielded(() => this.#host.responsive(thread, before.silent));
      if (thread.connections.size === 0 || !thread.open) this.#threads.delete(thread);
    }
    if (this.#threads.size > 0) return;
    this.#timer?.clear();
    this.#timer = undefined;
  }
}

const REAL: WatchdogClock = {
  now: () => performance.now(),
  setInterval: (callback, ms) => {
    const timer = setInterval(callback, ms).unref();
    return { clear: () => clearInterval(timer) };
  },
};
