// subscriptions — what a client has subscribed to: each channel's state, across all connections of a session.
// Kept by lib/session/session.ts, which sends the messages and tells what their answers said.
// Invariant: at most one pending or confirmed subscription of a channel; `changed` is told of each change of state once,
// when all is consistent; a subscription that has ended never comes back: its channel is added anew, under a new id.
// Pending ones are restored too, not the confirmed alone: their owner waits for them.
// Source: WebsockexNova's DefaultSubscriptionHandler and SubscriptionManager (its expiry was looked at only by the way).

import { type GunportError, StreamError } from '../errors.ts';

/** `pending`: not confirmed on this connection yet; `confirmed`: messages may come; the others have ended. */
export type SubscriptionState = 'pending' | 'confirmed' | 'failed' | 'expired' | 'unsubscribed';

/** One subscription, as of now. */
export interface SubscriptionInfo {
  /** Of this session, never used twice: `sub_1`. */
  readonly id: string;
  readonly channel: string;
  readonly params: unknown;
  readonly state: SubscriptionState;
  /** Why it failed or expired. */
  readonly reason?: string | undefined;
  /** How often it was asked for. */
  readonly attempts: number;
}

/** What it takes to ask for one again. @internal */
export interface SubscriptionRecord {
  readonly channel: string;
  readonly params: unknown;
}

/** How a message names a subscription: by its id, or else by its channel. @internal */
export interface SubscriptionName {
  readonly id?: string | undefined;
  readonly channel?: string | undefined;
}

/** What a registry is given. @internal */
export interface SubscriptionHost {
  setTimeout(callback: () => void, ms: number): { clear(): void };
  /** One was added, or has changed its state. */
  changed(info: SubscriptionInfo): void;
}

interface Entry {
  info: SubscriptionInfo;
  timer: { clear(): void } | undefined;
  readonly waiting: Waiter[];
}
interface Waiter {
  readonly resolve: (info: SubscriptionInfo) => void;
  readonly reject: (error: GunportError) => void;
}

/** Most subscriptions that have ended and are remembered. @internal */
export const MOST_ENDED = 1_000;

/** The subscriptions of one session, in the order they were added. @internal */
export class Subscriptions {
  readonly #host: SubscriptionHost;
  readonly #timeout: number;
  readonly #byId = new Map<string, Entry>();
  /** The latest of each channel. */
  readonly #byChannel = new Map<string, Entry>();
  /** Those that have ended, the oldest first. */
  readonly #endedOnes = new Set<Entry>();
  #last = 0;
  #pending = 0;
  #over: GunportError | undefined;

  /** `timeout`: from asking to `expired`, in milliseconds; 0: never. */
  constructor(host: SubscriptionHost, options: { readonly timeout: number }) {
    this.#host = host;
    this.#timeout = options.timeout;
  }

  /** No answer is awaited. */
  get allSettled(): boolean {
    return this.#pending === 0;
  }

  /** Adds a channel; while it is pending or confirmed, that is the one, with the params that it had. */
  add(channel: string, params: unknown): SubscriptionInfo {
    const there = this.#byChannel.get(channel);
    if (there && isAlive(there.info)) return there.info;
    const info: SubscriptionInfo = {
      id: `sub_${++this.#last}`,
      channel,
      params,
      state: 'pending',
      attempts: 0,
    };
    const entry: Entry = { info, timer: undefined, waiting: [] };
    this.#byId.set(info.id, entry);
    this.#byChannel.set(channel, entry);
    this.#pending++;
    this.#host.changed(info);
    return info;
  }

  /** Its message was sent: from now on it may expire. Nothing, when it is not pending. */
  asked(id: string): void {
    const entry = this.#byId.get(id);
    if (entry?.info.state !== 'pending') return;
    entry.info = { ...entry.info, attempts: entry.info.attempts + 1 };
    entry.timer?.clear();
    entry.timer = undefined;
    if (this.#timeout === 0 || this.#over) return;
    const expire = () => this.#end(entry, 'expired', `no answer within ${this.#timeout} ms`);
    entry.timer = this.#host.setTimeout(expire, this.#timeout);
  }

  /** The peer has confirmed it. False: it names none that is pending or confirmed. */
  confirm(name: SubscriptionName): boolean {
    const entry = this.#named(name);
    if (!entry || !isAlive(entry.info)) return false;
    if (entry.info.state === 'pending') this.#change(entry, 'confirmed');
    return true;
  }

  /** The peer has refused it, or taken it back. False: it names none that is pending or confirmed. */
  fail(name: SubscriptionName, reason: string): boolean {
    const entry = this.#named(name);
    if (!entry || !isAlive(entry.info)) return false;
    this.#end(entry, 'failed', reason);
    return true;
  }

  /** Its owner wants it no more; what it is then. Undefined: none that is pending or confirmed has this channel or id. */
  remove(channelOrId: string): SubscriptionInfo | undefined {
    const entry = this.#byChannel.get(channelOrId) ?? this.#byId.get(channelOrId);
    if (!entry || !isAlive(entry.info)) return undefined;
    this.#end(entry, 'unsubscribed', undefined);
    return entry.info;
  }

  /** Resolves when it is confirmed, in this connection or a later one.
   *  @throws {StreamError} (rejects) ERR_GUNPORT_SUBSCRIPTION: it failed, expired, was unsubscribed or is not known; or
   *  what `end` was given. */
  settled(id: string): Promise<SubscriptionInfo> {
    return new Promise((resolve, reject) => {
      const entry = this.#byId.get(id);
      if (!entry) {
        const message = `there is no subscription ${JSON.stringify(id)}`;
        reject(new StreamError('ERR_GUNPORT_SUBSCRIPTION', message));
      } else if (entry.info.state === 'confirmed') resolve(entry.info);
      else if (entry.info.state !== 'pending') reject(endError(entry.info));
      else if (this.#over) reject(this.#over);
      else entry.waiting.push({ resolve, reject });
    });
  }

  /** The socket is gone: what was alive is pending, and waits to be asked for again. */
  lost(): void {
    const alive = [...this.#byId.values()].filter(({ info }) => isAlive(info));
    const changed: SubscriptionInfo[] = [];
    for (const entry of alive) {
      entry.timer?.clear();
      entry.timer = undefined;
      if (entry.info.state === 'pending') continue;
      entry.info = { ...entry.info, state: 'pending' };
      this.#pending++;
      changed.push(entry.info);
    }
    for (const info of changed) this.#host.changed(info);
  }

  /** What is to be asked for on a new connection: all that is pending or confirmed, in the order it was added. */
  restorable(): SubscriptionInfo[] {
    return this.all().filter(isAlive);
  }

  /** The subscription of a channel: the one that is alive, else the last that has ended and is remembered. */
  find(channel: string): SubscriptionInfo | undefined {
    return this.#byChannel.get(channel)?.info;
  }

  /** Those that are confirmed. */
  active(): SubscriptionInfo[] {
    return this.all().filter(({ state }) => state === 'confirmed');
  }

  /** All that are remembered, in the order they were added. */
  all(): SubscriptionInfo[] {
    return Array.from(this.#byId.values(), ({ info }) => info);
  }

  /** How many of those are in each state. */
  counts(): Record<SubscriptionState, number> {
    const counts = { pending: 0, confirmed: 0, failed: 0, expired: 0, unsubscribed: 0 };
    for (const { info } of this.#byId.values()) counts[info.state]++;
    return counts;
  }

  /** What another session needs to restore them. */
  records(): SubscriptionRecord[] {
    return this.restorable().map(({ channel, params }) => ({ channel, params }));
  }

  /** Adds what another session had, in its order. */
  import(records: Iterable<SubscriptionRecord>): void {
    for (const { channel, params } of records) this.add(channel, params);
  }

  /** The session is over: nothing expires any more, and what is waited for rejects with this. */
  end(error: GunportError): void {
    if (this.#over) return;
    this.#over = error;
    for (const entry of this.#byId.values()) {
      entry.timer?.clear();
      entry.timer = undefined;
      for (const { reject } of entry.waiting.splice(0)) reject(error);
    }
  }

  /** The peer's id for it may be its own: then the channel counts. */
  #named({ id, channel }: SubscriptionName): Entry | undefined {
    const byId = id === undefined ? undefined : this.#byId.get(id);
    return byId ?? (channel === undefined ? undefined : this.#byChannel.get(channel));
  }

  #end(entry: Entry, state: 'failed' | 'expired' | 'unsubscribed', reason: string | undefined): void {
    this.#endedOnes.add(entry);
    if (this.#endedOnes.size > MOST_ENDED) this.#forgetOldest();
    this.#change(entry, state, reason);
  }

  #change(entry: Entry, state: SubscriptionState, reason?: string): void {
    entry.timer?.clear();
    entry.timer = undefined;
    if (entry.info.state === 'pending') this.#pending--;
    const info: SubscriptionInfo = { ...entry.info, state, ...(reason !== undefined && { reason }) };
    entry.info = info;
    for (const { resolve, reject } of entry.waiting.splice(0)) {
      if (state === 'confirmed') resolve(info);
      else reject(endError(info));
    }
    this.#host.changed(info);
  }

  #forgetOldest(): void {
    const [oldest] = this.#endedOnes;
    if (!oldest) return;
    const { id, channel } = oldest.info;
    this.#endedOnes.delete(oldest);
    this.#byId.delete(id);
    if (this.#byChannel.get(channel) === oldest) this.#byChannel.delete(channel);
  }
}

function isAlive({ state }: SubscriptionInfo): boolean {
  return state === 'pending' || state === 'confirmed';
}

function endError({ channel, state, reason }: SubscriptionInfo): StreamError {
  const what = `the subscription to ${JSON.stringify(channel)} ${state === 'unsubscribed' ? 'was' : 'has'} ${state}`;
  return new StreamError('ERR_GUNPORT_SUBSCRIPTION', reason === undefined ? what : `${what}: ${reason}`, {
    reason: state,
  });
}
