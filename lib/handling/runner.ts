// runner — your code beside the socket, run: one handler, the hooks that are called of it, and what it does in return.
// Made for each WebSocket that has a handler, by workers/handling.ts beside the socket and by inline.ts at its owner.
// Invariant: hooks run one at a time and in the order of the wire; what a hook throws is a fault, and nothing else of it is
// lost; after the last mark no hook is called and no timer runs. Source: gen_server; gun's content handlers.

import { abnormal } from '../closing.ts';
import type { GunportError } from '../errors.ts';
import type { Handler, HandlerContext, HandlerFactory, Renewal } from '../handler.ts';
import type { AttemptInfo, FailureInfo, RetryChoice, StreamState } from '../types.ts';
import type { StreamMark } from '../wire.ts';
import { contextOf } from './context.ts';
import { faultOf, type Hook, makeHandler } from './making.ts';
import { hookOf, isLast } from './marks.ts';
import type { Laid, Outlet } from './outlet.ts';
import { HandlingQueue, ownCopy } from './queue.ts';
import type { RunnerHost } from './runnerhost.ts';
import { isPromise, Showing, type ShowingHost } from './showing.ts';
import { Timers } from './timers.ts';
import { Turns } from './turns.ts';

export type { RunnerHost } from './runnerhost.ts';

/** @internal */
export class Runner {
  readonly #host: RunnerHost;
  readonly #turns: Turns;
  readonly #outlet: Outlet;
  readonly #timers: Timers;
  readonly #abort = new AbortController();
  readonly #queue = new HandlingQueue();
  #ended = false;
  #handler: Handler | undefined;
  #showing: Showing | undefined;
  #tellApi: (api: object | undefined) => void = () => {};
  /** The answer that is waited for. */
  #pending: object | undefined;
  #patience: NodeJS.Timeout | undefined;
  #impatient = false;
  /** Nothing of this attempt matters any more: its handler has closed it, or given it up. */
  #deaf = false;
  #closing = false;
  /** The rest of what is being shown goes the same way. */
  #skips = false;
  /** The last mark has come. */
  #over = false;
  #held = false;
  #idle: (() => void)[] = [];

  /** What `remote()` reaches, once the handler is there; undefined: it has none, or there will be no handler. */
  readonly api: Promise<object | undefined>;

  constructor(host: RunnerHost) {
    this.#host = host;
    this.#turns = new Turns(host, () => this.#tellIdle());
    this.#outlet = this.#turns.outlet;
    this.#timers = new Timers((callback) => host.guard(() => this.#call('timer', callback)), !host.inline);
    this.api = new Promise((resolve) => {
      this.#tellApi = resolve;
    });
  }

  /** Makes the handler; `load` gives its factory.
   *  @throws {StreamError} rejects with ERR_GUNPORT_HANDLER: the factory threw, or gave no handler; or with what `load` does. */
  async begin(load: () => HandlerFactory | Promise<HandlerFactory>, options: unknown): Promise<void> {
    try {
      const factory = await load();
      if (this.#ended) return;
      const handler = await makeHandler(factory, options, this.#context());
      // It ended meanwhile: what the handler holds is given up by `close`, as always.
      if (this.#ended) return void this.#try('close', () => handler.close?.(abnormal(undefined)));
      this.#handler = handler;
      this.#showing = new Showing(handler, this.#showingHost);
      this.#tellApi(handler.api);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Nothing waits: all that came has been dealt with, and all that was emitted delivered. */
  get idle(): boolean {
    return this.#pending === undefined && this.#queue.empty && this.#outlet.empty;
  }

  /** Calls back once it is idle; at once when it is. */
  whenIdle(callback: () => void): void {
    if (this.idle) callback();
    else this.#idle.push(callback);
  }

  // ── from the wire ─────────────────────────────────────────────────────────────────────────────────────────

  /** Messages that were read. `borrowed`: their memory is used again once this has returned. `done`: all have been dealt
   *  with. */
  feed(raw: Laid, borrowed: boolean, done?: () => void): void {
    if (this.#deaf || this.#over || !this.#showing) return done?.();
    if (this.#pending !== undefined || !this.#queue.empty) {
      this.#queue.add({ raw: borrowed ? ownCopy(raw, 0) : raw, next: 0, done });
      return this.#steer();
    }
    this.#turns.run(() => {
      const next = this.#show(raw, 0, borrowed);
      if (next === raw.count || this.#deaf) return done?.();
      const rest = borrowed ? { raw: ownCopy(raw, next), next: 0 } : { raw, next };
      this.#queue.putFirst({ ...rest, done });
      this.#steer();
    });
  }

  /** What stands between messages, or behind the last: its hook is called in its place, and then it is passed on. */
  mark(mark: StreamMark): void {
    if (mark.type === 'upgrade') this.#deaf = this.#closing;
    const last = isLast(mark);
    if (last) this.#over = true;
    this.#behind(() => {
      if (this.#handler) this.#call(...hookOf(mark, this.#handler, this.#host.url));
      this.#outlet.ship();
      if (last) this.#end();
      this.#host.mark(mark);
    }, mark.type !== 'upgrade');
    if (last) this.#wait();
  }

  /** It has ended, and its owner wants to hear nothing more of it. */
  cancelled(error: GunportError): void {
    this.discard();
    this.#over = true;
    this.#behind(() => {
      this.#call('close', () => this.#handler?.close?.(abnormal(error)));
      this.#outlet.drop();
      this.#end();
    });
    this.#wait();
  }

  /** The owner wants none of the messages. */
  discard(): void {
    this.#impatient = true;
    this.#outlet.drop();
    this.#queue.dropMessages(true);
    this.#steer();
    this.#tellIdle();
  }

  /** At once: no hook is called any more; what waits passes without. */
  stop(): void {
    this.#over = true;
    this.#end();
    this.#goOn();
  }

  // ── other hooks ───────────────────────────────────────────────────────────────────────────────────────────

  connected(attempt: number): void {
    this.#behind(() => this.#call('connected', () => this.#handler?.connected?.({ attempt })));
  }

  /** The owner has room again. */
  ready(): void {
    this.#call('ready', () => this.#handler?.ready?.());
  }

  owner(info: { readonly threadId: number; readonly transfers: number }): void {
    this.#call('owner', () => this.#handler?.owner?.(info));
  }

  waiting(wait: { readonly delay: number; readonly error: GunportError }): void {
    this.#behind(() => this.#call('waiting', () => this.#handler?.waiting?.(wait)));
  }

  /** Rejects with what the hook throws: that is a failed attempt, no fault. */
  connecting(info: AttemptInfo): Promise<Renewal | undefined> {
    return this.#asked(() => this.#handler?.connecting?.(info) || undefined);
  }

  /** Rejects with what the hook throws. */
  retrying(info: FailureInfo): Promise<RetryChoice> {
    return this.#asked(() => this.#handler?.retrying?.(info));
  }

  /** The hooks that have a say in attempts. */
  has(hook: 'connecting' | 'retrying' | 'waiting'): boolean {
    return this.#handler?.[hook] !== undefined;
  }

  #asked<T>(ask: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#behind(() => {
        try {
          resolve(ask());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  get #showingHost(): ShowingHost {
    const runner = this;
    return {
      outlet: this.#outlet,
      get deaf() {
        return runner.#deaf || runner.#skips;
      },
      deliver: (parcel) => this.#host.deliver(parcel),
      wait: (hook, answer) => this.#await(hook, answer),
      fault: (hook, error) => this.#fault(hook, error),
    };
  }

  // ── messages ──────────────────────────────────────────────────────────────────────────────────────────────

  #show(raw: Laid, from: number, borrowed: boolean): number {
    this.#skips = false;
    return this.#showing?.show(raw, from, borrowed) ?? raw.count;
  }

  /** Nothing else is dealt with until the hook has its answer. */
  #await(hook: Hook, answer: PromiseLike<unknown>): void {
    const pending = {};
    this.#pending = pending;
    const settle = (then: () => void): void =>
      this.#host.guard(() => {
        if (this.#pending !== pending) return;
        this.#pending = undefined;
        this.#turns.run(() => {
          then();
          this.#drain();
        });
      });
    answer.then(
      (result) => settle(() => this.#try(hook, () => result !== undefined && this.#outlet.add(result))),
      (error: unknown) => settle(() => this.#fault(hook, error)),
    );
  }

  /** The end waits for an answer, and not for ever. */
  #wait(): void {
    if (this.#pending === undefined) return;
    if (this.#impatient) return this.#giveUp();
    this.#patience ??= setTimeout(() => this.#host.guard(() => this.#giveUp()), this.#host.patience);
  }

  #giveUp(): void {
    this.#queue.dropMessages(true);
    this.#goOn();
  }

  /** Without the answer that was waited for. */
  #goOn(): void {
    this.#pending = undefined;
    this.#turns.run(() => this.#drain());
  }

  // ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Behind all that waits; now, when nothing does. */
  #behind(run: () => void, ends = false): void {
    if (this.#pending === undefined && this.#queue.empty) return this.#turns.run(run);
    this.#queue.add({ run, ends });
  }

  #drain(): void {
    for (let item = this.#queue.first; item && this.#pending === undefined; item = this.#queue.first) {
      if ('run' in item) {
        this.#queue.shift();
        item.run();
        continue;
      }
      item.next = this.#show(item.raw, item.next, false);
      // Dropped meanwhile: it does not matter any more.
      if (this.#queue.first !== item) continue;
      if (item.next < item.raw.count) break;
      this.#queue.shift();
      item.done?.();
    }
    this.#steer();
  }

  #steer(): void {
    const [bytes, most] = [this.#queue.bytes, this.#host.maxBuffered];
    const held = bytes > (this.#held ? most / 2 : most);
    if (held === this.#held) return;
    this.#held = held;
    this.#host.hold(held);
  }

  #tellIdle(): void {
    if (this.#idle.length === 0 || !this.idle) return;
    for (const callback of this.#idle.splice(0)) callback();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handler = undefined;
    this.#showing = undefined;
    clearTimeout(this.#patience);
    this.#timers.stop();
    this.#tellApi(undefined);
    this.#abort.abort();
  }

  // ── faults ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A hook: it may give a promise, for which nothing waits. */
  #call(hook: Hook | 'timer', run: () => unknown): void {
    this.#turns.run(() =>
      this.#try(hook, () => {
        const result = run();
        if (isPromise(result)) result.then(undefined, (error: unknown) => this.#fault(hook, error));
      }),
    );
  }

  #try(hook: string, run: () => unknown): void {
    try {
      run();
    } catch (error) {
      this.#fault(hook, error);
    }
  }

  #fault(hook: string, thrown: unknown): void {
    this.#host.fault(faultOf(hook, thrown));
  }

  // ── what the handler does ─────────────────────────────────────────────────────────────────────────────────

  #context(): HandlerContext {
    return contextOf({
      host: this.#host,
      timers: this.#timers,
      signal: this.#abort.signal,
      state: () => this.#state,
      ready: () => this.#turns.ready,
      emit: (value, transfer) => this.#emit(value, transfer),
      close: (code, reason) => this.#close(code, reason),
      drop: (reason) => this.#drop(reason),
      fault: (where, error) => this.#fault(where, error),
    });
  }

  get #state(): StreamState {
    const { state } = this.#host;
    if (this.#ended) return 'closed';
    if (this.#closing) return state === 'closed' ? 'closed' : 'closing';
    return this.#deaf && state === 'open' ? 'down' : state;
  }

  #emit(value: unknown, transfer: Parameters<HandlerContext['emit']>[1]): boolean {
    if (this.#ended) return false;
    return this.#turns.emit(value, transfer);
  }

  #close(code: number, reason: string): void {
    if (this.#closing || this.#over) return;
    this.#closing = true;
    this.#deaf = true;
    this.#queue.dropMessages(true);
    this.#steer();
    this.#host.close(code, reason);
  }

  #drop(reason: string): void {
    if (this.#over) return;
    // A handler that is behind may mean a socket that is gone already.
    const gone = this.#queue.dropMessages(false);
    this.#steer();
    this.#skips = gone;
    if (gone) return;
    this.#deaf = true;
    this.#host.drop(reason);
  }
}
