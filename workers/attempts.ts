// attempts — the attempts of one connection: what each is made with, who is asked, and what follows one that failed.
// Held by process.ts, which has the state that they lead from and to.
// Invariant: one attempt at a time, and none after cancel(); all that depends on the settings of an attempt reads them
// here, so that what a hook has renewed holds for all of it, and nothing of it for the next.
// Source: gun.erl's domain_lookup … not_connected.

import { type GunportError, toRecord } from '../lib/errors.ts';
import type { Leg } from '../lib/httpwire.ts';
import type { UserFunction } from '../lib/modules.ts';
import type { Failure } from '../lib/protocol/retry.ts';
import { urlOf } from '../lib/renewal.ts';
import type { AdviceCast, AdviceQuestion } from '../lib/retrywire.ts';
import type { AttemptInfo } from '../lib/types.ts';
import type { Closed, Notice, Parcel, Settings } from '../lib/wire.ts';
import type { CookieHold } from './cookies/cookies.ts';
import { asRenewed, comesBack, type Entry } from './entry.ts';
import type { Probe } from './probes/probe.ts';
import { retries } from './probes/processprobe.ts';
import { type Adviser, Renewing, type RenewingHost } from './renewing.ts';
import { Retrying, type RetryingHost } from './retrying.ts';
import { Attempt, type AttemptHost, type AttemptPlan } from './roads/attempt.ts';
import type { Sink, Transport } from './socket.ts';
import type { Streams } from './streams.ts';

/** What they ask of their process. */
export interface AttemptsHost extends Omit<AttemptHost, 'plan' | 'connected' | 'notReached'> {
  connected(transport: Transport): void;
  failed(error: GunportError): void;
  readonly probe: Probe;
  /** Where the bytes of the socket go. */
  readonly sink: Sink;
  /** Among them the WebSocket of connect(). */
  readonly streams: Streams;
  /** The times it has come up, and what the last ended with. */
  readonly attempt: number;
  readonly lastError: GunportError | undefined;
  /** To the owner. */
  reply(notice: Exclude<Notice, Parcel>): void;
  /** The connection's own road is as these say. Returns what is dialled. */
  lead(settings: Settings): Leg;
  /** The next is due. */
  again(): void;
  giveUp(error: GunportError): void;
  /** What was closed stays closed. */
  streamClosed(entry: Entry, closed: Closed): void;
}

export class Attempts implements RetryingHost, RenewingHost, AttemptHost {
  readonly #settings: Settings;
  readonly #host: AttemptsHost;
  readonly #retrying: Retrying;
  readonly #renewing: Renewing;
  /** Of this attempt, or the last. */
  #current: Settings;
  #transform: UserFunction | undefined;
  /** connect()'s WebSocket was closed, and a handler may want it back. */
  #closed: Closed | undefined;

  constructor(settings: Settings, host: AttemptsHost) {
    this.#settings = settings;
    this.#current = settings;
    this.#host = host;
    this.#renewing = new Renewing(settings, this);
    this.#retrying = new Retrying(settings, this);
  }

  /** As they were opened with. */
  get given(): Settings {
    return this.#settings;
  }

  /** Of this attempt, or the last: what was opened, and what hooks have renewed of it. */
  get settings(): Settings {
    return this.#current;
  }

  /** The user's transformHeaderName, once it is loaded. */
  get transform(): UserFunction | undefined {
    return this.#transform;
  }

  /** Makes the next. */
  dial(): Attempt {
    return new Attempt(this.#host.sink, this);
  }

  // ── for who dials, asks and waits ─────────────────────────────────────────────────────────────────────────

  get probe(): Probe {
    return this.#host.probe;
  }
  get cookies(): CookieHold | undefined {
    return this.#host.cookies;
  }
  load(): Promise<void> | undefined {
    return this.#host.load();
  }
  connected(transport: Transport, transform: UserFunction | undefined): void {
    this.#transform = transform;
    this.#host.connected(transport);
  }
  /** What was dialled has failed; failed() is for all that follows. */
  notReached(error: GunportError): void {
    this.#host.failed(error);
  }
  guard(run: () => unknown): void {
    this.#host.guard(run);
  }
  adviser(): Adviser | undefined {
    return this.#host.streams.spanning?.adviser;
  }
  ask(question: AdviceQuestion): void {
    this.#host.reply(question);
  }
  waits(delay: number, error: GunportError): void {
    retries(this.#host.probe, delay, error);
    this.#host.reply({ type: 'failed', error: toRecord(error), delay });
    this.adviser()?.waiting?.({ delay, error });
  }
  again(): void {
    this.#host.again();
  }
  giveUp(error: GunportError): void {
    this.#host.giveUp(error);
  }

  /** What the next is made with. */
  plan(): AttemptPlan | Promise<AttemptPlan> {
    const renewing = this.#renewing.prepare(() => this.#info());
    return renewing ? renewing.then((settings) => this.#plan(settings)) : this.#plan(this.#settings);
  }

  #info(): AttemptInfo {
    const { attempt, lastError } = this.#host;
    const { failures } = this.#retrying;
    return { attempt: attempt + 1, failures, url: urlOf(this.#current), lastError };
  }

  #plan(settings: Settings): AttemptPlan {
    this.#current = settings;
    const entry = this.#host.streams.spanning;
    if (entry) entry.ws = asRenewed(entry.given, settings.ws);
    return { settings, leg: this.#host.lead(settings) };
  }

  /** connect()'s WebSocket was closed by its peer: it is lost instead, and may be opened again. */
  mayComeBack(closed: Closed): boolean {
    if (comesBack(closed, this.#settings.reconnectOn)) return true;
    const { spanning } = this.#host.streams;
    if (!spanning?.decides && !spanning?.adviser?.retrying) return false;
    this.#closed = closed;
    return true;
  }

  /** One has failed, or what it led to was lost: another follows, or the end. */
  failed(failure: Failure): void {
    const closed = this.#closed;
    this.#closed = undefined;
    this.#retrying.failed(failure, closed && (() => this.#closes(closed)));
  }

  #closes(closed: Closed): void {
    const { spanning } = this.#host.streams;
    if (spanning) this.#host.streamClosed(spanning, closed);
  }

  /** What the owner said. */
  answered(cast: AdviceCast): void {
    if (cast.type === 'retry') this.#retrying.answer(cast.id, cast.decision);
    else this.#renewing.answer(cast.id, cast.answer);
  }

  /** Who was asked is not the owner any more. */
  ownerChanged(): void {
    this.#renewing.ownerChanged();
    this.#retrying.ownerChanged();
  }

  /** The process ends. */
  cancel(): void {
    this.#renewing.cancel();
    this.#retrying.cancel();
  }
}
