// channels — what a session is subscribed to: asked for, answered, and asked for again on each new connection.
// Held by session.ts; what is known of each is subscriptions.ts's.
// Invariant: on one connection each channel is asked for once, in the order of the first time; what was unsubscribed is
// not restored. Source: WebsockexNova's SubscriptionHandler and SubscriptionManager.

import { GunportError, StreamError } from '../errors.ts';
import type { SubscriptionHooks } from './adapter.ts';
import type { Saying } from './saying.ts';
import type { SubscriptionInfo, Subscriptions } from './subscriptions.ts';

/** @internal */
export interface ChannelsHost {
  readonly saying: Saying;
  readonly known: Subscriptions;
  /** How long an answer may take, in milliseconds. */
  readonly timeout: number;
  /** It may be asked for now: the connection is open, and known to the peer. */
  readonly open: boolean;
  /** Counts the connections: what was begun on an earlier one is of no account. */
  readonly epoch: number;
}

/** @internal */
export class Channels {
  readonly #hooks: SubscriptionHooks | undefined;
  readonly #host: ChannelsHost;
  /** Names of requests of ours: from -1 down. */
  #calls = 0;

  constructor(hooks: SubscriptionHooks | undefined, host: ChannelsHost) {
    this.#hooks = hooks;
    this.#host = host;
  }

  /** Resolves once it is confirmed, on this or a later connection. */
  subscribe(channel: string, params: unknown): Promise<SubscriptionInfo> {
    if (!this.#hooks) {
      return Promise.reject(
        new StreamError('ERR_GUNPORT_UNSUPPORTED', 'the adapter has no subscription hooks'),
      );
    }
    const { known, open } = this.#host;
    const before = known.find(channel);
    const subscription = known.add(channel, params);
    const settled = known.settled(subscription.id);
    if (open && subscription.id !== before?.id) void this.#ask(subscription);
    return settled;
  }

  /** False: there was none. */
  async unsubscribe(channel: string): Promise<boolean> {
    const { known, saying, open } = this.#host;
    const subscription = known.remove(channel);
    if (!subscription) return false;
    const { params, id, attempts } = subscription;
    if (!open || attempts === 0) return true;
    const message = this.#hooks?.unsubscribe?.(channel, params, { id });
    if (message === undefined) return true;
    if (this.#hooks?.response) await saying.send(message, { session: true });
    else await saying.request(message, { session: true, timeout: this.#host.timeout });
    return true;
  }

  /** Asks for all again; resolves when each has been answered, or has expired. */
  async restore(): Promise<string[]> {
    const asked = this.#host.known.restorable();
    await Promise.all(asked.map((subscription) => this.#ask(subscription)));
    return asked.map(({ channel }) => channel);
  }

  /** Resolves when it is settled, however. */
  async #ask({ id, channel, params }: SubscriptionInfo): Promise<void> {
    const { saying, known, epoch } = this.#host;
    const isOld = (): boolean => this.#host.epoch !== epoch;
    const call = --this.#calls;
    // Confirmed, refused, or expired: then the reply is not waited for.
    const settled = known.settled(id).then(
      () => {},
      () => saying.cancel(call),
    );
    // Its time begins when it is written: many are paced.
    const written = (): void => known.asked(id);
    try {
      const message = this.#hooks?.subscribe(channel, params, { id });
      if (this.#hooks?.response) await saying.send(message, { session: true, written });
      else {
        await saying.request(message, { session: true, timeout: 0, call, written });
        if (!isOld()) known.confirm({ id });
      }
    } catch (error) {
      // Lost with its connection: it is asked for on the next.
      if (isOld()) return;
      const why = error instanceof GunportError ? error.message : String(error);
      known.fail({ id }, why);
    }
    await settled;
  }
}
