import { expect } from 'chai';
import { GunportError, StreamError } from '../../lib/errors.ts';
import { type RateLimitOptions, TokenBucket } from '../../lib/session/bucket.ts';
import { type Offer, Outgoing } from '../../lib/session/outgoing.ts';
import { chance, seedOf } from '../support/chance.ts';
import { rejects } from '../support/rejects.ts';

type Options = ConstructorParameters<typeof Outgoing>[1];

/** Outgoing messages on a clock, a socket and timers that the test moves. */
class Desk {
  readonly written: string[] = [];
  readonly secret: string[] = [];
  readonly queued: number[] = [];
  readonly counted: string[] = [];
  readonly out: Outgoing;
  readonly bucket: TokenBucket | undefined;
  now = 0;
  /** Room for so many. */
  room = Number.POSITIVE_INFINITY;
  throws: Error | undefined;
  #timers: { at: number; run: () => void }[] = [];
  /** The last wait for room. */
  draining: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(limit?: RateLimitOptions, options: Partial<Options> = {}) {
    this.bucket = limit && new TokenBucket(limit, undefined, () => this.now);
    this.out = new Outgoing(
      {
        write: (data, secret) => {
          if (this.throws) throw this.throws;
          this.written.push(String(data));
          if (secret) this.secret.push(String(data));
          this.room -= 1;
          return this.room > 0;
        },
        drained: () => new Promise((resolve, reject) => (this.draining = { resolve, reject })),
        setTimeout: (run, ms) => {
          const timer = { at: this.now + ms, run };
          this.#timers.push(timer);
          return { clear: () => this.#timers.splice(this.#timers.indexOf(timer) >>> 0, 1) };
        },
        changed: (queued) => this.queued.push(queued),
        counted: (what) => this.counted.push(what),
      },
      { limit: 1000, bucket: this.bucket, ...options },
    );
  }

  get timers(): number {
    return this.#timers.length;
  }

  say(data: string, more: Partial<Offer> = {}): Promise<void> {
    return this.out.offer({ data, type: 'say', cost: 1, priority: 0, stage: 'user', ...more });
  }

  /** Milliseconds pass. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const timer = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!timer) break;
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      this.now = timer.at;
      timer.run();
    }
    this.now = until;
  }

  async drain(room: number, error?: Error): Promise<void> {
    this.room = room;
    if (error) this.draining?.reject(error);
    else this.draining?.resolve();
    await undefined;
    await undefined;
  }
}

/** With it open for all. */
function open(limit?: RateLimitOptions, options: Partial<Options> = {}): Desk {
  const desk = new Desk(limit, options);
  desk.out.stage('user');
  return desk;
}

const LIMIT = { capacity: 2, refill: 1, interval: 1000 };

describe('what a client sends', () => {
  describe('in its order', () => {
    it('check 38: goes at once while there are tokens, then one by one, first in, first out', async () => {
      const desk = open({ capacity: 10, refill: 1, interval: 1000 });
      const all = Array.from({ length: 13 }, (_, i) => desk.say(`${i}`));
      expect(desk.written).to.have.length(10);
      expect(desk.out.queued).to.equal(3);
      desk.pass(999);
      expect(desk.written).to.have.length(10);
      desk.pass(1);
      expect(desk.written).to.have.length(11);
      desk.pass(2000);
      await Promise.all(all);
      expect(desk.written).to.deep.equal(Array.from({ length: 13 }, (_, i) => `${i}`));
      expect([desk.out.queued, desk.timers]).to.deep.equal([0, 0]);
      expect(desk.queued).to.deep.equal([1, 2, 3, 2, 1, 0]);
    });

    it('check 38: goes by priority, and within one in the order that it was offered', () => {
      const desk = open({ capacity: 1, refill: 1, interval: 1000 });
      void desk.say('now');
      for (const [data, priority] of [
        ['low', 1],
        ['none', 0],
        ['high', 10],
        ['high too', 10],
        ['none too', 0],
        ['less', -1],
      ] as const)
        void desk.say(data, { priority });
      desk.pass(6000);
      expect(desk.written).to.deep.equal(['now', 'high', 'high too', 'low', 'none', 'none too', 'less']);
    });

    it('check 38: does not let a cheaper one overtake, though there are tokens for it', () => {
      const desk = open({ capacity: 5, refill: 1, interval: 1000 });
      void desk.say('dear', { cost: 4 });
      void desk.say('dear too', { cost: 4 });
      void desk.say('cheap');
      void desk.say('free', { cost: 0 });
      expect(desk.written).to.deep.equal(['dear']);
      void desk.say('urgent by its priority', { priority: 1 });
      expect(desk.written).to.deep.equal(['dear', 'urgent by its priority']);
      desk.pass(3999);
      expect(desk.written).to.have.length(2);
      desk.pass(1);
      // What is free needs no tokens, but its turn.
      desk.pass(1000);
      expect(desk.written).to.deep.equal(['dear', 'urgent by its priority', 'dear too', 'cheap', 'free']);
    });

    it('is written ahead of all, and outside the limit, when it is urgent', () => {
      const desk = open({ capacity: 1, refill: 1, interval: 1000 });
      void desk.say('a');
      void desk.say('b');
      desk.out.urgent('heartbeat');
      desk.out.urgent('token', true);
      expect(desk.written).to.deep.equal(['a', 'heartbeat', 'token']);
      expect(desk.secret).to.deep.equal(['token']);
      desk.throws = new Error('no socket');
      expect(() => desk.out.urgent('x')).to.throw('no socket');
    });

    it('check 38: keeps its order, its tokens and its promises, whatever happens', async () => {
      const seed = seedOf();
      const next = chance(seed);
      for (let round = 0; round < 40; round++) {
        const desk = open({ capacity: 1 + next(5), refill: 1, interval: 10, queue: 20 }, { limit: 30 });
        const capacity = desk.bucket?.options.capacity ?? 0;
        const settled = new Map<string, string>();
        const costs = new Map<string, number>();
        for (let step = 0; step < 60; step++) {
          const data = `${next(3)} ${step}`;
          const what = next(10);
          if (what < 6) {
            const cost = 1 + next(capacity);
            costs.set(data, cost);
            desk.say(data, { cost, priority: Number(data[0]), key: data }).then(
              () => settled.set(data, 'written'),
              (error: GunportError) => settled.set(data, error.code),
            );
          } else if (what === 6) desk.out.cancel([...costs.keys()][next(costs.size)]);
          else if (what === 7) desk.out.stage(next(3) === 0 ? 'shut' : 'user');
          else desk.pass(next(30));
          expect(desk.out.queued, `seed ${seed}`).to.be.at.most(30);
        }
        desk.out.stage('user');
        desk.pass(10_000);
        await new Promise(setImmediate);
        const about = `seed ${seed}, round ${round}`;
        expect([desk.out.queued, desk.timers], about).to.deep.equal([0, 0]);
        expect(settled.size, about).to.equal(costs.size);
        const written = [...settled].filter(([, how]) => how === 'written').map(([data]) => data);
        expect(desk.written.toSorted(), about).to.deep.equal(written.toSorted());
        for (const priority of ['0', '1', '2']) {
          const steps = desk.written
            .filter((data) => data[0] === priority)
            .map((data) => Number(data.slice(2)));
          expect(steps, about).to.deep.equal(steps.toSorted((a, b) => a - b));
        }
        const spent = desk.written.reduce((sum, data) => sum + (costs.get(data) ?? 0), 0);
        expect(spent, about).to.be.at.most(capacity + desk.now / 10);
      }
    });
  });

  describe('that cannot go', () => {
    it('check 38: is refused when as many wait for the limit as may, and those that wait go on', async () => {
      const desk = open({ ...LIMIT, queue: 1 });
      const all = [desk.say('a'), desk.say('b'), desk.say('c')];
      const error = await rejects(desk.say('d'), 'ERR_GUNPORT_RATE_LIMITED');
      expect(error.message).to.equal('1 messages wait for the rate limit, the most is 1');
      desk.pass(1000);
      await Promise.all(all);
      expect(desk.written).to.deep.equal(['a', 'b', 'c']);
      expect(desk.counted).to.deep.equal(['rateLimited', 'rejected']);
      const none = open({ capacity: 1, queue: 0 });
      await none.say('a');
      await rejects(none.say('b'), 'ERR_GUNPORT_RATE_LIMITED');
    });

    it('is refused when it costs more than there can ever be', async () => {
      const desk = open(LIMIT);
      await rejects(desk.say('a', { cost: 3 }), 'ERR_GUNPORT_RATE_LIMITED');
      await desk.say('b', { cost: 2 });
    });

    it('waits while the socket is away, up to the limit of the queue, and goes in order afterwards', async () => {
      const desk = new Desk(undefined, { limit: 3 });
      const all = ['a', 'b', 'c'].map((data) => desk.say(data));
      const error = await rejects(desk.say('d'), 'ERR_GUNPORT_OVERLOADED');
      expect(error.message).to.equal('3 messages wait to be sent, the most is 3');
      expect([desk.written, desk.timers, desk.counted]).to.deep.equal([[], 0, ['rejected']]);
      desk.out.stage('session');
      expect(desk.written).to.deep.equal([]);
      desk.out.stage('user');
      await Promise.all(all);
      expect(desk.written).to.deep.equal(['a', 'b', 'c']);
    });

    it('is ahead of all that the user sends, and beyond the limit, when it is of the session', async () => {
      const desk = new Desk({ capacity: 2, refill: 1, interval: 1000 }, { limit: 1 });
      const user = desk.say('user', { priority: 99 });
      const session = [
        desk.say('login', { stage: 'session', secret: true }),
        desk.say('subscribe', { stage: 'session' }),
        desk.say('subscribe too', { stage: 'session' }),
      ];
      desk.out.stage('session');
      expect(desk.written).to.deep.equal(['login', 'subscribe']);
      desk.out.stage('user');
      desk.pass(2000);
      await Promise.all([user, ...session]);
      expect(desk.written).to.deep.equal(['login', 'subscribe', 'subscribe too', 'user']);
      expect(desk.secret).to.deep.equal(['login']);
    });

    it('waits for a socket that is backed up to have room again', async () => {
      const desk = open();
      desk.room = 2;
      const all = ['a', 'b', 'c', 'd'].map((data) => desk.say(data));
      await Promise.all(all.slice(0, 2));
      expect(desk.written).to.deep.equal(['a', 'b']);
      await desk.drain(1);
      expect(desk.written).to.deep.equal(['a', 'b', 'c']);
      await desk.drain(9);
      await Promise.all(all);
      expect(desk.written).to.deep.equal(['a', 'b', 'c', 'd']);
    });

    it('survives the socket: what waited for room goes on the next one', async () => {
      const desk = open();
      desk.room = 1;
      const all = ['a', 'b', 'c'].map((data) => desk.say(data));
      await desk.drain(0, new Error('lost'));
      expect(desk.written).to.deep.equal(['a']);
      desk.out.stage('shut');
      desk.room = 9;
      desk.out.stage('user');
      await Promise.all(all);
      expect(desk.written).to.deep.equal(['a', 'b', 'c']);
    });

    it('does not take the room of an earlier socket for that of its own', async () => {
      const desk = open();
      desk.room = 1;
      const all = ['a', 'b', 'c'].map((data) => desk.say(data));
      const earlier = desk.draining;
      desk.room = 1;
      desk.out.stage('user');
      expect(desk.written).to.deep.equal(['a', 'b']);
      earlier?.resolve();
      await undefined;
      await undefined;
      expect(desk.written).to.deep.equal(['a', 'b']);
      await desk.drain(9);
      await Promise.all(all);
    });

    it('rejects alone when the socket throws', async () => {
      const desk = open();
      desk.throws = new StreamError('ERR_GUNPORT_OVERLOADED', 'too much');
      await rejects(desk.say('a'), 'ERR_GUNPORT_OVERLOADED');
      desk.throws = undefined;
      await desk.say('b');
      expect(desk.written).to.deep.equal(['b']);
    });

    it('check 38: rejects when it all ends; only those of the session when only a connection does', async () => {
      const desk = new Desk(LIMIT);
      const [user, session] = [desk.say('a'), desk.say('b', { stage: 'session' })];
      const gone = new GunportError('ERR_GUNPORT_CLOSED', 'gone');
      desk.out.failAll(gone, 'session');
      await rejects(session, 'ERR_GUNPORT_CLOSED');
      expect(desk.out.queued).to.equal(1);
      desk.out.failAll(gone);
      await rejects(user, 'ERR_GUNPORT_CLOSED');
      expect([desk.out.queued, desk.written, desk.timers]).to.deep.equal([0, [], 0]);
    });

    it('is taken out by its key, while it waits', async () => {
      const desk = open({ capacity: 1, refill: 1, interval: 1000 });
      await desk.say('a', { key: 1 });
      const [second, third] = [desk.say('b', { key: 2, cost: 1 }), desk.say('c', { key: 3 })];
      expect([desk.out.cancel(1), desk.out.cancel(2), desk.out.cancel(2)]).to.deep.equal([
        false,
        true,
        false,
      ]);
      await rejects(second, 'ERR_GUNPORT_CANCELLED');
      desk.pass(1000);
      await third;
      expect(desk.written).to.deep.equal(['a', 'c']);
      expect(desk.timers).to.equal(0);
    });
  });

  describe('by a mode or a check', () => {
    it('check 38: is never limited, by alwaysAllow', async () => {
      const desk = open({ ...LIMIT, mode: 'alwaysAllow' });
      await Promise.all(Array.from({ length: 50 }, () => desk.say('a', { cost: 7 })));
      expect([desk.written.length, desk.bucket?.tokens]).to.deep.equal([50, 2]);
    });

    it('check 38: always waits for another turn, and then for its tokens, by alwaysQueue', async () => {
      const desk = open({ ...LIMIT, mode: 'alwaysQueue', queue: 3 });
      const all = ['a', 'b', 'c'].map((data) => desk.say(data));
      await rejects(desk.say('d'), 'ERR_GUNPORT_RATE_LIMITED');
      expect([desk.written, desk.out.queued]).to.deep.equal([[], 3]);
      desk.pass(1);
      expect(desk.written).to.deep.equal(['a', 'b']);
      desk.pass(1000);
      await Promise.all(all);
      expect(desk.written).to.deep.equal(['a', 'b', 'c']);
    });

    it('is not put off by those that are queued behind it', () => {
      const desk = open({ capacity: 100, mode: 'alwaysQueue' });
      for (let i = 0; i < 4; i++) {
        void desk.say(`${i}`);
        desk.pass(0.5);
      }
      expect(desk.written.slice(0, 2)).to.deep.equal(['0', '1']);
    });

    it('check 38: is always refused, by alwaysReject; what the session says is not', async () => {
      const desk = open({ ...LIMIT, mode: 'alwaysReject' });
      await rejects(desk.say('a'), 'ERR_GUNPORT_RATE_LIMITED');
      await desk.say('login', { stage: 'session' });
      expect(desk.written).to.deep.equal(['login']);
    });

    it('check 38: is allowed, queued or refused by what the check of the adapter says', async () => {
      const asked: unknown[] = [];
      const says: Record<string, unknown> = {
        allow: 'allow',
        queue: 'queue',
        reject: { reject: 'not today' },
      };
      const check: Options['check'] = (request) => {
        asked.push(request);
        return says[request.type] as 'allow';
      };
      const desk = open(LIMIT, { check });
      await desk.say('a', { type: 'allow', cost: 9, priority: 3 });
      const queued = desk.say('b', { type: 'queue' });
      expect([desk.written, desk.out.queued]).to.deep.equal([['a'], 1]);
      const error = await rejects(desk.say('c', { type: 'reject' }), 'ERR_GUNPORT_RATE_LIMITED');
      expect([error.message, error.reason]).to.deep.equal([
        'the rate limit refused it: not today',
        'not today',
      ]);
      desk.pass(1);
      await queued;
      await desk.say('d', { type: 'nothing' });
      expect(desk.written).to.deep.equal(['a', 'b', 'd']);
      expect(asked[0]).to.deep.equal({ type: 'allow', cost: 9, priority: 3, tokens: 2, queued: 0 });
      expect(desk.bucket?.tokens).to.equal(0);
    });

    it('check 38: is refused when the check throws or gives nonsense, and the next is not', async () => {
      let check: () => unknown = () => 'perhaps';
      const desk = open(LIMIT, { check: () => check() as 'allow' });
      const error = await rejects(desk.say('a'), 'ERR_GUNPORT_HANDLER');
      expect(error.message).to.match(/rateLimit\.check must give .* got "perhaps"$/);
      check = () => {
        throw new Error('oh');
      };
      const thrown = await rejects(desk.say('b'), 'ERR_GUNPORT_HANDLER');
      expect((thrown.cause as Error).message).to.equal('oh');
      check = () => undefined;
      await desk.say('c');
    });
  });
});
