// asserting — a test that has asserted nothing can prove nothing: it fails.
// Used by hooks.ts, for each test of the run; and by helpers that throw what does not hold, which say so by `asserted()`.
// Invariant: what counts is what chai has judged, and these helpers, in this thread while the body of a test ran: not in
// hooks, not in child threads, and no `expect()` that nothing is asked of.
// Source: chai's plugin API (Assertion.prototype.assert is what each of its judgements ends in).

import { use } from 'chai';

let count = 0;

use(({ Assertion }) => {
  const { assert } = Assertion.prototype;
  Assertion.prototype.assert = function (...judgement: Parameters<typeof assert>): void {
    count++;
    assert.apply(this, judgement);
  };
});

/** Something was judged by other means than chai: whoever calls it throws where it does not hold. */
export function asserted(): void {
  count++;
}

/** Its body must assert something, or it fails. Called before it runs. */
export function mustAssert(test: Mocha.Runnable): void {
  const body = test.fn;
  if (!body) return;
  test.fn = function (this: Mocha.Context, done: Mocha.Done | undefined): unknown {
    const before = count;
    const fault = (): Error | undefined =>
      count === before ? new Error('the test asserts nothing') : undefined;
    if (done) return Reflect.apply(body, this, [(error?: unknown) => done(error ?? fault())]);
    const check = (): void => {
      const error = fault();
      if (error) throw error;
    };
    const result: unknown = Reflect.apply(body, this, []);
    return result instanceof Promise ? result.then(check) : check();
  };
}
