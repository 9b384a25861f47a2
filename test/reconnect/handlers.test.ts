import { once } from 'node:events';
import { expect } from 'chai';
import type { HandlerFactory } from '../../lib/handler.ts';
import type { GunportError, LostNotice } from '../../lib/index.ts';
import { counting } from '../support/attempts.ts';
import { moduleOf } from '../support/failures.ts';
import { drain, feeds, frame, take } from '../support/feeds.ts';
import { wsPeer } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';
import { reset } from '../support/reset.ts';

/** The same handler on either side: a function here, or its source there. */
const PLACES = {
  'beside the socket': (factory: HandlerFactory) => moduleOf(`export default ${factory.toString()}`),
  "on its owner's thread": (factory: HandlerFactory) => factory,
};

for (const [place, given] of Object.entries(PLACES)) {
  describe(`a handler ${place}`, () => {
    const { connect, keep } = feeds();

    /** Closes each client but the last with 4001. */
    const refusing = (last = 3) =>
      keep(
        counting(async (one, number) => {
          if (number >= last) return;
          one.send(frame(0x88, Uint8Array.of(0x0f, 0xa1)));
          await one.read();
          one.end();
        }),
      );

    it('brings a WebSocket back that was closed, with the code as the reason of the loss', async () => {
      const server = await refusing();
      const handler = given(() => ({
        message: (text) => text,
        retrying: ({ error, failures }) => error.reason === 4001 && { delay: failures },
      }));
      const feed = await connect(server.url, { handler });
      const down = once(feed, 'down');
      expect(await take(feed, 3)).to.deep.equal(['1', '2', '3']);
      const [{ reason }] = (await down) as [{ reason: GunportError }];
      expect(reason).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: 4001 });
    });

    it('leaves it closed by choosing nothing, or false: the code is told, and there is no other attempt', async () => {
      for (const factory of [
        () => ({ message: (text: unknown) => text, retrying: () => undefined }),
        () => ({ message: (text: unknown) => text, retrying: () => false as const }),
        () => ({ message: (text: unknown) => text }),
      ]) {
        const server = await refusing();
        const feed = await connect(server.url, { handler: given(factory) });
        const { messages, error } = await drain(feed);
        expect([messages, server.taken]).to.deep.equal([['1'], 1]);
        expect(error).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: 4001 });
        expect(await feed.closed).to.include({ code: 4001, wasClean: true });
      }
    });

    it('gives up a lost one by choosing false, whatever retries are left', async () => {
      const server = await keep(counting((one) => reset(one.socket)));
      const handler = given(() => ({ retrying: () => false }));
      const feed = await connect(server.url, { handler });
      const { error } = await drain(feed);
      expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
      expect(server.taken).to.equal(1);
    });

    it('check 26: renews each attempt, the first too; and is told of what it waits for', async () => {
      const tokens: (string | undefined)[] = [];
      const server = await keep(
        wsPeer((one) => {
          tokens.push(one.header('x-token'));
          one.send(frame(0x81, 'hello'));
          if (tokens.length < 3) reset(one.socket);
        }),
      );
      const handler = given((_options, context) => {
        const waits: string[] = [];
        return {
          connecting: async ({ attempt, lastError }) => ({
            headers: { 'x-token': `${attempt} ${lastError?.code ?? 'first'} ${waits.join()}` },
          }),
          waiting: ({ delay, error }) => void waits.push(`${delay} ${error.code}`),
          message: () => (context.state === 'open' ? waits.length : 'not open'),
        };
      });
      const backoff = { strategy: 'linear', first: 1, immediate: false } as const;
      const feed = await connect(server.url, { handler, backoff });
      const downs: LostNotice[] = [];
      feed.connection.on('down', (down) => downs.push(down));
      while (tokens.length < 3) await new Promise((resolve) => setImmediate(resolve));
      const closed = 'ERR_GUNPORT_CLOSED';
      expect(tokens).to.deep.equal([
        '1 first',
        `2 ${closed} 1 ${closed}`,
        `3 ${closed} 1 ${closed},2 ${closed}`,
      ]);
      expect(downs).to.have.lengthOf(2);
    });

    it('fails an attempt by what connecting throws, with that as the cause', async () => {
      const server = await refusing();
      const handler = given(() => ({
        connecting: () => {
          throw new RangeError('no token');
        },
      }));
      const error = await rejects(connect(server.url, { handler }), 'ERR_GUNPORT_HANDLER');
      expect(error.cause).to.include({ name: 'RangeError', message: 'no token' });
      expect(server.taken).to.equal(0);
    });
  });
}
