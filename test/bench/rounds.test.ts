// rounds.test — the order in which peers have their turns, and what becomes of one that fails.

import { expect } from 'chai';
import { roundsOf, type Watcher } from '../../bench/instruments/rounds.ts';
import type { Peer, Sample, Work } from '../../bench/instruments/work.ts';

const SILENT: Watcher = { window: () => {}, round: () => {}, done: () => {} };

function workOf(peers: readonly Peer[]): Work {
  return {
    name: 'work',
    label: 'a work',
    unit: { rate: '/s', per: 1 },
    base: { peer: 'a', label: 'a' },
    peers,
  };
}

describe('the rounds of a work', () => {
  it('give each peer one turn in each, begun by another each time', async () => {
    const turns: string[] = [];
    const peers = ['a', 'b', 'c'].map((name): Peer => {
      const measure = async (): Promise<Sample> => {
        turns.push(name);
        return { rate: turns.length };
      };
      return { name, label: name, measure };
    });
    const rows = await roundsOf(workOf(peers), 4, SILENT);
    expect(turns.join('')).to.equal('abcbcacababc');
    expect(rows.map(({ samples }) => samples.map((sample) => sample?.rate))).to.deep.equal([
      [1, 6, 8, 10],
      [2, 4, 9, 11],
      [3, 5, 7, 12],
    ]);
  });

  it('go on without one that fails: it has no sample in that round, and says why', async () => {
    let calls = 0;
    const flaky: Peer = {
      name: 'flaky',
      label: 'flaky',
      measure: async () => {
        if (++calls === 2) throw new Error('it lost a byte');
        return { rate: calls };
      },
    };
    const sound: Peer = { name: 'sound', label: 'sound', measure: async () => ({ rate: 1 }) };
    const told: number[] = [];
    const watcher: Watcher = { ...SILENT, round: (_work, _rows, round) => told.push(round) };
    const [first, second] = await roundsOf(workOf([flaky, sound]), 3, watcher);
    expect(first?.error).to.equal('round 2: it lost a byte');
    expect(first?.samples).to.deep.equal([{ rate: 1 }, undefined, { rate: 3 }]);
    expect(second?.error).to.equal(undefined);
    expect(second?.samples).to.have.length(3);
    expect(told).to.deep.equal([0, 1, 2]);
  });
});
