// Tests of the parts that let some values through: by what they are, by their bytes, by count and time.

import { expect } from 'chai';
import { Batch } from '../../lib/batch.ts';
import { OptionError } from '../../lib/errors.ts';
import { contains, filter, json, map, pipe, sample } from '../../lib/parts/index.ts';
import type { Message } from '../../lib/types.ts';
import { TEXT_BIT } from '../../lib/wire.ts';
import { chance, seedOf } from '../support/chance.ts';
import { PartStage } from '../support/part-stage.ts';

/** Messages as a parcel holds them, with `between` in front of each, as a frame's header is. */
function batchOf(messages: readonly Message[], between = '', from = 0): Batch {
  const pieces: Buffer[] = [];
  const index = new Int32Array(2 * messages.length);
  let at = 0;
  for (const [i, message] of messages.entries()) {
    const bytes = Buffer.from(message as string); // Or bytes.
    pieces.push(Buffer.from(between), bytes);
    index[2 * i] = at + between.length;
    index[2 * i + 1] = bytes.length | (typeof message === 'string' ? TEXT_BIT : 0);
    at += between.length + bytes.length;
  }
  const slab = new Uint8Array(Buffer.concat(pieces));
  // What a batch reads of a parcel.
  return new Batch({ slab, index, count: messages.length, ascii: false } as never, from);
}

describe('filter', () => {
  it('passes on what the predicate is true of', () => {
    const stage = new PartStage();
    const { message } = pipe(
      stage,
      json<number | string>(),
      filter((value): value is number => typeof value === 'number'),
      filter((value: number) => value % 2),
    );
    for (const text of ['1', '"a"', '2', '3']) message(text);
    expect(stage.emitted).to.deep.equal([1, 3]);
  });

  it('refuses what is no function', () => {
    expect(() => filter(1 as never)).to.throw(OptionError, 'filter.predicate must be a function, got 1');
    expect(() => map(undefined as never)).to.throw(OptionError, 'map.change');
  });
});

describe('map', () => {
  it('passes on what the function gives, and drops undefined', () => {
    const stage = new PartStage();
    const handler = pipe(
      stage,
      map((text) => (text === 'b' ? undefined : `${text}!`)),
    );
    for (const text of ['a', 'b', 'c']) handler.message(text);
    expect(stage.emitted).to.deep.equal(['a!', 'c!']);
    expect(handler.api.counters()[0]?.counters.dropped).to.equal(1);
  });
});

describe('sample', () => {
  it('passes on one in so many, the first to begin with', () => {
    const stage = new PartStage();
    const handler = pipe(stage, sample(3));
    for (const text of '0123456') handler.message(text);
    expect(stage.emitted).to.deep.equal(['0', '3', '6']);
    expect(handler.api.counters()[0]?.counters.dropped).to.equal(4);
  });

  it('passes on the first in each interval', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, sample({ interval: 10 }));
    let now = 0;
    for (const at of [0, 4, 9, 10, 16, 40, 49, 50]) {
      stage.pass(at - now);
      now = at;
      message(String(at));
    }
    expect(stage.emitted).to.deep.equal(['0', '10', '40', '50']);
  });

  it('refuses bad counts and intervals', () => {
    for (const bad of [0, -1, 1.5, undefined, '3', { interval: 0 }, {}, null])
      expect(() => sample(bad as never), String(bad)).to.throw(OptionError, 'sample');
  });
});

describe('contains', () => {
  it('passes on the messages with one of the needles, texts and bytes', () => {
    const stage = new PartStage();
    const handler = pipe(stage, contains('"BTC"', new Uint8Array([0, 1])));
    const wanted = ['{"s":"BTC"}', Buffer.from('x"BTC"'), new Uint8Array([9, 0, 1]), 'a\0\x01'];
    for (const data of [wanted[0]!, 'BTC', ...wanted.slice(1), new Uint8Array([1, 0]), ''])
      handler.message(data);
    expect(stage.emitted).to.deep.equal(wanted);
    expect(handler.api.counters()[0]?.counters).to.include({ in: 7, out: 4, dropped: 3 });
  });

  it('finds in a whole batch what it finds one by one, and nothing between messages or across them', () => {
    const seed = seedOf();
    const next = chance(seed);
    for (let round = 0; round < 100; round++) {
      const letters = (most: number): string =>
        Array.from({ length: next(most + 1) }, () => 'ab'[next(2)]).join('');
      const messages = Array.from({ length: next(20) }, () =>
        next(2) === 0 ? letters(8) : new Uint8Array(Buffer.from(letters(8))),
      );
      const needles = Array.from({ length: 1 + next(2) }, () => `${letters(3)}b`);
      const from = next(messages.length + 1);
      const [alone, whole] = [new PartStage(), new PartStage()];
      const [one, all] = [pipe(alone, contains(...needles)), pipe(whole, contains(...needles))];
      for (const message of messages.slice(from)) one.message(message);
      all.batch?.(batchOf(messages, letters(4), from));
      expect(whole.emitted, `seed ${seed}, round ${round}`).to.deep.equal(alone.emitted);
      expect(all.api.counters()).to.deep.equal(one.api.counters());
    }
  });

  it('is right where messages do not stand in order', () => {
    const stage = new PartStage();
    const slab = new Uint8Array(Buffer.from('xBTCyy'));
    const index = Int32Array.from([4, 2 | TEXT_BIT, 0, 4 | TEXT_BIT]);
    pipe(stage, contains('BTC')).batch?.(new Batch({ slab, index, count: 2, ascii: true } as never));
    expect(stage.emitted).to.deep.equal(['xBTC']);
  });

  it('feeds the parts behind it, whose faults are theirs', () => {
    const stage = new PartStage();
    const handler = pipe(stage, contains('1'), json());
    handler.batch?.(batchOf(['1', '2', '{1', '[1]']));
    expect(stage.emitted).to.deep.equal([1, [1]]);
    expect(stage.faults.map(({ where }) => where)).to.deep.equal(['json']);
  });

  it('gives no batch hook where it is not the first', () => {
    expect(pipe(new PartStage(), sample(1), contains('a'))).not.to.have.property('batch');
  });

  it('refuses no needle, an empty one, and what is none', () => {
    expect(() => contains()).to.throw(OptionError, 'contains must have a needle');
    for (const bad of ['', new Uint8Array(), 1]) expect(() => contains(bad as string)).to.throw(OptionError);
  });
});
