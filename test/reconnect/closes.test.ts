import { once } from 'node:events';
import { expect } from 'chai';
import type { GunportError } from '../../lib/index.ts';
import { counting } from '../support/attempts.ts';
import { drain, feeds, frame, take } from '../support/feeds.ts';

describe('reconnectOn', () => {
  const { connect, keep } = feeds();

  /** Closes each client but the last with this code. */
  const closing = (code: number | undefined, last = 2) =>
    keep(
      counting(async (one, number) => {
        if (number >= last) return;
        one.send(frame(0x88, code === undefined ? '' : Uint8Array.of(code >> 8, code & 0xff)));
        await one.read();
        one.end();
      }),
    );

  for (const code of [1000, 1001, 1008, 1011, 4001]) {
    it(`brings it back after ${code} where that is named, with the code as the reason of the loss`, async () => {
      const server = await closing(code);
      const feed = await connect(server.url, { reconnectOn: [code], backoff: { first: 1 } });
      const down = once(feed, 'down');
      expect(await take(feed, 2)).to.deep.equal(['1', '2']);
      const [{ reason }] = (await down) as [{ reason: GunportError }];
      expect(reason).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: code });
    });
  }

  it('does not bring it back after others; those that are named replace the default', async () => {
    for (const code of [1000, 1012]) {
      const server = await closing(code);
      const feed = await connect(server.url, { reconnectOn: [4000], backoff: { first: 1 } });
      const { messages } = await drain(feed);
      expect([messages, server.taken]).to.deep.equal([['1'], 1]);
      expect(await feed.closed).to.include({ code, wasClean: true });
    }
  });

  it("'any' brings it back after a close without a code, and after what we close for ourselves", async () => {
    const server = await closing(undefined);
    const feed = await connect(server.url, { reconnectOn: 'any' });
    expect(await take(feed, 2)).to.deep.equal(['1', '2']);
    const hostile = await keep(
      counting(async (one, number) => {
        if (number > 1) return;
        one.send('ff 00');
        await one.read();
        one.end();
      }),
    );
    const other = await connect(hostile.url, { reconnectOn: 'any' });
    const down = once(other, 'down');
    expect(await take(other, 2)).to.deep.equal(['1', '2']);
    const [{ reason }] = (await down) as [{ reason: GunportError }];
    expect(reason.code).to.equal('ERR_GUNPORT_PROTOCOL');
  });

  it('goes by the policy: it gives up when no retry is left', async () => {
    const server = await closing(1000, 99);
    const feed = await connect(server.url, { reconnectOn: [1000], retry: 2, backoff: { first: 1 } });
    const { messages, error } = await drain(feed);
    expect(messages).to.deep.equal(['1', '2', '3']);
    expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
  });
});
