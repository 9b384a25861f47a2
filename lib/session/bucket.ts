// bucket — the rate limit of what a client sends: a bucket of tokens, in memory that threads share.
// Taken from by outgoing.ts; RateLimiter is for users, who give one to several clients.
// Invariant: whatever number of threads takes, and in whatever order, from the start until any moment no more is taken
// than the capacity and what has been refilled since; a fraction of a token that was refilled is never lost.
// How: one word counts all tokens that were ever taken, as if they came out of one endless stream that began with the
// bucket; what the stream has brought by now follows from the time alone. A bucket that was full wastes what flows on:
// then the word is first moved up to it. Source: WebsockexNova's RateLimitHandler, whose refill lost its fractions; the
// generic cell rate algorithm (ITU-T I.371), which is the same thing in units of time.

import { integer, LONGEST, own } from '../checks.ts';
import { describe, OptionError } from '../errors.ts';

/** `normal`: what finds its tokens goes at once, all else waits in order. The others are for tests and emergencies:
 *  nothing is limited; everything waits for a later turn; everything is refused. */
export type RateLimitMode = 'normal' | 'alwaysAllow' | 'alwaysQueue' | 'alwaysReject';

/** A bucket of tokens: options of `rateLimit` and of a `RateLimiter`. */
export interface RateLimitOptions {
  /** Most tokens that gather; it starts full. Default 60. */
  readonly capacity?: number | undefined;
  /** Tokens that come in each interval, evenly. Above 0, at most 1000 for each millisecond. Default 1. */
  readonly refill?: number | undefined;
  /** In milliseconds. Default 1000. */
  readonly interval?: number | undefined;
  /** What a message costs, by its type; in thousandths at the finest. Default 1 each. */
  readonly costs?: Readonly<Record<string, number>> | undefined;
  /** Most messages that wait for tokens; more are refused with ERR_GUNPORT_RATE_LIMITED. Default 100. */
  readonly queue?: number | undefined;
  /** Default `normal`. */
  readonly mode?: RateLimitMode | undefined;
}

/** The same, checked and complete. */
export type CheckedRateLimit = {
  readonly [name in keyof RateLimitOptions]-?: Exclude<RateLimitOptions[name], undefined>;
};

/** A rate limit as it is posted: the same bucket in every thread. */
export interface SharedRateLimit {
  readonly memory: SharedArrayBuffer;
  readonly options: CheckedRateLimit;
}

const NAMES: ReadonlySet<string> = new Set(['capacity', 'refill', 'interval', 'costs', 'queue', 'mode']);
/** What an adapter's `rateLimit` has beside them. */
const HOOKS: ReadonlySet<string> = new Set([...NAMES, 'cost', 'check']);
const MODES: ReadonlySet<unknown> = new Set(['normal', 'alwaysAllow', 'alwaysQueue', 'alwaysReject']);
const MOST_CAPACITY = 1_000_000_000;
const MOST_QUEUED = 1_000_000;
const MOST_PER_MILLISECOND = 1_000;

/** Parts of a token. At the fastest refill, 2^63 of them last for 290 years. */
const PARTS = 1_000;
/** Two words: what was taken, and when it began. */
const BYTES = 16;

/** One limit for several clients, in any threads: give it, or its `shared` in another thread, as their `rateLimit`.
 *  @throws {OptionError} an option is not what it must be.
 *  @example
 *  const rateLimit = new RateLimiter({ capacity: 20, refill: 5 });
 *  const clients = urls.map((url) => new Client(url, { rateLimit })); */
export class RateLimiter {
  /** Plain data that can be posted; `new RateLimiter(shared)` there is the same limit. */
  readonly shared: SharedRateLimit;
  readonly #bucket: TokenBucket;

  constructor(options: RateLimitOptions | SharedRateLimit = {}) {
    this.shared = isShared(options) ? options : share(checkRateLimit(options, 'rateLimit', false));
    this.#bucket = new TokenBucket(this.shared.options, this.shared.memory);
  }

  /** Those that are there now, in thousandths at the finest. */
  get tokens(): number {
    return this.#bucket.tokens;
  }
}

/** The `rateLimit` option of a client: options of its own, or a limit that others use too. An adapter's has `hooks` beside
 *  them, which stay where they are. @throws {OptionError} @internal */
export function sharedRateLimit(
  value: unknown,
  name = 'rateLimit',
  hooks = true,
): SharedRateLimit | undefined {
  if (value === undefined) return undefined;
  if (value instanceof RateLimiter) return value.shared;
  return isShared(value) ? value : share(checkRateLimit(value, name, hooks));
}

/** Tokens that come by themselves, and are taken by whoever comes first. @internal */
export class TokenBucket {
  readonly options: CheckedRateLimit;
  readonly memory: SharedArrayBuffer;
  readonly #clock: () => number;
  readonly #capacity: bigint;
  /** One word: what was taken, in parts of a token. */
  readonly #taken: BigInt64Array;
  readonly #began: number;

  /** `memory`: that of a bucket that was made elsewhere. `clock`: milliseconds; the same in all threads that share it, and
   *  never back. Default: the process's own monotonic clock. @throws {OptionError} */
  constructor(options: RateLimitOptions, memory?: SharedArrayBuffer, clock: () => number = processClock) {
    this.options = checkRateLimit(options, 'rateLimit', true);
    this.memory = memory ?? newMemory(clock);
    this.#clock = clock;
    this.#capacity = BigInt(this.options.capacity * PARTS);
    this.#taken = new BigInt64Array(this.memory, 0, 1);
    // Written once, before the memory was shared.
    this.#began = new Float64Array(this.memory, 8, 1)[0] ?? 0;
  }

  /** Takes that many, or none at all. False: there are too few. */
  take(cost: number): boolean {
    const parts = partsOf(cost);
    if (parts <= 0n) return true;
    for (;;) {
      // Every thread that shares the bucket changes this word, each by a compare and exchange from what it has read: so
      // no taking is lost, and what it decided upon was still true when it took. No order with other words matters.
      const before = Atomics.load(this.#taken, 0);
      const now = this.#clock();
      const after = this.#from(before, now) + parts;
      if (after > this.#brought(now)) return false;
      if (Atomics.compareExchange(this.#taken, 0, before, after) === before) return true;
    }
  }

  /** In how many milliseconds that many will be there, if nobody else takes any; 0: now. More than the capacity: never. */
  waitFor(cost: number): number {
    if (cost > this.options.capacity) return Number.POSITIVE_INFINITY;
    const now = this.#clock();
    const needed = this.#from(Atomics.load(this.#taken, 0), now) + partsOf(cost);
    const missing = needed - this.#brought(now);
    if (missing <= 0n || cost <= 0) return 0;
    const { refill, interval } = this.options;
    let wait = Math.max(1, Math.ceil((Number(missing) * interval) / (refill * PARTS)));
    // What has come is cut to whole parts, of which the last may be a moment late.
    while (this.#brought(now + wait) < needed) wait += 1;
    return wait;
  }

  /** Those that are there now, in thousandths at the finest. */
  get tokens(): number {
    const now = this.#clock();
    const left = this.#brought(now) - this.#from(Atomics.load(this.#taken, 0), now);
    return Number(left < 0n ? 0n : left) / PARTS; // Below 0 only where two clocks differ.
  }

  /** All that may have been taken by then: what was in it at the start, and what has come. */
  #brought(now: number): bigint {
    const { refill, interval } = this.options;
    // From the start, not from the last time: so that nothing is cut off twice.
    return this.#capacity + BigInt(Math.floor(((now - this.#began) * refill * PARTS) / interval));
  }

  /** What counts as taken: a bucket that was full has lost what came on top. */
  #from(taken: bigint, now: number): bigint {
    const least = this.#brought(now) - this.#capacity;
    return taken > least ? taken : least;
  }
}

/** @throws {OptionError} */
function checkRateLimit(value: unknown, name = 'rateLimit', hooks = true): CheckedRateLimit {
  const given = own(value, hooks ? HOOKS : NAMES, name);
  const prefixed = Object.fromEntries(Object.entries(given).map(([key, one]) => [`${name}.${key}`, one]));
  const capacity = integer(prefixed, `${name}.capacity`, 60, [1, MOST_CAPACITY]);
  const interval = integer(prefixed, `${name}.interval`, 1_000, [1, LONGEST]);
  const { refill = 1, mode = 'normal' } = given;
  if (typeof refill !== 'number' || !(refill > 0 && refill <= interval * MOST_PER_MILLISECOND)) {
    const most = `${interval * MOST_PER_MILLISECOND} in ${interval} ms`;
    throw new OptionError(
      `${name}.refill must be a number above 0, at most ${most}, got ${describe(refill)}`,
    );
  }
  if (!isMode(mode)) {
    const modes = [...MODES].map(describe).join(', ');
    throw new OptionError(`${name}.mode must be one of ${modes}, got ${describe(mode)}`);
  }
  const queue = integer(prefixed, `${name}.queue`, 100, [0, MOST_QUEUED]);
  return { capacity, refill, interval, queue, mode, costs: checkCosts(given['costs'], name, capacity) };
}

/** Of uv_hrtime: it has one zero for all threads of a process, and never goes back. */
function processClock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

function newMemory(clock: () => number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(BYTES);
  new Float64Array(memory, 8, 1)[0] = clock();
  return memory;
}

function share(options: CheckedRateLimit): SharedRateLimit {
  return { memory: newMemory(processClock), options };
}

/** Rounded up: a limit is never exceeded by what a cost was rounded by. 0.1 is 100 parts, whatever 0.1 * 1000 is. */
function partsOf(cost: number): bigint {
  return BigInt(Math.ceil(Number((cost * PARTS).toFixed(6))));
}

function isShared(value: unknown): value is SharedRateLimit {
  if (typeof value !== 'object' || value === null || !('memory' in value && 'options' in value)) return false;
  return value.memory instanceof SharedArrayBuffer && value.memory.byteLength === BYTES;
}

function isMode(value: unknown): value is RateLimitMode {
  return MODES.has(value);
}

function checkCosts(value: unknown, name: string, capacity: number): Readonly<Record<string, number>> {
  const costs: Record<string, number> = Object.create(null);
  if (value === undefined) return costs;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OptionError(`${name}.costs must be an object, got ${describe(value)}`);
  }
  for (const [type, cost] of Object.entries(value)) {
    if (typeof cost !== 'number' || !(cost >= 0 && cost <= capacity)) {
      const bounds = `from 0 to the capacity, ${capacity}`;
      throw new OptionError(`${name}.costs.${type} must be a number ${bounds}, got ${describe(cost)}`);
    }
    costs[type] = cost;
  }
  return costs;
}
