import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import type { Message } from '../../lib/index.ts';
import { hearNumbers, type Numbers, range, readNumbers } from '../support/numbers.ts';
import { type Feed, stage } from '../support/stage.ts';
import type { TestThread } from '../support/thread.ts';

describe('a hand-over', () => {
  const on = stage();
  let server: Numbers;
  let feed: Feed;
  let a: TestThread;
  beforeEach(() => {
    ({ server, feed, a } = on);
  });

  describe('is cut at the call (O2)', () => {
    it('check 11: gives the backlog to the new owner before anything newer', async () => {
      server.send(500);
      expect(await readNumbers(feed, 1)).to.deep.equal([0]);
      const taken = a.run((here) => here.take());
      const done = feed.transferOwnership(a.worker);
      server.send(500);
      await Promise.all([done, taken]);
      expect(await a.run((here) => here.read(999))).to.deep.equal(range(1, 1000));
    });

    it('check 11: gives what arrives while it is under way to the new owner', async () => {
      const done = feed.transferOwnership(a.worker);
      for (let i = 0; i < 50; i++) {
        server.send(20);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await a.run((here) => here.take());
      await done;
      expect(await a.run((here) => here.read(1000))).to.deep.equal(range(0, 1000));
    });

    it('goes on in the middle of a parcel after a break', async () => {
      server.send(100);
      expect(await readNumbers(feed, 41)).to.deep.equal(range(0, 41));
      const taken = a.run((here) => here.take());
      await feed.transferOwnership(a.worker);
      await taken;
      expect(await a.run((here) => here.read(59))).to.deep.equal(range(41, 100));
    });

    it('goes on in the middle of a parcel when it is called inside the loop', async () => {
      server.send(100);
      const taken = a.run((here) => here.take());
      const read: number[] = [];
      let error: unknown;
      try {
        for await (const message of feed) {
          read.push(Number(message));
          if (read.length === 17) await feed.transferOwnership(a.worker);
        }
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
      expect(read).to.deep.equal(range(0, 17));
      await taken;
      expect(await a.run((here) => here.read(83))).to.deep.equal(range(17, 100));
    });

    it('goes on in the middle of a parcel when it is called inside a message listener', async () => {
      server.send(100);
      const taken = a.run((here) => here.take());
      const read: number[] = [];
      await new Promise<void>((resolve, reject) => {
        feed.on('message', (message) => {
          if (read.push(Number(message)) === 23) feed.transferOwnership(a.worker).then(resolve, reject);
        });
      });
      await taken;
      expect(await a.run((here) => here.read(77))).to.deep.equal(range(23, 100));
      expect(read).to.deep.equal(range(0, 23));
    });

    it('gives a batch whole, and the new owner the one after it', async () => {
      server.send(50);
      const batches = feed.batches();
      const { value: batch } = await batches.next();
      const taken = a.run((here) => here.take());
      await feed.transferOwnership(a.worker);
      await taken;
      const read = [...batch].map(Number);
      expect(read).to.deep.equal(range(0, read.length));
      server.send(50);
      const rest = await a.run((here, count) => here.read(count), 100 - read.length);
      expect(rest).to.deep.equal(range(read.length, 100));
    });

    it('leaves the messages that were read out of a moved parcel as they are', async () => {
      server.send(4);
      const kept: Message[] = [];
      for await (const batch of feed.batches()) {
        for (let i = 0; i < batch.length; i++) kept.push(batch.bytes(i));
        break;
      }
      server.send(10 - kept.length);
      const [received] = await Promise.all([on.take(), feed.transferOwnership({ threadId: 0 })]);
      expect(kept.map((bytes) => Number(Buffer.from(bytes as Uint8Array)))).to.deep.equal(
        range(0, kept.length),
      );
      expect(await readNumbers(received.feed, 10 - kept.length)).to.deep.equal(range(kept.length, 10));
    });

    it('sends what the old owner has sent before, in order with what the new one sends', async () => {
      const taken = a.run((here) => here.take());
      for (const text of ['a', 'b', 'c']) feed.send(text);
      await feed.transferOwnership(a.worker);
      await taken;
      await a.run((here) => void here.feed.send(['d', 'e']));
      expect(await server.heard(5)).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
      await a.run((here) => here.feed.drained());
      expect(await a.run((here) => here.feed.bufferedAmount)).to.equal(0);
    });
  });

  describe("carries the giver's data", () => {
    it('as it was at the call', async () => {
      const data = { list: [1, 2], when: new Date(7) };
      const taken = a.run((here) => here.take());
      const done = feed.transferOwnership(a.worker, { data });
      data.list.push(3);
      await done;
      expect(await taken).to.deep.equal({ list: [1, 2], when: new Date(7) });
    });

    it('with ports and memory of the transfer list', async () => {
      const { port1, port2 } = new MessageChannel();
      const memory = new Uint8Array([1, 2, 3]).buffer;
      const taken = a.run(async (here) => {
        const { port, memory } = (await here.take()) as { port: MessagePort; memory: ArrayBuffer };
        port.postMessage([...new Uint8Array(memory)]);
        port.close();
      });
      await feed.transferOwnership(a.worker, { data: { port: port2, memory }, transfer: [port2, memory] });
      expect(memory.byteLength).to.equal(0);
      expect((await once(port1, 'message'))[0]).to.deep.equal([1, 2, 3]);
      await taken;
    });
  });

  it('does not run out of credit, however often a borrowed batch is out at the call', async () => {
    let mine = feed;
    for (let round = 0; round < 20; round++) {
      server.send(10);
      const read: number[] = [];
      let received: Promise<{ feed: Feed }> | undefined;
      try {
        for await (const batch of mine.batches({ borrow: true })) {
          read.push(...[...batch].map(Number));
          if (read.length < 10) continue;
          received = on.take();
          await mine.transferOwnership({ threadId: 0 });
        }
      } catch (error) {
        expect(error).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
      }
      expect(read).to.deep.equal(range(10 * round, 10 * round + 10));
      mine = (await received!).feed;
    }
  });

  it('lets the new owner read in another way', async () => {
    server.send(30);
    expect(await readNumbers(feed, 10)).to.deep.equal(range(0, 10));
    const [one] = await Promise.all([on.take(), feed.transferOwnership({ threadId: 0 })]);
    expect(await hearNumbers(one.feed, 10)).to.deep.equal(range(10, 20));
    const [two] = await Promise.all([on.take(), one.feed.transferOwnership({ threadId: 0 })]);
    for (let i = 20; i < 30; i++) {
      expect(await two.connection.await(two.feed)).to.include({ type: 'ws', data: String(i) });
    }
  });
});
