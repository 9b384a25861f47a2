import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { COUNTERS, GAUGES, Metrics, type MetricsShare } from '../../lib/session/metrics.ts';

describe('what a client counts', () => {
  it('begins with nothing', () => {
    const { counters, gauges, rtt, latency } = new Metrics(Metrics.share()).read();
    expect(Object.keys(counters)).to.deep.equal([...COUNTERS]);
    expect(Object.keys(gauges)).to.deep.equal([...GAUGES]);
    for (const value of [...Object.values(counters), ...Object.values(gauges)]) expect(value).to.equal(0);
    const nothing = { count: 0, min: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 };
    expect([rtt, latency]).to.deep.equal([nothing, nothing]);
  });

  it('adds up, and holds what was set last', () => {
    const metrics = new Metrics(Metrics.share());
    metrics.count('messagesSent');
    metrics.count('messagesSent', 2);
    metrics.count('bytesSent', 5_000_000_000);
    metrics.count('faults', 0);
    metrics.gauge('tokens', 0.125);
    metrics.gauge('tokens', 59.999);
    metrics.gauge('lastMessageAt', 1_700_000_000_000);
    const { counters, gauges } = metrics.read();
    expect(counters).to.include({ messagesSent: 3, bytesSent: 5_000_000_000, faults: 0, errors: 0 });
    expect(gauges).to.include({ tokens: 59.999, lastMessageAt: 1_700_000_000_000, queued: 0 });
  });

  it('measures in milliseconds, within a hundredth', () => {
    const metrics = new Metrics(Metrics.share());
    for (let ms = 1; ms <= 100; ms++) metrics.rtt(ms);
    const { rtt, latency } = metrics.read();
    expect(rtt.count).to.equal(100);
    for (const [found, expected] of [
      [rtt.min, 1],
      [rtt.mean, 50.5],
      [rtt.p50, 50],
      [rtt.p95, 95],
      [rtt.p99, 99],
      [rtt.max, 100],
    ] as const)
      expect(found).to.be.closeTo(expected, expected / 100);
    expect(latency.count).to.equal(0);
    for (const odd of [0, -1, 1e12, Number.NaN, 0.0001]) metrics.latency(odd);
    expect(metrics.read().latency).to.include({ count: 4, min: 0.001 });
  });

  it('is the same numbers in every thread that it was posted to', async () => {
    const share = Metrics.share();
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.file).then(({ Metrics }) => {
        const metrics = new Metrics(workerData.share);
        for (let i = 0; i < 20_000; i++) metrics.count('messagesReceived');
        metrics.gauge('pending', 7);
        metrics.latency(3);
        parentPort.postMessage(metrics.read().counters.messagesReceived);
      });`;
    const file = new URL('../../lib/session/metrics.js', import.meta.url).href;
    const threads = [0, 1].map(() => new Worker(code, { eval: true, workerData: { file, share } }));
    const metrics = new Metrics(structuredClone(share));
    const done = Promise.all(threads.map((thread) => once(thread, 'exit')));
    for (let i = 0; i < 20_000; i++) metrics.count('messagesReceived');
    metrics.latency(5);
    await done;
    const { counters, gauges, latency } = new Metrics(share).read();
    expect([counters.messagesReceived, gauges.pending, latency.count]).to.deep.equal([60_000, 7, 3]);
    // And by a port.
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(share);
    const [twin] = (await once(port2, 'message')) as [MetricsShare];
    port1.close();
    new Metrics(twin).rtt(2);
    expect(metrics.read().rtt.count).to.equal(1);
  });
});
