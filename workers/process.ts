// process — one connection: the interpreter that dials, upgrades, drives, loses, retries and ends.
// Made by host.ts for each 'open'; dials with transport.ts, and has links serve its streams, at the end of its own road
// and of each tunnel (roads.ts); policy is lib/protocol/retry.ts.
// Invariant: one state at a time; each stream ends once; when it has ended, its port closes as soon as the owner
// has all that was held. An error inside it ends this connection, never its thread.
// Source: gun.erl's states and commands; promises O8, S2, M1, M2.

import { MessageChannel, type MessagePort, threadId } from 'node:worker_threads';
import { type GunportError, toRecord } from '../lib/errors.ts';
import type { Leg, Road } from '../lib/httpwire.ts';
import type { UserFunction } from '../lib/modules.ts';
import type { Protocol, StreamInfo } from '../lib/types.ts';
import type {
  Closed,
  ConnectionState,
  DownRecord,
  HostToThread,
  Notice,
  Parcel,
  Settings,
} from '../lib/wire.ts';
import { Attempts, type AttemptsHost } from './attempts.ts';
import { Casts, type CastsHost, type PostedCast } from './casts.ts';
import type { CookieHold, CookieSource, Cookies } from './cookies/cookies.ts';
import type { Entry } from './entry.ts';
import type { Exchange } from './exchange.ts';
import { Front, type FrontHost } from './front.ts';
import { Handlers, type HandlersHost } from './handlers.ts';
import type { Lane } from './lane.ts';
import type { BranchEnds, HiddenHost, Link, LinkProcess } from './link.ts';
import { Outbox, type OutboxHost, type Post, postNotice } from './outbox.ts';
import { type EventDesk, Probe } from './probes/probe.ts';
import { begins, disconnects, terminates } from './probes/processprobe.ts';
import { Requests, type RequestsHost } from './requests.ts';
import type { Attempt } from './roads/attempt.ts';
import type { Branch } from './roads/branch.ts';
import { Roads, type RoadsHost } from './roads/roads.ts';
import { Counters, type Sink, type Transport } from './socket.ts';
import { type One, Streams } from './streams.ts';

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

/** Of a connection's own notices: none of them waits for credit. */
const UNHELD: OutboxHost = {
  maxBuffered: Number.POSITIVE_INFINITY,
  pause() {},
  resume() {},
  credit() {},
};

type Parts = CastsHost & AttemptsHost & HandlersHost & RequestsHost & LinkProcess & RoadsHost & FrontHost;

/** Its parts ask of it what their hosts have, by its methods: a literal of functions for each would be 100 bytes a
 *  function, for every connection of the thread. */
export class ConnectionProcess implements Parts {
  readonly #id: string;
  readonly #hostId: string;
  readonly #settings: Settings;
  readonly #host: ProcessHost;
  readonly probe: Probe;
  readonly attempts: Attempts;
  readonly counters: Counters = new Counters();
  readonly streams: Streams;
  readonly handlers: Handlers;
  readonly requests: Requests;
  readonly cookies: CookieHold | undefined;
  readonly outbox: Outbox;
  readonly sink: Sink;
  readonly #roads: Roads;
  readonly #casts: Casts;
  #port: MessagePort;
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

  constructor(open: HostToThread & { type: 'open' }, settings: Settings, host: ProcessHost) {
    const { id, ownerThreadId, port } = open;
    this.#id = id;
    this.#hostId = open.host;
    this.#settings = settings;
    this.#host = host;
    this.#port = port;
    this.cookies = host.cookies.hold(open.cookies, settings.origin, (run) => this.guard(run));
    this.probe = new Probe(host.events, id);
    begins(this.probe, settings, ownerThreadId);
    this.sink = new Front(this);
    this.outbox = new Outbox(this.post, UNHELD);
    this.handlers = new Handlers(this);
    this.streams = new Streams(this.handlers);
    this.requests = new Requests(settings, this);
    this.attempts = new Attempts(settings, this);
    this.#roads = new Roads(this);
    this.#casts = new Casts(this);
    this.#listen(port);
    if (!open.silent) this.reply({ type: 'placed', host: open.host, threadId });
    // Of a connect() with a handler that comes first: it may renew what is dialled.
    if (settings.ws.handler === undefined) this.guard(() => this.again());
  }

  /** Ends politely; the reason is what monitors are told. What is held goes: it would wait for a reader, as would the end. */
  shutdown(reason: DownRecord): void {
    this.streams.drop(false);
    if (this.#state.name === 'ended') return;
    const [link, before] = [this.#link, this.#goingDown];
    if (!link || !this.#up) return this.end(reason);
    // Told before: the goodbye is under way, and the last reason counts.
    this.#goingDown = { reason, timer: before?.timer ?? this.#closingTimer() };
    if (before) return;
    link.shutdown(reason.kind);
  }

  #closingTimer(): NodeJS.Timeout | undefined {
    // A WebSocket has its own, which ends it with what is known of the close.
    if (this.#roads.end?.protocol === 'ws') return undefined;
    const { closingTimeout } = this.#settings.ws;
    return setTimeout(() => this.#goingDown && this.end(this.#goingDown.reason), closingTimeout);
  }

  get #link(): Link | undefined {
    return this.#state.name === 'linked' ? this.#state.link : undefined;
  }

  // ── from the owner ────────────────────────────────────────────────────────────────────────────────────────

  #listen(port: MessagePort): void {
    port.on('message', (cast: PostedCast) => this.guard(() => this.#casts.handle(cast)));
    port.on('close', () => this.guard(() => this.#ownerGone()));
  }

  /** Its owner is there, after so many hand-overs. */
  owned(transfers: number): void {
    this.#orphaned = false;
    this.#transfers = transfers;
    this.attempts.ownerChanged();
  }

  /** To the owner, behind what has been said of requests in this turn. */
  readonly post: Post = (notice, transfer) => {
    this.requests.flush();
    postNotice(this.#port, notice, transfer);
  };

  reply(notice: Exclude<Notice, Parcel>): void {
    this.outbox.reply(notice);
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
      this.streams.forgetInFlight();
      this.#listen(port1);
      return this.#host.orphan(port2, record);
    }
    this.streams.abandon();
    this.shutdown({ kind: 'owner-gone', message: "its owner's thread ended" });
  }

  // ── connecting ────────────────────────────────────────────────────────────────────────────────────────────

  /** The next attempt. */
  again(): void {
    this.#state = { name: 'dialing', attempt: this.attempts.dial() };
  }

  dial(): void {
    if (this.#state.name === 'dialing') this.again();
  }

  lead(settings: Settings): Leg {
    return this.#roads.lead(settings);
  }

  load(): Promise<void> | undefined {
    return this.requests.loadContent();
  }

  connected(transport: Transport): void {
    const link = this.#roads.begin(transport);
    this.#state = { name: 'linked', link };
    link.start();
  }

  up(protocol: Protocol): void {
    this.#attempt++;
    this.#up = { since: performance.now(), before: this.counters.messagesReceived };
    // A connect() is up with its WebSocket, and the request for that may come after the socket is there.
    if (!this.#settings.ws.spans) this.#everOpen = true;
    this.outbox.ordered({ type: 'up', protocol, attempt: this.#attempt });
  }

  tunnelUp(protocol: Protocol, origin: string): void {
    this.outbox.ordered({ type: 'tunnelUp', protocol, origin });
  }

  /** A WebSocket is open. */
  opened(): void {
    this.#everOpen = true;
    if (this.#up) this.#up.before = -1;
  }

  branch(exchange: Exchange, ends: BranchEnds): Branch {
    // That a tunnel is made again and again serves nobody.
    if (this.#up && this.#up.before >= 0) this.#up.before++;
    return this.#roads.branch(exchange, ends);
  }

  hidden(failed: (error: GunportError) => void): HiddenHost {
    return { deadlines: this.requests.deadlines, probe: this.probe, failed };
  }

  tunnel(road: Road, from: Lane<One>): Lane<One> {
    return this.#roads.tunnel(road, from);
  }

  // ── losing ────────────────────────────────────────────────────────────────────────────────────────────────

  /** An attempt failed, or an established connection was lost: retry, or give up. */
  failed(error: GunportError, also?: number): void {
    this.#lastError = error;
    const up = this.#up;
    const opened = up !== undefined && (!this.#settings.ws.spans || this.streams.spanning?.state === 'open');
    if (this.#link) this.#tellLost(error, also);
    if (this.#goingDown) return this.end(this.#goingDown.reason);
    // An end that both sides meant is no failure, and costs no retry: unless the peer only ever says goodbye. Nor is one
    // that our owner wanted.
    const served = up !== undefined && this.counters.messagesReceived > up.before;
    const isUseful = error.code === 'ERR_GUNPORT_CANCELLED' || (error.reason === 'normal' && served);
    const upFor = isUseful ? Number.POSITIVE_INFINITY : up ? performance.now() - up.since : 0;
    this.#up = undefined;
    this.#state = { name: 'retrying' };
    this.attempts.failed({ error, wasUp: opened, upFor, everUp: this.#everOpen, random: Math.random() });
  }

  #tellLost(error: GunportError, also: number | undefined): void {
    const protocol = (this.#roads.end ?? this.#link)?.protocol ?? 'http';
    this.#link?.stop();
    this.#roads.lost();
    const killed = this.streams.lost(error, this.#attempt);
    if (!this.#up) return;
    const attempt = this.#attempt;
    disconnects(this.probe, attempt, protocol, error);
    const all = also === undefined ? killed : [also, ...killed];
    this.outbox.ordered({ type: 'down', protocol, attempt, error: toRecord(error), killed: all });
  }

  lost(error: GunportError, also?: number): void {
    this.failed(error, also);
  }

  tunnelLost(exchange: Exchange, error: GunportError): void {
    this.#roads.tunnelLost(exchange, error);
  }

  mayComeBack(closed: Closed): boolean {
    return this.attempts.mayComeBack(closed);
  }

  giveUp(error: GunportError): void {
    const { message, reason } = error;
    if (reason === 'normal') return this.end({ kind: 'normal', message });
    this.end({ kind: 'gave-up', message, cause: toRecord(error) });
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  streamClosed(entry: Entry, closed: Closed): void {
    this.streams.closed(entry, closed);
    if (entry.ws.spans) this.over('its WebSocket has closed');
  }

  /** After shutdown(): nothing is left under way. */
  over(message = 'nothing is left to do'): void {
    this.end(this.#goingDown?.reason ?? { kind: 'normal', message });
  }

  /** The one end. Down is told at once; what is held for the owner stays until it was taken. */
  end(reason: DownRecord): void {
    const state = this.#state;
    if (state.name === 'ended') return;
    this.#state = { name: 'ended' };
    clearTimeout(this.#goingDown?.timer);
    if (state.name === 'linked') state.link.stop();
    else if (state.name === 'dialing') state.attempt?.cancel();
    this.attempts.cancel();
    this.streams.end(reason);
    terminates(this.probe, this.#up ? 'up' : state.name === 'retrying' ? 'retrying' : 'connecting', reason);
    this.requests.stop();
    this.reply({ type: 'end', reason });
    this.#host.ended(this.#id, reason);
    this.streams.whenDrained(() => this.#release());
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.streams.release();
    this.#port.close();
    this.cookies?.release();
    this.#host.released(this.#id);
  }

  /** An error of ours, or of a hook, in the midst of one connection is the end of that connection only. */
  guard(run: () => unknown): void {
    try {
      const result = run();
      if (result instanceof Promise) result.catch((error: unknown) => this.#crashed(error));
    } catch (error) {
      this.#crashed(error);
    }
  }

  #crashed(error: unknown): void {
    const cause = toRecord(error);
    this.end({ kind: 'uncaught', message: `uncaught in the connection process: ${cause.message}`, cause });
  }

  // ── what it knows ─────────────────────────────────────────────────────────────────────────────────────────

  /** Of this attempt, or the last. */
  get settings(): Settings {
    return this.attempts.settings;
  }
  get transformHeaderName(): UserFunction | undefined {
    return this.attempts.transform;
  }
  get cookieSource(): CookieSource | undefined {
    return this.cookies?.source;
  }
  /** Where the bytes of the socket go, at the moment. */
  get front(): Sink | undefined {
    return this.#link?.sink;
  }
  get attempt(): number {
    return this.#attempt;
  }
  get attemptUnderWay(): number {
    return this.#attempt + (this.#up ? 0 : 1);
  }
  get lastError(): GunportError | undefined {
    return this.#lastError;
  }
  get isUp(): boolean {
    return this.#up !== undefined;
  }
  get goingDown(): boolean {
    return this.#goingDown !== undefined;
  }
  get isOver(): boolean {
    return this.#state.name === 'ended';
  }

  streamInfo(stream: number): StreamInfo | undefined {
    return this.#roads.streamInfo(stream);
  }

  info(): (Notice & { type: 'info' })['info'] {
    const counters = { ...this.counters, transfers: this.#transfers };
    return { attempt: this.#attempt, counters, ...this.#roads.info(this.#up && this.#link) };
  }

  /** For an owner that takes an orphan. */
  #record(): ConnectionState {
    const [id, host, settings, attempt] = [this.#id, this.#hostId, this.#settings, this.#attempt];
    const { protocol } = this.info();
    return {
      ...{ id, host, threadId, settings, attempt, transfers: this.#transfers, protocol },
      status: protocol === undefined ? 'down' : 'up',
      ...this.streams.records(),
      lastError: this.#lastError && toRecord(this.#lastError),
    };
  }
}
