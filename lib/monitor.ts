// monitor — one-way watches on a connection process, each ended by exactly one Down or by demonitor.
// Kept by connection.ts, told of the death by mailbox ('end') or life line, whichever is first.
// Invariant: each monitor settles exactly once: with its Down, or with undefined and no Down ever after.
// Source: Erlang monitor/2 and demonitor/2.

import { fromRecord } from './errors.ts';
import type { Down, DownReason } from './types.ts';
import type { DownRecord } from './wire.ts';

/** A watch on one connection process. A monitor is not a link: its end harms nobody. */
export interface Monitor<C = unknown> {
  /** The `ref` of its Down. */
  readonly ref: number;
  /** Resolves with the Down; with `undefined` after `demonitor`, or when the ownership went elsewhere and the
   *  monitor was not made with `keep`. Never rejects. */
  readonly down: Promise<Down<C> | undefined>;
}

export interface MonitorOptions {
  /** Go on watching after the connection was handed over. Default false: it ends with the ownership. */
  keep?: boolean | undefined;
}

interface Entry<C> extends Monitor<C> {
  readonly keep: boolean;
  readonly callback: ((down: Down<C>) => void) | undefined;
  readonly resolve: (down: Down<C> | undefined) => void;
  queued: Down<C> | undefined;
}

/** All monitors of one connection in one thread. @internal */
export class Monitors<C> {
  readonly #connection: C;
  readonly #entries = new Map<number, Entry<C>>();
  readonly #made = new WeakSet<object>();
  #nextRef = 1;
  #reason: DownReason | undefined;

  constructor(connection: C) {
    this.#connection = connection;
  }

  /** How the process died, as far as it is known here. */
  get reason(): DownReason | undefined {
    return this.#reason;
  }

  get kept(): boolean {
    for (const entry of this.#entries.values()) if (entry.keep) return true;
    return false;
  }

  /** Whether it is a monitor of this connection, ended or not. */
  made(monitor: unknown): boolean {
    return typeof monitor === 'object' && monitor !== null && this.#made.has(monitor);
  }

  add(callback: ((down: Down<C>) => void) | undefined, keep: boolean): Monitor<C> {
    let resolve: Entry<C>['resolve'] = () => {};
    const down = new Promise<Down<C> | undefined>((settle) => {
      resolve = settle;
    });
    const entry: Entry<C> = { ref: this.#nextRef++, down, keep, callback, resolve, queued: undefined };
    this.#entries.set(entry.ref, entry);
    this.#made.add(entry);
    // As in Erlang, a monitor on a dead process hears of it at once, as a message of its own.
    if (this.#reason) this.#queue(entry, this.#reason);
    return entry;
  }

  /** No Down from now on; one that is queued comes all the same unless it is flushed. */
  remove(monitor: Monitor<C>, flush: boolean): void {
    const entry = this.#entries.get(monitor.ref);
    if (entry === undefined || entry !== monitor || (entry.queued && !flush)) return;
    this.#entries.delete(entry.ref);
    entry.queued = undefined;
    entry.resolve(undefined);
  }

  /** The process is dead. Only the first reason counts. */
  fire(reason: DownReason): boolean {
    if (this.#reason) return false;
    this.#reason = reason;
    for (const entry of this.#entries.values()) this.#queue(entry, reason);
    return true;
  }

  /** The ownership went elsewhere: what is not kept ends without a Down. */
  ownershipEnded(): void {
    for (const entry of [...this.#entries.values()]) if (!entry.keep) this.remove(entry, true);
  }

  #queue(entry: Entry<C>, reason: DownReason): void {
    entry.queued = { type: 'down', ref: entry.ref, connection: this.#connection, reason };
    // A message of its own: a callback that throws is its thread's uncaught exception and hurts no other monitor.
    setImmediate(() => {
      const { queued } = entry;
      if (!queued) return;
      this.#entries.delete(entry.ref);
      entry.resolve(queued);
      entry.callback?.(queued);
    });
  }
}

/** @internal */
export function downReason(record: DownRecord): DownReason {
  const { kind, message, exitCode, cause } = record;
  return {
    kind,
    message,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cause === undefined ? {} : { cause: fromRecord(cause) }),
  };
}
