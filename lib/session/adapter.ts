// adapter — the contract of what speaks one server's language: eight groups of hooks, each optional, each with a default.
// Read by users who write one; called by lib/session/session.ts.
// Invariant: each hook is reached from something that happened on a socket, runs where the adapter lives, and what it
// gives is acted upon or refused as a fault. Hooks keep what they need in their own closure.
// Source: WebsockexNova's eight behaviours.

import type { AttemptInfo, FailureInfo, HandlerTimer, LossInfo, OpenInfo, Renewal } from '../handler.ts';
import type { Message } from '../types.ts';
import type { RateLimitOptions } from './bucket.ts';
import type { ClientState } from './states.ts';
import type { SubscriptionInfo } from './subscriptions.ts';

/** What a hook may have done next; `undefined` is `{ type: 'ok' }`. */
export type Act =
  | undefined
  | { readonly type: 'ok' }
  /** Send this, encoded by `message.encode`. */
  | { readonly type: 'reply'; readonly message: unknown }
  | { readonly type: 'replyMany'; readonly messages: readonly unknown[] }
  /** Start the closing handshake; the client ends with it. Default 1000. */
  | { readonly type: 'close'; readonly code?: number | undefined; readonly reason?: string | undefined }
  /** Give up, for good: the client's state is `error`. */
  | { readonly type: 'stop'; readonly reason?: string | undefined }
  /** Give the socket up and come back: at once, or in `delay` milliseconds. */
  | { readonly type: 'reconnect'; readonly reason?: string | undefined }
  | { readonly type: 'retry'; readonly delay: number };

/** What `message.handle` may say beside that: what becomes of the message. Default: it is delivered as it is. */
export type MessageAct =
  | Act
  | { readonly type: 'deliver'; readonly value: unknown }
  | { readonly type: 'drop' };

/** What an adapter module exports; or give the adapter, or such a function, to `new Client` itself. */
export type AdapterFactory<O = unknown> = (options: O, context: AdapterContext) => Adapter | Promise<Adapter>;

/** What an adapter does things with. */
export interface AdapterContext {
  readonly state: ClientState;
  readonly authenticated: boolean;
  /** The token that the last `auth.response` gave, if it gave one. */
  readonly token: string | undefined;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Sends one, in order with what the client sends. Settles when it was written. */
  send(message: unknown, options?: SendOptions): Promise<void>;
  /** Sends one and waits for its reply. */
  request(message: unknown, options?: RequestReplyOptions): Promise<unknown>;
  /** Delivers a message to the client's owner. */
  deliver(message: unknown): void;
  setTimeout(callback: () => void, ms: number): HandlerTimer;
  setInterval(callback: () => void, ms: number): HandlerTimer;
  log(level: LogLevel, object: object, message: string): void;
}

/** What speaks one server's language: eight groups of hooks, requests and heartbeats; each optional. Source: WebsockexNova's
 *  behaviours. */
export interface Adapter {
  /** Where to; `new Client`'s own `url` goes first. An adapter module has none: its client's owner must give it. */
  readonly url?: string | URL | undefined;
  readonly connection?: ConnectionHooks | undefined;
  readonly message?: MessageHooks | undefined;
  readonly request?: RequestHooks | undefined;
  readonly subscription?: SubscriptionHooks | undefined;
  readonly auth?: AuthHooks | undefined;
  readonly heartbeat?: HeartbeatHooks | undefined;
  readonly error?: ErrorHooks | undefined;
  readonly rateLimit?: RateLimitHooks | undefined;
  readonly logging?: LoggingHooks | undefined;
  readonly metrics?: MetricsHooks | undefined;
  /** What `client.remote<Api>()` calls. */
  readonly api?: object | undefined;
}

/** 1. Connection. */
export interface ConnectionHooks {
  /** Before each attempt: may renew URL and headers. */
  attempt?(info: AttemptInfo): Renewal | undefined | Promise<Renewal | undefined>;
  /** The WebSocket is open; nothing has been sent. */
  open?(info: OpenInfo & { readonly reconnected: boolean }): Act | Promise<Act>;
  /** It was lost. `ok`: the client comes back by its own policy. A reply has nobody to go to: that is an error. */
  down?(loss: LossInfo): Act | Promise<Act>;
  /** Each message as it came, before it is decoded. */
  frame?(data: Message): Act | Promise<Act>;
  /** Nothing has come for `idleTimeout`. Default: give the socket up, and come back by the client's policy. */
  idle?(idleFor: number): Act | Promise<Act>;
  /** What `client.status()` tells beside the client's own. */
  status?(): unknown;
}

/** 2. Message. */
export interface MessageHooks {
  /** Default: JSON for texts; bytes as they are. What it throws is a fault of the message: `error.handle` is asked. */
  decode?(data: Message): unknown;
  /** False, or what it throws: not to be handled. Default: all are. */
  validate?(message: unknown): boolean;
  /** What kind it is, for costs, logs and metrics. Default: its `type`, `method`, `action`, `event` or `channel`, else
   *  `unknown`. */
  type?(message: unknown): string;
  /** What is neither a reply nor a heartbeat. */
  handle?(message: unknown): MessageAct | Promise<MessageAct>;
  /** Default: strings and bytes as they are, all else as JSON. */
  encode?(message: unknown): Message;
  /** What tells it from all others, for a rollover: what both connections brought is delivered once. */
  key?(message: unknown): string | number | undefined;
}

/** Requests and replies. Default: JSON-RPC 2.0 (`id`; a reply has `result` or `error`). */
export interface RequestHooks {
  /** Gives it an id, unless it has one. */
  assign?(message: unknown, next: number): { readonly id: string | number; readonly message: unknown };
  /** Whose reply it is; undefined: it is none, but a push. */
  idOf?(message: unknown): string | number | undefined;
  /** What the request resolves with. Default: its `result`. */
  result?(message: unknown): unknown;
  /** What it rejects with: the peer's error, an Error or data. Default: its `error`. */
  error?(message: unknown): unknown;
}

/** 3. Subscription. */
export interface SubscriptionHooks {
  /** The message that asks for a channel. With `response` it is sent as it is, without as a request whose reply confirms. */
  subscribe(channel: string, params: unknown, info: { readonly id: string }): unknown;
  /** The message that ends it; undefined: there is none. */
  unsubscribe?(channel: string, params: unknown, info: { readonly id: string }): unknown;
  /** What a message says of a subscription, by its id or channel; undefined: nothing. It is not delivered then. */
  response?(message: unknown):
    | {
        readonly id?: string;
        readonly channel?: string;
        readonly state: 'confirmed' | 'failed';
        readonly reason?: string;
      }
    | undefined;
  /** One has changed its state. */
  changed?(subscription: SubscriptionInfo): void;
}

/** What is known of an answer to a login. Times in milliseconds. */
export type AuthResult =
  | {
      readonly ok: true;
      readonly token?: string | undefined;
      readonly refreshToken?: string | undefined;
      /** From now. Default: it does not expire. */
      readonly expiresIn?: number | undefined;
      /** Since the epoch. */
      readonly expiresAt?: number | undefined;
    }
  | { readonly ok: false; readonly reason: string };

/** 4. Auth: before subscriptions are restored and anything that waited is sent, on each connection. */
export interface AuthHooks {
  /** The message that logs in; undefined: there is nothing to say. With `response` it is sent as it is, without as a
   *  request whose reply goes to `accept`. */
  login(credentials: unknown): unknown;
  /** What a message says of the login; undefined: nothing. It is not delivered then. */
  response?(message: unknown): AuthResult | undefined;
  /** What the reply to the login says. Default: ok. */
  accept?(reply: unknown): AuthResult;
  /** The message that logs in anew ahead of the expiry. Default: `login`'s. */
  refresh?(
    credentials: unknown,
    last: { readonly token?: string | undefined; readonly refreshToken?: string | undefined },
  ): unknown;
  /** Whether a new login is due. Default: `refreshBefore` milliseconds before the expiry, or when the last failed. */
  needed?(info: {
    readonly authenticated: boolean;
    readonly failed: boolean;
    readonly expiresIn: number | undefined;
  }): boolean;
  /** Default 60 000 ms. */
  readonly refreshBefore?: number | undefined;
}

/** Heartbeats above the WebSocket's own pings. */
export interface HeartbeatHooks {
  /** Every so many milliseconds while it is open. Default 0: never. */
  readonly interval?: number | undefined;
  /** What is sent then; undefined: nothing. */
  beat?(): unknown;
  /** The answer to a server's heartbeat, sent ahead of all else and outside the rate limit; undefined: it is none. */
  answer?(message: unknown): unknown;
}

/** `transient`: another attempt may do; `normal`: the caller's to deal with; `permanent`: it would be met again; `critical`: the
 *  client gives up. */
export type ErrorClass = 'transient' | 'normal' | 'permanent' | 'critical';

/** 5. Error. */
export interface ErrorHooks {
  /** Default: `permanent` what another attempt would only meet again, else `transient`. */
  classify?(error: Error, context: ErrorContext): ErrorClass;
  /** A failure: of a message, a hook, a login, a subscription. Default: ok; stop for a critical one. */
  handle?(error: Error, context: ErrorContext): Act | Promise<Act>;
  /** Whether to come back, and when. Default: the policy of the client's options. */
  shouldReconnect?(
    failure: FailureInfo,
  ):
    | boolean
    | { readonly delay: number }
    | undefined
    | Promise<boolean | { readonly delay: number } | undefined>;
}

/** Where something went wrong, and what it is taken for. */
export interface ErrorContext {
  readonly where: 'connection' | 'message' | 'subscription' | 'auth' | 'hook';
  readonly class: ErrorClass;
  readonly detail?: string | undefined;
}

/** 6. Rate limit. */
export interface RateLimitHooks extends RateLimitOptions {
  /** What one costs, in tokens. Default: `costs[type]`, else 1. */
  cost?(message: unknown, type: string): number;
  /** Decides instead of the bucket; undefined: it does. */
  check?(request: RateRequest): 'allow' | 'queue' | { readonly reject: string } | undefined;
}

/** A message that is about to be sent, as `rateLimit.check` is asked of it. Costs and tokens as of the bucket. */
export interface RateRequest {
  readonly type: string;
  readonly cost: number;
  readonly priority: number;
  readonly tokens: number;
  readonly queued: number;
}

/** Levels of a log, from the least. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** 7. Logging: what happened, without secrets; runs where the adapter lives, whatever the level of the logger. */
export interface LoggingHooks {
  connection?(event: string, context: object): void;
  message?(event: string, context: object): void;
  error?(event: string, context: object): void;
}

/** 8. Metrics: what is counted, as it is counted. */
export interface MetricsHooks {
  connection?(event: string, value: number, context: object): void;
  message?(event: string, value: number, context: object): void;
  error?(event: string, value: number, context: object): void;
}

/** Options of one `send`. */
export interface SendOptions {
  /** Higher goes first. Default 0. */
  readonly priority?: number | undefined;
  /** In tokens of the rate limit. Default: the adapter's. */
  readonly cost?: number | undefined;
}

/** Options of one `request`. */
export interface RequestReplyOptions extends SendOptions {
  /** From the call to the reply, in milliseconds; 0: none. Default `requestTimeout` of the client. */
  readonly timeout?: number | undefined;
}
