// login — how a session makes itself known: on each connection before anything else, and again ahead of the expiry.
// Held by session.ts; when it is due is authentication.ts's to say.
// Invariant: one login at a time; what is secret goes to the peer and nowhere else.
// Source: WebsockexNova's AuthHandler and AuthFlow; RFC 6749 for refreshing.

import { fromRecord, GunportError, StreamError, toRecord } from '../errors.ts';
import type { HandlerContext } from '../handler.ts';
import type { AuthHooks, AuthResult } from './adapter.ts';
import { Authentication } from './authentication.ts';
import type { Redactor } from './redact.ts';
import type { Saying } from './saying.ts';

/** @internal */
export interface LoginHost {
  readonly context: Pick<HandlerContext, 'setTimeout' | 'reveal'>;
  readonly saying: Saying;
  readonly redactor: Redactor;
  readonly timeout: number;
  /** Another login is due, or the last try of one has failed. */
  due(): void;
}

/** @internal */
export class Login {
  readonly #hooks: AuthHooks | undefined;
  readonly #host: LoginHost;
  readonly #known: Authentication;
  #credentials: unknown;
  /** Settles with the last that was begun. */
  #last: Promise<void> = Promise.resolve();
  /** Ends the wait for a hook, which may never settle. */
  #leave: ((error: GunportError) => void) | undefined;
  #awaited: ((result: AuthResult | GunportError) => void) | undefined;

  constructor(hooks: AuthHooks | undefined, credentials: unknown, host: LoginHost) {
    this.#hooks = hooks;
    this.#host = host;
    this.#known = new Authentication(
      {
        setTimeout: (run, ms) => host.context.setTimeout(run, ms),
        wallClock: () => Date.now(),
        due: () => host.due(),
      },
      hooks ?? {},
    );
    this.credentials = credentials;
  }

  set credentials(credentials: unknown) {
    this.#credentials = credentials;
    this.#host.redactor.add(credentials);
  }

  get known(): Authentication {
    return this.#known;
  }

  /** There is something to log in with, and a hook that does. */
  get wanted(): boolean {
    return this.#hooks !== undefined && this.#credentials !== undefined;
  }

  /** One after another. `other`: with these, which are the known ones from then on, if they are accepted.
   *  @throws {StreamError} ERR_GUNPORT_AUTH the peer refused; what kept the message or its answer. */
  run(other?: { readonly credentials: unknown }): Promise<void> {
    const run = this.#last.then(() => this.#run(other));
    this.#last = run.catch(() => {});
    return run;
  }

  async #run(other: { readonly credentials: unknown } | undefined): Promise<void> {
    const hooks = this.#hooks;
    if (!hooks) throw new StreamError('ERR_GUNPORT_UNSUPPORTED', 'the adapter has no auth hooks');
    const { token, refreshToken, authenticated } = this.#known;
    const credentials = other ? other.credentials : this.#credentials;
    this.#host.redactor.add(credentials);
    this.#known.begin();
    try {
      // The token is of the old ones.
      const again = authenticated && hooks.refresh && !other;
      const message = await this.#settled(
        again ? hooks.refresh?.(credentials, { token, refreshToken }) : hooks.login(credentials),
      );
      const result = message === undefined ? ({ ok: true } as const) : await this.#ask(hooks, message);
      if (result.ok) this.#host.redactor.add(result.token, result.refreshToken);
      this.#known.accept(result);
      if (!result.ok) throw new StreamError('ERR_GUNPORT_AUTH', `the login was refused: ${result.reason}`);
      this.#credentials = credentials;
    } catch (error) {
      if (this.#known.state === 'authenticating') this.#known.accept({ ok: false, reason: 'it failed' });
      throw this.#host.redactor.error(asLoginError(error));
    } finally {
      // Its answer may have held a token, too.
      this.#host.context.reveal();
    }
  }

  /** What a hook gives, in time and before the connection is lost: the next one has a login of its own. */
  #settled(given: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { context, timeout } = this.#host;
      const timer = context.setTimeout(() => this.#leave?.(late(timeout)), timeout);
      const leave = (error: GunportError): void => end(() => reject(error));
      const end = (settle: () => void): void => {
        timer.clear();
        if (this.#leave === leave) this.#leave = undefined;
        settle();
      };
      this.#leave = leave;
      Promise.resolve(given).then(
        (message) => end(() => resolve(message)),
        (error: unknown) => end(() => reject(error)),
      );
    });
  }

  async #ask(hooks: AuthHooks, message: unknown): Promise<AuthResult> {
    const { saying, timeout } = this.#host;
    const manner = { session: true, secret: true, timeout };
    if (!hooks.response) {
      const reply = await saying.request(message, manner);
      return hooks.accept?.(reply) ?? { ok: true };
    }
    const answer = this.#answer(timeout);
    saying.send(message, manner).catch((error: GunportError) => this.#awaited?.(error));
    return answer;
  }

  /** The next message that speaks of it. */
  #answer(timeout: number): Promise<AuthResult> {
    return new Promise((resolve, reject) => {
      const timer = this.#host.context.setTimeout(() => this.#awaited?.(late(timeout)), timeout);
      this.#awaited = (result) => {
        this.#awaited = undefined;
        timer.clear();
        if (result instanceof Error) reject(result);
        else resolve(result);
      };
    });
  }

  /** A message spoke of it; false: nobody had asked. */
  answered(result: AuthResult): boolean {
    const known = this.#awaited !== undefined;
    this.#awaited?.(result);
    return known;
  }

  /** The connection is gone, and what was known on it. */
  lost(error: GunportError): void {
    this.#known.lost();
    this.#leave?.(error);
    this.#awaited?.(error);
  }

  end(): void {
    this.#known.end();
  }
}

function late(timeout: number): StreamError {
  return new StreamError('ERR_GUNPORT_AUTH', `the login was not answered within ${timeout} ms`, {
    reason: 'timeout',
  });
}

/** The peer's refusal, by whichever way it came. */
function asLoginError(error: unknown): GunportError {
  if (!(error instanceof GunportError)) {
    const cause = fromRecord(toRecord(error));
    return new StreamError('ERR_GUNPORT_AUTH', `the login failed: ${cause.message}`, { cause });
  }
  if (error.code !== 'ERR_GUNPORT_REPLY') return error;
  return new StreamError('ERR_GUNPORT_AUTH', `the login was refused: ${error.message}`, { cause: error });
}
