import { expect } from 'chai';
import type { BackoffOptions } from '../../lib/backoffoptions.ts';
import { ConnectionError, GunportError, OptionError, toRecord } from '../../lib/errors.ts';
import { delayOf, STANDARD_BACKOFF } from '../../lib/protocol/backoff.ts';
import { checkChoice, type Decision, type Failure, isPermanent, Retries } from '../../lib/protocol/retry.ts';
import type { RetryAnswer } from '../../lib/retrywire.ts';
import { checkOpen } from '../../lib/settings.ts';
import { chance, seedOf } from '../support/chance.ts';

const refused = new ConnectionError('ERR_GUNPORT_CONNECT', 'refused', { phase: 'connect' });
const failure = (more: Partial<Failure> = {}): Failure => ({
  error: refused,
  wasUp: false,
  upFor: 0,
  everUp: false,
  random: 0.5,
  ...more,
});
const lost = (upFor: number) => failure({ wasUp: true, everUp: true, upFor });

const backoffOf = (backoff?: BackoffOptions) =>
  checkOpen('ws://a.example', { backoff }, true).settings.backoff ?? STANDARD_BACKOFF;
const settings = { retry: 5, retryFirst: true, retryTimeout: undefined, backoff: backoffOf() };
const { first: FIRST_DELAY, longest: LONGEST_DELAY, stableAfter: STABLE_AFTER } = settings.backoff;
const backoff = (steps: number, random: number) => delayOf(settings.backoff, steps, 0, random);
const delays = (retries: Retries, count: number, one = failure()) =>
  Array.from({ length: count }, () => waitOf(retries.failed(one)));
const waitOf = (decision: Decision) => ('delay' in decision ? decision.delay : 'gave up');

describe('retry', () => {
  it('retries at once, then in growing steps, then gives up with the last failure', () => {
    const retries = new Retries(settings);
    const steps = delays(retries, 5);
    expect(steps).to.deep.equal([0, 188, 375, 750, 1500]);
    expect(retries.failed(failure())).to.deep.equal({ giveUp: refused });
  });

  it('waits for retryTimeout where it is given, after the first (Gun retry_timeout)', () => {
    expect(delays(new Retries({ ...settings, retryTimeout: 70 }), 6)).to.deep.equal([
      0,
      70,
      70,
      70,
      70,
      'gave up',
    ]);
  });

  it('never ends with Infinity, and never begins with 0', () => {
    expect(delays(new Retries({ ...settings, retry: Infinity }), 300).at(-1)).to.be.within(
      LONGEST_DELAY / 2,
      LONGEST_DELAY,
    );
    expect(delays(new Retries({ ...settings, retry: 0 }), 1)).to.deep.equal(['gave up']);
    expect(delays(new Retries({ ...settings, retry: 0 }), 1, lost(STABLE_AFTER))).to.deep.equal(['gave up']);
  });

  it('jitters the upper half of each delay', () => {
    expect([backoff(0, 0), backoff(0, 1)]).to.deep.equal([FIRST_DELAY / 2, FIRST_DELAY]);
    expect([backoff(3, 0), backoff(3, 1)]).to.deep.equal([1000, 2000]);
    expect([backoff(99, 0), backoff(1e9, 1)]).to.deep.equal([LONGEST_DELAY / 2, LONGEST_DELAY]);
  });

  it('counts anew once a connection has been up for 5 s', () => {
    const retries = new Retries(settings);
    delays(retries, 4);
    expect(delays(retries, 5, lost(STABLE_AFTER))).to.deep.equal([0, 0, 0, 0, 0]);
    expect(delays(retries, 5, failure({ everUp: true }))).to.deep.equal([188, 375, 750, 1500, 'gave up']);
  });

  it('does not count anew for a server that accepts and closes', () => {
    expect(delays(new Retries(settings), 6, lost(STABLE_AFTER - 1))).to.deep.equal([
      0,
      188,
      375,
      750,
      1500,
      'gave up',
    ]);
  });

  it('gives up at the first failure of a connect() without retry, but not once it has been up', () => {
    const first = { ...settings, retryFirst: false };
    const retries = new Retries(first);
    expect(retries.peek(failure())).to.deep.equal({ left: 0, failures: 1 });
    expect(retries.failed(failure())).to.deep.equal({ giveUp: refused });
    expect(delays(new Retries(first), 1, lost(1))).to.deep.equal([0]);
    expect(delays(new Retries(first), 1, failure({ everUp: true }))).to.deep.equal([0]);
  });

  describe('backoff', () => {
    const series = (backoff: BackoffOptions, count: number, random = 0.5) =>
      delays(
        new Retries({ ...settings, retry: Infinity, backoff: backoffOf({ immediate: false, ...backoff }) }),
        count,
        failure({ random }),
      );

    it('check 23: exponential doubles, and stays at the longest', () => {
      const plain = { first: 100, longest: 500, jitter: 0 };
      expect(series(plain, 5)).to.deep.equal([100, 200, 400, 500, 500]);
      expect(series({ ...plain, factor: 3 }, 3)).to.deep.equal([100, 300, 500]);
      expect(series({ ...plain, factor: 1 }, 3)).to.deep.equal([100, 100, 100]);
      expect(series(plain, 3, 0)).to.deep.equal(series(plain, 3, 1));
      expect(delayOf(backoffOf(plain), 1e9, 0, 1)).to.equal(500);
    });

    it('linear adds a step each time; with none it is constant', () => {
      expect(series({ strategy: 'linear', first: 100 }, 4)).to.deep.equal([100, 200, 300, 400]);
      expect(series({ strategy: 'linear', first: 100, step: 10, longest: 115 }, 4)).to.deep.equal([
        100, 110, 115, 115,
      ]);
      expect(series({ strategy: 'linear', first: 100, step: 0 }, 3)).to.deep.equal([100, 100, 100]);
    });

    it('jitter is a share of the delay, by chance; the rest is fixed', () => {
      const quarter = { strategy: 'linear', first: 100, step: 0, jitter: 0.25 } as const;
      expect([0, 0.5, 1].map((random) => series(quarter, 1, random)[0])).to.deep.equal([75, 88, 100]);
      const all = { first: 100, jitter: 1 };
      expect([0, 1].map((random) => series(all, 2, random))).to.deep.equal([
        [0, 0],
        [100, 200],
      ]);
    });

    it('decorrelated draws between the first and three times the last', () => {
      const decorrelated = { strategy: 'decorrelated', first: 100, longest: 2_000 } as const;
      expect(series(decorrelated, 4, 0)).to.deep.equal([100, 100, 100, 100]);
      expect(series(decorrelated, 5, 1)).to.deep.equal([100, 300, 900, 2_000, 2_000]);
      const seed = seedOf();
      const next = chance(seed);
      let last = 0;
      for (let i = 0; i < 1_000; i++) {
        const delay = delayOf(backoffOf(decorrelated), i, last, next(1_000) / 1_000);
        expect(delay, `seed ${seed}`).to.be.within(100, Math.min(2_000, Math.max(100, 3 * last)));
        last = delay;
      }
    });

    it('begins again with what is counted anew', () => {
      const backoff = backoffOf({ strategy: 'decorrelated', first: 100, immediate: false });
      const retries = new Retries({ ...settings, retry: 9, backoff });
      const grown = failure({ random: 1 });
      expect(delays(retries, 3, grown)).to.deep.equal([100, 300, 900]);
      expect(delays(retries, 1, { ...lost(STABLE_AFTER), random: 1 })).to.deep.equal([100]);
      expect(delays(retries, 1, grown)).to.deep.equal([300]);
    });

    it('gives way to retryTimeout, also before the first attempt unless that is immediate', () => {
      const backoff = backoffOf({ immediate: false });
      expect(delays(new Retries({ ...settings, backoff, retryTimeout: 70 }), 2)).to.deep.equal([70, 70]);
    });

    it('counts anew after stableAfter: at 0, whatever has been up', () => {
      const backoff = backoffOf({ stableAfter: 0 });
      const retries = new Retries({ ...settings, retry: 1, backoff });
      expect(delays(retries, 50, lost(0))).to.deep.equal(Array(50).fill(0));
      expect(delays(retries, 1)).to.deep.equal(['gave up']);
    });
  });

  describe('a handler', () => {
    it('says when, and its attempt is counted as any', () => {
      const retries = new Retries({ ...settings, retry: 2 });
      expect(delays(retries, 1)).to.deep.equal([0]);
      expect(retries.failed(failure(), { delay: 7 })).to.deep.equal({ delay: 7 });
      expect(retries.failed(failure(), { delay: 7 })).to.deep.equal({ giveUp: refused });
      expect(retries.failures).to.equal(3);
    });

    it('gives up with the failure', () => {
      expect(new Retries(settings).failed(failure(), { giveUp: true })).to.deep.equal({ giveUp: refused });
    });

    it('chooses false, a delay or nothing', () => {
      expect([undefined, false, { delay: 0 }].map(checkChoice)).to.deep.equal([
        undefined,
        { giveUp: true },
        { delay: 0 },
      ]);
      for (const bad of [null, true, 5, 'x', {}, { delay: -1 }, { delay: '1' }, { delay: 2 ** 31 }]) {
        expect(() => checkChoice(bad)).to.throw(OptionError, /^retrying must give false, /);
      }
    });
  });

  describe('permanent failures', () => {
    const tls = (code: string) =>
      new ConnectionError('ERR_GUNPORT_TLS', 'tls', {
        phase: 'tls',
        cause: Object.assign(new Error(code), { code }),
      });
    const status = (status: number) =>
      new ConnectionError('ERR_GUNPORT_UPGRADE_REFUSED', 'no', { phase: 'upgrade', status });

    it('are certificates that do not verify, bad options, and refusals by 4xx', () => {
      const permanent = [
        ...[
          'CERT_HAS_EXPIRED',
          'DEPTH_ZERO_SELF_SIGNED_CERT',
          'SELF_SIGNED_CERT_IN_CHAIN',
          'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
          'UNABLE_TO_GET_ISSUER_CERT',
          'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
          'ERR_TLS_CERT_ALTNAME_INVALID',
          'CERT_NOT_YET_VALID',
          'CERT_REVOKED',
        ].map(tls),
        ...[400, 401, 403, 404, 410, 426].map(status),
        new ConnectionError('ERR_GUNPORT_TLS', 'options', { phase: 'tls', reason: 'options' }),
        new OptionError('no such module'),
        new ConnectionError('ERR_GUNPORT_PROXY', 'who are you', { status: 407, reason: 407 }),
        new ConnectionError('ERR_GUNPORT_PROXY', 'wrong password', { reason: 'auth-failed' }),
      ];
      for (const error of permanent) {
        expect(isPermanent(error), error.message).to.equal(true);
        expect(new Retries(settings).failed(failure({ error }))).to.deep.equal({ giveUp: error });
      }
    });

    it('are not what may pass', () => {
      const passing = [
        ...['ECONNRESET', 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'toString'].map(tls),
        ...[200, 301, 408, 425, 429, 500, 503].map(status),
        refused,
        new ConnectionError('ERR_GUNPORT_TLS_TIMEOUT', 'late', { phase: 'tls' }),
        new ConnectionError('ERR_GUNPORT_TLS', 'no cause', { phase: 'tls' }),
      ];
      for (const error of passing) expect(isPermanent(error), error.message).to.equal(false);
    });

    it('are retried when a retryFun says so', () => {
      const decision = new Retries(settings).failed(failure({ error: status(404) }), {
        retries: 1,
        timeout: 9,
      });
      expect(decision).to.deep.equal({ delay: 9 });
    });
  });

  describe('retryFun', () => {
    it('is told how many are left and how often it failed, before the attempt is counted', () => {
      const retries = new Retries(settings);
      expect(retries.peek(failure())).to.deep.equal({ left: 5, failures: 1 });
      expect(retries.peek(failure())).to.deep.equal({ left: 5, failures: 1 });
      retries.failed(failure());
      expect(retries.peek(failure())).to.deep.equal({ left: 4, failures: 2 });
      expect(retries.peek(lost(STABLE_AFTER))).to.deep.equal({ left: 5, failures: 1 });
      expect(new Retries({ ...settings, retry: 0 }).peek(failure()).left).to.equal(0);
    });

    it('decides: retries 0 is one last attempt (Gun retry_fun)', () => {
      const retries = new Retries(settings);
      expect(retries.failed(failure(), { retries: 0, timeout: 3 })).to.deep.equal({ delay: 3 });
      expect(retries.failed(failure(), { retries: 9, timeout: 3 })).to.deep.equal({ giveUp: refused });
      const more = new Retries({ ...settings, retry: 1 });
      expect(more.failed(failure(), { retries: 2, timeout: 0 })).to.deep.equal({ delay: 0 });
      expect(more.peek(failure()).left).to.equal(2);
    });

    it('leaves it to the default policy when there is none to ask any more', () => {
      expect(new Retries(settings).failed(failure(), undefined)).to.deep.equal({ delay: 0 });
    });

    it('gives up by throwing, with what was thrown as the last cause', () => {
      const { giveUp } = new Retries(settings).failed(failure(), { error: toRecord(refused) }) as {
        giveUp: GunportError;
      };
      expect(giveUp)
        .to.be.instanceOf(ConnectionError)
        .and.include({ code: 'ERR_GUNPORT_CONNECT', message: 'refused' });
      const own = new Retries(settings).failed(failure(), { error: toRecord(new RangeError('enough')) }) as {
        giveUp: GunportError;
      };
      expect(own.giveUp).to.be.instanceOf(GunportError).and.include({ message: 'retryFun failed: enough' });
      expect(own.giveUp.cause).to.include({ name: 'RangeError', message: 'enough' });
    });

    it('gives up on an answer that is none', () => {
      const bad: unknown[] = [
        null,
        7,
        'x',
        true,
        {},
        { retries: -1, timeout: 1 },
        { retries: 1.5, timeout: 1 },
        { retries: Number.NaN, timeout: 1 },
        { retries: '1', timeout: 1 },
        { retries: 1 },
        { retries: 1, timeout: -1 },
        { retries: 1, timeout: Infinity },
        { retries: 1, timeout: Number.NaN },
        { retries: 1, timeout: 2 ** 31 },
        { retries: 1, timeout: '1' },
      ];
      for (const answer of bad) {
        const { giveUp } = new Retries(settings).failed(failure(), answer as RetryAnswer) as {
          giveUp: GunportError;
        };
        expect(giveUp.message).to.match(/^retryFun must answer /);
        expect(giveUp).to.be.instanceOf(OptionError).and.include({ phase: 'connect', cause: refused });
      }
    });
  });
});
