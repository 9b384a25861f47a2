// awaits.test — every wait has its ends: answer, error, timeout, Down, abort (S1); and leaves nothing behind (S3).
// Each kind of wait is driven into each of its ends; a thread that is blocked plays the one that does not answer.

import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import type { Connection } from '../lib/connection.ts';
import { Pool } from '../lib/pool.ts';
import type { WsStream } from '../lib/wsstream.ts';
import { block as blockHere } from './support/blocking.ts';
import { emptied } from './support/emptied.ts';
import { block, FAULTY, faulty } from './support/faults.ts';
import { returnsTo, snapshot } from './support/leaks.ts';
import {
  answers,
  type Conversation,
  type Peer,
  peer,
  refusing,
  silent,
  wsPeerOfOne,
} from './support/peers.ts';
import { rejects } from './support/rejects.ts';
import { reset } from './support/reset.ts';

/** A lookup that never answers. */
const DEAF = { module: 'data:text/javascript,export default () => {}' };
const NEVER = 'ws://never.test:1/';
const LONG = 60_000;

type Feed = WsStream<Connection>;
interface Waits {
  timeout?: number;
  signal?: AbortSignal;
}

describe('a wait', () => {
  const pool: Pool = new Pool({ threads: 1 });
  const dialled: Connection[] = [];
  let server: Peer;
  let peerOf: Promise<Conversation>;
  beforeEach(async () => {
    // Says nothing by itself, answers nothing.
    ({ peer: server, first: peerOf } = await wsPeerOfOne());
  });
  afterEach(async () => {
    // The feeds end with their peer.
    await server.close();
    await Promise.all(dialled.splice(0).map((one) => one.close().catch(() => {})));
    await emptied(pool);
  });
  after(() => pool.close());

  const feedOf = () => pool.connect(faulty(server.url), { lookup: FAULTY, closingTimeout: 100, retry: 0 });
  const dialling = (): Connection => {
    const connection = pool.open(NEVER, { lookup: DEAF, lookupTimeout: LONG });
    dialled.push(connection);
    return connection;
  };

  interface Unanswered {
    /** Answered at once unless the thread is blocked. */
    readonly blocked?: boolean;
    start(feed: Feed, options: Waits): Promise<unknown>;
  }
  /** Waits that nothing answers: an opening connection, a silent stream, a peer without pongs, a blocked thread. */
  const unanswered: Record<string, Unanswered> = {
    'awaitUp()': { start: (_feed, options) => dialling().awaitUp(options) },
    'await()': { start: (feed, options) => feed.connection.await(feed, options) },
    'ping()': { start: (feed, options) => feed.ping(undefined, options) },
    'info()': { blocked: true, start: (feed, options) => feed.connection.info(options) },
    'drained()': {
      blocked: true,
      start: (feed, options) => {
        feed.send('x');
        return feed.drained(options);
      },
    },
  };
  const blockedFeed = async ({ blocked }: Unanswered) => {
    const feed = await feedOf();
    if (blocked) await block(feed.connection.threadId, 150);
    return feed;
  };

  for (const [what, wait] of Object.entries(unanswered)) {
    it(`ends with a timeout: ${what}; it leaves nothing behind (S1, S3)`, async () => {
      const feed = await blockedFeed(wait);
      const before = snapshot();
      const { signal } = new AbortController();
      const error = await rejects(wait.start(feed, { timeout: 60, signal }), 'ERR_GUNPORT_TIMEOUT');
      expect(error).to.include({ name: 'TimeoutError', phase: 'timeout' });
      expect(error.message).to.match(/ took longer than 60 ms$/);
      expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
      // The connection that dials is one port more.
      await returnsTo(before, 1_000, { MessagePort: 1, descriptors: 1 });
    });

    it(`ends with an abort: ${what} (S1, S3)`, async () => {
      const feed = await blockedFeed(wait);
      const abort = new AbortController();
      const waiting = wait.start(feed, { timeout: LONG, signal: abort.signal });
      setTimeout(() => abort.abort(new Error('enough')), 20);
      const error = await rejects(waiting, 'ERR_GUNPORT_ABORTED');
      expect(error).to.include({ name: 'TimeoutError', phase: 'aborted' });
      expect(error.cause).to.include({ message: 'enough' });
      expect(getEventListeners(abort.signal, 'abort')).to.deep.equal([]);
      await rejects(wait.start(feed, { signal: AbortSignal.abort() }), 'ERR_GUNPORT_ABORTED');
    });

    it(`ends with the Down: ${what} (S1)`, async () => {
      const feed = await blockedFeed(wait);
      const waiting = rejects(wait.start(feed, { timeout: LONG }), 'ERR_GUNPORT_DOWN');
      await pool.terminate(pool.info().threads[0]!.threadId);
      const error = await waiting;
      expect(error).to.include({ name: 'DownError', phase: 'down', reason: 'terminated' });
    });
  }

  it('prefers an answer that came while its own thread was busy to the timeout', async () => {
    const feed = await feedOf();
    const answer = feed.connection.info({ timeout: 30 });
    blockHere(120);
    expect((await answer).id).to.equal(feed.connection.id);
  });

  it('bounds every way to close by closingTimeout and five seconds, when its thread is stuck (S1)', async () => {
    const feed = await feedOf();
    const { connection } = feed;
    await block(connection.threadId, 1e6);
    // Five seconds are fifty times shorter here.
    const { setTimeout: set } = globalThis;
    const asked: (number | undefined)[] = [];
    globalThis.setTimeout = ((run: () => void, ms = 0) => {
      asked.push(ms);
      return set(run, ms / 50);
    }) as typeof setTimeout;
    const ends = [connection.close(), connection.shutdown()].map((end) =>
      rejects(end, 'ERR_GUNPORT_TIMEOUT'),
    );
    const closing = feed.close();
    globalThis.setTimeout = set;
    expect(asked).to.deep.equal([5_100, 5_100, 5_100]);
    const closed = await closing;
    expect(closed).to.include({ code: 1006, wasClean: false });
    expect(closed.error).to.include({
      code: 'ERR_GUNPORT_TIMEOUT',
      message: 'close() took longer than 5100 ms',
    });
    await Promise.all(ends);
    await pool.terminate(connection.threadId);
    expect((await feed.closed).error).to.include({ code: 'ERR_GUNPORT_DOWN' });
  });

  it('ends with the Down: a hundred of each kind (S1)', async () => {
    const feed = await feedOf();
    const { threadId } = feed.connection;
    const hundred = <T>(make: () => Promise<T>) => Array.from({ length: 100 }, make);
    await block(threadId, 1e6);
    feed.send('x');
    const waits: Promise<unknown>[] = [
      ...hundred(() => feed.connection.info()),
      ...hundred(() => feed.ping()),
      ...hundred(() => feed.drained()),
      ...hundred(() => feed.connection.await(feed)),
    ];
    const closes = hundred(() => feed.close());
    const settled = Promise.allSettled(waits);
    await pool.terminate(threadId);
    for (const result of await settled) {
      expect(result).to.have.nested.include({ status: 'rejected', 'reason.code': 'ERR_GUNPORT_DOWN' });
    }
    for (const result of await Promise.all(closes))
      expect(result).to.include({ code: 1006, wasClean: false });
    expect(await feed.closed).to.include({ code: 1006 });
  });

  it('that is given undefined has its default timeout, not none', async () => {
    const feed = await feedOf();
    const { setTimeout: set } = globalThis;
    const asked: (number | undefined)[] = [];
    globalThis.setTimeout = ((run: () => void, ms?: number) => {
      asked.push(ms);
      return set(run, ms);
    }) as typeof setTimeout;
    try {
      const stop = new AbortController();
      const options = { timeout: undefined, signal: stop.signal };
      const waits = [
        dialling().awaitUp(options),
        feed.connection.info(options),
        feed.ping(undefined, options),
        feed.connection.await(feed, options),
      ].map((wait) => wait.catch(() => {}));
      expect(asked).to.deep.equal([5_000, 5_000, 10_000, 5_000]);
      stop.abort();
      await Promise.all(waits);
    } finally {
      globalThis.setTimeout = set;
    }
  });

  for (const bad of [-1, Number.NaN, 2 ** 31, '5', null]) {
    it(`refuses a timeout of ${String(bad)} at once`, async () => {
      const feed = await feedOf();
      const options = { timeout: bad as number };
      await rejects(feed.connection.awaitUp(options), 'ERR_GUNPORT_OPTION');
      await rejects(feed.connection.await(feed, options), 'ERR_GUNPORT_OPTION');
      await rejects(feed.connection.info(options), 'ERR_GUNPORT_OPTION');
      await rejects(feed.ping('', options), 'ERR_GUNPORT_OPTION');
      await rejects(feed.drained(options), 'ERR_GUNPORT_OPTION');
    });
  }

  describe('for up', () => {
    it('resolves when it comes up, and at once when it is', async () => {
      const connection = pool.open(server.url);
      expect(await connection.awaitUp()).to.deep.equal({ type: 'up', protocol: 'http', attempt: 1 });
      expect(await connection.awaitUp({ timeout: 0 })).to.include({ attempt: 1 });
      await connection.close();
    });

    it('rejects with the last failure when it gives up, then and ever after', async () => {
      const { url } = await refusing();
      const connection = pool.open(url, { retry: 0 });
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_CONNECT');
      expect(error.phase).to.equal('connect');
      expect(error.cause).to.include({ code: 'ECONNREFUSED' });
      expect(await rejects(connection.awaitUp(), 'ERR_GUNPORT_CONNECT')).to.include({ phase: 'connect' });
    });

    it('names the last failure as the cause of its timeout', async () => {
      const { url } = await refusing();
      const connection = pool.open(url, { retry: Number.POSITIVE_INFINITY, retryTimeout: 20 });
      while (!connection.lastError) await new Promise((resolve) => setImmediate(resolve));
      const error = await rejects(connection.awaitUp({ timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
      expect(error.cause).to.include({ code: 'ERR_GUNPORT_CONNECT' });
      await connection.close();
    });

    it('rejects when its own handle closes it', async () => {
      const connection = dialling();
      const waiting = rejects(connection.awaitUp(), 'ERR_GUNPORT_DOWN');
      await connection.close();
      expect(await waiting).to.include({ reason: 'shutdown' });
    });
  });

  describe('for a notice', () => {
    it('resolves with the upgrade, each message, and the close', async () => {
      const connection = pool.open(server.url);
      const stream = connection.wsUpgrade('/x', { subprotocols: ['a'] });
      expect(await connection.await(stream)).to.include({ type: 'upgrade' });
      const conversation = await peerOf;
      conversation.send('81 01 61  82 01 62');
      expect(await connection.await(stream)).to.deep.equal({ type: 'ws', frame: 'text', data: 'a' });
      const binary = await connection.await(stream);
      expect(binary)
        .to.have.property('data')
        .that.deep.equals(new Uint8Array([0x62]));
      conversation.send('88 05 03e8 627965');
      conversation.end();
      expect(await connection.await(stream)).to.include({ frame: 'close', code: 1000, reason: 'bye' });
      await connection.close();
    });

    it('resolves with the answer that refused the upgrade, then its body, then rejects', async () => {
      await using refuses = await peer(answers(401, 'length', 'no'));
      const connection = pool.open(refuses.url, { retry: 0 });
      const stream = connection.wsUpgrade('/');
      expect(await connection.await(stream)).to.include({ type: 'response', status: 401, fin: false });
      const body = await connection.await(stream);
      expect(body).to.include({ type: 'data', fin: true });
      await rejects(connection.await(stream), 'ERR_GUNPORT_UPGRADE_REFUSED');
    });

    it('that timed out or was aborted has taken nothing: what comes late is for the next (S3)', async () => {
      const feed = await feedOf();
      const abort = new AbortController();
      const aborted = rejects(feed.connection.await(feed, { signal: abort.signal }), 'ERR_GUNPORT_ABORTED');
      await rejects(feed.connection.await(feed, { timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
      abort.abort();
      await aborted;
      (await peerOf).send('81 01 61  81 01 62');
      expect(await feed.connection.await(feed)).to.include({ data: 'a' });
      for await (const message of feed) {
        expect(message).to.equal('b');
        break;
      }
    });

    it('in line with others gets what comes in the order of the calls', async () => {
      const feed = await feedOf();
      const waits = [0, 1, 2].map(() => feed.connection.await(feed));
      (await peerOf).send('81 01 61  81 01 62  81 01 63');
      const data = (await Promise.all(waits)).map((notice) => 'data' in notice && notice.data);
      expect(data).to.deep.equal(['a', 'b', 'c']);
    });

    it('refuses a stream of another connection, and what is no monitor', async () => {
      const [one, other] = [await feedOf(), await feedOf()];
      await rejects(one.connection.await(other), 'ERR_GUNPORT_OPTION');
      await rejects(one.connection.await(one, { monitor: 7 as never }), 'ERR_GUNPORT_OPTION');
      const monitor = one.connection.monitor();
      await rejects(one.connection.await(one, { monitor, timeout: 10 }), 'ERR_GUNPORT_TIMEOUT');
    });
  });

  describe('whose answer comes late', () => {
    it('is not answered twice, and the next one gets its own: info(), ping(), drained() (S3)', async () => {
      const feed = await feedOf();
      await block(feed.connection.threadId, 100);
      await rejects(feed.connection.info({ timeout: 30 }), 'ERR_GUNPORT_TIMEOUT');
      feed.send('x');
      await rejects(feed.drained({ timeout: 20 }), 'ERR_GUNPORT_TIMEOUT');
      expect((await feed.connection.info()).counters.messagesSent).to.equal(1);
      await feed.drained();
      expect(feed.bufferedAmount).to.equal(0);
    });
  });

  describe('for the end', () => {
    it('close() resolves after closingTimeout when the peer says nothing', async () => {
      const feed = await feedOf();
      expect(await feed.close()).to.include({ code: 1006, wasClean: false });
      expect(await feed.close()).to.include({ code: 1006, wasClean: false });
    });

    it('close() of a stream that has ended with an error resolves at once (S1)', async () => {
      const feed = await feedOf();
      await pool.terminate(feed.connection.threadId);
      await feed.closed;
      expect(await feed.close()).to.include({ code: 1006, wasClean: false });
      await feed[Symbol.asyncDispose]();
    });

    it('closed resolves whoever ends it, also with nobody reading (S1)', async () => {
      const feed = await feedOf();
      reset((await peerOf).socket);
      await server.close();
      expect(await feed.closed).to.include({ code: 1006, wasClean: false });
    });

    it('close() and shutdown() of a connection resolve however often, and after its death', async () => {
      const { connection } = await feedOf();
      await Promise.all([connection.shutdown(), connection.close(), connection.close()]);
      await connection.close();
      await connection.shutdown();
      await connection[Symbol.asyncDispose]();
      expect(connection.status).to.equal('dead');
    });

    it('a call on a dead connection says how it died', async () => {
      const { connection } = await feedOf();
      await connection.close();
      for (const call of [
        () => connection.awaitUp(),
        () => connection.info(),
        async () => connection.wsUpgrade('/'),
        () => connection.transferOwnership({ threadId: 0 }),
      ]) {
        expect(await rejects(call(), 'ERR_GUNPORT_DOWN')).to.include({ reason: 'shutdown' });
      }
    });
  });

  it('connect() that is aborted while it dials rejects, and leaves nothing (S1, S4)', async () => {
    const abort = new AbortController();
    const waiting = pool.connect(NEVER, { lookup: DEAF, lookupTimeout: LONG, signal: abort.signal });
    setImmediate(() => abort.abort());
    await rejects(waiting, 'ERR_GUNPORT_ABORTED');
    expect(pool.info().connections).to.equal(0);
    expect(getEventListeners(abort.signal, 'abort')).to.deep.equal([]);
    await rejects(pool.connect(server.url, { signal: abort.signal }), 'ERR_GUNPORT_ABORTED');
  });

  it('connect() whose thread dies while it dials, or while it upgrades, rejects (S1, S4)', async () => {
    await using mute = await peer(silent);
    const waits = [
      rejects(pool.connect(NEVER, { lookup: DEAF, lookupTimeout: LONG }), 'ERR_GUNPORT_DOWN'),
      rejects(pool.connect(mute.url), 'ERR_GUNPORT_DOWN'),
    ];
    while (mute.open === 0) await new Promise((resolve) => setImmediate(resolve));
    await pool.terminate(pool.info().threads[0]!.threadId);
    await Promise.all(waits);
    expect(pool.info()).to.deep.equal({ threads: [], connections: 0 });
  });

  it('open() with a signal is closed by an abort until it has been up, and not after', async () => {
    const abort = new AbortController();
    const connection = pool.open(NEVER, { lookup: DEAF, lookupTimeout: LONG, signal: abort.signal });
    const waiting = rejects(connection.awaitUp(), 'ERR_GUNPORT_DOWN');
    abort.abort();
    await waiting;
    const later = new AbortController();
    const up = pool.open(server.url, { signal: later.signal });
    await up.awaitUp();
    expect(getEventListeners(later.signal, 'abort')).to.deep.equal([]);
    later.abort();
    expect((await up.info()).status).to.equal('up');
    await up.close();
  });
});
