// hostile — a describe in which the first connection to a server meets a bad peer, and all later ones a good one.
// Used by test/http/hostile-*.test.ts: `const { hostile, worksAnew, open } = hostilities()`.
// Invariant: after each test a connection that was open all the time, in the same thread, has not noticed.

import { expect } from 'chai';
import type { Connection } from '../../lib/index.ts';
import { type Cowboy, cowboy } from './cowboy.ts';
import { type Feeds, feeds } from './feeds.ts';
import { type Origin, origin, type Talk } from './origin.ts';

export interface Hostilities extends Feeds {
  /** The first connection gets this; all later ones have their requests answered with their paths. */
  hostile(first: (talk: Talk) => unknown): Promise<Origin>;
  /** The next request is answered, on a second connection; the first is gone. */
  worksAnew(connection: Connection, server: Origin): Promise<void>;
}

/** Called in a describe. */
export function hostilities(): Hostilities {
  let good: Cowboy;
  let neighbour: Connection;
  // Before the hooks of feeds(): its pool is to be empty by then.
  after(async () => {
    await neighbour.close();
    await good.close();
  });
  const all = feeds();

  before(async () => {
    good = await cowboy();
    // In the same thread: the pool has one.
    neighbour = all.pool.open(good.url, { retry: 0 });
    // The thread has its driver of HTTP/1 then: a short deadline is not spent on loading it.
    await neighbour.get('/').text();
  });
  afterEach('other connections of the thread have not noticed', async () => {
    expect(await neighbour.get('/').text()).to.equal('Hello world!');
    expect(good.taken).to.equal(1);
  });

  return {
    ...all,
    hostile: (first) =>
      all.keep(
        origin(async (talk) => {
          if (talk.number === 1) return first(talk);
          for (;;) {
            const { path } = await talk.request();
            await talk.answer(200, path);
          }
        }),
      ),
    worksAnew: async (connection, server) => {
      expect(await connection.get('/next').text()).to.equal('/next');
      expect(server.taken).to.equal(2);
      await server.talks[0]?.closed;
    },
  };
}
