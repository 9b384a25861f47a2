import { expect } from 'chai';
import type { Act, Adapter, AdapterContext } from '../../lib/session/adapter.ts';
import type { HookedOptions } from '../support/hooked.ts';
import { hooked } from '../support/hooked.ts';
import { type Subject, subjectOf } from '../support/hooked-client.ts';

/** A promise, and what settles it. */
function later<T>(): { readonly promise: Promise<T>; readonly settle: (value: T) => void } {
  let settle: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, settle };
}

const credentials = { user: 'me' };
const subjects: Subject[] = [];
const make = async (...given: Parameters<typeof subjectOf>): Promise<Subject> => {
  const made = await subjectOf(...given);
  subjects.push(made);
  return made;
};
/** The hooked adapter, with some hooks that are a test's own. */
const adapter = (more: Adapter, options: HookedOptions = {}): Adapter => {
  const whole = hooked(options);
  return { ...whole, ...more, message: { ...whole.message, ...more.message } };
};

describe('hooks of an adapter, when a connection is lost', () => {
  afterEach(() => Promise.all(subjects.splice(0).map((one) => one.end())));

  for (const act of [{ type: 'reconnect' }, { type: 'retry', delay: 0 }] as const) {
    it(`mean nothing for the next one by a promise of ${act.type} that comes late`, async () => {
      const { promise, settle } = later<Act>();
      const made = await make(adapter({ message: { handle: () => promise } }), { retryTimeout: 5 });
      await made.client.connect();
      made.server.say({ type: 'news' });
      await made.works();
      made.server.drop();
      await made.until('another connection', () => made.server.connections === 2 && made.client.isReady);
      settle(act);
      expect(await made.works()).to.equal(2);
      made.server.drop();
      await made.until('a third', () => made.server.connections === 3 && made.client.isReady);
      expect(made.states.filter((state) => state === 'reconnecting 0')).to.have.length(1);
    });
  }

  it('log in once on the next one, where the message of the login was late', async () => {
    const { promise, settle } = later<unknown>();
    const asked = later<void>();
    let logins = 0;
    const login = () => {
      asked.settle();
      return ++logins === 1 ? promise : { type: 'login', n: logins };
    };
    const made = await make(adapter({ auth: { ...hooked({}).auth, login } }), { credentials });
    const connected = made.client.connect();
    await asked.promise;
    made.server.drop();
    await connected;
    settle({ type: 'login', n: 1 });
    expect(await made.works()).to.equal(2);
    expect(made.server.of('login').map(({ n }) => n)).to.deep.equal([2]);
  });

  it('have a login that hangs left after authTimeout', async () => {
    let logins = 0;
    const login = () => (++logins === 1 ? new Promise(() => {}) : { type: 'login' });
    const auth = { ...hooked({}).auth, login };
    const made = await make(adapter({ auth }, { comesBack: true }), { credentials, authTimeout: 100 });
    await made.client.connect();
    expect(await made.works()).to.be.at.least(2);
    expect(made.errors).to.include('auth the login was not answered within 100 ms');
  });

  it('log in one at a time, however many want it', async () => {
    const made = await make(adapter({}), { credentials });
    await made.client.connect();
    await Promise.all([1, 2, 3].map((user) => made.client.authenticate({ user })));
    // With other credentials each time: what the last token could be renewed with is not asked for.
    expect(made.server.of('login')).to.have.length(4);
    expect(made.server.of('refresh')).to.have.length(0);
    expect(await made.works()).to.equal(1);
  });

  it('may ask the server and wait for it in open, ahead of the login', async () => {
    const answers: unknown[] = [];
    const factory = (_: unknown, context: AdapterContext): Adapter =>
      adapter({
        connection: {
          open: async () => {
            answers.push(await context.request({ type: 'ask', what: 'first' }));
            await context.send({ type: 'said', n: 1 });
            return undefined;
          },
        },
      });
    const made = await make(factory, { credentials });
    await made.client.connect();
    expect(answers).to.deep.equal(['first']);
    expect(made.server.heard.map(({ type }) => type)).to.deep.equal(['ask', 'said', 'login']);
  });

  it('keep what is asked for while a connection is given up for the next one', async () => {
    const once: Act[] = [{ type: 'reconnect' }];
    const made = await make(adapter({ message: { handle: () => once.shift() } }));
    await made.client.connect();
    await made.client.subscribe('a');
    const asked: Promise<unknown>[] = [];
    made.client.once('message', () =>
      asked.push(made.client.subscribe('b'), made.client.send({ type: 'said' })),
    );
    made.server.say({ type: 'news' });
    await made.until('another connection', () => made.server.connections === 2 && made.client.isReady);
    await Promise.all(asked);
    expect(asked).to.have.length(2);
    expect(await made.works()).to.equal(2);
    expect(made.client.channels).to.deep.equal(['a', 'b']);
    expect(
      made.server
        .of('subscribe')
        .slice(-2)
        .map(({ channel }) => channel),
    ).to.deep.equal(['a', 'b']);
    expect(made.errors.filter((error) => error.startsWith('subscription'))).to.deep.equal([]);
  });

  it('come back by the policy, no faster, to a server that says nothing', async () => {
    const made = await make(adapter({}), { idleTimeout: 10, retryTimeout: 5 });
    await made.client.connect();
    const waits = () => made.states.filter((state) => state.startsWith('reconnecting'));
    await made.until('three of them', () => waits().length === 3);
    expect(waits()).to.deep.equal(['reconnecting 0', 'reconnecting 5', 'reconnecting 5']);
  });
});
