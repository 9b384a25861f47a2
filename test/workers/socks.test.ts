import { expect } from 'chai';
import type { GunportError } from '../../lib/errors.ts';
import { fromRecord } from '../../lib/errors.ts';
import type { HttpNotice, Leg } from '../../lib/httpwire.ts';
import { Deadlines } from '../../workers/deadlines.ts';
import type { DriverHost } from '../../workers/driver.ts';
import { Exchange, type ExchangeHost } from '../../workers/exchange.ts';
import { Lane } from '../../workers/lane.ts';
import { SocksDriver } from '../../workers/roads/socks.ts';
import type { One } from '../../workers/streams.ts';
import { HOP, hexOf, unhex } from '../support/socks-machine.ts';

const HOST = {
  timeouts: { requestTimeout: 0, headersTimeout: 60_000, idleTimeout: 0, continueTimeout: 0 },
  replied: false,
  // Nobody listens.
  probe: { wants: () => false } as unknown as ExchangeHost['probe'],
  sent(): void {},
  ended(): void {},
};
const LEG = { host: 'far.example', port: 80 } as Leg; // Nothing more of it is looked at.

/** A driver, and all that it does, in words. */
class Stand {
  readonly said: string[] = [];
  readonly deadlines: Deadlines = new Deadlines((run) => run());
  readonly lane: Lane<One>;
  readonly driver: SocksDriver;

  constructor() {
    this.lane = new Lane<One>(
      {
        members: () => [],
        forget: (one) => {
          this.lane.take(one);
          return true;
        },
        failed: (one, error) => {
          this.lane.take(one);
          if (one.kind === 'http') one.fail(error);
        },
      },
      undefined,
    );
    const host: Partial<DriverHost> = {
      settings: { origin: HOP } as DriverHost['settings'], // Nothing more of them is looked at.
      transport: {
        write: (bytes: Uint8Array) => void this.said.push(`write ${hexOf(bytes)}`),
      } as DriverHost['transport'], // It does nothing else with it.
      outbox: {
        reply: (notice: { type: string }) => void this.said.push(notice.type),
      } as unknown as DriverHost['outbox'], // The same.
      streams: this.lane,
      up: () => void this.said.push('up'),
      lost: (error: GunportError) => void this.said.push(`lost ${error.code} ${error.reason} ${error.hop}`),
      over: () => void this.said.push('over'),
      tunnelled: (exchange: Exchange, rest: Uint8Array) =>
        void this.said.push(`tunnelled ${exchange.stream} ${hexOf(rest)}`),
    };
    this.driver = new SocksDriver(host as DriverHost); // All that it calls is there.
  }

  /** Something waits. */
  wait(stream: number, tunnel: boolean): Exchange {
    const destination = LEG;
    const place = { destination, credentials: undefined, road: { hops: [], leg: destination } };
    const tell = (notice: HttpNotice): void => {
      if (notice.type !== 'error') return;
      const error = fromRecord(notice.error) as GunportError; // One of ours was made a record of.
      this.said.push(`${stream} failed ${error.code}`);
    };
    const exchange = new Exchange(
      stream,
      { method: 'CONNECT', path: 'far.example:80', headers: [] },
      { lane: this.lane, tunnel: tunnel ? place : undefined },
      { ...HOST, deadlines: this.deadlines, tell },
    );
    this.lane.add(exchange);
    return exchange;
  }

  /** Bytes come. */
  come(hex: string): void {
    const bytes = unhex(hex);
    this.driver.buffer().set(bytes);
    this.driver.received(bytes.length);
  }

  /** What was done since. */
  heard(): string[] {
    return this.said.splice(0);
  }
}

describe('SocksDriver', () => {
  let stand: Stand;
  beforeEach(() => {
    stand = new Stand();
  });
  afterEach(() => stand.deadlines.stop());

  const asking = (): Exchange => {
    const exchange = stand.wait(0, true);
    stand.driver.serve();
    expect(stand.heard()).to.deep.equal(['write 050100']);
    return exchange;
  };

  it('asks for the tunnel that waits, is up once it is let in, and hands on what came behind', () => {
    asking();
    stand.come('05 00');
    expect(stand.heard()).to.deep.equal(['write 050100030b6661722e6578616d706c650050', 'up']);
    stand.come('05 00 00 01 00000000 0000 4869');
    expect(stand.heard()).to.deep.equal(['tunnelled 0 4869']);
  });

  it('refuses whatever else waits, before and while it asks', () => {
    stand.wait(1, false);
    stand.driver.serve();
    expect(stand.heard()).to.deep.equal(['1 failed ERR_GUNPORT_BAD_STATE']);
    asking();
    stand.wait(2, true);
    stand.wait(3, false);
    stand.driver.serve();
    expect(stand.heard()).to.deep.equal(['2 failed ERR_GUNPORT_BAD_STATE', '3 failed ERR_GUNPORT_BAD_STATE']);
    stand.come('05 00');
    expect(stand.heard()).to.include('up');
  });

  it('ends with the tunnel that is refused: once', () => {
    asking();
    stand.come('05 ff');
    const lost = `lost ERR_GUNPORT_PROXY no-acceptable-method ${HOP}`;
    expect(stand.heard()).to.deep.equal(['0 failed ERR_GUNPORT_PROXY', lost]);
    stand.come('05 00');
    stand.driver.ended();
    stand.driver.lost(undefined);
    stand.driver.serve();
    expect(stand.heard()).to.deep.equal([]);
  });

  it('ends when the server speaks, or closes, unasked', () => {
    stand.come('05');
    expect(stand.heard()).to.deep.equal([`lost ERR_GUNPORT_PROXY unasked ${HOP}`]);
    stand = new Stand();
    stand.driver.ended();
    expect(stand.heard()).to.deep.equal([`lost ERR_GUNPORT_PROXY closed ${HOP}`]);
  });

  it('gives the socket up with a tunnel that was cancelled', () => {
    asking().cancel();
    expect(stand.heard()).to.deep.equal([`lost ERR_GUNPORT_CANCELLED undefined ${HOP}`]);
    stand.come('05 00');
    expect(stand.heard()).to.deep.equal([]);
  });

  it('has no pings', () => {
    stand.driver.ping(7);
    expect(stand.heard()).to.deep.equal(['failedCall']);
  });

  it('is over at once, whatever it was at (shutdown_SUITE)', () => {
    asking();
    stand.driver.shutdown();
    expect(stand.heard()).to.deep.equal(['over']);
    stand.come('05 00');
    expect(stand.heard()).to.deep.equal([]);
  });

  it('does nothing when it was stopped', () => {
    asking();
    stand.driver.stop();
    stand.come('05 00');
    stand.driver.ended();
    stand.driver.lost(undefined);
    expect(stand.heard()).to.deep.equal([]);
  });
});
