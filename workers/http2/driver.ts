// http2/driver — an HTTP/2 connection: its bytes, its peer, and its end. Its streams are http2/streams.ts's.
// Made by link.ts when ALPN has chosen HTTP/2, or it was asked for. node:http2 has HPACK, windows and streams; every
// byte passes through here, so that nothing of what it does not tell, or would hang on, is missed.
// Invariant: a connection is up when the peer's SETTINGS have come, requests go out before; what has come is told
// before the connection is lost; `lost` or `over` is told once, and nothing after stop().
// Source: RFC 9113; gun_http2; node:http2 as measured against hostile servers.

import type { ClientHttp2Session } from 'node:http2';
import { ConnectionError, type GunportError, StreamError } from '../../lib/errors.ts';
import { type FrameEvents, FrameWatcher } from '../../lib/protocol/http2frames.ts';
import { CODE, codeName, goaway, ping, SentFrames } from '../../lib/protocol/http2out.ts';
import type { PeerSettings } from '../../lib/types.ts';
import type { Driver, DriverHost } from '../driver.ts';
import { closingError } from '../entry.ts';
import { Http2Memory } from './memory.ts';
import { Http2Pings } from './pings.ts';
import { openSession } from './session.ts';
import { Http2Socket } from './socket.ts';
import { Http2Streams } from './streams.ts';

type State =
  | { readonly name: 'open' }
  // the process ends: no new streams
  | { readonly name: 'leaving'; told: boolean }
  // the peer does
  | { readonly name: 'left'; readonly code: number }
  // what has come is told, then it is lost; or nothing is left
  | { readonly name: 'breaking'; immediate?: NodeJS.Immediate }
  | { readonly name: 'stopped' };

/** Turns of the loop that node:http2 is given to read what has come, when the connection is lost. */
const MOST_TURNS = 10;
/** The highest that a stream can have. RFC 9113 §5.1.1. */
const MOST_ID = 2 ** 31 - 1;
/** nghttp2.h */
const NGHTTP2_ERR_FLOODED = -904;

export class Http2Driver implements Driver {
  readonly protocol = 'http2';
  readonly #host: DriverHost;
  readonly #watcher: FrameWatcher;
  readonly #sent = new SentFrames();
  readonly #memory = new Http2Memory();
  readonly #socket: Http2Socket;
  readonly #session: ClientHttp2Session;
  readonly #streams: Http2Streams;
  readonly #pings: Http2Pings;
  #state: State = { name: 'open' };
  /** SETTINGS: the peer's have come, ours were acknowledged. */
  readonly #settings = { came: false, acknowledged: false };
  /** node:http2 has begun to write. */
  #written = false;
  /** Something was read since the timer was set. */
  #heard = false;
  /** For SETTINGS; then for what a peer that goes away still owes. */
  #timer: NodeJS.Timeout;

  constructor(host: DriverHost) {
    this.#host = host;
    const { settings, transport, outbox, counters } = host;
    const guard = (run: () => void): void => host.guard(run);
    this.#pings = new Http2Pings({
      ...{ settings, outbox, guard },
      ping: (payload) => {
        this.#watcher.pinging();
        this.#write(ping(payload));
      },
      late: (error) => this.#fail(error),
    });
    this.#socket = new Http2Socket({
      transport,
      written: (bytes) => this.#sentOut(bytes),
      finished: () => this.#ended(CODE.noError),
    });
    this.#session = openSession(settings, this.#socket, {
      settings: (theirs) => guard(() => this.#settingsCame(theirs)),
      acknowledged: () => {
        this.#settings.acknowledged = true;
        this.#settingsDone();
      },
      pushed: (stream, rawHeaders) => guard(() => this.#streams.pushed(stream, rawHeaders)),
      failed: (error) => this.#ended(CODE.internalError, error),
    });
    this.#streams = new Http2Streams(this.#streamsHost());
    const events: FrameEvents = {
      ended: (id) => this.#streams.ended(id),
      reset: (id, code) => this.#streams.reset(id, code),
      promised: (parent, id) => this.#streams.promised(parent, id),
      goaway: (last, code) => this.#goaway(last, code),
      pong: (payload) => this.#pings.pong(payload),
      pinged: () => counters.pingsAnswered++,
    };
    this.#watcher = new FrameWatcher(events, settings.http);
    const { settingsTimeout } = settings.http;
    this.#timer = setTimeout(() => guard(() => this.#settingsLate(settingsTimeout)), settingsTimeout);
  }

  #streamsHost(): ConstructorParameters<typeof Http2Streams>[0] {
    const driver = this;
    return {
      driver: this.#host,
      session: this.#session,
      get open() {
        return driver.#state.name === 'open' && !driver.#session.destroyed;
      },
      get broken() {
        return driver.#isBroken || driver.#session.destroyed || driver.#socket.released;
      },
      asked: () => this.#watcher.asked(),
      exhausted: () => this.#goaway(MOST_ID, CODE.noError),
      settled: () => this.#settled(),
    };
  }

  get #isBroken(): boolean {
    const { name } = this.#state;
    return name === 'breaking' || name === 'stopped';
  }

  // ── bytes ─────────────────────────────────────────────────────────────────────────────────────────────────

  buffer(): Uint8Array {
    return this.#memory.buffer();
  }

  received(length: number): void {
    const memory = this.#memory;
    const watcher = this.#watcher;
    if (this.#isBroken) return;
    this.#heard = true;
    this.#streams.reading(memory.full(length));
    for (const piece of watcher.feed(memory.filled(length), performance.now())) {
      if (!this.#socket.feed(memory.lend(piece))) memory.keep();
    }
    const { fault } = watcher;
    if (fault) this.#break(() => this.#fail(fault.error, fault.code));
  }

  ended(): void {
    this.lost(new ConnectionError('ERR_GUNPORT_CLOSED', 'the server closed the connection'));
  }

  lost(error: GunportError | undefined): void {
    const state = this.#state;
    const why = error ?? new ConnectionError('ERR_GUNPORT_CLOSED', 'the connection was closed');
    this.#break(() => this.#lose(why, state.name === 'left' ? leftError(state.code) : undefined));
  }

  /** node:http2 has written. */
  #sentOut(bytes: Uint8Array): void {
    const state = this.#state;
    this.#written = true;
    this.#watcher.sent(bytes.length);
    const code = this.#sent.feed(bytes);
    if (code !== undefined) this.#ended(code);
    if (state.name === 'leaving') this.#sayGoodbye(state);
  }

  // ── what is served ────────────────────────────────────────────────────────────────────────────────────────

  serve(): void {
    const { streams, settings } = this.#host;
    if (this.#state.name === 'open') return this.#streams.serve();
    // There is no next connection for them to wait for.
    if (this.#state.name === 'left' && settings.retry === 0)
      streams.failWaiting(() => closingError('goaway'));
  }

  /** Some streams may have ended. */
  #settled(): void {
    const state = this.#state;
    if (state.name === 'open') return this.#streams.serve();
    if (this.#streams.size > 0) return;
    if (state.name === 'leaving') {
      this.#sayGoodbye(state, true);
      this.#state = { name: 'breaking' };
      this.#host.over();
    } else if (state.name === 'left') this.#left(state.code);
  }

  ping(id: number): void {
    this.#pings.ping(id);
  }

  // ── the peer ──────────────────────────────────────────────────────────────────────────────────────────────

  #settingsCame(settings: PeerSettings): void {
    if (this.#isBroken) return;
    const first = !this.#settings.came;
    this.#settings.came = true;
    this.#streams.allow(settings);
    if (first) {
      this.#settingsDone();
      this.#host.up();
      this.#pings.begin();
    }
    this.#host.outbox.reply({ type: 'notify', settings });
    this.serve();
  }

  #settingsDone(): void {
    const { came, acknowledged } = this.#settings;
    if (came && acknowledged && this.#state.name === 'open') clearTimeout(this.#timer);
  }

  #settingsLate(ms: number): void {
    const what = this.#settings.came ? 'did not acknowledge our SETTINGS' : 'sent no SETTINGS';
    const error = new ConnectionError('ERR_GUNPORT_SETTINGS_TIMEOUT', `the server ${what} within ${ms} ms`, {
      phase: 'protocol',
    });
    this.#fail(error, CODE.settingsTimeout);
  }

  #goaway(last: number, code: number): void {
    const state = this.#state;
    if (this.#isBroken) return;
    // What we have told the process to expect stays so.
    if (state.name !== 'leaving') this.#state = { name: 'left', code };
    this.#streams.goaway(last, code);
    if (state.name === 'open') {
      clearTimeout(this.#timer);
      this.#armLeft(code);
      this.serve();
    }
    queueMicrotask(() => this.#host.guard(() => this.#settled()));
  }

  /** What is still coming may come, unless there is silence that is not our owner's, or somebody waits for the next
   *  connection. */
  #armLeft(code: number): void {
    const { closingTimeout } = this.#host.settings.ws;
    this.#heard = false;
    const look = (): void => {
      const { next, exchanges } = this.#host.streams;
      const heard = this.#heard || exchanges.some(({ starved }) => starved);
      if (heard && !next) this.#armLeft(code);
      else this.#left(code);
    };
    this.#timer = setTimeout(() => this.#host.guard(look), closingTimeout);
  }

  /** Nothing is left of what the peer would still serve, or it has had its time. RFC 9113 §5.4.1. */
  #left(code: number): void {
    this.#fail(leftError(code));
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────

  shutdown(reason: string): void {
    if (this.#state.name !== 'open' && this.#state.name !== 'left') return;
    const state: State = { name: 'leaving', told: false };
    this.#state = state;
    clearTimeout(this.#timer);
    this.#streams.shutdown(reason);
    this.#sayGoodbye(state);
    this.#settled();
  }

  /** Once what was asked for is on its way: a server may take no request that comes behind GOAWAY. */
  #sayGoodbye(state: State & { name: 'leaving' }, now = false): void {
    if (state.told || (!now && this.#sent.lastStream < this.#streams.last)) return;
    state.told = true;
    this.#write(goaway(CODE.noError));
  }

  stop(): void {
    const state = this.#state;
    if (state.name === 'stopped') return;
    this.#state = { name: 'stopped' };
    if (state.name === 'breaking') clearImmediate(state.immediate);
    clearTimeout(this.#timer);
    this.#streams.stop();
    this.#pings.stop(
      new StreamError('ERR_GUNPORT_CLOSED', 'ping(): the connection was lost', { phase: 'closed' }),
    );
    this.#socket.cut();
    this.#session.destroy();
  }

  /** A frame of our own: node:http2 writes whole ones. */
  #write(frame: Uint8Array): void {
    // Before its first there is nothing that could be said.
    if (this.#written) this.#host.transport.write(frame);
  }

  /** We end it, for a reason that the peer is told. */
  #fail(error: GunportError, code: number = CODE.noError): void {
    if (this.#state.name === 'stopped') return;
    this.#write(goaway(code));
    this.#lose(error);
  }

  /** node:http2 has ended the session, and told the peer, or tells it now. */
  #ended(code: number, cause?: Error): void {
    const name = codeName(code);
    const flood = code === CODE.enhanceYourCalm || isFlood(cause);
    const text = `the server ${flood ? 'floods the connection' : 'breaks the protocol'}: ${cause?.message ?? name}`;
    const error = new ConnectionError(flood ? 'ERR_GUNPORT_FLOOD' : 'ERR_GUNPORT_PROTOCOL', text, {
      ...{ phase: 'protocol', reason: name, cause },
    });
    this.#break(() => this.#lose(error));
  }

  /** It is lost in a turn of its own: what has come until now is read, and told, first. */
  #break(lose: () => void): void {
    if (this.#isBroken) return;
    this.#host.transport.pause();
    this.#socket.release();
    const state: State & { name: 'breaking' } = { name: 'breaking' };
    this.#state = state;
    let turns = MOST_TURNS;
    const look = (): void => {
      const due = this.#socket.unread === 0 || --turns === 0;
      state.immediate = setImmediate(due ? () => this.#host.guard(lose) : look);
    };
    look();
  }

  /** `unhurt`: what it is lost with when nothing was under way any more. */
  #lose(error: GunportError, unhurt: GunportError = error): void {
    if (this.#state.name === 'stopped') return;
    this.#state = { name: 'breaking' };
    this.#streams.lost(error);
    this.#host.lost(this.#streams.size === 0 ? unhurt : error);
  }
}

/** The end of a connection that its peer has left. */
function leftError(code: number): ConnectionError {
  if (code === CODE.noError) {
    return new ConnectionError('ERR_GUNPORT_CLOSED', 'the server went away', { reason: 'normal' });
  }
  const reason = codeName(code);
  return new ConnectionError('ERR_GUNPORT_GOAWAY', `the server went away (${reason})`, { reason });
}

/** What node:http2 finds to be a flood, before we do. */
function isFlood(cause: Error | undefined): boolean {
  const { code, errno } = (cause ?? {}) as { code?: unknown; errno?: unknown }; // Node's errors have them.
  return code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES' || errno === NGHTTP2_ERR_FLOODED;
}
