// subscription-model — what a registry of subscriptions should do, said as simply as can be.
// Walked at random beside the real one by test/session/subscriptions.test.ts.
// Invariant: it knows no map, no timer and no listener: a list, and the time of each deadline.

import { expect } from 'chai';
import type { GunportError } from '../../lib/errors.ts';
import type { SubscriptionInfo, Subscriptions } from '../../lib/session/subscriptions.ts';
import type { FakeClock } from './fake-clock.ts';

interface Known {
  info: SubscriptionInfo;
  /** When it expires. */
  deadline: number | undefined;
  /** What each who waits must get. */
  readonly waiting: ((outcome: string) => void)[];
}

const CHANNELS = ['a', 'b', 'c', 'd', 'e', 'f'];

export class WalkModel {
  readonly #timeout: number;
  readonly #list: Known[] = [];
  #added = 0;

  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  static isAlive({ state }: SubscriptionInfo): boolean {
    return state === 'pending' || state === 'confirmed';
  }

  all(): SubscriptionInfo[] {
    return this.#list.map(({ info }) => info);
  }

  /** Does one thing at random to both; tells what. */
  step(roll: (n: number) => number, registry: Subscriptions, clock: FakeClock): string {
    const channel = CHANNELS[roll(CHANNELS.length)]!;
    const known = this.#list.findLast(({ info }) => info.channel === channel);
    const name = roll(2) === 0 ? { channel } : { id: known?.info.id ?? 'sub_0' };
    const alive = known && WalkModel.isAlive(known.info) ? known : undefined;
    switch (roll(9)) {
      case 0:
      case 1: {
        if (!alive) {
          const info = {
            id: `sub_${++this.#added}`,
            channel,
            params: this.#added,
            state: 'pending',
          } as const;
          this.#list.push({ info: { ...info, attempts: 0 }, deadline: undefined, waiting: [] });
        }
        registry.add(channel, this.#added);
        return `add ${channel}`;
      }
      case 2:
      case 3: {
        if (alive?.info.state === 'pending') {
          alive.info = { ...alive.info, attempts: alive.info.attempts + 1 };
          alive.deadline = clock.now() + this.#timeout;
        }
        registry.asked(known?.info.id ?? 'sub_0');
        return `asked ${channel}`;
      }
      case 4:
      case 5: {
        if (alive) this.#move(alive, 'confirmed');
        expect(registry.confirm(name)).to.equal(alive !== undefined);
        return `confirm ${channel}`;
      }
      case 6: {
        if (alive) this.#move(alive, 'failed', 'no');
        expect(registry.fail(name, 'no')).to.equal(alive !== undefined);
        return `fail ${channel}`;
      }
      case 7: {
        if (alive) this.#move(alive, 'unsubscribed');
        expect(registry.remove(name.id ?? channel)?.id).to.equal(alive?.info.id);
        return `remove ${channel}`;
      }
      default: {
        if (roll(3) === 0) {
          for (const one of this.#list) {
            one.deadline = undefined;
            if (one.info.state === 'confirmed') one.info = { ...one.info, state: 'pending' };
          }
          registry.lost();
          return 'lost';
        }
        const ms = roll(3_000);
        clock.advance(ms);
        const due = this.#list.filter(({ deadline }) => deadline !== undefined && deadline <= clock.now());
        due.sort((a, b) => (a.deadline ?? 0) - (b.deadline ?? 0));
        for (const one of due) this.#move(one, 'expired', `no answer within ${this.#timeout} ms`);
        return `${ms} ms`;
      }
    }
  }

  /** Somebody waits for one; resolves when that has ended as it must. */
  async awaits(registry: Subscriptions, id: string): Promise<void> {
    const known = this.#list.find(({ info }) => info.id === id);
    const state = known?.info.state ?? 'failed';
    const wanted =
      state === 'pending'
        ? new Promise<string>((resolve) => known?.waiting.push(resolve))
        : Promise.resolve(state);
    const got = registry.settled(id).then(
      (info) => info.state,
      (error: GunportError) => String(error.reason ?? error.code),
    );
    expect(await got, id).to.equal(await wanted);
  }

  end({ code }: GunportError): void {
    for (const { waiting } of this.#list) for (const tell of waiting.splice(0)) tell(code);
  }

  #move(known: Known, state: SubscriptionInfo['state'], reason?: string): void {
    known.info = { ...known.info, state, ...(reason !== undefined && { reason }) };
    known.deadline = undefined;
    for (const tell of known.waiting.splice(0)) tell(state);
  }
}
