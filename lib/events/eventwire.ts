// eventwire — the events by number, who listens to which, and how they cross to the thread that publishes them.
// Part of the protocol of wire.ts; used by events.ts, lifeline.ts and workers/probe.ts.
// Invariant: the number of an event is its place in EVENTS and its bit in the word of its host; only that host writes
// the word. Source: design.md, Traps: diagnostics_channel is per thread.

import type { ErrorRecord } from '../errors.ts';
import type { EventOrigin, GunportEventName, GunportEvents } from './eventtypes.ts';

/** All channels of gunport, Gun's 28 first. Each has a message of its own: `GunportEvents`.
 *  @example
 *  for (const name of EVENTS) subscribe(name, (message) => console.log(name, message)); */
export const EVENTS = [
  'gunport:init',
  'gunport:domain-lookup:start',
  'gunport:domain-lookup:end',
  'gunport:connect:start',
  'gunport:connect:end',
  'gunport:tls-handshake:start',
  'gunport:tls-handshake:end',
  'gunport:request:start',
  'gunport:request:headers',
  'gunport:request:end',
  'gunport:push-promise:start',
  'gunport:push-promise:end',
  'gunport:response:start',
  'gunport:response:inform',
  'gunport:response:headers',
  'gunport:response:trailers',
  'gunport:response:end',
  'gunport:ws:upgrade',
  'gunport:ws:recv-frame:start',
  'gunport:ws:recv-frame:header',
  'gunport:ws:recv-frame:end',
  'gunport:ws:send-frame:start',
  'gunport:ws:send-frame:end',
  'gunport:protocol-changed',
  'gunport:origin-changed',
  'gunport:cancel',
  'gunport:disconnect',
  'gunport:terminate',
  'gunport:retry',
  'gunport:ownership:offered',
  'gunport:ownership:adopted',
  'gunport:ownership:revoked',
  'gunport:dropped',
] as const;

/** Bytes of the word that says who listens: bit n is set while event n has subscribers. `gunport:dropped`, the 33rd,
 *  has none: it is told of events that have. */
export const WORD_BYTES = 4;

/** The bit of each event. */
export const BIT: Readonly<Record<GunportEventName, number>> = Object.fromEntries(
  EVENTS.map((name, at) => [name, at < 32 ? 1 << at : 0]),
) as Record<GunportEventName, number>; // Each name is in EVENTS: the type of it says so.

/** What crosses of a message: headers in their raw form, errors as records. */
export type EventFields<N extends GunportEventName> = {
  readonly [K in keyof GunportEvents[N] as K extends keyof EventOrigin | 'headers'
    ? never
    : K]: K extends 'error' ? ErrorRecord : GunportEvents[N][K];
};

/** One event on its way. */
export interface EventRecord {
  readonly name: GunportEventName;
  readonly connection: string;
  readonly time: number;
  readonly fields: object;
}

/** Counts of events that were not told, by name. */
export type Dropped = Readonly<Partial<Record<GunportEventName, number>>>;

/** thread → host */
export interface ThreadEvents {
  readonly type: 'events';
  readonly events: readonly EventRecord[];
  /** To be given back when they have been published. */
  readonly weight: number;
  readonly dropped?: Dropped | undefined;
}

/** giver or taker → host */
export interface HandoverEvent {
  readonly type: 'event';
  readonly threadId: number;
  readonly event: EventRecord;
  readonly dropped?: Dropped | undefined;
}
