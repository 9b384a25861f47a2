// storm.test — a feed of numbered events whose server ends and breaks its answers at random, while it is handed from thread
// to thread at random: each event once, in order. The server goes on behind the id that it is told, as it should.
// Source: promises O1 to O5; HTML §9.2.3 (Last-Event-ID).

import { expect } from 'chai';
import { type Connection, type EventStream, open, receiveOwnership, type Stream } from '../../lib/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { type Feeding, feeding, numbered } from '../support/feeding.ts';
import { type Here, TestThread } from '../support/thread.ts';

const TURNS = 40;

for (const speaks of ['http', 'h2c'] as const) {
  describe(`a feed that is broken and handed over at random, on ${speaks}`, () => {
    let server: Feeding;
    let threads: readonly [TestThread, TestThread];

    before(async () => {
      threads = [new TestThread(), new TestThread()];
      server = await feeding(speaks);
    });
    after(async () => {
      await Promise.all(threads.map((thread) => thread.end()));
      await server.close();
    });

    /** Answers until it is told to stop: from behind the id it is told, for a while. */
    function serve(below: (n: number) => number): () => void {
      let going = true;
      const all = (async () => {
        while (going) {
          const asked = await server.next();
          asked.begin();
          if (below(4) === 0) await asked.write('retry: 1\n\n');
          let next = Number(asked.headers['last-event-id'] ?? -1) + 1;
          for (let parts = below(30); parts > 0; parts--) {
            const count = 1 + below(200);
            await asked.write(numbered(next, next + count, ' '.repeat(below(100))));
            next += count;
          }
          if (below(2) === 0) asked.end();
          else asked.drop();
        }
      })();
      return () => {
        going = false;
        void all.catch(() => {}); // It waits for a request that does not come.
      };
    }

    it('has each event once, in order', async () => {
      const seed = seedOf();
      const below = chance(seed);
      const stop = serve(below);
      const connection = open(server.url, { ...server.trust, retryTimeout: 1, retry: 1_000 });
      let owned: Connection = connection;
      try {
        await connection.awaitUp();
        let feed: EventStream<Connection> = connection.sse('/', { reconnect: true, retryDelay: 1 });
        const ids: number[] = [];
        for (let turn = 0; turn < TURNS; turn++) {
          const count = below(1_500);
          if (count > 0) {
            for await (const { lastEventId } of feed)
              if (ids.push(Number(lastEventId)) % (count + 1) === count) break;
          }
          const thread = threads[below(2)] ?? threads[0];
          const there = thread.run(readThere, below(500), 0);
          // It may be between two attempts, which is as good a time as any.
          await owned.transferOwnership(thread.worker, {
            data: { lastEventId: feed.lastEventId, stream: feed.stream.id },
          });
          const [received, read] = await Promise.all([
            receiveOwnership<{ lastEventId: string; stream: number }>(),
            there,
          ]);
          ids.push(...read);
          owned = received.connection;
          const { lastEventId, stream } = received.data;
          const live = owned.streams.get(stream) as Stream<Connection> | undefined; // It is no WebSocket.
          feed = owned.sse(live ?? '/', { reconnect: true, retryDelay: 1, lastEventId });
        }
        expect(ids.findIndex((id, i) => id !== i)).to.equal(-1);
        expect(ids.length).to.be.above(TURNS);
      } catch (error) {
        throw new Error(`GUNPORT_SEED=${seed}`, { cause: error });
      } finally {
        stop();
        await owned.close();
      }
    }).timeout(30_000);
  });
}

/** In a thread: takes it, reads so many, gives it to `back`. */
async function readThere(here: Here, count: number, back: number): Promise<number[]> {
  const { lastEventId, stream } = (await here.take()) as { lastEventId: string; stream: number };
  const live = here.connection.streams.get(stream) as typeof here.stream | undefined;
  const feed = here.connection.sse(live ?? '/', { reconnect: true, retryDelay: 1, lastEventId });
  const ids: number[] = [];
  if (count > 0) {
    for await (const event of feed) if (ids.push(Number(event.lastEventId)) === count) break;
  }
  const data = { lastEventId: feed.lastEventId, stream: feed.stream.id };
  await here.connection.transferOwnership({ threadId: back }, { data });
  return ids;
}
