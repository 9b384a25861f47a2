// authentication — whether a session is logged in, with what token, for how long, and when a new login is due.
// Kept by lib/session/session.ts, which sends the logins and has their answers read by the adapter.
// Invariant: at most one timer; `due` is called once for each login that succeeded, never sooner than SHORTEST after it,
// so that no peer can make logins follow each other in a loop. Tokens are in private fields: nothing shows them.
// Source: WebsockexNova's DefaultAuthHandler (its refresh had no timer); OAuth 2.0 (RFC 6749 §5.1, §6).

import { LONGEST } from '../checks.ts';
import { describe, OptionError } from '../errors.ts';
import type { AuthHooks, AuthResult } from './adapter.ts';

/** `none`: nothing was sent on this connection; `failed`: the last login was refused, or not answered. @internal */
export type AuthState = 'none' | 'authenticating' | 'authenticated' | 'failed';

/** What it is given. @internal */
export interface AuthHost {
  setTimeout(callback: () => void, ms: number): { clear(): void };
  /** Milliseconds since the epoch: expiries are dates. */
  wallClock(): number;
  /** A new login is due. */
  due(): void;
}

/** How long before the expiry a new login is due, in milliseconds, unless the adapter says. */
const REFRESH_BEFORE = 60_000;
/** Between a login that succeeded and the next that is due, in milliseconds, however soon it expires. @internal */
export const SHORTEST = 1_000;

/** The login of one session, across its connections. @internal */
export class Authentication {
  readonly #host: AuthHost;
  readonly #hooks: Pick<AuthHooks, 'needed' | 'refreshBefore'>;
  #state: AuthState = 'none';
  /** Logged in on this connection; also while a new login is under way. */
  #authenticated = false;
  #over = false;
  #token: string | undefined;
  #refreshToken: string | undefined;
  /** Since the epoch. */
  #expiry: number | undefined;
  #timer: { clear(): void } | undefined;

  constructor(host: AuthHost, hooks: Pick<AuthHooks, 'needed' | 'refreshBefore'>) {
    this.#host = host;
    this.#hooks = hooks;
  }

  get state(): AuthState {
    return this.#state;
  }

  /** Logged in on this connection, as far as the peer has said; still so while a new login is under way. */
  get authenticated(): boolean {
    return this.#authenticated;
  }

  /** Of the last login that gave one; also of an earlier connection, until a login fails. */
  get token(): string | undefined {
    return this.#token;
  }

  /** Of the last login that gave one. */
  get refreshToken(): string | undefined {
    return this.#refreshToken;
  }

  /** What is left of the login, in milliseconds, from 0. Undefined: it does not expire, or there is none. */
  get expiresIn(): number | undefined {
    if (!this.#authenticated || this.#expiry === undefined) return undefined;
    return Math.max(0, this.#expiry - this.#host.wallClock());
  }

  /** A new login is due: the adapter's `needed` says so; without it, when the last has failed, or expires within
   *  `refreshBefore`. */
  get needed(): boolean {
    const { expiresIn } = this;
    const failed = this.#state === 'failed';
    const info = { authenticated: this.#authenticated, failed, expiresIn };
    if (this.#hooks.needed) return this.#hooks.needed(info) === true;
    return failed || (expiresIn !== undefined && expiresIn <= this.#refreshBefore);
  }

  /** A login is about to be sent. */
  begin(): void {
    if (this.#over) return;
    this.#disarm();
    this.#state = 'authenticating';
  }

  /** Its answer has come, or the peer has said it unasked. Whether that means logged in. A token that it does not give
   *  stays as it was (RFC 6749 §6). `expiresIn` goes before `expiresAt`, which hangs on both clocks.
   *  @throws {OptionError} the adapter gave something else; nothing has changed. */
  accept(result: AuthResult): boolean {
    const checked = check(result);
    if (this.#over) return false;
    this.#disarm();
    this.#authenticated = checked.ok;
    this.#state = checked.ok ? 'authenticated' : 'failed';
    if (!checked.ok) {
      this.#forget();
      return false;
    }
    this.#token = checked.token ?? this.#token;
    this.#refreshToken = checked.refreshToken ?? this.#refreshToken;
    const { expiresIn, expiresAt } = checked;
    this.#expiry = expiresIn === undefined ? expiresAt : this.#host.wallClock() + expiresIn;
    this.#arm(SHORTEST);
    return true;
  }

  /** The socket is gone, and the login with it; the tokens may serve for the next. */
  lost(): void {
    this.#disarm();
    this.#authenticated = false;
    this.#expiry = undefined;
    this.#state = 'none';
  }

  /** The session is over: nothing is due any more, and nothing is kept. */
  end(): void {
    this.#over = true;
    this.lost();
    this.#forget();
  }

  get #refreshBefore(): number {
    return this.#hooks.refreshBefore ?? REFRESH_BEFORE;
  }

  /** `refreshBefore` ahead of the expiry; if that is nearer already, halfway to it. */
  #arm(shortest: number): void {
    const left = this.expiresIn;
    if (left === undefined) return;
    const before = this.#refreshBefore;
    const wait = left > before ? left - before : left / 2;
    // Node's timers keep 31 bits of milliseconds: what is longer goes in steps.
    this.#timer = this.#host.setTimeout(() => this.#fired(), Math.min(LONGEST, Math.max(shortest, wait)));
  }

  #fired(): void {
    this.#timer = undefined;
    const left = this.expiresIn ?? 0;
    // A step of a long wait, or the date was set back.
    if (left > this.#refreshBefore) return this.#arm(1);
    let needed = true;
    try {
      needed = this.needed;
    } finally {
      // An adapter that throws has not said no; what it threw is its timer's fault.
      if (needed) this.#host.due();
      // It thinks not yet: it is asked again until the login expires.
      else if (left > 0) this.#arm(SHORTEST);
    }
  }

  #disarm(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #forget(): void {
    this.#token = undefined;
    this.#refreshToken = undefined;
    this.#expiry = undefined;
  }
}

/** What an adapter gives is certain of no type. Messages never show tokens. */
function check(result: unknown): AuthResult {
  if (typeof result !== 'object' || result === null || !('ok' in result) || typeof result.ok !== 'boolean') {
    throw new OptionError(`an auth result must be { ok: true | false }, got ${kind(result)}`);
  }
  // Each field that is used is checked below.
  const given = result as Readonly<Record<string, unknown>> & { readonly ok: boolean };
  if (!given.ok) return { ok: false, reason: String(given['reason'] ?? 'refused') };
  const text = (name: string) => {
    const value = given[name];
    if (value === undefined || typeof value === 'string') return value;
    throw new OptionError(`${name} of an auth result must be a string, got ${kind(value)}`);
  };
  const time = (name: string) => {
    const value = given[name];
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    throw new OptionError(
      `${name} of an auth result must be a number of milliseconds, got ${describe(value)}`,
    );
  };
  return {
    ok: true,
    token: text('token'),
    refreshToken: text('refreshToken'),
    expiresIn: time('expiresIn'),
    expiresAt: time('expiresAt'),
  };
}

function kind(value: unknown): string {
  return value === null ? 'null' : typeof value;
}
