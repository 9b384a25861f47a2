import { expect } from 'chai';
import type { HookName } from '../support/hooked.ts';
import { type Kind, type Subject, subject } from '../support/hooked-client.ts';
import { HOOKS, tour } from '../support/hooked-tour.ts';

const KINDS: readonly Kind[] = ['object', 'function', 'module'];
/** Where no hook reads a message for the login and the subscriptions: then their replies say it. */
const BY_REPLIES: readonly HookName[] = ['auth.response', 'subscription.response'];

const subjects: Subject[] = [];
const make = async (...given: Parameters<typeof subject>): Promise<Subject> => {
  const made = await subject(...given);
  subjects.push(made);
  return made;
};

describe('hooks of an adapter', () => {
  afterEach(() => Promise.all(subjects.splice(0).map((one) => one.end())));

  it('check 33: are each reached from something on a socket, wherever the adapter is', async () => {
    const reached = async (kind: Kind): Promise<void> => {
      const credentials = { user: 'me' };
      const tells = await make(kind, { interval: 15 }, { credentials, retryTimeout: 5 });
      const replies = await make(
        kind,
        { interval: 15, without: BY_REPLIES },
        { credentials, retryTimeout: 5 },
      );
      const quiet = await make(kind, {}, { idleTimeout: 20 });
      // Its login is due again as soon as any is: after a second. What it is asked then it throws at.
      const again = await make(kind, { orders: { 'auth.needed': { throws: 'broken' } } }, { credentials });
      again.server.expiresIn = 1;
      await Promise.all([tour(tells), tour(replies), quiet.client.connect(), again.client.connect()]);
      await quiet.called('connection.idle');
      await again.until('another login', () => again.server.of('refresh').length > 0);
      expect(again.server.of('refresh')[0]).to.include({ refreshToken: 'refresh-1' });
      expect(again.faults.map(({ error }) => error.message)).to.deep.equal(['broken']);
      const calls = await Promise.all([tells, replies, quiet, again].map((one) => one.calls()));
      const names = new Set(calls.flat());
      expect(
        HOOKS.filter((name) => !names.has(name)),
        kind,
      ).to.deep.equal([]);
    };
    await Promise.all(KINDS.map(reached));
  });
});
