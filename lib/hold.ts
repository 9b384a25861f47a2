// hold — whether a handle owns its connection: owned, giving, or given away for good.
// Held by connection.ts, which asks it before every call.
// Invariant: it goes to `given` once and never back; while `giving` nothing can be called, and one transfer at a time
// is under way. Source: promises O1, O3 and O4.

import { type GunportError, OwnerError } from './errors.ts';
import type { Underway } from './owner.ts';

type State =
  | { readonly name: 'owned' }
  | { readonly name: 'giving'; readonly underway: Underway }
  | { readonly name: 'given' };

/** @internal */
export class Hold {
  #state: State = { name: 'owned' };

  get isGiven(): boolean {
    return this.#state.name === 'given';
  }

  /** @throws {OwnerError} ERR_GUNPORT_NOT_OWNER. */
  assertOwner(): void {
    if (this.isGiven) throw notOwner();
  }

  /** @throws {OwnerError} ERR_GUNPORT_NOT_OWNER, ERR_GUNPORT_TRANSFERRING. */
  assertUsable(): void {
    this.assertOwner();
    if (this.#state.name === 'giving') {
      throw new OwnerError('ERR_GUNPORT_TRANSFERRING', 'the connection is being handed over');
    }
  }

  /** Resolves when it is given. Whatever `start` or the transfer fails with, it is owned again, and `back` is called
   *  in the same breath: no call may come between the two. Never before the caller has gone on. */
  async give(start: () => Underway, back: () => void): Promise<void> {
    const underway = begin(start);
    this.#state = { name: 'giving', underway };
    try {
      await underway.done;
      this.#state = { name: 'given' };
    } catch (error) {
      this.#state = { name: 'owned' };
      back();
      throw error;
    }
  }

  /** Resolves once the transfer that is under way is decided, either way; undefined when none is. */
  settled(): Promise<void> | undefined {
    if (this.#state.name !== 'giving') return undefined;
    // give() waits for the same promise, and began before this.
    return this.#state.underway.done.catch(() => {}).then(() => {});
  }

  /** Takes a transfer that is under way back, unless it is decided. */
  interrupt(error: GunportError): void {
    if (this.#state.name === 'giving') this.#state.underway.interrupt(error);
  }

  /** The same, and tells how it went; undefined when none is under way, so that a caller need not yield.
   *  @throws {OwnerError} ERR_GUNPORT_NOT_OWNER it was given, or the taker was faster. */
  reclaim(error: GunportError): Promise<void> | undefined {
    this.assertOwner();
    if (this.#state.name !== 'giving') return undefined;
    const { underway } = this.#state;
    underway.interrupt(error);
    // Its failure is told to the one who gave. give() waits for the same promise, and began before this.
    return underway.done.catch(() => {}).then(() => this.assertOwner());
  }
}

function begin(start: () => Underway): Underway {
  try {
    return start();
  } catch (error) {
    return { done: Promise.reject(error), interrupt: () => {} };
  }
}

/** What every call on a handle that was given away throws or rejects with. @internal */
export function notOwner(): OwnerError {
  return new OwnerError(
    'ERR_GUNPORT_NOT_OWNER',
    'the connection was handed over: this handle owns it no more',
  );
}
