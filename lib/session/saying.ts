// saying — what a session says: messages encoded, priced and queued, and requests with their replies.
// Held by session.ts; channels.ts and login.ts say theirs through it.
// Invariant: each message settles when it was written, or with the error that kept it; a request settles with its reply,
// its timeout, or the loss of the connection that it was made on. Source: WebsockexNova's Client; JSON-RPC 2.0.

import { type GunportError, OptionError, StreamError, TimeoutError } from '../errors.ts';
import type { HandlerContext } from '../handler.ts';
import type { Message } from '../types.ts';
import type {
  Adapter,
  MessageHooks,
  RateLimitHooks,
  RequestHooks,
  RequestReplyOptions,
  SendOptions,
} from './adapter.ts';
import { type SharedRateLimit, TokenBucket } from './bucket.ts';
import type { Correlation } from './correlation.ts';
import { MESSAGE, REQUEST } from './defaults.ts';
import type { Metrics } from './metrics.ts';
import { Outgoing } from './outgoing.ts';

/** How a message of the session itself goes: paced as all are, ahead of the user's. @internal */
export interface Manner extends RequestReplyOptions {
  /** Not the user's: it may go before the session is ready, and is not sent on another connection. */
  readonly session?: boolean;
  readonly secret?: boolean;
  /** What `cancel` names it by. */
  readonly call?: number;
  /** It has been written. */
  readonly written?: () => void;
}

/** @internal */
export interface SayingHost {
  readonly adapter: Adapter;
  readonly outgoing: Outgoing;
  readonly replies: Correlation;
  readonly metrics: Metrics;
  readonly requestTimeout: number;
  /** By type, in tokens. */
  readonly costs: Readonly<Record<string, number>>;
  said(type: string, data: Message): void;
  now(): number;
  /** The same error, without secrets. */
  redacted<E extends Error>(error: E): E;
}

/** What goes ahead of what the user sends. */
const SESSION_PRIORITY = 1_000;

/** @internal */
export class Saying {
  readonly #host: SayingHost;
  readonly #request: Required<RequestHooks>;
  readonly #calls = new Map<number, string | number>();

  constructor(host: SayingHost) {
    this.#host = host;
    this.#request = { ...REQUEST, ...host.adapter.request };
  }

  encode(message: unknown): Message {
    const { encode = MESSAGE.encode } = this.#host.adapter.message ?? {};
    const data: unknown = encode(message);
    if (typeof data === 'string' || data instanceof Uint8Array) return data;
    throw new OptionError(`message.encode must give a string or a Uint8Array, got ${typeof data}`);
  }

  /** Settles when it was written. */
  async send(message: unknown, manner: Manner = {}, key?: unknown): Promise<void> {
    const { adapter, outgoing, metrics, costs } = this.#host;
    const { session = false, secret = false } = manner;
    const type = typeOf(message, adapter.message);
    const data = this.encode(message);
    const priority = checkPriority(manner) + (session ? SESSION_PRIORITY : 0);
    const stage = session ? 'session' : 'user';
    const own = manner.cost ?? adapter.rateLimit?.cost?.(message, type);
    const cost = checkCost(own ?? (Object.hasOwn(costs, type) ? costs[type] : undefined));
    await outgoing.offer({ data, type, cost, priority, stage, secret, key });
    metrics.count('messagesSent');
    metrics.count('bytesSent', data.length);
    this.#host.said(type, data);
    manner.written?.();
  }

  /** Ahead of all else, and outside the rate limit; nothing for `undefined`. */
  urgent(message: unknown): void {
    if (message === undefined) return;
    const data = this.encode(message);
    this.#host.outgoing.urgent(data);
    this.#host.metrics.count('messagesSent');
    this.#host.metrics.count('bytesSent', data.length);
  }

  /** Resolves with the reply. */
  async request(message: unknown, manner: Manner = {}): Promise<unknown> {
    const { replies, outgoing, metrics } = this.#host;
    const { timeout = this.#host.requestTimeout, call } = manner;
    const { id, message: asked } = this.#request.assign(message, replies.next());
    const reply = replies.add(id, { timeout, what: 'request()' });
    if (call !== undefined) this.#calls.set(call, id);
    metrics.count('requests');
    metrics.gauge('pending', replies.size);
    const since = this.#host.now();
    // Its timeout runs while it waits to be sent, too.
    this.send(asked, manner, id).catch((error: GunportError) => replies.fail(id, error));
    try {
      const value = await reply;
      metrics.latency(this.#host.now() - since);
      return value;
    } catch (error) {
      if (error instanceof TimeoutError) metrics.count('requestsTimedOut');
      outgoing.cancel(id);
      throw error instanceof Error ? this.#host.redacted(error) : error;
    } finally {
      if (call !== undefined) this.#calls.delete(call);
      metrics.gauge('pending', replies.size);
    }
  }

  /** Its caller does not wait any more. */
  cancel(call: number): void {
    const id = this.#calls.get(call);
    if (id === undefined) return;
    this.#host.replies.fail(id, new StreamError('ERR_GUNPORT_CANCELLED', 'the request was given up'));
  }

  /** What the peer answered a request with, as an error. */
  replyError(given: unknown): Error {
    if (given instanceof Error) return given;
    const { message, code } = (typeof given === 'object' && given !== null ? given : {}) as Record<
      string,
      unknown
    >;
    const text = typeof message === 'string' ? message : JSON.stringify(given);
    const named = typeof code === 'string' || typeof code === 'number' ? ` (${code})` : '';
    return new StreamError('ERR_GUNPORT_REPLY', `the peer answered with an error${named}: ${text}`, {
      reason: given,
    });
  }
}

/** The queue of one session. `limit`: most messages of the user in it. @internal */
export function outgoingOf(
  context: Pick<HandlerContext, 'state' | 'send' | 'drained' | 'setTimeout'>,
  { metrics }: { readonly metrics: Metrics },
  options: {
    readonly limit: number;
    readonly rate: SharedRateLimit | undefined;
    readonly check: RateLimitHooks['check'];
  },
): Outgoing {
  const { limit, rate, check } = options;
  const bucket = rateBucket(rate);
  return new Outgoing(
    {
      write: (data, secret) => context.send(data, { secret }),
      drained: () => context.drained(),
      setTimeout: (run, ms) => context.setTimeout(run, ms),
      // A socket may be given up, or lost, before its session has heard of it.
      open: () => context.state === 'open',
      changed: (queued) => {
        metrics.gauge('queued', queued);
        if (bucket) metrics.gauge('tokens', bucket.tokens);
      },
      counted: (what) => metrics.count(what),
    },
    { limit, bucket, check },
  );
}

function rateBucket(rate: SharedRateLimit | undefined): TokenBucket | undefined {
  return rate && new TokenBucket(rate.options, rate.memory);
}

/** What has none is `unknown`. */
function typeOf(message: unknown, { type = MESSAGE.type }: MessageHooks = {}): string {
  const given: unknown = type(message) ?? 'unknown';
  if (typeof given === 'string') return given;
  throw new OptionError(`message.type must give a text, got ${typeof given}`);
}

function checkPriority({ priority = 0 }: SendOptions): number {
  if (Number.isFinite(priority) && Math.abs(priority) < SESSION_PRIORITY) return priority;
  throw new OptionError(`priority must be a number within ±${SESSION_PRIORITY}, got ${priority}`);
}

function checkCost(cost = 1): number {
  if (Number.isFinite(cost) && cost >= 0) return cost;
  throw new OptionError(`cost must be a number from 0, got ${cost}`);
}
