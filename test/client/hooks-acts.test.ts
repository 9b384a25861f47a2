import { expect } from 'chai';
import type { Act } from '../../lib/session/adapter.ts';
import type { HookName, Order } from '../support/hooked.ts';
import { type Kind, type Subject, several, subject } from '../support/hooked-client.ts';

const KINDS: readonly Kind[] = ['object', 'module'];

/** What has each hook called that may say what is next, once the client is ready. `connection.open` needs nothing. */
const CAUSES = {
  'connection.open': () => {},
  'connection.frame': ({ server }) => server.say({ type: 'news', n: 1 }),
  'message.handle': ({ server }) => server.say({ type: 'news', n: 1 }),
  'error.handle': ({ server }) => server.say('no JSON'),
  'connection.idle': () => {},
  'connection.down': ({ server }) => server.drop(),
} satisfies Partial<Record<HookName, (subject: Subject) => void>>;
type ActHook = keyof typeof CAUSES;
const ACT_HOOKS = Object.keys(CAUSES) as ActHook[];

/** Each act that there is, and what it must come to. */
const ACTS: Record<Exclude<Act, undefined>['type'], readonly [act: Act, effect: Effect]> = {
  ok: [{ type: 'ok' }, nothing],
  reply: [{ type: 'reply', message: { type: 'said', n: 1 } }, (made, hook) => said(made, [1], hook)],
  replyMany: [
    {
      type: 'replyMany',
      messages: [
        { type: 'said', n: 1 },
        { type: 'said', n: 2 },
      ],
    },
    (made, hook) => said(made, [1, 2], hook),
  ],
  close: [{ type: 'close', code: 4001, reason: 'bye' }, closed],
  stop: [{ type: 'stop', reason: 'enough' }, stopped],
  reconnect: [{ type: 'reconnect', reason: 'again' }, (made, hook) => cameBack(made, hook, 'reconnecting 0')],
  retry: [{ type: 'retry', delay: 7 }, (made, hook) => cameBack(made, hook, 'reconnecting 7')],
};
type Effect = (made: Subject, hook: ActHook) => Promise<void>;

/** It stays as it is; of a lost connection: it comes back by its own policy. */
async function nothing(made: Subject, hook: ActHook): Promise<void> {
  if (hook === 'connection.down') return cameBack(made, hook, 'reconnecting 0');
  await made.called(hook);
  expect(await made.works()).to.equal(1);
  expect(made.states.at(-1)).to.equal('websocketConnected');
}

/** The server has heard it, on the connection that is there; a silence goes on, and so does what it is met with. Of a
 *  connection that was lost nobody hears it: that is told. */
async function said(made: Subject, wanted: number[], hook: ActHook): Promise<void> {
  const { server, until, errors } = made;
  if (hook === 'connection.down') {
    await cameBack(made, hook, 'reconnecting 0');
    expect(errors).to.include('message the connection that a reply was for is gone');
    expect(server.of('said')).to.deep.equal([]);
    return;
  }
  await until('what was said', () => server.of('said').length >= wanted.length);
  const heard = server.of('said').map(({ n }) => n);
  expect(hook === 'connection.idle' ? heard.slice(0, wanted.length) : heard).to.deep.equal(wanted);
}

/** The server has got the close frame, and the client is closed for good. */
async function closed({ client, server, until, gaveUp }: Subject, hook: ActHook): Promise<void> {
  const { code, error } = await client.closed;
  expect([client.state, error, gaveUp]).to.deep.equal(['closed', undefined, []]);
  if (hook === 'connection.down') return;
  expect(code).to.equal(4001);
  await until('the close frame', () => server.closes.length > 0);
  expect(server.closes).to.deep.equal(['4001 bye']);
  expect(server.connections).to.equal(1);
}

/** It has given up, for the reason that was said, and does not come back. */
async function stopped({ client, server, gaveUp }: Subject): Promise<void> {
  const { error } = await client.closed;
  expect(error?.message).to.include('enough');
  expect(client.state).to.equal('error');
  expect(gaveUp).to.deep.equal([error]);
  expect(server.connections).to.equal(1);
}

/** It is on another connection, and the wait for that was as long as was said. */
async function cameBack(made: Subject, hook: ActHook, wait: string): Promise<void> {
  await made.until('another connection', () => made.server.connections >= 2 && made.client.isReady);
  const waits = made.states.filter((state) => state.startsWith('reconnecting'));
  expect(waits[0]).to.equal(wait);
  expect(made.gaveUp).to.deep.equal([]);
  // The server is as silent on the other.
  if (hook === 'connection.idle') return;
  expect(await made.works()).to.equal(2);
  expect(waits).to.have.length(1);
}

/** A client whose hook was called and gave that. */
async function caused(kind: Kind, hook: ActHook, order: Order): Promise<Subject> {
  const idle = hook === 'connection.idle';
  const made = await subject(
    kind,
    { orders: { [hook]: order }, always: idle },
    idle ? { idleTimeout: 20 } : {},
  );
  const connected = made.client.connect();
  // One that is closed at once is never ready.
  if (hook === 'connection.open') connected.catch(() => {});
  else await connected;
  CAUSES[hook](made);
  return made;
}

const FAILS: readonly Order[] = [{ throws: 'broken' }, { rejects: 'broken' }];
/** What is no act, though some look like one. */
const WRONG: readonly unknown[] = [
  ...[7, null, 'reply', { type: 'deliver!' }, { type: 'replyMany', messages: 'two' }],
  ...[
    { type: 'retry', delay: -1 },
    { type: 'close', code: 1 },
    { type: 'close', code: 1000, reason: 'x'.repeat(124) },
  ],
];

/** All cases of a hook, each with a client of its own. */
async function each<C extends { readonly order: Order }>(
  kind: Kind,
  hook: ActHook,
  cases: readonly C[],
  check: (made: Subject, one: C) => Promise<void>,
): Promise<void> {
  const run = async (one: C): Promise<void> => {
    const made = await caused(kind, hook, one.order);
    try {
      await check(made, one);
    } catch (error) {
      throw new Error(`${JSON.stringify(one.order)}: ${(error as Error).message}`, { cause: error });
    } finally {
      await made.end();
    }
  };
  await several(cases, run);
}

describe('what a hook may have done next', () => {
  for (const kind of KINDS) {
    for (const hook of ACT_HOOKS) {
      it(`check 33: is done, for each act of ${hook}, given or promised (${kind})`, async () => {
        const cases = Object.values(ACTS).flatMap(([act, effect]) =>
          [{ gives: act }, { promises: act }].map((order) => ({ order, effect })),
        );
        await each(kind, hook, cases, async (made, { effect }) => {
          await effect(made, hook);
          expect(made.faults).to.deep.equal([]);
        });
      });
    }

    for (const hook of ACT_HOOKS) {
      it(`check 34: is nothing, and a fault of ${hook}, for what is no act, throws or rejects (${kind})`, async () => {
        const cases = WRONG.flatMap((wrong) => [{ gives: wrong }, { promises: wrong }]);
        await each(
          kind,
          hook,
          [...cases, ...FAILS].map((order) => ({ order })),
          async (made) => {
            await made.until('a fault', () => made.faults.length > 0);
            expect(made.faults[0]?.hook).to.equal(hook);
            if (hook !== 'connection.idle') await nothing(made, hook);
          },
        );
      });
    }

    it(`check 33: is done to the message: message.handle delivers another or drops it (${kind})`, async () => {
      for (const how of ['gives', 'promises']) {
        for (const [act, wanted] of [
          [{ type: 'deliver', value: { other: true } }, [{ other: true }, { type: 'news', n: 2 }]],
          [{ type: 'drop' }, [{ type: 'news', n: 2 }]],
          [
            undefined,
            [
              { type: 'news', n: 1 },
              { type: 'news', n: 2 },
            ],
          ],
        ] as const) {
          const made = await subject(kind, {
            orders: { 'message.handle': { [how]: act } as unknown as Order },
          });
          await made.client.connect();
          for (const n of [1, 2]) made.server.say({ type: 'news', n });
          await made.until('news', () => made.messages.length === wanted.length);
          expect(made.messages).to.deep.equal(wanted);
          await made.end();
        }
      }
    });

    it(`check 33: is to come back, where connection.idle says nothing (${kind})`, async () => {
      const made = await subject(kind, {}, { idleTimeout: 20 });
      await made.client.connect();
      await made.until('another connection', () => made.server.connections > 1);
      expect(made.client.attempt).to.be.at.least(1);
      expect(made.server.connections).to.be.above(1);
      await made.end();
    });
  }
});
