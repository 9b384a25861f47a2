// process — one connection: the interpreter that dials, upgrades, drives, loses, retries and ends.
// Made by host.ts for each 'open'; dials with transport.ts, and has a driver serve its streams; policy is
// lib/protocol/retry.ts.
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
import { asConnectionError, type Entry, NO_CLOSE } from './entry.ts';
import { Front } from './front.ts';
import { Link, type LinkHost } from './link.ts';
import { load, type UserFunction } from './modules.ts';
import { Outbox } from './outbox.ts';
import { Requests } from './requests.ts';
import { Retrying } from './retrying.ts';
import { giveSlab } from './slabs.ts';
import { Counters, type Transport } from './socket.ts';
import { Streams } from './streams.ts';
import { type Dialing, dial } from './transport.ts';

/** What a process tells its thread. */
export interface ProcessHost {
  ended(id: string, reason: DownRecord): void;
  released(id: string): void;
  orphan(port: MessagePort, state: ConnectionState): void;
}

type State =
  | { readonly name: 'dialing'; readonly dialing: Dialing | undefined }
  | { readonly name: 'linked'; readonly link: Link }
  | { readonly name: 'retrying' }
  | { readonly name: 'ended' };

export class ConnectionProcess {
  readonly #id: string;
  readonly #hostId: string;
  readonly #settings: Settings;
  readonly #host: ProcessHost;
  readonly #retrying: Retrying;
  readonly #counters = new Counters();
  readonly #streams: Streams;
  readonly #requests: Requests;
  readonly #sink: Front;
  #port: MessagePort;
  #outbox: Outbox;
  #state: State = { name: 'dialing', dialing: undefined };
  #attempt = 0;
  #everOpen = false;
  #lastError: GunportError | undefined;
  #goingDown: { readonly reason: DownRecord; readonly timer: NodeJS.Timeout | undefined } | undefined;
  #orphaned = false;
  #transfers = 0;
  #released = false;

  constructor({ id, host: hostId, settings, port }: HostToThread & { type: 'open' }, host: ProcessHost) {
    this.#id = id;
    this.#hostId = hostId;
    this.#settings = settings;
    this.#host = host;
    this.#retrying = new Retrying(settings, {
      ask: (question) => this.#outbox.reply(question),
      waits: (delay, error) => this.#outbox.reply({ type: 'failed', error: toRecord(error), delay }),
      again: () => this.#dial(),
      giveUp: (error) => this.#gaveUp(error),
      guard: (run) => this.#guard(run),
    });
    this.#sink = new Front(
      () => this.#link?.driver,
      (run) => this.#guard(run),
    );
    this.#port = port;
    const post = (notice: Notice, transfer: ArrayBuffer[]): void => this.#port.postMessage(notice, transfer);
    const ordered = (notice: Notice, transfer: ArrayBuffer[]): void => {
      this.#requests.flush();
      post(notice, transfer);
    };
    const { maxBuffered } = settings;
    this.#outbox = new Outbox(ordered, { maxBuffered, pause() {}, resume() {}, credit() {} });
    this.#streams = new Streams((stream) => {
      const socket = () => this.#streams.webSocket(stream)?.socket;
      return new Outbox(ordered, {
        maxBuffered,
        pause: () => socket()?.hold(true),
        resume: () => socket()?.hold(false),
        credit: () => socket()?.credit(),
      });
    });
    this.#requests = new Requests(settings, this.#streams, {
      post,
      reply: (notice) => this.#outbox.reply(notice),
      guard: (run) => this.#guard(run),
    });
    this.#listen(port);
    this.#outbox.reply({ type: 'placed', host: hostId, threadId });
    this.#guard(() => this.#dial());
  }

  /** Ends politely; the reason is what monitors are told. */
  shutdown(reason: DownRecord): void {
    if (this.#state.name === 'ended') return;
    const link = this.#link;
    const before = this.#goingDown;
    if (!link || !this.#isUp) return this.#end(reason);
    // Told before: the goodbye is under way, and the last reason counts.
    this.#goingDown = { reason, timer: before?.timer ?? this.#closingTimer() };
    if (before) return;
    link.shutdown(reason.kind);
  }

  #closingTimer(): NodeJS.Timeout | undefined {
    // A WebSocket has its own, which ends it with what is known of the close.
    if (this.#link?.protocol === 'ws') return undefined;
    const { closingTimeout } = this.#settings.ws;
    return setTimeout(() => this.#goingDown && this.#end(this.#goingDown.reason), closingTimeout);
  }

  get #link(): Link | undefined {
    return this.#state.name === 'linked' ? this.#state.link : undefined;
  }

  get #isUp(): boolean {
    return this.#link?.upFor !== undefined;
  }

  // ── from the owner ────────────────────────────────────────────────────────────────────────────────────────

  #listen(port: MessagePort): void {
    port.on('message', (cast: Cast) => this.#guard(() => this.#cast(cast)));
    port.on('close', () => this.#guard(() => this.#ownerGone()));
  }

  #cast(cast: Cast): void {
    switch (cast.type) {
      case 'casts':
        for (const one of cast.casts) this.#requests.handle(one, this.#isUp);
        return this.#link?.serve();
      case 'request':
      case 'data':
      case 'read':
      case 'streamInfo':
        this.#requests.handle(cast, this.#isUp);
        return this.#link?.serve();
      case 'send':
        return this.#streams.send(cast, this.#lastError);
      case 'ack':
        for (const slab of cast.slabs ?? []) giveSlab(slab);
        return this.#streams.acked(cast.read);
      case 'flow':
        return this.#streams.topUp(cast.stream, cast.add);
      case 'upgrade':
        this.#streams.addWebSocket(cast.stream, cast.ws);
        return this.#link?.serve();
      case 'ping':
        return this.#streams.webSocket(cast.stream)?.socket?.ping(cast.id, cast.payload);
      case 'pingConnection':
        return this.#link?.ping(cast.id) ? undefined : this.#requests.notUp('ping()', cast.id);
      case 'closeStream':
        return this.#closeStream(cast);
      case 'cancel':
        return this.#cancel(cast.stream);
      case 'shutdown':
        return this.shutdown({ kind: 'shutdown', message: 'its owner shut it down' });
      case 'close':
        this.#streams.drop(false);
        return this.#end({ kind: 'shutdown', message: 'its owner closed it' });
      case 'info':
        return this.#outbox.reply({ type: 'info', id: cast.id, info: this.#info() });
      case 'owner':
        this.#orphaned = false;
        this.#transfers = cast.transfers;
        return;
      case 'retry':
        return this.#retrying.answer(cast.id, cast.decision);
      default:
        cast satisfies never;
    }
  }

  #closeStream({ stream, code, reason }: Cast & { type: 'closeStream' }): void {
    const entry = this.#streams.webSocket(stream);
    if (!entry) return;
    const { socket } = entry;
    entry.state = 'closing';
    if (socket?.close(code, reason)) return;
    // Never opened, or between two attempts: there is nobody to say goodbye to.
    this.#streamClosed(entry, NO_CLOSE);
    socket?.cancel();
  }

  #cancel(stream: number): void {
    this.#streams.exchange(stream)?.cancel();
    const entry = this.#streams.webSocket(stream);
    if (!entry) return;
    this.#streams.cancelled(entry);
    if (entry.ws.spans) return this.#end({ kind: 'normal', message: 'its stream was cancelled' });
    entry.socket?.cancel();
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

  async #dial(): Promise<void> {
    const state: State = { name: 'dialing', dialing: undefined };
    this.#state = state;
    try {
      const { lookup, checkServerIdentity, http } = this.#settings;
      const { transformHeaderName } = http;
      const hooks = {
        lookup: lookup && (await load(lookup)),
        checkServerIdentity: checkServerIdentity && (await load(checkServerIdentity)),
      };
      const transform = transformHeaderName && (await load(transformHeaderName));
      if (this.#state !== state) return;
      const dialing = dial(this.#settings, hooks, this.#sink, {
        connected: (transport) => this.#guard(() => this.#connected(transport, transform)),
        failed: (error) => this.#guard(() => this.#failed(error, undefined)),
      });
      this.#state = { name: 'dialing', dialing };
    } catch (error) {
      if (this.#state === state) this.#guard(() => this.#failed(asConnectionError(error), undefined));
    }
  }

  #connected(transport: Transport, transform: UserFunction | undefined): void {
    const link = new Link(transport, transform, this.#linkHost);
    this.#state = { name: 'linked', link };
    link.start();
  }

  get #linkHost(): LinkHost {
    const process = this;
    return {
      settings: this.#settings,
      streams: this.#streams,
      requests: this.#requests,
      outbox: this.#outbox,
      counters: this.#counters,
      get goingDown() {
        return process.#goingDown !== undefined;
      },
      get attempt() {
        return process.#attempt;
      },
      guard: (run) => this.#guard(run),
      up: (protocol) => this.#up(protocol),
      lost: (error, also) => this.#failed(error, this.#link, also),
      over: () => this.#end(this.#goingDown?.reason ?? { kind: 'normal', message: 'nothing is left to do' }),
      opened: () => {
        this.#everOpen = true;
      },
      streamClosed: (entry, closed) => this.#streamClosed(entry, closed),
    };
  }

  #up(protocol: Protocol): void {
    this.#attempt++;
    // A connect() is up with its WebSocket, and the request for that may come after the socket is there.
    if (!this.#settings.ws.spans) this.#everOpen = true;
    this.#outbox.ordered({ type: 'up', protocol, attempt: this.#attempt });
  }

  // ── losing ────────────────────────────────────────────────────────────────────────────────────────────────

  /** An attempt failed, or an established connection was lost: retry, or give up. */
  #failed(error: GunportError, link: Link | undefined, also?: number): void {
    this.#lastError = error;
    const { ws } = this.#settings;
    const wasUp = link?.upFor !== undefined;
    const opened = wasUp && (!ws.spans || this.#streams.spanning?.state === 'open');
    if (link) this.#tellLost(error, link, also);
    if (this.#goingDown) return this.#end(this.#goingDown.reason);
    // An end that both sides meant is no failure, and costs no retry: unless the peer only ever says goodbye.
    const upFor = error.reason === 'normal' && link?.served ? Number.POSITIVE_INFINITY : (link?.upFor ?? 0);
    this.#state = { name: 'retrying' };
    const random = Math.random();
    this.#retrying.failed({ error, wasUp: opened, upFor, everUp: this.#everOpen, random });
  }

  #tellLost(error: GunportError, link: Link, also: number | undefined): void {
    const killed = this.#streams.lost(error, this.#attempt);
    if (link.upFor === undefined) return;
    const [attempt, { protocol }] = [this.#attempt, link];
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
    else if (state.name === 'dialing') state.dialing?.cancel();
    else this.#retrying.cancel();
    this.#streams.end(reason);
    this.#requests.stop();
    this.#outbox.reply({ type: 'end', reason });
    this.#host.ended(this.#id, reason);
    this.#streams.whenDrained(() => this.#release());
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#streams.drop(true);
    this.#port.close();
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
    const up = this.#link?.upFor === undefined ? undefined : this.#link;
    return {
      protocol: up?.protocol,
      attempt: this.#attempt,
      counters: { ...this.#counters, transfers: this.#transfers },
      ...up?.transport.info(),
    };
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
