import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { Client } from '../../lib/client/client.ts';
import { receiveClient } from '../../lib/client/receiveclient.ts';
import { PLACES, stages } from '../support/client-stage.ts';
import { rejects } from '../support/rejects.ts';

describe('a client that ends before it was on a connection', () => {
  const url = 'ws://127.0.0.1:1';

  it('ends the loops that wait for its messages, and those that come later', async () => {
    const client = new Client({}, { url });
    const waiting = client[Symbol.asyncIterator]().next();
    await client.close();
    expect(await waiting).to.deep.equal({ done: true, value: undefined });
    expect(await client[Symbol.asyncIterator]().next()).to.deep.equal({ done: true, value: undefined });
  });

  it('gives what it gave up with to its reader, when its credentials could not be had', async () => {
    for (const thrown of [new Error('no such file'), undefined]) {
      const credentials = () => Promise.reject(thrown);
      const client = new Client({}, { url, retry: 0, credentials });
      const waiting = client[Symbol.asyncIterator]().next();
      await Promise.all([
        rejects(client.connect(), 'ERR_GUNPORT_AUTH'),
        rejects(waiting, 'ERR_GUNPORT_AUTH'),
      ]);
      expect((await client.closed).error?.cause).to.equal(thrown);
    }
  });
});

describe('receiveClient', () => {
  it('refuses a logger that is none, wherever its options stand', async () => {
    const { port1, port2 } = new MessageChannel();
    // Wrong on purpose.
    const options = { timeout: 1, logger: {} as never };
    await rejects(receiveClient(options), 'ERR_GUNPORT_OPTION');
    await rejects(receiveClient(undefined, options), 'ERR_GUNPORT_OPTION');
    await rejects(receiveClient(port1, options), 'ERR_GUNPORT_OPTION');
    port2.close();
  });
});

for (const place of PLACES) {
  describe(`a client that goes on, its adapter ${place}`, () => {
    const stage = stages();

    it('refuses a code that may not be sent, and has not begun to close', async () => {
      const { client, server, ready } = await stage(place, { reconnectOn: undefined });
      await rejects(client.close(99), 'ERR_GUNPORT_OPTION');
      await client.connect();
      await rejects(client.close(99), 'ERR_GUNPORT_OPTION');
      server.drop();
      await ready(2);
      await client.close();
    });

    it('keeps its credentials when others are refused', async () => {
      const { client, server, ready } = await stage(place, { credentials: 'me' });
      await client.connect();
      server.refuses = true;
      await rejects(client.authenticate('somebody'), 'ERR_GUNPORT_AUTH');
      server.refuses = false;
      server.drop();
      await ready(2);
      expect(client.isReady).to.equal(true);
    });

    it('gives a rollover up whose connection is refused again and again', async () => {
      const { client, server } = await stage(place, { credentials: 'me' });
      await client.connect();
      server.isDown = true;
      await rejects(client.rollover(), 'ERR_GUNPORT_UPGRADE_REFUSED');
      server.isDown = false;
      expect(await client.request({ method: 'echo', params: 1 })).to.equal(1);
    });

    it('opens nothing for a rollover that has its credentials when it is closed', async () => {
      let give: ((credentials: string) => void) | undefined;
      let calls = 0;
      const later = new Promise<string>((resolve) => {
        give = resolve;
      });
      const credentials = () => (++calls === 1 ? 'me' : later);
      const { client, server } = await stage(place, { credentials });
      await client.connect();
      const rolled = rejects(client.rollover(), 'ERR_GUNPORT_CLOSED');
      await client.close();
      give?.('me');
      await rolled;
      expect(server.connections).to.have.lengthOf(1);
    });
  });
}
