import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import { open, Pool, receiveOwnership } from '../../lib/index.ts';
import { run } from '../support/child.ts';
import { returnsTo, snapshot } from '../support/leaks.ts';
import { type Numbers, range, readNumbers } from '../support/numbers.ts';
import { refusing } from '../support/peers.ts';
import { errorOf, type Feed, stage } from '../support/stage.ts';
import type { TestThread } from '../support/thread.ts';

describe('a hand-over that does not come about (O3)', () => {
  const on = stage();
  let server: Numbers;
  let feed: Feed;
  let a: TestThread;
  beforeEach(() => {
    ({ server, feed, a } = on);
  });

  const fails = (code: string, attempt: () => Promise<unknown>): Promise<unknown> => on.fails(code, attempt);

  it('check 10: since the target does not adopt in time', async () => {
    const { port1 } = new MessageChannel();
    const error = await fails('ERR_GUNPORT_TRANSFER_TIMEOUT', () =>
      feed.transferOwnership(port1, { timeout: 20 }),
    );
    expect(error).to.include({ name: 'OwnerError', phase: 'timeout' });
    port1.close();
  });

  it('since the target took it too late, who waits on and gets the next one', async () => {
    const { port1, port2 } = new MessageChannel();
    await fails('ERR_GUNPORT_TRANSFER_TIMEOUT', () => feed.transferOwnership(port1, { timeout: 20 }));
    const taken = a.run((here, port) => here.take(port as MessagePort).finally(() => port.close()), port2);
    const next = await on.connect();
    await next.transferOwnership(port1, { data: 'the next one' });
    expect(await taken).to.equal('the next one');
    port1.close();
  });

  it('since the target refuses', async () => {
    const offers: unknown[] = [];
    const { port1, port2 } = new MessageChannel();
    const accept = (offer: unknown): boolean => offers.push(offer) === 0;
    const waiting = errorOf(receiveOwnership(port2, { accept }));
    await fails('ERR_GUNPORT_REFUSED', () => feed.transferOwnership(port1));
    const { id, origin } = feed.connection;
    expect(offers).to.deep.equal([{ id, origin, threadId: 0 }]);
    port2.close();
    expect(await waiting).to.include({ code: 'ERR_GUNPORT_TARGET_DEAD' });
  });

  it("since the target is the connection's own far end", async () => {
    const { threadId } = feed.connection;
    await fails('ERR_GUNPORT_OWN_FAR_END', () => feed.transferOwnership({ threadId }));
  });

  it('since a signal was aborted', async () => {
    const { port1 } = new MessageChannel();
    const controller = new AbortController();
    const error = await fails('ERR_GUNPORT_ABORTED', async () => {
      const done = feed.transferOwnership(port1, { signal: controller.signal });
      setImmediate(() => controller.abort(new Error('enough')));
      await done;
    });
    expect(error).to.have.nested.property('cause.message', 'enough');
    port1.close();
  });

  it('since the signal had been aborted before', async () => {
    const { port1 } = new MessageChannel();
    await fails('ERR_GUNPORT_ABORTED', () => feed.transferOwnership(port1, { signal: AbortSignal.abort() }));
    port1.close();
  });

  it('since its data cannot be cloned: nothing is sent', async () => {
    const { port1, port2 } = new MessageChannel();
    const heard: unknown[] = [];
    port2.on('message', (message) => heard.push(message));
    await fails('ERR_GUNPORT_NOT_CLONEABLE', () => feed.transferOwnership(port1, { data: () => {} }));
    expect(heard).to.deep.equal([]);
    port1.close();
  });

  it('since its target or an option is of no kind', async () => {
    const { port1 } = new MessageChannel();
    await fails('ERR_GUNPORT_OPTION', () => feed.transferOwnership({ threadId: 1.5 }));
    for (const bad of [{ timeout: -1 }, { timeout: Number.NaN }, { signal: {} as AbortSignal }]) {
      const next = await on.connect();
      expect(await errorOf(next.transferOwnership(port1, bad))).to.include({ code: 'ERR_GUNPORT_OPTION' });
    }
    port1.close();
  });

  it('check 14: since another one is under way, which comes about', async () => {
    const { port1, port2 } = new MessageChannel();
    const first = feed.transferOwnership(port1);
    expect(await errorOf(feed.transferOwnership(a.worker))).to.include({ code: 'ERR_GUNPORT_TRANSFERRING' });
    expect(await errorOf(feed.connection.transferOwnership(a.worker))).to.include({
      code: 'ERR_GUNPORT_TRANSFERRING',
    });
    server.send(5);
    const { feed: taken } = await on.take({ source: port2 });
    await first;
    expect(await readNumbers(taken, 5)).to.deep.equal(range(0, 5));
    port1.close();
  });

  it('check 14: since it has never been up', async () => {
    const nobody = await refusing();
    const connection = open(nobody.url, { retry: 1_000, retryTimeout: 10 });
    expect(await errorOf(connection.transferOwnership(a.worker))).to.include({ code: 'ERR_GUNPORT_NOT_UP' });
    await connection.close();
  });

  it('check 14: since it has been given away', async () => {
    await on.giveTo(a);
    expect(await errorOf(feed.transferOwnership(a.worker))).to.include({ code: 'ERR_GUNPORT_NOT_OWNER' });
  });

  it('since the peer closes meanwhile: what had come can be read, and the end after it', async () => {
    const { port1 } = new MessageChannel();
    server.send(10);
    expect(await readNumbers(feed, 3)).to.deep.equal([0, 1, 2]);
    const error = errorOf(feed.transferOwnership(port1));
    server.send(10);
    server.close1000();
    expect(await error).to.include({ code: 'ERR_GUNPORT_DOWN', reason: 'normal' });
    const read: number[] = [];
    for await (const message of feed) read.push(Number(message));
    expect(read).to.deep.equal(range(3, 20));
    expect(await feed.closed).to.deep.equal({ code: 1000, reason: '', wasClean: true });
    port1.close();
  });

  it('check 14: since its thread dies meanwhile: what had come can be read, and the error after it', async () => {
    const { port1 } = new MessageChannel();
    const pool = new Pool({ threads: 1 });
    const mortal = await pool.connect(server.url);
    server.send(10);
    expect(await readNumbers(mortal, 3)).to.deep.equal([0, 1, 2]);
    const error = errorOf(mortal.transferOwnership(port1));
    await pool.terminate(mortal.connection.threadId);
    expect(await error).to.include({ code: 'ERR_GUNPORT_DOWN', reason: 'terminated' });
    expect(await readNumbers(mortal, 7)).to.deep.equal(range(3, 10));
    expect(await errorOf(readNumbers(mortal, 1))).to.include({ code: 'ERR_GUNPORT_DOWN' });
    expect(await errorOf(mortal.transferOwnership(port1))).to.include({ code: 'ERR_GUNPORT_DOWN' });
    port1.close();
    await pool.close();
  });

  it('since the peer closes meanwhile, and lets the process end though much is unread', async () => {
    const ran = run(
      `import { MessageChannel } from 'node:worker_threads';
       const feed = await gunport.connect(args[0]);
       const { port1 } = new MessageChannel();
       const given = feed.transferOwnership(port1, { timeout: 60_000 });
       await given.catch(({ code }) => console.log(code));`,
      { args: [server.url] },
    );
    await server.connected();
    for (let i = 0; i < 100; i++) {
      server.send(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    server.close1000();
    expect(await ran).to.deep.include({ code: 0, signal: null, output: 'ERR_GUNPORT_DOWN\n' });
  });

  it('leaves no port, timer or listener behind, whatever it was', async () => {
    const { port1, port2 } = new MessageChannel();
    const controller = new AbortController();
    const refuse = errorOf(receiveOwnership(a.worker, { signal: controller.signal }));
    // Mocha's own timer starts once the test has returned its promise.
    await new Promise((resolve) => setImmediate(resolve));
    const before = snapshot();
    for (let round = 0; round < 20; round++) {
      const { port1: left, port2: right } = new MessageChannel();
      const codes = [
        await errorOf(feed.transferOwnership(port1, { timeout: 1 })),
        await errorOf(feed.transferOwnership(port1, { signal: AbortSignal.abort() })),
        await errorOf(feed.transferOwnership(port1, { data: Symbol('x') })),
        await errorOf(feed.transferOwnership({ threadId: feed.connection.threadId })),
        await errorOf(feed.transferOwnership(port1, { timeout: 1, data: right, transfer: [right] })),
      ];
      expect(codes).to.have.length(5);
      // It went with a hand-over that failed: its other end hears of it.
      await new Promise((resolve) => left.on('close', resolve));
    }
    await returnsTo(before);
    controller.abort();
    await refuse;
    port1.close();
    port2.close();
  });
});
