// figures — what can be measured, one name each: its head in a table, its unit, and which way is better.
// Read by results.ts, table.ts and the page; a work names those that it shows.
// Invariant: a figure that is not in this table is in no sample; a unit is here and nowhere else.

export interface Figure {
  /** Head of its column, with the unit. */
  readonly head: string;
  /** For a reader who meets it first. */
  readonly says: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly form: 'whole' | 'digits' | 'percent';
  /** Its ratio to the base has a column of its own. */
  readonly compared?: true;
  /** What is stored, times this, is what is shown. Default 1. */
  readonly scale?: number;
}

const MIB = 1 / (1024 * 1024);

export type FigureName =
  | 'rate'
  | 'activeNs'
  | 'mainCpuNs'
  | 'busy'
  | 'cpuNs'
  | 'peakBytes'
  | 'bytesRate'
  | 'sizeMin'
  | 'sizeP50'
  | 'sizeP99'
  | 'sizeMax'
  | 'rssBytes'
  | 'leastBytes'
  | 'p50'
  | 'p90'
  | 'p99'
  | 'p999'
  | 'max'
  | 'sentP50'
  | 'sentP90'
  | 'sentP99'
  | 'sentP999'
  | 'sentMax'
  | 'pong50'
  | 'pong99'
  | 'pongMax'
  | 'late'
  | 'feedRate'
  | 'firstMs'
  | 'loadMs'
  | 'residentBytes'
  | 'threadBytes';

export const FIGURES: Readonly<Record<FigureName, Figure>> = {
  rate: {
    head: 'rate',
    says: 'of what the work counts, per second',
    unit: '/s',
    better: 'more',
    form: 'digits',
    compared: true,
  },
  activeNs: {
    head: 'active ns',
    says: "main thread's active time for each, in ns",
    unit: 'ns',
    better: 'less',
    form: 'whole',
    compared: true,
  },
  mainCpuNs: {
    head: 'CPU ns',
    says: 'the part of it in which main had a core',
    unit: 'ns',
    better: 'less',
    form: 'whole',
    compared: true,
  },
  busy: {
    head: 'busy',
    says: 'share of the window in which main was at work',
    unit: '%',
    better: 'less',
    form: 'percent',
  },
  cpuNs: {
    head: 'all CPU',
    says: 'CPU time of the whole process for each, in ns',
    unit: 'ns',
    better: 'less',
    form: 'whole',
  },
  peakBytes: {
    head: 'peak MiB',
    says: 'most resident memory of the process in the window',
    unit: 'MiB',
    better: 'less',
    form: 'whole',
    scale: MIB,
  },
  bytesRate: {
    head: 'MiB/s',
    says: 'bytes of what was received, per second',
    unit: 'MiB/s',
    better: 'more',
    form: 'digits',
    scale: MIB,
  },
  sizeMin: { head: 'least B', says: 'the smallest, in bytes', unit: 'B', better: 'less', form: 'whole' },
  sizeP50: { head: 'median B', says: 'half had at most so many', unit: 'B', better: 'less', form: 'whole' },
  sizeP99: { head: 'p99 B', says: '99 % had at most so many', unit: 'B', better: 'less', form: 'whole' },
  sizeMax: { head: 'most B', says: 'the largest, in bytes', unit: 'B', better: 'less', form: 'whole' },
  rssBytes: {
    head: 'KiB each',
    says: 'resident memory of the process for each, a few seconds after the last, nothing forced',
    unit: 'KiB',
    better: 'less',
    form: 'digits',
    scale: 1 / 1_024,
  },
  leastBytes: {
    head: 'collected',
    says: 'the same once the main thread was made to collect its garbage',
    unit: 'KiB',
    better: 'less',
    form: 'digits',
    scale: 1 / 1_024,
  },
  p50: {
    head: 'p50 us',
    says: 'half took at most so long',
    unit: 'us',
    better: 'less',
    form: 'whole',
    compared: true,
  },
  p90: { head: 'p90 us', says: '90 % took at most so long', unit: 'us', better: 'less', form: 'whole' },
  p99: {
    head: 'p99 us',
    says: '99 % took at most so long',
    unit: 'us',
    better: 'less',
    form: 'whole',
    compared: true,
  },
  p999: {
    head: 'p99.9 us',
    says: '99.9 % took at most so long',
    unit: 'us',
    better: 'less',
    form: 'whole',
  },
  max: { head: 'max us', says: 'the longest', unit: 'us', better: 'less', form: 'whole' },
  // Not corrected for coordinated omission: what had to wait for its turn is counted from when it was sent.
  sentP50: {
    head: 'p50 us as sent',
    says: 'half took so long once sent',
    unit: 'us',
    better: 'less',
    form: 'whole',
  },
  sentP90: { head: 'p90 us as sent', says: '90 % of them', unit: 'us', better: 'less', form: 'whole' },
  sentP99: { head: 'p99 us as sent', says: '99 % of them', unit: 'us', better: 'less', form: 'whole' },
  sentP999: { head: 'p99.9 us as sent', says: '99.9 % of them', unit: 'us', better: 'less', form: 'whole' },
  sentMax: { head: 'max us as sent', says: 'the longest of them', unit: 'us', better: 'less', form: 'whole' },
  pong50: {
    head: 'pong p50',
    says: 'half of the pings were answered within so long, in us',
    unit: 'us',
    better: 'less',
    form: 'whole',
  },
  pong99: {
    head: 'pong p99',
    says: '99 % of the pings were answered within so long, in us',
    unit: 'us',
    better: 'less',
    form: 'whole',
    compared: true,
  },
  pongMax: {
    head: 'pong max',
    says: 'the latest answer to a ping, in us',
    unit: 'us',
    better: 'less',
    form: 'whole',
  },
  late: {
    head: 'late',
    says: 'share of messages that were had more than 20 ms after they were sent',
    unit: '%',
    better: 'less',
    form: 'percent',
  },
  feedRate: {
    head: 'k msg/s',
    says: 'messages delivered meanwhile, in thousands a second',
    unit: 'k msg/s',
    better: 'more',
    form: 'whole',
    scale: 1 / 1_000,
  },
  firstMs: {
    head: 'first ms',
    says: 'from before the import to the first message in hand',
    unit: 'ms',
    better: 'less',
    form: 'digits',
    compared: true,
  },
  loadMs: { head: 'load ms', says: 'the import alone', unit: 'ms', better: 'less', form: 'digits' },
  residentBytes: {
    head: 'RSS MiB',
    says: 'resident memory of the process',
    unit: 'MiB',
    better: 'less',
    form: 'digits',
    compared: true,
    scale: MIB,
  },
  threadBytes: {
    head: 'thread MiB',
    says: 'resident memory of each further thread',
    unit: 'MiB',
    better: 'less',
    form: 'digits',
    scale: MIB,
  },
};

/** In the order of the table above. */
export const FIGURE_NAMES: readonly FigureName[] = Object.keys(FIGURES) as FigureName[]; // Its keys are these.

/** Columns of a work that does not say otherwise. */
export const STANDARD: readonly FigureName[] = [
  'rate',
  'activeNs',
  'mainCpuNs',
  'busy',
  'cpuNs',
  'peakBytes',
];
