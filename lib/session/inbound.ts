// inbound — the way of one message through a session: decoded, told apart, and given to whom it is for.
// Held by session.ts, which calls `message` for each in the order of the wire.
// Invariant: a heartbeat, a login's answer, a reply or a subscription's is taken at once, so that a hook may wait for one;
// all else is handled and delivered in order, and never swallowed.
// Source: WebsockexNova's message pipeline; JSON-RPC's correlation.

import type { Message } from '../types.ts';
import type { Act, Adapter, AuthResult, MessageAct, MessageHooks, RequestHooks } from './adapter.ts';
import type { Correlation } from './correlation.ts';
import { MESSAGE, REQUEST } from './defaults.ts';
import type { Hooks } from './hooks.ts';
import type { Metrics } from './metrics.ts';
import type { Delivered } from './sessionwire.ts';
import type { Subscriptions } from './subscriptions.ts';

/** What it asks of its session. @internal */
export interface InboundHost {
  readonly hooks: Hooks;
  readonly metrics: Metrics;
  readonly replies: Correlation;
  readonly subscriptions: Subscriptions;
  /** To the owner. */
  emit(delivered: Delivered): void;
  act(act: Act, epoch: number): void;
  /** Counts the connections, and the losses between them. */
  readonly epoch: number;
  ask(name: string, hook: () => MessageAct | Promise<MessageAct>): void;
  /** The server's heartbeat is answered ahead of all else. */
  answer(message: unknown): void;
  /** A login's answer; false: none is awaited. */
  loggedIn(result: AuthResult): boolean;
  failed(error: unknown, detail: string): void;
  /** The peer's error, as what a request rejects with. */
  replyError(error: unknown): Error;
  readonly traced: boolean;
  received(type: string, bytes: number): void;
}

/** Messages that may wait for one whose hook has given a promise, before later ones are held up. */
const MOST_LATER = 1_000;

/** @internal */
export class Inbound {
  readonly #adapter: Adapter;
  readonly #message: MessageHooks & typeof MESSAGE;
  readonly #request: Required<RequestHooks>;
  readonly #host: InboundHost;
  /** Behind a hook that has given a promise. */
  readonly #later: (() => void)[] = [];
  #busy = false;
  #free: (() => void) | undefined;

  constructor(adapter: Adapter, host: InboundHost) {
    this.#adapter = adapter;
    this.#message = { ...MESSAGE, ...adapter.message };
    this.#request = { ...REQUEST, ...adapter.request };
    this.#host = host;
  }

  /** A promise holds the next ones up. */
  message(data: Message): Promise<void> | undefined {
    const { metrics } = this.#host;
    metrics.count('messagesReceived');
    metrics.count('bytesReceived', data.length);
    metrics.gauge('lastMessageAt', Date.now());
    const frame = this.#adapter.connection?.frame;
    if (frame) this.#host.ask('connection.frame', () => frame(data));
    let message: unknown;
    try {
      message = this.#message.decode(data);
      if (this.#message.validate?.(message) === false) throw new Error('validate gave false');
    } catch (error) {
      metrics.count('messagesDropped');
      this.#host.failed(error, 'a message cannot be read');
      return undefined;
    }
    if (this.#host.traced) {
      const type = this.#host.hooks.run('message.type', () => this.#message.type(message), 'unknown');
      this.#host.received(type, data.length);
    }
    if (!this.#taken(message)) this.#inOrder(() => this.#handle(message));
    return this.#later.length > MOST_LATER ? this.#room() : undefined;
  }

  /** It is for the session itself, or for somebody who waits. */
  #taken(message: unknown): boolean {
    const { heartbeat, auth, subscription } = this.#adapter;
    const { hooks } = this.#host;
    if (heartbeat?.answer) {
      const answer = hooks.run('heartbeat.answer', () => heartbeat.answer?.(message), undefined);
      if (answer !== undefined) {
        hooks.run('heartbeat.answer', () => this.#host.answer(answer), undefined);
        return true;
      }
    }
    const id = hooks.run('request.idOf', () => this.#request.idOf(message), undefined);
    if (id !== undefined && this.#reply(id, message)) return true;
    if (auth?.response) {
      const result = hooks.run('auth.response', () => auth.response?.(message), undefined);
      if (result !== undefined && this.#host.loggedIn(result)) return true;
    }
    return subscription?.response ? this.#subscription(message) : false;
  }

  /** False: nobody had asked, so it is a push. */
  #reply(id: string | number, message: unknown): boolean {
    const { hooks, replies, metrics } = this.#host;
    if (!replies.has(id)) {
      const before = replies.late;
      replies.answer(id, undefined);
      if (replies.late === before) return false;
      metrics.count('repliesLate');
      return true;
    }
    metrics.count('replies');
    const error = hooks.run('request.error', () => this.#request.error(message), undefined);
    if (error !== undefined && error !== null) return replies.fail(id, this.#host.replyError(error));
    return replies.answer(
      id,
      hooks.run('request.result', () => this.#request.result(message), message),
    );
  }

  #subscription(message: unknown): boolean {
    const { hooks, subscriptions } = this.#host;
    const said = hooks.run(
      'subscription.response',
      () => this.#adapter.subscription?.response?.(message),
      undefined,
    );
    if (said === undefined || said === null) return false;
    const { id, channel, state, reason } = said;
    if (state !== 'confirmed' && state !== 'failed') {
      return hooks.refused('subscription.response', "a state of 'confirmed' or 'failed'", state, false);
    }
    const which = { ...(id !== undefined && { id }), ...(channel !== undefined && { channel }) };
    if (state === 'confirmed') subscriptions.confirm(which);
    else subscriptions.fail(which, reason ?? 'the server refused it');
    return true;
  }

  // ── what is neither ───────────────────────────────────────────────────────────────────────────────────────

  #inOrder(run: () => void): void {
    if (this.#busy) this.#later.push(run);
    else run();
  }

  #handle(message: unknown): void {
    const { handle } = this.#message;
    if (!handle) return this.#deliver(message);
    const { epoch } = this.#host;
    let settled = false;
    this.#host.hooks.act(
      'message.handle',
      () => handle(message),
      (act) => {
        settled = true;
        this.#handled(message, act, epoch);
        if (this.#busy) this.#next();
      },
    );
    this.#busy = !settled;
  }

  #next(): void {
    this.#busy = false;
    for (let run = this.#later.shift(); run; run = this.#busy ? undefined : this.#later.shift()) run();
    if (this.#later.length <= MOST_LATER / 2) this.#free?.();
  }

  #handled(message: unknown, act: MessageAct, epoch: number): void {
    if (act?.type === 'drop') return this.#host.metrics.count('messagesDropped');
    if (act?.type === 'deliver') return this.#deliver(act.value);
    this.#deliver(message);
    this.#host.act(act, epoch);
  }

  /** To the owner. */
  #deliver(message: unknown): void {
    const { hooks, metrics } = this.#host;
    const { key } = this.#message;
    const named = key && this.#named(hooks.run('message.key', () => key(message), undefined));
    try {
      this.#host.emit(named === undefined ? [message] : [message, named]);
      metrics.count('messagesDelivered');
    } catch (error) {
      metrics.count('messagesDropped');
      this.#host.failed(error, 'a message cannot be cloned');
    }
  }

  #named(key: unknown): string | number | undefined {
    if (key === undefined || typeof key === 'string' || typeof key === 'number') return key;
    return this.#host.hooks.refused('message.key', 'a text or a number', key, undefined);
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#free = () => {
        this.#free = undefined;
        resolve();
      };
    });
  }
}
