// blocked.test — what a client is for: its owner's loop stands still, and the feed lives.

import { expect } from 'chai';
import { Client } from '../../lib/client/client.ts';
import { Pool } from '../../lib/index.ts';
import { deribitThread } from '../support/deribit-thread.ts';

const MODULE = new URL('../../lib/adapters/deribit.js', import.meta.url);
const CREDENTIALS = { clientId: 'me', clientSecret: 'hush-hush' };
const RAW = 'trades.BTC-PERPETUAL.raw';
const TRADES = 'trades.ETH-PERPETUAL.100ms';

/** The longest that main stands still, in milliseconds. */
const BLOCKED = 10_000;

describe('a client whose adapter is a module', () => {
  it('keeps its feed while main is blocked for 10 s: answers heartbeats, comes back from a cut, misses nothing', async function () {
    this.timeout(3 * BLOCKED);
    this.slow(2 * BLOCKED);
    await using pool = new Pool({ threads: 1 });
    // It demands a heartbeat every 2 s, and is in a thread of its own.
    await using server = await deribitThread({
      credentials: CREDENTIALS,
      demand: 2_000,
      cutAfter: 4_000,
      every: 10,
    });
    const target = { module: MODULE, options: { heartbeat: 0 } };
    const options = { url: server.url, credentials: CREDENTIALS, pool, retryTimeout: 10 };
    await using client = new Client<{ channel: string; data: { trade_seq: number }[] }>(target, options);
    await client.connect();
    await client.subscribe(RAW);
    await client.subscribe(TRADES);

    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED);
    const woken = performance.timeOrigin + performance.now();

    const report = await server.report();
    const [first, second, ...more] = report.connections;
    expect(more, 'connections beside the two').to.deep.equal([]);
    expect(first).to.include({ cut: 'cut', authenticated: true });
    expect(second).to.include({ cut: undefined, closedAt: undefined, authenticated: true });
    expect(second?.subscribes).to.deep.equal({ [RAW]: 1, [TRADES]: 1 });
    // Back within a second, and long before main woke.
    expect((second?.openedAt ?? 0) - (first?.closedAt ?? 0)).to.be.below(1_000);
    expect(report.begun + (second?.openedAt ?? 0)).to.be.below(woken - 1_000);
    expect(second?.demanded).to.be.at.least(2);
    expect(second?.answered).to.be.at.least((second?.demanded ?? 0) - 1);

    // All that was sent is there, in order: on the first connection up to the cut, on the second all of it.
    for (const channel of [RAW, TRADES]) {
      const sent = report.log.filter((one) => one.channel === channel);
      expect(sent.filter(({ connection }) => connection === 2).length).to.be.at.least(300);
    }
    const last = report.log.at(-1)?.sequence ?? 0;
    const got: Record<string, number[]> = { [RAW]: [], [TRADES]: [] };
    for await (const { channel, data } of client) {
      got[channel]?.push(...data.map(({ trade_seq }) => trade_seq));
      if (Object.values(got).every((list) => (list.at(-1) ?? 0) >= last)) break;
    }
    for (const channel of [RAW, TRADES]) {
      const of = (number: number): number[] =>
        report.log
          .filter((one) => one.connection === number && one.channel === channel)
          .map(({ sequence }) => sequence);
      const mine = got[channel] ?? [];
      const begin = of(2)[0] ?? 0;
      const before = mine.filter((sequence) => sequence < begin);
      expect(before).to.deep.equal(of(1).slice(0, before.length));
      // What was under way when the cable was pulled.
      expect(of(1).length - before.length).to.be.at.most(2);
      const after = mine.filter((sequence) => sequence >= begin);
      expect(after.slice(0, of(2).length)).to.deep.equal(of(2).slice(0, after.length));
    }
    expect(client.attempt).to.equal(2);
  });
});
