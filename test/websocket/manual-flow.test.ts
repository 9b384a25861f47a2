import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type Message, receiveReply } from '../../lib/index.ts';
import {
  arrived,
  drain,
  type Feed,
  feeds,
  frame,
  numbers,
  pause,
  take,
  untilClose,
} from '../support/feeds.ts';
import { rejects } from '../support/rejects.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('manual flow of a WebSocket (Gun flow)', () => {
  const { pool, talk } = feeds();

  it('gives as many messages as were asked for, and more with updateFlow()', async () => {
    const { feed, server } = await talk({ flow: 3 });
    server.send(numbers(0, 10));
    await arrived(feed, 10);
    expect(await readable(feed)).to.deep.equal(['0', '1', '2']);
    feed.updateFlow(2);
    await pause(feed);
    expect(await readable(feed)).to.deep.equal(['3', '4']);
    feed.updateFlow(1);
    feed.updateFlow(1);
    await pause(feed);
    expect(await readable(feed)).to.deep.equal(['5', '6']);
    feed.updateFlow(100);
    expect(await take(feed, 3)).to.deep.equal(['7', '8', '9']);
    server.send(numbers(10, 2));
    expect(await take(feed, 2)).to.deep.equal(['10', '11']);
  });

  it('answers pings meanwhile, and tells of the close after the messages that wait', async () => {
    const { feed, server } = await talk({ flow: 1 });
    server.send(Buffer.concat([numbers(0, 2), frame(0x89, 'p'), frame(0x88, Uint8Array.of(0x03, 0xe8))]));
    expect((await server.read()).payload.toString()).to.equal('p');
    expect((await server.read()).opcode).to.equal(8);
    server.end();
    await pause(feed).catch(() => {});
    expect(await readable(feed)).to.deep.equal(['0']);
    feed.updateFlow(1);
    expect(await drain(feed)).to.deep.equal({ messages: ['1'], error: undefined });
    expect(await feed.closed).to.include({ code: 1000 });
  });

  it('knows of an end before which messages wait: nothing can be sent, close() has its result (S1)', async () => {
    const { feed, server } = await talk({ flow: 1 });
    void untilClose(server);
    server.send(Buffer.concat([numbers(0, 3), frame(0x88, Uint8Array.of(0x03, 0xe9))]));
    await feed.connection.monitor().down;
    expect(feed.state).to.equal('closed');
    expect(await feed.close()).to.include({ code: 1001, wasClean: true });
    expect(await feed.closed).to.include({ code: 1001, wasClean: true });
  });

  it('holds its slot in the thread for what waits, until the connection is closed', async () => {
    const { feed, server } = await talk({ flow: 1 });
    void untilClose(server);
    server.send(Buffer.concat([numbers(0, 3), frame(0x88)]));
    await feed.connection.monitor().down;
    expect(await take(feed, 1)).to.deep.equal(['0']);
    await pause(feed).catch(() => {});
    expect(pool.info().connections).to.equal(1);
    await feed.connection.close();
    while (pool.info().connections > 0) await turn();
    expect((await drain(feed)).messages).to.deep.equal([]);
  });

  it('ends for its reader after close(), though the peer was faster (S1)', async () => {
    for (const gone of [false, true]) {
      const { feed, server } = await talk({ flow: 1, closingTimeout: 1 });
      const reading = drain(feed);
      server.send(Buffer.concat([numbers(0, 3), frame(0x88, Uint8Array.of(0x03, 0xe8))]));
      // Its process knows; this thread has not heard of it, and in the second round can't have heard that it is over.
      if (!gone) expect((await server.read()).opcode).to.equal(8);
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
      expect(await feed.close()).to.include({ code: 1000 });
      expect((await reading).messages).to.have.lengthOf.at.most(1);
      expect(await feed.closed).to.include({ code: 1000, wasClean: true });
    }
  });

  it('keeps nothing waiting that is asked for when its end was not heard of yet (S1)', async () => {
    // Its process ends, and holds what nobody has asked for; on a busy machine this thread may hear of it too soon.
    const ended = async (): Promise<Awaited<ReturnType<typeof talk>>['feed']> => {
      const { feed, server } = await talk({ flow: 1, closingTimeout: 20 });
      server.send(Buffer.concat([numbers(0, 3), frame(0x88)]));
      expect((await server.read()).opcode).to.equal(8);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
      return feed.connection.status === 'dead' ? ended() : feed;
    };
    const feed = await ended();
    const { connection } = feed;
    const { port1, port2 } = new MessageChannel();
    const reply = receiveReply(port2);
    connection.get('/late', { replyTo: port1 });
    const asked = [
      connection.get('/late').text(),
      connection.await(connection.wsUpgrade('/late')),
      reply.text(),
    ];
    await Promise.all(asked.map((one) => rejects(one, 'ERR_GUNPORT_CLOSED')));
    expect(await readable(feed)).to.deep.equal(['0']);
  });

  it('ends for its reader after close() between two attempts (S1)', async () => {
    const { feed, server } = await talk({ flow: 1, backoff: { immediate: false, first: 30_000 } });
    const reading = drain(feed);
    server.send(numbers(0, 3));
    await arrived(feed, 3);
    const down = once(feed.connection, 'down');
    server.end();
    await down;
    expect(feed.state).to.equal('down');
    expect(await feed.close()).to.include({ code: 1006 });
    expect((await reading).messages).to.deep.equal(['0']);
    expect(await feed.closed).to.include({ code: 1006, wasClean: false });
  });

  it('takes integers from 1', async () => {
    const { feed } = await talk({ flow: 1 });
    for (const bad of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => feed.updateFlow(bad))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_OPTION');
    }
  });

  it('is no matter to a stream without it', async () => {
    const { feed, server } = await talk();
    feed.updateFlow(1);
    server.send(numbers(0, 5));
    expect(await take(feed, 5)).to.have.lengthOf(5);
  });
});

/** All that can be read now. */
async function readable(feed: Feed): Promise<Message[]> {
  const read: Message[] = [];
  for (;;) {
    const notice = await feed.connection.await(feed, { timeout: 20 }).catch(() => undefined);
    if (notice?.type !== 'ws' || notice.frame === 'close') return read;
    read.push(notice.data);
  }
}
