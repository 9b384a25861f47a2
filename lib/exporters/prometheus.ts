// prometheus — `gunport/prometheus`: what clients count, as metrics of prom-client.
// Imported by users who have prom-client; nothing else of the package imports it.
// Invariant: nothing is measured between two scrapes: a scrape reads what is in shared memory, once for all metrics.
// Source: prom-client's `collect`; Prometheus' naming (base units, `_total`).

import {
  Counter,
  Gauge,
  register as globalRegister,
  type OpenMetricsContentType,
  type PrometheusContentType,
  type Registry,
} from 'prom-client';
import {
  COUNTED,
  COUNTER_NAMES,
  GAUGE_NAMES,
  GAUGED,
  Meter,
  type MeteredClients,
  QUANTILES,
  type Reading,
  SPREADS,
  snake,
} from './metered.ts';

export type { MeteredClient, MeteredClients } from './metered.ts';

/** Options of `collectClients`. */
export interface PrometheusOptions {
  /** Default: prom-client's global one. */
  register?: Registry<PrometheusContentType> | Registry<OpenMetricsContentType> | undefined;
  /** What all names begin with. Default `gunport_`. */
  prefix?: string | undefined;
}

const LABELS = ['client', 'server'] as const;
type Label = (typeof LABELS)[number];

/** Registers what clients count: counters as `gunport_messages_sent_total`, gauges as `gunport_queued`, round trips and
 *  latencies in seconds, by quantile. Labels: `client` (its name) and `server` (host and port). Returns what takes all of
 *  them out again. @throws {Error} of prom-client: a name is registered already, or is none.
 *  @example
 *  const clients = new Set<Client>();
 *  const stop = collectClients(clients, { register });
 *  clients.add(client); // From the next scrape on. */
export function collectClients(clients: MeteredClients, options: PrometheusOptions = {}): () => void {
  const { register = globalRegister, prefix = 'gunport_' } = options;
  const meter = new Meter(clients);
  const names: string[] = [];
  const stop = (): void => {
    for (const name of names.splice(0)) register.removeSingleMetric(name);
  };
  const counter = (name: string, help: string, value: (reading: Reading) => number): void => {
    const metric: Counter<Label> = new Counter({
      name,
      help,
      labelNames: LABELS,
      registers: [register],
      collect() {
        metric.reset();
        for (const reading of meter.read()) metric.inc(labelsOf(reading), value(reading));
      },
    });
    names.push(name);
  };
  const gauge = (name: string, help: string, value: (reading: Reading) => number): void => {
    const metric: Gauge<Label> = new Gauge({
      name,
      help,
      labelNames: LABELS,
      registers: [register],
      collect() {
        metric.reset();
        for (const reading of meter.read()) metric.set(labelsOf(reading), value(reading));
      },
    });
    names.push(name);
  };
  const spread = (of: 'rtt' | 'latency', help: string): void => {
    const name = `${prefix}${of}_seconds`;
    const metric: Gauge<Label | 'quantile'> = new Gauge({
      name,
      help,
      labelNames: [...LABELS, 'quantile'],
      registers: [register],
      collect() {
        metric.reset();
        for (const reading of meter.read()) {
          for (const [quantile, at] of QUANTILES) {
            metric.set({ ...labelsOf(reading), quantile }, at(reading.metrics[of]) / 1e3);
          }
        }
      },
    });
    names.push(name);
  };

  try {
    for (const name of COUNTER_NAMES) {
      counter(`${prefix}${snake(name)}_total`, COUNTED[name], ({ metrics }) => metrics.counters[name]);
    }
    for (const name of GAUGE_NAMES) {
      gauge(`${prefix}${snake(name)}`, GAUGED[name], ({ metrics }) => metrics.gauges[name]);
    }
    const last = `${prefix}last_message_timestamp_seconds`;
    gauge(last, 'When the last message came', ({ metrics }) => metrics.gauges.lastMessageAt / 1e3);
    for (const [name, help] of SPREADS) {
      spread(name, help);
      counter(`${prefix}${name}_samples_total`, `${help}: how many`, ({ metrics }) => metrics[name].count);
    }
  } catch (error) {
    stop(); // All or nothing.
    throw error;
  }
  return stop;
}

function labelsOf({ name, address, port }: Reading): Record<Label, string> {
  return { client: name, server: port === undefined ? address : `${address}:${port}` };
}
