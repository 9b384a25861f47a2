// remote.test — calls from a stream's owner to the api of its handler, and every way that they can end.

import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import * as comlink from 'comlink';
import {
  ConnectionError,
  DownError,
  OptionError,
  OwnerError,
  Pool,
  StreamError,
  TimeoutError,
} from '../../lib/index.ts';
import { counting } from '../support/attempts.ts';
import { type Feed, feeds, frame, take, untilClose } from '../support/feeds.ts';
import { wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { type Api, POINT, Point } from '../support/remote-handler.ts';
import { TestThread } from '../support/thread.ts';

const MODULE = new URL('../support/remote-handler.js', import.meta.url);
const handler = { module: MODULE };

/** What a promise rejects with. */
async function thrownBy(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it has resolved');
}

describe('stream.remote()', () => {
  const { connect, keep, pool } = feeds();
  const patient = () => keep(wsPeer(untilClose));

  async function handled(options: { depth?: number } = {}): Promise<Feed> {
    return connect((await patient()).url, { handler: { ...handler, options } });
  }

  it('calls functions at any depth beside the socket, and reads what is none', async () => {
    const feed = await handled({ depth: 10 });
    const api = feed.remote<Api>();
    expect(await api.book.best(10)).to.equal(11);
    expect(await api.book.depth).to.equal(10);
    expect(await api.levels.get('bid')).to.equal(3);
    expect(await api.nothing).to.equal(null);
    expect(await api.later).to.equal('later');
    expect(await api.threadId()).to.equal(feed.connection.threadId);
    expect(await api.state()).to.equal('open');
    const value = { list: [1n, new Date(5)], map: new Map([[1, { deep: true }]]) };
    expect(await api.same(value)).to.deep.equal(value);
    expect(await feed.remote<Api>().book).to.include({ depth: 10 });
  });

  it('is no promise itself: an async function may return it', async () => {
    const feed = await handled();
    const api = feed.remote<Api>();
    expect(await (async () => api)()).to.equal(api);
    expect(await Promise.all([1, 2, 3].map((n) => api.book.best(n)))).to.deep.equal([2, 3, 4]);
    expect(() => Object.assign(api, { depth: 1 })).to.throw(TypeError);
  });

  describe('what the api throws', () => {
    it('keeps its class, code, cause and fields', async () => {
      const api = (await handled()).remote<Api>();
      const typed = await thrownBy(api.typed());
      expect(typed).to.be.instanceOf(TypeError);
      expect(typed).to.include({ message: 'no such level', code: 'ELEVEL', level: 3 });
      const { cause, stack } = typed as TypeError;
      expect(stack).to.include(
        fileURLToPath(MODULE)
          .replace(/.*support/, 'support')
          .replace('.js', ''),
      );
      expect(cause).to.be.instanceOf(RangeError).and.include({ message: 'below it' });
      const ours = await thrownBy(api.ours());
      expect(ours).to.be.instanceOf(ConnectionError);
      expect(ours).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls', message: 'no handshake' });
      expect((ours as ConnectionError).reason).to.deep.equal({ alert: 40 });
      expect((ours as ConnectionError).cause).to.include({ message: 'below it' });
    });

    it('comes as it was, where it is no error', async () => {
      const api = (await handled()).remote<Api>();
      for (const value of ['text', 5, null, undefined, { code: 4 }]) {
        expect(await thrownBy(api.throws(value))).to.deep.equal(value);
      }
    });

    it('is a TypeError where a result, and a DataCloneError where an argument, cannot be cloned', async () => {
      const api = (await handled()).remote<Api>();
      expect(await thrownBy(api.function())).to.be.instanceOf(TypeError);
      expect(await thrownBy(api.same(() => {}))).to.include({ name: 'DataCloneError' });
      expect(await api.book.best(1)).to.equal(2);
    });
  });

  it('reaches what the api has, and nothing that every object has', async () => {
    const api = (await handled()).remote<Api>();
    // Whatever a caller may try.
    const any = api as unknown as Record<string, Record<string, (...values: unknown[]) => Promise<unknown>>>;
    const tries: [string, PromiseLike<unknown>][] = [
      ['nope', (any['nope'] as unknown as () => Promise<unknown>)()],
      ['book.nope', any['book']!['nope']!(1)],
      ['book.nope', any['book']!['nope']! as unknown as PromiseLike<unknown>],
      ['nothing.x', any['nothing']!['x']!()],
      ['book.constructor', any['book']!['constructor']!()],
      ['__proto__.x', (Reflect.get(any, '__proto__') as (typeof any)[string])['x']!()],
      ['hasOwnProperty', (any['hasOwnProperty'] as unknown as (x: string) => Promise<unknown>)('x')],
      ['same.call', any['same']!['call']!(1)],
      ['same.prototype', any['same']!['prototype']! as unknown as PromiseLike<unknown>],
      ['book', (any['book'] as unknown as () => Promise<unknown>)()],
      ['book.best', api.book.best as unknown as PromiseLike<unknown>],
      ['api', (any as unknown as () => Promise<unknown>)()],
    ];
    const errors = await Promise.all(tries.map(([, tried]) => thrownBy(tried)));
    for (const [i, [name]] of tries.entries()) {
      const error = errors[i];
      expect(error, name).to.be.instanceOf(StreamError).and.include({ code: 'ERR_GUNPORT_UNSUPPORTED' });
      expect((error as Error).message).to.include(`remote ${name} `);
    }
  });

  it('is unsupported without a handler, and its calls are where that has no api', async () => {
    const { url } = await patient();
    const plain = await connect(url);
    expect(() => plain.remote())
      .to.throw(StreamError)
      .with.property('code', 'ERR_GUNPORT_UNSUPPORTED');
    const feed = await connect(url, { handler: { module: MODULE, export: 'silent' } });
    await rejects(feed.remote<Api>().threadId(), 'ERR_GUNPORT_UNSUPPORTED');
    expect(() => feed.remote({ timeout: -1 })).to.throw(OptionError, /timeout/);
    expect(() => feed.remote({ timeout: 1.5 })).to.throw(OptionError, /timeout/);
    expect(() => feed.remote({ time: 1 } as object)).to.throw(OptionError, /time/);
  });

  describe('as comlink has it', () => {
    it('calls back through a proxy, and gives a proxy, on this line and for as long as it lasts', async () => {
      const feed = await handled();
      const api = feed.remote<Api>();
      const twice = comlink.proxy((value: number) => 2 * value);
      expect(await api.call(twice, 4)).to.equal(8);
      const counter = await api.counter();
      expect(await counter.add(2)).to.equal(2);
      expect(await counter.add(3)).to.equal(5);
      const waits = thrownBy(counter.never());
      await feed.close();
      expect(await waits).to.include({ code: 'ERR_GUNPORT_CLOSED' });
      expect(await thrownBy(counter.add(1))).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    });

    it('moves what it is told to move', async () => {
      const api = (await handled()).remote<Api>();
      const bytes = new Uint8Array([1, 2, 3]);
      expect(await api.same(comlink.transfer(bytes, [bytes.buffer]))).to.deep.equal(
        new Uint8Array([1, 2, 3]),
      );
      expect(bytes.byteLength).to.equal(0);
      expect(await api.moved(4)).to.deep.equal(new Uint8Array(4).fill(5));
      const { port1, port2 } = new MessageChannel();
      const back = await api.port(comlink.transfer(port2, [port2 as never]));
      port1.postMessage('through');
      expect(await once(back, 'message')).to.deep.equal(['through']);
      back.close();
    });

    it('carries what its transfer handlers know', async () => {
      const api = (await handled()).remote<Api>();
      const next = await api.next(new Point(4));
      expect(next).to.be.instanceOf(Point).and.include({ x: 5 });
      comlink.transferHandlers.delete(POINT);
    });

    it('does nothing any more when a kept callback is called after its owner has gone', async () => {
      const feed = await handled();
      const api = feed.remote<Api>();
      const kept = await api.keep(comlink.proxy((value: number) => 2 * value));
      expect(await api.callKept(kept)).to.equal(42);
      await feed.close();
      const next = (await handled()).remote<Api>();
      expect(await next.callKept(kept)).to.equal(undefined);
    });
  });

  describe('a call settles', () => {
    it('after its timeout, and the next has an answer', async () => {
      const feed = await handled();
      const error = await rejects(feed.remote<Api>({ timeout: 20 }).never(), 'ERR_GUNPORT_TIMEOUT');
      expect(error).to.be.instanceOf(TimeoutError);
      expect(error.message).to.equal('remote never took longer than 20 ms');
      expect(await feed.remote<Api>({ timeout: 2_000 }).book.best(1)).to.equal(2);
    });

    it('when its stream is closed, and so does each later one', async () => {
      const feed = await handled();
      const waits = rejects(feed.remote<Api>().never(), 'ERR_GUNPORT_CLOSED');
      await feed.close();
      await waits;
      await rejects(feed.remote<Api>().book.best(1), 'ERR_GUNPORT_CLOSED');
    });

    it('when its connection is closed', async () => {
      const feed = await handled();
      const waits = thrownBy(feed.remote<Api>().never());
      await feed.connection.close();
      expect(await waits).to.include({ code: 'ERR_GUNPORT_CLOSED' });
      expect(await thrownBy(feed.remote<Api>().never())).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    });

    it('when the peer closes, with what waits unread', async () => {
      const server = await keep(
        wsPeer(async (one) => {
          await one.read();
          one.send(frame(0x88, Uint8Array.of(0x03, 0xe8)));
          await untilClose(one);
        }),
      );
      const feed = await connect(server.url, { handler });
      const waits = rejects(feed.remote<Api>().never(), 'ERR_GUNPORT_CLOSED');
      feed.send('close');
      await waits;
    });

    it('when its thread is killed, also in the midst of a call that never ends', async () => {
      const server = await patient();
      const own = new Pool({ threads: 1 });
      const feed = await own.connect(server.url, { handler });
      const words = new Int32Array(new SharedArrayBuffer(4));
      const api = feed.remote<Api>();
      const counter = await api.counter();
      const waits = [api.never(), counter.never(), api.block(words), api.book.depth].map(thrownBy);
      while (Atomics.load(words, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
      await own.terminate(feed.connection.threadId);
      for (const error of await Promise.all(waits)) {
        expect(error)
          .to.be.instanceOf(DownError)
          .and.include({ code: 'ERR_GUNPORT_DOWN', reason: 'terminated' });
      }
      await rejects(api.book.best(1) as Promise<unknown>, 'ERR_GUNPORT_DOWN');
      await own.close();
    });
  });

  it('waits for the handler while it connects, and works while the socket is down', async () => {
    const server = await keep(
      counting(async (one, number) => {
        if (number === 1) await one.read();
        if (number < 3) return one.end();
        return untilClose(one);
      }),
    );
    const connection = pool.open(server.url);
    const early = connection.wsUpgrade('/', { handler });
    expect(await early.remote<Api>().book.best(1)).to.equal(2);
    await connection.await(early);
    early.send('go');
    await connection.close();
    const feed = await connect(server.url, { handler, retryTimeout: 60_000, backoff: { immediate: false } });
    if (feed.state !== 'down') await once(feed, 'down');
    expect(await feed.remote<Api>().state()).to.equal('down');
    expect(feed.state).to.equal('down');
  });

  describe('in a hand-over', () => {
    let thread: TestThread;
    before(() => {
      thread = new TestThread();
    });
    after(() => thread.end());

    it('ends the calls of the giver, and the taker has a line of its own', async () => {
      const feed = await handled();
      const api = feed.remote<Api>();
      const kept = await api.keep(comlink.proxy((value: number) => value));
      const waits = rejects(api.never(), 'ERR_GUNPORT_NOT_OWNER');
      const taken = thread.run((here) => here.take().then(() => {}));
      await feed.transferOwnership(thread.worker);
      expect(await waits).to.be.instanceOf(OwnerError);
      await rejects(api.book.best(1), 'ERR_GUNPORT_NOT_OWNER');
      expect(() => feed.remote()).to.throw(OwnerError);
      await taken;
      const answers = await thread.run(async ({ feed }, kept) => {
        // Its type is the test's, which cannot go along.
        const remote = feed.remote<{ callKept(at: number): number; book: { best(n: number): number } }>();
        return [await remote.book.best(4), await remote.callKept(kept)];
      }, kept);
      expect(answers).to.deep.equal([5, undefined]);
      await thread.closeOwned();
    });

    it('that fails, leaves them as they were', async () => {
      const feed = await handled();
      const api = feed.remote<Api>();
      const held = new Promise<number>((resolve) => setTimeout(resolve, 60, 5));
      const waits = api.call(comlink.proxy(() => held) as never, 1);
      const { port1, port2 } = new MessageChannel();
      const given = feed.transferOwnership(port1, { timeout: 20 });
      await rejects(api.book.best(1), 'ERR_GUNPORT_TRANSFERRING');
      await rejects(given, 'ERR_GUNPORT_TRANSFER_TIMEOUT');
      expect(await waits).to.equal(5);
      expect(await api.book.best(1)).to.equal(2);
      port2.close();
    });
  });

  it('leaves nothing behind: a line for each of many streams, with callbacks that nobody releases', async () => {
    const server = await patient();
    const connection = pool.open(server.url);
    await connection.awaitUp();
    await connection.close();
    for (let i = 0; i < 20; i++) {
      const feed = await pool.connect(server.url, { handler });
      const api = feed.remote<Api>();
      await api.keep(comlink.proxy((value: number) => value));
      await feed.close();
    }
    expect(process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length).to.be.below(4);
  });

  it('does not disturb what is delivered', async () => {
    const server = await keep(counting(untilClose));
    const feed = await connect(server.url, { handler });
    expect(await feed.remote<Api>().book.best(1)).to.equal(2);
    expect(await take(feed, 1)).to.deep.equal(['1']);
  });
});
