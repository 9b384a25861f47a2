// Tests of the parts that pass on the latest value when there is room or time.

import { expect } from 'chai';
import { OptionError } from '../../lib/errors.ts';
import { conflate, pipe, throttle } from '../../lib/parts/index.ts';
import type { Message } from '../../lib/types.ts';
import { chance, seedOf } from '../support/chance.ts';
import { PartStage } from '../support/part-stage.ts';

const symbolOf = (message: Message): unknown => message[0];

describe('conflate', () => {
  it('passes all on while the owner has room', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, conflate({ key: symbolOf }));
    for (const text of ['a1', 'a2', 'b1']) message(text);
    expect(stage.emitted).to.deep.equal(['a1', 'a2', 'b1']);
  });

  it('keeps the latest of each key while there is none, in the order in which keys began to wait', () => {
    const stage = new PartStage();
    const handler = pipe(stage, conflate({ key: symbolOf }));
    stage.ready = false;
    for (const text of ['b1', 'a1', 'b2', 'c1', 'a2', 'b3']) handler.message(text);
    expect(stage.emitted).to.deep.equal([]);
    expect(handler.api.counters()[0]?.counters).to.include({ in: 6, out: 0, dropped: 3, waiting: 3 });
    stage.ready = true;
    handler.ready();
    expect(stage.take()).to.deep.equal(['b3', 'a2', 'c1']);
    handler.message('b4');
    expect(stage.take()).to.deep.equal(['b4']);
    expect(handler.api.counters()[0]?.counters).to.include({ in: 7, out: 4, dropped: 3, waiting: 0 });
  });

  it('stops in the midst when the room is used up', () => {
    const stage = new PartStage();
    const handler = pipe(stage, conflate({ key: symbolOf }));
    stage.ready = false;
    for (const text of ['a1', 'b1', 'c1']) handler.message(text);
    stage.emit = (value) => {
      stage.emitted.push(value);
      stage.ready = false;
      return false;
    };
    for (const expected of ['a1', 'b1', 'c1']) {
      stage.ready = true;
      handler.ready();
      expect(stage.take()).to.deep.equal([expected]);
    }
  });

  it('passes on the latest of each key once an interval, and keeps no timer in between', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, conflate({ key: symbolOf, interval: 10 }));
    for (const text of ['a1', 'b1', 'a2']) message(text);
    stage.pass(9);
    expect(stage.take()).to.deep.equal([]);
    stage.pass(1);
    expect(stage.take()).to.deep.equal(['a2', 'b1']);
    expect(stage.timers).to.equal(0);
    message('a3');
    stage.pass(10);
    expect(stage.take()).to.deep.equal(['a3']);
  });

  it('waits for room after an interval', () => {
    const stage = new PartStage();
    const handler = pipe(stage, conflate({ key: symbolOf, interval: 10 }));
    stage.ready = false;
    handler.message('a1');
    stage.pass(10);
    expect(stage.emitted).to.deep.equal([]);
    stage.ready = true;
    handler.ready();
    expect(stage.take()).to.deep.equal(['a1']);
  });

  it('passes on what waits when the WebSocket ends', () => {
    const stage = new PartStage();
    const handler = pipe(stage, conflate({ key: symbolOf }));
    stage.ready = false;
    handler.message('a1');
    handler.close();
    expect(stage.emitted).to.deep.equal(['a1']);
  });

  it('passes on what has waited longest where too many keys wait', () => {
    const stage = new PartStage();
    const handler = pipe(stage, conflate({ key: symbolOf, maxKeys: 2 }));
    stage.ready = false;
    for (const text of ['a1', 'b1', 'a2', 'c1']) handler.message(text);
    expect(stage.take()).to.deep.equal(['a2']);
  });

  it('copies bytes that wait', () => {
    const stage = new PartStage();
    const handler = pipe(stage, conflate({ key: () => 0 }));
    stage.ready = false;
    const bytes = Buffer.from([1, 2]);
    handler.message(bytes);
    bytes.fill(0);
    stage.ready = true;
    handler.ready();
    expect(stage.emitted).to.deep.equal([new Uint8Array([1, 2])]);
  });

  it('always ends with the last value of each key, whenever there is room', () => {
    const seed = seedOf();
    const next = chance(seed);
    for (let round = 0; round < 50; round++) {
      const stage = new PartStage();
      const interval = next(2) * 7;
      const handler = pipe(stage, conflate({ key: symbolOf, interval, maxKeys: 1 + next(4) }));
      const last = new Map<string, string>();
      for (let step = 0; step < 100; step++) {
        const key = 'abcd'[next(4)] as string;
        stage.ready = next(3) > 0;
        if (stage.ready) handler.ready();
        if (next(4) === 0) stage.pass(next(10));
        handler.message(`${key}${step}`);
        last.set(key, `${key}${step}`);
      }
      handler.close();
      const seen = new Map<string, string>();
      for (const text of stage.emitted as string[]) {
        const before = seen.get(text[0]!);
        if (before) expect(Number(text.slice(1))).to.be.above(Number(before.slice(1)));
        seen.set(text[0]!, text);
      }
      expect(Object.fromEntries(seen), `seed ${seed}, round ${round}`).to.deep.equal(
        Object.fromEntries(last),
      );
      const { in: taken, out, dropped } = handler.api.counters()[0]!.counters;
      expect(out + dropped).to.equal(taken);
    }
  });

  it('refuses bad options', () => {
    expect(() => conflate({} as never)).to.throw(OptionError, 'conflate.key must be a function');
    expect(() => conflate({ key: symbolOf, interval: -1 })).to.throw(OptionError, 'interval');
    expect(() => conflate({ key: symbolOf, maxKeys: 0 })).to.throw(OptionError, 'maxKeys');
  });
});

describe('throttle', () => {
  it('passes on the first at once, and the latest at the end of each interval', () => {
    const stage = new PartStage();
    const handler = pipe(stage, throttle({ interval: 10 }));
    for (const text of ['1', '2', '3']) handler.message(text);
    expect(stage.take()).to.deep.equal(['1']);
    stage.pass(10);
    expect(stage.take()).to.deep.equal(['3']);
    handler.message('4');
    expect(stage.take()).to.deep.equal([]);
    stage.pass(10);
    expect(stage.take()).to.deep.equal(['4']);
    stage.pass(10);
    expect(stage.timers).to.equal(0);
    handler.message('5');
    expect(stage.take()).to.deep.equal(['5']);
    expect(handler.api.counters()[0]?.counters).to.include({ in: 5, out: 4, dropped: 1, waiting: 0 });
  });

  it('keeps an interval for each key, with one timer', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, throttle({ interval: 10, key: symbolOf }));
    message('a1');
    stage.pass(4);
    for (const text of ['b1', 'a2', 'b2']) message(text);
    expect(stage.take()).to.deep.equal(['a1', 'b1']);
    expect(stage.timers).to.equal(1);
    stage.pass(6);
    expect(stage.take()).to.deep.equal(['a2']);
    stage.pass(4);
    expect(stage.take()).to.deep.equal(['b2']);
    stage.pass(20);
    expect(stage.timers).to.equal(0);
  });

  it('passes on what waits when the WebSocket ends', () => {
    const stage = new PartStage();
    const handler = pipe(stage, throttle({ interval: 10 }));
    handler.message('1');
    handler.message('2');
    handler.close();
    expect(stage.emitted).to.deep.equal(['1', '2']);
    stage.pass(100);
    expect(stage.emitted).to.have.length(2);
  });

  it('forgets the key that began first where there are too many', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, throttle({ interval: 10, key: symbolOf, maxKeys: 2 }));
    for (const text of ['a1', 'a2', 'b1', 'c1']) message(text);
    expect(stage.take()).to.deep.equal(['a1', 'b1', 'c1', 'a2']);
  });

  it('refuses bad options', () => {
    for (const bad of [undefined, {}, { interval: 0 }, { interval: 1, key: 1 }])
      expect(() => throttle(bad as never)).to.throw(OptionError);
  });
});
