// owned — all that an owner keeps of one connection: its state, mailbox, streams, monitors, and who waits for what.
// Held by connection.ts, which is its public face.
// Invariant: every notice changes the state before anybody hears of it; every wait settles on answer, Down or
// hand-over; what died stays readable. Source: promises O1 to O8, S1, M2.

import type { EventEmitter } from 'node:events';
import { type MessagePort, threadId as ownThreadId } from 'node:worker_threads';
import { Advice } from './advice.ts';
import { closingDeadline, type Settle, wait } from './await.ts';
import { Calls } from './calls.ts';
import { LONGEST } from './checks.ts';
import { awaitError, downError, isThreadDeath, streamError } from './down.ts';
import { fromRecord, type GunportError, OwnerError } from './errors.ts';
import type { CheckedHandler } from './handlersettings.ts';
import { Hold, notOwner } from './hold.ts';
import type { CheckedRequest } from './httpsettings.ts';
import type { Road } from './httpwire.ts';
import { expect, unwatch, type Watcher, watch } from './lifeline.ts';
import { shielded } from './listeners.ts';
import { Mailbox } from './mailbox.ts';
import { downReason, Monitors } from './monitor.ts';
import { Nursery } from './nursery.ts';
import { type Giver, type TransferOptions, type TransferTarget, transfer, type Underway } from './owner.ts';
import { Roster } from './roster.ts';
import type { Stream } from './stream.ts';
import type { StreamHost } from './streamhost.ts';
import type { LostNotice, SettingsNotice, TunnelUpNotice, UpNotice } from './types.ts';
import type { Cast, ConnectionState, DownRecord, Notice, WsSettings } from './wire.ts';
import type { WsStream } from './wsstream.ts';

/** Events of a connection. */
export interface ConnectionEvents {
  up: [notice: UpNotice];
  /** The next leg of the connection's own road can be spoken to: `protocols: [{ name: 'socks', … }]` is up with its first,
   *  and `protocol` is that of the far end with the last. Source: Gun's gun_tunnel_up without a stream. */
  tunnelUp: [notice: TunnelUpNotice];
  down: [notice: LostNotice];
  /** HTTP/2: the server's settings have come, or changed. */
  notify: [notice: SettingsNotice];
}

/** What is known of a connection beside its streams. */
type State = Omit<ConnectionState, 'streams' | 'nextStream'> & { nextStream: number };

/** Streams that are over are looked for once in so many. */
const SWEEP_EVERY = 16;

/** @internal */
export class Owned<C extends EventEmitter<ConnectionEvents>> {
  readonly roster: Roster<C>;
  readonly monitors: Monitors<C>;
  readonly hold: Hold = new Hold();
  readonly calls: Calls;
  readonly advice: Advice;
  readonly #handle: C;
  readonly #mailbox: Mailbox;
  readonly #ups = new Set<Settle<UpNotice>>();
  readonly #watcher: Watcher = { processDown: (reason) => this.#died(reason) };
  readonly #nursery = new Nursery();
  readonly #released = new Set<() => void>();
  #state: State;
  #vigil: NodeJS.Timeout | undefined;

  constructor(handle: C, port: MessagePort, state: ConnectionState, advice: Advice = new Advice()) {
    this.#handle = handle;
    this.#state = state;
    this.advice = advice;
    this.monitors = new Monitors(handle);
    const reader = { notice: (notice: Notice) => this.#notice(notice), closed: () => this.#closed() };
    this.#mailbox = new Mailbox(port, reader);
    this.calls = new Calls(this.#mailbox);
    this.roster = new Roster(handle, this.#streamHost(), (stream) => this.#mailbox.forget(stream));
    for (const one of state.streams) if (one.kind === 'ws') this.#mailbox.restore(one.stream, one.acked);
    this.roster.restore(state.streams);
  }

  get state(): State {
    return this.#state;
  }
  get lastError(): GunportError | undefined {
    const { lastError } = this.#state;
    // Records of the process are made of our own errors.
    return lastError && (fromRecord(lastError) as GunportError);
  }

  /** The first owner: begins to listen. */
  begin(): void {
    expect(this.#state.id, this.#state.host, this.#watcher);
    this.#mailbox.attach();
  }

  /** A new owner: the backlog is laid, so the port may be opened; the process is told who it is. */
  takeOver(): void {
    this.post({ type: 'owner', threadId: ownThreadId, transfers: this.#state.transfers });
    watch(this.#state.id, this.#state.host, this.#watcher);
    this.#mailbox.attach();
  }

  /** @throws NOT_OWNER, TRANSFERRING or DOWN when nothing can be asked of it. */
  assertUsable(): void {
    this.hold.assertUsable();
    if (this.monitors.reason) throw awaitError(this.monitors.reason);
  }

  post(cast: Cast, memory?: readonly (ArrayBuffer | MessagePort)[]): void {
    this.#mailbox.post(cast, memory);
  }

  // ── waits ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Up, now or later. Returns how to stop waiting. */
  whenUp(settle: Settle<UpNotice>): (() => void) | undefined {
    if (this.#state.status === 'up') settle(undefined, this.#up());
    else if (this.monitors.reason) settle(awaitError(this.monitors.reason));
    else {
      this.#ups.add(settle);
      return () => this.#ups.delete(settle);
    }
    return undefined;
  }

  // ── streams ───────────────────────────────────────────────────────────────────────────────────────────────

  /** `tunnel`: what it goes through. */
  openWebSocket(ws: WsSettings, handling?: CheckedHandler, tunnel?: Stream<C>): WsStream<C> {
    const stream = this.roster.addWebSocket(this.#newStream(), ws, tunnel?.origin, handling?.making);
    stream.ask(tunnel?.id, handling?.options);
    return stream;
  }

  /** With a road it makes a tunnel. */
  request(checked: CheckedRequest & { readonly road?: Road }, tunnel?: Stream<C> | undefined): Stream<C> {
    const { request, replyTo, signal, declared, road } = checked;
    const id = this.#newStream();
    const replied = replyTo !== undefined;
    const place = { replied, declared, origin: tunnel?.origin, leads: road?.leg.origin };
    const stream = this.roster.addRequest(id, request, place);
    if (signal?.aborted) {
      // Nothing of it is sent.
      replyTo?.close();
      stream.abortBy(signal);
      return stream;
    }
    const memory: (ArrayBuffer | MessagePort)[] = [];
    // Copied by the check: it is nobody else's.
    if (request.body) memory.push(request.body.buffer as ArrayBuffer);
    if (replyTo) memory.push(replyTo);
    // Written out: a literal with `...` in it costs a microsecond, and each name that is posted costs too.
    const cast =
      replyTo || tunnel || road
        ? ({ type: 'request', stream: id, request, reply: replyTo, tunnel: tunnel?.id, road } as const)
        : ({ type: 'request', stream: id, request } as const);
    this.#mailbox.cast(cast, memory);
    if (signal) stream.abortBy(signal);
    return stream;
  }

  #newStream(): number {
    const id = this.#state.nextStream;
    if (id % SWEEP_EVERY === 0 || this.roster.all.size < SWEEP_EVERY) this.roster.sweep();
    this.#state.nextStream = id + 1;
    return id;
  }

  #streamHost(): StreamHost {
    return {
      origin: this.#state.settings.origin,
      ws: this.#state.settings.ws,
      maxBuffered: this.#state.settings.maxBuffered,
      connectTimeout: this.#state.settings.connectTimeout,
      usable: () => this.assertUsable(),
      readable: () => this.hold.assertUsable(),
      post: (cast, memory) => this.post(cast, memory),
      cast: (cast, memory) => this.#mailbox.cast(cast, memory),
      parcelRead: (stream, slab, bytes) => this.#mailbox.parcelRead(stream, slab, bytes),
      acked: (stream) => this.#mailbox.acked(stream),
      reading: () => this.#holdOpen(),
      reclaim: (error) => this.hold.reclaim(error),
      settled: () => this.hold.settled(),
      adviseBy: (adviser) => this.advice.add(adviser),
      give: (stream, target, options) => this.give(target, options, stream),
    };
  }

  // ── ownership ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Gives it all away; rejects with it all back. `feed`: the stream that is given by name. */
  async give(target: TransferTarget, options: TransferOptions, feed: number | undefined): Promise<void> {
    this.hold.assertUsable();
    // Before anything can fail: whatever becomes of it, nothing is given to anybody until the giver has heard.
    this.#mailbox.detach();
    this.roster.seal(true);
    const start = (): Underway => {
      this.#assertGivable();
      return transfer(this.#giver(), target, feed, options);
    };
    await this.hold.give(start, () => this.#takeBack());
    this.#given();
  }

  #takeBack(): void {
    this.#mailbox.attach();
    this.#holdOpen();
    this.roster.seal(false);
  }

  #assertGivable(): void {
    if (this.monitors.reason) throw awaitError(this.monitors.reason);
    const { status, attempt } = this.#state;
    if (status === 'closing') throw new OwnerError('ERR_GUNPORT_CLOSING', 'the connection is closing');
    if (attempt === 0) throw new OwnerError('ERR_GUNPORT_NOT_UP', 'the connection has never been up');
    this.roster.assertGivable();
  }

  #giver(): Giver {
    const { id, host, threadId, settings } = this.#state;
    return {
      id,
      origin: settings.origin,
      threadId,
      host,
      give: () => {
        const memory: (ArrayBuffer | MessagePort)[] = [];
        const streams = this.roster.records(memory);
        this.#mailbox.flushAcks();
        const transfers = this.#state.transfers + 1;
        const state: ConnectionState = { ...this.#state, transfers, streams };
        return { port: this.#mailbox.detach(), state, transfer: memory };
      },
      takeBack: (state) => this.roster.putBack(state.streams),
    };
  }

  /** It belongs to another: everything here is inert. */
  #given(): void {
    const error = notOwner();
    this.monitors.ownershipEnded();
    this.stopWatching();
    this.#rejectPending(error);
    this.roster.give(error);
    this.#handle.removeAllListeners();
    this.#release();
  }

  /** Given away, and no monitor is left that was to be kept: its end does not matter here any more. */
  stopWatching(): void {
    if (this.hold.isGiven && !this.monitors.kept) unwatch(this.#state.id, this.#watcher);
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Has the process end; resolves when it has. Takes a transfer that is under way back first.
   *  @throws {TimeoutError} its thread is stuck. */
  async finish(cast: Cast & { type: 'close' | 'shutdown' }): Promise<void> {
    const why = 'the connection was closed during the hand-over';
    const taking = this.hold.reclaim(new OwnerError('ERR_GUNPORT_CLOSING', why));
    if (taking) await taking;
    // Dead, it may hold messages for a reader: those go, and its thread's slot is free.
    if (this.monitors.reason) return this.post(cast);
    this.#state = { ...this.#state, status: 'closing' };
    const monitor = this.monitors.add(undefined, false);
    this.post(cast);
    await wait<void>(`${cast.type}()`, { timeout: closingDeadline(this.#state.settings.ws) }, (settle) => {
      void monitor.down.then(() => settle(undefined, undefined));
      return () => this.monitors.remove(monitor, true);
    });
  }

  /** Calls back when the handle is of no use any more: the process is dead, or was given away. Returns how to forget
   *  that. */
  whenReleased(callback: () => void): () => void {
    this.#released.add(callback);
    return () => this.#released.delete(callback);
  }

  ref(): void {
    this.#mailbox.ref();
  }
  unref(): void {
    this.#mailbox.unref();
  }

  // ── from the process ──────────────────────────────────────────────────────────────────────────────────────

  #notice(notice: Notice): void {
    switch (notice.type) {
      case 'placed':
        this.#state = { ...this.#state, host: notice.host, threadId: notice.threadId };
        return;
      case 'up':
        this.#is('up', { attempt: notice.attempt, protocol: notice.protocol });
        this.advice.connected(notice);
        for (const settle of [...this.#ups]) settle(undefined, this.#up());
        return shielded(() => this.#handle.emit('up', this.#up()));
      case 'tunnelUp': {
        const { protocol, origin } = notice;
        this.#state = { ...this.#state, protocol };
        return void shielded(() => this.#handle.emit('tunnelUp', { type: 'tunnelUp', protocol, origin }));
      }
      case 'down':
        return this.#lost(notice);
      case 'failed':
        this.#state = { ...this.#state, lastError: notice.error };
        return this.advice.waiting(notice);
      case 'bundle':
        this.#nursery.arrived(this.roster.bundle(notice.notices));
        return this.monitors.reason && this.#holdOpen();
      case 'info':
      case 'streamInfo':
      case 'failedCall':
        return this.calls.answered(notice);
      case 'notify': {
        const { settings } = notice;
        return void shielded(() =>
          this.#handle.emit('notify', { type: 'notify', name: 'settings', settings }),
        );
      }
      case 'askRetry':
      case 'askRenewal':
        return this.advice.answer(notice, (cast) => this.hold.isGiven || this.post(cast));
      case 'end':
        return this.#died(notice.reason);
      default: {
        if (notice.type === 'pong' && notice.stream === 0) return this.calls.answered(notice);
        if (notice.type === 'upgrade' && notice.whole) this.#state = { ...this.#state, protocol: 'ws' };
        if (notice.type === 'parcel') this.#nursery.arrived(notice.slab.byteLength);
        const known = this.roster.notice(notice);
        if (this.monitors.reason) this.#holdOpen();
        if (!known && notice.type === 'parcel') this.#mailbox.parcelRead(notice.stream);
      }
    }
  }

  #lost(notice: Notice & { type: 'down' }): void {
    const { protocol, attempt, killed } = notice;
    if (attempt < this.#state.attempt) return;
    this.#is('down', { protocol: undefined, lastError: notice.error });
    const reason = fromRecord(notice.error) as GunportError; // As above.
    this.roster.lost(reason);
    shielded(() => this.#handle.emit('down', { type: 'down', protocol, attempt, killed, reason }));
  }

  /** A Down overtakes what its process had posted before, and the end that was asked for stays asked for. */
  #is(status: 'up' | 'down', known: Partial<State>): void {
    const stays = this.monitors.reason !== undefined || this.#state.status === 'closing';
    this.#state = { ...this.#state, ...known, ...(!stays && { status }) };
  }

  /** The process is dead: everybody who waits for it hears of it now; what it has posted stays readable. */
  #died(record: DownRecord): void {
    const reason = downReason(record);
    if (!this.monitors.fire(reason)) return;
    clearInterval(this.#vigil);
    unwatch(this.#state.id, this.#watcher);
    if (this.hold.isGiven) return;
    this.#state = { ...this.#state, status: 'dead', protocol: undefined };
    this.hold.interrupt(downError(reason));
    this.#rejectPending(awaitError(reason));
    // Else its streams' own ends are on their way.
    if (isThreadDeath(record)) this.roster.died(downError(reason));
    if (this.#mailbox.closed) this.#endStreams();
    else if (isThreadDeath(record)) this.#mailbox.complete();
    else this.#holdOpen();
    this.#release();
  }

  /** The port is closed: all that the process posted has been delivered. */
  #closed(): void {
    if (this.monitors.reason) return this.#endStreams();
    // Its thread died and the host has not told us: it will, as soon as it wakes. Until then the port kept this thread
    // alive; now somebody else must.
    this.#vigil ??= setInterval(() => {}, LONGEST);
    if (!this.#mailbox.isRef) this.#vigil.unref();
  }

  #endStreams(): void {
    this.roster.finish(streamError(this.monitors.reason));
  }

  #rejectPending(error: Error): void {
    for (const settle of [...this.#ups]) settle(error);
    this.calls.reject(error);
  }

  #release(): void {
    const released = [...this.#released];
    this.#released.clear();
    for (const callback of released) callback();
  }

  /** A dead connection keeps its thread alive only until the end of its streams is known, or read. */
  #holdOpen(): void {
    if (!this.monitors.reason || this.hold.isGiven) return;
    this.#mailbox.hold(this.roster.awaited);
  }

  #up(): UpNotice {
    return { type: 'up', protocol: this.#state.protocol ?? 'http', attempt: this.#state.attempt };
  }
}
