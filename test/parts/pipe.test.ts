// Tests of pipes: how values go through parts, and what errors cost.

import { expect } from 'chai';
import { OptionError } from '../../lib/errors.ts';
import type { Handler, HandlerContext } from '../../lib/handler.ts';
import { conflate, filter, gaps, json, map, part, pipe, sample } from '../../lib/parts/index.ts';
import { PartStage } from '../support/part-stage.ts';

interface Trade {
  readonly symbol: string;
  readonly seq: number;
}

describe('pipe', () => {
  it('is a handler, whose parts are typed by those before them', () => {
    const stage = new PartStage();
    // A context of a handler is one of a pipe.
    const context = stage as unknown as HandlerContext<Trade>;
    const handler: Handler = pipe(
      context,
      json<Trade>(),
      filter((trade) => trade.symbol === 'BTC'),
      gaps({ sequence: (trade) => trade.seq }),
      conflate({ key: (trade) => trade.symbol }),
    );
    for (const [seq, symbol] of ['BTC', 'ETH', 'BTC'].entries())
      handler.message?.(JSON.stringify({ symbol, seq }));
    expect(stage.emitted).to.deep.equal([
      { symbol: 'BTC', seq: 0 },
      { symbol: 'BTC', seq: 2 },
    ]);
  });

  it('tells the counters of each part in its api', () => {
    const stage = new PartStage();
    const handler = pipe(
      stage,
      json<number>(),
      filter((value) => value > 1),
      map((value) => value * 2),
    );
    for (const text of ['1', '2', '{', '3']) handler.message(text);
    expect(stage.emitted).to.deep.equal([4, 6]);
    expect(handler.api.counters()).to.deep.equal([
      { part: 'json', counters: { in: 4, out: 3, dropped: 1, failed: 0, bad: 1 } },
      { part: 'filter', counters: { in: 3, out: 2, dropped: 1, failed: 0 } },
      { part: 'map', counters: { in: 2, out: 2, dropped: 0, failed: 0 } },
    ]);
  });

  it('reports what a part throws as a fault of that part, and goes on with the next value', () => {
    const stage = new PartStage();
    const handler = pipe(
      stage,
      json<number[]>(),
      part<number[], number>('spread', {}, (_context, next) => ({ take: (values) => values.forEach(next) })),
      map((value) => {
        if (value === 2) throw new Error('not 2');
        return value;
      }),
    );
    handler.message('[1,2,3]');
    expect(stage.emitted).to.deep.equal([1, 3]);
    expect(stage.faults.map(({ where }) => where)).to.deep.equal(['map']);
    expect(handler.api.counters().map(({ counters }) => counters.failed)).to.deep.equal([0, 0, 1]);
  });

  it('reports what cannot be emitted as a fault of the last part', () => {
    const stage = new PartStage();
    stage.emit = () => {
      throw new Error('cannot be cloned');
    };
    const handler = pipe(stage, json(), sample(1));
    handler.message('1');
    expect(stage.faults.map(({ where }) => where)).to.deep.equal(['sample']);
  });

  it('reports at most one fault a second of a part, and counts all', () => {
    const stage = new PartStage();
    const handler = pipe(stage, json());
    const failing = pipe(
      stage,
      map(() => {
        throw new Error('always');
      }),
    );
    for (let i = 0; i < 100; i++) handler.message('{');
    for (let i = 0; i < 100; i++) failing.message('');
    expect(stage.faults.map(({ where }) => where)).to.deep.equal(['json', 'map']);
    stage.pass(1_000);
    handler.message('{');
    failing.message('');
    expect(stage.faults).to.have.length(4);
    expect(handler.api.counters()[0]?.counters['bad']).to.equal(101);
    expect(failing.api.counters()[0]?.counters.failed).to.equal(101);
  });

  it('refuses a part that is in a pipe already', () => {
    const shared = json();
    pipe(new PartStage(), shared);
    expect(() => pipe(new PartStage(), shared))
      .to.throw()
      .with.property('code', 'ERR_GUNPORT_BAD_STATE');
  });

  it('refuses what is no context and no part', () => {
    const stage = new PartStage();
    const call = pipe as (...parts: unknown[]) => unknown;
    expect(() => call(json(), sample(1))).to.throw(OptionError, "the handler's context first");
    expect(() => call(undefined, json())).to.throw(OptionError, 'got undefined');
    expect(() => call(stage)).to.throw(OptionError, 'pipe must have a part');
    expect(() => call(stage, json(), () => {})).to.throw(OptionError, 'got function');
    expect(() => call(stage, undefined)).to.throw(OptionError, 'got undefined');
  });
});
