// work — what the benchmark measures, to those that measure it: a work, and the ways in which it is done.
// Made by the works.ts of each folder; used by rounds.ts, measure.ts, results.ts, table.ts and the page.

import type { FigureName } from './figures.ts';

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

/** What one of the peers is to reach, against another in the same round, or by itself. */
export interface Target {
  readonly peer: string;
  readonly figure: FigureName;
  /** The median of the ratio, or of the figure itself where it is `absolute`, is at least this … */
  readonly least?: number;
  /** … or at most this. */
  readonly most?: number;
  /** Whom with. Default: the base of the work. */
  readonly against?: string;
  /** The figure itself is judged, in its unit. */
  readonly absolute?: true;
}

/** One kind of work, and all who do it. */
export interface Work {
  readonly name: string;
  readonly label: string;
  readonly unit: Unit;
  /** Who all are compared with. */
  readonly base: { readonly peer: string; readonly label: string };
  readonly peers: readonly Peer[];
  /** Names of those that a quick run has, where `--peers` does not say. Default: all. */
  readonly quick?: readonly string[] | undefined;
  /** Figures that are shown, in this order. Default: STANDARD. */
  readonly columns?: readonly FigureName[];
  readonly targets?: readonly Target[];
  /** What a reader should know: who is missing and why, what is counted. */
  readonly notes?: readonly string[];
}

/** One round of one peer: the figures that it has. */
export type Sample = Readonly<Partial<Record<FigureName, number | undefined>>>;

/** Works that share a server, or whatever else they need while they run. */
export interface Running extends AsyncDisposable {
  readonly works: readonly Work[];
}

/** A folder of the benchmark, to the run. */
export interface Group {
  /** Names of its works, as `--only` takes them. */
  readonly works: readonly string[];
  /** Names of its peers, as `--peers` takes them. */
  readonly peers: readonly string[];
  /** Starts what the works of these names need; `names` is never empty. */
  readonly start: (names: readonly string[], settings: Settings) => Promise<Running>;
}

/** What a run was asked for, as far as works have to do with it. */
export interface Settings {
  readonly rounds: number;
  /** Length of a measured window in ms. */
  readonly window: number;
  /** Time from open to the window's start in ms. */
  readonly warmup: number;
  /** Length of a download in MiB. */
  readonly mib: number;
  /** Fewer of whatever a work has many of. */
  readonly quick: boolean;
}
