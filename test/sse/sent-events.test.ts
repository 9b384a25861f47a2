// sent-events.test — events as they cross between threads: packed, cut, and given one by one.

import { expect } from 'chai';
import { Notices } from '../../lib/notices.ts';
import {
  type AnyEvent,
  costOfEvent,
  costOfEvents,
  countOfEvents,
  EventCursor,
  packed,
  splitEvents,
  unpacked,
} from '../../lib/sentevents.ts';

const EVENTS: readonly AnyEvent[] = [
  { type: 'message', data: 'one', lastEventId: '' },
  { type: 'message', data: '', lastEventId: '' },
  { type: 'trade', data: 'two\n€😀', lastEventId: '7' },
  { type: 'trade', data: 'three', lastEventId: '7', retry: 0 },
  { lastEventId: '7' },
  { lastEventId: '8', retry: 2 ** 31 - 1 },
  { type: 'quote', data: 'four', lastEventId: '8' },
  { type: 'trade', data: 'trade', lastEventId: '' },
  { lastEventId: '', retry: 1 },
  { type: 'x', data: 'y'.repeat(1_000), lastEventId: '猫'.repeat(20) },
];

describe('events that cross', () => {
  it('are the same after it', () => {
    expect(unpacked(packed(EVENTS))).to.deep.equal(EVENTS);
    expect(unpacked(structuredClone(packed(EVENTS)))).to.deep.equal(EVENTS);
    expect(unpacked(packed([]))).to.deep.equal([]);
  });

  it('are the same wherever they are cut in two, and again', () => {
    for (let at = 0; at <= EVENTS.length; at++) {
      const [first, rest] = splitEvents(packed(EVENTS), at);
      expect(unpacked(first), `${at}`).to.deep.equal(EVENTS.slice(0, at));
      expect(unpacked(rest), `${at}`).to.deep.equal(EVENTS.slice(at));
      for (let more = 0; more <= EVENTS.length - at; more++) {
        const [second, third] = splitEvents(rest, more);
        expect([...unpacked(second), ...unpacked(third)]).to.deep.equal(EVENTS.slice(at));
      }
    }
  });

  it('leave a rest at any point, which changes nothing', () => {
    const cursor = new EventCursor(packed(EVENTS));
    for (let at = 0; !cursor.isOver; at++) {
      expect(unpacked(cursor.rest())).to.deep.equal(EVENTS.slice(at));
      expect(cursor.next()).to.deep.equal(EVENTS[at]);
    }
  });

  it('count for the same on both sides, in one packet or in several (F1)', () => {
    const sum = EVENTS.reduce((cost, event) => cost + costOfEvent(event), 0);
    expect(costOfEvents(packed(EVENTS))).to.equal(sum);
    expect(costOfEvent({ lastEventId: '' })).to.equal(128);
    expect(costOfEvent({ type: 'message', data: 'abc', lastEventId: '12' })).to.equal(128 + 7 + 3 + 2);
    for (let at = 0; at <= EVENTS.length; at++) {
      const [first, rest] = splitEvents(packed(EVENTS), at);
      expect(countOfEvents(first)).to.equal(at);
      expect(costOfEvents(first) + costOfEvents(rest)).to.equal(sum);
    }
  });

  it('wait among notices, and are given as notices or as they are', () => {
    const notices = new Notices();
    notices.push({ type: 'data', fin: false, data: new Uint8Array(0) });
    notices.pushEvents(packed(EVENTS));
    notices.push({ type: 'sse', fin: true });
    notices.end(undefined, false);
    expect(notices.takeEvent()).to.equal(undefined);
    expect(notices.take()).to.include({ type: 'data' });
    const given: unknown[] = [];
    for (let i = 0; i < EVENTS.length; i++) {
      const notice = i % 2 === 0 ? notices.take() : undefined;
      given.push(i % 2 === 0 ? (notice?.type === 'sse' ? notice.event : notice) : notices.takeEvent());
      expect(notices.finished).to.equal(false);
    }
    expect(given).to.deep.equal(EVENTS);
    expect(notices.takeEvent()).to.equal(undefined);
    expect(notices.take()).to.deep.equal({ type: 'sse', fin: true });
    expect(notices.complete).to.equal(true);
  });
});
