// unsent.test — a WebSocket that ends while much of what was sent is still in this process, since its peer takes nothing.
// What is counted on both sides must be all: bytes that came there, and bytes that are told as unsent.

import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type CloseResult, Pool, receiveOwnership } from '../../lib/index.ts';
import { emptied } from '../support/emptied.ts';
import type { Feed } from '../support/feeds.ts';
import { type Conversation, type Peer, wsPeerOfOne } from '../support/peers.ts';
import { reset } from '../support/reset.ts';

const MiB = 1024 * 1024;
/** What a loopback connection may hold in the kernel, and a write that it had begun. */
const KERNEL = 16 * MiB;
const message = new Uint8Array(MiB);
/** Of a client's frame of that length. */
const HEADER = 14;

describe('a WebSocket whose peer takes nothing', function () {
  this.slow(1_500);
  const pool = new Pool({ threads: 1 });
  let peer: Peer;
  let server: Promise<Conversation>;
  beforeEach(async () => {
    ({ peer, first: server } = await wsPeerOfOne(({ socket }) => socket.pause()));
  });
  afterEach(async () => {
    await peer.close();
    await emptied(pool);
  });
  after(() => pool.close());

  /** A feed of which so many MiB were sent, each for itself; and their bytes on the wire. */
  async function sent(
    count: number,
    { from = pool, closingTimeout = 300 } = {},
  ): Promise<{ feed: Feed; total: number }> {
    const feed = await from.connect(peer.url, { maxBuffered: 64 * MiB, closingTimeout, retry: 0 });
    for (let i = 0; i < count; i++) {
      feed.send(message);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { feed, total: count * (MiB + HEADER) };
  }

  /** What the peer finds once it reads. */
  async function received(): Promise<number> {
    const { socket } = await server;
    let bytes = 0;
    socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    socket.resume();
    if (!socket.closed) await once(socket, 'close');
    return bytes;
  }

  /** All is accounted for. */
  async function accounts(told: CloseResult, total: number): Promise<void> {
    expect(told.unsent).to.be.within(total - KERNEL, total);
    expect((told.unsent ?? 0) + (await received())).to.be.at.least(total);
  }

  it('and 64 MiB of which wait, is closed after closingTimeout, and says how much did not leave (I9)', async () => {
    const { feed, total } = await sent(64);
    const began = performance.now();
    const told = await feed.close();
    expect(performance.now() - began).to.be.within(295, 3_000);
    expect(told).to.include({ code: 1006, wasClean: false });
    expect(await feed.closed).to.deep.equal(told);
    expect(feed.bufferedAmount).to.equal(0);
    await accounts(told, total);
  });

  for (const [how, end] of [
    ['by shutdown() of its connection', (feed: Feed) => feed.connection.shutdown()],
    ['by close() of its connection', (feed: Feed) => feed.connection.close()],
    ['by cancel()', async (feed: Feed) => feed.cancel()],
    ['by the end of its thread', (feed: Feed) => pool.terminate(feed.connection.threadId)],
  ] as const) {
    it(`says the same when it ends ${how}`, async () => {
      const { feed, total } = await sent(20);
      await end(feed);
      await accounts(await feed.closed, total);
    });
  }

  it('says the same when it ends by close() of its pool, in the time that this was given', async () => {
    const closing = new Pool({ threads: 1 });
    const { feed, total } = await sent(20, { from: closing });
    await closing.close({ timeout: 100 });
    await accounts(await feed.closed, total);
  });

  it('says so when its socket is lost', async () => {
    const { feed, total } = await sent(20);
    reset((await server).socket);
    expect((await feed.closed).unsent).to.be.within(total - KERNEL, total);
  });

  it('says it to the owner that it has then, and not to the one before', async () => {
    const { feed: given, total } = await sent(20);
    const { port1, port2 } = new MessageChannel();
    const taking = receiveOwnership(port2);
    await given.transferOwnership(port1);
    const { feed } = await taking;
    expect(await given.closed).to.not.have.property('unsent');
    const told = await feed.close();
    await accounts(told, total);
    port1.close();
  });

  it('says nothing of the kind when it reads after all, however late', async () => {
    const { feed, total } = await sent(20, { closingTimeout: 10_000 });
    const closing = feed.close();
    const { socket, send } = await server;
    let bytes = 0;
    socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      // Its Close is there, behind all else.
      if (bytes > total) send('88 02 03e8');
    });
    socket.resume();
    expect(await closing).to.deep.equal({ code: 1000, reason: '', wasClean: true });
  });
});
