import { expect } from 'chai';
import Mocha from 'mocha';
import { asserted, mustAssert } from './support/asserting.ts';

/** How a test of this body ends: the message of its error, if it failed. */
function outcome(body: Mocha.Func | Mocha.AsyncFunc): Promise<string | undefined> {
  // Typed for the one or the other only.
  const test = new Mocha.Test('of a test', body as Mocha.Func);
  test.ctx = new Mocha.Context();
  mustAssert(test);
  return new Promise((resolve) => test.run((error?: Error) => resolve(error?.message)));
}

describe('a test that asserts nothing', () => {
  const nothing = 'the test asserts nothing';
  const fails: [string, Mocha.Func | Mocha.AsyncFunc][] = [
    ['at all', () => {}],
    ['though it waits', async () => void (await Promise.resolve())],
    ['though it calls back', (done: Mocha.Done) => setImmediate(done)],
    ['of what it expects', () => void expect(1)],
  ];
  for (const [how, body] of fails) {
    it(`${how} fails`, async () => {
      const message = await outcome(body);
      expect(message).to.equal(nothing);
    });
  }

  const passes: [string, Mocha.Func | Mocha.AsyncFunc][] = [
    ['by expect', () => void expect(1).to.equal(1)],
    ['after a wait', async () => void expect(await Promise.resolve(1)).to.be.a('number')],
    ['by a helper that says so', () => asserted()],
    [
      'before it calls back',
      (done: Mocha.Done) => {
        expect(1).to.equal(1);
        setImmediate(done);
      },
    ],
  ];
  for (const [how, body] of passes) {
    it(`is none that asserts ${how}`, async () => {
      expect(await outcome(body)).to.equal(undefined);
    });
  }

  it('fails as it fails otherwise, when it does', async () => {
    const message = await outcome(() => {
      throw new Error('before it came to that');
    });
    expect(message).to.equal('before it came to that');
  });
});
