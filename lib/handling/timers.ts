// timers — the timers of one handler: what they call back to may throw, and all of them end with its WebSocket.
// Held by runner.ts. Invariant: after stop() nothing is called back.
// Source: the owner of a timer is the process that it was started in (Erlang's start_timer), which ends with it.

import { LONGEST } from '../checks.ts';
import { describe, OptionError } from '../errors.ts';
import type { HandlerTimer } from '../handler.ts';

/** @internal */
export class Timers {
  readonly #run: (callback: () => void) => void;
  readonly #ref: boolean;
  readonly #active = new Set<NodeJS.Timeout>();
  #stopped = false;

  /** `run`: calls back, whatever is thrown. `ref`: they keep their thread alive. */
  constructor(run: (callback: () => void) => void, ref: boolean) {
    this.#run = run;
    this.#ref = ref;
  }

  once(callback: () => void, ms: number): HandlerTimer {
    check(callback, ms);
    const timer: NodeJS.Timeout = setTimeout(() => {
      this.#active.delete(timer);
      this.#run(callback);
    }, ms);
    return this.#keep(timer);
  }

  every(callback: () => void, ms: number): HandlerTimer {
    check(callback, ms);
    return this.#keep(setInterval(() => this.#run(callback), ms));
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#active) clearTimeout(timer);
    this.#active.clear();
  }

  #keep(timer: NodeJS.Timeout): HandlerTimer {
    if (this.#stopped) clearTimeout(timer);
    else this.#active.add(timer);
    if (!this.#ref) timer.unref();
    return {
      clear: () => {
        clearTimeout(timer);
        this.#active.delete(timer);
      },
    };
  }
}

function check(callback: unknown, ms: unknown): void {
  if (typeof callback !== 'function')
    throw new OptionError(`callback must be a function, got ${describe(callback)}`);
  if (typeof ms === 'number' && ms >= 0 && ms <= LONGEST) return;
  throw new OptionError(`ms must be a number from 0 to ${LONGEST}, got ${describe(ms)}`);
}
