import { expect } from 'chai';
import { RateLimiter } from '../../lib/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { PLACES, stages } from '../support/client-stage.ts';
import { range } from '../support/numbers.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';

const MODULE = new URL('../support/client-adapter.js', import.meta.url).href;

for (const place of PLACES) {
  describe(`requests of a client, its adapter ${place}`, () => {
    const stage = stages();

    it('check 35: 1 000 at a time get their own replies, in whatever order those come', async () => {
      const seed = seedOf();
      const { client, server } = await stage(place);
      await client.connect();
      await client.subscribe('a');
      const pushed = (async () => {
        for await (const { n } of client) if (n === 99) return true;
        return false;
      })();
      const replies = range(0, 1_000).map((n) => client.request({ method: 'hold', params: { n } }));
      await server.until('all', () => server.held === 1_000);
      expect((await client.status()).pending).to.equal(1_000);
      server.number('a', 50);
      const random = chance(seed);
      server.release((n) => {
        const order = range(0, n);
        for (let i = n - 1; i > 0; i--) {
          const j = random(i + 1);
          [order[i], order[j]] = [order[j]!, order[i]!];
        }
        return order;
      });
      server.number('a', 50);
      expect(await Promise.all(replies), `GUNPORT_SEED=${seed}`).to.deep.equal(
        range(0, 1_000).map((n) => ({ n })),
      );
      expect(await pushed).to.equal(true);
    });

    it('check 35: reject at once, all of them, when the connection is lost', async () => {
      const { client, server, ready } = await stage(place);
      await client.connect();
      const results = Promise.allSettled(
        range(0, 100).map((n) => client.request({ method: 'hold', params: n })),
      );
      await server.until('all', () => server.held === 100);
      server.drop();
      const codes = (await results).map((one) => one.status === 'rejected' && one.reason.code);
      expect(codes).to.deep.equal(Array(100).fill('ERR_GUNPORT_CLOSED'));
      await ready(2);
      expect((await client.status()).pending).to.equal(0);
    });

    it('check 35: fail alone: a second of the same id, one out of time, one given up, one that is refused', async () => {
      const { client, server } = await stage(place);
      await client.connect();
      const first = client.request({ method: 'hold', params: 'first', id: 'mine' });
      await rejects(client.request({ method: 'echo', id: 'mine' }), 'ERR_GUNPORT_DUPLICATE_ID');
      await rejects(client.request({ method: 'hold', params: 1 }, { timeout: 5 }), 'ERR_GUNPORT_TIMEOUT');
      const controller = new AbortController();
      const given = client.request({ method: 'hold', params: 2 }, { signal: controller.signal });
      await server.until('three', () => server.held === 3);
      controller.abort();
      await rejects(given, 'ERR_GUNPORT_ABORTED');
      const refused = await rejects(client.request({ method: 'wrong', params: [1] }), 'ERR_GUNPORT_REPLY');
      expect(refused.reason).to.deep.equal({ code: 7, message: 'wrong', data: [1] });
      // Two of these replies are late: they are dropped.
      server.release(() => [2, 1, 0]);
      expect(await first).to.equal('first');
      expect(await client.request({ method: 'echo', params: 3 })).to.equal(3);
      const { counters, gauges } = client.metrics();
      expect(counters).to.include({ repliesLate: 2, messagesDelivered: 0 });
      expect(gauges.pending).to.equal(0);
    });
  });

  describe(`what a client sends while it is not connected, its adapter ${place}`, () => {
    const stage = stages();

    it('goes in order behind its login and its subscriptions; more than the queue holds is refused', async () => {
      const { client, server, ready } = await stage(place, { credentials: 'me', queue: 3, retryTimeout: 20 });
      await client.connect();
      await client.subscribe('a');
      await client.subscribe('b');
      const sent: Promise<void>[] = [];
      client.once('state', () => {
        for (const n of range(0, 3)) sent.push(client.send({ method: 'note', params: n }));
        sent.push(
          rejects(client.send({ method: 'note', params: 3 }), 'ERR_GUNPORT_OVERLOADED').then(() => {}),
        );
      });
      server.drop();
      await ready(2);
      await Promise.all(sent);
      await server.until('all', () => server.last.log.length === 6);
      expect(server.last.log).to.deep.equal([
        ...['auth', 'subscribe a', 'subscribe b'],
        ...['note 0', 'note 1', 'note 2'],
      ]);
      expect(sent).to.have.lengthOf(4);
    });

    it('rejects when the client is closed before it could go', async () => {
      const { client, server } = await stage(place, { credentials: 'me' });
      server.mute = true;
      const connected = client.connect().catch((error: Error) => error);
      await server.until('the login', () => server.connections[0]?.log.length === 1);
      const waiting = [
        client.send({ method: 'note' }),
        client.request({ method: 'echo' }),
        client.subscribe('a'),
      ];
      const ended = Promise.allSettled(waiting);
      await client.close();
      expect((await ended).map(({ status }) => status)).to.deep.equal(Array(3).fill('rejected'));
      expect(await connected).to.be.instanceOf(Error);
      await server.until('the end', () => server.last.code !== undefined);
      expect(server.last.log).to.deep.equal(['auth']);
    });

    it('check 38: goes at the pace of the limit, first in, first out, subscriptions too', async () => {
      const rateLimit = { capacity: 2, refill: 1, interval: 20 };
      const { client, server, ready } = await stage(place, { rateLimit });
      await client.connect();
      const began = performance.now();
      await Promise.all(range(0, 8).map((n) => client.send({ method: 'note', params: n })));
      await server.until('all', () => server.times.length === 8);
      expect(server.last.log).to.deep.equal(range(0, 8).map((n) => `note ${n}`));
      expect(performance.now() - began).to.be.at.least(110);
      for (const channel of ['a', 'b', 'c', 'd']) await client.subscribe(channel);
      const again = performance.now();
      server.drop();
      await ready(2);
      expect(performance.now() - again).to.be.at.least(35);
      expect(server.last.log).to.deep.equal(['a', 'b', 'c', 'd'].map((channel) => `subscribe ${channel}`));
      expect(client.metrics().counters.rateLimited).to.be.at.least(6);
    });
  });
}

describe('a limit that clients share', () => {
  const stage = stages();

  it('check 38: holds for two of them in two threads together', async () => {
    const thread = new TestThread();
    const rateLimit = new RateLimiter({ capacity: 1, refill: 1, interval: 10 });
    const { client, server } = await stage('beside the socket', { rateLimit });
    await client.connect();
    const here = Promise.all(range(0, 8).map((n) => client.send({ method: 'note', params: n })));
    const there = thread.run(
      async ({ gunport }, url, module, limit) => {
        const other = new gunport.Client(new URL(module), { url, rateLimit: new gunport.RateLimiter(limit) });
        await other.connect();
        await Promise.all(Array.from({ length: 8 }, (_, n) => other.send({ method: 'note', params: n })));
        await other.close();
      },
      server.url,
      MODULE,
      rateLimit.shared,
    );
    try {
      await Promise.all([here, there]);
      await server.until('all', () => server.times.length === 16);
      const { times } = server;
      expect(times.at(-1)! - times[0]!).to.be.at.least(135);
    } finally {
      await thread.end();
    }
  });
});
