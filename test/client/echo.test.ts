// echo.test — a client and the echo adapter, on this thread and beside the socket.

import { expect } from 'chai';
import echo from '../../lib/adapters/echo.ts';
import { Client } from '../../lib/client/client.ts';
import { Pool } from '../../lib/index.ts';
import type { ScriptedServer } from '../../lib/testing/index.ts';
import { echoServer } from '../support/echo-server.ts';

const MODULE = new URL('../../lib/adapters/echo.js', import.meta.url);

describe('the echo adapter in a client', () => {
  const pool = new Pool({ threads: 1 });
  let server: ScriptedServer;
  before(async () => {
    server = await echoServer();
  });
  after(async () => {
    await server.stop();
    await pool.close();
  });

  for (const [place, target] of [
    ['beside the socket', { module: MODULE }],
    ["on the owner's thread", echo()],
  ] as const) {
    it(`sends, asks and subscribes ${place}`, async () => {
      await using client = new Client(target, { url: server.url, pool, retryTimeout: 1 });
      await client.connect();
      const got: unknown[] = [];
      const all = new Promise<void>((resolve) =>
        client.on('message', (message) => got.push(message) === 3 && resolve()),
      );
      await client.send('hello');
      await client.send({ price: 7 });
      await client.send(new Uint8Array([1, 2]));
      await all;
      expect(got).to.deep.equal(['hello', { price: 7 }, new Uint8Array([1, 2])]);
      expect(await client.request({ text: 'x' })).to.deep.include({ text: 'x' });
      expect(await client.subscribe('news', { since: 1 })).to.include({ state: 'confirmed' });
      expect(await client.unsubscribe('news')).to.equal(true);
      expect(await client.ping()).to.be.at.least(0);
    });
  }
});
