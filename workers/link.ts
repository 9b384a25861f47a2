// link — a connected transport and the driver on it: which protocol is spoken there, and who serves it at the moment.
// Made by branch.ts for each leg of a road that is reached: the socket that was dialled, and what is behind each proxy.
// Invariant: while a driver is being loaded the transport is paused, so that no byte comes without one; `lost` or `over` is
// told once, and nothing after it. Source: gun.erl's connected_protocol_init and switch_protocol.

import { ConnectionError, type GunportError } from '../lib/errors.ts';
import type { RequestSettings, Spoken } from '../lib/httpwire.ts';
import type { UserFunction } from '../lib/modules.ts';
import type { Protocol } from '../lib/types.ts';
import type { Closed, Settings } from '../lib/wire.ts';
import type { CookieSource } from './cookies/cookies.ts';
import { LinkCookies } from './cookies/linkcookies.ts';
import type { Agreement, Branching, Driver, DriverHost, Http1Begin } from './driver.ts';
import { closingError, type Entry, lossBy, refusalNotices, unasked } from './entry.ts';
import type { Exchange, ExchangeHost } from './exchange.ts';
import type { Lane, LaneServer } from './lane.ts';
import type { Outbox } from './outbox.ts';
import { HIDDEN } from './place.ts';
import type { Probe } from './probes/probe.ts';
import { RawDriver } from './raw.ts';
import type { Requests } from './requests.ts';
import { SocksDriver } from './roads/socks.ts';
import { Through } from './roads/through.ts';
import { sharedBuffer } from './slabs.ts';
import type { Counters, Sink, Transport } from './socket.ts';
import type { One, Streams } from './streams.ts';
import { Takeover } from './takeover.ts';
import { UpgradeDriver } from './upgrade.ts';

/** What all links of a connection ask of its process. */
export interface LinkProcess {
  /** Of the connection. */
  readonly settings: Settings;
  readonly streams: Streams;
  readonly requests: Requests;
  readonly outbox: Outbox;
  readonly counters: Counters;
  readonly probe: Probe;
  readonly transformHeaderName: UserFunction | undefined;
  /** Where cookies are kept, if they are. */
  readonly cookieSource: CookieSource | undefined;
  /** The process ends, politely. */
  readonly goingDown: boolean;
  /** The attempt that this is, once it is up. */
  readonly attempt: number;
  guard(run: () => unknown): void;
  /** A WebSocket is open. */
  opened(): void;
  streamClosed(entry: Entry, closed: Closed): void;
  /** connect()'s WebSocket was closed: it is lost instead, and may be opened again. */
  mayComeBack(closed: Closed): boolean;
  /** What will be behind a tunnel that the owner asked for. */
  branch(exchange: Exchange, ends: BranchEnds): BranchOpener;
  /** Of requests that the owner does not know of; `failed`: the tunnel will not be. */
  hidden(failed: (error: GunportError) => void): HiddenHost;
  /** A tunnel that the owner asked for has ended, and its connection goes on. */
  tunnelLost(exchange: Exchange, error: GunportError): void;
}

/** How what is behind a tunnel ends. */
export interface BranchEnds {
  lost(error: GunportError, also?: number): void;
  over(): void;
}

interface BranchOpener extends Branching {
  /** What is behind the tunnel may speak before it was spoken to. */
  readonly listensFirst: boolean;
  open(transport: Transport): void;
  /** In place of that: it is not to be. */
  refuse(error: GunportError): void;
}

export type HiddenHost = Pick<ExchangeHost, 'deadlines' | 'probe'> & { failed(error: GunportError): void };

/** Who a link tells of itself. */
export interface LinkHost extends BranchEnds {
  up(protocol: Protocol): void;
  branch(exchange: Exchange, ends: BranchEnds): BranchOpener;
}

/** Where a link is, and for whom. */
export interface LinkPlace {
  readonly transport: Transport;
  readonly settings: Settings;
  readonly lane: Lane<One>;
  /** Whose bytes they are, where raw is spoken; undefined: those of the stream that asks for them. */
  readonly raw: Exchange | undefined;
  /** A proxy of SOCKS. */
  readonly speaks: 'socks' | undefined;
}

export class Link implements DriverHost, LaneServer {
  readonly transport: Transport;
  readonly settings: Settings;
  readonly streams: Lane<One>;
  readonly cookies: LinkCookies | undefined;
  readonly #place: LinkPlace;
  readonly #host: LinkHost;
  readonly #process: LinkProcess;
  #driver: Driver | undefined;
  #protocol: Protocol = 'http';
  #stopped = false;
  #isUp = false;
  /** Why it ends, once it does. */
  #goodbye: string | undefined;
  #lobby: Sink | undefined;

  constructor(place: LinkPlace, host: LinkHost, process: LinkProcess) {
    this.transport = place.transport;
    this.settings = place.settings;
    this.streams = place.lane;
    this.#place = place;
    this.#host = host;
    this.#process = process;
    const source = process.cookieSource;
    this.cookies = source && new LinkCookies(source, place.settings, (run) => process.guard(run));
    place.lane.server = this;
  }

  get outbox(): Outbox {
    return this.#process.outbox;
  }
  get counters(): Counters {
    return this.#process.counters;
  }
  get probe(): Probe {
    return this.#process.probe;
  }
  get transformHeaderName(): UserFunction | undefined {
    return this.#process.transformHeaderName;
  }
  /** Where what comes goes, at the moment. */
  get sink(): Sink {
    if (this.#driver) return this.#driver;
    // One is being loaded, meanwhile no byte comes; but a socket may go, as with what is found behind a handshake.
    this.#lobby ??= {
      buffer: () => sharedBuffer(),
      received() {},
      ended() {},
      lost: (error) =>
        this.lost(error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'the connection was closed')),
    };
    return this.#lobby;
  }
  get protocol(): Protocol {
    return this.#driver?.protocol ?? this.#protocol;
  }

  /** Begins to speak. */
  start(): void {
    const protocol = this.#chosen();
    this.#protocol = protocol;
    if (protocol === 'http') {
      this.#use(new UpgradeDriver(this));
      return this.up();
    }
    if (protocol === 'raw') {
      const driver = new RawDriver(this, this.#place.raw);
      this.#driver = driver;
      this.up();
      if (!this.#stopped) this.#use(driver);
      return;
    }
    if (protocol === 'socks') return this.#use(new SocksDriver(this));
    this.#load(async () => {
      const { Http2Driver } = await import('./http2/driver.ts');
      return () => new Http2Driver(this);
    });
  }

  /** What ALPN chose; where nothing was, the one protocol that was asked for, or HTTP/1.1. Source: gun.erl. */
  #chosen(): Spoken | 'socks' {
    if (this.#place.speaks) return this.#place.speaks;
    const { protocols } = this.settings.http;
    const alpn = this.transport.alpn;
    if (protocols.includes('raw')) return 'raw';
    // An ALPN that stands on another's TLS says nothing of this leg.
    if (this.settings.tls && alpn === 'h2') return 'http2';
    const only =
      protocols.length === 1 && !(this.settings.tls && alpn === 'http/1.1') ? protocols[0] : undefined;
    return only ?? 'http';
  }

  #load(load: () => Promise<() => Driver>): void {
    this.#driver = undefined;
    this.transport.pause();
    load().then(
      (make) =>
        this.#process.guard(() => {
          if (this.#stopped) return;
          this.#use(make());
          this.transport.resume();
        }),
      (error: unknown) =>
        this.#process.guard(() => {
          throw error;
        }),
    );
  }

  #use(driver: Driver): void {
    this.#driver = driver;
    driver.serve();
    // What was asked before the goodbye, while the driver was being loaded, has been taken.
    if (this.#goodbye !== undefined && !this.#stopped) this.#sayGoodbye(driver, this.#goodbye);
  }

  #sayGoodbye(driver: Driver, reason: string): void {
    this.streams.failWaiting(() => closingError(reason));
    driver.shutdown(reason);
  }

  // ── from the process ──────────────────────────────────────────────────────────────────────────────────────

  serve(): void {
    const reason = this.#goodbye;
    if (reason === undefined) this.#driver?.serve();
    else if (this.#driver) this.streams.failWaiting(() => closingError(reason));
  }

  /** False: it is not up, or nobody serves it at the moment. */
  ping(id: number): boolean {
    if (!this.#isUp || !this.#driver) return false;
    this.#driver.ping(id);
    return true;
  }

  shutdown(reason: string): void {
    if (this.#goodbye !== undefined) return;
    this.#goodbye = reason;
    if (this.#driver) this.#sayGoodbye(this.#driver, reason);
  }

  /** The socket goes, now. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.streams.server === this) this.streams.server = undefined;
    this.#driver?.stop();
    this.transport.destroy();
  }

  // ── from its driver ───────────────────────────────────────────────────────────────────────────────────────

  guard(run: () => void): void {
    this.#process.guard(run);
  }

  up(): void {
    if (this.#isUp || this.#stopped) return;
    this.#isUp = true;
    this.#host.up(this.protocol);
  }

  lost(error: GunportError, also?: number): void {
    if (this.#stopped) return;
    this.stop();
    this.#host.lost(error, also);
  }

  over(): void {
    if (!this.#stopped) this.#host.over();
  }

  tunnelled(exchange: Exchange, rest: Uint8Array): void {
    if (this.#stopped) return;
    const ends = {
      lost: (error: GunportError, also?: number) => this.lost(error, also),
      over: () => this.over(),
    };
    const branch = this.#host.branch(exchange, ends);
    if (rest.length > 0 && !branch.listensFirst)
      return branch.refuse(unasked(rest.length, this.settings.origin));
    const driver = new Through(this.protocol, exchange, branch, this);
    this.#driver = driver;
    branch.open(this.transport);
    this.transport.unshift(rest);
    if (this.#driver === driver && !this.#stopped) this.#use(driver);
  }

  branched(exchange: Exchange, transport: Transport): Branching {
    // One that is hidden is part of the connection's own road, and is lost with it.
    const own = exchange.stream === HIDDEN;
    const gone = (): GunportError => closingError(this.#goodbye ?? 'shutdown');
    const ends = {
      lost: (error: GunportError, also?: number) =>
        own ? this.lost(error, also) : this.#process.tunnelLost(exchange, error),
      over: () => (own ? this.over() : this.#process.tunnelLost(exchange, gone())),
    };
    const branch = this.#host.branch(exchange, ends);
    branch.open(transport);
    return branch;
  }

  switched(exchange: Exchange, rest: Uint8Array): void {
    if (this.#stopped) return;
    const driver = new RawDriver(this, exchange);
    this.#driver = driver;
    this.transport.unshift(rest);
    if (this.#driver === driver && !this.#stopped) this.#use(driver);
  }

  needHttp1(begin: Http1Begin): void {
    this.#load(async () => {
      const { Http1Driver } = await import('./http1/driver.ts');
      return () => new Http1Driver(this, begin);
    });
  }

  takeOver(entry: Entry, agreed: Agreement, rest: Uint8Array): void {
    if (this.#stopped) return;
    const driver = new Takeover(entry, agreed, this);
    this.#driver = driver;
    this.opened(entry, agreed);
    driver.begin(rest);
    // Too much is held still, from an earlier attempt.
    if (entry.outbox.paused) this.transport.pause();
    if (this.#driver === driver && !this.#stopped) this.#use(driver);
  }

  opened(entry: Entry, { protocol, extensions, rawHeaders }: Agreement): void {
    const { attempt } = this.#process;
    const { stream, outbox } = entry;
    entry.upgraded = { attempt, protocol, extensions, rawHeaders };
    entry.state = 'open';
    this.probe.tell('gunport:protocol-changed', { stream, protocol: 'ws' });
    this.#process.opened();
    const whole = this.#driver instanceof Takeover && this.streams === this.#process.streams.root;
    if (!outbox.empty) {
      outbox.reply({ type: 'reopened', stream, attempt, protocol, extensions, rawHeaders });
    }
    outbox.ordered({ type: 'upgrade', stream, whole, attempt, protocol, extensions, rawHeaders });
  }

  refused(entry: Entry, error: ConnectionError): void {
    if (entry.ws.spans) return this.lost(error);
    for (const notice of refusalNotices(entry.stream, error)) this.#process.requests.tell(notice);
    this.streams.failed(entry, error);
  }

  finished(entry: Entry, closed: Closed): void {
    if (this.#stopped || !this.#process.streams.webSocket(entry.stream)) return;
    const { goingDown } = this.#process;
    if (entry.ws.spans && entry.state === 'open' && !goingDown && this.#process.mayComeBack(closed)) {
      return this.lost(lossBy(closed));
    }
    const whole = this.#driver instanceof Takeover;
    this.#process.streamClosed(entry, closed);
    if (!whole) return;
    const over = new ConnectionError('ERR_GUNPORT_CLOSED', 'the WebSocket on it has closed', {
      reason: 'normal',
    });
    this.lost(closed.error ? lossBy(closed) : over, entry.stream);
  }

  promised(parent: Exchange, request: RequestSettings): Exchange {
    return this.#process.requests.promised(parent, request);
  }
}
