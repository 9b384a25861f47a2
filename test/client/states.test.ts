import { expect } from 'chai';
import { CLIENT_STATES, type ClientState, mayMove } from '../../lib/session/states.ts';
import { PLACES, stages } from '../support/client-stage.ts';

const UP: ClientState[] = ['connecting', 'connected', 'websocketConnected'];
const AGAIN: ClientState[] = ['disconnected', 'reconnecting', ...UP];

for (const place of PLACES) {
  describe(`the states of a client, its adapter ${place}`, () => {
    const stage = stages();

    it('check 22: are told once each, in the order of its life', async () => {
      const { client, server, ready } = await stage(place, { credentials: 'me' });
      const seen: ClientState[] = [];
      const wrong: string[] = [];
      client.on('state', ({ from, to, attempt, reason, delay }) => {
        if (from !== (seen.at(-1) ?? 'initialized') || !mayMove(from, to)) wrong.push(`${from} to ${to}`);
        if (client.state !== to) wrong.push(`told ${to}, is ${client.state}`);
        if ((to === 'reconnecting') !== (typeof delay === 'number')) wrong.push(`${to} in ${delay} ms`);
        if (to === 'disconnected' && !reason) wrong.push(`${to} without a reason`);
        if (attempt !== client.attempt) wrong.push(`attempt ${attempt} of ${client.attempt}`);
        seen.push(to);
      });
      expect(client.state).to.equal('initialized');
      await client.connect();
      server.drop();
      await ready(2);
      // An attempt that fails has its states too.
      server.isDown = true;
      server.drop();
      await server.until('failed', () => seen.filter((state) => state === 'reconnecting').length === 3);
      server.isDown = false;
      await ready(3);
      await client.close();
      expect(wrong).to.deep.equal([]);
      expect(seen.slice(0, 8)).to.deep.equal([...UP, ...AGAIN]);
      expect(seen.slice(-6)).to.deep.equal([...AGAIN, 'closed']);
      expect(new Set(seen).size).to.equal(CLIENT_STATES.length - 2);
      expect(seen.filter((state) => state === 'websocketConnected')).to.have.lengthOf(3);
    });
  });
}
