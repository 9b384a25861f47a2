// process — one connection: the interpreter that dials, upgrades, drives, loses, retries and ends.
// Made by host.ts for each 'open'; dials with transport.ts, and has links serve its streams, at the end of its own road
// and of each tunnel (roads.ts); policy is lib/protocol/retry.ts.
// Invariant: one state at a time; each stream ends once; when it has ended, its port closes as soon as the owner
// has all that was held. An error inside it ends this connection, never its thread.
// Source: gun.erl's states and commands; promises O8, S2, M1, M2.

import { MessageChannel, type MessagePort, threadId } from 'node:worker_threads';
import { type GunportError, toRecord } from '../lib/errors.ts';
import type { Protocol } from '../lib/types.ts';
import type {
  Cast,
  Closed,
  ConnectionState,
  DownRecord,
  HostToThread,
  Notice,
  Settings,
} from '../lib/wire.ts';
import { Attempts, type AttemptsHost } from './attempts.ts';
import { Casts, type CastsHost } from './casts.ts';
import type { CookieHold, Cookies } from './cookies/cookies.ts';
import type { Entry } from './entry.ts';
import { Front } from './front.ts';
import { Handlers, type HandlersHost } from './handlers.ts';
import type { Link, LinkProcess } from './link.ts';
import { Outbox, type Post } from './outbox.ts';
import { type EventDesk, Probe } from './probes/probe.ts';
import { begins, disconnects, terminates } from './probes/processprobe.ts';
import { Requests } from './requests.ts';
import type { Attempt } from './roads/attempt.ts';
import { Roads } from './roads/roads.ts';
import { Counters, type Transport } from './socket.ts';
import { Streams } from './streams.ts';

/** What a process tells its thread. */
export interface ProcessHost {
  /** Of all connections in its thread. */
  readonly cookies: Cookies;
  readonly events: EventDesk;
  ended(id: string, reason: DownRecord): void;
  released(id: string): void;
  orphan(port: MessagePort, state: ConnectionState): void;
}

type State =
  | { readonly name: 'dialing'; readonly attempt: Attempt | undefined }
  | { readonly name: 'linked'; readonly link: Link }
  | { readonly name: 'retrying' }
  | { readonly name: 'ended' };

export class ConnectionProcess {
  readonly #id: string;
  readonly #hostId: string;
  readonly #settings: Settings;
  readonly #host: ProcessHost;
  readonly #probe: Probe;
  readonly #attempts: Attempts;
  readonly #counters = new Counters();
  readonly #streams: Streams;
  readonly #handlers: Handlers;
  readonly #requests: Requests;
  readonly #cookies: CookieHold | undefined;
  readonly #roads: Roads;
  readonly #casts: Casts;
  readonly #sink: Front;
  #port: MessagePort;
  #outbox: Outbox;
  #state: State = { name: 'dialing', attempt: undefined };
  #attempt = 0;
  /** Of the connection that is up: since when, on performance.now()'s clock, and what had been received before; -1: a
   *  WebSocket was opened on it. */
  #up: { readonly since: number; before: number } | undefined;
  #everOpen = false;
  #lastError: GunportError | undefined;
  #goingDown: { readonly reason: DownRecord; readonly timer: NodeJS.Timeout | undefined } | undefined;
  #orphaned = false;
  #transfers = 0;
  #released = false;

  constructor(open: HostToThread & { type: 'open' }, host: ProcessHost) {
    const { id, host: hostId, settings, ownerThreadId, port } = open;
    this.#cookies = host.cookies.hold(open.cookies, settings.origin, (run) => this.#guard(run));
    this.#id = id;
    this.#hostId = hostId;
    this.#settings = settings;
    this.#host = host;
    this.#probe = new Probe(host.events, id);
    begins(this.#probe, settings, ownerThreadId);
    const guard = (run: () => unknown): void => this.#guard(run);
    this.#sink = new Front(() => this.#link?.sink, guard);
    this.#port = port;
    const post: Post = (notice, transfer) => this.#port.postMessage(notice, transfer);
    const ordered: Post = (notice, transfer) => {
      this.#requests.flush();
      post(notice, transfer);
    };
    const { maxBuffered } = settings;
    this.#outbox = new Outbox(ordered, { maxBuffered, pause() {}, resume() {}, credit() {} });
    this.#handlers = new Handlers(this.#handlersHost(ordered));
    this.#streams = new Streams((stream, ws) => this.#handlers.outbox(stream, ws));
    this.#requests = new Requests(settings, this.#streams, {
      probe: this.#probe,
      post,
      reply: (notice) => this.#outbox.reply(notice),
      guard: (run) => this.#guard(run),
      tunnel: (road, from) => this.#roads.tunnel(road, from),
      streamInfo: (stream) => this.#roads.streamInfo(stream),
    });
    this.#attempts = new Attempts(settings, this.#attemptsHost);
    this.#roads = new Roads(this.#linkProcess, {
      up: (protocol) => this.#cameUp(protocol),
      tunnelUp: (protocol, origin) => this.#outbox.ordered({ type: 'tunnelUp', protocol, origin }),
      lost: (error, also) => this.#failed(error, also),
      over: () => this.#end(this.#goingDown?.reason ?? { kind: 'normal', message: 'nothing is left to do' }),
    });
    this.#casts = new Casts(this.#castsHost);
    this.#listen(port);
    this.#outbox.reply({ type: 'placed', host: hostId, threadId });
    // Of a connect() with a handler that comes first: it may renew what is dialled.
    if (settings.ws.handler === undefined) this.#guard(() => this.#dial());
  }

  /** Ends politely; the reason is what monitors are told. */
  shutdown(reason: DownRecord): void {
    if (this.#state.name === 'ended') return;
    const [link, before] = [this.#link, this.#goingDown];
    if (!link || !this.#up) return this.#end(reason);
    // Told before: the goodbye is under way, and the last reason counts.
    this.#goingDown = { reason, timer: before?.timer ?? this.#closingTimer() };
    if (before) return;
    link.shutdown(reason.kind);
  }

  #closingTimer(): NodeJS.Timeout | undefined {
    // A WebSocket has its own, which ends it with what is known of the close.
    if (this.#roads.end?.protocol === 'ws') return undefined;
    const { closingTimeout } = this.#settings.ws;
    return setTimeout(() => this.#goingDown && this.#end(this.#goingDown.reason), closingTimeout);
  }

  get #link(): Link | undefined {
    return this.#state.name === 'linked' ? this.#state.link : undefined;
  }

  // ── from the owner ────────────────────────────────────────────────────────────────────────────────────────

  #listen(port: MessagePort): void {
    port.on('message', (cast: Cast) => this.#guard(() => this.#casts.handle(cast)));
    port.on('close', () => this.#guard(() => this.#ownerGone()));
  }

  get #castsHost(): CastsHost {
    return {
      streams: this.#streams,
      requests: this.#requests,
      attempts: this.#attempts,
      handlers: this.#handlers,
      probe: this.#probe,
      reply: (notice) => this.#outbox.reply(notice),
      isUp: () => this.#up !== undefined,
      lastError: () => this.#lastError,
      info: () => this.#info(),
      owned: (transfers) => {
        this.#orphaned = false;
        this.#transfers = transfers;
        this.#attempts.ownerChanged();
      },
      streamClosed: (entry, closed) => this.#streamClosed(entry, closed),
      guard: (run) => this.#state.name === 'ended' || this.#guard(run),
      shutdown: (reason) => this.shutdown(reason),
      end: (reason) => this.#end(reason),
    };
  }

  /** The owner's thread has ended, or a taker died with what it had been given. */
  #ownerGone(): void {
    if (this.#state.name === 'ended') return this.#release();
    if (this.#settings.onOwnerDown === 'rehome' && !this.#orphaned && !this.#goingDown) {
      const { port1, port2 } = new MessageChannel();
      this.#orphaned = true;
      this.#port = port1;
      // Before anything is posted to the new port: that is for the next owner to acknowledge.
      const record = this.#record();
      this.#streams.forgetInFlight();
      this.#listen(port1);
      return this.#host.orphan(port2, record);
    }
    this.#streams.abandon();
    this.shutdown({ kind: 'owner-gone', message: "its owner's thread ended" });
  }

  // ── connecting ────────────────────────────────────────────────────────────────────────────────────────────

  #dial(): void {
    this.#state = { name: 'dialing', attempt: this.#attempts.dial() };
  }

  #handlersHost(post: Post): HandlersHost {
    const process = this;
    return {
      post,
      get streams() {
        return process.#streams;
      },
      get settings() {
        return process.#attempts.settings;
      },
      get attempt() {
        return process.#attempt + (process.#up ? 0 : 1);
      },
      dial: () => this.#state.name === 'dialing' && this.#dial(),
      giveUp: (error) => this.#gaveUp(error),
      streamClosed: (entry, closed) => this.#streamClosed(entry, closed),
      guard: (run) => this.#guard(run),
    };
  }

  get #attemptsHost(): AttemptsHost {
    return {
      probe: this.#probe,
      cookies: this.#cookies,
      sink: this.#sink,
      streams: this.#streams,
      known: () => ({ attempt: this.#attempt, lastError: this.#lastError }),
      reply: (notice) => this.#outbox.reply(notice),
      lead: (settings) => this.#roads.lead(settings),
      again: () => this.#dial(),
      load: () => this.#requests.loadContent(),
      connected: (transport) => this.#connected(transport),
      failed: (error) => this.#failed(error),
      giveUp: (error) => this.#gaveUp(error),
      streamClosed: (entry, closed) => this.#streamClosed(entry, closed),
      guard: (run) => this.#guard(run),
    };
  }

  #connected(transport: Transport): void {
    const link = this.#roads.begin(transport);
    this.#state = { name: 'linked', link };
    link.start();
  }

  get #linkProcess(): LinkProcess {
    const process = this;
    return {
      get settings() {
        return process.#attempts.settings;
      },
      streams: this.#streams,
      requests: this.#requests,
      get outbox() {
        return process.#outbox;
      },
      counters: this.#counters,
      probe: this.#probe,
      get transformHeaderName() {
        return process.#attempts.transform;
      },
      get cookies() {
        return process.#cookies?.source;
      },
      get goingDown() {
        return process.#goingDown !== undefined;
      },
      get attempt() {
        return process.#attempt;
      },
      guard: (run) => this.#guard(run),
      opened: () => {
        this.#everOpen = true;
        if (this.#up) this.#up.before = -1;
      },
      streamClosed: (entry, closed) => this.#streamClosed(entry, closed),
      mayComeBack: (closed) => this.#attempts.mayComeBack(closed),
      branch: (exchange, ends) => {
        // That a tunnel is made again and again serves nobody.
        if (this.#up && this.#up.before >= 0) this.#up.before++;
        return this.#roads.branch(exchange, ends);
      },
      hidden: (failed) => ({ deadlines: this.#requests.deadlines, probe: this.#probe, failed }),
      tunnelLost: (exchange, error) => this.#roads.tunnelLost(exchange, error),
    };
  }

  #cameUp(protocol: Protocol): void {
    this.#attempt++;
    this.#up = { since: performance.now(), before: this.#counters.messagesReceived };
    // A connect() is up with its WebSocket, and the request for that may come after the socket is there.
    if (!this.#settings.ws.spans) this.#everOpen = true;
    this.#outbox.ordered({ type: 'up', protocol, attempt: this.#attempt });
  }

  // ── losing ────────────────────────────────────────────────────────────────────────────────────────────────

  /** An attempt failed, or an established connection was lost: retry, or give up. */
  #failed(error: GunportError, also?: number): void {
    this.#lastError = error;
    const { ws } = this.#settings;
    const up = this.#up;
    const opened = up !== undefined && (!ws.spans || this.#streams.spanning?.state === 'open');
    if (this.#link) this.#tellLost(error, also);
    if (this.#goingDown) return this.#end(this.#goingDown.reason);
    // An end that both sides meant is no failure, and costs no retry: unless the peer only ever says goodbye. Nor is one
    // that our owner wanted.
    const served = up !== undefined && this.#counters.messagesReceived > up.before;
    const isUseful = error.code === 'ERR_GUNPORT_CANCELLED' || (error.reason === 'normal' && served);
    const upFor = isUseful ? Number.POSITIVE_INFINITY : up ? performance.now() - up.since : 0;
    this.#up = undefined;
    this.#state = { name: 'retrying' };
    this.#attempts.failed({ error, wasUp: opened, upFor, everUp: this.#everOpen, random: Math.random() });
  }

  #tellLost(error: GunportError, also: number | undefined): void {
    const protocol = (this.#roads.end ?? this.#link)?.protocol ?? 'http';
    this.#link?.stop();
    this.#roads.lost();
    const killed = this.#streams.lost(error, this.#attempt);
    if (!this.#up) return;
    const attempt = this.#attempt;
    disconnects(this.#probe, attempt, protocol, error);
    const all = also === undefined ? killed : [also, ...killed];
    this.#outbox.ordered({ type: 'down', protocol, attempt, error: toRecord(error), killed: all });
  }

  #gaveUp(error: GunportError): void {
    const { message, reason } = error;
    if (reason === 'normal') return this.#end({ kind: 'normal', message });
    this.#end({ kind: 'gave-up', message, cause: toRecord(error) });
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  #streamClosed(entry: Entry, closed: Closed): void {
    this.#streams.closed(entry, closed);
    if (!entry.ws.spans) return;
    this.#end(this.#goingDown?.reason ?? { kind: 'normal', message: 'its WebSocket has closed' });
  }

  /** The one end. Down is told at once; what is held for the owner stays until it was taken. */
  #end(reason: DownRecord): void {
    const state = this.#state;
    if (state.name === 'ended') return;
    this.#state = { name: 'ended' };
    clearTimeout(this.#goingDown?.timer);
    if (state.name === 'linked') state.link.stop();
    else if (state.name === 'dialing') state.attempt?.cancel();
    this.#attempts.cancel();
    this.#streams.end(reason);
    terminates(this.#probe, this.#up ? 'up' : state.name === 'retrying' ? 'retrying' : 'connecting', reason);
    this.#requests.stop();
    this.#outbox.reply({ type: 'end', reason });
    this.#host.ended(this.#id, reason);
    this.#streams.whenDrained(() => this.#release());
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#streams.release();
    this.#port.close();
    this.#cookies?.release();
    this.#host.released(this.#id);
  }

  /** An error of ours, or of a hook, in the midst of one connection is the end of that connection only. */
  #guard(run: () => unknown): void {
    try {
      const result = run();
      if (result instanceof Promise) result.catch((error: unknown) => this.#crashed(error));
    } catch (error) {
      this.#crashed(error);
    }
  }

  #crashed(error: unknown): void {
    const cause = toRecord(error);
    this.#end({ kind: 'uncaught', message: `uncaught in the connection process: ${cause.message}`, cause });
  }

  // ── what it knows ─────────────────────────────────────────────────────────────────────────────────────────

  #info(): (Notice & { type: 'info' })['info'] {
    const counters = { ...this.#counters, transfers: this.#transfers };
    return { attempt: this.#attempt, counters, ...this.#roads.info(this.#up && this.#link) };
  }

  /** For an owner that takes an orphan. */
  #record(): ConnectionState {
    const [id, host, settings, attempt] = [this.#id, this.#hostId, this.#settings, this.#attempt];
    const { protocol } = this.#info();
    return {
      ...{ id, host, threadId, settings, attempt, transfers: this.#transfers, protocol },
      status: protocol === undefined ? 'down' : 'up',
      ...this.#streams.records(),
      lastError: this.#lastError && toRecord(this.#lastError),
    };
  }
}
