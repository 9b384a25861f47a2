// outgoing — what a client sends, in the order that it goes on the wire: by priority, at the pace of a rate limit, and
// only when it may go.
// Held by session.ts, which says by `stage` what may go now; the socket, its timers and the clock are the host's.
// Invariant: a message is either written or waits here or was refused; nothing overtakes what is of its own priority or of
// a higher one, be it cheaper; each promise settles: when it was written, or with the error that kept it.
// Source: WebsockexNova's RateLimiting, which let messages overtake a queue and wrote ten a second from it.

import { describe, type GunportError, StreamError } from '../errors.ts';
import type { HandlerTimer } from '../handler.ts';
import type { Message } from '../types.ts';
import type { RateLimitHooks } from './adapter.ts';
import type { TokenBucket } from './bucket.ts';

/** What it asks of its session. @internal */
export interface OutgoingHost {
  /** False: it was taken, and the socket is backed up. What it throws is what the message's promise rejects with. */
  write(data: Message, secret: boolean): boolean;
  /** Resolves when the socket has room again. It may reject: then the socket is gone, and `stage` is called. */
  drained(): Promise<void>;
  setTimeout(callback: () => void, ms: number): HandlerTimer;
  /** False: nothing can be written now, and `stage` will be called. Default: something can. */
  open?(): boolean;
  /** How many wait has changed. */
  changed?(queued: number): void;
  /** One has to wait for the rate limit; one was refused, by the limit or since too many wait. */
  counted?(what: 'rateLimited' | 'rejected'): void;
}

/** One message. @internal */
export interface Offer {
  readonly data: Message;
  readonly type: string;
  /** In tokens. */
  readonly cost: number;
  /** Higher goes first. */
  readonly priority: number;
  /** `session`: the client's own, a login or a subscription; ahead of all of the user's, and not limited in number. */
  readonly stage: 'session' | 'user';
  /** Its bytes are not shown to who listens to frames. */
  readonly secret?: boolean | undefined;
  /** What `cancel` names it by. */
  readonly key?: unknown;
}

/** What may go: nothing, the session's own, all. @internal */
export type Stage = 'shut' | 'session' | 'user';

interface Entry {
  readonly offer: Offer;
  /** In tokens: 0 where the adapter has allowed it. */
  readonly cost: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Those of one priority, first in, first out. */
interface Lane {
  readonly isSession: boolean;
  readonly priority: number;
  readonly entries: Entry[];
}

/** Longest delay that a timer takes, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** @internal */
export class Outgoing {
  readonly #host: OutgoingHost;
  readonly #limit: number;
  readonly #bucket: TokenBucket | undefined;
  readonly #check: RateLimitHooks['check'];
  /** From the first to go; none is empty. */
  readonly #lanes: Lane[] = [];
  readonly #keys = new Map<unknown, Entry>();
  #stage: Stage = 'shut';
  /** Of all that wait, and of those the user's. */
  #queued = 0;
  #users = 0;
  /** Waits for tokens. */
  #timer: HandlerTimer | undefined;
  /** The wait for room that is under way; another after each change of the stage. */
  #backedUp: object | undefined;
  #isPumping = false;

  /** `limit`: most messages of the user that wait. */
  constructor(
    host: OutgoingHost,
    options: {
      readonly limit: number;
      readonly bucket?: TokenBucket | undefined;
      readonly check?: RateLimitHooks['check'] | undefined;
    },
  ) {
    this.#host = host;
    this.#limit = options.limit;
    this.#bucket = options.bucket;
    this.#check = options.check;
  }

  /** How many wait. */
  get queued(): number {
    return this.#queued;
  }

  /** Settles when it was written. Rejects with what kept it: ERR_GUNPORT_RATE_LIMITED the limit refused it,
   *  ERR_GUNPORT_OVERLOADED too many wait, what `failAll` was given, or what the socket threw. */
  offer(offer: Offer): Promise<void> {
    return new Promise((resolve, reject) => {
      const decision = this.#decide(offer);
      if (decision instanceof StreamError) return this.#refuse(decision, reject);
      const cost = decision === 'allow' ? 0 : offer.cost;
      const entry: Entry = { offer, cost, resolve, reject };
      if (decision !== 'queue' && this.#isNext(offer) && this.#pay(entry)) return this.#write(entry);
      const refusal = this.#refusal(offer);
      if (refusal) return this.#refuse(refusal, reject);
      if (!this.#backedUp && this.#mayGo(offer.stage === 'session')) this.#host.counted?.('rateLimited');
      this.#add(entry);
      if (decision === 'queue') this.#later(entry);
      else this.#pump();
    });
  }

  /** Writes it at once: ahead of all that waits, and outside the limit. @throws what the socket throws. */
  urgent(data: Message, secret = false): void {
    if (!this.#host.write(data, secret)) this.#awaitRoom();
  }

  /** From now on that may go. What waits goes on waiting, or goes. */
  stage(stage: Stage): void {
    this.#stage = stage;
    this.#backedUp = undefined;
    this.#pump();
  }

  /** Takes the one of that key out, if it still waits: its promise rejects with ERR_GUNPORT_CANCELLED. */
  cancel(key: unknown): boolean {
    const entry = this.#keys.get(key);
    if (!entry) return false;
    this.#remove(entry);
    entry.reject(new StreamError('ERR_GUNPORT_CANCELLED', 'the message was given up before it was sent'));
    this.#pump();
    return true;
  }

  /** Rejects all that wait, or those of the session or of the user. */
  failAll(error: GunportError, which?: 'session' | 'user'): void {
    const failed = this.#lanes
      .filter(({ isSession }) => which === undefined || isSession === (which === 'session'))
      .flatMap(({ entries }) => entries);
    for (const entry of failed) this.#remove(entry);
    for (const { reject } of failed) reject(error);
    this.#pump();
  }

  // ── whether it may ────────────────────────────────────────────────────────────────────────────────────────

  /** Of the user's messages; the session's own are only paced. */
  #decide(offer: Offer): 'bucket' | 'allow' | 'queue' | StreamError {
    const { capacity = Number.POSITIVE_INFINITY, mode } = this.#bucket?.options ?? {};
    const asked = offer.stage === 'user' ? this.#asked(offer) : undefined;
    if (asked === 'allow' || asked instanceof StreamError) return asked;
    if (mode === 'alwaysAllow') return 'allow';
    if (offer.cost > capacity) {
      const message = `a message costs ${offer.cost} tokens, more than the capacity, ${capacity}`;
      return new StreamError('ERR_GUNPORT_RATE_LIMITED', message, { reason: { cost: offer.cost, capacity } });
    }
    if (asked === 'queue' || offer.stage === 'session') return asked ?? 'bucket';
    if (mode === 'alwaysReject')
      return new StreamError('ERR_GUNPORT_RATE_LIMITED', 'the rate limit refuses all');
    return mode === 'alwaysQueue' ? 'queue' : 'bucket';
  }

  /** What the adapter's own check says. */
  #asked({ type, cost, priority }: Offer): 'allow' | 'queue' | StreamError | undefined {
    if (!this.#check) return undefined;
    const tokens = this.#bucket?.tokens ?? Number.POSITIVE_INFINITY;
    let said: unknown;
    try {
      said = this.#check({ type, cost, priority, tokens, queued: this.#queued });
    } catch (cause) {
      return new StreamError('ERR_GUNPORT_HANDLER', 'rateLimit.check threw', { cause });
    }
    if (said === undefined || said === 'allow' || said === 'queue') return said;
    if (typeof said === 'object' && said !== null && 'reject' in said && typeof said.reject === 'string') {
      const message = `the rate limit refused it: ${said.reject}`;
      return new StreamError('ERR_GUNPORT_RATE_LIMITED', message, { reason: said.reject });
    }
    const message = `rateLimit.check must give 'allow', 'queue', { reject } or undefined, got ${describe(said)}`;
    return new StreamError('ERR_GUNPORT_HANDLER', message);
  }

  /** Why one that must wait may not; the session's own always may: there are as many as subscriptions, and a login. */
  #refusal({ stage }: Offer): StreamError | undefined {
    if (stage === 'session') return undefined;
    const most = this.#bucket?.options.queue ?? Number.POSITIVE_INFINITY;
    const isPaced = this.#stage === 'user' && !this.#backedUp;
    if (isPaced && this.#users >= most) {
      const message = `${this.#users} messages wait for the rate limit, the most is ${most}`;
      return new StreamError('ERR_GUNPORT_RATE_LIMITED', message, { reason: { queue: most } });
    }
    if (this.#users < this.#limit) return undefined;
    const message = `${this.#users} messages wait to be sent, the most is ${this.#limit}`;
    return new StreamError('ERR_GUNPORT_OVERLOADED', message, { reason: { queue: this.#limit } });
  }

  #refuse(error: StreamError, reject: (error: unknown) => void): void {
    this.#host.counted?.('rejected');
    reject(error);
  }

  // ── what goes ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing that waits would go before it, and nothing but tokens keeps it. */
  #isNext(offer: Offer): boolean {
    if (this.#backedUp || !this.#mayGo(offer.stage === 'session')) return false;
    const first = this.#lanes[0];
    return !first || this.#before(offer, first);
  }

  #mayGo(isSession: boolean): boolean {
    const may = this.#stage === 'user' || (this.#stage === 'session' && isSession);
    return may && (this.#host.open?.() ?? true);
  }

  #pay({ cost }: Entry): boolean {
    return !this.#bucket || this.#bucket.take(cost);
  }

  #write({ offer, resolve, reject }: Entry): void {
    try {
      if (!this.#host.write(offer.data, offer.secret === true)) this.#awaitRoom();
    } catch (error) {
      return reject(error);
    }
    resolve();
  }

  /** Writes all that may go; then waits for what keeps the next one. */
  #pump(): void {
    if (this.#isPumping) return; // A write that leads to another message: the loop below will see it.
    this.#isPumping = true;
    this.#timer?.clear();
    this.#timer = undefined;
    try {
      for (let entry = this.#first(); entry; entry = this.#first()) {
        if (!this.#pay(entry)) {
          this.#wait(this.#bucket?.waitFor(entry.cost) ?? 0);
          return;
        }
        this.#remove(entry);
        this.#write(entry);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  /** The one that goes next, if it may go. */
  #first(): Entry | undefined {
    const first = this.#lanes[0];
    return first && !this.#backedUp && this.#mayGo(first.isSession) ? first.entries[0] : undefined;
  }

  /** In another turn at the earliest: what is to be queued is seen to wait. */
  #later(entry: Entry): void {
    const first = this.#first();
    // What is to go first already has its timer, which is not put off by those that come behind it.
    if (!first || (this.#timer && first !== entry)) return;
    this.#wait(this.#bucket?.waitFor(first.cost) ?? 0);
  }

  #wait(ms: number): void {
    this.#timer?.clear();
    // At least 1: others may take of the same bucket, and none should spin for it.
    this.#timer = this.#host.setTimeout(() => this.#pump(), Math.min(LONGEST, Math.max(1, ms)));
  }

  #awaitRoom(): void {
    if (this.#backedUp) return;
    const wait = {};
    this.#backedUp = wait;
    this.#host.drained().then(
      () => {
        if (this.#backedUp !== wait) return;
        this.#backedUp = undefined;
        this.#pump();
      },
      () => {}, // The socket is gone: `stage` or `failAll` follows, and what waits stays for the next one.
    );
  }

  // ── the queue ─────────────────────────────────────────────────────────────────────────────────────────────

  #before(offer: Pick<Offer, 'stage' | 'priority'>, lane: Lane): boolean {
    const isSession = offer.stage === 'session';
    return isSession === lane.isSession ? offer.priority > lane.priority : isSession;
  }

  #add(entry: Entry): void {
    const { stage, priority, key } = entry.offer;
    const isSession = stage === 'session';
    // Few, as a rule: a client uses a handful of priorities.
    const at = this.#lanes.findIndex((lane) => this.#before(entry.offer, lane));
    const before = this.#lanes[(at < 0 ? this.#lanes.length : at) - 1];
    if (before?.isSession === isSession && before.priority === priority) before.entries.push(entry);
    else this.#lanes.splice(at < 0 ? this.#lanes.length : at, 0, { isSession, priority, entries: [entry] });
    if (key !== undefined) this.#keys.set(key, entry);
    this.#counted(1, isSession);
  }

  #remove(entry: Entry): void {
    const { stage, priority, key } = entry.offer;
    const isSession = stage === 'session';
    const at = this.#lanes.findIndex((lane) => lane.isSession === isSession && lane.priority === priority);
    const entries = this.#lanes[at]?.entries ?? [];
    if (entries[0] === entry) entries.shift();
    else entries.splice(entries.indexOf(entry), 1);
    if (entries.length === 0) this.#lanes.splice(at, 1);
    if (key !== undefined && this.#keys.get(key) === entry) this.#keys.delete(key);
    this.#counted(-1, isSession);
  }

  #counted(by: number, isSession: boolean): void {
    this.#queued += by;
    if (!isSession) this.#users += by;
    this.#host.changed?.(this.#queued);
  }
}
