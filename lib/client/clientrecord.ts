// clientrecord — all that makes a client, but its connection: what travels with that in a hand-over.
// Made by lines.ts for a taker; read by receiveclient.ts there.
// Invariant: plain data that structured clone keeps; credentials are in nothing else that is told.
// Source: promise O5; WebsockexNova's gun_info, which left most of it out.

import type { MetricsShare } from '../session/metrics.ts';
import type { ClientState } from '../session/states.ts';
import type { SubscriptionRecord } from '../session/subscriptions.ts';
import type { CheckedClient } from './clientoptions.ts';

/** The hand-over's `data`. @internal */
export interface ClientRecord {
  readonly 'gunport:client': 1;
  readonly checked: Omit<CheckedClient, 'logger'>;
  readonly metrics: MetricsShare;
  readonly state: ClientState;
  readonly attempts: number;
  readonly isReady: boolean;
  readonly subscriptions: readonly SubscriptionRecord[];
  /** Messages of lines before the one that is handed over, which nobody was given. */
  readonly rest: readonly unknown[];
  /** Keys of what both lines of a rollover may have brought. */
  readonly seen: readonly (string | number)[];
  readonly data: unknown;
}

/** What is posted of a client's options: functions do not cross, and a pool is its thread's own. @internal */
export function portableOptions(checked: CheckedClient, credentials: unknown): ClientRecord['checked'] {
  const { logger: _, open, ...rest } = checked;
  const { pool: __, ...options } = open;
  return { ...rest, open: options, credentials };
}
