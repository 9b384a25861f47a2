// handlingwire — what crosses threads of a handler beside the socket: what it delivers, tells out of band, and fails with.
// Part of the protocol of wire.ts, which joins these to its own.
// Invariant: plain data, but for what a handler itself moves. Source: promises F1 and M1.

import type { MessagePort } from 'node:worker_threads';
import type { ErrorRecord } from '../errors.ts';

/** What messages of a parcel are that are no texts and bytes: values, as JSON or as v8.serialize() lays them out. */
export type ValueForm = 'json' | 'v8';

/** A value that moves memory or ports, alone in its parcel. */
export interface Carried {
  readonly value: unknown;
  /** What is in it that moves with it. */
  readonly transfer: readonly (ArrayBuffer | MessagePort)[];
}

/** process → owner, ahead of what is held. */
export type HandlingNotice =
  | { readonly type: 'notified'; readonly stream: number; readonly value: unknown }
  | { readonly type: 'fault'; readonly stream: number; readonly hook: string; readonly error: ErrorRecord };

/** owner → process */
export type HandlingCast =
  // after a 'sendSecret': what comes is shown again
  | { readonly type: 'reveal'; readonly stream: number }
  // the owner's end of a line to the handler's `api`; comlink is spoken on it
  | { readonly type: 'remote'; readonly stream: number; readonly port: MessagePort }
  // a handler on the owner's thread gives the socket up, as if it had been lost
  | { readonly type: 'drop'; readonly stream: number; readonly reason: string };
