import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { OptionError } from '../../lib/errors.ts';
import {
  RateLimiter,
  type RateLimitOptions,
  sharedRateLimit,
  TokenBucket,
} from '../../lib/session/bucket.ts';
import type { TakerData } from '../support/bucket-taker.ts';
import { chance, seedOf } from '../support/chance.ts';

describe('a bucket of tokens', () => {
  /** One with a clock that stands until it is set. */
  const made = (options: RateLimitOptions = {}, start = 0) => {
    const time = { now: start };
    const bucket = new TokenBucket(options, undefined, () => time.now);
    return { bucket, time };
  };

  it('check 38: is full at the start, by default 60, of which 1 comes back each second', () => {
    const { bucket, time } = made();
    expect(bucket.options).to.deep.include({
      capacity: 60,
      refill: 1,
      interval: 1000,
      queue: 100,
      mode: 'normal',
    });
    expect(bucket.tokens).to.equal(60);
    for (let i = 0; i < 60; i++) expect(bucket.take(1)).to.equal(true);
    expect(bucket.take(1)).to.equal(false);
    time.now = 1000;
    expect(bucket.take(1)).to.equal(true);
    expect(bucket.take(1)).to.equal(false);
  });

  it('check 38: takes what is there, and nothing of what is too much', () => {
    const { bucket } = made({ capacity: 5 });
    expect(bucket.take(1)).to.equal(true);
    expect(bucket.tokens).to.equal(4);
    expect(bucket.take(5)).to.equal(false);
    expect(bucket.tokens).to.equal(4);
    expect(bucket.take(4)).to.equal(true);
    expect(bucket.tokens).to.equal(0);
  });

  it('check 38: is refilled by the time that passed, to its capacity at most', () => {
    const { bucket, time } = made({ capacity: 10, refill: 2, interval: 100 });
    bucket.take(10);
    time.now = 150;
    expect(bucket.tokens).to.equal(3);
    time.now = 10_000;
    expect(bucket.tokens).to.equal(10);
    expect([bucket.take(10), bucket.take(1)]).to.deep.equal([true, false]);
  });

  it('check 38: keeps a fraction that was refilled, however often it is looked at', () => {
    const { bucket, time } = made({ capacity: 10, refill: 1, interval: 1000 });
    bucket.take(10);
    let taken = 0;
    for (let i = 1; i <= 10_000; i++) {
      time.now = i * 0.7;
      if (bucket.take(1)) taken += 1;
    }
    expect(taken).to.equal(7);
  });

  it('takes parts of tokens, to the thousandth, and rounds up what is finer', () => {
    const { bucket } = made({ capacity: 1 });
    for (let i = 0; i < 10; i++) expect(bucket.take(0.1), `${i}`).to.equal(true);
    expect(bucket.take(0.001)).to.equal(false);
    expect(bucket.take(0)).to.equal(true);
    const { bucket: other } = made({ capacity: 1 });
    other.take(0.0001);
    expect(other.tokens).to.equal(0.999);
  });

  it('tells how long a cost has to wait, exactly', () => {
    const { bucket, time } = made({ capacity: 10, refill: 3, interval: 1000 }, 123.4);
    expect(bucket.waitFor(10)).to.equal(0);
    bucket.take(10);
    const wait = bucket.waitFor(1);
    expect(wait).to.equal(334);
    time.now += wait - 1;
    expect(bucket.take(1)).to.equal(false);
    time.now += 1;
    expect(bucket.take(1)).to.equal(true);
    expect(bucket.waitFor(11)).to.equal(Number.POSITIVE_INFINITY);
  });

  it('gives nothing away to a clock that goes back', () => {
    const { bucket, time } = made({ capacity: 10 }, 50_000);
    bucket.take(10);
    time.now = 10_000;
    expect([bucket.tokens, bucket.take(1)]).to.deep.equal([0, false]);
    time.now = 51_000;
    expect(bucket.take(1)).to.equal(true);
  });

  it('check 38: never gives more than its capacity and what has come, nor holds more than its capacity', () => {
    const seed = seedOf();
    const next = chance(seed);
    for (let round = 0; round < 120; round++) {
      const options = { capacity: 1 + next(50), refill: (1 + next(5000)) / 1000, interval: 1 + next(2000) };
      const { bucket, time } = made(options, next(1e9));
      const start = time.now;
      let taken = 0;
      for (let step = 0; step < 40; step++) {
        time.now += next(3) * next(options.interval);
        const cost = next(options.capacity * 1000 + 1) / 1000;
        const wait = bucket.waitFor(cost);
        const hasIt = bucket.take(cost);
        const about = `seed ${seed}, round ${round}: ${JSON.stringify(options)}`;
        expect(hasIt, about).to.equal(wait === 0);
        if (hasIt) taken += cost;
        else {
          time.now += wait;
          expect(bucket.take(cost), about).to.equal(true);
          taken += cost;
        }
        const came = ((time.now - start) * options.refill) / options.interval;
        expect(taken, about).to.be.at.most(options.capacity + came + 1e-6);
        expect(bucket.tokens, about).to.be.within(0, options.capacity);
      }
    }
  });

  it('is exact when four threads take from it at once', async () => {
    const words = new Int32Array(new SharedArrayBuffer(12));
    const options = { capacity: 5000, refill: 7, interval: 1 };
    const bucket = new TokenBucket(options, undefined, () => Atomics.load(words, 0));
    const limit = { memory: bucket.memory, options: bucket.options };
    const file = new URL('../support/bucket-taker.js', import.meta.url);
    const threads = [1, 1, 3, 0.5].map((cost) => {
      const workerData: TakerData = { limit, words, cost };
      const worker = new Worker(file, { workerData });
      return { cost, taken: once(worker, 'message'), ended: once(worker, 'exit') };
    });
    // Empty once; and from then on less than its capacity comes: so it is never full, and loses nothing.
    while (Atomics.load(words, 2) < threads.length || bucket.tokens >= 0.5) await new Promise(setImmediate);
    const moments = 500;
    for (let moment = 1; moment <= moments; moment++) {
      Atomics.store(words, 0, moment);
      if (moment % 10 === 0) await new Promise(setImmediate);
    }
    Atomics.store(words, 1, 1);
    let sum = 0;
    for (const { cost, taken } of threads) sum += cost * Number((await taken)[0]);
    await Promise.all(threads.map(({ ended }) => ended));
    expect(sum + bucket.tokens).to.equal(5000 + 7 * moments);
  });

  it('is the same limit wherever its memory is', () => {
    const limiter = new RateLimiter({ capacity: 3, interval: 2 ** 31 - 1 });
    const twin = new RateLimiter(structuredClone(limiter.shared));
    const bucket = new TokenBucket(twin.shared.options, twin.shared.memory);
    expect(bucket.take(2)).to.equal(true);
    expect([limiter.tokens, twin.tokens]).to.deep.equal([1, 1]);
    expect(sharedRateLimit(limiter)).to.equal(limiter.shared);
    expect(sharedRateLimit(limiter.shared)).to.equal(limiter.shared);
    expect(sharedRateLimit(undefined)).to.equal(undefined);
    expect(sharedRateLimit({ capacity: 3 })?.options.capacity).to.equal(3);
  });

  it('refuses options that are none, naming them', () => {
    for (const [options, words] of [
      [{ capacity: 0 }, /^rateLimit\.capacity must be an integer from 1/],
      [{ refill: 0 }, /^rateLimit\.refill must be a number above 0/],
      [{ refill: -1 }, /got -1$/],
      [{ refill: Number.NaN }, /got NaN$/],
      [{ refill: 1001, interval: 1 }, /at most 1000 in 1 ms, got 1001/],
      [{ interval: 0 }, /^rateLimit\.interval must be an integer from 1/],
      [{ queue: -1 }, /^rateLimit\.queue/],
      [{ mode: 'sometimes' }, /^rateLimit\.mode must be one of .*got "sometimes"/],
      [
        { costs: { auth: 61 } },
        /^rateLimit\.costs\.auth must be a number from 0 to the capacity, 60, got 61/,
      ],
      [{ costs: [] }, /^rateLimit\.costs must be an object/],
      [{ capasity: 1 }, /unknown option rateLimit\.capasity/],
      [{ check: () => 'allow' }, /unknown option rateLimit\.check/],
      [7, /^rateLimit must be an object, got 7/],
    ] as const) {
      // What a user without types may give.
      expect(() => new RateLimiter(options as RateLimitOptions)).to.throw(OptionError, words);
    }
  });
});
