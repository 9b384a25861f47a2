// part-stage — the context of a handler, played: a clock that is set by hand, and an owner with room or without.
// Used by test/parts.
// Invariant: timers run when the clock has been moved past them, in the order of their times.

import type { PartContext } from '../../lib/parts/part.ts';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export class PartStage implements PartContext {
  ready = true;
  readonly emitted: unknown[] = [];
  readonly faults: { readonly error: unknown; readonly where: string }[] = [];
  #now = 1_000;
  #timers: Timer[] = [];

  get timers(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#now;
  }

  emit(value: unknown): boolean {
    this.emitted.push(value);
    return this.ready;
  }

  fault(error: unknown, where: string): void {
    this.faults.push({ error, where });
  }

  setTimeout(callback: () => void, ms: number): { clear(): void } {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return {
      clear: () => {
        this.#timers = this.#timers.filter((one) => one !== timer);
      },
    };
  }

  /** Moves the clock, and runs what is due on the way. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
  }

  /** What was emitted since the last call. */
  take(): unknown[] {
    return this.emitted.splice(0);
  }
}
