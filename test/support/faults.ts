// faults — breaks a thread of a pool when a test says so.
// A connection opened with `lookup: FAULTY` loads faulty-lookup.ts into its thread; a test's thread calls `fault`.
// Invariant: a fault hits the thread that is named and no other.
// Source: promise M1; Node BroadcastChannel.

import { BroadcastChannel } from 'node:worker_threads';
import type { ModuleReference } from '../../lib/options.ts';

/** What can happen to a thread. `spin` blocks it for so many ms, and is no death; the word is set when it begins. */
export type Fault =
  | { readonly kind: 'throw'; readonly value: 'error' | 'undefined' | 'symbol' | 'string' | 'null' }
  | { readonly kind: 'reject' }
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'memory' }
  | { readonly kind: 'spin'; readonly ms: number; readonly word: SharedArrayBuffer };

/** For `lookup`; connect to `faulty(url)`. */
export const FAULTY: ModuleReference = { module: new URL('./faulty-lookup.js', import.meta.url) };

/** The same URL by a name, so that it must be looked up. */
export function faulty(url: string): string {
  return url.replace('127.0.0.1', 'faulty.test');
}

/** Breaks a thread in which FAULTY has been used. */
export function fault(target: number, what: Fault): void {
  const channel = new BroadcastChannel('gunport:faults');
  channel.postMessage({ target, what });
  channel.close();
}

/** Blocks such a thread; resolves when it is blocked. */
export async function block(target: number, ms: number): Promise<void> {
  const word = new SharedArrayBuffer(4);
  fault(target, { kind: 'spin', ms, word });
  // The blocked thread sets it, once.
  while (Atomics.load(new Int32Array(word), 0) === 0) await new Promise((resolve) => setImmediate(resolve));
}
