// The parts that an authority is made of, against plain models of them: the line, the ranks, the patience after failures,
// and what may be sent again. GUNPORT_SEED repeats a run.

import { expect } from 'chai';
import { Line, type Standing } from '../../lib/authority/line.ts';
import { type Rank, Ranks } from '../../lib/authority/ranks.ts';
import { Reopening } from '../../lib/authority/reopening.ts';
import { isRetryable } from '../../lib/authority/retryable.ts';
import {
  ConnectionError,
  DownError,
  type GunportError,
  OptionError,
  StreamError,
  TimeoutError,
} from '../../lib/errors.ts';
import { chance } from '../support/chance.ts';

const seed = Number(process.env['GUNPORT_SEED'] ?? Date.now() % 1_000_000);
const NAME = `(GUNPORT_SEED=${seed})`;

describe('a line', () => {
  it(`has the oldest first, whoever comes back, and forgets who leaves ${NAME}`, () => {
    const roll = chance(seed);
    const line = new Line<number>();
    let model: Standing<number>[] = [];
    const left: number[] = [];
    for (let order = 1; order <= 5_000; order++) {
      const kind = roll(5);
      const gone = left.length > 0 && kind === 0 ? left.splice(roll(left.length), 1)[0] : undefined;
      if (kind < 3) {
        const standing = line.add(gone ?? order, gone ?? order);
        model.push(standing);
        model.sort((a, b) => a.order - b.order);
      } else if (kind === 3) {
        const first = model.shift();
        expect(line.first).to.equal(first?.one);
        expect(line.shift()).to.equal(first?.one);
        if (first) left.push(first.order);
      } else if (model.length > 0) {
        const one = model[roll(model.length)]!;
        line.remove(one);
        line.remove(one);
        model = model.filter((other) => other !== one);
      }
      expect(line.size).to.equal(model.length);
    }
    for (const { one } of model) expect(line.shift()).to.equal(one);
    expect([line.size, line.first, line.shift()]).to.deep.equal([0, undefined, undefined]);
  });
});

describe('ranks', () => {
  it(`give one of the least loaded, and of equals the last to come ${NAME}`, () => {
    const roll = chance(seed);
    const ranks = new Ranks<number>();
    const all = Array.from({ length: 30 }, (_, one): Rank<number> => ({ one, load: 0, at: -1 }));
    const loads = new Map<number, number>();
    for (let turn = 0; turn < 20_000; turn++) {
      const rank = all[roll(all.length)]!;
      if (roll(4) === 0) {
        ranks.remove(rank);
        loads.delete(rank.one);
      } else {
        const load = roll(roll(10) === 0 ? 1_000 : 5);
        ranks.add(rank, load);
        loads.set(rank.one, load);
      }
      expect(ranks.size).to.equal(loads.size);
      const { least } = ranks;
      expect(least === undefined ? undefined : loads.get(least)).to.equal(
        loads.size === 0 ? undefined : Math.min(...loads.values()),
      );
    }
    const fresh = new Ranks<string>();
    for (const one of ['a', 'b']) fresh.add({ one, load: 0, at: -1 }, 2);
    expect(fresh.least).to.equal('b');
  });
});

describe('the patience after failures', () => {
  const nothing = (): void => {};

  it('doubles with each in a row, half of it by chance, up to its longest', () => {
    for (const [random, delays] of [
      [0, [50, 100, 200, 400, 500, 500]],
      [1, [100, 200, 400, 800, 1_000, 1_000]],
    ] as const) {
      let clock = 0;
      const reopening = new Reopening(100, 1_000, nothing, () => clock);
      expect([reopening.wait, reopening.isFailing, reopening.memory]).to.deep.equal([0, false, 0]);
      for (const delay of delays) {
        reopening.failed(random);
        // Those that fail together count once.
        reopening.failed(1);
        expect([reopening.wait, reopening.isFailing, reopening.memory]).to.deep.equal([
          delay,
          true,
          delay + 1_000,
        ]);
        clock += delay;
        expect([reopening.wait, reopening.isFailing]).to.deep.equal([0, true]);
      }
      clock += 1_000;
      expect(reopening.memory).to.equal(0);
      reopening.succeeded();
      reopening.failed(random);
      expect(reopening.wait).to.equal(delays[0]);
    }
  });
});

describe('what may be sent again', () => {
  const closed = new ConnectionError('ERR_GUNPORT_CLOSED', 'lost');
  const unsent = new ConnectionError('ERR_GUNPORT_CLOSED', 'lost', { unprocessed: true });
  const refused = new StreamError('ERR_GUNPORT_RESET', 'it', { unprocessed: true });
  const above = new StreamError('ERR_GUNPORT_GOAWAY', 'it', { unprocessed: true });

  for (const [what, error, post, get] of [
    ['lost with its connection', closed, false, true],
    ['never sent', unsent, true, true],
    ['above the last stream of a GOAWAY', above, true, true],
    ['below it, and lost', new ConnectionError('ERR_GUNPORT_GOAWAY', 'it'), false, true],
    ['refused as a stream', refused, true, true],
    ['reset otherwise', new StreamError('ERR_GUNPORT_RESET', 'it'), false, false],
    [
      'behind the last of a connection',
      new StreamError('ERR_GUNPORT_CLOSING', 'it', { unprocessed: true }),
      true,
      true,
    ],
    ['lost with its thread', new DownError('ERR_GUNPORT_DOWN', 'it'), false, true],
    ['behind others, which may be processed', new StreamError('ERR_GUNPORT_CLOSING', 'it'), false, false],
    ['late', new TimeoutError('ERR_GUNPORT_TIMEOUT', 'it', { unprocessed: true }), false, false],
    ['aborted', new TimeoutError('ERR_GUNPORT_ABORTED', 'it'), false, false],
    ['cancelled', new StreamError('ERR_GUNPORT_CANCELLED', 'it', { unprocessed: true }), false, false],
    ['wrong', new OptionError('it', { unprocessed: true }), false, false],
    ['answered with garbage', new ConnectionError('ERR_GUNPORT_PROTOCOL', 'it'), false, false],
  ] as const satisfies readonly (readonly [string, GunportError, boolean, boolean])[]) {
    it(`is ${post ? 'a POST' : get ? 'a GET by choice' : 'nothing'} that was ${what}`, () => {
      expect(isRetryable(error, 'POST', 'unprocessed'), 'POST').to.equal(post);
      expect(isRetryable(error, 'POST', 'idempotent'), 'POST').to.equal(post);
      expect(isRetryable(error, 'GET', 'unprocessed'), 'GET').to.equal(post);
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']) {
        expect(isRetryable(error, method, 'idempotent'), method).to.equal(get);
      }
      expect(isRetryable(error, 'PATCH', 'idempotent'), 'PATCH').to.equal(post);
    });
  }
});
