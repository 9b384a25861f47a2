// contexts.test — time that a test moves, and contexts that write down what they were told.

import { expect } from 'chai';
import type { HandlerFactory } from '../../lib/handler.ts';
import { adapterContext, FakeClock, handlerContext } from '../../lib/testing/index.ts';
import { rejects } from '../support/rejects.ts';

describe('FakeClock', () => {
  it('runs what is due in order of time, and each callback sees its own time', () => {
    const clock = new FakeClock(100);
    const ran: [string, number][] = [];
    const note = (name: string) => () => void ran.push([name, clock.now()]);
    clock.setTimeout(note('late'), 30);
    clock.setTimeout(note('first'), 10);
    clock.setTimeout(note('second'), 10);
    const interval = clock.setInterval(note('beat'), 20);
    expect(clock.next).to.equal(10);
    clock.advance(40);
    expect(ran).to.deep.equal([
      ['first', 110],
      ['second', 110],
      ['beat', 120],
      ['late', 130],
      ['beat', 140],
    ]);
    interval.clear();
    expect(clock.pending).to.equal(0);
    clock.advance(1_000);
    expect(clock.now()).to.equal(1_140);
  });

  it('runs what callbacks set on the way, and no further', () => {
    const clock = new FakeClock();
    const ran: number[] = [];
    const again = (): void => {
      ran.push(clock.now());
      clock.setTimeout(again, 10);
    };
    again();
    clock.advance(25);
    expect(ran).to.deep.equal([0, 10, 20]);
    expect(clock.pending).to.equal(1);
  });

  it('lets promises go on between two timers', async () => {
    const clock = new FakeClock();
    const ran: number[] = [];
    clock.setTimeout(async () => {
      await Promise.resolve();
      clock.setTimeout(() => void ran.push(clock.now()), 5);
    }, 5);
    await clock.advanceAsync(10);
    expect(ran).to.deep.equal([10]);
  });

  it('ends where timers set each other for the same time, and refuses to go back', () => {
    const clock = new FakeClock();
    const again = (): void => void clock.setTimeout(again, 0);
    again();
    expect(() => clock.advance(1)).to.throw(RangeError, 'more than 100000 timers');
    expect(() => clock.advance(-1)).to.throw('ms must be a number from 0, got -1');
  });
});

describe('handlerContext', () => {
  const factory: HandlerFactory<{ symbol: string }> = ({ symbol }, context) => ({
    open: () => void context.send(`subscribe ${symbol}`, { secret: true }),
    message: (data) => (data === symbol ? { symbol, at: context.now() } : undefined),
    batch: () => void context.emit({ symbol }),
  });

  it('writes down what a handler sends, emits, notifies and closes', async () => {
    const context = handlerContext();
    const handler = await factory({ symbol: 'X' }, context);
    handler.open?.({ attempt: 1, url: context.url, protocol: '', extensions: '', headers: {} });
    expect(context.sent).to.deep.equal([{ data: 'subscribe X', secret: true }]);
    context.clock.advance(7);
    expect(handler.message?.('X')).to.deep.equal({ symbol: 'X', at: 7 });
    const mutable = { count: 1 };
    expect(context.emit(mutable)).to.equal(true);
    context.ready = false;
    expect(context.emit(mutable)).to.equal(false);
    mutable.count = 2;
    context.notify('out of band');
    context.send(['a', new Uint8Array([1])]);
    context.fault(new Error('bad'), 'parse');
    context.drop('stale');
    expect(context.emitted).to.deep.equal([{ count: 1 }, { count: 1 }]);
    expect(context.notified).to.deep.equal(['out of band']);
    expect(context.sent.slice(1).map(({ data }) => data)).to.deep.equal(['a', new Uint8Array([1])]);
    expect(context.faults[0]).to.include({ hook: 'parse' });
    expect(context.drops).to.deep.equal(['stale']);
    expect(() => context.send('gone')).to.throw('the WebSocket is down');
    await rejects(context.ping(), 'ERR_GUNPORT_NOT_CONNECTED');
    expect(() => context.emit(() => {})).to.throw('could not be cloned');
  });

  it('ends its timers with it, and makes faults of what they throw', () => {
    const context = handlerContext();
    context.setInterval(() => {
      throw new Error('tick');
    }, 10);
    context.setTimeout(() => {}, 5).clear();
    context.clock.advance(20);
    expect(context.faults.map(({ hook, error }) => [hook, error.message])).to.deep.equal([
      ['timer', 'tick'],
      ['timer', 'tick'],
    ]);
    context.end();
    expect(context.signal.aborted).to.equal(true);
    expect(context.clock.pending).to.equal(0);
  });
});

describe('adapterContext', () => {
  it('answers requests as the test says, and writes down what went by', async () => {
    const context = adapterContext({ reply: (message) => ({ echo: message }), authenticated: true });
    expect(await context.request({ id: 1 }, { timeout: 5 })).to.deep.equal({ echo: { id: 1 } });
    await context.send('x', { priority: 2 });
    context.deliver({ price: 1 });
    context.log('info', {}, 'hello');
    const ran: number[] = [];
    context.setTimeout(() => void ran.push(context.now()), 3);
    context.clock.advance(3);
    expect(ran).to.deep.equal([3]);
    expect(context.requested).to.deep.equal([{ message: { id: 1 }, options: { timeout: 5 } }]);
    expect(context.sent).to.deep.equal([{ message: 'x', options: { priority: 2 } }]);
    expect(context.delivered).to.deep.equal([{ price: 1 }]);
    expect(context.logged).to.have.lengthOf(1);
    expect(context.authenticated).to.equal(true);
    const failing = adapterContext({
      reply: () => {
        throw new Error('refused');
      },
    });
    expect(await failing.request({}).catch((error: Error) => error.message)).to.equal('refused');
  });
});
