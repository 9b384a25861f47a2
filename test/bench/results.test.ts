// results.test — from samples to ratios and verdicts: what a reader of the benchmark takes at its word.

import { expect } from 'chai';
import { baseOf, judge, quantile, type Row, summary } from '../../bench/instruments/results.ts';
import type { Target } from '../../bench/instruments/work.ts';

const BASE = { peer: 'slow', label: 'the slow one' };

function rowOf(peer: string, rates: readonly (number | undefined)[]): Row {
  const samples = rates.map((rate) => (rate === undefined ? undefined : { rate, activeNs: 1e9 / rate }));
  return { peer, label: `the ${peer} one`, samples };
}

describe('what the rounds of a work come to', () => {
  it('is a median, between the two in the middle where their number is even', () => {
    expect(quantile([9, 1, 5], 0.5)).to.equal(5);
    expect(quantile([4, 1, 2, 3], 0.5)).to.equal(2.5);
    expect(quantile([1, 2, 3, 4, 5], 1)).to.equal(5);
    expect(quantile([], 0.5)).to.be.NaN;
  });

  it('is a ratio of the same round, not of the medians: both meet the same weather', () => {
    // Twice as fast in each round, on a machine that was slower each time.
    const [slow, fast] = [rowOf('slow', [100, 10, 1]), rowOf('fast', [200, 20, 2])];
    const { ratios, medians, spread } = summary(fast, slow);
    expect(ratios.rate).to.equal(2);
    expect(ratios.activeNs).to.be.closeTo(0.5, 1e-9);
    expect(medians.rate).to.equal(20);
    expect(spread).to.be.closeTo((110 - 11) / 20, 1e-9);
  });

  it('leaves out the rounds that one of the two has not', () => {
    const [slow, fast] = [rowOf('slow', [100, undefined, 100]), rowOf('fast', [300, 900, undefined])];
    expect(summary(fast, slow).ratios.rate).to.equal(3);
    expect(summary(rowOf('none', []), slow)).to.deep.equal({ medians: {}, ratios: {}, spread: undefined });
  });

  it('is compared with nobody where the base was not measured', () => {
    expect(baseOf({ base: BASE }, [rowOf('fast', [1])])).to.equal(undefined);
    expect(summary(rowOf('fast', [1]), undefined).ratios).to.deep.equal({});
  });
});

describe('a target', () => {
  const rows = [
    rowOf('slow', [100, 100, 100]),
    rowOf('fast', [290, 300, 310]),
    rowOf('other', [150, 150, 150]),
  ];
  const verdictOf = (target: Target) => judge({ base: BASE, targets: [target] }, rows)[0];

  it('is met at its bound, and missed past it', () => {
    expect(verdictOf({ peer: 'fast', figure: 'rate', least: 3 })).to.include({ met: true, found: 3 });
    expect(verdictOf({ peer: 'fast', figure: 'rate', least: 3.01 })).to.include({ met: false });
    expect(verdictOf({ peer: 'fast', figure: 'rate', most: 3 })).to.include({ met: true });
    expect(verdictOf({ peer: 'fast', figure: 'rate', most: 2.99 })).to.include({ met: false });
  });

  it('may be against another than the base, or the figure itself', () => {
    const against = verdictOf({ peer: 'fast', figure: 'rate', least: 2, against: 'other' });
    expect(against).to.include({ met: true, found: 2, with: 'the other one' });
    const absolute = verdictOf({ peer: 'fast', figure: 'rate', least: 300, absolute: true });
    expect(absolute).to.include({ met: true, found: 300, with: undefined });
  });

  it('that has no figure is missed; one whose peer was not asked for is not judged', () => {
    expect(verdictOf({ peer: 'fast', figure: 'p50', least: 1 })).to.include({ met: false, found: undefined });
    expect(verdictOf({ peer: 'nobody', figure: 'rate', least: 1 })).to.equal(undefined);
    expect(verdictOf({ peer: 'fast', figure: 'rate', least: 1, against: 'nobody' })).to.equal(undefined);
  });
});
