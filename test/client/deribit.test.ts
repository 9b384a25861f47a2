// deribit.test — a client, the Deribit adapter and an exchange: the whole path, on this thread and beside the socket.

import { inspect } from 'node:util';
import { expect } from 'chai';
import {
  adapter,
  type DeribitApi,
  type DeribitOptions,
  type DeribitTop,
} from '../../lib/adapters/deribit.ts';
import { Client } from '../../lib/client/client.ts';
import type { ClientOptions } from '../../lib/client/clientoptions.ts';
import { type GunportError, Pool } from '../../lib/index.ts';
import { seedOf } from '../support/chance.ts';
import { DeribitServer, type DeribitServerOptions } from '../support/deribit-server.ts';
import { rejects } from '../support/rejects.ts';

const MODULE = new URL('../../lib/adapters/deribit.js', import.meta.url);
const CREDENTIALS = { clientId: 'me', clientSecret: 'hush-hush' };
const BOOK = 'book.BTC-PERPETUAL.100ms';
const TRADES = 'trades.BTC-PERPETUAL.100ms';
const RAW = 'trades.BTC-PERPETUAL.raw';

for (const place of ['beside the socket', "on the owner's thread"] as const) {
  describe(`the Deribit adapter ${place}`, () => {
    const pool = new Pool({ threads: 1 });
    const open: AsyncDisposable[] = [];
    after(() => pool.close());
    afterEach(async () => {
      for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
    });

    async function stage(
      serving: DeribitServerOptions = {},
      options: ClientOptions = {},
      adapting: DeribitOptions = {},
    ): Promise<{ server: DeribitServer; client: Client }> {
      const server = await DeribitServer.start({ credentials: CREDENTIALS, ...serving });
      const target =
        place === 'beside the socket' ? { module: MODULE, options: adapting } : adapter(adapting);
      const client = new Client(target, { url: server.url, pool, retryTimeout: 1, ...options });
      open.push(server, client);
      return { server, client };
    }

    it('logs in before it subscribes, and delivers what comes', async () => {
      const { server, client } = await stage({}, { credentials: CREDENTIALS });
      const connected = client.connect();
      await Promise.all([client.subscribe(TRADES), client.subscribe(RAW), connected]);
      const seen = new Set<string>();
      for await (const message of client as Client<{ channel: string }>) {
        seen.add(message.channel);
        if (seen.size === 2) break;
      }
      const [connection] = server.report().connections;
      expect(connection?.methods).to.deep.equal([
        'public/set_heartbeat',
        'public/auth',
        'public/subscribe',
        'private/subscribe',
      ]);
      expect(await client.request({ method: 'public/get_time' })).to.be.a('number');
      const error = await rejects(client.request({ method: 'public/nonsense' }), 'ERR_GUNPORT_REPLY');
      expect(error.reason).to.deep.equal({ code: -32_601, message: 'Method not found' });
    });

    it('comes back from a cut: logs in, and subscribes to each channel once, in order', async () => {
      const { server, client } = await stage({}, { credentials: CREDENTIALS });
      await client.connect();
      for (const channel of [RAW, TRADES, BOOK]) await client.subscribe(channel);
      await client.unsubscribe(TRADES);
      for (let attempt = 2; attempt <= 3; attempt++) {
        const ready = new Promise<readonly string[]>((resolve) =>
          client.once('ready', ({ restored }) => resolve(restored)),
        );
        server.cut();
        const restored = await ready;
        expect(restored).to.deep.equal([RAW, BOOK]);
      }
      const { connections } = server.report();
      expect(connections).to.have.lengthOf(3);
      for (const { methods, subscribes } of connections.slice(1)) {
        expect(methods.slice(0, 2)).to.deep.equal(['public/set_heartbeat', 'public/auth']);
        expect(subscribes).to.deep.equal({ [RAW]: 1, [BOOK]: 1 });
      }
    });

    it("keeps a book through gaps and cuts: each top is the exchange's own at that number", async () => {
      const seed = seedOf();
      const serving = { every: 1, skip: 20, seed };
      const { server, client } = await stage(serving, {}, { books: true, depth: 5, rateLimit: false });
      await client.connect();
      await client.subscribe(BOOK);
      let [live, lost, cut] = [0, 0, false];
      for await (const top of client as Client<DeribitTop>) {
        if (top.state === 'waiting') {
          lost++;
          expect(top.bids).to.deep.equal([]);
          continue;
        }
        live++;
        const { bids, asks, sequence = 0 } = top;
        expect({ bids, asks }, `GUNPORT_SEED=${seed}`).to.deep.equal(server.topAt(BOOK, sequence));
        if (live === 30 && !cut) {
          cut = true;
          server.cut();
        }
        if (live >= 70 && lost >= 2) break;
      }
      expect(await client.remote<DeribitApi>().books()).to.deep.equal(['BTC-PERPETUAL']);
      expect(server.report().connections).to.have.lengthOf(2);
    });

    it('answers the heartbeats that the exchange demands, and comes back when its time is over', async () => {
      const { server, client } = await stage({ demand: 20, lifetime: 150 });
      const back = new Promise<void>((resolve) =>
        client.on('ready', ({ attempt }) => attempt === 2 && resolve()),
      );
      await client.connect();
      await back;
      const [first] = server.report().connections;
      expect(first).to.include({ cut: 'lifetime' });
      expect(first?.demanded).to.be.at.least(3);
      expect(first?.answered).to.be.at.least((first?.demanded ?? 0) - 1);
    });

    if (place === 'beside the socket') {
      it('renews its token ahead of the expiry, on the same connection', async () => {
        const { server, client } = await stage({ expires: 1.1 }, { credentials: CREDENTIALS });
        await client.connect();
        await new Promise((resolve) => client.once('authenticated', resolve));
        const { connections } = server.report();
        expect(connections).to.have.lengthOf(1);
        expect(connections[0]?.methods.filter((method) => method === 'public/auth')).to.have.lengthOf(2);
      });
    }

    it('gives up when its login is refused, and shows no secret', async () => {
      const { client } = await stage({}, { credentials: { ...CREDENTIALS, clientSecret: 'wrong-secret' } });
      const error = await client.connect().catch((reason: GunportError) => reason);
      expect(inspect([client, error], { depth: 10 })).to.not.include('wrong-secret');
      const codes = [error?.code, (error?.cause as GunportError | undefined)?.code];
      expect(codes).to.include('ERR_GUNPORT_AUTH');
      expect((await client.closed).error?.code).to.equal(error?.code);
      expect(client.state).to.equal('error');
    });

    it('tells of a channel that is refused, or not known', async () => {
      const { client } = await stage();
      await client.connect();
      const refused = await rejects(client.subscribe(RAW), 'ERR_GUNPORT_SUBSCRIPTION');
      expect(refused.message).to.include('unauthorized');
      await rejects(client.subscribe('weather.BTC'), 'ERR_GUNPORT_SUBSCRIPTION');
      expect(client.channels).to.deep.equal([]);
    });
  });
}
