// metrics — what a client counts, in memory that its session's thread and its owner's share: reading it asks nobody.
// Counted by session.ts and its parts; read by Client.metrics() and, through that, by lib/exporters.
// Invariant: a share is one set of numbers, whatever threads have it; nothing that was counted is lost.
// Why integers of 64 bits: Atomics takes no floats, and a plain `+=` on a Float64Array would lose counts while two
// sessions of one client overlap, and may be read half written. Atomics.add costs 11 ns with 1n, and 26 ns with a BigInt
// that is made for it; a gauge's bits are carried in such an integer. Source: WebsockexNova's MetricsCollector.

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** @internal */
export const COUNTERS = [
  'messagesReceived',
  'bytesReceived',
  'messagesSent',
  'bytesSent',
  'messagesDelivered',
  'messagesDropped',
  'opened',
  'lost',
  'reconnected',
  'attemptsFailed',
  'requests',
  'replies',
  'repliesLate',
  'requestsTimedOut',
  'subscriptionsConfirmed',
  'subscriptionsFailed',
  'logins',
  'loginsFailed',
  'rateLimited',
  'rejected',
  'errors',
  'faults',
] as const;

/** @internal */
export const GAUGES = ['state', 'queued', 'pending', 'subscriptions', 'tokens', 'lastMessageAt'] as const;

/** What only grows, from the making of the client. */
export type CounterName = (typeof COUNTERS)[number];
/** What goes up and down. `state`: its place in the list of states, from 0; `lastMessageAt`: in milliseconds since the
 *  epoch, 0: never. */
export type GaugeName = (typeof GAUGES)[number];

/** Of what was measured since the making of the client; in milliseconds, within 1 %. All 0 before the first. */
export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** What a client has counted, as of now. */
export interface ClientMetrics {
  readonly counters: Readonly<Record<CounterName, number>>;
  readonly gauges: Readonly<Record<GaugeName, number>>;
  /** Round trips of pings. */
  readonly rtt: Spread;
  /** From a request to its reply. */
  readonly latency: Spread;
}

/** Posted, it is still the same numbers; histograms too. @internal */
export interface MetricsShare {
  readonly memory: SharedArrayBuffer;
  readonly rtt: RecordableHistogram;
  readonly latency: RecordableHistogram;
}

const COUNTER_AT = new Map<string, number>(COUNTERS.map((name, at) => [name, at]));
const GAUGE_AT = new Map<string, number>(GAUGES.map((name, at) => [name, COUNTERS.length + at]));
const WORDS = COUNTERS.length + GAUGES.length;
/** Longest time that is told apart, in microseconds: an hour. */
const LONGEST = 3_600_000_000;
const NOTHING: Spread = Object.freeze({ count: 0, min: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 });

/** @internal */
export class Metrics {
  readonly #words: BigInt64Array;
  readonly #rtt: RecordableHistogram;
  readonly #latency: RecordableHistogram;
  /** The same 8 bytes, as a number and as its bits. */
  readonly #number = new Float64Array(1);
  readonly #bits = new BigInt64Array(this.#number.buffer);

  constructor(share: MetricsShare) {
    this.#words = new BigInt64Array(share.memory);
    this.#rtt = share.rtt;
    this.#latency = share.latency;
  }

  /** New numbers, all 0. */
  static share(): MetricsShare {
    // Two figures, up to an hour: 23 KiB each once it is used, where the standard has some hundreds.
    const histogram = (): RecordableHistogram => createHistogram({ lowest: 1, highest: LONGEST, figures: 2 });
    const memory = new SharedArrayBuffer(WORDS * BigInt64Array.BYTES_PER_ELEMENT);
    return { memory, rtt: histogram(), latency: histogram() };
  }

  /** `by`: an integer. */
  count(name: CounterName, by = 1): void {
    // Sessions of one client add to it, each by one operation; readers want each word for itself, in no order.
    Atomics.add(this.#words, COUNTER_AT.get(name) ?? 0, by === 1 ? 1n : BigInt(by));
  }

  gauge(name: GaugeName, value: number): void {
    this.#number[0] = value;
    // The last of the writers wins; readers see it whole, and want no order with other words.
    Atomics.store(this.#words, GAUGE_AT.get(name) ?? 0, this.#bits[0] ?? 0n);
  }

  /** A round trip, in milliseconds. */
  rtt(ms: number): void {
    record(this.#rtt, ms);
  }

  /** From a request to its reply, in milliseconds. */
  latency(ms: number): void {
    record(this.#latency, ms);
  }

  read(): ClientMetrics {
    return {
      counters: entriesOf(COUNTERS, (name) => Number(this.#load(COUNTER_AT.get(name)))),
      gauges: entriesOf(GAUGES, (name) => {
        this.#bits[0] = this.#load(GAUGE_AT.get(name));
        return this.#number[0] ?? 0;
      }),
      rtt: spreadOf(this.#rtt),
      latency: spreadOf(this.#latency),
    };
  }

  #load(at = 0): bigint {
    // Sessions write it at any time; each word is read whole.
    return Atomics.load(this.#words, at);
  }
}

/** In microseconds: a histogram takes integers from 1. */
function record(histogram: RecordableHistogram, ms: number): void {
  if (Number.isNaN(ms)) return;
  histogram.record(Math.min(LONGEST, Math.max(1, Math.round(ms * 1e3))));
}

function spreadOf(histogram: RecordableHistogram): Spread {
  const { count, min, max, mean } = histogram;
  if (count === 0) return NOTHING;
  const at = (percentile: number): number => histogram.percentile(percentile) / 1e3;
  return { count, min: min / 1e3, mean: mean / 1e3, p50: at(50), p95: at(95), p99: at(99), max: max / 1e3 };
}

function entriesOf<N extends string>(names: readonly N[], read: (name: N) => number): Record<N, number> {
  // Each name of the list is there, and no other.
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Record<N, number>;
}
