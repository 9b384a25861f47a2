import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import { type OfferInfo, receiveOwnership } from '../../lib/index.ts';
import { type Numbers, readNumbers } from '../support/numbers.ts';
import { errorOf, type Feed, stage } from '../support/stage.ts';
import { TestThread } from '../support/thread.ts';

describe('receiveOwnership', () => {
  const on = stage();
  let server: Numbers;
  let feed: Feed;
  let a: TestThread;
  let near: MessagePort;
  let far: MessagePort;
  beforeEach(() => {
    ({ server, feed, a } = on);
    ({ port1: near, port2: far } = new MessageChannel());
  });
  afterEach(() => {
    near.close();
    far.close();
  });

  it('tells accept what is offered, and by whom', async () => {
    const offers: OfferInfo[] = [];
    await on.giveTo(a);
    const [{ connection }] = await Promise.all([
      on.take({ source: a.worker, accept: (offer) => offers.push(offer) > 0 }),
      a.run((here) => here.feed.transferOwnership(here.parentPort)),
    ]);
    const { id, origin } = connection;
    expect(offers).to.deep.equal([{ id, origin, threadId: a.threadId }]);
  });

  it('waits on after an offer that it did not accept', async () => {
    const other = await on.connect();
    const taken = on.take({ source: far, accept: ({ id }) => id === other.connection.id });
    expect(await errorOf(feed.transferOwnership(near))).to.include({ code: 'ERR_GUNPORT_REFUSED' });
    await other.transferOwnership(near);
    expect((await taken).connection.id).to.equal(other.connection.id);
  });

  it('waits on after an offer that it did not accept and that was there before it', async () => {
    const other = await on.connect();
    const refused = errorOf(feed.transferOwnership({ threadId: 0 }));
    // Delivered while nobody waits.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const taken = on.take({ accept: ({ id }) => id === other.connection.id });
    expect(await refused).to.include({ code: 'ERR_GUNPORT_REFUSED' });
    await other.transferOwnership({ threadId: 0 });
    expect((await taken).connection.id).to.equal(other.connection.id);
  });

  it('takes an offer that came before it, as long as the giver waits', async () => {
    const given = feed.transferOwnership(near);
    const byId = (await on.connect()).transferOwnership({ threadId: 0 });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const first = await on.take({ source: far });
    await given;
    expect(first.connection.id).to.equal(feed.connection.id);
    await on.take();
    await byId;
  });

  it('goes on to the next offer when the first one was taken back', async () => {
    const controller = new AbortController();
    const other = await on.connect();
    const first = errorOf(feed.transferOwnership(near, { signal: controller.signal }));
    const second = other.transferOwnership(near, { data: 'second' });
    controller.abort();
    await first;
    // Both offers lie in the port: they are delivered in one turn.
    expect((await on.take({ source: far })).data).to.equal('second');
    await second;
  });

  it('rejects with what accept throws, and refuses the offer', async () => {
    const accept = (): boolean => {
      throw new RangeError('no');
    };
    const taken = errorOf(receiveOwnership(far, { accept }));
    expect(await errorOf(feed.transferOwnership(near))).to.include({ code: 'ERR_GUNPORT_REFUSED' });
    expect(await taken).to.be.an.instanceOf(RangeError);
    server.send(1);
    expect(await readNumbers(feed, 1)).to.deep.equal([0]);
  });

  it('rejects when its time is up, and takes nothing after it (S3)', async () => {
    expect(await errorOf(receiveOwnership(far, { timeout: 10 }))).to.include({ code: 'ERR_GUNPORT_TIMEOUT' });
    const error = errorOf(feed.transferOwnership(near, { timeout: 20 }));
    expect(await error).to.include({ code: 'ERR_GUNPORT_TRANSFER_TIMEOUT' });
  });

  it('rejects when its signal is aborted, before or after the call', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const error = errorOf(receiveOwnership(far, { signal }));
    controller.abort(new Error('enough'));
    expect(await error).to.include({ code: 'ERR_GUNPORT_ABORTED' });
    expect(await error).to.have.nested.property('cause.message', 'enough');
    expect(await errorOf(receiveOwnership(far, { signal }))).to.include({ code: 'ERR_GUNPORT_ABORTED' });
  });

  it('rejects when its source closes', async () => {
    const error = errorOf(receiveOwnership(far));
    near.close();
    expect(await error).to.include({ code: 'ERR_GUNPORT_TARGET_DEAD' });
  });

  it('rejects when its source has closed before', async () => {
    near.close();
    await new Promise((resolve) => far.on('close', resolve));
    expect(await errorOf(receiveOwnership(far))).to.include({ code: 'ERR_GUNPORT_TARGET_DEAD' });
  });

  it('takes what was committed before its source closed', async () => {
    for (let round = 0; round < 20; round++) {
      const { port1, port2 } = new MessageChannel();
      const given = await on.connect();
      const taken = a.run((here, port) => here.take(port as MessagePort), port2);
      await given.transferOwnership(port1, { data: round });
      port1.close();
      expect(await taken).to.equal(round);
    }
  });

  it('takes what a thread committed right before it ended', async () => {
    for (const mortal of Array.from({ length: 3 }, () => new TestThread())) {
      const last = `of thread ${mortal.threadId}`;
      await on.giveTo(mortal, await on.connect());
      const taken = on.take({ source: mortal.worker });
      await mortal.run(({ feed, parentPort }) => {
        void feed.transferOwnership(parentPort).then(() => process.exit(0));
      });
      const { feed: there } = await taken;
      there.send(last);
      expect(await server.heard(1)).to.deep.equal([last]);
      await mortal.gone;
    }
  });

  it('takes what a Worker offered between two waits', async () => {
    await on.giveTo(a);
    const early = errorOf(receiveOwnership(a.worker, { timeout: 1 }));
    expect(await early).to.include({ code: 'ERR_GUNPORT_TIMEOUT' });
    const given = a.run((here) => here.feed.transferOwnership(here.parentPort));
    await once(a.worker, 'message');
    await on.take({ source: a.worker });
    await given;
  });

  it('rejects when the Worker that is its source ends', async () => {
    const mortal = new TestThread();
    const error = errorOf(receiveOwnership(mortal.worker));
    await mortal.kill();
    expect(await error).to.include({ code: 'ERR_GUNPORT_TARGET_DEAD' });
    expect(await errorOf(receiveOwnership(mortal.worker))).to.include({ code: 'ERR_GUNPORT_TARGET_DEAD' });
  });

  it('rejects a bad argument', async () => {
    const bad = [null, 7, { source: {} }, { accept: 1 }, { timeout: 'x' }, { signal: 1 }];
    for (const options of bad) {
      const error = await errorOf((async () => receiveOwnership(options as object))());
      expect(error).to.include({ code: 'ERR_GUNPORT_OPTION' });
    }
  });

  it('leaves what is not an offer to the user of the port', async () => {
    const heard: unknown[] = [];
    far.on('message', (message) => heard.push(message));
    const taken = on.take({ source: far });
    near.postMessage('hello');
    near.postMessage({ 'gunport:offer': 1 });
    near.postMessage(null);
    await feed.transferOwnership(near);
    await taken;
    near.postMessage('bye');
    while (heard.at(-1) !== 'bye') await once(far, 'message');
    expect(heard.filter((message) => typeof message === 'string')).to.deep.equal(['hello', 'bye']);
  });

  it('serves those who wait in the order they came', async () => {
    const other = await on.connect();
    const first = on.take({ source: far });
    const second = on.take({ source: far });
    await Promise.all([
      feed.transferOwnership(near, { data: 1 }),
      other.transferOwnership(near, { data: 2 }),
    ]);
    expect([(await first).data, (await second).data]).to.deep.equal([1, 2]);
  });

  describe('.all', () => {
    it('takes one after another, until its source closes', async () => {
      const taken = a.run(async (here, port) => {
        const all: unknown[] = [];
        for await (const { connection, data } of here.gunport.receiveOwnership.all(port as MessagePort)) {
          here.owned.add(connection);
          all.push(data);
        }
        return all;
      }, far);
      await Promise.all(
        [0, 1, 2].map(async (data) => (await on.connect()).transferOwnership(near, { data })),
      );
      near.close();
      expect(await taken).to.have.members([0, 1, 2]);
    });

    it('keeps what comes between two turns of the loop', async () => {
      const given = [feed.transferOwnership(near, { data: 0 })];
      const all: unknown[] = [];
      for await (const { connection, data } of receiveOwnership.all(far)) {
        all.push(data);
        await connection.close();
        if (all.length === 3) break;
        given.push((await on.connect()).transferOwnership(near, { data: all.length }));
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      }
      expect(all).to.deep.equal([0, 1, 2]);
      await Promise.all(given);
    });

    it('rejects when its time is up', async () => {
      const all = receiveOwnership.all(far, { timeout: 10 });
      expect(await errorOf(all.next())).to.include({ code: 'ERR_GUNPORT_TIMEOUT' });
      expect(await all.next()).to.deep.equal({ value: undefined, done: true });
    });
  });
});
