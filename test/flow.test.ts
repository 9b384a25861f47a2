// flow.test — memory is bounded whoever is slow: the owner (F1, F2), or the peer (F3).
// The flood comes from a process of its own; soak/flow.ts does the same for longer.

import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect } from 'chai';
import type { Connection } from '../lib/connection.ts';
import { Pool } from '../lib/pool.ts';
import { receiveOwnership } from '../lib/receive.ts';
import type { WsStream } from '../lib/wsstream.ts';
import { certificates } from './support/certificates.ts';
import { GUNPORT } from './support/child.ts';
import { emptied } from './support/emptied.ts';
import { ENDLESS, type Flood, flood, MESSAGE_BYTES } from './support/flood.ts';
import { type Conversation, type Peer, wsPeerOfOne } from './support/peers.ts';
import { rejects } from './support/rejects.ts';
import { reset } from './support/reset.ts';
import { numberOf, slowOwner } from './support/slow-owner.ts';

const MiB = 1024 * 1024;

describe('a slow owner', function () {
  this.timeout(20_000);
  this.slow(5_000);
  const pool: Pool = new Pool({ threads: 1 });
  let server: Flood;
  before(async () => {
    server = await flood();
  });
  afterEach(() => emptied(pool));
  after(async () => {
    await pool.close();
    await server[Symbol.asyncDispose]();
  });

  for (const [how, reader] of [
    ['stops reading', 'stopped'],
    ['reads a message now and then', 'slow'],
  ] as const) {
    it(`check 31: that ${how} costs maxBuffered and 64 MiB at most; pings are answered until the socket is paused; nothing is lost (F1, F2)`, async () => {
      const figures = await slowOwner(pool, server, { maxBuffered: 16 * MiB, duration: 300, reader });
      expect(figures.pongs).to.equal(10);
    });
  }

  it('over TLS costs no more, and nothing is lost (F1, F2)', async () => {
    const { ca, localhost } = await certificates();
    await using secure = await flood(localhost);
    const options = { maxBuffered: 16 * MiB, duration: 200, reader: 'stopped', ca } as const;
    expect((await slowOwner(pool, secure, options)).pongs).to.equal(10);
  });

  it('is bounded by a small maxBuffered, too: the peer is held back (F1)', async () => {
    const feed = await pool.connect(server.url, { maxBuffered: MiB });
    const stalled = server.next('stalled');
    server.tell({ type: 'send', upTo: ENDLESS });
    const { counters } = await stalled.then(() => feed.connection.info());
    // What is in flight (8 MiB), held (maxBuffered, and the slab that went over it), and being read.
    expect(counters.bytesReceived).to.be.at.most(8 * MiB + MiB + 3 * 512 * 1024);
    let expected = 0;
    for await (const message of feed) {
      expect(numberOf(message)).to.equal(expected++);
      if (expected === 40_000) break;
    }
    await feed.connection.close();
  });

  it('is bounded along a chain of owners of whom nobody reads: credit is cumulative (F1)', async () => {
    let feed = await pool.connect(server.url, { maxBuffered: MiB });
    const stalled = server.next('stalled');
    server.tell({ type: 'send', upTo: ENDLESS });
    await stalled;
    const before = (await feed.connection.info()).counters.messagesReceived;
    const port = new MessageChannel();
    for (let i = 0; i < 20; i++) {
      const received = receiveOwnership(port.port2);
      await feed.transferOwnership(port.port1);
      ({ feed } = await received);
    }
    const consumer = idleConsumer();
    for (let i = 0; i < 5; i++) {
      const back = receiveOwnership(consumer);
      await feed.transferOwnership(consumer);
      ({ feed } = await back);
    }
    port.port1.close();
    const { counters } = await feed.connection.info();
    expect(counters.transfers).to.equal(30);
    expect(counters.messagesReceived).to.equal(before);
    let expected = 0;
    for await (const message of feed) {
      expect(numberOf(message)).to.equal(expected++);
      if (expected === 40_000) break;
    }
    await feed.connection.close();
    await consumer.terminate();
  });

  it('whose peer drops and takes it back again and again holds no more for it (F1)', async () => {
    const feed = await pool.connect(server.url, { maxBuffered: MiB, retry: 100, retryTimeout: 1 });
    const held: number[] = [];
    for (let i = 0; i < 4; i++) {
      const stalled = server.next('stalled');
      server.tell({ type: 'send', upTo: ENDLESS });
      await stalled;
      held.push((await feed.connection.info()).counters.bytesReceived);
      const up = server.next('up').then(() => true);
      const gone = server.next('gone');
      server.tell({ type: 'reset' });
      await gone;
      // A paused socket is not read: only a write finds out that the peer is gone.
      do if (feed.state === 'open') feed.send('?');
      while (!(await Promise.race([up, feed.connection.info().then(() => false)])));
    }
    // A read and a slab more for each attempt, until the new socket is paused as the old one was.
    expect(held.at(-1)! - held[0]!).to.be.at.most(3 * MiB);
    await feed.connection.close();
  });

  it('that closes the stream gets through to the end however much is held (F2)', async () => {
    const feed = await pool.connect(server.url, { maxBuffered: MiB });
    const stalled = server.next('stalled');
    server.tell({ type: 'send', upTo: ENDLESS });
    await stalled;
    server.tell({ type: 'send', upTo: 0 });
    expect(await feed.close()).to.include({ code: 1000, wasClean: true });
  });

  it('with flow: messages is given no more than it asked for (Gun’s flow)', async () => {
    const feed = await pool.connect(server.url, { flow: 3 });
    const sent = server.next('sent');
    server.tell({ type: 'send', upTo: 1_000 });
    await sent;
    for (let i = 0; i < 3; i++) expect(numberOf(await messageOf(feed))).to.equal(i);
    await rejects(feed.connection.await(feed, { timeout: 50 }), 'ERR_GUNPORT_TIMEOUT');
    feed.updateFlow(2);
    for (let i = 3; i < 5; i++) expect(numberOf(await messageOf(feed))).to.equal(i);
    await rejects(feed.connection.await(feed, { timeout: 50 }), 'ERR_GUNPORT_TIMEOUT');
    expect(() => feed.updateFlow(0)).to.throw('messages must be an integer from 1, got 0');
    feed.updateFlow(995);
    for (let i = 5; i < 1_000; i++) expect(numberOf(await messageOf(feed))).to.equal(i);
    await feed.connection.close();
  });
});

describe('a peer that does not read', () => {
  const pool: Pool = new Pool({ threads: 1 });
  let server: Peer;
  let conversation: Promise<Conversation>;
  beforeEach(async () => {
    ({ peer: server, first: conversation } = await wsPeerOfOne(({ socket }) => socket.pause()));
  });
  afterEach(async () => {
    await server.close();
    await emptied(pool);
  });
  after(() => pool.close());

  const message = new Uint8Array(64 * 1024);
  const frame = message.length + 14;

  /** Sends until send() says no. */
  function fill(feed: WsStream<Connection>): void {
    while (feed.send(message));
  }

  it('check 31: makes send() false above maxBuffered, and throw at four times that; nothing is dropped (F3)', async () => {
    const feed = await pool.connect(server.url, { maxBuffered: MiB });
    // The kernel takes some megabytes first.
    for (;;) {
      fill(feed);
      const drained = await feed.drained({ timeout: 100 }).then(
        () => true,
        () => false,
      );
      if (!drained) break;
    }
    expect(feed.bufferedAmount).to.be.above(0);
    let sent = 0;
    expect(() => {
      for (;;) {
        feed.send(message);
        sent++;
      }
    }).to.throw('more than 4 times maxBuffered (1048576)');
    expect(feed.bufferedAmount).to.be.within(4 * MiB + 1, 4 * MiB + frame);
    expect(sent).to.be.at.most((4 * MiB) / message.length);
    expect(() => feed.send('x'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_OVERLOADED');

    const total = (await feed.connection.info()).counters.messagesSent;
    const { socket } = await conversation;
    let bytes = 0;
    socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    socket.resume();
    await feed.drained();
    expect(feed.bufferedAmount).to.equal(0);
    expect(feed.send('x')).to.equal(true);
    await feed.drained();
    expect((await feed.connection.info()).counters.messagesSent).to.be.at.least(total + 1);
    const closed = once(socket, 'close');
    await feed.connection.close();
    await closed;
    expect(bytes).to.be.above(total * message.length);
  });

  it('leaves bufferedAmount with the next owner, until it has left (F3)', async () => {
    const first = await pool.connect(server.url, { maxBuffered: MiB });
    for (;;) {
      fill(first);
      if (
        await first.drained({ timeout: 100 }).then(
          () => false,
          () => true,
        )
      )
        break;
    }
    const port = new MessageChannel();
    const received = receiveOwnership(port.port2);
    await first.transferOwnership(port.port1);
    const { feed } = await received;
    port.port1.close();
    expect(feed.bufferedAmount).to.be.above(0);
    const drained = feed.drained();
    (await conversation).socket.removeAllListeners('data').resume();
    await drained;
    expect(feed.bufferedAmount).to.equal(0);
    await feed.connection.close();
  });

  it('lets drained() reject, and bufferedAmount return to 0, when the socket is lost (F3)', async () => {
    const feed = await pool.connect(server.url, { maxBuffered: MiB, retry: 0 });
    for (;;) {
      fill(feed);
      if (
        await feed.drained({ timeout: 100 }).then(
          () => false,
          () => true,
        )
      )
        break;
    }
    const drained = feed.drained();
    reset((await conversation).socket);
    await rejects(drained, 'ERR_GUNPORT_CLOSED');
    expect(feed.bufferedAmount).to.equal(0);
  });

  it('copies: what is done to the bytes after send() does not matter (F3)', async () => {
    const feed = await pool.connect(server.url);
    const { read, socket } = await conversation;
    socket.resume();
    const bytes = new Uint8Array([1, 2, 3]);
    feed.send(bytes);
    bytes.fill(9);
    expect([...(await read()).payload]).to.deep.equal([1, 2, 3]);
    await feed.connection.close();
  });

  it('send() throws while it is not connected, and after the end (F3)', async () => {
    const connection = pool.open(server.url);
    const stream = connection.wsUpgrade('/');
    expect(() => stream.send('x'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_NOT_CONNECTED');
    await connection.await(stream);
    stream.send('x');
    await connection.close();
    expect(() => stream.send('x'))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_DOWN');
  });
});

async function messageOf(feed: WsStream<Connection>): Promise<Uint8Array> {
  const notice = await feed.connection.await(feed);
  // flood-server.ts sends binaries only.
  expect(notice).to.have.property('data').with.lengthOf(MESSAGE_BYTES);
  return (notice as { data: Uint8Array }).data;
}

/** A thread that takes a connection and gives it back, without reading. */
function idleConsumer(): Worker {
  return new Worker(
    `(async () => {
      const { receiveOwnership } = await import(${JSON.stringify(GUNPORT)});
      const { parentPort } = require('node:worker_threads');
      for await (const { feed } of receiveOwnership.all(parentPort)) await feed.transferOwnership(parentPort);
    })();`,
    { eval: true },
  );
}
