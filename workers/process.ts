// process — one connection: the interpreter that dials, upgrades, drives, loses, retries and ends.
// Made by host.ts for each 'open'; drives transport.ts, http1.ts and websocket.ts; policy is lib/protocol/retry.ts.
// Invariant: one state at a time; each stream ends once; when it has ended, its port closes as soon as the owner
// has all that was held. An error inside it ends this connection, never its thread.
// Source: gun.erl's states and commands; promises O8, S2, M1, M2.

import { MessageChannel, type MessagePort, threadId } from 'node:worker_threads';
import { ConnectionError, type GunportError, toRecord } from '../lib/errors.ts';
import { Retries } from '../lib/protocol/retry.ts';
import type {
  Cast,
  Closed,
  ConnectionState,
  DownRecord,
  HostToThread,
  Notice,
  Settings,
} from '../lib/wire.ts';
import { Asking } from './asking.ts';
import { Counters, type Driver, type Transport } from './driver.ts';
import { asConnectionError, comesBack, type Entry, lossBy, NO_CLOSE, refusalNotices } from './entry.ts';
import { Front } from './front.ts';
import { Http1Driver, type Upgrade } from './http1.ts';
import { load } from './modules.ts';
import { Outbox } from './outbox.ts';
import { giveSlab } from './slabs.ts';
import { Streams } from './streams.ts';
import { type Dialing, dial } from './transport.ts';
import { WebSocketDriver } from './websocket.ts';

/** What a process tells its thread. */
export interface ProcessHost {
  ended(id: string, reason: DownRecord): void;
  released(id: string): void;
  orphan(port: MessagePort, state: ConnectionState): void;
}

type State =
  | { readonly name: 'dialing'; readonly dialing: Dialing | undefined }
  | { readonly name: 'up'; readonly transport: Transport; driver: Driver; since: number; active?: Entry }
  | { readonly name: 'asking'; readonly asking: Asking }
  | { readonly name: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly name: 'ended' };

export class ConnectionProcess {
  readonly #id: string;
  readonly #hostId: string;
  readonly #settings: Settings;
  readonly #host: ProcessHost;
  readonly #retries: Retries;
  readonly #counters = new Counters();
  readonly #streams: Streams;
  readonly #sink: Front;
  #port: MessagePort;
  #outbox: Outbox;
  #state: State = { name: 'dialing', dialing: undefined };
  #attempt = 0;
  #everOpen = false;
  #lastError: GunportError | undefined;
  #goingDown: DownRecord | undefined;
  #orphaned = false;
  #transfers = 0;
  #released = false;

  constructor({ id, host: hostId, settings, port }: HostToThread & { type: 'open' }, host: ProcessHost) {
    this.#id = id;
    this.#hostId = hostId;
    this.#settings = settings;
    this.#host = host;
    this.#retries = new Retries(settings);
    this.#sink = new Front(
      () => (this.#state.name === 'up' ? this.#state.driver : undefined),
      (run) => this.#guard(run),
    );
    this.#port = port;
    this.#outbox = new Outbox((notice, transfer) => this.#port.postMessage(notice, transfer), {
      maxBuffered: settings.maxBuffered,
      pause: () => this.#state.name === 'up' && this.#state.transport.pause(),
      resume: () => this.#state.name === 'up' && this.#state.transport.resume(),
      credit: () => this.#state.name === 'up' && this.#state.driver.credit(),
    });
    this.#streams = new Streams(this.#outbox);
    this.#listen(port);
    this.#outbox.reply({ type: 'placed', host: hostId, threadId });
    this.#guard(() => this.#dial());
  }

  /** Ends politely; the reason is what monitors are told. */
  shutdown(reason: DownRecord): void {
    if (this.#state.name === 'ended') return;
    this.#goingDown = reason;
    if (this.#state.name === 'up' && this.#state.active) this.#state.driver.close(1001, '');
    else this.#end(reason);
  }

  // ── from the owner ────────────────────────────────────────────────────────────────────────────────────────

  #listen(port: MessagePort): void {
    port.on('message', (cast: Cast) => this.#guard(() => this.#cast(cast)));
    port.on('close', () => this.#guard(() => this.#ownerGone()));
  }

  #cast(cast: Cast): void {
    switch (cast.type) {
      case 'send':
        return this.#send(cast);
      case 'ack':
        for (const slab of cast.slabs ?? []) giveSlab(slab);
        return this.#outbox.acked(cast.seq);
      case 'flow':
        return this.#outbox.topUp(cast.stream, cast.add);
      case 'upgrade':
        this.#streams.add(cast.stream, cast.ws);
        return this.#upgradeNext();
      case 'ping':
        if (this.#state.name === 'up') this.#state.driver.ping(cast.id, cast.payload);
        return;
      case 'closeStream':
        return this.#closeStream(cast);
      case 'cancel':
        return this.#cancel(cast.stream);
      case 'shutdown':
        return this.shutdown({ kind: 'shutdown', message: 'its owner shut it down' });
      case 'close':
        this.#outbox.drop();
        return this.#end({ kind: 'shutdown', message: 'its owner closed it' });
      case 'info':
        return this.#outbox.reply({ type: 'info', id: cast.id, info: this.#info() });
      case 'owner':
        this.#orphaned = false;
        this.#transfers = cast.transfers;
        return;
      case 'retry':
        if (this.#state.name === 'asking') this.#state.asking.answer(cast.id, cast.decision);
        return;
      default:
        cast satisfies never;
    }
  }

  #send({ stream, image, messages }: Cast & { type: 'send' }): void {
    const entry = this.#streams.get(stream);
    if (!entry) return;
    entry.received += image.byteLength;
    if (this.#state.name === 'up' && this.#state.active === entry) this.#state.driver.send(image, messages);
    // On the way when the socket was lost.
    else this.#streams.dropped(entry, this.#lastError);
  }

  #closeStream({ stream, code, reason }: Cast & { type: 'closeStream' }): void {
    const entry = this.#streams.get(stream);
    if (!entry) return;
    entry.state = 'closing';
    const state = this.#state;
    const active = state.name === 'up' && state.active === entry;
    if (active && state.driver instanceof WebSocketDriver) return state.driver.close(code, reason);
    // Never opened, or between two attempts: there is nobody to say goodbye to.
    this.#streamClosed(entry, NO_CLOSE);
    if (active) this.#lost(new ConnectionError('ERR_GUNPORT_CLOSED', 'the upgrade was given up'));
  }

  #cancel(stream: number): void {
    const entry = this.#streams.get(stream);
    if (!entry) return;
    this.#streams.forget(stream);
    if (entry.ws.spans) return this.#end({ kind: 'normal', message: 'its stream was cancelled' });
    if (this.#state.name !== 'up' || this.#state.active !== entry) return;
    this.#lost(new ConnectionError('ERR_GUNPORT_CANCELLED', 'the stream on it was cancelled'));
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
      this.#outbox.forgetInFlight();
      this.#listen(port1);
      return this.#host.orphan(port2, record);
    }
    this.#outbox.discard();
    this.shutdown({ kind: 'owner-gone', message: "its owner's thread ended" });
  }

  // ── connecting ────────────────────────────────────────────────────────────────────────────────────────────

  async #dial(): Promise<void> {
    const state: State = { name: 'dialing', dialing: undefined };
    this.#state = state;
    try {
      const { lookup, checkServerIdentity } = this.#settings;
      const hooks = {
        lookup: lookup && (await load(lookup)),
        checkServerIdentity: checkServerIdentity && (await load(checkServerIdentity)),
      };
      if (this.#state !== state) return;
      const dialing = dial(this.#settings, hooks, this.#sink, {
        connected: (transport) => this.#guard(() => this.#connected(transport)),
        failed: (error) => this.#guard(() => this.#failed(error, false)),
      });
      this.#state = { name: 'dialing', dialing };
    } catch (error) {
      if (this.#state === state) this.#guard(() => this.#failed(asConnectionError(error), false));
    }
  }

  #connected(transport: Transport): void {
    this.#attempt++;
    // A connect() is up with its WebSocket, and the request for that may come after the socket is there.
    if (!this.#settings.ws.spans) this.#everOpen = true;
    const driver = new Http1Driver(transport, this.#settings, (error) => this.#lost(error));
    this.#state = { name: 'up', transport, driver, since: performance.now() };
    this.#outbox.ordered({ type: 'up', protocol: 'http', attempt: this.#attempt });
    this.#upgradeNext();
  }

  /** One WebSocket at a time can have the connection; the first that was asked for gets it. */
  #upgradeNext(): void {
    const state = this.#state;
    if (state.name !== 'up') return;
    for (const entry of this.#streams.waiting) {
      if (entry === state.active) continue;
      if (state.active) this.#streams.refuse(entry, state.active);
      else if (state.driver instanceof Http1Driver) {
        state.active = entry;
        const { driver } = state;
        driver.upgrade(entry.ws, {
          upgraded: (upgrade) => this.#upgraded(entry, upgrade),
          refused: (error) => this.#refused(entry, error),
        });
      }
    }
  }

  #upgraded(entry: Entry, { head, protocol, extensions, negotiated, rest }: Upgrade): void {
    const state = this.#state;
    if (state.name !== 'up') return;
    const { headers, rawHeaders } = head;
    entry.upgraded = { attempt: this.#attempt, protocol, extensions, headers, rawHeaders };
    entry.state = 'open';
    this.#everOpen = true;
    const driver = new WebSocketDriver(entry.stream, entry.ws, negotiated, {
      transport: state.transport,
      outbox: this.#outbox,
      counters: this.#counters,
      sentBefore: entry.received,
      finished: (closed) => this.#finished(entry, closed),
    });
    state.driver = driver;
    this.#outbox.ordered({ type: 'upgrade', stream: entry.stream, ...entry.upgraded });
    driver.begin(rest);
    // Too much is held still, from an earlier attempt.
    if (this.#outbox.paused) state.transport.pause();
  }

  /** The answer was no WebSocket. It ends this stream; one of connect() takes it as a failed attempt. */
  #refused(entry: Entry, error: ConnectionError): void {
    if (entry.ws.spans) return this.#lost(error);
    for (const notice of refusalNotices(entry.stream, error)) this.#outbox.ordered(notice);
    this.#streams.failed(entry, error);
    this.#lost(new ConnectionError('ERR_GUNPORT_CLOSED', 'the connection was closed after the answer'));
  }

  // ── losing ────────────────────────────────────────────────────────────────────────────────────────────────

  #finished(entry: Entry, closed: Closed): void {
    if (this.#state.name !== 'up' || this.#state.active !== entry) return;
    if (entry.ws.spans && entry.state === 'open' && !this.#goingDown && comesBack(closed)) {
      return this.#lost(lossBy(closed));
    }
    this.#streamClosed(entry, closed);
    const over = new ConnectionError('ERR_GUNPORT_CLOSED', 'the WebSocket on it has closed');
    this.#lost(closed.error ? lossBy(closed) : over);
  }

  /** The socket is of no use any more. */
  #lost(error: GunportError): void {
    const state = this.#state;
    if (state.name !== 'up') return;
    state.driver.stop();
    state.transport.destroy();
    this.#failed(error, true, performance.now() - state.since);
  }

  /** An attempt failed, or an established connection was lost: retry, or give up. */
  #failed(error: GunportError, wasUp: boolean, upFor = 0): void {
    this.#lastError = error;
    const { retryFun, ws } = this.#settings;
    const opened = wasUp && (!ws.spans || this.#streams.spanning?.state === 'open');
    if (wasUp) this.#tellLost(error);
    if (this.#goingDown) return this.#end(this.#goingDown);
    const failure = { error, wasUp: opened, upFor, everUp: this.#everOpen, random: Math.random() };
    const { left, failures } = this.#retries.peek(failure);
    if (retryFun === undefined || left === 0) return this.#follow(this.#retries.failed(failure));
    const info = { error, failures, wasUp: opened };
    const asking = new Asking((answer) =>
      this.#guard(() => this.#follow(this.#retries.failed(failure, answer))),
    );
    this.#state = { name: 'asking', asking };
    if (retryFun === 'ask') this.#outbox.reply(asking.question(left, info));
    else asking.module(retryFun, left, info);
  }

  #tellLost(error: GunportError): void {
    const { protocol = 'http' } = this.#info();
    const killed = this.#streams.lost(error, this.#state.name === 'up' ? this.#state.active : undefined);
    this.#outbox.ordered({ type: 'down', protocol, attempt: this.#attempt, error: toRecord(error), killed });
  }

  #follow(decision: { readonly delay: number } | { readonly giveUp: GunportError }): void {
    if (this.#state.name === 'ended') return;
    if ('giveUp' in decision) {
      const cause = toRecord(decision.giveUp);
      return this.#end({ kind: 'gave-up', message: decision.giveUp.message, cause });
    }
    const { delay } = decision;
    if (this.#lastError) this.#outbox.reply({ type: 'failed', error: toRecord(this.#lastError), delay });
    this.#state = { name: 'waiting', timer: setTimeout(() => this.#guard(() => this.#dial()), delay) };
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  #streamClosed(entry: Entry, closed: Closed): void {
    this.#streams.closed(entry, closed);
    if (!entry.ws.spans) return;
    this.#end(this.#goingDown ?? { kind: 'normal', message: 'its WebSocket has closed' });
  }

  /** The one end. Down is told at once; what is held for the owner stays until it was taken. */
  #end(reason: DownRecord): void {
    const state = this.#state;
    if (state.name === 'ended') return;
    this.#state = { name: 'ended' };
    if (state.name === 'up') {
      state.driver.stop();
      state.transport.destroy();
    } else if (state.name === 'dialing') state.dialing?.cancel();
    else if (state.name === 'asking') state.asking.cancel();
    else clearTimeout(state.timer);
    this.#streams.end(reason);
    this.#outbox.reply({ type: 'end', reason });
    this.#host.ended(this.#id, reason);
    this.#outbox.whenDrained(() => this.#release());
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#outbox.discard();
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
    const up = this.#state.name === 'up' ? this.#state : undefined;
    return {
      protocol: up && (up.driver instanceof WebSocketDriver ? 'ws' : 'http'),
      attempt: this.#attempt,
      counters: { ...this.#counters, transfers: this.#transfers },
      ...up?.transport.info(),
    };
  }

  /** For an owner that takes an orphan. */
  #record(): ConnectionState {
    const [id, host, settings, attempt] = [this.#id, this.#hostId, this.#settings, this.#attempt];
    return {
      ...{ id, host, threadId, settings, attempt, transfers: this.#transfers },
      status: this.#state.name === 'up' ? 'up' : 'down',
      protocol: this.#info().protocol,
      ...this.#streams.records(),
      lastError: this.#lastError && toRecord(this.#lastError),
      acked: this.#outbox.posted,
    };
  }
}
