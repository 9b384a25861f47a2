// peer — what a way of receiving a feed is, to those that measure it.
// Implemented by peers.ts and thread-peers.ts, used by measure.ts and run.ts.

import type { Payload } from './payloads.ts';

/** What a peer has received so far. */
export interface Tally {
  messages: number;
  /** Sum of the lengths that the consumer saw: size × messages, or something was lost or split. */
  bytes: number;
  /** The feed ended before it was closed. */
  error: unknown;
}

/** What there is to receive. */
export interface Source {
  readonly url: string;
  readonly payload: Payload;
  /** Mean size of a message's frame on the wire, in bytes. */
  readonly frameBytes: number;
}

/** Ends a peer's connection, and whatever it started for it. */
export type Close = () => Promise<void>;

export interface Peer {
  readonly label: string;
  /** Opens a fresh connection and counts what comes into `tally`. */
  readonly open: (source: Source, tally: Tally) => Promise<Close>;
  /** Where it would only repeat another row. */
  readonly skips?: (payload: Payload) => boolean;
}
