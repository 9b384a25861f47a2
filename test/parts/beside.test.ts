// Tests of parts beside a real socket: handler modules made of them.

import { once } from 'node:events';
import { expect } from 'chai';
import { arrived, feeds, frame, take, wordsOf } from '../support/feeds.ts';
import type { BooksApi } from '../support/part-handler.ts';

const module = new URL('../support/part-handler.js', import.meta.url);

describe('a handler made of parts', () => {
  const { talk } = feeds();
  const texts = (...values: readonly unknown[]): Buffer =>
    Buffer.concat(values.map((value) => frame(0x81, JSON.stringify(value))));

  it('delivers what its parts pass on', async () => {
    const { feed, server } = await talk({ handler: { module, export: 'quotes', options: { symbol: 'b' } } });
    const notified = once(feed, 'notify');
    const values = [...'abbab'].map((symbol, i) => ({ symbol, sequence: [1, 1, 1, 2, 4][i] }));
    server.send(texts(...values));
    expect(await take(feed, 2)).to.deep.equal([values[1], values[4]]);
    expect(await notified).to.deep.equal([{ expected: 2 }]);
  });

  it('conflates while the owner takes nothing', async () => {
    const { feed, server } = await talk({ flow: 1, handler: { module, export: 'latest' } });
    const values = [...'aababca'].map((symbol, sequence) => ({ symbol, sequence }));
    // What comes in one read leaves together: the first uses up the credit.
    server.send(texts(values[0]));
    await arrived(feed, 1);
    server.send(texts(...values.slice(1)));
    await arrived(feed, values.length);
    expect(await take(feed, 1)).to.deep.equal([values[0]]);
    feed.updateFlow(10);
    expect(await take(feed, 3)).to.deep.equal([values[6], values[4], values[5]]);
  });

  it('keeps a book, asks for its snapshot behind a gap, and answers questions about it', async () => {
    const { feed, server } = await talk({ handler: { module, export: 'books' } });
    const snapshot = (sequence: number) => ({ type: 'snapshot', bids: [[9, 1]], sequence });
    const delta = (sequence: number) => ({ type: 'delta', bids: [[10, sequence]], sequence });
    server.send(texts(snapshot(1), delta(2), delta(4)));
    expect(wordsOf(await server.read())).to.equal('text snapshot from 4');
    server.send(texts(delta(5), snapshot(3)));
    expect(await take(feed, 4)).to.deep.equal([
      { state: 'live', bids: [[9, 1]], asks: [], sequence: 1 },
      { state: 'live', bids: [[10, 2]], asks: [], sequence: 2 },
      { state: 'waiting', bids: [], asks: [] },
      { state: 'live', bids: [[10, 5]], asks: [], sequence: 5 },
    ]);
    expect(await feed.remote<BooksApi>().best()).to.deep.equal([10, 5]);
  });
});
