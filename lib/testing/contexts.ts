// contexts — what a handler or an adapter does things with, without a thread or a socket: it writes down what it was told.
// Called by tests of handler and adapter modules.
// Invariant: values are copied when they are given, as the real ones are; nothing of it keeps a process alive.
// Source: the contracts lib/handler.ts and lib/session/adapter.ts.

import type { MessagePort } from 'node:worker_threads';
import { GunportError, StreamError } from '../errors.ts';
import type { Fault, HandlerContext } from '../handler.ts';
import type { AdapterContext, LogLevel, RequestReplyOptions, SendOptions } from '../session/adapter.ts';
import type { ClientState } from '../session/states.ts';
import type { Message, StreamState } from '../types.ts';
import { FakeClock } from './clock.ts';

/** Options of `handlerContext`. */
export interface HandlerContextOptions {
  /** Default `ws://test.invalid/`. */
  url?: string | undefined;
  /** Default `open`. */
  state?: StreamState | undefined;
  /** Default true. */
  ready?: boolean | undefined;
  /** Where its time and its timers come from. Default: a new one. */
  clock?: FakeClock | undefined;
}

/** A HandlerContext that a test reads and moves. */
export interface TestHandlerContext<M = unknown> extends HandlerContext<M> {
  readonly clock: FakeClock;
  state: StreamState;
  ready: boolean;
  /** What was emitted, in order. */
  readonly emitted: readonly M[];
  readonly notified: readonly unknown[];
  readonly sent: readonly { readonly data: Message; readonly secret: boolean }[];
  readonly closes: readonly { readonly code: number; readonly reason: string }[];
  /** Reasons of `drop`. */
  readonly drops: readonly string[];
  readonly faults: readonly Fault[];
  /** How many pings were sent. */
  readonly pings: number;
  /** The WebSocket has ended: its signal is aborted, and its timers with it. */
  end(): void;
}

/** A stand-in for the context of a handler.
 *  @example
 *  const context = handlerContext();
 *  const handler = await factory({ symbol: 'X' }, context);
 *  handler.open?.({ attempt: 1, url: context.url, protocol: '', extensions: '', headers: {} });
 *  context.sent[0]?.data;                                // what it subscribed with
 *  await handler.message?.('{"symbol":"X"}');            // what would be delivered
 *  context.clock.advance(5_000);                         // its timers run */
export function handlerContext<M = unknown>(options: HandlerContextOptions = {}): TestHandlerContext<M> {
  const { url = 'ws://test.invalid/', clock = new FakeClock() } = options;
  const abort = new AbortController();
  const timers = new Timers(clock);
  const emitted: M[] = [];
  const notified: unknown[] = [];
  const sent: { data: Message; secret: boolean }[] = [];
  const closes: { code: number; reason: string }[] = [];
  const drops: string[] = [];
  const faults: Fault[] = [];
  let pings = 0;
  const context: TestHandlerContext<M> = {
    ...{ url, clock, emitted, notified, sent, closes, drops, faults },
    threadId: 0,
    inline: true,
    state: options.state ?? 'open',
    ready: options.ready ?? true,
    signal: abort.signal,
    get pings() {
      return pings;
    },
    now: clock.now,
    emit(value, transfer = []) {
      emitted.push(structuredClone(value, { transfer: [...transfer] as (ArrayBuffer | MessagePort)[] }));
      return context.ready;
    },
    notify: (value) => void notified.push(structuredClone(value)),
    send(data, { secret = false } = {}) {
      assertOpen(context.state);
      // An array is of messages, and no message is one.
      const messages = Array.isArray(data) ? (data as readonly Message[]) : [data as Message];
      for (const message of messages) sent.push({ data: structuredClone(message), secret });
      return true;
    },
    async ping() {
      assertOpen(context.state);
      pings++;
      return 1;
    },
    reveal() {},
    async drained() {},
    close(code = 1000, reason = '') {
      closes.push({ code, reason });
      context.state = 'closing';
    },
    drop(reason) {
      drops.push(reason);
      context.state = 'down';
    },
    setTimeout: (callback, ms) => timers.once(callback, ms, (error) => context.fault(error, 'timer')),
    setInterval: (callback, ms) => timers.every(callback, ms, (error) => context.fault(error, 'timer')),
    fault: (error, where) => void faults.push({ hook: where, error: errorOf(error) }),
    end() {
      context.state = 'closed';
      timers.clear();
      abort.abort();
    },
  };
  return context;
}

/** Options of `adapterContext`. */
export interface AdapterContextOptions {
  /** Default `websocketConnected`. */
  state?: ClientState | undefined;
  authenticated?: boolean | undefined;
  token?: string | undefined;
  clock?: FakeClock | undefined;
  /** Answers requests; what it throws rejects them. Default: all are answered with undefined. */
  reply?: ((message: unknown) => unknown) | undefined;
}

/** An AdapterContext that a test reads and moves. */
export interface TestAdapterContext extends AdapterContext {
  readonly clock: FakeClock;
  state: ClientState;
  authenticated: boolean;
  token: string | undefined;
  readonly sent: readonly { readonly message: unknown; readonly options: SendOptions }[];
  readonly requested: readonly { readonly message: unknown; readonly options: RequestReplyOptions }[];
  readonly delivered: readonly unknown[];
  readonly logged: readonly {
    readonly level: LogLevel;
    readonly object: object;
    readonly message: string;
  }[];
  /** What timers threw. */
  readonly faults: readonly Error[];
  /** The session has ended, and its timers with it. */
  end(): void;
}

/** A stand-in for the context of an adapter.
 *  @example
 *  const context = adapterContext({ reply: () => 'ok' });
 *  const adapter = await deribit({ heartbeat: 10 }, context);
 *  await adapter.connection?.open?.({ attempt: 1, url: '', protocol: '', extensions: '', headers: {}, reconnected: false });
 *  context.requested[0]?.message;                        // what it asked for */
export function adapterContext(options: AdapterContextOptions = {}): TestAdapterContext {
  const { clock = new FakeClock(), reply = () => undefined } = options;
  const timers = new Timers(clock);
  const sent: { message: unknown; options: SendOptions }[] = [];
  const requested: { message: unknown; options: RequestReplyOptions }[] = [];
  const delivered: unknown[] = [];
  const logged: { level: LogLevel; object: object; message: string }[] = [];
  const faults: Error[] = [];
  const failed = (error: unknown): void => void faults.push(errorOf(error));
  return {
    ...{ clock, sent, requested, delivered, logged, faults },
    state: options.state ?? 'websocketConnected',
    authenticated: options.authenticated ?? false,
    token: options.token,
    now: clock.now,
    async send(message, given = {}) {
      sent.push({ message: structuredClone(message), options: given });
    },
    async request(message, given = {}) {
      requested.push({ message: structuredClone(message), options: given });
      return reply(message);
    },
    deliver: (message) => void delivered.push(structuredClone(message)),
    setTimeout: (callback, ms) => timers.once(callback, ms, failed),
    setInterval: (callback, ms) => timers.every(callback, ms, failed),
    log: (level, object, message) => void logged.push({ level, object, message }),
    end: () => timers.clear(),
  };
}

/** The timers of one context. */
class Timers {
  readonly #clock: FakeClock;
  readonly #set = new Set<{ clear(): void }>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  once(callback: () => void, ms: number, failed: (error: unknown) => void): { clear(): void } {
    const timer = this.#keep(
      this.#clock.setTimeout(() => {
        this.#set.delete(timer);
        shielded(callback, failed);
      }, ms),
    );
    return timer;
  }

  every(callback: () => void, ms: number, failed: (error: unknown) => void): { clear(): void } {
    return this.#keep(this.#clock.setInterval(() => shielded(callback, failed), ms));
  }

  clear(): void {
    for (const timer of this.#set) timer.clear();
    this.#set.clear();
  }

  #keep(timer: { clear(): void }): { clear(): void } {
    const kept = {
      clear: () => {
        timer.clear();
        this.#set.delete(kept);
      },
    };
    this.#set.add(kept);
    return kept;
  }
}

function shielded(callback: () => void, failed: (error: unknown) => void): void {
  try {
    callback();
  } catch (error) {
    failed(error);
  }
}

function assertOpen(state: StreamState): void {
  if (state === 'open') return;
  throw new StreamError('ERR_GUNPORT_NOT_CONNECTED', `the WebSocket is ${state}`, { phase: 'closed' });
}

function errorOf(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  return new GunportError('ERR_GUNPORT_HANDLER', `it threw ${String(thrown)}`, { cause: thrown });
}
