// fake-clock — timers and a clock that go on only when a test says so.
// Given to the machines of lib/session, which take both from outside.
// Invariant: timers fire in the order of their times, equal ones in the order they were set; what one sets while time
// goes on fires too, if it is due by then. A time that Node's timers do not keep is refused, not shortened.

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export class FakeClock {
  #now: number;
  readonly #timers = new Set<Timer>();

  /** `now`: where it begins, in milliseconds. */
  constructor(now = 0) {
    this.#now = now;
  }

  /** Timers that have not fired. */
  get size(): number {
    return this.#timers.size;
  }

  readonly now = (): number => this.#now;

  readonly setTimeout = (callback: () => void, ms: number): { clear(): void } => {
    if (!(ms >= 0 && ms < 2 ** 31)) throw new RangeError(`a timer of ${ms} ms`);
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return { clear: () => void this.#timers.delete(timer) };
  };

  /** Lets so many milliseconds pass; fires what is due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers) if (timer.at <= end && !(next && next.at <= timer.at)) next = timer;
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }
}
