// correlation — the requests of a session that have no reply yet, each under the id that its reply will name.
// Kept by lib/session/session.ts, which sends the requests and finds the ids in what arrives.
// Invariant: an id is pending once; each request settles exactly once, by answer, error, timeout or the end of its
// connection; what names an id that is not pending is not taken, and leaves all others alone.
// Source: ZenWebsocket's correlator (a duplicate id is refused, a drop fails them all); JSON-RPC 2.0.

import { type GunportError, StreamError, TimeoutError } from '../errors.ts';

/** What names a request and its reply; 1 and '1' are two. @internal */
export type RequestId = string | number;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  timer: { clear(): void } | undefined;
}

/** Most failed requests whose replies are still known as late. @internal */
export const MOST_GIVEN_UP = 1_000;

/** The requests of one session. @internal */
export class Correlation {
  readonly #host: { setTimeout(callback: () => void, ms: number): { clear(): void } };
  readonly #pending = new Map<RequestId, Pending>();
  /** Failed ones of this connection, which the peer may still answer; the oldest first. */
  readonly #givenUp = new Set<RequestId>();
  #last = 0;
  #late = 0;

  constructor(host: { setTimeout(callback: () => void, ms: number): { clear(): void } }) {
    this.#host = host;
  }

  /** Requests without a reply. */
  get size(): number {
    return this.#pending.size;
  }

  /** Replies that came when their request had failed. */
  get late(): number {
    return this.#late;
  }

  /** A number that is no pending id: 1, 2, 3 … */
  next(): number {
    do this.#last++;
    while (this.#pending.has(this.#last));
    return this.#last;
  }

  /** Whether a request with this id has no reply yet. */
  has(id: RequestId): boolean {
    return this.#pending.has(id);
  }

  /** A request is about to be sent; settles with its reply. `timeout` in milliseconds, 0: none; `what` is for messages.
   *  @throws {StreamError} (at once) ERR_GUNPORT_DUPLICATE_ID: one with this id is pending, and goes on.
   *  @throws {TimeoutError} (rejects) ERR_GUNPORT_TIMEOUT; or what `fail` and `failAll` are given. */
  add(
    id: RequestId,
    options: { readonly timeout: number; readonly what?: string | undefined },
  ): Promise<unknown> {
    if (this.#pending.has(id)) {
      throw new StreamError('ERR_GUNPORT_DUPLICATE_ID', `a request with id ${JSON.stringify(id)} is pending`);
    }
    const { timeout, what = 'request' } = options;
    this.#givenUp.delete(id);
    return new Promise((resolve, reject) => {
      const pending: Pending = { resolve, reject, timer: undefined };
      this.#pending.set(id, pending);
      if (timeout === 0) return;
      pending.timer = this.#host.setTimeout(() => {
        const message = `${what} ${JSON.stringify(id)} was not answered within ${timeout} ms`;
        this.fail(id, new TimeoutError('ERR_GUNPORT_TIMEOUT', message));
      }, timeout);
    });
  }

  /** Its reply has come. False: it is not pending, and this is not taken. */
  answer(id: RequestId, value: unknown): boolean {
    const pending = this.#take(id);
    if (!pending) return false;
    pending.resolve(value);
    return true;
  }

  /** The peer has answered with an error, or it is given up. False: it is not pending, and this is not taken. */
  fail(id: RequestId, error: unknown): boolean {
    const pending = this.#take(id);
    if (!pending) return false;
    this.#givenUp.add(id);
    if (this.#givenUp.size > MOST_GIVEN_UP) {
      const [oldest] = this.#givenUp;
      if (oldest !== undefined) this.#givenUp.delete(oldest);
    }
    pending.reject(error);
    return true;
  }

  /** No reply can come any more: all reject with this, in the order they were added. How many there were. */
  failAll(error: GunportError): number {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    this.#givenUp.clear();
    for (const { timer, reject } of all) {
      timer?.clear();
      reject(error);
    }
    return all.length;
  }

  #take(id: RequestId): Pending | undefined {
    const pending = this.#pending.get(id);
    if (!pending) {
      if (this.#givenUp.delete(id)) this.#late++;
      return undefined;
    }
    this.#pending.delete(id);
    pending.timer?.clear();
    return pending;
  }
}
