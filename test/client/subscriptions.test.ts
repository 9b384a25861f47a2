import { expect } from 'chai';
import { PLACES, stages } from '../support/client-stage.ts';
import { rejects } from '../support/rejects.ts';

for (const place of PLACES) {
  describe(`subscriptions of a client, its adapter ${place}`, () => {
    const stage = stages();

    it('check 36: are asked for once on each connection, in order; what was left is not', async () => {
      const { client, server, ready, events } = await stage(place);
      await client.connect();
      for (const channel of ['a', 'b', 'c', 'd']) await client.subscribe(channel, { of: channel });
      expect(await client.unsubscribe('b')).to.equal(true);
      expect(await client.unsubscribe('b')).to.equal(false);
      await client.subscribe('a');
      for (const attempt of [2, 3]) {
        server.drop();
        await ready(attempt);
        expect(server.last.log).to.deep.equal(['subscribe a', 'subscribe c', 'subscribe d']);
      }
      expect(client.channels).to.deep.equal(['a', 'c', 'd']);
      expect(events).to.include('ready 3 a,c,d');
      expect(server.connections[0]?.log).to.deep.equal([
        ...['subscribe a', 'subscribe b', 'subscribe c', 'subscribe d'],
        'unsubscribe b',
      ]);
    });

    it('check 36: that are pending are asked for again too, and are confirmed then', async () => {
      const { client, server, ready } = await stage(place);
      await client.connect();
      server.mute = true;
      const pending = client.subscribe('a');
      await server.until('asked', () => server.last.asked.has('a'));
      server.mute = false;
      server.drop();
      expect(await pending).to.include({ channel: 'a', state: 'confirmed', attempts: 2 });
      await ready(2);
      expect(server.last.log).to.deep.equal(['subscribe a']);
    });

    it('check 36: that nobody answers expire, those refused fail, and neither comes back', async () => {
      const { client, server, events, errors, ready } = await stage(place, { subscriptionTimeout: 40 });
      await client.connect();
      const [expired, failed] = await Promise.all([
        rejects(client.subscribe('mute'), 'ERR_GUNPORT_SUBSCRIPTION'),
        rejects(client.subscribe('no'), 'ERR_GUNPORT_SUBSCRIPTION'),
      ]);
      expect(expired.message).to.include('40 ms');
      expect(failed.message).to.include('no such channel');
      await server.until('both', () => errors.length === 2);
      expect(events).to.include.members(['subscription mute expired', 'subscription no failed']);
      server.drop();
      await ready(2);
      expect(server.last.log).to.deep.equal([]);
      // A new request for it is another one.
      await client.subscribe('yes');
      expect(client.channels).to.deep.equal(['yes']);
    });

    it('asked for while the client is down, are there when it is ready, and are confirmed once', async () => {
      const { client, server, ready, events } = await stage(place, { retryTimeout: 20 });
      await client.connect();
      await client.subscribe('a');
      const asked: Promise<unknown>[] = [];
      client.once('state', () =>
        asked.push(client.subscribe('b'), client.subscribe('b'), client.unsubscribe('a')),
      );
      server.drop();
      await ready(2);
      await Promise.all(asked);
      expect(server.last.log).to.deep.equal(['subscribe b']);
      expect(client.channels).to.deep.equal(['b']);
      expect(events.filter((event) => event === 'subscription b confirmed')).to.have.lengthOf(1);
    });
  });
}
