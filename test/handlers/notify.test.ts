// notify.test — what a handler tells its owner out of band, also before anybody can listen.

import { once } from 'node:events';
import { expect } from 'chai';
import { connect, type HandlerContext } from '../../lib/index.ts';
import { serve } from '../../lib/testing/index.ts';

describe("a handler's notify()", () => {
  it('keeps what is told before connect() has resolved for the first listener, in order, and no more than 100', async () => {
    const server = await serve();
    const feed = await connect(server.url, {
      handler: (_: unknown, context: HandlerContext) => ({
        open: () => {
          for (let i = 0; i < 150; i++) context.notify(i);
        },
        api: { tell: (value: unknown) => context.notify(value) },
      }),
    });
    const told: unknown[] = [];
    feed.on('notify', (value) => told.push(value));
    const last = once(feed, 'notify');
    await feed.remote<{ tell(value: unknown): void }>().tell('now');
    await last;
    await feed.close();
    expect(told).to.deep.equal([...Array(100).keys(), 'now']);
    await server.stop();
  });
});
