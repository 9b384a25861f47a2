// Checks 8, 15 and 16 of CATALOGUE.md: what is under way during a hand-over comes to somebody, once, and in order.

import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import type { WebSocket } from 'ws';
import { connect, receiveOwnership, receiveReply } from '../../lib/index.ts';
import { BOTH, httpStage } from '../support/httpstage.ts';
import { range } from '../support/numbers.ts';
import { wsServer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { TestThread } from '../support/thread.ts';

const COUNT = 10_000;

describe('a hand-over under load', () => {
  let server: Awaited<ReturnType<typeof wsServer>>;
  let x: TestThread;
  let y: TestThread;
  before(async () => {
    server = await wsServer();
    server.server.on('connection', (socket: WebSocket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    [x, y] = [new TestThread(), new TestThread()];
  });
  after(async () => {
    await Promise.all([x.end(), y.end()]);
    await server.close();
  });

  const echoes = range(0, COUNT);

  it(`check 8: gives ${COUNT} numbered echoes to the old owner or the new one: all, none twice, in order`, async () => {
    const feed = await connect(server.url);
    feed.send(echoes.map(String));
    const old: number[] = [];
    for await (const message of feed) {
      old.push(Number(message));
      if (old.length === 3_000) break;
    }
    await Promise.all([x.run((here) => here.take().then(() => {})), feed.transferOwnership(x.worker)]);
    const rest = await x.run((here, count) => here.read(count), COUNT - old.length);
    expect([...old, ...rest]).to.deep.equal(echoes);
  });

  it('check 15: goes from main to one thread, to another and back, and all comes, none twice, in order', async () => {
    const feed = await connect(server.url);
    feed.send(echoes.map(String));
    const read: number[] = [];
    for await (const message of feed) {
      read.push(Number(message));
      if (read.length === 1_000) break;
    }
    await Promise.all([x.run((here) => here.take().then(() => {})), feed.transferOwnership(x.worker)]);
    read.push(...(await x.run((here) => here.read(2_000))));
    const taken = y.run((here) => here.take().then(() => {}));
    await x.run((here, threadId) => here.feed.transferOwnership({ threadId }), y.threadId);
    await taken;
    read.push(...(await y.run((here) => here.read(3_000))));
    const back = receiveOwnership({ source: y.worker });
    await y.run((here) => here.feed.transferOwnership(here.parentPort));
    const { feed: home } = await back;
    for await (const message of home) {
      read.push(Number(message));
      if (read.length === COUNT) break;
    }
    expect(read).to.deep.equal(echoes);
    await home.connection.close();
  });
});

for (const speaks of BOTH) {
  describe(`requests under way at a hand-over, over ${speaks}`, () => {
    const on = httpStage(speaks);

    it('check 16: are answered once each: before it to the old owner, then to the new one, with a port of their own to that', async () => {
      const { connection, server, a } = on;
      const ports = Array.from({ length: 5 }, () => new MessageChannel());
      const requests = Array.from({ length: 20 }, (_, i) =>
        connection.get(`/${i}`, i < 15 ? {} : { replyTo: ports[i - 15]!.port1 }),
      );
      const replies = ports.map(({ port2 }) => receiveReply(port2).text());
      const serve = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          const asked = await server.next();
          asked.answer(asked.path);
        }
      };
      const served = serve(5);
      const before = await Promise.all(requests.slice(0, 5).map((request) => request.text()));
      expect(before).to.deep.equal(range(0, 5).map((i) => `/${i}`));
      await served;
      const pending = requests
        .slice(5, 15)
        .map((request) => rejects(request.text(), 'ERR_GUNPORT_NOT_OWNER'));
      await on.giveTo(a, requests[14]!);
      await Promise.all(pending);
      // Those that were answered before may still be named there.
      const texts = a.run(({ connection }) =>
        Promise.all(
          [...connection.streams.values()]
            .filter((stream) => 'text' in stream && !stream.replied && Number(stream.path.slice(1)) >= 5)
            .map((stream) => ('text' in stream ? stream.text() : '')),
        ),
      );
      await serve(15);
      expect(await texts).to.deep.equal(range(5, 15).map((i) => `/${i}`));
      expect(await Promise.all(replies)).to.deep.equal(range(15, 20).map((i) => `/${i}`));
    });
  });
}
