// verdict.test — what the fuzzer is there to find, planted: each is found, by name.

import { expect } from 'chai';
import { ConnectionError, OptionError, type Pool, StreamError } from '../../lib/index.ts';
import { FAULTY, fault, faulty } from '../support/faults.ts';
import { type FuzzFigures, fuzz } from './fuzz.ts';
import { fuzzParsers } from './parsers.ts';
import { type Plan, planOf, wordsOf } from './plan.ts';
import type { Verdict } from './verdict.ts';

const NEVER = new Promise<never>(() => {});

/** Clients that do this with good peers. */
function planted(
  visit: (pool: Pool, url: string, verdict: Verdict) => unknown,
  spoken: 'ws' | 'http1' = 'ws',
): Promise<FuzzFigures> {
  const plan = (seed: number, index: number): Plan => {
    return { ...planOf(seed, index, spoken), stage: 'nowhere', secure: false };
  };
  return fuzz({
    ...{ seed: 7, count: 1, deadline: 300, plan },
    visit: async (pool, _plan, { peer }, verdict) => {
      await visit(pool, `ws://127.0.0.1:${peer.port}`, verdict);
    },
  });
}

describe('what the fuzzer would tell', function () {
  // Each starts a thread or two.
  this.timeout(20_000);

  it('is nothing of a client to which nothing happens', async () => {
    const { faults, promises } = await planted(async (pool, url, verdict) => {
      const feed = await verdict.note('connect', pool.connect(url));
      await verdict.note('close', feed!.connection.close());
    });
    expect(faults).to.deep.equal([]);
    expect(promises).to.equal(3);
  });

  it('names a promise that never settles, and the seed and the peer', async () => {
    const { faults } = await planted((_pool, _url, verdict) => void verdict.note('a lost promise', NEVER));
    expect(faults).to.have.lengthOf(1);
    expect(faults[0]).to.match(/^GUNPORT_SEED=7 GUNPORT_PEER=0 \(ws: .*never settled: a lost promise$/);
    expect(wordsOf(planOf(7, 0))).to.equal(wordsOf(planOf(7, 0)));
  });

  const bug = new TypeError('reading undefined');
  for (const [what, error, told] of [
    ['that is none of ours', bug, /a request: not an error of ours: TypeError: reading undefined/],
    [
      'beneath which code of ours has failed',
      new StreamError('ERR_GUNPORT_CLOSED', 'the connection has ended', {
        cause: new ConnectionError('ERR_GUNPORT_CLOSED', 'lost', { cause: bug }),
      }),
      /a request: ERR_GUNPORT_CLOSED, beneath which is TypeError: reading undefined/,
    ],
    ['that blames the caller', new OptionError('bad'), /a request: no fault of a peer: OptionError: bad/],
  ] as const) {
    it(`names an error ${what}`, async () => {
      const { faults } = await planted((_pool, _url, verdict) => {
        void verdict.note('a request', Promise.reject(error));
        verdict.attempt('at once', () => {
          throw error;
        });
      });
      expect(faults).to.have.lengthOf(2);
      expect(faults[0]).to.include('at once: ');
      expect(faults[1]).to.match(told);
    });
  }

  it('names a thread that dies, and the neighbour in it that has noticed', async () => {
    const { faults } = await planted(async (pool, url) => {
      await pool.connect(faulty(url), { lookup: FAULTY });
      const [thread] = pool.info().threads;
      const down = new Promise((resolve) => pool.once('down', resolve));
      fault(thread!.threadId, { kind: 'throw', value: 'error' });
      await down;
    });
    expect(faults.join('\n')).to.match(/GUNPORT_SEED=7: the thread died: /);
    expect(faults.join('\n')).to.match(/GUNPORT_SEED=7: .*(witness|uncaught)/);
  });

  it('names a connection that is left behind', async () => {
    // Kept here, too: what nobody holds any more is closed. And it never gives up: its peer goes before it is looked for.
    const kept: unknown[] = [];
    const retry = Number.POSITIVE_INFINITY;
    const { faults } = await planted(async (pool, url) => kept.push(await pool.connect(url, { retry })));
    expect(faults[0]).to.match(/left in the thread: .+; connections: 2/);
  });

  it('names a peer that could not understand its client', async () => {
    const plan = (seed: number, index: number): Plan => {
      return { ...planOf(seed, index, 'http2'), stage: 'nowhere', secure: false };
    };
    const { faults } = await fuzz({
      ...{ seed: 7, count: 1, plan },
      visit: async (pool, _plan, { peer }) => {
        const connection = pool.open(`http://127.0.0.1:${peer.port}`, { protocols: ['raw'] });
        // A header block that refers to an entry which no table has.
        const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
        const block = Buffer.from('00000101050000000' + '1ff', 'hex');
        const stream = connection.raw();
        stream.data('nofin', Buffer.concat([Buffer.from(preface), block]));
        // Its SETTINGS come once it has read the preface, and all that came with that.
        for await (const _ of stream) break;
        await connection.close();
      },
    });
    expect(faults.join('\n')).to.match(/its script: /);
  });
});

describe('what the fuzzer of parsers would tell', () => {
  const run = (read: (parts: readonly Buffer[]) => string[]): readonly string[] =>
    fuzzParsers({ seed: 3, count: 50, targets: [{ name: 'planted', samples: [Buffer.from('abc')], read }] })
      .faults;

  it('is nothing of a parser that gives the same for the same', () => {
    expect(run((parts) => [Buffer.concat(parts).toString('hex')])).to.deep.equal([]);
  });

  it('names one that throws, with its bytes, and one that minds how they were cut', () => {
    const [first] = run(() => {
      throw new RangeError('out of it');
    });
    expect(first).to.match(/^GUNPORT_SEED=3 GUNPORT_PEER=0 \(planted, [0-9a-f]*\): RangeError: out of it/);
    expect(run((parts) => [String(parts.length)])[0]).to.match(/in parts of [\d,]*: \d+; whole: 1/);
  });
});
