// load.test — how exchanges are timed: nothing is left out because the server was slow.
// The lanes are of this test; times are of the machine, so what is compared is far apart.

import { expect } from 'chai';
import { type Lane, Load } from '../../scripts/gunport/load.ts';
import { Recorder } from '../../scripts/gunport/recorder.ts';
import { Sizes } from '../../scripts/gunport/sizes.ts';

/** Answers at once, but for number `stalled`, which is answered after so many milliseconds. */
function stallingLane(stalled: number, ms: number, heard: (number: number) => void = () => {}): Lane {
  let number = 0;
  return {
    exchange: (done) => {
      heard(++number);
      if (number === stalled) setTimeout(done, ms);
      else setImmediate(done);
    },
  };
}

/** A load that runs until its lane has heard number `last`. */
async function until(last: number, rate: number | undefined, make: (heard: (n: number) => void) => Lane) {
  let ready: () => void = () => {};
  const heard = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const lane = make((number) => {
    if (number === last) ready();
  });
  const load = new Load([lane], 1, rate);
  try {
    load.begin();
    await heard;
    await load.finish();
    return load;
  } finally {
    await load[Symbol.asyncDispose]();
  }
}

describe('a load', () => {
  it('counts a stall for each exchange that it made wait, and as sent for the one that it hit', async () => {
    let asked = 0;
    const { recorder, unanswered } = await until(200, 500, (heard) =>
      stallingLane(50, 150, (number) => {
        asked = number;
        heard(number);
      }),
    );
    const { p50 = 0, p90 = 0, p99 = 0, sentP50 = 0, sentP90 = 0, sentMax = 0 } = recorder.figures(true);
    // 75 of 200 were due while it stalled.
    expect(p90).to.be.above(60_000);
    expect(p99).to.be.above(100_000);
    expect(sentP90).to.be.below(60_000);
    expect(sentP50).to.be.below(p50 + 1);
    expect(sentMax).to.be.above(140_000);
    expect(unanswered).to.equal(0);
    // Those that were due before it counted are not there: a thread had to start. Behind the last that is waited for,
    // more may be due at once.
    expect(recorder.count).to.be.within(150, asked);
  });

  it('without a rate has the next one when the last is answered, and one time for each', async () => {
    const { recorder } = await until(50, undefined, (heard) => stallingLane(20, 50, heard));
    const figures = recorder.figures(false);
    expect(figures).to.have.all.keys('p50', 'p90', 'p99', 'p999', 'max');
    expect(figures.max).to.be.above(45_000);
    expect(figures.p50).to.be.below(45_000);
  });

  it('counts what was never answered with its age', async () => {
    let asked = 0;
    let twice: () => void = () => {};
    const heard = new Promise<void>((resolve) => {
      twice = resolve;
    });
    const deaf: Lane = {
      exchange: () => {
        if (++asked === 2) twice();
      },
    };
    await using load = new Load([deaf, deaf], 1, 1_000);
    load.begin();
    await heard;
    await load.finish(100);
    expect(asked).to.equal(2);
    expect(load.unanswered).to.equal(load.recorder.count).and.to.be.at.least(1);
    // It had waited for them in vain.
    expect(load.recorder.figures(true).p50).to.be.above(90_000);
  });

  it('counts what failed by its message, and goes on', async () => {
    const { failures, recorder } = await until(20, undefined, (heard) => {
      let number = 0;
      return {
        exchange: (done) => {
          heard(++number);
          setImmediate(() => (number === 3 ? done(new Error('no')) : done()));
        },
      };
    });
    expect([...failures]).to.deep.equal([['no', 1]]);
    expect(recorder.count).to.be.at.least(18);
  });

  it('takes a lane for closed that throws, and has ended with the last', async () => {
    const closed: Lane = {
      exchange: () => {
        throw new Error('closed');
      },
    };
    await using load = new Load([closed], 3, undefined);
    load.begin();
    await Promise.resolve(); // It starts behind what made it.
    await load.finish();
    expect([...load.failures]).to.deep.equal([['closed', 3]]);
  });
});

describe('what was recorded', () => {
  it('has a percentile for each step that there are enough exchanges for', () => {
    const recorder = new Recorder();
    for (let ms = 1; ms <= 1_000; ms++) recorder.record(0, 0, ms);
    const curve = recorder.curve('due');
    expect(curve[0]).to.deep.equal([0, 1_000]);
    expect(curve.at(-1)?.[0]).to.be.closeTo(99.9, 1e-9);
    expect(curve.at(-1)?.[1]).to.be.closeTo(999_000, 1_000);
    expect(recorder.figures(true)).to.include({ max: recorder.figures(true).sentMax });
    expect(new Recorder().curve('due')).to.deep.equal([]);
    expect(new Recorder().figures(true)).to.deep.equal({});
  });

  it('sums up rounds', () => {
    const [first, second] = [new Recorder(), new Recorder()];
    first.record(0, 5, 10);
    second.record(0, undefined, 1_000);
    first.add(second);
    expect(first.count).to.equal(2);
    const { max = 0, sentMax = 0 } = first.figures(true);
    expect(max).to.be.closeTo(1_000_000, 1_000);
    expect(sentMax).to.be.closeTo(5_000, 5);
  });
});

describe('sizes', () => {
  it('are exact to 64 KiB, and to a part in 256 above', () => {
    const sizes = new Sizes();
    for (let size = 1; size <= 100; size++) sizes.add(size);
    sizes.add(1_000_001);
    const [least, half, most, last] = sizes.at(0, 0.5, 0.99, 1);
    expect([least, half, most]).to.deep.equal([1, 51, 100]);
    expect(last).to.be.within(1_000_001 * (1 - 1 / 256), 1_000_001);
  });

  it('are counted by powers of two, with those that nothing has between', () => {
    const sizes = new Sizes();
    for (const size of [4, 7, 8, 16, 31, 70_000]) sizes.add(size);
    const other = new Sizes();
    other.add(4);
    other.add(70_000);
    sizes.addAll(other);
    const buckets = sizes.buckets();
    expect(buckets.slice(0, 4)).to.deep.equal([
      { from: 4, count: 3 },
      { from: 8, count: 1 },
      { from: 16, count: 2 },
      { from: 32, count: 0 },
    ]);
    expect(buckets.at(-1)).to.deep.equal({ from: 65_536, count: 2 });
  });

  it('of nothing are none; empty messages have a place of their own', () => {
    const sizes = new Sizes();
    expect(sizes.at(0.5)).to.deep.equal([]);
    expect(sizes.buckets()).to.deep.equal([]);
    sizes.add(0);
    sizes.add(1);
    expect(sizes.at(0, 1)).to.deep.equal([0, 1]);
    expect(sizes.buckets()).to.deep.equal([
      { from: 0, count: 1 },
      { from: 1, count: 1 },
    ]);
    sizes.clear();
    expect(sizes.at(1)).to.deep.equal([]);
  });
});
