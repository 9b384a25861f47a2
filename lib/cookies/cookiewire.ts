// cookiewire — cookies as they cross between the threads that share a jar, and how a connection is told of its own.
// Part of the protocol of wire.ts: spoken on the port of a jar, between its home and a replica (cookieline.ts).
// Invariant: plain data. An entry is the last word on its key: of two, the one with the later stamp counts, wherever
// they meet and in whatever order; so what is shared converges. Source: Lamport clocks; last-writer-wins registers.

import type { MessagePort } from 'node:worker_threads';

/** A cookie as data. */
export interface CookieRecord {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  readonly hostOnly: boolean;
  readonly path: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: string | undefined;
  /** Milliseconds since 1970; undefined: with its session. */
  readonly expires: number | undefined;
  readonly creation: number;
  /** Tells those apart that were created in one millisecond. */
  readonly index: number;
  /** It came over a connection that may set cookies that are Secure. */
  readonly trusted: boolean;
}

/** What there is under one key, or that there is nothing any more. */
export interface CookieEntry {
  readonly key: string;
  readonly clock: number;
  /** Which set wrote it: tells two apart with one clock. */
  readonly writer: string;
  readonly cookie: CookieRecord | undefined;
}

/** On the port of a jar, either way. */
export type JarMessage =
  | { readonly type: 'entries'; readonly entries: readonly CookieEntry[] }
  // the oldest message of entries that was not acknowledged yet was taken in
  | { readonly type: 'ack' };

/** How many cookies are kept. */
export interface CookieLimits {
  readonly maxCookies: number;
  readonly maxPerDomain: number;
}

/** The cookies of a connection, as they travel to its process; `port` is transferred. */
export type CookiePlacing =
  | { readonly kind: 'own' }
  | {
      readonly kind: 'jar';
      readonly id: string;
      readonly port: MessagePort;
      readonly limits: CookieLimits;
    }
  | { readonly kind: 'module'; readonly module: string; readonly export: string; readonly options: unknown };

/** The port that moves with a placing. */
export function portsOf(placing: CookiePlacing | undefined): MessagePort[] {
  return placing?.kind === 'jar' ? [placing.port] : [];
}
