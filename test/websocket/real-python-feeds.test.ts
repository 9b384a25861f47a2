import { once } from 'node:events';
import { expect } from 'chai';
import type { OpenOptions } from '../../lib/index.ts';
import { downOf } from '../support/downs.ts';
import { drain, type Feed, feeds, take } from '../support/feeds.ts';
import { movers } from '../support/handed.ts';
import { journey } from '../support/journey.ts';
import { range } from '../support/numbers.ts';
import { LIBRARIES, order, python, urlOf } from '../support/python.ts';
import { titled } from '../support/real.ts';

const MIB = 1_048_576;

for (const library of LIBRARIES) {
  describe(titled(library, `a feed from a server made of Python's ${library}`), () => {
    const { connect } = feeds();
    const on = movers();
    const server = python(library);
    const acts = (options?: OpenOptions): Promise<Feed> =>
      connect(urlOf(server(), '/acts'), { retry: 0, ...options });

    it('goes from owner to owner in the midst of it: nothing is lost, repeated or reordered (O1, O2)', async () => {
      const feed = await acts();
      const to = 12_000;
      order(feed, { act: 'numbers', from: 0, to, bytes: 60, mixed: true });
      const { numbers, transfers } = await journey(on, feed, {
        pattern: '^(\\d+) ',
        last: to - 1,
        share: 700,
      });
      expect(numbers).to.deep.equal(range(0, to));
      expect(transfers).to.be.at.least(3);
    });

    it('takes what is sent from wherever it is owned, in order (O2)', async () => {
      const feed = await connect(urlOf(server(), '/echo'), { retry: 0 });
      feed.send(['1', '2']);
      await on.giveTo(on.a, feed);
      await on.a.run((here) => void here.feed.send(['3', '4']));
      await on.pass(on.a, on.b);
      await on.b.run((here) => void here.feed.send(['5', '6']));
      expect(await on.b.run((here) => here.read(6))).to.deep.equal(range(1, 7));
    });

    it('of 200 MiB is held back while its owner reads nothing, and is whole afterwards (F1, F2)', async () => {
      const feed = await acts();
      const to = 3_200;
      const since = server().log.length;
      order(feed, { act: 'numbers', from: 0, to, bytes: 65_536 });
      await server().logged('stalled at', since);
      // What is in flight, held (maxBuffered, and the slab that went over it), and being read.
      const { counters } = await feed.connection.info();
      expect(counters.bytesReceived).to.be.at.most((8 + 16) * MIB + 3 * 512 * 1_024);
      const numbers: number[] = [];
      for await (const batch of feed.batches()) {
        for (const message of batch) {
          expect(message).to.have.lengthOf(65_536);
          numbers.push(Number.parseInt(String(message), 10));
        }
        if (numbers.length >= to) break;
      }
      expect(numbers).to.deep.equal(range(0, to));
      await server().logged(`sent ${to}`, since);
    });

    it('that is killed in the midst of it ends once, after all that had come, with one Down (S1, S2, M1)', async () => {
      const feed = await acts();
      order(feed, { act: 'numbers', from: 0, to: 10_000_000, bytes: 100 });
      expect(await take(feed, 1_000)).to.have.lengthOf(1_000);
      const down = downOf(feed.connection);
      const ended = drain(feed);
      await server().kill();
      const { messages, error } = await ended;
      expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
      const numbers = messages.map((message) => Number.parseInt(String(message), 10));
      // Above all, there is no gap; it may be too many to compare them one by one.
      expect(numbers.findIndex((number, i) => number !== i + 1_000)).to.equal(-1);
      expect(await down).to.include({ kind: 'gave-up' });
      expect(await feed.closed).to.include({ code: 1006, wasClean: false });
      await server().again();
    });

    it('comes back by itself when the server does, on the same port (S2)', async () => {
      const feed = await acts({ retry: 1_000, backoff: { first: 5, longest: 20 } });
      const heard: string[] = [];
      feed.on('down', ({ attempt }) => heard.push(`down ${attempt}`));
      feed.on('up', ({ attempt }) => heard.push(`up ${attempt}`));
      for (let round = 0; round < 2; round++) {
        order(feed, { act: 'numbers', from: round, to: round + 1, bytes: 0 });
        expect(await take(feed, 1)).to.deep.equal([`${round} `]);
        const up = once(feed, 'up');
        feed.on('message', () => {});
        await server().kill();
        expect(feed.connection.status).to.not.equal('dead');
        await server().again();
        await up;
        feed.removeAllListeners('message');
      }
      order(feed, { act: 'ping', data: 'back' });
      expect(await take(feed, 1)).to.deep.equal(['ponged back']);
      expect(heard.filter((one) => one.startsWith('up'))).to.have.lengthOf(2);
      // A server that has only begun to listen may lose one before its upgrade.
      expect(heard.filter((one) => one.startsWith('down')).length).to.be.within(2, 6);
      expect(heard.at(-1)).to.match(/^up/);
    });
  });
}
