// calls — what the owner of a client asks of its session.
// Held by session.ts, which exposes it as part of its handler's api.
// Invariant: each call settles by the session alone; what becomes of it on its way is remote.ts's.
// Source: WebsockexNova's Client.

import { TimeoutError } from '../errors.ts';
import type { HandlerContext } from '../handler.ts';
import type { Adapter, RequestReplyOptions, SendOptions } from './adapter.ts';
import type { Channels } from './channels.ts';
import type { Login } from './login.ts';
import type { Reports } from './reports.ts';
import type { Saying } from './saying.ts';
import type { Delivered, SessionApi, SessionStatus } from './sessionwire.ts';
import type { SubscriptionInfo } from './subscriptions.ts';

/** @internal */
export interface CallsHost {
  readonly adapter: Adapter;
  readonly context: HandlerContext<Delivered>;
  readonly reports: Reports;
  readonly saying: Saying;
  readonly channels: Channels;
  readonly login: Login;
  /** What is known without the adapter's own. */
  status(): Omit<SessionStatus, 'adapter'>;
  /** Nothing more is to be delivered. */
  finished(): void;
}

/** How long a pong may take while the owner reads, in milliseconds. */
const FENCE = 5_000;
/** How often it is looked whether nothing is pending any more, in milliseconds. */
const LOOK = 10;

/** @internal */
export class Calls implements SessionApi {
  readonly #host: CallsHost;

  constructor(host: CallsHost) {
    this.#host = host;
  }

  send(message: unknown, { priority, cost }: SendOptions): Promise<void> {
    return this.#host.saying.send(message, { priority, cost });
  }

  request(
    message: unknown,
    { priority, cost, timeout }: RequestReplyOptions,
    call: number,
  ): Promise<unknown> {
    return this.#host.saying.request(message, { priority, cost, timeout, call });
  }

  cancel(call: number): void {
    this.#host.saying.cancel(call);
  }

  subscribe(channel: string, params: unknown): Promise<SubscriptionInfo> {
    return this.#host.channels.subscribe(channel, params);
  }

  unsubscribe(channel: string): Promise<boolean> {
    return this.#host.channels.unsubscribe(channel);
  }

  async authenticate(credentials: unknown): Promise<void> {
    const { login, reports } = this.#host;
    await login.run(credentials === undefined ? undefined : { credentials });
    reports.notify({ type: 'authenticated', expiresIn: login.known.expiresIn });
  }

  async ping(timeout: number): Promise<number> {
    const rtt = await this.#host.context.ping({ timeout });
    this.#host.reports.metrics.rtt(rtt);
    return rtt;
  }

  status(): SessionStatus {
    const { adapter, reports } = this.#host;
    const own = reports.hooks.run('connection.status', () => adapter.connection?.status?.(), undefined);
    return { ...this.#host.status(), adapter: own };
  }

  /** A pong comes behind all that was sent before it; and behind what a slow owner has not read, however long that takes. */
  async fence(): Promise<void> {
    const { context } = this.#host;
    for (;;) {
      try {
        await context.ping({ timeout: FENCE });
        return;
      } catch (error) {
        if (!(error instanceof TimeoutError) || context.ready || context.signal.aborted) throw error;
      }
    }
  }

  /** Replies are waited for; then an empty value says that nothing follows, and is on its way when this resolves. */
  async finish(): Promise<void> {
    const { context } = this.#host;
    const wait = async (busy: () => boolean): Promise<void> => {
      while (busy() && !context.signal.aborted)
        await new Promise<void>((next) => context.setTimeout(next, LOOK));
    };
    await wait(() => this.#isBusy);
    this.#host.finished();
    context.emit([]);
    await wait(() => !context.ready);
  }

  get #isBusy(): boolean {
    const { ready, pending, queued } = this.#host.status();
    return ready && pending + queued > 0;
  }
}
