// tracker — promises by name, and whether all of them have settled.
// Used by storms, kills and the soak.

/** Notes what was started, until it has settled, however. */
export class Tracker {
  readonly #pending = new Map<Promise<unknown>, { readonly name: string; readonly since: number }>();
  started = 0;

  /** The promise itself, noted. */
  note<T>(name: string, promise: Promise<T>): Promise<T> {
    this.started++;
    this.#pending.set(promise, { name, since: performance.now() });
    const done = (): void => void this.#pending.delete(promise);
    promise.then(done, done);
    return promise;
  }

  get pending(): string[] {
    return [...this.#pending.values()].map(({ name }) => name);
  }

  /** Those that were started more than so many ms ago. */
  overdue(ms: number): string[] {
    const before = performance.now() - ms;
    return [...this.#pending.values()].filter(({ since }) => since < before).map(({ name }) => name);
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

/** So many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
