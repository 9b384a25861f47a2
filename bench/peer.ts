// peer — what the benchmark measures, to those that measure it: a work, and the ways in which it is done.
// Made by feed-works.ts and http-works.ts from the peers of each; used by run.ts, measure.ts, results.ts and table.ts.

/** What a peer has received so far. */
export interface Tally {
  /** Messages, answers or MiB: whatever the work counts. */
  messages: number;
  /** Sum of the lengths that the consumer saw: size × messages, or something was lost or split. */
  bytes: number;
  /** It ended before it was closed. */
  error: unknown;
  /** How long each took, in us, where that is asked for. */
  took?: number[];
}

/** Ends a peer's connection, and whatever it started for it. */
export type Close = () => Promise<void>;

/** Opens a fresh connection and counts what comes into `tally`. */
export type Open = (tally: Tally) => Promise<Close>;

/** A connection on which something large can be fetched, from its beginning to its end. */
export interface Carrier {
  /** Resolves with the bytes that came. */
  readonly fetch: () => Promise<number>;
  readonly close: Close;
}

/** How a work is counted and told. */
export interface Unit {
  /** Head of the column of rates. */
  readonly rate: string;
  /** So many of what is counted are one of that. */
  readonly per: number;
}

/** One of those who do a work. */
export interface Peer {
  readonly name: string;
  readonly label: string;
  /** One round of it. */
  readonly measure: () => Promise<Sample>;
}

/** One kind of work, and all who do it. */
export interface Work {
  readonly name: string;
  readonly label: string;
  readonly unit: Unit;
  /** Who all are compared with. */
  readonly base: { readonly peer: string; readonly label: string };
  readonly peers: readonly Peer[];
}

/** One round of one peer. */
export interface Sample {
  readonly messages: number;
  /** Length of the window as it came out, in ms. */
  readonly elapsed: number;
  /** Messages per second. */
  readonly rate: number;
  /** Main thread's active time per message, in ns. */
  readonly activeNs: number;
  /** The part of `activeNs` in which the main thread had a core; undefined where the system does not tell. */
  readonly mainCpuNs: number | undefined;
  /** CPU time of the whole process, all its threads, per message, in ns. */
  readonly cpuNs: number;
  /** Share of the window that the main thread was at work, 0 to 1. */
  readonly busy: number;
  /** Median of how long one took, in us, where that was asked for. */
  readonly p50?: number | undefined;
}
