import { expect } from 'chai';
import type { HookName, Order } from '../support/hooked.ts';
import { type Kind, type Subject, several, subject } from '../support/hooked-client.ts';
import { HOOKS, tour } from '../support/hooked-tour.ts';

const KINDS: readonly Kind[] = ['object', 'module'];
/** The login needs them, and is what is said first: it fails, and is done again on another connection. */
const OF_LOGIN: ReadonlySet<HookName> = new Set<HookName>([
  ...(['auth.login', 'auth.response', 'auth.accept', 'rateLimit.cost'] as const),
  ...(['message.encode', 'message.type', 'message.decode', 'message.validate'] as const),
  ...(['request.assign', 'request.idOf', 'request.result'] as const),
]);
/** An answer is not understood, and waited for in vain: no longer than needs be. */
const IN_VAIN: ReadonlySet<HookName> = new Set<HookName>([
  ...(['auth.response', 'message.decode', 'message.validate', 'request.idOf'] as const),
  ...(['subscription.response', 'heartbeat.answer'] as const),
]);
/** No tour comes by them: they have tests of their own. */
const BY_TIME: ReadonlySet<HookName> = new Set<HookName>(['connection.idle', 'auth.refresh', 'auth.needed']);
/** Asked only where no hook reads a message for the login and the subscriptions. */
const OF_REPLIES = /^request\.|^auth\.accept$/;

async function broken(kind: Kind, name: HookName, order: Order): Promise<Subject> {
  return subject(
    kind,
    {
      orders: { [name]: order },
      without: OF_REPLIES.test(name) ? ['auth.response', 'subscription.response'] : [],
      comesBack: true,
      interval: 15,
    },
    {
      credentials: { user: 'me' },
      retryTimeout: 5,
      ...(IN_VAIN.has(name) && { authTimeout: 200, requestTimeout: 200, subscriptionTimeout: 200 }),
    },
  );
}

/** What was told of it: as a fault, as an error, or to its caller. */
function toldOf({ faults, errors }: Subject, name: HookName): string[] {
  const fault = faults.filter(({ hook }) => hook === name).map(({ error }) => `${name} ${error.message}`);
  return [...fault, ...errors.filter((error) => error.includes(name))];
}

/** What a hook gives and must not, and what is told of it. */
const WRONG: readonly (readonly [name: HookName, value: unknown, told: RegExp])[] = [
  ['message.encode', 7, /message\.encode must give/],
  ['message.type', 7, /message\.type/],
  ['message.key', {}, /message\.key/],
  ['request.assign', undefined, /login failed/],
  ['subscription.subscribe', undefined, /message\.encode must give/],
  ['subscription.response', { channel: 'a', state: 'x' }, /subscription\.response/],
  ['subscription.response', 7, /subscription\.response/],
  ['auth.login', 7n, /the login failed/],
  ['auth.response', 7, /an auth result must be/],
  ['auth.accept', { ok: true, token: 7 }, /token of an auth result/],
  ['heartbeat.beat', 7n, /heartbeat\.beat/],
  ['heartbeat.answer', 7n, /heartbeat\.answer/],
  ['error.classify', 'odd', /error\.classify/],
  ['error.shouldReconnect', { delay: -1 }, /error\.shouldReconnect must give/],
  ['rateLimit.cost', -1, /cost must be/],
  ['rateLimit.check', 'x', /rateLimit\.check must give/],
];
/** Those that may give a promise; of the others that say what is next, see hooks-acts.test.ts. */
const MAY_REJECT: readonly HookName[] = ['connection.attempt', 'auth.login', 'error.shouldReconnect'];

type Case = readonly [name: HookName, order: Order, told: (made: Subject) => boolean];

/** A tour with each. */
async function tours(kind: Kind, cases: readonly Case[]): Promise<void> {
  await several(cases, async ([name, order, told]) => {
    const made = await broken(kind, name, order);
    try {
      await tour(made);
      expect(told(made), 'told').to.equal(true);
      expect(made.gaveUp).to.deep.equal([]);
      // On a busy machine more than one answer may come too late.
      if ('gives' in order || IN_VAIN.has(name)) return;
      expect(made.server.connections).to.equal(OF_LOGIN.has(name) ? 3 : 2);
    } catch (error) {
      const shown = [...made.faults.map((fault) => `${fault.hook} ${fault.error}`), ...made.errors];
      throw new Error(`${name}: ${(error as Error).message} (${shown.join('; ')})`, { cause: error });
    } finally {
      await made.end();
    }
  });
}

describe('a hook that fails', () => {
  for (const kind of KINDS) {
    it(`check 34: by throwing is told of, and the client goes on (${kind})`, () =>
      tours(
        kind,
        HOOKS.filter((name) => !BY_TIME.has(name)).map((name) => [
          name,
          { throws: `broken ${name}` },
          (made) => toldOf(made, name).length > 0,
        ]),
      ));

    it(`check 34: by rejecting is told of, and the client goes on (${kind})`, () =>
      tours(
        kind,
        MAY_REJECT.map((name) => [
          name,
          { rejects: `broken ${name}` },
          (made) => toldOf(made, name).length > 0,
        ]),
      ));

    it(`check 34: by what it gives is told of, and the client goes on (${kind})`, () =>
      tours(
        kind,
        WRONG.map(([name, value, told]) => [
          name,
          { gives: value },
          (made) => [...toldOf(made, name), ...made.errors].some((text) => told.test(text)),
        ]),
      ));

    it(`check 34: at a second login rejects for who wanted it, and another login counts (${kind})`, async () => {
      const made = await broken(kind, 'auth.refresh', { throws: 'broken auth.refresh' });
      await made.client.connect();
      const error: Error = await made.client.authenticate().then(
        () => new Error('it did not'),
        (thrown) => thrown,
      );
      expect(error.message).to.include('broken auth.refresh');
      expect(await made.works()).to.equal(1);
      await made.client.authenticate();
      expect(made.server.of('login')).to.have.length(2);
      await made.end();
    });
  }
});
