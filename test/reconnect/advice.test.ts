import { expect } from 'chai';
import { Advice } from '../../lib/advice.ts';
import { ConnectionError, type GunportError } from '../../lib/errors.ts';
import type { Failure } from '../../lib/protocol/retry.ts';
import type { AdviceCast, AdviceQuestion, RenewalAnswer } from '../../lib/retrywire.ts';
import { checkOpen } from '../../lib/settings.ts';
import type { RetryChoice } from '../../lib/types.ts';
import type { Settings } from '../../lib/wire.ts';
import { type Adviser, Renewing } from '../../workers/renewing.ts';
import { Retrying } from '../../workers/retrying.ts';
import { moduleOf } from '../support/failures.ts';
import { rejects } from '../support/rejects.ts';

const refused = new ConnectionError('ERR_GUNPORT_CONNECT', 'refused', { phase: 'connect' });
const settingsOf = (more: Partial<Settings> = {}): Settings => ({
  ...checkOpen('ws://a.example/base', { retry: 5, headers: { 'x-a': '0' } }, true).settings,
  ...more,
});
const attempt = { attempt: 1, failures: 0, url: 'ws://a.example/base', lastError: undefined };

/** What an owner answers, whose hooks these are. */
function owner(advice: Advice | undefined, answered: (cast: AdviceCast) => void) {
  const questions: AdviceQuestion[] = [];
  const ask = (question: AdviceQuestion): void => {
    questions.push(structuredClone(question));
    advice?.answer(structuredClone(question), (cast) => answered(structuredClone(cast)));
  };
  return { questions, ask };
}

describe('what follows a failure', () => {
  const failure: Failure = { error: refused, wasUp: false, upFor: 0, everUp: false, random: 0 };

  /** Resolves with what becomes of it. */
  function outcome(of: {
    settings?: Partial<Settings>;
    adviser?: Adviser;
    advice?: Advice;
    closed?: boolean;
    failure?: Failure;
  }): Promise<string> {
    return new Promise((resolve) => {
      const { ask } = owner(
        of.advice,
        (cast) => cast.type === 'retry' && retrying.answer(cast.id, cast.decision),
      );
      const settle = (word: string): void => {
        retrying.cancel();
        resolve(word);
      };
      const retrying: Retrying = new Retrying(settingsOf(of.settings), {
        adviser: () => of.adviser,
        ask,
        waits: (delay, error) => settle(`${delay} after ${error.code}`),
        again() {},
        giveUp: (error) => settle(`gives up: ${error.message}`),
        guard: (run) => run(),
      });
      retrying.failed(of.failure ?? failure, of.closed ? () => settle('stays closed') : undefined);
    });
  }
  const chooses = (choice: RetryChoice): Adviser => ({ retrying: async () => choice });
  const later = new Advice({ retryFun: async () => ({ retries: 1, timeout: 44 }) });
  const module = { module: moduleOf('export default () => ({ retries: 1, timeout: 55 });').module };

  it('is what the handler beside the socket chooses, whoever else could be asked', async () => {
    const settings = { retryFun: 'ask', advised: true } as const;
    const others = { settings, advice: later };
    expect(await outcome({ ...others, adviser: chooses({ delay: 7 }) })).to.equal(
      '7 after ERR_GUNPORT_CONNECT',
    );
    expect(await outcome({ ...others, adviser: chooses(false) })).to.equal('gives up: refused');
  });

  it("is the next one's where it chooses nothing, rejects, or gives no choice", async () => {
    const none: Adviser[] = [
      {},
      chooses(undefined),
      { retrying: () => Promise.reject(new Error('a fault')) },
      {
        retrying: () => {
          throw new Error('a fault');
        },
      },
      chooses({ delay: -1 }),
      chooses('soon' as never),
    ];
    for (const adviser of none) {
      const asks = { settings: { retryFun: 'ask' }, advice: later, adviser } as const;
      expect(await outcome(asks)).to.equal('44 after ERR_GUNPORT_CONNECT');
      expect(await outcome({ settings: { retryFun: module }, adviser })).to.equal(
        '55 after ERR_GUNPORT_CONNECT',
      );
      expect(await outcome({ adviser })).to.equal('0 after ERR_GUNPORT_CONNECT');
    }
  });

  it("is a handler's on the owner's thread before that of retryFun", async () => {
    const advice = new Advice({ retryFun: () => ({ retries: 1, timeout: 44 }) });
    const end = advice.add({
      retrying: ({ left, failures, error, wasUp }) =>
        error.code === 'ERR_GUNPORT_CONNECT' && !wasUp && { delay: left * 10 + failures },
    });
    const asks = { settings: { advised: true, retryFun: module }, advice } as const;
    expect(await outcome(asks)).to.equal('51 after ERR_GUNPORT_CONNECT');
    end();
    expect(await outcome(asks)).to.equal('44 after ERR_GUNPORT_CONNECT');
    const faulty = new Advice();
    faulty.add({ retrying: () => Promise.reject(new Error('a fault')) });
    faulty.add({ retrying: () => false });
    expect(await outcome({ ...asks, advice: faulty })).to.equal('gives up: refused');
    expect(await outcome({ ...asks, advice: new Advice() })).to.equal('55 after ERR_GUNPORT_CONNECT');
  });

  it('of a WebSocket that was closed is for handlers alone to say: it stays closed unless one gives a delay', async () => {
    const settings = { retryFun: 'ask', advised: true } as const;
    const closed = { settings, closed: true, advice: later };
    expect(await outcome({ ...closed, adviser: chooses({ delay: 3 }) })).to.equal(
      '3 after ERR_GUNPORT_CONNECT',
    );
    for (const choice of [undefined, false] as const)
      expect(await outcome({ ...closed, adviser: chooses(choice) })).to.equal('stays closed');
    const inline = new Advice();
    inline.add({ retrying: () => ({ delay: 4 }) });
    expect(await outcome({ ...closed, advice: inline })).to.equal('4 after ERR_GUNPORT_CONNECT');
    const none = { ...failure, everUp: true };
    expect(
      await outcome({ ...closed, settings: { retry: 0 }, failure: none, adviser: chooses({ delay: 3 }) }),
    ).to.equal('stays closed');
  });

  it('is the policy where the owner does not answer in 5 s, or is another', async () => {
    const settings = settingsOf({ retryFun: 'ask' });
    for (const silence of ['late', 'given', 'cancelled'] as const) {
      const said: string[] = [];
      await silently(silence === 'late', async () => {
        const retrying: Retrying = new Retrying(settings, {
          adviser: () => undefined,
          ask() {},
          waits: (delay) => said.push(`waits ${delay}`),
          again() {},
          giveUp: () => said.push('gives up'),
          guard: (run) => run(),
        });
        retrying.failed(failure);
        if (silence === 'given') retrying.ownerChanged();
        if (silence === 'cancelled') retrying.cancel();
        await turn();
        retrying.cancel();
      });
      expect(said).to.deep.equal(silence === 'cancelled' ? [] : ['waits 0']);
    }
  });
});

describe('what an attempt is made with', () => {
  const made = ({ origin, ws }: Settings) =>
    [origin + ws.path, ...ws.headers.slice(0, 2), ...ws.subprotocols].join(' ');

  function renewingOf(settings: Partial<Settings>, adviser: Adviser | undefined, advice?: Advice) {
    const { questions, ask } = owner(
      advice,
      (cast) => cast.type === 'renewal' && renewing.answer(cast.id, cast.answer),
    );
    const renewing: Renewing = new Renewing(settingsOf(settings), { adviser: () => adviser, ask });
    return { renewing, questions };
  }

  it('is what the options say where nobody is to be asked', () => {
    expect(renewingOf({}, undefined).renewing.prepare(() => attempt)).to.equal(undefined);
    expect(renewingOf({}, { retrying: async () => false }).renewing.prepare(() => attempt)).to.equal(
      undefined,
    );
  });

  it("is what renew gives, and over it what handlers give, on the owner's thread and beside the socket", async () => {
    const advice = new Advice({
      renew: () => ({ url: 'wss://b.example/renew?q', headers: { 'x-a': '1' }, subprotocols: ['one'] }),
    });
    const ask = { renew: 'ask', advised: true } as const;
    const first = await renewingOf(ask, undefined, advice).renewing.prepare(() => attempt);
    expect(first && made(first)).to.equal('wss://b.example/renew?q x-a 1 one');
    expect(first?.tls).to.deep.equal({ rejectUnauthorized: true });
    advice.add({ connecting: async () => ({ subprotocols: ['two'] }) });
    const adviser: Adviser = { connecting: async ({ url }) => ({ headers: { 'X-A': url.length } }) };
    const both = await renewingOf(ask, adviser, advice).renewing.prepare(() => attempt);
    expect(both && made(both)).to.equal('wss://b.example/renew?q X-A 19 two');
  });

  it('is what the owner said last, where it does not answer in 5 s, or is another; first what the options say', async () => {
    for (const silence of ['late', 'given', 'none'] as const) {
      const { renewing, questions } = renewingOf({ renew: 'ask' }, undefined);
      const answer = async (given: RenewalAnswer | undefined): Promise<string> => {
        const made_ = await silently(silence === 'late' && !given, async () => {
          const preparing = renewing.prepare(() => attempt);
          const id = questions.at(-1)?.id ?? 0;
          renewing.answer(id - 1, { error: { name: 'Error', message: 'to another question' } });
          if (given) renewing.answer(id, given);
          else if (silence === 'given') renewing.ownerChanged();
          else if (silence === 'none') renewing.answer(id, { none: true });
          return preparing;
        });
        return made_ ? made(made_) : 'nobody was asked';
      };
      const renewals = [{ url: undefined, headers: ['x-a', '1'], subprotocols: undefined }];
      expect(await answer(undefined), silence).to.equal('ws://a.example/base x-a 0');
      expect(await answer({ renewals })).to.equal('ws://a.example/base x-a 1');
      expect(await answer(undefined)).to.equal('ws://a.example/base x-a 1');
      expect(await answer({ renewals: [] })).to.equal('ws://a.example/base x-a 0');
      expect(await answer(undefined)).to.equal('ws://a.example/base x-a 0');
    }
  });

  it('is an error where a handler throws, with its cause; and nothing is asked any more once that is cancelled', async () => {
    const cause = new RangeError('no');
    const wrong: [Adviser | undefined, Advice | undefined][] = [
      [{ connecting: () => Promise.reject(cause) }, undefined],
      [
        {
          connecting: () => {
            throw cause;
          },
        },
        undefined,
      ],
    ];
    for (const [adviser, advice] of wrong) {
      const { renewing } = renewingOf({}, adviser, advice);
      const error: GunportError = await rejects(
        renewing.prepare(() => attempt) ?? Promise.resolve(),
        'ERR_GUNPORT_HANDLER',
      );
      expect(error).to.include({ message: 'connecting failed: no', phase: 'connect', cause });
    }
    const inline = new Advice();
    inline.add({ connecting: () => Promise.reject(cause) });
    const { renewing } = renewingOf({ advised: true }, undefined, inline);
    const error = await rejects(renewing.prepare(() => attempt) ?? Promise.resolve(), 'ERR_GUNPORT_HANDLER');
    expect(error.message).to.equal('connecting failed: no');
    let asked = 0;
    const adviser: Adviser = {
      connecting: async () => {
        asked++;
        return undefined;
      },
    };
    const cancelled = renewingOf({ renew: 'ask' }, adviser).renewing;
    const preparing = rejects(cancelled.prepare(() => attempt) ?? Promise.resolve(), 'ERR_GUNPORT_HANDLER');
    cancelled.cancel();
    await preparing;
    expect(asked).to.equal(0);
  });
});

/** Runs it; `late`: timers are due at once. */
async function silently<T>(late: boolean, run: () => Promise<T>): Promise<T> {
  const { setTimeout: real } = globalThis;
  const soon = (callback: () => void): NodeJS.Timeout => real(callback, 0);
  if (late) globalThis.setTimeout = soon as typeof setTimeout;
  try {
    return await run();
  } finally {
    globalThis.setTimeout = real;
  }
}

/** Timers that are due, and what follows of them. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2));
}
