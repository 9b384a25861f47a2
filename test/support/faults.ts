// faults — breaks a thread of a pool when a test says so.
// A connection opened with `lookup: FAULTY` loads faulty-lookup.ts into its thread; a test's thread calls `fault`.
// Invariant: a fault hits the thread that is named and no other.
// Source: promise M1; Node BroadcastChannel.

import { BroadcastChannel } from 'node:worker_threads';
import type { ModuleReference } from '../../lib/options.ts';

/** What may be thrown: `frozen` is an object, `trap` a Proxy whose every trap throws, `getters` an Error whose every
 *  property does, `circle` one that is its own cause, `deep` one with 10 000 causes. */
export const THROWABLE = [
  'error',
  'undefined',
  'null',
  'symbol',
  'string',
  'bigint',
  'function',
  'frozen',
  'trap',
  'getters',
  'circle',
  'deep',
] as const;
export type Throwable = (typeof THROWABLE)[number];

/** What can happen to a thread. `exit` with `post` is called while a message is being posted. `spin` blocks it for so many
 *  ms, and is no death; `open` does until somebody opens that FIFO to write, which terminate() does not end. The word is
 *  set when they begin. */
export type Fault =
  | { readonly kind: 'throw' | 'reject'; readonly value: Throwable }
  | { readonly kind: 'exit'; readonly code: number; readonly post?: boolean }
  | { readonly kind: 'memory' }
  | { readonly kind: 'spin'; readonly ms: number; readonly word: SharedArrayBuffer }
  | { readonly kind: 'open'; readonly fifo: string; readonly word: SharedArrayBuffer };

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
  await begun(target, { kind: 'spin', ms, word: new SharedArrayBuffer(4) });
}

/** Blocks such a thread in a system call, until somebody writes to that FIFO; resolves when it is blocked, or about to. */
export async function stick(target: number, fifo: string): Promise<void> {
  await begun(target, { kind: 'open', fifo, word: new SharedArrayBuffer(4) });
}

async function begun(target: number, what: Fault & { readonly word: SharedArrayBuffer }): Promise<void> {
  const { word } = what;
  fault(target, what);
  // The blocked thread sets it, once.
  while (Atomics.load(new Int32Array(word), 0) === 0) await new Promise((resolve) => setImmediate(resolve));
}
