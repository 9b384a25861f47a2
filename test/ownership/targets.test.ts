import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import { type Numbers, range, readNumbers } from '../support/numbers.ts';
import { type Feed, stage } from '../support/stage.ts';
import type { TestThread } from '../support/thread.ts';

describe('a hand-over goes from and to any thread (O7)', () => {
  const on = stage();
  let server: Numbers;
  let feed: Feed;
  let a: TestThread;
  let b: TestThread;
  beforeEach(() => {
    ({ server, feed, a, b } = on);
  });

  it('from main to a Worker', async () => {
    const taken = a.run((here) => here.take());
    await feed.transferOwnership(a.worker, { data: { since: 7 } });
    expect(await taken).to.deep.equal({ since: 7 });
    server.send(3);
    expect(await a.run((here) => here.read(3))).to.deep.equal([0, 1, 2]);
  });

  it('from main to a MessagePort', async () => {
    const { port1, port2 } = new MessageChannel();
    const taken = a.run((here, port) => here.take(port as MessagePort).finally(() => port.close()), port2);
    await feed.transferOwnership(port1);
    await taken;
    server.send(3);
    expect(await a.run((here) => here.read(3))).to.deep.equal([0, 1, 2]);
    port1.close();
  });

  it('from main to a thread by its id', async () => {
    const taken = a.run((here) => here.take());
    await feed.transferOwnership({ threadId: a.threadId });
    await taken;
    server.send(3);
    expect(await a.run((here) => here.read(3))).to.deep.equal([0, 1, 2]);
  });

  it('from a thread to main by parentPort', async () => {
    await a.run((here, url) => here.connect(url).then(() => {}), server.url);
    server.send(3);
    expect(await a.run((here) => here.read(1))).to.deep.equal([0]);
    const [received] = await Promise.all([
      on.take({ source: a.worker }),
      a.run((here) => here.feed.transferOwnership(here.parentPort, { data: 'from a' })),
    ]);
    expect(received.data).to.equal('from a');
    expect(await readNumbers(received.feed, 2)).to.deep.equal([1, 2]);
  });

  it('from a thread to main by its id', async () => {
    await a.run((here, url) => here.connect(url).then(() => {}), server.url);
    const [received] = await Promise.all([
      on.take(),
      a.run((here) => here.feed.transferOwnership({ threadId: 0 })),
    ]);
    server.send(2);
    expect(await readNumbers(received.feed, 2)).to.deep.equal([0, 1]);
  });

  it('from a thread to another thread', async () => {
    const { port1, port2 } = new MessageChannel();
    await a.run((here, url) => here.connect(url).then(() => {}), server.url);
    const taken = b.run((here, port) => here.take(port as MessagePort).finally(() => port.close()), port2);
    await a.run((here, port) => here.feed.transferOwnership(port as MessagePort), port1);
    await taken;
    server.send(2);
    expect(await b.run((here) => here.read(2))).to.deep.equal([0, 1]);
  });

  it('from A to B and back to A, again and again', async () => {
    let mine = feed;
    for (let round = 0; round < 20; round++) {
      const back = a.run(async (here) => {
        await here.take();
        const [number] = await here.read(1);
        await here.feed.transferOwnership(here.parentPort, { data: number });
      });
      server.send(2);
      await mine.transferOwnership(a.worker);
      const received = await on.take<number>({ source: a.worker });
      await back;
      expect(received.data).to.equal(2 * round);
      mine = received.feed;
      expect(await readNumbers(mine, 1)).to.deep.equal([2 * round + 1]);
    }
  });

  it('loops back to the same thread over a MessagePort', async () => {
    const { port1, port2 } = new MessageChannel();
    server.send(10);
    expect(await readNumbers(feed, 3)).to.deep.equal([0, 1, 2]);
    const [received] = await Promise.all([on.take({ source: port2 }), feed.transferOwnership(port1)]);
    expect(received.feed).to.not.equal(feed);
    expect(await readNumbers(received.feed, 7)).to.deep.equal(range(3, 10));
    port1.close();
  });

  it('loops back to the same thread by its id', async () => {
    const [received] = await Promise.all([on.take(), feed.transferOwnership({ threadId: 0 })]);
    server.send(2);
    expect(await readNumbers(received.feed, 2)).to.deep.equal([0, 1]);
  });
});
