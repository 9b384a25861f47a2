import { expect } from 'chai';
import { TimeoutError } from '../../lib/errors.ts';
import { type HttpNotice, PART_COST } from '../../lib/httpwire.ts';
import { Deadlines } from '../../workers/deadlines.ts';
import { Exchange, type ExchangeHost, type Server } from '../../workers/exchange.ts';
import { Lane } from '../../workers/lane.ts';
import { quiet } from '../support/quiet.ts';

const MiB = 1024 * 1024;

/** Deadlines that never pass by themselves. */
class Noted extends Deadlines {
  readonly noted: string[] = [];
  constructor() {
    super((run) => run());
  }
  override set(...[, name, ms]: Parameters<Deadlines['set']>): void {
    this.noted.push(`${name} in ${ms}`);
  }
}

interface Made {
  readonly exchange: Exchange;
  /** What the owner was told, in words. */
  readonly told: string[];
  /** What the driver was told. */
  readonly driver: string[];
  /** Deadlines that were set since the last look. */
  deadlines(): string[];
}

// It is asked for nothing here.
const lane: Lane<Exchange> = new Lane({ members: () => [], forget: () => true, failed() {} }, undefined);

function make(flow?: number): Made {
  const told: string[] = [];
  const driver: string[] = [];
  const deadlines = new Noted();
  const timeouts = { requestTimeout: 0, headersTimeout: 0, idleTimeout: 50, continueTimeout: 0 };
  const host = {
    timeouts,
    deadlines,
    probe: quiet(),
    replied: false,
    tell: (notice: HttpNotice) => void told.push(wordsOf(notice)),
    sent: () => {},
    ended: () => void told.push('ended'),
  } satisfies ExchangeHost;
  const exchange = new Exchange(1, { method: 'GET', path: '/', headers: [] }, { lane, flow }, host);
  const server: Server = {
    upload: () => {},
    resume: () => void driver.push('resume'),
    cancel: () => void driver.push('cancel'),
  };
  exchange.server = server;
  return { exchange, told, driver, deadlines: () => deadlines.noted.splice(0) };
}

function wordsOf(notice: HttpNotice): string {
  if (notice.type === 'data') return `data ${notice.data.byteLength}${notice.fin ? ' fin' : ''}`;
  if (notice.type === 'error') return `error ${notice.error.code} ${notice.error.reason}`;
  return notice.type;
}

function idle(): TimeoutError {
  return new TimeoutError('ERR_GUNPORT_TIMEOUT', 'late', { reason: 'idleTimeout' });
}

describe('an exchange', () => {
  it('is wanted up to 4 MiB unread, what each part costs among them, and again from 2 MiB (F1)', () => {
    const { exchange, driver } = make();
    exchange.response(200, [], false);
    for (let i = 0; i < 4; i++) {
      expect(exchange.wanted).to.equal(true);
      exchange.data(new Uint8Array(MiB - PART_COST), false);
    }
    expect(exchange.wanted).to.equal(false);
    exchange.read(MiB);
    expect(driver).to.deep.equal([]);
    exchange.read(MiB);
    expect(driver).to.deep.equal(['resume']);
    expect(exchange.wanted).to.equal(true);
  });

  it('puts its idleTimeout off for as long as its owner does not read, and begins it anew after that', () => {
    const { exchange, told, driver, deadlines } = make();
    exchange.response(200, [], false);
    exchange.data(new Uint8Array(4 * MiB), false);
    expect(exchange.wanted).to.equal(false);
    deadlines();
    exchange.late(idle());
    expect(deadlines()).to.deep.equal(['idleTimeout in 50']);
    exchange.read(4 * MiB);
    expect(deadlines()).to.deep.equal(['idleTimeout in 50']);
    exchange.late(idle());
    expect(told.at(-2)).to.equal('error ERR_GUNPORT_TIMEOUT idleTimeout');
    expect(driver).to.deep.equal(['resume', 'cancel']);
  });

  it('does so for flow too', () => {
    const { exchange, driver, deadlines } = make(1);
    exchange.response(200, [], false);
    exchange.data(new Uint8Array(1), false);
    expect(exchange.wanted).to.equal(false);
    deadlines();
    exchange.late(idle());
    exchange.topUp(1);
    expect(deadlines()).to.deep.equal(['idleTimeout in 50', 'idleTimeout in 50']);
    expect(driver).to.deep.equal(['resume']);
  });

  it('tells as many messages as flow allows, and what stands behind them with the last', () => {
    const { exchange, told } = make(1);
    exchange.response(200, [], false);
    for (let i = 1; i <= 3; i++) exchange.data(new Uint8Array(i), false);
    exchange.trailers([]);
    expect(told.filter((words) => words !== 'ended')).to.deep.equal(['response', 'data 1']);
    exchange.topUp(1);
    expect(told.filter((words) => words !== 'ended')).to.deep.equal(['response', 'data 1', 'data 2']);
    exchange.topUp(5);
    expect(told.filter((words) => words !== 'ended')).to.deep.equal([
      ...['response', 'data 1', 'data 2', 'data 3', 'trailers'],
    ]);
    expect(told.filter((words) => words === 'ended')).to.have.lengthOf(1);
  });
});
