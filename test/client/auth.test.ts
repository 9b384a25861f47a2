import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { clientOf, receiveOwnership } from '../../lib/index.ts';
import type { Logger } from '../../lib/session/logging.ts';
import { PLACES, stages } from '../support/client-stage.ts';
import { rejects } from '../support/rejects.ts';

const SECRET = 'hush-hush-0815';
const credentials = { key: 'me', secret: SECRET };

/** Keeps all that it is given, as a text. */
function keeper(): Logger & { readonly kept: string[] } {
  const kept: string[] = [];
  const keep = (...given: unknown[]): void => void kept.push(inspect(given, { depth: 10 }));
  return { kept, trace: keep, debug: keep, info: keep, warn: keep, error: keep };
}

for (const place of PLACES) {
  describe(`the login of a client, its adapter ${place}`, () => {
    const stage = stages();

    it('check 37: is made on each connection, ahead of its subscriptions', async () => {
      const { client, server, ready } = await stage(place, { credentials: () => credentials });
      await client.connect();
      await client.subscribe('a');
      server.drop();
      await ready(2);
      expect(server.last.log).to.deep.equal(['auth', 'subscribe a']);
      expect(server.last.logins).to.deep.equal([credentials]);
      expect((await client.status()).authenticated).to.equal(true);
    });

    it('uses the credentials that it was given last, on later connections too', async () => {
      const { client, server, ready } = await stage(place, { credentials });
      await client.connect();
      const other = { key: 'another', secret: SECRET };
      await client.authenticate(other);
      server.drop();
      await ready(2);
      expect(server.connections.map(({ logins }) => logins)).to.deep.equal([[credentials, other], [other]]);
    });

    it('check 37: shows no secret in logs, events, metrics, status and views, however it goes', async () => {
      const logger = keeper();
      const seen: string[] = [];
      const see = (...given: unknown[]): void => void seen.push(inspect(given, { depth: 10 }));
      for (const refuses of [false, true]) {
        const { client, server, ready, events } = await stage(place, {
          ...{ credentials, logger, logLevel: 'trace' },
        });
        for (const name of ['state', 'subscription', 'error', 'fault', 'gaveUp', 'close'] as const)
          client.on(name, see);
        await client.connect();
        await client.subscribe('a');
        see(client, client.metrics(), await client.status());
        server.refuses = refuses;
        server.drop();
        if (refuses) see(await client.closed, await rejects(client.connect(), 'ERR_GUNPORT_AUTH'));
        else await ready(2);
        see(client, events);
      }
      const all = [...logger.kept, ...seen].join('\n');
      expect(logger.kept.length).to.be.above(4);
      expect(all.includes(SECRET), all.slice(Math.max(0, all.indexOf(SECRET) - 500)).slice(0, 600)).to.equal(
        false,
      );
      expect(all).to.not.include('token-');
    });
  });
}

describe('the login of a client', () => {
  const stage = stages();

  // A second is the least that is between two.
  it('check 37: is made anew ahead of its expiry, on the same connection', async () => {
    const { client, server, events } = await stage(
      'beside the socket',
      { credentials },
      { refreshBefore: 10_000 },
    );
    server.expiresIn = 10_050;
    await client.connect();
    await server.until('another', () => server.last.log.length >= 2);
    await server.until('told', () => events.filter((event) => event === 'authenticated').length >= 2);
    expect(server.connections).to.have.lengthOf(1);
    expect(client.isReady).to.equal(true);
  });

  for (const place of PLACES) {
    it(`check 37: is not shown to who listens to frames ${place}, nor its answer; all else is`, async () => {
      const frames: string[] = [];
      const { client, server } = await stage(place, { credentials });
      const hear = (message: unknown): void => {
        // Of the channels below.
        const { frame, payload } = message as { frame?: { payload: Uint8Array }; payload?: Uint8Array };
        frames.push(Buffer.from(frame?.payload ?? payload ?? []).toString());
        server.changed();
      };
      const names = ['gunport:ws:send-frame:end', 'gunport:ws:recv-frame:end'] as const;
      for (const name of names) subscribe(name, hear);
      try {
        await client.connect();
        await client.authenticate({ ...credentials, key: 'another' });
        // Sent, and answered.
        await client.request({ method: 'echo', params: 'seen' });
        await server.until('both', () => frames.filter((frame) => frame.includes('seen')).length === 2);
        expect(server.last.logins).to.have.lengthOf(2);
        expect(frames.join()).to.not.include(SECRET).and.not.include('token-');
      } finally {
        for (const name of names) unsubscribe(name, hear);
      }
    });
  }

  it('check 37: goes along to another owner with its credentials, and no other secret', async () => {
    const { client, server } = await stage('beside the socket', { credentials });
    await client.connect();
    const { port1, port2 } = new MessageChannel();
    const [received] = await Promise.all([receiveOwnership(port1), client.transferOwnership(port2)]);
    const { checked, ...record } = received.data as { checked: Record<string, unknown> };
    expect(checked['credentials']).to.deep.equal(credentials);
    const rest = inspect([{ ...checked, credentials: undefined }, record], { depth: 10 });
    expect(rest).to.not.include(SECRET).and.not.include('token-');
    const taken = clientOf(received)!;
    expect(await taken.request({ method: 'echo', params: 1 })).to.equal(1);
    expect(server.connections).to.have.lengthOf(1);
    await taken.close();
    port1.close();
  });
});
