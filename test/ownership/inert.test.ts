import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type Numbers, range, readNumbers } from '../support/numbers.ts';
import { errorOf, type Feed, stage } from '../support/stage.ts';
import type { TestThread } from '../support/thread.ts';

const NOT_OWNER = { code: 'ERR_GUNPORT_NOT_OWNER', name: 'OwnerError' };
const TRANSFERRING = { code: 'ERR_GUNPORT_TRANSFERRING', name: 'OwnerError' };

describe('the handle', () => {
  const on = stage();
  let server: Numbers;
  let feed: Feed;
  let a: TestThread;
  beforeEach(() => {
    ({ server, feed, a } = on);
  });

  /** What each call does, as the error that it throws or rejects with. */
  async function errors(calls: Record<string, () => unknown>): Promise<Record<string, unknown>> {
    const entries = Object.entries(calls).map(async ([name, call]) => {
      const error = await errorOf((async () => call())());
      return [name, { code: (error as { code?: unknown }).code, name: (error as Error).name }];
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  const calls = (): Record<string, () => unknown> => ({
    send: () => feed.send('x'),
    wsSend: () => feed.connection.wsSend(feed, 'x'),
    drained: () => feed.drained(),
    ping: () => feed.ping(),
    cancel: () => feed.cancel(),
    updateFlow: () => feed.updateFlow(1),
    info: () => feed.connection.info(),
    wsUpgrade: () => feed.connection.wsUpgrade('/'),
    transferOwnership: () => feed.transferOwnership(a.worker),
    'connection.cancel': () => feed.connection.cancel(feed),
    'connection.transferOwnership': () => feed.connection.transferOwnership(a.worker),
  });

  describe('while it is being given', () => {
    it('throws ERR_GUNPORT_TRANSFERRING from each call', async () => {
      const { port1, port2 } = new MessageChannel();
      const failed = errorOf(feed.transferOwnership(port1));
      const all = await errors(calls());
      for (const [name, error] of Object.entries(all)) expect(error, name).to.deep.equal(TRANSFERRING);
      port2.close();
      await failed;
    });

    it('leaves a parked next() waiting, which gets the next message when it failed', async () => {
      const next = feed[Symbol.asyncIterator]().next();
      const { port1, port2 } = new MessageChannel();
      const failed = errorOf(feed.transferOwnership(port1));
      server.send(2);
      expect(await Promise.race([next, feed.connection.awaitUp().then(() => 'parked')])).to.equal('parked');
      port2.close();
      await failed;
      expect(await next).to.deep.equal({ value: '0', done: false });
    });
  });

  describe('that was given away is inert (O4)', () => {
    it('check 9: throws ERR_GUNPORT_NOT_OWNER from each call', async () => {
      await on.giveTo(a);
      const all = await errors({
        ...calls(),
        monitor: () => feed.connection.monitor(),
        awaitUp: () => feed.connection.awaitUp(),
        await: () => feed.connection.await(feed),
        next: () => feed[Symbol.asyncIterator]().next(),
        batches: () => feed.batches().next(),
        on: () => feed.on('message', () => {}),
        close: () => feed.close(),
        'connection.close': () => feed.connection.close(),
        'connection.shutdown': () => feed.connection.shutdown(),
      });
      for (const [name, error] of Object.entries(all)) expect(error, name).to.deep.equal(NOT_OWNER);
    });

    it('rejects what was pending', async () => {
      // The connection hears nothing more, so that nothing is answered first.
      const { port1, port2 } = new MessageChannel();
      feed.send('x');
      const pending = {
        next: feed[Symbol.asyncIterator]().next(),
        ping: feed.ping(),
        info: feed.connection.info(),
        drained: feed.drained(),
      };
      const failed = Promise.all(Object.values(pending).map(errorOf));
      const done = feed.transferOwnership(port1);
      await on.take({ source: port2 });
      await done;
      for (const error of await failed) expect(error).to.include(NOT_OWNER);
      port1.close();
    });

    it('rejects a pending await() of the next message', async () => {
      const next = errorOf(feed.connection.await(feed));
      await on.giveTo(a);
      expect(await next).to.include(NOT_OWNER);
    });

    it('rejects a close() that was pending', async () => {
      server.deaf = true;
      const closing = errorOf(feed.close());
      await on.giveTo(a);
      expect(await closing).to.include(NOT_OWNER);
      server.drop();
    });

    it('throws from a loop over it', async () => {
      const loop = (async () => {
        for await (const _ of feed);
      })();
      const error = errorOf(loop);
      await on.giveTo(a);
      expect(await error).to.include(NOT_OWNER);
    });

    it('resolves closed with it', async () => {
      await on.giveTo(a);
      const { error, ...rest } = await feed.closed;
      expect(error).to.include(NOT_OWNER);
      expect(rest).to.deep.equal({ code: 1006, reason: '', wasClean: false });
    });

    it('does nothing when its scope is left', async () => {
      await on.giveTo(a);
      await feed[Symbol.asyncDispose]();
      await feed.connection[Symbol.asyncDispose]();
      server.send(1);
      expect(await a.run((here) => here.read(1))).to.deep.equal([0]);
    });

    it('check 9: emits no event any more', async () => {
      const heard: string[] = [];
      for (const name of ['message', 'close', 'down', 'up', 'error'] as const) {
        feed.on(name, () => heard.push(name));
      }
      for (const name of ['up', 'down'] as const) feed.connection.on(name, () => heard.push(name));
      await on.giveTo(a);
      server.send(3);
      expect(await a.run((here) => here.read(3))).to.deep.equal(range(0, 3));
      await a.run((here) => here.feed.close().then(() => {}));
      expect(heard).to.deep.equal([]);
    });
  });

  describe('whose close() comes during the hand-over', () => {
    it('takes it back, and closes', async () => {
      const { port1, port2 } = new MessageChannel();
      const given = errorOf(feed.transferOwnership(port1));
      const closed = feed.close(4000, 'mine');
      expect(await given).to.include({ code: 'ERR_GUNPORT_CLOSING' });
      expect(await closed).to.deep.equal({ code: 4000, reason: 'mine', wasClean: true });
      expect(await server.heard(1)).to.deep.equal(['close 4000']);
      port1.close();
      port2.close();
    });

    it('takes it back, and closes the connection', async () => {
      const { port1 } = new MessageChannel();
      const given = errorOf(feed.transferOwnership(port1));
      await feed.connection.close();
      expect(await given).to.include({ code: 'ERR_GUNPORT_CLOSING' });
      port1.close();
    });

    it('takes it back, and shuts the connection down', async () => {
      const { port1 } = new MessageChannel();
      const given = errorOf(feed.transferOwnership(port1));
      await feed.connection.shutdown();
      expect(await given).to.include({ code: 'ERR_GUNPORT_CLOSING' });
      expect(await server.heard(1)).to.deep.equal(['close 1001']);
      port1.close();
    });

    it('rejects when the taker was faster', async () => {
      const { port1, port2 } = new MessageChannel();
      const given = feed.transferOwnership(port1);
      const taken = on.take({ source: port2 });
      const closed = given.then(() => errorOf(feed.close()));
      await given;
      expect(await closed).to.include(NOT_OWNER);
      server.send(1);
      expect(await readNumbers((await taken).feed, 1)).to.deep.equal([0]);
      port1.close();
    });

    it('is one or the other, whenever it comes', async () => {
      const seen = new Set<string>();
      for (let turns = 0; turns < 30; turns++) {
        const next = await on.connect();
        const { port1, port2 } = new MessageChannel();
        const taken = on.take({ source: port2 }).catch(() => undefined);
        const given = next.transferOwnership(port1).then(
          () => 'given',
          (error) => error.code,
        );
        for (let turn = 0; turn < turns % 6; turn++) await new Promise((resolve) => setImmediate(resolve));
        const closed = await next.close().then(
          () => 'closed',
          (error) => error.code,
        );
        port1.close();
        const outcome = `${await given} ${closed}`;
        expect(outcome).to.be.oneOf(['ERR_GUNPORT_CLOSING closed', 'given ERR_GUNPORT_NOT_OWNER']);
        expect((await taken) !== undefined).to.equal(closed !== 'closed');
        seen.add(outcome);
      }
      expect(seen.size).to.equal(2);
    });
  });

  it('check 14: is not given once the connection is closing', async () => {
    server.deaf = true;
    const down = feed.connection.shutdown();
    expect(await errorOf(feed.transferOwnership(a.worker))).to.include({ code: 'ERR_GUNPORT_CLOSING' });
    server.drop();
    await down;
  });
});
