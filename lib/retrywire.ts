// retrywire — attempts and what is asked before and after them, as it crosses between an owner and its process.
// Part of the protocol of wire.ts, which joins these to its own.
// Invariant: plain data; a question has one answer, or none from an owner that is gone: its process does not wait for ever.
// Source: Gun's retry, retry_timeout and retry_fun.

import type { ErrorRecord } from './errors.ts';
import type { ModuleReference } from './options.ts';

/** `backoff` after checking. Times in milliseconds. */
export interface BackoffSettings {
  readonly strategy: 'exponential' | 'linear' | 'decorrelated';
  readonly first: number;
  readonly longest: number;
  readonly factor: number;
  readonly step: number;
  /** The share by chance, 0 to 1. */
  readonly jitter: number;
  readonly immediate: boolean;
  readonly stableAfter: number;
}

/** Options of a connection's attempts after checking. */
export interface RetrySettings {
  readonly retry: number;
  /** Whether the first attempts may be retried too: open() yes, connect() only when `retry` was given. */
  readonly retryFirst: boolean;
  /** The same before each attempt but the first; undefined: `backoff` says. */
  readonly retryTimeout: number | undefined;
  /** undefined, as most are: the standard one of protocol/backoff.ts, which is not posted each time. */
  readonly backoff: BackoffSettings | undefined;
  readonly retryFun: 'ask' | ModuleReference | undefined;
  readonly renew: 'ask' | ModuleReference | undefined;
  /** A handler runs on the owner's thread: it is asked before `renew` and `retryFun`. */
  readonly advised: boolean;
  /** Close codes of the peer that a spanning WebSocket survives. */
  readonly reconnectOn: readonly number[] | 'any';
}

/** What a hook has renewed, after checking. */
export interface RenewalRecord {
  readonly url: string | undefined;
  /** Name, value, name, value … */
  readonly headers: readonly string[];
  readonly subprotocols: readonly string[] | undefined;
}

/** What the owner's hooks said, the last laid over the others; `none`: it has none to ask (any more). */
export type RenewalAnswer =
  | { readonly renewals: readonly RenewalRecord[] }
  | { readonly error: ErrorRecord }
  | { readonly none: true };

/** What was said of a failure: by retryFun, or by a handler; undefined: by nobody. */
export type RetryAnswer =
  | { readonly retries: number; readonly timeout: number }
  | { readonly delay: number }
  | { readonly giveUp: true }
  | { readonly error: ErrorRecord }
  | undefined;

/** process → owner */
export type AdviceQuestion =
  | {
      readonly type: 'askRetry';
      readonly id: number;
      readonly left: number;
      readonly failures: number;
      readonly wasUp: boolean;
      readonly error: ErrorRecord;
      /** Its WebSocket was closed, as far as the policy goes: only handlers have a say. */
      readonly closed: boolean;
    }
  | {
      readonly type: 'askRenewal';
      readonly id: number;
      readonly attempt: number;
      readonly failures: number;
      readonly url: string;
      readonly error: ErrorRecord | undefined;
    };

/** owner → process: an answer. */
export type AdviceCast =
  | { readonly type: 'retry'; readonly id: number; readonly decision: RetryAnswer }
  | { readonly type: 'renewal'; readonly id: number; readonly answer: RenewalAnswer };
