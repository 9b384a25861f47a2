import { expect } from 'chai';
import pino from 'pino';
import { StreamError } from '../../lib/errors.ts';
import { Log, type Logger, type LogSink, levelOf, tell } from '../../lib/session/logging.ts';
import { Redactor } from '../../lib/session/redact.ts';

type Line = Record<string, unknown>;

/** A real pino, and the lines that it has written. */
function written(level = 'trace'): { logger: pino.Logger; lines: Line[] } {
  const lines: Line[] = [];
  const logger = pino({ level, base: null }, { write: (line) => void lines.push(JSON.parse(line)) });
  return { logger, lines };
}

/** As a session's log reaches a logger: posted in between. */
function posted(logger: Logger): LogSink {
  return (level, object, message) => tell(logger, level, structuredClone(object), message);
}

describe('what a client logs', () => {
  it('reaches pino by its level, with its object', () => {
    const { logger, lines } = written();
    const log = new Log(posted(logger), 'trace', new Redactor());
    const levels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
    for (const level of levels) log[level]({ n: 1 }, `a ${level}`);
    log.write('info', { url: new URL('wss://a.example') }, 'written');
    expect(lines.map(({ level, n, msg }) => [level, n, msg])).to.deep.equal([
      [10, 1, 'a trace'],
      [20, 1, 'a debug'],
      [30, 1, 'a info'],
      [40, 1, 'a warn'],
      [50, 1, 'a error'],
      [30, undefined, 'written'],
    ]);
    expect(lines[5]).to.include({ url: 'wss://a.example/' });
  });

  it('reaches it with errors of their class and code, without secrets', () => {
    const { logger, lines } = written();
    const redactor = new Redactor();
    redactor.add('s3cret');
    const log = new Log(posted(logger), 'info', redactor);
    const err = new StreamError('ERR_GUNPORT_AUTH', 's3cret refused', { cause: new TypeError('of s3cret') });
    log.error({ err, token: 'abc', channel: 'a.s3cret' }, 'no s3cret');
    log.warn(err, 'again');
    expect(JSON.stringify(lines)).to.not.contain('s3cret').and.not.contain('abc');
    expect(lines[0]).to.deep.include({
      level: 50,
      token: '(redacted)',
      channel: 'a.(redacted)',
      msg: 'no (redacted)',
    });
    for (const line of lines)
      expect(line['err']).to.include({ type: 'StreamError', code: 'ERR_GUNPORT_AUTH' });
  });

  it('is nothing below its level: not even copied', () => {
    let said = 0;
    const log = new Log(() => said++, 'warn', new Redactor());
    const costly = {
      get dear(): never {
        throw new Error('it was copied');
      },
    };
    log.info(costly, 'not said');
    log.warn({}, 'said');
    expect(said).to.equal(1);
    expect([
      log.enabled('trace'),
      log.enabled('info'),
      log.enabled('warn'),
      log.enabled('error'),
    ]).to.deep.equal([false, false, true, true]);
    const silent = new Log(() => said++, 'silent', new Redactor());
    silent.error({}, 'not said');
    expect(said).to.equal(1);
  });

  it('changes nothing when the logger throws', () => {
    const bad = new Proxy({} as Logger, {
      get() {
        throw new Error('no logger');
      },
    });
    const noPort = (): void => {
      throw new Error('no port');
    };
    expect(() => new Log(posted(bad), 'info', new Redactor()).info({}, 'said')).to.not.throw();
    expect(() => new Log(noPort, 'info', new Redactor()).info({}, 'said')).to.not.throw();
    expect(() => tell({} as Logger, 'info', {}, 'no such method')).to.not.throw();
  });

  it('goes by the level that the logger has', () => {
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const) {
      expect(levelOf(written(level).logger)).to.equal(level);
    }
    expect(levelOf(written('fatal').logger)).to.equal('silent');
    expect(levelOf(console)).to.equal('info');
    expect(levelOf({ ...console, level: 'chatty' } as Logger)).to.equal('trace');
  });
});
