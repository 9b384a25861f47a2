import { expect } from 'chai';
import { ConnectionError, GunportError, OptionError, toRecord } from '../../lib/errors.ts';
import {
  backoff,
  type Decision,
  type Failure,
  FIRST_DELAY,
  isPermanent,
  LONGEST_DELAY,
  Retries,
  STABLE_AFTER,
} from '../../lib/protocol/retry.ts';
import type { RetryAnswer } from '../../lib/wire.ts';

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

const settings = { retry: 5, retryFirst: true, retryTimeout: undefined };
const delays = (retries: Retries, count: number, one = failure()) =>
  Array.from({ length: count }, () => delayOf(retries.failed(one)));
const delayOf = (decision: Decision) => ('delay' in decision ? decision.delay : 'gave up');

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
