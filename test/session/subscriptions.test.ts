import { expect } from 'chai';
import { ConnectionError, StreamError } from '../../lib/errors.ts';
import { MOST_ENDED, type SubscriptionInfo, Subscriptions } from '../../lib/session/subscriptions.ts';
import { chance, seedOf } from '../support/chance.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { rejects } from '../support/rejects.ts';
import { WalkModel } from '../support/subscription-model.ts';

const over = new ConnectionError('ERR_GUNPORT_CLOSED', 'the session is over');
const seed = seedOf();
const NONE = { pending: 0, confirmed: 0, failed: 0, expired: 0, unsubscribed: 0 };

function stand(timeout = 30_000) {
  const clock = new FakeClock();
  const changes: SubscriptionInfo[] = [];
  const host = { setTimeout: clock.setTimeout, changed: (info: SubscriptionInfo) => changes.push(info) };
  const registry = new Subscriptions(host, { timeout });
  const confirmed = (channel: string) => {
    const { id } = registry.add(channel, undefined);
    registry.asked(id);
    registry.confirm({ id });
    return id;
  };
  const states = () => registry.all().map(({ channel, state }) => `${channel} ${state}`);
  return { clock, changes, registry, confirmed, states };
}

describe('subscriptions', () => {
  it('are none at first, and everything takes that (SM1, DS15)', () => {
    const { registry, clock, changes } = stand();
    expect([registry.all(), registry.active(), registry.restorable(), registry.records()]).to.deep.equal([
      [],
      [],
      [],
      [],
    ]);
    expect([
      registry.find('a'),
      registry.remove('a'),
      registry.confirm({}),
      registry.fail({}, 'x'),
    ]).to.deep.equal([undefined, undefined, false, false]);
    registry.asked('sub_1');
    registry.lost();
    expect([registry.counts(), registry.allSettled, changes, clock.size]).to.deep.equal([NONE, true, [], 0]);
  });

  it('begin pending, under an id of their own, with channel and params (SM3, DS2)', () => {
    const { registry, changes } = stand();
    const info = registry.add('book', { depth: 10 });
    expect(info).to.deep.equal({
      id: 'sub_1',
      channel: 'book',
      params: { depth: 10 },
      state: 'pending',
      attempts: 0,
    });
    registry.asked(info.id);
    expect(registry.find('book')?.attempts).to.equal(1);
    expect(registry.add('trades', undefined).id).to.equal('sub_2');
    expect(changes.map(({ id, state }) => `${id} ${state}`)).to.deep.equal([
      'sub_1 pending',
      'sub_2 pending',
    ]);
    expect(registry.allSettled).to.equal(false);
  });

  it('are the same while pending or confirmed, with the params that they had', () => {
    const { registry, changes } = stand();
    const first = registry.add('book', { depth: 10 });
    expect(registry.add('book', { depth: 20 })).to.equal(first);
    registry.confirm({ id: first.id });
    expect(registry.add('book', { depth: 20 })).to.deep.equal({ ...first, state: 'confirmed' });
    expect(changes).to.have.length(2);
  });

  it('are new ones, under a new id, once they have failed, expired or been unsubscribed', () => {
    const { registry, clock, states } = stand();
    registry.fail({ id: registry.add('a', 1).id }, 'no');
    registry.remove(registry.add('a', 2).id);
    registry.asked(registry.add('a', 3).id);
    clock.advance(30_000);
    const last = registry.add('a', 4);
    expect(states()).to.deep.equal(['a failed', 'a unsubscribed', 'a expired', 'a pending']);
    expect(registry.find('a')).to.equal(last);
    expect(registry.restorable()).to.deep.equal([last]);
    expect(last).to.include({ id: 'sub_4', params: 4 });
  });

  it('are confirmed by id or channel, by channel where the id is the own one of the peer (SM6, DS5–6)', () => {
    const { registry, changes } = stand();
    for (const channel of ['a', 'b', 'c']) registry.add(channel, undefined);
    expect(registry.confirm({ id: 'sub_1' })).to.equal(true);
    expect(registry.confirm({ channel: 'b' })).to.equal(true);
    expect(registry.confirm({ id: '0x77', channel: 'c' })).to.equal(true);
    expect(registry.active().map(({ channel }) => channel)).to.deep.equal(['a', 'b', 'c']);
    const told = changes.length;
    expect(registry.confirm({ channel: 'b' })).to.equal(true);
    expect(changes).to.have.length(told);
  });

  it('fail with the reason of the peer, also when they were confirmed (SM7, DS7–8)', () => {
    const { registry, changes } = stand();
    const { id } = registry.add('a', undefined);
    expect(registry.fail({ id }, 'no such channel')).to.equal(true);
    expect(changes.at(-1)).to.include({ id, state: 'failed', reason: 'no such channel' });
    const second = registry.add('a', undefined);
    registry.confirm({ channel: 'a' });
    expect(registry.fail({ channel: 'a' }, 'taken back')).to.equal(true);
    expect(changes.at(-1)).to.include({ id: second.id, state: 'failed', reason: 'taken back' });
    expect(registry.allSettled).to.equal(true);
  });

  it('are not touched by what names none of them, or one that has ended (SM8, DS9–10)', () => {
    const { registry, states, changes } = stand();
    registry.add('a', undefined);
    registry.remove('a');
    registry.add('b', undefined);
    const told = changes.length;
    for (const name of [{ id: 'sub_9' }, { channel: 'x' }, {}, { id: 'sub_1' }, { channel: 'a' }]) {
      expect([registry.confirm(name), registry.fail(name, 'no')]).to.deep.equal([false, false]);
    }
    expect(states()).to.deep.equal(['a unsubscribed', 'b pending']);
    expect(changes).to.have.length(told);
  });

  it('are marked and kept when unsubscribed, by channel or id; an unknown one is none (SM4–5, DS3–4)', () => {
    const { registry, confirmed, states } = stand();
    const id = confirmed('a');
    confirmed('b');
    expect(registry.remove('b')).to.include({ channel: 'b', state: 'unsubscribed', attempts: 1 });
    expect(registry.remove(id)).to.include({ channel: 'a', state: 'unsubscribed' });
    expect([registry.remove('a'), registry.remove(id), registry.remove('x')]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
    expect(states()).to.deep.equal(['a unsubscribed', 'b unsubscribed']);
  });

  it('are active when confirmed, found by channel, and counted by state (SM9–10, DS11–13)', () => {
    const { registry, confirmed, clock } = stand();
    confirmed('a');
    registry.add('b', undefined);
    registry.fail({ id: registry.add('c', undefined).id }, 'no');
    registry.remove(confirmed('d'));
    registry.asked(registry.add('e', undefined).id);
    clock.advance(30_000);
    expect(registry.active().map(({ channel }) => channel)).to.deep.equal(['a']);
    expect(registry.counts()).to.deep.equal({
      pending: 1,
      confirmed: 1,
      failed: 1,
      expired: 1,
      unsubscribed: 1,
    });
    expect(['a', 'b', 'c', 'x'].map((channel) => registry.find(channel)?.state)).to.deep.equal([
      'confirmed',
      'pending',
      'failed',
      undefined,
    ]);
  });

  it('check 36: expire when they are not answered within 30 s from being asked for, not before (DS14)', () => {
    const { registry, clock, changes } = stand();
    const { id } = registry.add('a', undefined);
    clock.advance(90_000);
    registry.asked(id);
    clock.advance(29_999);
    expect(registry.find('a')?.state).to.equal('pending');
    clock.advance(1);
    expect(changes.at(-1)).to.include({
      id,
      state: 'expired',
      reason: 'no answer within 30000 ms',
      attempts: 1,
    });
    expect(registry.confirm({ id })).to.equal(false);
  });

  it('do not expire once answered, with a timeout of 0, or after the end', () => {
    const { registry, clock, confirmed } = stand();
    confirmed('a');
    registry.asked(registry.add('b', undefined).id);
    registry.end(over);
    registry.asked('sub_2');
    expect(clock.size).to.equal(0);
    const never = stand(0);
    never.registry.asked(never.registry.add('a', undefined).id);
    expect(never.clock.size).to.equal(0);
  });

  it('begin their time anew when they are asked for again', () => {
    const { registry, clock } = stand();
    const { id } = registry.add('a', undefined);
    registry.asked(id);
    clock.advance(20_000);
    registry.asked(id);
    expect(clock.size).to.equal(1);
    clock.advance(20_000);
    expect(registry.find('a')).to.include({ state: 'pending', attempts: 2 });
  });

  it('check 36: are all pending again when the socket is lost, and restored in their order, the ended not', () => {
    const { registry, clock, confirmed, changes } = stand();
    for (const channel of ['a', 'b', 'c']) confirmed(channel);
    registry.asked(registry.add('d', { deep: 1 }).id);
    registry.remove('b');
    registry.fail({ channel: 'c' }, 'no');
    const told = changes.length;
    registry.lost();
    expect(clock.size).to.equal(0);
    expect(changes.slice(told).map(({ channel, state }) => `${channel} ${state}`)).to.deep.equal([
      'a pending',
    ]);
    expect(registry.restorable().map(({ id, channel }) => `${id} ${channel}`)).to.deep.equal([
      'sub_1 a',
      'sub_4 d',
    ]);
    expect(registry.records()).to.deep.equal([
      { channel: 'a', params: undefined },
      { channel: 'd', params: { deep: 1 } },
    ]);
    clock.advance(90_000);
    for (const { id } of registry.restorable()) registry.asked(id);
    registry.confirm({ id: 'sub_1' });
    expect(registry.find('a')).to.include({ state: 'confirmed', attempts: 2 });
    expect(registry.allSettled).to.equal(false);
    clock.advance(30_000);
    expect(registry.find('d')).to.include({ state: 'expired', attempts: 2 });
    expect(registry.allSettled).to.equal(true);
  });

  it('check 36: go from one session to another, as records (SM13–14)', () => {
    const first = stand();
    first.confirmed('a');
    first.registry.add('b', { deep: 1 });
    const second = stand();
    second.registry.add('b', { deep: 2 });
    second.registry.import(first.registry.records());
    expect(second.registry.records()).to.deep.equal([
      { channel: 'b', params: { deep: 2 } },
      { channel: 'a', params: undefined },
    ]);
    expect(second.states()).to.deep.equal(['b pending', 'a pending']);
  });

  it('settle for all who wait when confirmed, across a lost socket, and at once for who asks later', async () => {
    const { registry } = stand();
    const { id } = registry.add('a', undefined);
    const waiting = [registry.settled(id), registry.settled(id)];
    registry.asked(id);
    registry.lost();
    registry.asked(id);
    registry.confirm({ id });
    const info = registry.find('a');
    expect(await Promise.all([...waiting, registry.settled(id)])).to.deep.equal([info, info, info]);
    expect(info).to.include({ state: 'confirmed', attempts: 2 });
  });

  it('reject who waits, and who asks later, with how they ended', async () => {
    const { registry, clock } = stand(1_000);
    const ids = ['a', 'b', 'c'].map((channel) => registry.add(channel, undefined).id);
    const waiting = ids.map((id) => rejects(registry.settled(id), 'ERR_GUNPORT_SUBSCRIPTION'));
    registry.asked('sub_2');
    registry.fail({ channel: 'a' }, 'no such channel');
    clock.advance(1_000);
    registry.remove('c');
    const messages = [
      'the subscription to "a" has failed: no such channel',
      'the subscription to "b" has expired: no answer within 1000 ms',
      'the subscription to "c" was unsubscribed',
    ];
    const errors = await Promise.all(waiting);
    expect(errors.map(({ message }) => message)).to.deep.equal(messages);
    expect(errors.map(({ reason }) => reason)).to.deep.equal(['failed', 'expired', 'unsubscribed']);
    for (const [i, id] of ids.entries()) {
      const error = await rejects(registry.settled(id), 'ERR_GUNPORT_SUBSCRIPTION');
      expect(error).to.be.instanceOf(StreamError).with.property('message', messages[i]);
    }
    await rejects(registry.settled('sub_9'), 'ERR_GUNPORT_SUBSCRIPTION');
  });

  it('reject who waits with the end of the session, and stay as they are for the next', async () => {
    const { registry, confirmed } = stand();
    const confirmedId = confirmed('a');
    const { id } = registry.add('b', undefined);
    registry.asked(id);
    const waiting = rejects(registry.settled(id), 'ERR_GUNPORT_CLOSED');
    registry.end(over);
    expect(await waiting).to.equal(over);
    expect(await rejects(registry.settled(id), 'ERR_GUNPORT_CLOSED')).to.equal(over);
    expect((await registry.settled(confirmedId)).state).to.equal('confirmed');
    expect(registry.records().map(({ channel }) => channel)).to.deep.equal(['a', 'b']);
  });

  it(`are forgotten when more than ${MOST_ENDED} have ended, those that ended first; the living never`, () => {
    const { registry, confirmed } = stand();
    confirmed('alive');
    for (let i = 0; i <= MOST_ENDED; i++) registry.remove(confirmed(`c${i}`));
    expect(registry.all()).to.have.length(MOST_ENDED + 1);
    expect(registry.counts()).to.include({ confirmed: 1, unsubscribed: MOST_ENDED });
    expect([registry.find('c0'), registry.find('c1')?.state, registry.find('alive')?.state]).to.deep.equal([
      undefined,
      'unsubscribed',
      'confirmed',
    ]);
    confirmed('c1');
    registry.remove(confirmed('d'));
    expect(registry.find('c1')?.state).to.equal('confirmed');
  });

  it(`behave as a simple model of them does, on a walk of 600 steps (GUNPORT_SEED=${seed})`, async () => {
    const roll = chance(seed);
    const { registry, clock, changes } = stand(5_000);
    const model = new WalkModel(5_000);
    const verdicts: Promise<void>[] = [];
    for (let step = 0; step < 600; step++) {
      const told = changes.length;
      const from = registry.all();
      const did = model.step(roll, registry, clock);
      const shown = `step ${step}: ${did}`;
      expect(registry.all(), shown).to.deep.equal(model.all());
      expect(registry.restorable(), shown).to.deep.equal(model.all().filter(WalkModel.isAlive));
      expect(registry.allSettled, shown).to.equal(!model.all().some(({ state }) => state === 'pending'));
      // One event for each that was added or has changed its state, and none else.
      const before = new Map(from.map(({ id, state }) => [id, state]));
      const moved = model.all().filter(({ id, state }) => before.get(id) !== state);
      const events = changes.slice(told).map(({ id, state }) => `${id} ${state}`);
      expect(events, shown).to.have.members(moved.map(({ id, state }) => `${id} ${state}`));
      if (moved.length > 0 && roll(4) === 0) verdicts.push(model.awaits(registry, moved[0]!.id));
    }
    registry.end(over);
    expect(clock.size).to.equal(0);
    model.end(over);
    await Promise.all(verdicts);
  });
});
