// backoff — how long to wait before the next attempt.
// Called by retry.ts, and by lib/authority/reopening.ts for the connections of a pool.
// Invariant: pure: chance comes in as a number from 0 to 1; no delay is longer than `longest`.
// Source: AWS, Exponential Backoff and Jitter ("equal jitter", "decorrelated jitter"); Gun retry_timeout.

import type { BackoffSettings } from '../retrywire.ts';

/** Where nothing else is said. */
export const STANDARD_BACKOFF: BackoffSettings = {
  strategy: 'exponential',
  first: 250,
  longest: 30_000,
  factor: 2,
  step: 250,
  jitter: 0.5,
  immediate: true,
  stableAfter: 5_000,
};

/** The delay before an attempt, in milliseconds. `steps`: delays before it, from 0; `last`: the one before, 0 where there
 *  was none; `random`: from 0 to 1. */
export function delayOf(backoff: BackoffSettings, steps: number, last: number, random: number): number {
  const { strategy, first, longest, factor, step, jitter } = backoff;
  switch (strategy) {
    case 'exponential':
      return Math.round(spread(Math.min(longest, first * factor ** Math.min(steps, 1_000)), jitter, random));
    case 'linear':
      return Math.round(spread(Math.min(longest, first + steps * step), jitter, random));
    case 'decorrelated': {
      const most = Math.max(first, 3 * last);
      return Math.round(Math.min(longest, first + random * (most - first)));
    }
    default:
      return strategy satisfies never;
  }
}

/** A delay that doubles from `first` to `longest`: half of it fixed, half by chance ("equal jitter"), so that clients of
 *  one server spread, and none comes back at once. */
export function jittered(steps: number, random: number, first: number, longest: number): number {
  return spread(Math.min(longest, first * 2 ** Math.min(steps, 30)), 0.5, random);
}

function spread(whole: number, jitter: number, random: number): number {
  return whole * (1 - jitter) + random * whole * jitter;
}
