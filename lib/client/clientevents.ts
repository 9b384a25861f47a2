// clientevents — what a client tells.
// Emitted by client.ts. Source: WebsockexNova's callbacks; NATS's status().

import type { GunportError } from '../errors.ts';
import type { Fault } from '../handler.ts';
import type { ClientState } from '../session/states.ts';
import type { SubscriptionInfo } from '../session/subscriptions.ts';
import type { CloseResult } from '../types.ts';

/** One change of a client's state. */
export interface ClientStateChange {
  readonly from: ClientState;
  readonly to: ClientState;
  /** Counts the times it came up. */
  readonly attempt: number;
  /** What led to it, if it was a failure. */
  readonly reason: GunportError | undefined;
  /** `reconnecting`: when the next attempt is made, in milliseconds. */
  readonly delay: number | undefined;
}

/** Events of a client. */
export interface ClientEvents<M = unknown> {
  message: [message: M];
  /** Each change, once. */
  state: [change: ClientStateChange];
  /** Open, logged in, and its subscriptions restored: on each connection. `restored`: their channels. */
  ready: [info: { readonly attempt: number; readonly restored: readonly string[] }];
  /** One was added, or has changed its state. */
  subscription: [subscription: SubscriptionInfo];
  authenticated: [info: { readonly expiresIn: number | undefined }];
  /** It has changed over to a fresh connection. */
  rollover: [info: { readonly attempt: number }];
  /** Something went wrong, and was dealt with; emitted only where somebody listens. */
  error: [error: Error, info: { readonly where: string }];
  /** A hook of its adapter has failed. */
  fault: [fault: Fault];
  /** The last word of a client that could not come back. */
  gaveUp: [error: GunportError];
  /** The last word of all: what `closed` resolves with. */
  close: [result: CloseResult];
}
