import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';
import { type OpenMetricsContentType, Registry, register } from 'prom-client';
import type { MeteredClient } from '../../lib/exporters/metered.ts';
import { observeClients } from '../../lib/exporters/opentelemetry.ts';
import { collectClients } from '../../lib/exporters/prometheus.ts';
import { Metrics } from '../../lib/session/metrics.ts';

/** A client that counts, and how often it was read. */
function client(more: Partial<MeteredClient> = {}) {
  const metrics = new Metrics(Metrics.share());
  let reads = 0;
  return {
    ...more,
    numbers: metrics,
    metrics() {
      reads += 1;
      return metrics.read();
    },
    get reads() {
      return reads;
    },
  };
}

describe('exported', () => {
  describe('to Prometheus, what clients count', () => {
    it('is there by the names and units of Prometheus', async () => {
      const registry = new Registry();
      const feed = client({ name: 'feed', url: 'wss://user:pass@a.example/x?token=abc' });
      feed.numbers.count('messagesReceived', 3);
      feed.numbers.gauge('queued', 2);
      feed.numbers.gauge('lastMessageAt', 1_500);
      for (const ms of [10, 20, 30]) feed.numbers.rtt(ms);
      const stop = collectClients(feed, { register: registry });
      const text = await registry.metrics();
      for (const line of [
        '# TYPE gunport_messages_received_total counter',
        'gunport_messages_received_total{client="feed",server="a.example:443"} 3',
        'gunport_requests_timed_out_total{client="feed",server="a.example:443"} 0',
        '# TYPE gunport_queued gauge',
        'gunport_queued{client="feed",server="a.example:443"} 2',
        'gunport_last_message_timestamp_seconds{client="feed",server="a.example:443"} 1.5',
        'gunport_rtt_samples_total{client="feed",server="a.example:443"} 3',
      ])
        expect(text.split('\n')).to.include(line);
      expect(Number(/gunport_rtt_seconds\{.*quantile="0.5"\} (.*)/.exec(text)?.[1])).to.be.closeTo(
        0.02,
        0.0002,
      );
      expect(text).to.not.match(/pass|abc/);
      expect(feed.reads).to.equal(1);
      // A counter is what it is, and not added up at each scrape.
      feed.numbers.count('messagesReceived');
      expect(await registry.metrics()).to.contain(
        'gunport_messages_received_total{client="feed",server="a.example:443"} 4',
      );
      stop();
      expect(await registry.metrics()).to.equal('\n');
    });

    it('follows a collection, whatever is added to it or throws', async () => {
      const registry = new Registry<OpenMetricsContentType>();
      registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
      const clients = new Set<MeteredClient>([client()]);
      const bad: MeteredClient = {
        metrics() {
          throw new Error('closed');
        },
      };
      const stop = collectClients(clients, { register: registry, prefix: 'feeds_' });
      const sent = async () =>
        [
          ...(await registry.metrics()).matchAll(
            /feeds_messages_sent_total\{client="(.*?)",server="(.*?)"\}/g,
          ),
        ].map(([, name, server]) => `${name} ${server}`);
      expect(await sent()).to.deep.equal(['client ']);
      const [first] = clients;
      const same = client({ name: 'client', url: new URL('ws://b.example:8080') });
      clients.add(bad).add(same);
      expect(await sent()).to.deep.equal(['client ', 'client-3 b.example:8080']);
      // Names stay with those that have them, and are free after them.
      if (first) clients.delete(first);
      clients.add(client({ url: 'no url' }));
      expect(await sent()).to.deep.equal(['client-3 b.example:8080', 'client ']);
      clients.clear();
      expect(await sent()).to.deep.equal([]);
      stop();
    });

    it('is registered wholly or not at all', async () => {
      const registry = new Registry();
      const stop = collectClients([], { register: registry });
      expect(() => collectClients([], { register: registry })).to.throw(/already been registered/);
      // What was there stays.
      expect(registry.getMetricsAsArray().length).to.be.above(30);
      stop();
      stop();
      expect(registry.getMetricsAsArray()).to.deep.equal([]);
      const stopGlobal = collectClients([]);
      expect(register.getSingleMetric('gunport_opened_total')).to.not.equal(undefined);
      stopGlobal();
      expect(register.getMetricsAsArray()).to.deep.equal([]);
    });
  });

  describe('to OpenTelemetry, what clients count', () => {
    it('is there by instruments of a meter, until it is ended', async () => {
      const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
      const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 });
      const provider = new MeterProvider({ readers: [reader] });
      const feed = client({ name: 'feed', url: 'ws://a.example:81/?token=abc' });
      const other = client();
      feed.numbers.count('bytesReceived', 30);
      feed.numbers.gauge('subscriptions', 2);
      feed.numbers.latency(20);
      const stop = observeClients([feed, other], provider.getMeter('test'), { attributes: { region: 'x' } });
      const collected = async (name: string) => {
        exporter.reset();
        await reader.forceFlush();
        const all = exporter
          .getMetrics()
          .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
        const metric = all.find(({ descriptor }) => descriptor.name === name);
        return (
          metric && {
            unit: metric.descriptor.unit,
            points: metric.dataPoints.map(({ value, attributes }) => [value, attributes]),
          }
        );
      };
      const attributes = {
        'gunport.client': 'feed',
        'server.address': 'a.example',
        'server.port': 81,
        region: 'x',
      };
      expect(await collected('gunport.bytes_received')).to.deep.equal({
        unit: 'By',
        points: [
          [30, attributes],
          [0, { 'gunport.client': 'client', region: 'x' }],
        ],
      });
      expect(feed.reads).to.equal(1);
      expect((await collected('gunport.subscriptions'))?.points[0]).to.deep.equal([2, attributes]);
      const latency = await collected('gunport.latency');
      expect(latency?.unit).to.equal('s');
      expect(latency?.points[1]?.[1]).to.deep.equal({ ...attributes, quantile: '0.5' });
      expect(latency?.points[1]?.[0]).to.be.closeTo(0.02, 0.0002);
      stop();
      const reads = feed.reads;
      await collected('gunport.latency');
      expect(feed.reads).to.equal(reads);
      await provider.shutdown();
    });
  });
});
