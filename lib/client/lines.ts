// lines — the connection processes of one client, one after another: the first, its successors after a death or a
// rollover, and the end of them all.
// Held by client.ts. Invariant: one line is current; what others say counts for nothing; each end is told once, and whoever
// waits is told with it. Source: lib/protocol/retry.ts, which decides for dead threads too.

import { type Settle, type WaitOptions, wait } from '../await.ts';
import type { Connection } from '../connection.ts';
import { awaitError } from '../down.ts';
import { fromRecord, type GunportError, OwnerError, StreamError } from '../errors.ts';
import type { TransferOptions, TransferTarget } from '../owner.ts';
import { Retries } from '../protocol/retry.ts';
import { tell } from '../session/logging.ts';
import type { MetricsShare } from '../session/metrics.ts';
import type { SessionNotice } from '../session/sessionwire.ts';
import { type ClientState, mayMove } from '../session/states.ts';
import type { SubscriptionRecord } from '../session/subscriptions.ts';
import type { CloseResult, Down } from '../types.ts';
import type { ClientEvents } from './clientevents.ts';
import type { CheckedClient } from './clientoptions.ts';
import { type ClientRecord, portableOptions } from './clientrecord.ts';
import { type Beginning, credentialsOf, type Line, type LineHost, openLine } from './line.ts';
import { Rollover } from './rollover.ts';

/** What they tell their client. @internal */
export interface LinesHost {
  emit<Name extends keyof ClientEvents>(name: Name, ...event: ClientEvents[Name]): void;
  /** The first line is there. `rest`: messages that an earlier owner had not given to anybody. */
  reads(line: Line, rest: readonly unknown[]): void;
  /** Nothing is given any more; what earlier lines have brought, and nobody was given. */
  seal(line: Line): Promise<readonly unknown[]>;
  unseal(given: boolean): void;
}

/** Ends of a process that a client survives: it opens another. */
const SURVIVED = new Set<string>(['exit', 'uncaught', 'out-of-memory', 'terminated', 'unresponsive']);

/** The way up, for a line that has gone it while another was current. */
const WAY_UP: readonly ClientState[] = ['connecting', 'connected', 'websocketConnected'];

/** @internal */
export class Lines {
  readonly closed: Promise<CloseResult>;
  readonly #checked: CheckedClient;
  readonly #metrics: MetricsShare;
  readonly #host: LinesHost;
  readonly #retries: Retries;
  readonly #subscriptions = new Map<string, SubscriptionRecord>();
  readonly #ready = new Set<Settle<void>>();
  readonly #current = new Set<Settle<Line>>();
  #resolve: (result: CloseResult) => void = () => {};
  #state: ClientState = 'initialized';
  #attempts = 0;
  #readySince: number | undefined;
  #line: Line | undefined;
  readonly #rollover: Rollover;
  #started = false;
  #credentials: unknown;
  #renewed: { readonly credentials: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #gaveUp: GunportError | undefined;
  /** Its owner wants its end. */
  #closing = false;
  #over: { readonly error: GunportError | undefined; readonly result: CloseResult } | undefined;

  constructor(checked: CheckedClient, metrics: MetricsShare, host: LinesHost) {
    this.#checked = checked;
    this.#metrics = metrics;
    this.#host = host;
    this.#retries = new Retries(checked.policy);
    this.#rollover = this.#newRollover();
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get state(): ClientState {
    return this.#state;
  }
  get connection(): Connection | undefined {
    return this.#line?.feed.connection;
  }
  get attempt(): number {
    return this.#attempts;
  }
  get isReady(): boolean {
    return this.#readySince !== undefined;
  }
  get subscriptions(): readonly SubscriptionRecord[] {
    return [...this.#subscriptions.values()];
  }

  /** Others than those it was made with. */
  set credentials(credentials: unknown) {
    this.#renewed = { credentials };
    this.#credentials = credentials;
  }

  // ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    if (this.#started || this.#over) return;
    this.#started = true;
    void this.#open();
  }

  whenReady(options: WaitOptions): Promise<void> {
    return wait<void>('connect()', options, (settle) => {
      if (this.#over) return void settle(this.#endError());
      if (this.isReady) return void settle(undefined, undefined);
      this.#ready.add(settle);
      return () => this.#ready.delete(settle);
    });
  }

  /** The line that there is, or the next. */
  current(): Promise<Line> {
    if (this.#line && !this.#timer) return Promise.resolve(this.#line);
    return wait<Line>('a connection', {}, (settle) => {
      if (this.#over) return void settle(this.#endError());
      if (!this.#started)
        return void settle(new StreamError('ERR_GUNPORT_NOT_CONNECTED', 'connect() was not called'));
      this.#current.add(settle);
      return () => this.#current.delete(settle);
    });
  }

  #endError(): GunportError {
    return (
      this.#over?.error ??
      new StreamError('ERR_GUNPORT_CLOSED', 'the client has been closed', { phase: 'closed' })
    );
  }

  // ── opening ───────────────────────────────────────────────────────────────────────────────────────────────

  async #open(): Promise<void> {
    try {
      const line = await this.#newLine();
      if (this.#over) return void line.feed.connection.close().catch(() => {});
      this.#use(line);
    } catch (error) {
      this.#failed(error as GunportError);
    }
  }

  async #newLine(): Promise<Line> {
    const { credentials } = this.#renewed ?? this.#checked;
    this.#credentials = await credentialsOf(credentials);
    const beginning: Beginning = {
      credentials: this.#credentials,
      subscriptions: this.subscriptions,
      attempts: this.#attempts,
      metrics: this.#metrics,
    };
    return openLine(this.#checked, beginning, this.#lineHost);
  }

  get #lineHost(): LineHost {
    return {
      notice: (line, notice) => this.#notice(line, notice),
      fault: (fault) => this.#host.emit('fault', fault),
      down: (line, down) => this.#down(line, down),
    };
  }

  /** It is the current one from now on. */
  #use(line: Line, rest: readonly unknown[] = []): void {
    const before = this.#line;
    this.#line = line;
    this.#timer = undefined;
    if (before) {
      before.letGo();
      before.follow(line);
    } else this.#host.reads(line, rest);
    for (const settle of [...this.#current]) settle(undefined, line);
  }

  // ── what a line tells ─────────────────────────────────────────────────────────────────────────────────────

  #notice(line: Line, notice: SessionNotice): void {
    if (notice.type === 'log') {
      const { logger } = this.#checked;
      return logger && tell(logger, notice.level, notice.object, notice.message);
    }
    line.heard(notice);
    if (this.#rollover.notice(line, notice)) return;
    if (line !== this.#line || this.#over) return;
    switch (notice.type) {
      case 'state': {
        const reason = notice.reason && (fromRecord(notice.reason) as GunportError);
        this.#attempts = notice.attempt;
        // However its last connection ends.
        const to = this.#closing && notice.to === 'error' ? 'closed' : notice.to;
        return this.#move(to, reason, notice.delay);
      }
      case 'ready':
        return this.#isReady(notice);
      case 'subscription':
        return this.#subscription(notice);
      case 'authenticated':
        return this.#host.emit('authenticated', { expiresIn: notice.expiresIn });
      case 'error':
        return this.#host.emit('error', fromRecord(notice.error), { where: notice.where });
      case 'gaveUp':
        // Records of a session are made of our own errors.
        if (!this.#closing) this.#gaveUp = fromRecord(notice.error) as GunportError;
        return;
      case 'closed':
        return this.#end(this.#gaveUp, notice.result);
      default:
        notice satisfies never;
    }
  }

  #move(to: ClientState, reason?: GunportError, delay?: number): void {
    const from = this.#state;
    if (!mayMove(from, to)) return;
    this.#state = to;
    if (to !== 'websocketConnected') this.#readySince = undefined;
    this.#host.emit('state', { from, to, attempt: this.#attempts, reason, delay });
  }

  #isReady({ attempt, restored }: SessionNotice & { type: 'ready' }): void {
    this.#readySince = performance.now();
    for (const settle of [...this.#ready]) settle(undefined, undefined);
    this.#rollover.plan();
    this.#host.emit('ready', { attempt, restored });
  }

  #subscription({ subscription }: SessionNotice & { type: 'subscription' }): void {
    const { channel, params, state } = subscription;
    if (state === 'pending' || state === 'confirmed') this.#subscriptions.set(channel, { channel, params });
    else this.#subscriptions.delete(channel);
    this.#host.emit('subscription', subscription);
  }

  #down(line: Line, { reason }: Down): void {
    const error = awaitError(reason);
    if (this.#rollover.down(line, error)) return;
    if (line !== this.#line || this.#over) return;
    if (SURVIVED.has(reason.kind)) return this.#failed(error);
    // It ended by itself, before there was a session that could have told: its stream knows with what.
    const end = (failure: GunportError | undefined): void => this.#end(failure, NO_CLOSE);
    if (reason.kind === 'normal' || reason.kind === 'shutdown')
      void line.feed.closed.then((e) => end(e.error));
    else end(error);
  }

  /** There is no process any more: another takes its place, when the policy says so. */
  #failed(error: GunportError): void {
    const upFor = this.#readySince === undefined ? 0 : performance.now() - this.#readySince;
    const wasUp = this.#readySince !== undefined;
    const decision = this.#retries.failed({ error, wasUp, upFor, everUp: true, random: Math.random() });
    this.#move('disconnected', error);
    if ('giveUp' in decision) return this.#end(error, NO_CLOSE);
    this.#host.emit('error', error, { where: 'connection' });
    // The one that was being opened beside it takes its place, as far as it is.
    const fresh = this.#rollover.take();
    if (fresh) return this.#promote(fresh);
    this.#move('reconnecting', error, decision.delay);
    // Who was told may have closed it.
    if (!this.#over) this.#timer = setTimeout(() => void this.#open(), decision.delay);
  }

  // ── rollover ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Opens another line beside the current one, and goes over to it once it is ready. */
  rollover(): Promise<void> {
    return this.#over ? Promise.reject(this.#endError()) : this.#rollover.run();
  }

  #newRollover(): Rollover {
    const { rollover, overlap } = this.#checked;
    return new Rollover({
      interval: rollover,
      overlap,
      current: () => (this.isReady && !this.#over ? this.#line : undefined),
      open: () => this.#newLine(),
      promote: (line) => this.#promote(line),
      done: () => this.#host.emit('rollover', { attempt: this.#attempts }),
      failed: (error) => this.#host.emit('error', error, { where: 'rollover' }),
    });
  }

  /** The one beside it is the current one. */
  #promote(line: Line): void {
    this.#attempts = Math.max(this.#attempts, line.attempt);
    this.#use(line);
    for (const state of WAY_UP.slice(0, WAY_UP.indexOf(line.state) + 1)) this.#move(state);
    // It may have become so while the one before it was not.
    if (line.ready && !this.isReady) this.#isReady(line.ready);
  }

  // ── ownership ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Hands it over with all that it is; `data`: the giver's own. */
  async give(target: TransferTarget, { data, ...options }: TransferOptions): Promise<void> {
    if ('here' in this.#checked.target) {
      const text =
        'a client whose adapter runs on its owner’s thread cannot be handed over: give the module of it';
      throw new OwnerError('ERR_GUNPORT_UNSUPPORTED', text);
    }
    // Whatever becomes of it: one line is left. It waits for a reader that is behind.
    const { timeout = 5_000, signal } = options;
    await wait<void>('transferOwnership()', { timeout, signal }, (settle) => {
      void this.#rollover.settled().then(() => settle(undefined, undefined));
      return undefined;
    });
    if (this.#over) throw this.#endError();
    if (!this.#started) throw new OwnerError('ERR_GUNPORT_NOT_UP', 'connect() was not called');
    // One that has been up can be moved between two retries, too.
    if (this.#started && (this.#timer || !this.connection?.attempt))
      await this.whenReady({ timeout, signal });
    const line = await this.current();
    const rest = await this.#host.seal(line);
    let given = false;
    try {
      await line.feed.transferOwnership(target, { ...options, data: this.#record(data, line, rest) });
      given = true;
    } finally {
      this.#host.unseal(given);
    }
    line.letGo();
    const error = new OwnerError('ERR_GUNPORT_NOT_OWNER', 'the client was handed over');
    this.#finish(error, { ...NO_CLOSE, error });
  }

  #record(data: unknown, { seen }: Line, rest: readonly unknown[]): ClientRecord {
    return {
      'gunport:client': 1,
      checked: portableOptions(this.#checked, this.#credentials),
      metrics: this.#metrics,
      state: this.#state,
      attempts: this.#attempts,
      isReady: this.isReady,
      subscriptions: this.subscriptions,
      rest,
      seen: [...seen],
      data,
    };
  }

  /** Of another thread. */
  adopt(record: ClientRecord, line: (host: LineHost) => Line): void {
    this.#started = true;
    this.#state = record.state;
    this.#attempts = record.attempts;
    this.#credentials = record.checked.credentials;
    for (const one of record.subscriptions) this.#subscriptions.set(one.channel, one);
    if (record.isReady) this.#readySince = performance.now();
    const current = line(this.#lineHost);
    current.seen = new Set(record.seen);
    this.#use(current, record.rest);
    if (record.isReady) this.#rollover.plan();
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  async close(code: number, reason: string): Promise<CloseResult> {
    if (this.#over) {
      this.#move('closed');
      return this.#over.result;
    }
    const line = this.#line;
    this.#closing = true;
    this.#rollover.stop(this.#endError());
    if (!line || this.#timer) {
      this.#end(undefined, NO_CLOSE);
      return this.closed;
    }
    const result = await line.feed.close(code, reason);
    // Its session tells; where it cannot any more, this is the end.
    if (!this.#over) this.#end(undefined, result);
    return this.closed;
  }

  #end(error: GunportError | undefined, result: Omit<CloseResult, 'error'>): void {
    if (this.#over) return;
    this.#move(error ? 'error' : 'closed', error);
    this.#finish(error, error ? { ...result, error } : result);
    if (error) this.#host.emit('gaveUp', error);
    this.#host.emit('close', error ? { ...result, error } : result);
  }

  #finish(error: GunportError | undefined, result: CloseResult): void {
    this.#over = { error, result };
    this.#readySince = undefined;
    clearTimeout(this.#timer);
    const told = this.#endError();
    this.#rollover.stop(told);
    for (const settle of [...this.#ready]) settle(told);
    for (const settle of [...this.#current]) settle(told);
    if (error) this.#line?.fail(error);
    else this.#line?.follow(undefined);
    this.#resolve(result);
  }
}

const NO_CLOSE: CloseResult = { code: 1006, reason: '', wasClean: false };
