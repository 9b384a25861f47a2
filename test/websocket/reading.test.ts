import { once } from 'node:events';
import { expect } from 'chai';
import type { Message } from '../../lib/index.ts';
import { collect } from '../support/collector.ts';
import {
  arrived,
  drain,
  type Feed,
  feeds,
  firstBatch,
  frame,
  numbers,
  plain,
  range,
  take,
  untilClose,
} from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('reading a WebSocket', () => {
  const { talk } = feeds();

  describe('that has ended, with messages that nobody was given', () => {
    it('ends with flush(): a loop is done, and closed resolves (S1)', async () => {
      const { feed, server } = await talk();
      server.send(numbers(0, 100));
      await arrived(feed, 100);
      const reader = feed[Symbol.asyncIterator]();
      expect((await reader.next()).value).to.equal('0');
      server.send(frame(0x88, Buffer.from([0x03, 0xe8])));
      server.end();
      while (feed.state !== 'closed') await turn();
      feed.flush();
      expect(await reader.next()).to.deep.equal({ value: undefined, done: true });
      expect(await feed.closed).to.include({ code: 1000, wasClean: true });
    });
  });

  it('keeps nothing of what was read, while it is read on', async () => {
    const { feed, server } = await talk();
    const reader = feed[Symbol.asyncIterator]();
    const memories: WeakRef<ArrayBufferLike>[] = [];
    for (let i = 0; i < 20; i++) {
      server.send(frame(0x82, Buffer.alloc(100_000, 7)));
      const { value } = await reader.next();
      memories.push(new WeakRef((value as Uint8Array).buffer));
      await turn(); // What a WeakRef was made of lives until then.
    }
    collect();
    // The last one is at hand still.
    expect(memories.slice(0, -1).filter((memory) => memory.deref())).to.deep.equal([]);
    await reader.return?.();
  });

  describe('one message at a time', () => {
    it('goes on where the last loop broke off, within a parcel too', async () => {
      const { feed, server } = await talk();
      server.send(numbers(0, 100));
      await arrived(feed, 100);
      const read: Message[] = [];
      for (const count of [1, 2, 30, 67]) read.push(...(await take(feed, count)));
      expect(read).to.deep.equal(range(0, 100));
    });

    it('goes on across ways of reading: loop, await, batches, events', async () => {
      const { feed, server } = await talk();
      server.send(numbers(0, 20));
      await arrived(feed, 20);
      expect(await take(feed, 3)).to.deep.equal(range(0, 3));
      const notice = await feed.connection.await(feed);
      expect(notice).to.deep.equal({ type: 'ws', frame: 'text', data: '3' });
      const heard: Message[] = [];
      await new Promise<void>((resolve) => {
        const listener = (message: Message): void => {
          if (heard.push(message) < 4) return;
          feed.off('message', listener);
          resolve();
        };
        feed.on('message', listener);
      });
      expect(heard).to.deep.equal(range(4, 4));
      const batch = await firstBatch(feed);
      expect([...batch]).to.deep.equal(range(8, 12));
    });

    it('gives next() calls that were made by hand in turn, then return()', async () => {
      const { feed, server } = await talk();
      server.send(numbers(0, 3));
      const iterator = feed[Symbol.asyncIterator]();
      expect(await iterator.next()).to.deep.equal({ value: '0', done: false });
      expect(await iterator.next()).to.deep.equal({ value: '1', done: false });
      expect(await iterator.return?.()).to.deep.equal({ value: undefined, done: true });
      expect(await iterator.next()).to.deep.equal({ value: undefined, done: true });
      expect(await take(feed, 1)).to.deep.equal(['2']);
    });

    it('ends a next() that waits when the loop is left from outside', async () => {
      const { feed, server } = await talk();
      const iterator = feed[Symbol.asyncIterator]();
      const waiting = iterator.next();
      await iterator.return?.();
      expect(await waiting).to.deep.equal({ value: undefined, done: true });
      server.send(numbers(0, 1));
      expect(await take(feed, 1)).to.deep.equal(['0']);
    });

    it('lets timers live while it catches up', async () => {
      const { feed, server } = await talk();
      for (let i = 0; i < 40; i++) server.send(numbers(1_000 * i, 1_000));
      await arrived(feed, 2_000);
      let left = false;
      const timer = setTimeout(() => {
        left = true;
      }, 1);
      let read = 0;
      for await (const message of feed) {
        expect(message).to.equal(String(read++));
        // Longer than the timer, within the first parcel.
        if (read === 1) for (const begun = performance.now(); performance.now() < begun + 2; );
        if (left || read === 40_000) break;
      }
      clearTimeout(timer);
      expect(left).to.equal(true);
      expect(read).to.be.below(40_000);
    });

    it('waits for what comes later', async () => {
      const { feed, server } = await talk();
      const reading = take(feed, 2);
      await turn();
      server.send(numbers(0, 1));
      await arrived(feed, 1);
      server.send(numbers(1, 1));
      expect(await reading).to.deep.equal(['0', '1']);
    });
  });

  describe('in two ways at the same time', () => {
    it('throws ERR_GUNPORT_READING, and the first reader goes on', async () => {
      const { feed, server } = await talk();
      const reading = take(feed, 1);
      await rejects(feed[Symbol.asyncIterator]().next(), 'ERR_GUNPORT_READING');
      await rejects(feed.batches().next(), 'ERR_GUNPORT_READING');
      await rejects(feed.connection.await(feed), 'ERR_GUNPORT_READING');
      expect(() => feed.on('message', () => {}))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_READING');
      expect(feed.listenerCount('message')).to.equal(0);
      server.send(numbers(0, 1));
      expect(await reading).to.deep.equal(['0']);
    });

    it('throws for a loop beside events, until the last listener has gone', async () => {
      const { feed, server } = await talk();
      const listener = (): void => {};
      feed.on('message', listener);
      await rejects(feed[Symbol.asyncIterator]().next(), 'ERR_GUNPORT_READING');
      feed.off('message', listener);
      server.send(numbers(0, 1));
      expect(await take(feed, 1)).to.deep.equal(['0']);
    });

    it('throws for a second next() while the first waits', async () => {
      const { feed, server } = await talk();
      const iterator = feed[Symbol.asyncIterator]();
      const first = iterator.next();
      await rejects(iterator.next(), 'ERR_GUNPORT_READING');
      server.send(numbers(0, 1));
      expect(await first).to.deep.equal({ value: '0', done: false });
      await iterator.return?.();
    });

    it('is no matter for await(): many may wait, each gets one in order', async () => {
      const { feed, server } = await talk();
      const waiting = [1, 2, 3].map(() => feed.connection.await(feed));
      server.send(numbers(0, 3));
      const data = (await Promise.all(waiting)).map((notice) => 'data' in notice && notice.data);
      expect(data).to.deep.equal(['0', '1', '2']);
    });
  });

  describe('by await()', () => {
    it('gives binary and text, and leaves nothing behind at a timeout (S3)', async () => {
      const { feed, server } = await talk();
      const error = await rejects(feed.connection.await(feed, { timeout: 10 }), 'ERR_GUNPORT_TIMEOUT');
      expect(error.name).to.equal('TimeoutError');
      server.send(Buffer.concat([frame(0x82, 'b'), frame(0x81, 't')]));
      const notice = await feed.connection.await(feed);
      expect(notice).to.include({ type: 'ws', frame: 'binary' });
      expect(Buffer.from((notice as { data: Uint8Array }).data).toString()).to.equal('b');
      expect(await take(feed, 1)).to.deep.equal(['t']);
    });

    it('ends with ERR_GUNPORT_ABORTED by its signal, and the message goes to the next', async () => {
      const { feed, server } = await talk();
      const abort = new AbortController();
      const first = feed.connection.await(feed, { signal: abort.signal });
      const second = feed.connection.await(feed);
      abort.abort();
      await rejects(first, 'ERR_GUNPORT_ABORTED');
      server.send(numbers(0, 1));
      expect(await second).to.include({ data: '0' });
    });

    it('rejects with the end of its connection (S1)', async () => {
      const { feed } = await talk();
      const waiting = feed.connection.await(feed, { timeout: Number.POSITIVE_INFINITY });
      const rejected = rejects(waiting, 'ERR_GUNPORT_CLOSED');
      await feed.connection.close();
      expect((await rejected).reason).to.equal('shutdown');
    });
  });

  describe('by events', () => {
    it('gives every message in order, those that waited first', async () => {
      const { feed, server } = await talk();
      server.send(numbers(0, 10));
      await arrived(feed, 10);
      const heard: Message[] = [];
      feed.on('message', (message) => heard.push(message));
      expect(heard).to.deep.equal([]); // Never within on().
      server.send(numbers(10, 10));
      while (heard.length < 20) await once(feed, 'message');
      expect(heard).to.deep.equal(range(0, 20));
    });

    it('stops at once when the listener goes, within a parcel too', async () => {
      const { feed, server } = await talk();
      server.send(numbers(0, 10));
      await arrived(feed, 10);
      expect(await once(feed, 'message')).to.deep.equal(['0']);
      expect(await once(feed, 'message')).to.deep.equal(['1']);
      expect(await take(feed, 8)).to.deep.equal(range(2, 8));
    });

    it('give each listener each message', async () => {
      const { feed, server } = await talk();
      const heard: string[] = [];
      feed.on('message', (message) => heard.push(`a${plain(message)}`));
      feed.on('message', (message) => heard.push(`b${plain(message)}`));
      server.send(numbers(0, 2));
      while (heard.length < 4) await once(feed, 'message');
      expect(heard).to.deep.equal(['a0', 'b0', 'a1', 'b1']);
    });
  });

  describe('after its end (M2)', () => {
    async function ended(): Promise<Feed> {
      const { feed, server } = await talk();
      void untilClose(server);
      server.send(Buffer.concat([numbers(0, 3), frame(0x88)]));
      await feed.connection.monitor().down;
      return feed;
    }

    it('gives what had arrived to a loop, and to batches', async () => {
      expect(await drain(await ended())).to.deep.equal({ messages: range(0, 3), error: undefined });
      expect([...(await firstBatch(await ended()))]).to.deep.equal(range(0, 3));
    });

    it('gives what had arrived to await(), then the close', async () => {
      const feed = await ended();
      for (const data of range(0, 3)) expect(await feed.connection.await(feed)).to.include({ data });
      expect(await feed.connection.await(feed)).to.include({ frame: 'close', code: 1005 });
    });

    it('gives what had arrived to events', async () => {
      const feed = await ended();
      const heard: Message[] = [];
      await new Promise<void>((resolve) =>
        feed.on('message', (message) => heard.push(message) === 3 && resolve()),
      );
      expect(heard).to.deep.equal(range(0, 3));
    });
  });
});
