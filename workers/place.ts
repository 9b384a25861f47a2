// place — where an exchange belongs: its lane, and for a request of a tunnel what it asks for.
// Given to exchange.ts by who makes one. Source: gun_tunnel.

import type { Hop, Leg, Road } from '../lib/httpwire.ts';
import type { Lane, Member } from './lane.ts';

/** The stream of a request to a proxy on the connection's own road: its owner does not know of it. */
export const HIDDEN = 0;

/** What a request for a tunnel asks a proxy for. */
export interface TunnelRequest {
  /** Where the proxy is to go. */
  readonly destination: Leg;
  /** For a proxy of SOCKS. */
  readonly credentials: Hop['credentials'];
  /** What is behind the proxy: `destination` is its first leg. */
  readonly road: Road;
}

/** Where an exchange belongs. */
export interface ExchangePlace {
  readonly lane: Lane<Member>;
  /** Messages; undefined: automatic credit. */
  readonly flow?: number | undefined;
  readonly tunnel?: TunnelRequest | undefined;
}
