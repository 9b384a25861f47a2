// ranks — connections that have room, by their load: the least loaded at once, however many there are.
// Held by authority.ts. Invariant: each stands at the level of its load, and no lower level is taken than `#lowest`.
// Of several that are equal the last to come is taken: those that are not needed stay idle, and are evicted.
// Source: undici's BalancedPool and Gun's gun_pool, which look at all of theirs.

/** One of them, and where it stands. @internal */
export interface Rank<T> {
  readonly one: T;
  load: number;
  /** Its place on its level; -1: it stands nowhere. */
  at: number;
}

/** @internal */
export class Ranks<T> {
  readonly #levels: Rank<T>[][] = [];
  #lowest = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The least loaded. */
  get least(): T | undefined {
    if (this.#size === 0) return undefined;
    while ((this.#levels[this.#lowest]?.length ?? 0) === 0) this.#lowest++;
    return this.#levels[this.#lowest]?.at(-1)?.one;
  }

  add(rank: Rank<T>, load: number): void {
    if (rank.at >= 0) this.remove(rank);
    this.#levels[load] ??= [];
    const level = this.#levels[load];
    rank.load = load;
    rank.at = level.length;
    level.push(rank);
    this.#size++;
    if (load < this.#lowest || this.#size === 1) this.#lowest = load;
  }

  remove(rank: Rank<T>): void {
    if (rank.at < 0) return;
    const level = this.#levels[rank.load] ?? [];
    const last = level.pop();
    // The last one takes its place.
    if (last && last !== rank) {
      level[rank.at] = last;
      last.at = rank.at;
    }
    rank.at = -1;
    this.#size--;
  }
}
