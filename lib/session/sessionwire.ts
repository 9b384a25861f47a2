// sessionwire — what a session and its client's owner say to each other: settings in, values and notices out, calls.
// Spoken between session.ts, wherever it runs, and lib/client/client.ts.
// Invariant: plain data that structured clone keeps. Source: WebsockexNova's Client and ConnectionWrapper.

import type { ErrorRecord } from '../errors.ts';
import type { CloseResult } from '../types.ts';
import type { LogLevel, RequestReplyOptions, SendOptions } from './adapter.ts';
import type { SharedRateLimit } from './bucket.ts';
import type { MetricsShare } from './metrics.ts';
import type { ClientState } from './states.ts';
import type { SubscriptionInfo, SubscriptionRecord } from './subscriptions.ts';

/** What a session is made with: the options of its handler. */
export interface SessionSettings {
  /** The module of the adapter; undefined where the adapter is an object, which is given otherwise. */
  readonly adapter:
    | { readonly module: string; readonly export: string; readonly options: unknown }
    | undefined;
  /** For `auth.login`. Never told to anybody. */
  readonly credentials: unknown;
  /** Most messages that wait to be sent. */
  readonly queue: number;
  /** In milliseconds; 0: none. */
  readonly requestTimeout: number;
  readonly subscriptionTimeout: number;
  readonly authTimeout: number;
  readonly idleTimeout: number;
  readonly keepalive: number;
  readonly rateLimit: SharedRateLimit | undefined;
  /** To be asked for again, in this order. */
  readonly subscriptions: readonly SubscriptionRecord[];
  /** Of the client before this session: 0 for the first. */
  readonly attempts: number;
  readonly logLevel: LogLevel | 'silent';
  readonly metrics: MetricsShare;
}

/** What is delivered for one message: itself, and its key where the adapter gives one; nothing at all: no more follows. */
export type Delivered =
  | readonly [message: unknown]
  | readonly [message: unknown, key: string | number]
  | readonly [];

/** What a session tells out of band. */
export type SessionNotice =
  | {
      readonly type: 'state';
      readonly from: ClientState;
      readonly to: ClientState;
      readonly attempt: number;
      readonly reason?: ErrorRecord | undefined;
      /** reconnecting: when the next attempt is made, in milliseconds. */
      readonly delay?: number | undefined;
    }
  /** Open, authenticated, and all subscriptions asked for again and answered. */
  | { readonly type: 'ready'; readonly attempt: number; readonly restored: readonly string[] }
  | { readonly type: 'subscription'; readonly subscription: SubscriptionInfo }
  | { readonly type: 'authenticated'; readonly expiresIn: number | undefined }
  | { readonly type: 'error'; readonly where: string; readonly error: ErrorRecord }
  | { readonly type: 'gaveUp'; readonly error: ErrorRecord }
  | { readonly type: 'log'; readonly level: LogLevel; readonly object: object; readonly message: string }
  | { readonly type: 'closed'; readonly result: Omit<CloseResult, 'error'> };

/** What the owner calls; beside a worker's socket through comlink, inline as it is. */
export interface SessionApi {
  send(message: unknown, options: SendOptions): Promise<void>;
  /** `call`: what `cancel` names it by. */
  request(message: unknown, options: RequestReplyOptions, call: number): Promise<unknown>;
  cancel(call: number): void;
  /** Resolves when it is confirmed. */
  subscribe(channel: string, params: unknown): Promise<SubscriptionInfo>;
  unsubscribe(channel: string): Promise<boolean>;
  authenticate(credentials: unknown): Promise<void>;
  ping(timeout: number): Promise<number>;
  status(): SessionStatus;
  /** Resolves when all has come that the peer had sent; rejects when it is lost, or does not answer. */
  fence(): Promise<void>;
  /** Another session takes its place: replies are waited for, then nothing more is delivered. */
  finish(): Promise<void>;
}

/** What `client.status()` resolves with. */
export interface SessionStatus {
  readonly state: ClientState;
  readonly attempt: number;
  readonly ready: boolean;
  readonly authenticated: boolean;
  readonly expiresIn: number | undefined;
  readonly subscriptions: readonly SubscriptionInfo[];
  /** Messages that wait to be sent. */
  readonly queued: number;
  /** Requests without a reply. */
  readonly pending: number;
  readonly url: string;
  /** What the adapter's own `status` says. */
  readonly adapter: unknown;
}
