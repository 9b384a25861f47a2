// showing — messages are shown to a handler, one by one or a read at a time, and what it makes of them goes to the outlet.
// Held by runner.ts, which says when. Cost per message is what this file is about.
// Invariant: order is kept; what is shown is valid until the hook returns, and for a hook that gives promises until those are
// settled (but for the first, where it is no async function); a hook that throws stands in nobody's way.

import { batchOf } from '../batch.ts';
import type { Handler } from '../handler.ts';
import type { Laid, Outlet } from './outlet.ts';
import { ownCopy } from './queue.ts';

/** What of it is the runner's. */
export interface ShowingHost {
  readonly outlet: Outlet;
  /** What was read does not matter any more. */
  readonly deaf: boolean;
  deliver(parcel: Laid): void;
  /** A hook has given a promise: nothing else is shown until it is settled. */
  wait(hook: 'message' | 'batch', answer: PromiseLike<unknown>): void;
  fault(hook: string, thrown: unknown): void;
}

/** @internal */
export class Showing {
  readonly #handler: Handler;
  readonly #host: ShowingHost;
  /** A hook gives promises: what it is shown must outlive its return. */
  #async: boolean;

  constructor(handler: Handler, host: ShowingHost) {
    this.#handler = handler;
    this.#host = host;
    const { message, batch } = handler;
    this.#async = [message, batch].some((hook) => hook?.constructor.name === 'AsyncFunction');
  }

  /** Messages from `from` on; returns where it stopped: behind the last, unless a promise holds the rest up. `borrowed`:
   *  their memory is used again. */
  show(raw: Laid, from: number, borrowed: boolean): number {
    const [handler, host] = [this.#handler, this.#host];
    const { count } = raw;
    if (handler.batch) return this.#batch(raw, from, borrowed);
    if (!handler.message) {
      host.outlet.ship();
      host.deliver(borrowed || from > 0 ? ownCopy(raw, from) : raw);
      return count;
    }
    const batch = batchOf(raw);
    const copies = borrowed && this.#async;
    for (let i = from; i < count && !host.deaf; i++) {
      try {
        const data = batch.at(i);
        const result = handler.message(copies && typeof data !== 'string' ? data.slice() : data);
        if (result === undefined) continue;
        if (isPromise(result)) {
          this.#async = true;
          host.wait('message', result);
          return i + 1;
        }
        host.outlet.add(result);
      } catch (error) {
        host.fault('message', error);
      }
    }
    return count;
  }

  #batch(raw: Laid, from: number, borrowed: boolean): number {
    try {
      const shown = borrowed && this.#async ? ownCopy(raw, from) : raw;
      const result: unknown = this.#handler.batch?.(batchOf(shown, shown === raw ? from : 0));
      if (isPromise(result)) {
        this.#async = true;
        // What it resolves with is nobody's.
        this.#host.wait(
          'batch',
          result.then(() => undefined),
        );
      }
    } catch (error) {
      this.#host.fault('batch', error);
    }
    return raw.count;
  }
}

/** @internal */
export function isPromise(value: unknown): value is Promise<unknown> {
  // `in` is no check for strings; what has a `then` is no data that could be cloned.
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}
