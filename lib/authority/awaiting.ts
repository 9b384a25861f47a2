// awaiting — who waits for an authority to be up.
// Held by authority.ts, which knows when it is. Invariant: whoever waits is told once, or stops waiting.
// Source: gun_pool:await_up/2.

import { type Settle, type WaitOptions, wait } from '../await.ts';
import type { GunportError } from '../errors.ts';

/** What it asks of its authority. */
interface AwaitingHost {
  /** One more waits. */
  joined(): void;
  /** One waits no more. */
  left(): void;
}

/** @internal */
export class Awaiting {
  readonly #waiters = new Set<Settle<void>>();
  readonly #host: AwaitingHost;

  constructor(host: AwaitingHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves once it is up. `explain`: the cause of a timeout. */
  wait(what: string, options: WaitOptions, explain: () => unknown): Promise<void> {
    const start = (settle: Settle<void>): (() => void) => {
      this.#waiters.add(settle);
      this.#host.joined();
      return () => {
        this.#waiters.delete(settle);
        this.#host.left();
      };
    };
    return wait<void>(what, options, start, explain);
  }

  /** It is up, or will not be. */
  tell(error: GunportError | undefined): void {
    for (const settle of [...this.#waiters]) error ? settle(error) : settle(undefined, undefined);
  }
}
