// line — who waits for a place, in the order they asked.
// Held by authority.ts, one for each authority. Invariant: the oldest is first, also where one that was served before
// has to wait again; whoever leaves leaves nothing, wherever it stood, at no cost for the others.
// Source: the fair queue that gun_pool lacks.

/** One that waits; what is in it is the line's business. @internal */
export interface Standing<T> {
  readonly one: T;
  /** When it asked: lower is older. */
  readonly order: number;
  before: Standing<T> | undefined;
  behind: Standing<T> | undefined;
  standing: boolean;
}

/** @internal */
export class Line<T> {
  #first: Standing<T> | undefined;
  #last: Standing<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }
  get first(): T | undefined {
    return this.#first?.one;
  }

  /** At the end; one that is older than the last takes its own place. */
  add(one: T, order: number): Standing<T> {
    const behind = this.#youngerThan(order);
    const before = behind ? behind.before : this.#last;
    const standing: Standing<T> = { one, order, before, behind, standing: true };
    if (before) before.behind = standing;
    else this.#first = standing;
    if (behind) behind.before = standing;
    else this.#last = standing;
    this.#size++;
    return standing;
  }

  shift(): T | undefined {
    const first = this.#first;
    if (first) this.remove(first);
    return first?.one;
  }

  remove(standing: Standing<T>): void {
    if (!standing.standing) return;
    standing.standing = false;
    const { before, behind } = standing;
    if (before) before.behind = behind;
    else this.#first = behind;
    if (behind) behind.before = before;
    else this.#last = before;
    standing.before = undefined;
    standing.behind = undefined;
    this.#size--;
  }

  /** Those that came back are few, and older than nearly all: they are looked for from the front. */
  #youngerThan(order: number): Standing<T> | undefined {
    if (!this.#last || this.#last.order < order) return undefined;
    let one = this.#first;
    while (one && one.order < order) one = one.behind;
    return one;
  }
}
