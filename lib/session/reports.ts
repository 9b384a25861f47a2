// reports — what happens in a session, told to who wants to know: its owner, the log, the metrics, the adapter's hooks.
// Held by session.ts. Invariant: nothing secret leaves it; who is told can change nothing by throwing.
// Source: WebsockexNova's LoggingHandler, MetricsCollector and ErrorHandler.

import { toRecord } from '../errors.ts';
import type { HandlerContext } from '../handler.ts';
import type { Adapter, ErrorClass, ErrorContext, LogLevel } from './adapter.ts';
import { classify } from './defaults.ts';
import { Hooks } from './hooks.ts';
import { Log } from './logging.ts';
import { Metrics } from './metrics.ts';
import { Redactor } from './redact.ts';
import type { Delivered, SessionNotice, SessionSettings } from './sessionwire.ts';
import { CLIENT_STATES, type StateChange } from './states.ts';
import type { SubscriptionInfo } from './subscriptions.ts';

const CLASSES: readonly ErrorClass[] = ['transient', 'normal', 'permanent', 'critical'];
type Where = ErrorContext['where'];

/** @internal */
export class Reports {
  readonly redactor: Redactor = new Redactor();
  readonly metrics: Metrics;
  readonly hooks: Hooks;
  readonly #context: Pick<HandlerContext<Delivered>, 'notify' | 'fault'>;
  readonly #adapter: Adapter;
  readonly #log: Log;
  /** What follows. */
  readonly #hookFailed: (error: Error, hook: string) => void;

  constructor(
    { logLevel, metrics }: Pick<SessionSettings, 'logLevel' | 'metrics'>,
    context: Pick<HandlerContext<Delivered>, 'notify' | 'fault'>,
    adapter: Adapter,
    hookFailed: (error: Error, hook: string) => void,
  ) {
    this.#hookFailed = hookFailed;
    this.#context = context;
    this.#adapter = adapter;
    this.metrics = new Metrics(metrics);
    const sink = (level: LogLevel, object: object, message: string): void =>
      this.notify({ type: 'log', level, object, message });
    this.#log = new Log(sink, logLevel, this.redactor);
    this.hooks = new Hooks({ hookFailed: (error, hook) => this.hookFailed(error, hook) });
  }

  /** To the owner. */
  notify(notice: SessionNotice): void {
    this.#context.notify(notice);
  }

  log(level: LogLevel, object: object, message: string): void {
    this.#log[level](object, message);
  }

  /** Somebody wants to know of each message. */
  get traced(): boolean {
    const { logging, metrics } = this.#adapter;
    return logging?.message !== undefined || metrics?.message !== undefined || this.#log.enabled('trace');
  }

  /** Something happened on the connection. */
  connection(event: string, context: object = {}, level: LogLevel = 'info'): void {
    const { logging, metrics } = this.#adapter;
    const told = this.redactor.value(context) as object;
    this.#log[level](told, `connection ${event}`);
    if (logging?.connection) this.#call('logging.connection', () => logging.connection?.(event, told));
    if (metrics?.connection) this.#call('metrics.connection', () => metrics.connection?.(event, 1, told));
  }

  stateChanged({ from, to, reason, delay }: StateChange, attempt: number): void {
    const error = reason && toRecord(this.redactor.error(reason));
    this.metrics.gauge('state', CLIENT_STATES.indexOf(to));
    this.connection(to, { from, attempt, delay, reason: error?.message }, 'debug');
    this.notify({ type: 'state', from, to, attempt, reason: error, delay });
  }

  /** `active`: how many are confirmed now. */
  subscriptionChanged(subscription: SubscriptionInfo, active: number): void {
    const { state, channel } = subscription;
    if (state === 'confirmed') this.metrics.count('subscriptionsConfirmed');
    if (state === 'failed' || state === 'expired') this.metrics.count('subscriptionsFailed');
    this.metrics.gauge('subscriptions', active);
    this.connection('subscription', { channel, state }, 'debug');
    const changed = this.#adapter.subscription?.changed;
    if (changed) this.#call('subscription.changed', () => changed(subscription));
    this.notify({ type: 'subscription', subscription });
  }

  /** A message came, left, or was dropped; `bytes` of it. */
  message(event: string, bytes: number, context: object): void {
    const { logging, metrics } = this.#adapter;
    this.#log.trace({ ...context, bytes }, `message ${event}`);
    if (logging?.message)
      this.#call('logging.message', () => logging.message?.(event, { ...context, bytes }));
    if (metrics?.message) this.#call('metrics.message', () => metrics.message?.(event, bytes, context));
  }

  /** Something went wrong; what it is, once it has been told. */
  error(
    where: Where,
    given: unknown,
    detail: string | undefined,
  ): { readonly error: Error; readonly context: ErrorContext } {
    const error = this.redactor.error(asError(given));
    const context: ErrorContext = { where, detail, class: this.classify(error, where) };
    const { logging, metrics } = this.#adapter;
    this.metrics.count('errors');
    const object = { err: error, where, class: context.class, detail };
    this.#log[where === 'connection' ? 'warn' : 'error'](object, error.message);
    if (logging?.error) this.#call('logging.error', () => logging.error?.(where, { error, ...context }));
    if (metrics?.error) this.#call('metrics.error', () => metrics.error?.(where, 1, context));
    this.notify({ type: 'error', where, error: toRecord(error) });
    return { error, context };
  }

  classify(error: Error, where: Where): ErrorContext['class'] {
    const standard = classify(error);
    const hook = this.#adapter.error?.classify;
    if (!hook) return standard;
    return this.hooks.one('error.classify', () => hook(error, { where, class: standard }), CLASSES, standard);
  }

  /** A hook of the adapter has thrown, rejected, or given what it must not. */
  hookFailed(given: unknown, hook: string): void {
    const error = this.redactor.error(asError(given));
    this.metrics.count('faults');
    this.#log.error({ err: error, hook }, `${hook} failed`);
    this.#context.fault(error, hook);
    this.#hookFailed(error, hook);
  }

  #call(name: string, hook: () => void): void {
    this.hooks.run(name, hook, undefined);
  }
}

function asError(given: unknown): Error {
  return given instanceof Error ? given : new Error(String(given));
}
