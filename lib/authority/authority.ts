// authority — the connections of one authority, and who waits for a place on one of them.
// Made by authorities.ts when an authority is first used. A connection is member.ts's, the queue waitingroom.ts's, what
// follows failures reopening.ts's.
// Invariant: who asked first is served first; one waits only while every connection is at its capacity; there are no
// more than maxConnections; whoever waits is served, or told why not, within its queueTimeout; vacant, it stays so.
// Source: gun_pool; HyperBEAM's pool for what that lacks (queue, bounds, back-off, eviction).

import type { WaitOptions } from '../await.ts';
import type { Connection } from '../connection.ts';
import { type GunportError, StreamError, TimeoutError } from '../errors.ts';
import {
  type AuthorityHost,
  type AuthorityInfo,
  type AuthorityState,
  type Candidate,
  takesNothing,
  type Waiting,
} from './authorityinfo.ts';
import type { AuthorityName, AuthoritySettings } from './authorityoptions.ts';
import { Awaiting } from './awaiting.ts';
import { Member, type MemberHost, STABLE_AFTER } from './member.ts';
import { Ranks } from './ranks.ts';
import { isHopeless, Reopening } from './reopening.ts';
import { WaitingRoom } from './waitingroom.ts';

/** Streams that a connection of HTTP/2 is thought to allow before it has said so. RFC 9113 §6.5.2. */
const EXPECTED = 100;

/** @internal */
export class Authority implements MemberHost {
  readonly name: AuthorityName;
  readonly settings: AuthoritySettings;
  readonly #host: AuthorityHost;
  /** All that have not ended; those that are not up yet; those that are; those that have room. */
  readonly #members = new Set<Member>();
  readonly #opening = new Set<Member>();
  readonly #up = new Set<Member>();
  readonly #ranks = new Ranks<Member>();
  /** Left by their servers, with answers under way: they take nobody's place. */
  readonly #lingering = new Set<Member>();
  /** Of no use, and about to end: what to do about that is known then. */
  readonly #ending = new Set<Member>();
  readonly #room: WaitingRoom;
  readonly #reopening: Reopening;
  readonly #awaiting: Awaiting;
  /** Requests that have no answer yet: each is here, or may come back. */
  #unanswered = 0;
  #state: 'open' | 'draining' | 'stopped' = 'open';
  #told: AuthorityState;
  /** Its first connections are being opened: it is degraded, and that is nothing to tell. */
  #beginning: boolean;
  #orders = 0;
  /** What one connection is expected to take. */
  #expected: number;
  #lastError: GunportError | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #over: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(name: AuthorityName, settings: AuthoritySettings, host: AuthorityHost) {
    this.name = name;
    this.settings = settings;
    this.#host = host;
    this.#expected = settings.settings.http.protocols[0] === 'http2' ? EXPECTED : 1;
    this.#beginning = settings.minConnections > 0;
    this.#told = this.#beginning ? 'degraded' : 'operational';
    this.#awaiting = new Awaiting({ joined: () => this.#awaited(), left: () => this.#settle() });
    this.#room = new WaitingRoom(
      () => this.#settle(),
      (queueTimeout) => this.#late(queueTimeout),
    );
    this.#reopening = new Reopening(settings.reopenDelay, settings.maxReopenDelay, () => {
      this.#grow();
      this.#settle();
    });
    this.#grow();
  }

  get keepsAlive(): boolean {
    return this.#host.keepsAlive;
  }
  /** Who was served once may come back. */
  get takesBack(): boolean {
    return this.#state !== 'stopped';
  }
  get info(): AuthorityInfo {
    const connections = [...this.#members].map(({ info }) => info);
    return {
      ...{ ...this.name, state: this.#told, draining: this.#state !== 'open', queue: this.#room.size },
      ...{ connections, lastError: this.#cause },
    };
  }

  // ── who asks ──────────────────────────────────────────────────────────────────────────────────────────────

  /** A request is about to ask, once or again and again: until it has its answer, this authority is not vacant. */
  began(): void {
    this.#unanswered++;
  }

  /** It has one, or has failed: it does not come back. */
  answered(): void {
    this.#unanswered--;
    this.#settle();
  }

  /** Calls `granted` now or later, or `refused`. `back`: the order of one that was served, and takes its old place. */
  ask(candidate: Candidate, queueTimeout: number, back?: number): Waiting {
    const order = back ?? ++this.#orders;
    const nobody = { order, leave(): void {} };
    const refusal = this.#refusal(back !== undefined);
    if (refusal) {
      candidate.refused(refusal);
      return nobody;
    }
    const member = this.#room.size === 0 || back !== undefined ? this.#next() : undefined;
    if (member) {
      this.#give(member, candidate);
      return nobody;
    }
    const waiting = this.#room.enter(candidate, order, queueTimeout);
    this.#grow();
    return waiting;
  }

  #refusal(back: boolean): GunportError | undefined {
    if (this.#state === 'stopped' || (this.#state === 'draining' && !back))
      return takesNothing(this.name.origin);
    if (this.#members.size === 0 && this.#isHopeless && this.#reopening.wait > 0) return this.#lastError;
    const { maxQueue, maxConnections } = this.settings;
    // Those for whom a connection is being opened, or can be, do not wait for others.
    const more = this.#reopening.isFailing ? 0 : Math.max(0, maxConnections - this.#counted);
    const most = maxQueue + (this.#opening.size + more) * this.#expected;
    if (back || this.#ranks.size > 0 || this.#room.size < most) return undefined;
    const text = `too many requests wait for a connection to ${this.name.origin}, maxQueue is ${maxQueue}`;
    return new StreamError('ERR_GUNPORT_OVERLOADED', text, { reason: maxQueue, cause: this.#cause });
  }

  #late(queueTimeout: number): GunportError {
    const cause = this.#cause;
    const why = cause ? `: ${cause.message}` : '';
    const text = `no connection to ${this.name.origin} was free within ${queueTimeout} ms${why}`;
    return new TimeoutError('ERR_GUNPORT_TIMEOUT', text, { reason: 'queueTimeout', cause });
  }

  /** What connections fail with at present. */
  get #cause(): GunportError | undefined {
    return this.#reopening.isFailing ? this.#lastError : undefined;
  }

  // ── who is served ─────────────────────────────────────────────────────────────────────────────────────────

  #serve(): void {
    while (this.#room.size > 0) {
      const member = this.#next();
      const candidate = member && this.#room.next();
      if (!candidate) break;
      this.#give(member, candidate);
    }
    this.#grow();
  }

  /** The least loaded that has room. One that is not sound leaves. */
  #next(): Member | undefined {
    const now = this.#ranks.size > 0 ? performance.now() : 0;
    for (let member = this.#ranks.least; member; member = this.#ranks.least) {
      if (member.isSound(now)) return member;
    }
    return undefined;
  }

  #give(member: Member, candidate: Candidate): void {
    const place = member.take();
    this.#rank(member);
    candidate.granted(place);
  }

  #rank(member: Member): void {
    if (member.hasRoom) this.#ranks.add(member.rank, member.load);
    else this.#ranks.remove(member.rank);
  }

  // ── growing and shrinking ─────────────────────────────────────────────────────────────────────────────────

  get #counted(): number {
    return this.#members.size - this.#lingering.size;
  }

  #grow(): void {
    while (this.#isShort() && this.#counted < this.settings.maxConnections && this.#ending.size === 0) {
      // After a failure one at a time finds out whether it can be done again.
      if (this.#reopening.isFailing && this.#opening.size > 0) return;
      if (this.#reopening.wait > 0) return this.#reopening.ask();
      if (!this.#open()) return;
    }
  }

  /** One more is wanted. */
  #isShort(): boolean {
    if (this.#state === 'stopped') return false;
    if (this.#room.size > this.#opening.size * this.#expected) return true;
    if (this.#state === 'draining' || this.#isHopeless) return false;
    return this.#counted < Math.max(this.settings.minConnections, this.#awaiting.size > 0 ? 1 : 0);
  }

  #open(): boolean {
    let connection: Connection;
    try {
      connection = this.#host.open();
    } catch (error) {
      // Its options were checked: the pool is closed.
      this.#room.refuseAll(error as GunportError);
      return false;
    }
    const member = new Member(connection, this.settings, this.name, this);
    this.#members.add(member);
    this.#opening.add(member);
    return true;
  }

  #evict(): void {
    const { idleTimeout, minConnections } = this.settings;
    const now = performance.now();
    const idle = [...this.#up].filter(({ load }) => load === 0);
    this.#idleTimer = undefined;
    let spare = this.#up.size + this.#opening.size - minConnections;
    let oldest = now;
    for (const member of idle.sort((a, b) => a.idleSince - b.idleSince)) {
      if (spare > 0 && member.idleSince + idleTimeout <= now) {
        spare--;
        member.leave('ours');
      } else oldest = Math.min(oldest, member.idleSince);
    }
    if (spare > 0 && idle.some(({ state }) => state === 'up')) this.#armIdle(oldest + idleTimeout - now);
  }

  /** Looks for those that nobody has used for long, once it may find one. */
  #armIdle(wait: number): void {
    this.#idleTimer ??= setTimeout(() => this.#evict(), Math.ceil(wait) + 1).unref();
  }

  // ── from its members ──────────────────────────────────────────────────────────────────────────────────────

  changed(member: Member): void {
    if (this.#opening.delete(member)) {
      this.#up.add(member);
      this.#expected = Math.max(1, Math.min(member.capacity, EXPECTED));
      this.#assess(undefined);
      if (this.#reopening.isFailing) this.#watch(member);
      if (this.#up.size > this.settings.minConnections) this.#armIdle(this.settings.idleTimeout);
    }
    this.#rank(member);
    this.#serve();
    this.#settle();
  }

  /** One that stays up is as good as an answer. */
  #watch(member: Member): void {
    setTimeout(() => {
      if (this.#up.has(member)) this.served();
    }, STABLE_AFTER).unref();
  }

  served(): void {
    if (!this.#reopening.isFailing) return;
    this.#reopening.succeeded();
    this.#assess(undefined);
    this.#grow();
  }

  freed(member: Member): void {
    if (member.load === 0 && this.#lingering.delete(member) && member.isDoubtful) this.#ending.add(member);
    this.#rank(member);
    this.#serve();
    const spare = member.load === 0 && this.#up.size > this.settings.minConnections;
    if (spare && this.#state === 'open') this.#armIdle(this.settings.idleTimeout);
    this.#settle();
  }

  leaving(member: Member): void {
    if (member.load > 0) this.#lingering.add(member);
    else if (member.isDoubtful) this.#ending.add(member);
    this.#forget(member);
    this.#assess(undefined);
    this.#grow();
  }

  gone(member: Member, error: GunportError | undefined, failed: boolean): void {
    this.#members.delete(member);
    this.#lingering.delete(member);
    this.#ending.delete(member);
    this.#forget(member);
    if (failed) {
      this.#lastError = error;
      this.#reopening.failed(Math.random());
      // Whoever waits is told now.
      if (error && this.#isHopeless && this.#up.size === 0) {
        this.#room.refuseAll(error);
        this.#awaiting.tell(error);
      }
    }
    this.#assess(error);
    this.#grow();
    this.#settle();
  }

  #forget(member: Member): void {
    this.#ranks.remove(member.rank);
    this.#opening.delete(member);
    this.#up.delete(member);
  }

  /** Another attempt would fail the same way. */
  get #isHopeless(): boolean {
    return this.#cause !== undefined && isHopeless(this.#cause, this.settings.settings);
  }

  // ── its state ─────────────────────────────────────────────────────────────────────────────────────────────

  #assess(error: GunportError | undefined): void {
    const { minConnections } = this.settings;
    if (this.#up.size >= Math.max(1, minConnections)) this.#awaiting.tell(undefined);
    const short = this.#state === 'open' && this.#up.size < minConnections;
    const state = this.#reopening.isFailing || short ? 'degraded' : 'operational';
    if (state === this.#told && !(this.#beginning && this.#reopening.isFailing)) return;
    this.#beginning = false;
    this.#told = state;
    this.#host.turned(state, state === 'degraded' ? (error ?? this.#cause) : undefined);
  }

  /** Resolves once `minConnections` are up, or one. */
  async awaitUp({ timeout = 5_000, signal }: WaitOptions): Promise<void> {
    const { origin } = this.name;
    if (this.#state !== 'open') throw takesNothing(origin);
    await this.#awaiting.wait(`awaitUp(${origin})`, { timeout, signal }, () => this.#cause);
  }

  #awaited(): void {
    this.#assess(undefined);
    this.#grow();
  }

  /** What has no load keeps nothing alive. */
  ref(): void {
    for (const { connection, load } of this.#members) {
      if (load > 0 && this.keepsAlive) connection.ref();
      else connection.unref();
    }
  }

  // ── its end ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing new is taken; what is under way, and what waits, is finished within `timeout` ms, and then stopped. */
  async drain(timeout: number): Promise<void> {
    if (this.#state === 'open') this.#state = 'draining';
    const over = this.#end();
    const late = setTimeout(() => void this.stop(), timeout);
    await over;
    clearTimeout(late);
  }

  /** Now: what waits is refused, what is under way ends with its connection. */
  stop(): Promise<void> {
    this.#state = 'stopped';
    this.#room.refuseAll(takesNothing(this.name.origin));
    for (const member of [...this.#members]) member.close();
    return this.#end();
  }

  #end(): Promise<void> {
    if (!this.#over) {
      let resolve = (): void => {};
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#over = { promise, resolve };
    }
    this.#awaiting.tell(takesNothing(this.name.origin));
    this.#settle();
    return this.#over.promise;
  }

  /** After each change that may have been the last. */
  #settle(): void {
    const { minConnections } = this.settings;
    if (this.#room.size > 0) return;
    if (this.#state !== 'open') {
      for (const member of [...this.#members]) if (member.load === 0) member.leave('ours');
    }
    if (this.#members.size > 0 || (this.#unanswered > 0 && this.takesBack)) return;
    if (this.#state === 'open') {
      if (this.#awaiting.size > 0 || minConnections > 0) return;
      // Its failures are remembered for as long as they count.
      if (this.#reopening.memory > 0) return this.#reopening.ask();
    }
    clearTimeout(this.#idleTimer);
    this.#reopening.stop();
    this.#over?.resolve();
    this.#host.vacant();
  }
}
