// lane — what waits for one link, in the order it was asked for, and what that link serves: the streams at the end of the
// connection's own road, or those of one tunnel.
// Made by streams.ts; a driver takes from here what it can serve, and sees no other stream.
// Invariant: what waits keeps its order; a stream is in one lane from its first moment to its end.
// Source: gun's postponed casts; gun_tunnel, which has a protocol and streams of its own.

import type { GunportError } from '../lib/errors.ts';

/** What can wait. */
export interface Member {
  readonly kind: 'ws' | 'http';
  readonly stream: number;
}

/** How one of them ends. */
export interface LaneHost<One extends Member> {
  /** All that are in it. */
  members(lane: Lane<One>): One[];
  /** It is over: false, it was before. */
  forget(one: One): boolean;
  failed(one: One, error: GunportError): void;
}

/** The link at the end of a lane's road. */
export interface LaneServer {
  /** Something may wait that can be served now. */
  serve(): void;
  /** False: nobody is there to send it. */
  ping(id: number): boolean;
}

export class Lane<One extends Member> {
  /** The lane that the tunnel it stands for was asked in; undefined for the connection's own. */
  readonly parent: Lane<One> | undefined;
  /** Where it leads, if that is behind a tunnel. */
  readonly origin: string | undefined;
  /** The stream of the tunnel that it stands for. */
  tunnel: number | undefined;
  /** The link of the moment. */
  server: LaneServer | undefined;
  readonly #host: LaneHost<One>;
  #waiting: One[] = [];

  constructor(host: LaneHost<One>, parent?: Lane<One>, origin?: string) {
    this.#host = host;
    this.parent = parent;
    this.origin = origin;
  }

  /** It is this lane, or one inside. */
  leadsTo(lane: Lane<Member>): boolean {
    for (let one: Lane<Member> | undefined = lane; one; one = one.parent) if (one === this) return true;
    return false;
  }

  // ── from the registry ─────────────────────────────────────────────────────────────────────────────────────

  /** It waits, behind all others. */
  add(one: One): void {
    // An array that has grown by push() has room for 17, for good.
    if (this.#waiting.length === 0) this.#waiting = [one];
    else this.#waiting.push(one);
  }

  /** It waits again, before all others. */
  putFirst(one: One): void {
    this.#waiting.unshift(one);
  }

  // ── for drivers ───────────────────────────────────────────────────────────────────────────────────────────

  /** What was asked for first and waits still. */
  get next(): One | undefined {
    return this.#waiting[0];
  }

  /** All that wait, oldest first. */
  get waiting(): readonly One[] {
    return this.#waiting;
  }

  /** Requests that have not ended. */
  get exchanges(): Extract<One, { kind: 'http' }>[] {
    const isHttp = (one: One): one is Extract<One, { kind: 'http' }> => one.kind === 'http';
    return this.#host.members(this).filter(isHttp);
  }

  /** A driver serves it from now on. */
  take(one: One): void {
    if (this.#waiting[0] !== one) this.#waiting = this.#waiting.filter((other) => other !== one);
    else if (this.#waiting.length === 1) this.#waiting = [];
    else this.#waiting.shift();
  }

  /** It was taken, and the peer has not dealt with it: it waits again, in its place. */
  putBack(one: One): void {
    const at = this.#waiting.findIndex(({ stream }) => stream > one.stream);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, one);
  }

  /** It is over: of one that was cancelled under way, the answer was read past. */
  forget(one: One): void {
    this.#host.forget(one);
  }

  /** It never became what it should, or broke. */
  failed(one: One, error: GunportError): void {
    this.#host.failed(one, error);
  }

  /** What waits and cannot be served on this connection any more. */
  failWaiting(why: (one: One) => GunportError | undefined): void {
    for (const one of [...this.#waiting]) {
      const error = why(one);
      if (error) this.failed(one, error);
    }
  }
}
