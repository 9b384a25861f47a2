// link — one connected socket and the driver on it: which protocol it speaks, and who serves it at the moment.
// Made by process.ts for each attempt that reaches its peer.
// Invariant: while a driver is being loaded the socket is paused, so that no byte comes without one; `lost` or `over` is
// told once, and nothing after it. Source: gun.erl's connected_protocol_init and switch_protocol.

import { ConnectionError, type GunportError } from '../lib/errors.ts';
import type { RequestSettings } from '../lib/httpwire.ts';
import type { Protocol } from '../lib/types.ts';
import type { Closed, Settings } from '../lib/wire.ts';
import type { Agreement, Driver, DriverHost, Http1Begin } from './driver.ts';
import { closingError, comesBack, type Entry, lossBy, refusalNotices } from './entry.ts';
import type { Exchange } from './exchange.ts';
import type { UserFunction } from './modules.ts';
import type { Outbox } from './outbox.ts';
import type { Requests } from './requests.ts';
import type { Counters, Transport } from './socket.ts';
import type { Streams } from './streams.ts';
import { Takeover } from './takeover.ts';
import { UpgradeDriver } from './upgrade.ts';

/** What a link asks of its process. */
export interface LinkHost {
  readonly settings: Settings;
  readonly streams: Streams;
  readonly requests: Requests;
  readonly outbox: Outbox;
  readonly counters: Counters;
  /** The process ends, politely. */
  readonly goingDown: boolean;
  /** The attempt that this link is, once it is up. */
  readonly attempt: number;
  guard(run: () => unknown): void;
  up(protocol: Protocol): void;
  /** `also`: a stream that ended before, and takes the socket with it. */
  lost(error: GunportError, also?: number): void;
  over(): void;
  /** A WebSocket is open. */
  opened(): void;
  streamClosed(entry: Entry, closed: Closed): void;
}

export class Link implements DriverHost {
  readonly transport: Transport;
  readonly transformHeaderName: UserFunction | undefined;
  readonly #process: LinkHost;
  #driver: Driver | undefined;
  #protocol: Protocol = 'http';
  #stopped = false;
  /** When it was up, on performance.now()'s clock. */
  #since: number | undefined;
  /** What had been received before it was up; -1: a WebSocket was opened on it. */
  #before = 0;
  /** Why it ends, once it does. */
  #goodbye: string | undefined;

  constructor(transport: Transport, transformHeaderName: UserFunction | undefined, process: LinkHost) {
    this.transport = transport;
    this.transformHeaderName = transformHeaderName;
    this.#process = process;
  }

  get settings(): Settings {
    return this.#process.settings;
  }
  get streams(): Streams {
    return this.#process.streams;
  }
  get outbox(): Outbox {
    return this.#process.outbox;
  }
  get counters(): Counters {
    return this.#process.counters;
  }
  /** The one of the moment. */
  get driver(): Driver | undefined {
    return this.#driver;
  }
  get protocol(): Protocol {
    return this.#driver?.protocol ?? this.#protocol;
  }
  /** It has come up, and for how many ms. */
  get upFor(): number | undefined {
    return this.#since === undefined ? undefined : performance.now() - this.#since;
  }

  /** It was of some use: an answer came, or a WebSocket was opened. */
  get served(): boolean {
    return this.counters.messagesReceived > this.#before;
  }

  /** Begins to speak. */
  start(): void {
    if (this.#chosen() === 'http') {
      this.#use(new UpgradeDriver(this));
      return this.up();
    }
    this.#protocol = 'http2';
    this.#load(async () => {
      const { Http2Driver } = await import('./http2/driver.ts');
      return () => new Http2Driver(this);
    });
  }

  /** What ALPN chose; where nothing was, the one protocol that was asked for, or HTTP/1.1. Source: gun.erl. */
  #chosen(): 'http' | 'http2' {
    const { protocols } = this.settings.http;
    const alpn = this.transport.info().tls?.alpn;
    if (alpn === 'h2') return 'http2';
    return (protocols.length === 1 && alpn !== 'http/1.1' ? protocols[0] : undefined) ?? 'http';
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

  ping(id: number): boolean {
    this.#driver?.ping(id);
    return this.#driver !== undefined;
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
    this.#driver?.stop();
    this.transport.destroy();
  }

  // ── from its driver ───────────────────────────────────────────────────────────────────────────────────────

  guard(run: () => void): void {
    this.#process.guard(run);
  }

  up(): void {
    if (this.#since !== undefined || this.#stopped) return;
    this.#since = performance.now();
    this.#before = this.counters.messagesReceived;
    this.#process.up(this.protocol);
  }

  lost(error: GunportError, also?: number): void {
    if (this.#stopped) return;
    this.stop();
    this.#process.lost(error, also);
  }

  over(): void {
    if (!this.#stopped) this.#process.over();
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

  opened(entry: Entry, { protocol, extensions, headers, rawHeaders }: Agreement): void {
    this.#before = -1;
    entry.upgraded = { attempt: this.#process.attempt, protocol, extensions, headers, rawHeaders };
    entry.state = 'open';
    this.#process.opened();
    const whole = this.#driver instanceof Takeover;
    if (!entry.outbox.empty)
      entry.outbox.reply({ type: 'reopened', stream: entry.stream, ...entry.upgraded });
    entry.outbox.ordered({ type: 'upgrade', stream: entry.stream, whole, ...entry.upgraded });
  }

  refused(entry: Entry, error: ConnectionError): void {
    if (entry.ws.spans) return this.lost(error);
    for (const notice of refusalNotices(entry.stream, error)) this.#process.requests.tell(notice);
    this.streams.failed(entry, error);
  }

  finished(entry: Entry, closed: Closed): void {
    if (this.#stopped || !this.streams.webSocket(entry.stream)) return;
    const { goingDown } = this.#process;
    if (entry.ws.spans && entry.state === 'open' && !goingDown && comesBack(closed)) {
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
