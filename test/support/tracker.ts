// tracker — promises by name, and whether all of them have settled; and a seeded source of chance.
// Used by kills.ts and kills-consumer.ts.

/** Notes what was started, until it has settled, however. */
export class Tracker {
  readonly #pending = new Map<Promise<unknown>, string>();
  started = 0;

  /** The promise itself, noted. */
  note<T>(name: string, promise: Promise<T>): Promise<T> {
    this.started++;
    this.#pending.set(promise, name);
    const done = (): void => void this.#pending.delete(promise);
    promise.then(done, done);
    return promise;
  }

  get pending(): string[] {
    return [...this.#pending.values()];
  }

  /** @throws when something is pending still after so many ms, by its names. */
  async settled(deadline: number): Promise<void> {
    const end = performance.now() + deadline;
    while (this.#pending.size > 0) {
      if (performance.now() > end) throw new Error(`never settled: ${this.pending.join(', ')}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The promise itself. @throws when it has not settled after 6 s, with what is pending. */
  async within<T>(promise: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${what} did not come; pending: ${this.pending.join(', ')}`));
      }, 6_000);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What a promise rejected with, if it did. */
export async function rejection(promise: Promise<void>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error ?? new Error('rejected with nothing');
  }
}

/** False, after so many ms. */
export function later(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(resolve, ms, false));
}

/** Chance out of a seed: `next(n)` is an integer from 0 below n. Source: mulberry32. */
export function chance(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * n);
  };
}

/** A seed for this run: GUNPORT_SEED, or a new one. */
export function seedOf(): number {
  const given = Number(process.env['GUNPORT_SEED']);
  return Number.isInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 0x7fffffff);
}

/** So many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
