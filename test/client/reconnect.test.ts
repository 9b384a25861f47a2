import { expect } from 'chai';
import { Client } from '../../lib/client/client.ts';
import { adapterAt, PLACES, stages } from '../support/client-stage.ts';
import { rejects } from '../support/rejects.ts';

for (const place of PLACES) {
  describe(`a client that loses its connection, its adapter ${place}`, () => {
    const stage = stages();

    it('check 24: sends and receives by the same handle after 3 drops', async () => {
      const { client, server, ready } = await stage(place, { credentials: { key: 'k' } });
      await client.connect();
      await client.subscribe('a');
      const read: unknown[] = [];
      const reading = (async () => {
        for await (const { n } of client) {
          read.push(n);
          server.changed();
          if (read.length === 4) break;
        }
      })();
      for (let n = 0; n < 4; n++) {
        await ready(n + 1);
        expect(await client.request({ method: 'echo', params: n })).to.equal(n);
        await client.send({ method: 'note', params: n });
        await server.until(`note ${n}`, () => server.last.log.includes(`note ${n}`));
        server.number('a');
        await server.until(`number ${n}`, () => read.length > n);
        if (n < 3) server.drop();
      }
      await reading;
      expect(read).to.deep.equal([0, 1, 2, 3]);
      expect(server.connections).to.have.lengthOf(4);
      expect(client.metrics().counters).to.include({ opened: 1, reconnected: 3, lost: 3 });
    });

    it('check 25: tells of each loss and each return once, and nothing of an old connection comes after', async () => {
      const { client, server, events, ready } = await stage(place);
      await client.connect();
      await client.subscribe('a');
      // Two reasons at a time to come back: it says goodbye, and is cut at once.
      server.last.socket.close(1001);
      server.drop();
      await ready(2);
      const old = await rejects(
        Promise.all([
          client.request({ method: 'hold', params: 1 }),
          server.until('held', () => server.held === 1).then(() => server.drop()),
        ]),
        'ERR_GUNPORT_CLOSED',
      );
      expect(old.message).to.include('lost');
      await ready(3);
      expect(await client.request({ method: 'echo', params: 1 })).to.equal(1);
      const told = (name: string) => events.filter((event) => event.startsWith(name));
      expect(told('ready')).to.deep.equal(['ready 1 ', 'ready 2 a', 'ready 3 a']);
      expect(told('state disconnected')).to.have.lengthOf(2);
      expect(server.connections).to.have.lengthOf(3);
    });

    it('check 26: asks for the same upgrade each time, with what its hook has renewed', async () => {
      const headers = { 'x-mine': 'kept' };
      const options = { headers, subprotocols: ['feed'] };
      const { client, server, ready } = await stage(place, options, { token: 'turn' });
      await client.connect();
      server.drop();
      await ready(2);
      for (const { headers: seen, protocol, number } of server.connections) {
        expect(seen['x-mine']).to.equal('kept');
        expect(protocol).to.equal('feed');
        expect(seen['x-token']).to.equal(`turn-${number}`);
      }
    });

    it('check 27: gives up for all to see, and for good', async () => {
      const { client, server, events, promises } = await stage(place, { retry: 2 });
      await client.connect();
      const pending = [
        promises.note('request', client.request({ method: 'hold' })),
        promises.note('subscribe', client.subscribe('mute')),
      ];
      const ended = Promise.allSettled(pending);
      await server.until('asked', () => server.held === 1 && server.last.asked.has('mute'));
      const down = client.connection!.monitor().down;
      const queued = new Promise<unknown>((resolve) => {
        client.once('state', () => client.send({ method: 'note' }).catch(resolve));
      });
      server.isDown = true;
      server.drop();
      const { error } = await client.closed;
      expect(error).to.include({ code: 'ERR_GUNPORT_GAVE_UP' });
      expect(error?.cause).to.include({ status: 503 });
      for (const { status } of await ended) expect(status).to.equal('rejected');
      expect(await queued).to.be.instanceOf(Error);
      expect(client.state).to.equal('error');
      expect(events.filter((event) => event.startsWith('gaveUp'))).to.have.lengthOf(1);
      expect(events.slice(-2).map((event) => event.split(' ')[0])).to.have.members(['gaveUp', 'close']);
      await down;
      expect(await rejects(client.connect(), 'ERR_GUNPORT_GAVE_UP')).to.equal(error);
      await rejects(client.send({ method: 'note' }), 'ERR_GUNPORT_GAVE_UP');
      server.isDown = false;
      expect(server.connections).to.have.lengthOf(1);
      await promises.settled(0);
    });

    it('check 23: comes back from 50 drops in a row', async () => {
      const { client, server, ready } = await stage(place);
      await client.connect();
      await client.subscribe('a');
      for (let n = 1; n <= 50; n++) {
        server.drop();
        await ready(n + 1);
      }
      expect(await client.request({ method: 'echo', params: 'still' })).to.equal('still');
      expect(server.connections.map(({ asked }) => asked.get('a'))).to.deep.equal(Array(51).fill(1));
    });

    it('is closed by its owner in each state, and does not come back', async () => {
      const never = await stage(place);
      expect(await never.client.close()).to.include({ code: 1006 });
      await rejects(never.client.connect(), 'ERR_GUNPORT_CLOSED');
      for (const state of ['connecting', 'connected', 'websocketConnected', 'disconnected', 'reconnecting']) {
        const { client, server, events } = await stage(place, { retryTimeout: 20 });
        let closed: Promise<unknown> | undefined;
        client.on('state', ({ to }) => {
          if (to === state) closed ??= client.close();
        });
        const connected = client.connect().catch(() => {});
        if (state === 'disconnected' || state === 'reconnecting') {
          await connected;
          server.drop();
        }
        await client.closed;
        await closed;
        await connected;
        expect(client.state, state).to.equal('closed');
        expect(events.at(-1), state).to.equal('close');
        expect(events.filter((event) => event === `state ${state}`)).to.have.lengthOf(1);
        expect(server.open.length, state).to.be.at.most(1);
        await server.until('all closed', () => server.open.length === 0);
      }
    });

    it('says goodbye with the code that its owner gives', async () => {
      const { client, server } = await stage(place);
      await client.connect();
      expect(await client.close(4001, 'enough')).to.include({ code: 4001, wasClean: true });
      await server.until('the close', () => server.last.code === 4001);
    });

    it('goes on trying when connect() is not waited for any longer', async () => {
      const { client, server } = await stage(place, { credentials: 'me' });
      server.mute = true;
      await rejects(client.connect({ timeout: 30 }), 'ERR_GUNPORT_TIMEOUT');
      await rejects(client.ready({ signal: AbortSignal.timeout(5) }), 'ERR_GUNPORT_ABORTED');
      server.mute = false;
      server.drop();
      await client.connect();
      expect(client.isReady).to.equal(true);
    });

    it('gives up at once when its credentials are refused', async () => {
      const { client, server } = await stage(place, { credentials: { key: 'wrong' } });
      server.refuses = true;
      const error = await rejects(client.connect(), 'ERR_GUNPORT_AUTH');
      expect((await client.closed).error).to.equal(error);
      expect(client.state).to.equal('error');
      expect(server.connections).to.have.lengthOf(1);
    });
  });
}

describe('a client that was not connected', () => {
  it('rejects what it is asked for', async () => {
    const client = new Client(adapterAt("on the owner's thread"), { url: 'ws://127.0.0.1:9' });
    await rejects(client.send('x'), 'ERR_GUNPORT_NOT_CONNECTED');
    await rejects(client.rollover(), 'ERR_GUNPORT_NOT_CONNECTED');
    await client.close();
    await rejects(client.request('x'), 'ERR_GUNPORT_CLOSED');
  });
});
