// A feed of order books of which one of twenty is wanted, at full speed: what it costs the thread that wants it.
// The whole comparison is bench/books/works.ts.

import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import type { Top } from '../../bench/books/handler.ts';
import { type BookMessage, bookTexts, symbolOf } from '../../bench/books/messages.ts';
import type { FeedReady } from '../../bench/feeds/payloads.ts';
import { ServerProcess } from '../../bench/instruments/serverprocess.ts';
import { OrderBook } from '../../lib/parts/index.ts';
import { feeds } from '../support/feeds.ts';

const SYMBOL = symbolOf(7);
const handler = {
  module: new URL('../../bench/books/handler.js', import.meta.url),
  options: { symbol: SYMBOL, depth: 1, interval: 0 },
};
/** Milliseconds. */
const SERVER = new URL('../../bench/feeds/server.js', import.meta.url);
const WINDOW = 250;
const ROUNDS = 4;

/** So many messages have come. */
interface Count {
  messages: number;
}

describe('an order-book feed', () => {
  const { connect } = feeds();
  let server: ServerProcess<FeedReady>;
  let url: string;

  before(async () => {
    server = await ServerProcess.start<FeedReady>(fileURLToPath(SERVER), ['book']);
    url = `ws://127.0.0.1:${server.ready.port}/book`;
  });
  after(() => server[Symbol.asyncDispose]());

  it('is kept beside the socket, top by top as on the main thread', async () => {
    const expected: unknown[] = [];
    const book = new OrderBook();
    for (const text of bookTexts()) {
      const message = JSON.parse(text) as BookMessage; // As it was made.
      if (message.symbol === SYMBOL && book.apply(message) === 0) expected.push(book.top(1));
    }
    const feed = await connect(url, { handler });
    let place = 0;
    // Two blocks, and what is between them.
    for await (const value of feed) {
      const { bids, asks, sequence } = value as unknown as Top; // The handler gives nothing else.
      expect({ bids, asks, sequence }).to.deep.equal(expected[place++ % expected.length]);
      if (place > 2 * expected.length) break;
    }
  });

  it('costs the main thread at most a twentieth of what ws and JSON.parse do', async () => {
    // A machine that others use as well makes a short window now and then too long: one of a few is enough.
    const ratios: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [beside, main] = [await costOf(besideTheSocket), await costOf(onMain)];
      ratios.push(beside / main);
      if (beside / main <= 1 / 20) break;
    }
    expect(Math.min(...ratios), `of ${ratios.map((ratio) => ratio.toFixed(3))}`).to.be.at.most(1 / 20);
  });

  /** Active time of this thread for a message, in milliseconds. */
  async function costOf(open: (count: Count) => Promise<() => Promise<void>>): Promise<number> {
    const count = { messages: 0 };
    const close = await open(count);
    await delay(WINDOW / 4);
    const before = count.messages;
    const loop = performance.eventLoopUtilization();
    await delay(WINDOW);
    const { active } = performance.eventLoopUtilization(loop);
    const messages = count.messages - before;
    await close();
    expect(messages).to.be.above(0);
    return active / messages;
  }

  async function besideTheSocket(count: Count): Promise<() => Promise<void>> {
    const feed = await connect(url, { handler });
    const reading = (async () => {
      for await (const value of feed) {
        const { seen, state } = value as unknown as Top; // As above.
        if (state === 'live') count.messages = seen;
      }
    })().catch((error: unknown) => expect(error).to.have.property('code', 'ERR_GUNPORT_CLOSED'));
    return async () => {
      await feed.connection.close();
      await reading;
    };
  }

  async function onMain(count: Count): Promise<() => Promise<void>> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    const book = new OrderBook();
    let top: unknown;
    socket.on('message', (data) => {
      count.messages++;
      const message = JSON.parse(String(data)) as BookMessage; // What the server sends.
      if (message.symbol === SYMBOL && book.apply(message) === 0) top = book.top(1);
    });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return async () => {
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.terminate();
      await closed;
      expect(top).to.be.an('object');
    };
  }
});
