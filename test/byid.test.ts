// byid.test — the map of ids against one that is known to be right.

import { expect } from 'chai';
import { ById } from '../lib/byid.ts';

describe('a map by id', () => {
  it('holds what was put into it, until it is taken out', () => {
    const map = new ById<string>();
    map.set(1, 'one').set(2, 'two').set(2, 'another');
    expect([map.size, map.get(1), map.get(2), map.has(3)]).to.deep.equal([2, 'one', 'another', false]);
    expect([map.delete(1), map.delete(1), map.has(1), map.get(1)]).to.deep.equal([
      true,
      false,
      false,
      undefined,
    ]);
    expect([...map]).to.deep.equal([[2, 'another']]);
  });

  it('keeps one that stays while thousands pass', () => {
    const map = new ById<number>();
    map.set(5, 5);
    for (let id = 6; id < 5_000; id++) {
      map.set(id, id);
      map.delete(id - 3);
      if (id === 8) map.set(5, 5);
    }
    expect([map.get(5), map.size]).to.deep.equal([5, 4]);
    expect([...map.keys()]).to.deep.equal([5, 4_997, 4_998, 4_999]);
  });

  it('does what a Map does, in any order of ids', () => {
    const map = new ById<number>();
    const model = new Map<number, number>();
    for (let step = 0; step < 4_000; step++) {
      // Of ids that count up, of some that are far apart, and of some below 0.
      const id = [(step >> 2) + 1, 1 + ((step * 7) % 997) * 64, -1 - ((step * 13) % 300)][step % 3] ?? 1;
      if (step % 5 < 3) {
        map.set(id, step);
        model.set(id, step);
      } else expect(map.delete(id)).to.equal(model.delete(id));
      expect(map.get(id)).to.equal(model.get(id));
      expect(map.size).to.equal(model.size);
    }
    const sorted = [...model].sort(([a], [b]) => a - b);
    expect([...map.entries()]).to.deep.equal(sorted);
    expect([...map.values()]).to.deep.equal(sorted.map(([, value]) => value));
    const seen: [number, number][] = [];
    map.forEach((value, id) => void seen.push([id, value]));
    expect(seen).to.deep.equal(sorted);
  });

  it('can be changed while it is gone through', () => {
    const map = new ById<number>();
    for (let id = 1; id <= 200; id++) map.set(id, id);
    for (const id of map.keys()) map.delete(id % 2 === 1 ? id + 1 : id);
    expect(map.size).to.equal(100);
    const seen: number[] = [];
    map.each((value, id) => {
      seen.push(value);
      map.delete(id);
    });
    expect(seen.sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 100 }, (_, i) => 2 * i + 1));
    expect(map.size).to.equal(0);
  });
});
