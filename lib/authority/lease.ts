// lease — one place on a pooled connection, held by whoever checked it out.
// Made by authorities.ts. Invariant: its place is given back once; what was left under way on HTTP/1 goes with its
// connection, so that the next is not behind it. Source: gun_pool:checkout/2.

import type { Connection } from '../connection.ts';
import type { MemberPlace } from './member.ts';

/** One place on a connection of a pool: on HTTP/1 the whole of it, on HTTP/2 one stream of those that the server allows.
 *  Release it, or leave its `await using` scope; until then it is yours. The end of the connection ends it too.
 *  @example
 *  await using lease = await pool.checkout('https://example.com');
 *  const text = await lease.connection.get('/').text(); */
export class Lease<M = unknown> implements Disposable, AsyncDisposable {
  readonly connection: Connection;
  /** What the `setup` of the connection resolved with. */
  readonly meta: M;
  readonly #place: MemberPlace;

  /** @internal */
  constructor(place: MemberPlace) {
    this.connection = place.connection;
    this.meta = place.meta as M; // Whoever wrote `setup` says what it is.
    this.#place = place;
  }

  /** It has not been released, and its connection lives. */
  get isActive(): boolean {
    return this.#place.isHeld;
  }

  /** Gives the place back; again it does nothing. What is under way on HTTP/1 then ends with the connection. */
  release(): void {
    if (!this.isActive) return this.#place.release();
    const { status, streams } = this.connection;
    const left = this.#place.protocol === 'http' && [...streams.values()].some((one) => !isOver(one.state));
    if (status === 'up') this.#place.answered();
    this.#place.release(status === 'up' && !left ? undefined : 'ours');
  }

  [Symbol.dispose](): void {
    this.release();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}

function isOver(state: string): boolean {
  return state === 'ended' || state === 'closed';
}
