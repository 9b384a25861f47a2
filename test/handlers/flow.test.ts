// flow.test — a handler always runs; what it makes is bounded as what is read is: by the owner's credit (F1, F2).

import { expect } from 'chai';
import type { WsStream } from '../../lib/index.ts';
import { arrived, type Feed, frame, take } from '../support/feeds.ts';
import { handled, handler, say } from '../support/handled.ts';

const KiB = 1024;

/** Binary messages of 64 KiB, each with its number. */
function flood(server: { send(bytes: Uint8Array): void }, from: number, to: number): void {
  for (let n = from; n < to; n++) {
    const payload = Buffer.alloc(64 * KiB);
    payload.writeUInt32LE(n);
    server.send(frame(0x82, payload));
  }
}

/** Messages that were read until nothing more is. */
async function stalled(feed: Feed): Promise<number> {
  for (let [before, same] = [0, 0]; ; ) {
    const { messagesReceived } = (await feed.connection.info()).counters;
    same = messagesReceived > 0 && messagesReceived === before ? same + 1 : 0;
    if (same === 20) return messagesReceived;
    before = messagesReceived;
  }
}

describe('the flow through a handler', () => {
  const { handle, talk } = handled();

  it('runs on while its owner reads nothing: it answers heartbeats, and holds what it delivers', async () => {
    const { feed, server } = await talk(handler('noted'));
    for (let n = 0; n < 20; n++) {
      say(server, `m${n}`);
      await arrived(feed, n + 1);
    }
    say(server, 'send');
    expect((await server.read()).payload.toString()).to.equal('said');
    expect(await take(feed, 20)).to.deep.equal(Array.from({ length: 20 }, (_, n) => `m${n}!`));
  });

  it('pauses the socket when more than maxBuffered is held, and loses nothing', async () => {
    const { feed, server } = await talk(handler('watching', {}, { maxBuffered: 256 * KiB }));
    const count = 400;
    flood(server, 0, count);
    // What is in flight and held: the rest stays with the peer.
    expect(await stalled(feed)).to.be.below(300);
    let next = 0;
    for await (const message of feed) {
      expect(Buffer.from(message as Uint8Array).readUInt32LE()).to.equal(next++);
      if (next === count) break;
    }
  });

  it('counts every kind of value against manual flow, one by one', async () => {
    const { feed, server } = await talk(handler('kinds', {}, { flow: 3 }));
    say(server, ...Array.from({ length: 12 }, (_, n) => n));
    await arrived(feed, 12);
    const values = feed as unknown as WsStream<unknown, unknown>;
    const read: unknown[] = [];
    for await (const value of values) {
      read.push(value);
      if (read.length === 3) break;
    }
    const late = await feed.connection.await(feed, { timeout: 50 }).catch((error) => error.code);
    expect(late).to.equal('ERR_GUNPORT_TIMEOUT');
    feed.updateFlow(9);
    for await (const value of values) {
      read.push(value);
      if (read.length === 12) break;
    }
    const memory = (n: number): object => ({ memory: new Int32Array([n]).buffer });
    expect(read).to.deep.equal([
      ...['number 0', Uint8Array.of(1, 0), { n: 2 }, new Map([['n', 3]]), memory(4)],
      ...['number 5', Uint8Array.of(6, 0), { n: 7 }, new Map([['n', 8]]), memory(9)],
      ...['number 10', Uint8Array.of(11, 0)],
    ]);
  });

  it('is bounded behind a hook that gives promises: later messages wait, the socket is paused, and order is kept', async () => {
    const { feed, server, told } = await handle('slow', {}, { maxBuffered: 256 * KiB });
    const conversation = await server();
    const count = 60;
    flood(conversation, 0, count);
    await told(1);
    const api = feed.remote<{ release(): void }>();
    // What is read beyond the first waits: maxBuffered of it, and the read that went over.
    expect(await stalled(feed)).to.be.below(count);
    const all = (async () => {
      let next = 0;
      for await (const message of feed) {
        expect(Buffer.from(message as Uint8Array).readUInt32LE()).to.equal(next++);
        if (next === count) return;
      }
    })();
    for (let n = 0; n < count; n++) {
      await told(n + 1);
      await api.release();
    }
    await all;
  });

  it('lets a handler keep the last message only: `ready` tells of room', async () => {
    const { feed, server } = await talk(handler('conflated', {}, { flow: 1 }));
    // Within one read, too: what it has emitted of that takes the room there was.
    say(server, ...Array.from({ length: 10 }, (_, n) => n));
    await arrived(feed, 10);
    expect(await take(feed, 1)).to.deep.equal(['0']);
    feed.updateFlow(1);
    expect(await take(feed, 1)).to.deep.equal(['9']);
    say(server, 10);
    await arrived(feed, 11);
    feed.updateFlow(1);
    expect(await take(feed, 1)).to.deep.equal(['10']);
  });

  it('ends although a hook never gives its answer', async () => {
    const { feed, server, told, notices } = await handle('slow', {}, { closingTimeout: 50 });
    const conversation = await server();
    say(conversation, 'a', 'b');
    await told(1);
    conversation.send('88 02 03e8');
    expect(await take(feed, 1)).to.deep.equal([]);
    expect(await feed.closed).to.include({ code: 1000, wasClean: true });
    expect(notices).to.deep.equal(['began a', 'closed']);
  });
});
