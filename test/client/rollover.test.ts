import { expect } from 'chai';
import { numbers, PLACES, stages } from '../support/client-stage.ts';
import { range } from '../support/numbers.ts';
import { rejects } from '../support/rejects.ts';

for (const place of PLACES) {
  describe(`a client that goes over to a fresh connection, its adapter ${place}`, () => {
    const stage = stages();

    it('gives every number once and in order, through three rollovers under full flow', async () => {
      const { client, server, events } = await stage(place, { credentials: 'me' });
      await client.connect();
      for (const channel of ['a', 'b']) await client.subscribe(channel);
      const found: number[] = [];
      let wanted = Number.POSITIVE_INFINITY;
      const reading = (async () => {
        for await (const { n } of client) {
          found.push(n!);
          server.changed();
          if (found.length >= wanted) break;
        }
      })();
      server.flow('a');
      for (let turn = 1; turn <= 3; turn++) {
        const before = found.length;
        await client.rollover();
        await server.until('flow', () => found.length > before + 100);
      }
      wanted = found.length + 500;
      await reading;
      server.stopFlow();
      expect(found).to.deep.equal(range(0, found.length));
      await server.until('the old ones closed', () => server.open.length === 1);
      expect(server.connections.map(({ log }) => log)).to.deep.equal(
        Array(4).fill(['auth', 'subscribe a', 'subscribe b']),
      );
      expect(server.connections.slice(0, 3).map(({ code }) => code)).to.deep.equal([1000, 1000, 1000]);
      expect(events.filter((event) => event.startsWith('rollover'))).to.have.lengthOf(3);
      expect(events.filter((event) => event.startsWith('state'))).to.have.lengthOf(3);
      expect(client.attempt).to.equal(4);
    });

    it('gives all to a slow reader, and to events', async () => {
      const { client, server } = await stage(place, { maxBuffered: 1_000 });
      await client.connect();
      await client.subscribe('a');
      server.number('a', 300);
      const rolled = client.rollover().then(() => server.number('a', 100));
      const found: number[] = [];
      for await (const { n } of client) {
        found.push(n!);
        if (found.length === 400) break;
        if (found.length % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await rolled;
      client.on('message', ({ n }) => {
        found.push(n!);
        server.changed();
      });
      server.number('a', 50);
      await Promise.all([client.rollover(), server.until('450', () => found.length === 450)]);
      server.number('a', 50);
      await server.until('500', () => found.length === 500);
      expect(found).to.deep.equal(range(0, 500));
    });

    it('stays where it is when the fresh one comes to nothing', async () => {
      const { client, server, events } = await stage(place, { credentials: 'me', retry: 1 });
      await client.connect();
      await client.subscribe('a');
      server.refuses = true;
      await rejects(client.rollover(), 'ERR_GUNPORT_AUTH');
      server.refuses = false;
      server.isDown = true;
      await rejects(client.rollover(), 'ERR_GUNPORT_UPGRADE_REFUSED');
      server.isDown = false;
      server.number('a', 3);
      expect(await numbers(client, 3)).to.deep.equal([0, 1, 2]);
      expect(await client.request({ method: 'echo', params: 1 })).to.equal(1);
      await server.until('nothing left', () => server.open.length === 1);
      expect(server.open[0]).to.equal(server.connections[0]);
      expect(events.filter((event) => event.startsWith('state'))).to.have.lengthOf(3);
    });

    it('ends up on one connection when both sockets are lost in the midst', async () => {
      const { client, server } = await stage(place, { credentials: 'me' });
      await client.connect();
      await client.subscribe('a');
      server.mute = true;
      const rolled = client.rollover();
      await server.until('the second', () => server.connections[1]?.log.length === 1);
      server.mute = false;
      server.drop();
      await rolled;
      await server.until('one', () => server.open.length === 1);
      expect(client.isReady).to.equal(true);
      server.number('a', 3);
      expect(await numbers(client, 3)).to.deep.equal([0, 1, 2]);
      expect(server.open[0]?.log).to.deep.equal(['auth', 'subscribe a']);
    });

    it('is closed in the midst, with both connections', async () => {
      const { client, server } = await stage(place, { credentials: 'me' });
      await client.connect();
      server.mute = true;
      const rolled = client.rollover().catch((error: Error) => error);
      await server.until('the second', () => server.connections[1]?.log.length === 1);
      await client.close();
      expect(await rolled).to.include({ code: 'ERR_GUNPORT_CLOSED' });
      await server.until('none', () => server.open.length === 0);
    });

    it('does so by itself, ahead of a server that cuts after a time: without a gap', async () => {
      const { client, server, events } = await stage(place, { rollover: 60 });
      server.lifetime = 400;
      await client.connect();
      await client.subscribe('a');
      server.flow('a', 1);
      const reading = numbers(client, Number.POSITIVE_INFINITY);
      const rollovers = () => events.filter((event) => event.startsWith('rollover')).length;
      await server.until('rollovers', () => rollovers() >= 4);
      server.stopFlow();
      const last = server.count;
      await server.until('all', () => true);
      const { messagesDelivered } = client.metrics().counters;
      await client.close();
      const found = await reading;
      expect(found).to.deep.equal(range(0, found.length));
      expect(found.length).to.be.within(1, Math.min(last, messagesDelivered));
      expect(events.filter((event) => event === 'state disconnected')).to.have.lengthOf(0);
    });
  });
}
