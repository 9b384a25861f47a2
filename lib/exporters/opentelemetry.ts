// opentelemetry — `gunport/opentelemetry`: what clients count, as observable instruments of a Meter.
// Imported by users who have OpenTelemetry; of its API only types are used, and the Meter is the user's.
// Invariant: nothing is measured between two collections: one callback reads what is in shared memory for all instruments.
// Source: OpenTelemetry's metrics API (batch observable callbacks) and semantic conventions (server.address, units).

import type { Attributes, Meter as MeterOfUser, Observable, ObservableResult } from '@opentelemetry/api';
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

/** Options of `observeClients`. */
export interface OpenTelemetryOptions {
  /** What all names begin with. Default `gunport.`. */
  prefix?: string | undefined;
  /** Beside `server.address`, `server.port` and `gunport.client`. */
  attributes?: Attributes | undefined;
}

/** Tells each number of one reading. */
type Tell = (
  observe: (observable: Observable, value: number, more?: Attributes) => void,
  reading: Reading,
) => void;

/** Observes what clients count: counters as `gunport.messages_sent`, gauges as `gunport.queued`, round trips and latencies
 *  in seconds, by quantile. Returns what ends it.
 *  @example
 *  const stop = observeClients(clients, metrics.getMeter('feeds')); */
export function observeClients(
  clients: MeteredClients,
  meter: Pick<
    MeterOfUser,
    | 'createObservableCounter'
    | 'createObservableGauge'
    | 'addBatchObservableCallback'
    | 'removeBatchObservableCallback'
  >,
  options: OpenTelemetryOptions = {},
): () => void {
  const { prefix = 'gunport.', attributes = {} } = options;
  const reader = new Meter(clients);
  const instruments: Observable[] = [];
  const tells: Tell[] = [];
  const counter = (name: string, description: string, value: (reading: Reading) => number): void => {
    const unit = name.includes('bytes') ? 'By' : '1';
    const instrument = meter.createObservableCounter(`${prefix}${name}`, { description, unit });
    instruments.push(instrument);
    tells.push((observe, reading) => observe(instrument, value(reading)));
  };
  const gauge = (name: string, help: string, unit: string, tell: (instrument: Observable) => Tell): void => {
    const instrument = meter.createObservableGauge(`${prefix}${name}`, { description: help, unit });
    instruments.push(instrument);
    tells.push(tell(instrument));
  };

  for (const name of COUNTER_NAMES) {
    counter(snake(name), COUNTED[name], ({ metrics }) => metrics.counters[name]);
  }
  for (const name of GAUGE_NAMES) {
    gauge(name, GAUGED[name], '1', (instrument) => (observe, { metrics }) => {
      observe(instrument, metrics.gauges[name]);
    });
  }
  gauge('last_message', 'When the last message came, since the epoch', 's', (instrument) => {
    return (observe, { metrics }) => observe(instrument, metrics.gauges.lastMessageAt / 1e3);
  });
  for (const [name, help] of SPREADS) {
    gauge(name, help, 's', (instrument) => (observe, { metrics }) => {
      for (const [quantile, at] of QUANTILES) observe(instrument, at(metrics[name]) / 1e3, { quantile });
    });
    counter(`${name}_samples`, `${help}: how many`, ({ metrics }) => metrics[name].count);
  }

  const callback = (result: { observe: BatchObserve }): void => {
    for (const reading of reader.read()) {
      const own = { ...attributes, ...attributesOf(reading) };
      const observe = (instrument: Observable, value: number, more?: Attributes): void =>
        result.observe(instrument, value, more ? { ...own, ...more } : own);
      for (const tell of tells) tell(observe, reading);
    }
  };
  meter.addBatchObservableCallback(callback, instruments);
  return () => meter.removeBatchObservableCallback(callback, instruments);
}

type BatchObserve = (metric: Observable, ...rest: Parameters<ObservableResult['observe']>) => void;

function attributesOf({ name, address, port }: Reading): Attributes {
  return {
    'gunport.client': name,
    ...(address !== '' && { 'server.address': address }),
    ...(port !== undefined && { 'server.port': port }),
  };
}
