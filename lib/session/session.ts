// session — what keeps one client connected: a handler that logs in, restores and sends, by the hooks of an adapter.
// Made by making.ts; its hooks are called by the runner, beside a socket or on its owner's thread.
// Invariant: on each connection first the login, then the subscriptions, then what waited; what was begun on an earlier
// one is of no account; every promise it gives settles.
// Source: WebsockexNova's eight behaviours; Slipstream and ZenWebsocket for what users turned out to want.

import { DownError, type GunportError, StreamError, toRecord } from '../errors.ts';
import type {
  AttemptInfo,
  FailureInfo,
  Handler,
  HandlerContext,
  LossInfo,
  OpenInfo,
  Renewal,
  RetryChoice,
} from '../handler.ts';
import type { CloseResult, Message } from '../types.ts';
import { Acts } from './acts.ts';
import type { Adapter } from './adapter.ts';
import type { AdapterSession } from './adaptercontext.ts';
import { type SharedRateLimit, sharedRateLimit } from './bucket.ts';
import { Calls } from './calls.ts';
import { Channels } from './channels.ts';
import { Correlation } from './correlation.ts';
import { Inbound } from './inbound.ts';
import { Login } from './login.ts';
import type { Outgoing } from './outgoing.ts';
import { Pulse } from './pulse.ts';
import { Reports } from './reports.ts';
import { outgoingOf, Saying } from './saying.ts';
import type { Delivered, SessionApi, SessionSettings, SessionStatus } from './sessionwire.ts';
import { type ClientState, mayMove, type StateDetail, StateMachine } from './states.ts';
import { type SubscriptionInfo, Subscriptions } from './subscriptions.ts';

/** @internal */
export class Session {
  readonly #settings: SessionSettings;
  readonly #context: HandlerContext<Delivered>;
  readonly #adapter: Adapter;
  readonly #reports: Reports;
  readonly #states: StateMachine;
  readonly #replies: Correlation;
  readonly #subscriptions: Subscriptions;
  readonly #limit: SharedRateLimit | undefined;
  readonly #outgoing: Outgoing;
  readonly #saying: Saying;
  readonly #login: Login;
  readonly #channels: Channels;
  readonly #inbound: Inbound;
  readonly #acts: Acts;
  readonly #pulse: Pulse;
  /** What its owner asks of it. */
  readonly calls: SessionApi;
  /** Counts the connections, and the losses between them. */
  #epoch = 0;
  #attempt: number;
  #isReady = false;
  /** Open, and known to the peer: subscriptions may be asked for. */
  #isKnown = false;
  /** A failure after which there was no other attempt. */
  #refusal: GunportError | undefined;

  constructor(settings: SessionSettings, context: HandlerContext<Delivered>, adapter: Adapter) {
    this.#settings = settings;
    this.#context = context;
    this.#adapter = adapter;
    this.#attempt = settings.attempts;
    this.#reports = new Reports(settings, context, adapter, (error, hook) =>
      this.#acts.hookFailed(error, hook),
    );
    this.#states = new StateMachine((change) => this.#reports.stateChanged(change, this.#attempt));
    const timers = { setTimeout: (run: () => void, ms: number) => context.setTimeout(run, ms) };
    this.#replies = new Correlation(timers);
    const changed = (one: SubscriptionInfo): void => this.#subscriptionChanged(one);
    const { subscriptionTimeout: timeout } = settings;
    this.#subscriptions = new Subscriptions({ ...timers, changed }, { timeout });
    // What its client says goes first; else what its adapter does, for this session alone.
    this.#limit = settings.rateLimit ?? sharedRateLimit(adapter.rateLimit);
    this.#outgoing = outgoingOf(context, this.#reports, {
      limit: settings.queue,
      rate: this.#limit,
      check: adapter.rateLimit?.check,
    });
    const { metrics, redactor } = this.#reports;
    this.#saying = new Saying({
      adapter,
      outgoing: this.#outgoing,
      replies: this.#replies,
      metrics,
      requestTimeout: settings.requestTimeout,
      costs: this.#limit?.options.costs ?? {},
      said: (type, data) => this.#reports.traced && this.#reports.message('sent', data.length, { type }),
      now: () => context.now(),
      redacted: (error) => redactor.error(error),
    });
    this.#login = new Login(adapter.auth, settings.credentials, {
      context,
      saying: this.#saying,
      redactor,
      timeout: settings.authTimeout,
      due: () => void this.#logIn(),
    });
    this.#acts = this.#newActs();
    this.#channels = this.#newChannels();
    this.#inbound = this.#newInbound();
    this.#pulse = this.#newPulse();
    this.calls = this.#newCalls();
    this.#subscriptions.import(settings.subscriptions);
  }

  // ── as a handler ──────────────────────────────────────────────────────────────────────────────────────────

  /** What the runner calls. */
  get handler(): Handler {
    return {
      connecting: (info) => this.#connecting(info),
      connected: () => this.#move('connected'),
      open: (info) => this.#open(info),
      message: (data) => this.#message(data),
      down: (loss) => this.#down(loss),
      retrying: (failure) => this.#retrying(failure),
      waiting: ({ delay, error }) => this.#waiting(delay, error),
      close: (result) => this.#close(result),
      api: { session: this.calls, adapter: this.#adapter.api ?? {} },
    };
  }

  async #connecting(info: AttemptInfo): Promise<Renewal | undefined> {
    this.#move('connecting');
    return this.#adapter.connection?.attempt?.(info);
  }

  #open(info: OpenInfo): void {
    const reconnected = this.#attempt > 0;
    this.#attempt++;
    const epoch = ++this.#epoch;
    this.#reports.metrics.count(reconnected ? 'reconnected' : 'opened');
    this.#move('websocketConnected');
    this.#pulse.start();
    this.#outgoing.stage('session');
    const { connection } = this.#adapter;
    this.#acts.opened();
    void this.#reports.hooks
      .acted('connection.open', () => connection?.open?.({ ...info, reconnected }))
      .then((act) => {
        this.#acts.do(act, epoch);
        return epoch === this.#epoch ? this.#settle(epoch) : undefined;
      })
      .catch((error: unknown) => void this.#acts.failed('hook', error, 'connection.open'));
  }

  /** First the login, then the subscriptions, then what waited. */
  async #settle(epoch: number): Promise<void> {
    if (this.#login.wanted && !(await this.#logIn())) return;
    if (epoch !== this.#epoch) return;
    this.#isKnown = true;
    const restored = await this.#channels.restore();
    if (epoch !== this.#epoch) return;
    this.#isReady = true;
    this.#outgoing.stage('user');
    this.#reports.connection('ready', { attempt: this.#attempt, restored: restored.length });
    this.#reports.notify({ type: 'ready', attempt: this.#attempt, restored });
  }

  /** False: it failed, and what follows is decided; or this connection is gone. */
  async #logIn(): Promise<boolean> {
    const epoch = this.#epoch;
    const { metrics } = this.#reports;
    try {
      await this.#login.run();
      if (epoch !== this.#epoch) return false;
    } catch (error) {
      if (epoch !== this.#epoch) return false;
      metrics.count('loginsFailed');
      const stop = { type: 'stop', reason: 'the login failed' } as const;
      const act = await this.#acts.failed('auth', error, 'login', stop);
      // The adapter may go on without.
      return act?.type === 'ok' && epoch === this.#epoch;
    }
    metrics.count('logins');
    this.#reports.connection('authenticated');
    this.#reports.notify({ type: 'authenticated', expiresIn: this.#login.known.expiresIn });
    return true;
  }

  #message(data: Message): Promise<void> | undefined {
    if (this.#acts.finished) return undefined;
    this.#pulse.heard();
    return this.#inbound.message(data);
  }

  #down(loss: LossInfo): void {
    const { connection } = this.#adapter;
    this.#lost(loss.reason);
    this.#reports.metrics.count('lost');
    this.#move('disconnected', { reason: loss.reason });
    const hook = connection?.down;
    this.#acts.lost(hook && (() => hook(loss)));
  }

  /** What belonged to the connection that is gone. */
  #lost(cause: GunportError): void {
    this.#epoch++;
    this.#isReady = false;
    this.#isKnown = false;
    this.#pulse.stop();
    this.#outgoing.stage('shut');
    const gone = new StreamError('ERR_GUNPORT_CLOSED', 'the connection was lost', { phase: 'closed', cause });
    this.#outgoing.failAll(gone, 'session');
    this.#replies.failAll(gone);
    this.#login.lost(gone);
    this.#subscriptions.lost();
  }

  async #retrying(failure: FailureInfo): Promise<RetryChoice> {
    if (this.#acts.finished || this.#acts.stopped) return false;
    if (!failure.wasUp) this.#reports.metrics.count('attemptsFailed');
    this.#fellBack(failure.error);
    const decided = await this.#acts.decision(failure.error);
    const { context } = this.#reports.error('connection', failure.error, undefined);
    if (decided !== undefined) return decided;
    const choice = await this.#reports.hooks.choice(() => this.#adapter.error?.shouldReconnect?.(failure));
    // A goodbye of the peer is one more loss to a client, unless it says that nothing else will come of it.
    const isFinal = context.class === 'permanent' || context.class === 'critical';
    const last = choice ?? !isFinal;
    if (last === false) this.#refusal = failure.error;
    return last === true ? undefined : last;
  }

  #waiting(delay: number, error: GunportError): void {
    this.#fellBack(error);
    this.#move('reconnecting', { delay, reason: error });
  }

  #move(to: ClientState, detail: Omit<StateDetail, 'attempt'> = {}): void {
    if (this.#states.state !== to) this.#states.move(to, { ...detail, attempt: this.#attempt });
  }

  /** An attempt that never came up has no `down`. */
  #fellBack(reason: GunportError): void {
    const { state } = this.#states;
    if (state === 'connecting' || state === 'connected') this.#move('disconnected', { reason });
  }

  #close({ error, code, reason: text, wasClean }: CloseResult): void {
    const closed = new StreamError('ERR_GUNPORT_CLOSED', 'the client has been closed', { phase: 'closed' });
    const { stopped, finished } = this.#acts;
    const failure = stopped ?? this.#refusal ?? (finished ? undefined : error);
    const reason = failure ?? error ?? closed;
    this.#lost(reason);
    // Its thread has died: the client goes on with another session.
    const died = error instanceof DownError && error.code === 'ERR_GUNPORT_DOWN';
    this.#subscriptions.end(reason);
    this.#outgoing.failAll(reason);
    this.#login.end();
    if (died && !mayMove(this.#states.state, 'disconnected')) return undefined;
    if (died) return this.#move('disconnected', { reason });
    if (failure) {
      this.#move('error', { reason });
      this.#reports.notify({ type: 'gaveUp', error: toRecord(this.#reports.redactor.error(reason)) });
    } else this.#move('closed');
    this.#reports.notify({ type: 'closed', result: { code, reason: text, wasClean } });
  }

  // ── its parts ─────────────────────────────────────────────────────────────────────────────────────────────

  #newActs(): Acts {
    const session = this;
    return new Acts({
      adapter: this.#adapter,
      context: this.#context,
      reports: this.#reports,
      saying: this.#saying,
      get epoch() {
        return session.#epoch;
      },
    });
  }

  #newChannels(): Channels {
    const session = this;
    return new Channels(this.#adapter.subscription, {
      saying: this.#saying,
      known: this.#subscriptions,
      timeout: this.#settings.subscriptionTimeout,
      get open() {
        return session.#isKnown;
      },
      get epoch() {
        return session.#epoch;
      },
    });
  }

  #newInbound(): Inbound {
    const session = this;
    const reports = this.#reports;
    return new Inbound(this.#adapter, {
      hooks: reports.hooks,
      metrics: reports.metrics,
      replies: this.#replies,
      subscriptions: this.#subscriptions,
      emit: (delivered) => void this.#context.emit(delivered),
      act: (act, epoch) => this.#acts.do(act, epoch),
      ask: (name, hook) => this.#acts.ask(name, hook),
      get epoch() {
        return session.#epoch;
      },
      answer: (message) => this.#saying.urgent(message),
      loggedIn: (result) => this.#login.answered(result),
      failed: (error, detail) => void this.#acts.failed('message', error, detail),
      replyError: (error) => this.#saying.replyError(error),
      get traced() {
        return reports.traced;
      },
      received: (type, bytes) => reports.message('received', bytes, { type }),
    });
  }

  #newPulse(): Pulse {
    const { heartbeat, connection } = this.#adapter;
    const { hooks } = this.#reports;
    return new Pulse({
      context: this.#context,
      interval: heartbeat?.interval ?? 0,
      idleTimeout: this.#settings.idleTimeout,
      keepalive: this.#settings.keepalive,
      measured: (rtt) => this.#reports.metrics.rtt(rtt),
      beat: () => hooks.run('heartbeat.beat', () => this.#saying.urgent(heartbeat?.beat?.()), undefined),
      idle: (idleFor) => {
        const drop = (): void => this.#context.drop(`nothing came for ${Math.round(idleFor)} ms`);
        this.#acts.ask('connection.idle', () => connection?.idle?.(idleFor), drop);
      },
    });
  }

  #subscriptionChanged(one: SubscriptionInfo): void {
    this.#reports.subscriptionChanged(one, this.#subscriptions.active().length);
    if (one.state !== 'failed' && one.state !== 'expired') return;
    const text = `the subscription of ${one.channel} has ${one.state}: ${one.reason ?? 'nothing came'}`;
    const error = new StreamError('ERR_GUNPORT_SUBSCRIPTION', text, { reason: one.channel });
    void this.#acts.failed('subscription', error, one.channel);
  }

  // ── what is asked of it ───────────────────────────────────────────────────────────────────────────────────

  /** By its adapter. */
  get forAdapter(): AdapterSession {
    const session = this;
    return {
      get state() {
        return session.#states.state;
      },
      get authenticated() {
        return session.#login.known.authenticated;
      },
      get token() {
        return session.#login.known.token;
      },
      // Its own before the session is ready, which may wait for them.
      send: (message, manner) => this.#saying.send(message, { session: !this.#isReady, ...manner }),
      request: (message, manner) => this.#saying.request(message, { session: !this.#isReady, ...manner }),
      deliver: (message) => void this.#context.emit([message]),
      log: (level, object, message) => this.#reports.log(level, object, message),
    };
  }

  #newCalls(): Calls {
    return new Calls({
      adapter: this.#adapter,
      context: this.#context,
      reports: this.#reports,
      saying: this.#saying,
      channels: this.#channels,
      login: this.#login,
      status: () => this.#status(),
      finished: () => this.#acts.finish(),
    });
  }

  #status(): Omit<SessionStatus, 'adapter'> {
    const { authenticated, expiresIn } = this.#login.known;
    return {
      state: this.#states.state,
      attempt: this.#attempt,
      ready: this.#isReady,
      authenticated,
      expiresIn,
      subscriptions: this.#subscriptions.all(),
      queued: this.#outgoing.queued,
      pending: this.#replies.size,
      url: this.#context.url,
    };
  }
}
