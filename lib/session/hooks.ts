// hooks — an adapter's hooks, called so that what one throws, rejects or gives is told and never takes a session along.
// Held by session.ts and inbound.ts. Invariant: a hook that fails has given its fallback; each failure is reported once.
// Source: WebsockexNova's BehaviorHelpers, which checks what callbacks give.

import { checkClose } from '../closing.ts';
import { describe, OptionError } from '../errors.ts';
import type { Act, MessageAct } from './adapter.ts';

/** Who is told that a hook failed. @internal */
export interface FaultHost {
  hookFailed(error: unknown, hook: string): void;
}

const ACTS: ReadonlySet<unknown> = new Set([
  'ok',
  'reply',
  'replyMany',
  'close',
  'stop',
  'reconnect',
  'retry',
]);
const MESSAGE_ACTS: ReadonlySet<unknown> = new Set([...ACTS, 'deliver', 'drop']);

/** @internal */
export class Hooks {
  readonly #host: FaultHost;

  constructor(host: FaultHost) {
    this.#host = host;
  }

  /** What the hook gives, or the fallback where it throws. */
  run<T>(name: string, hook: () => T, fallback: T): T {
    try {
      return hook();
    } catch (error) {
      this.#host.hookFailed(error, name);
      return fallback;
    }
  }

  /** What the hook gives, if it is one of these; the fallback, where it gives anything else or throws. */
  one<T extends string>(name: string, hook: () => unknown, of: readonly T[], fallback: T): T {
    const given = this.run(name, hook, fallback);
    const found = of.find((word) => word === given);
    return found ?? this.refused(name, `one of ${of.join(', ')}`, given, fallback);
  }

  /** What it gave is not what it must be: told, and the fallback is taken. */
  refused<T>(name: string, wanted: string, given: unknown, fallback: T): T {
    this.#host.hookFailed(new OptionError(`${name} must give ${wanted}, got ${describe(given)}`), name);
    return fallback;
  }

  /** The same as `run` for an act, or a promise of one; told to `then`, at once where it gives none. */
  act(name: string, hook: () => MessageAct | Promise<MessageAct>, then: (act: MessageAct) => void): void {
    const given: unknown = this.run(name, hook, undefined);
    if (given instanceof Promise) {
      given.then(
        (act: unknown) => then(this.checked(name, act)),
        (error: unknown) => {
          this.#host.hookFailed(error, name);
          then(undefined);
        },
      );
    } else then(this.checked(name, given));
  }

  /** An act, as a promise of one that never rejects. */
  async acted(name: string, hook: () => Act | Promise<Act>): Promise<Act> {
    return new Promise((resolve) =>
      this.act(name, hook, (act) =>
        resolve(act?.type === 'deliver' || act?.type === 'drop' ? undefined : act),
      ),
    );
  }

  /** What one gives that decides whether to come back; `undefined` where it fails, or leaves that to others. */
  async choice(hook: () => unknown): Promise<boolean | { readonly delay: number } | undefined> {
    const name = 'error.shouldReconnect';
    const given: unknown = await this.run(name, async () => hook(), undefined)?.catch((error: unknown) =>
      this.#host.hookFailed(error, name),
    );
    if (given === undefined || typeof given === 'boolean') return given;
    const { delay } = Object(given) as { readonly delay?: unknown };
    if (typeof delay === 'number' && delay >= 0 && delay < 2 ** 31) return { delay };
    return this.refused(name, 'a boolean or { delay }', given, undefined);
  }

  /** What a hook gave, if it is an act; `undefined` in place of what is none, which is a failure of the hook. */
  checked(name: string, given: unknown): MessageAct {
    if (given === undefined) return undefined;
    // Only then is it looked at: a user's hook may give anything.
    const act = given as Exclude<MessageAct, undefined>;
    const known = name === 'message.handle' ? MESSAGE_ACTS : ACTS;
    const wrong = typeof given !== 'object' || given === null || !known.has(act.type) ? given : faultOf(act);
    if (wrong === undefined) return act;
    return this.refused(name, 'an act', wrong, undefined);
  }
}

/** What is wrong in an act of a known type. */
function faultOf(act: Exclude<MessageAct, undefined>): unknown {
  if (act.type === 'replyMany' && !Array.isArray(act.messages)) return act.messages ?? 'no messages';
  if (act.type === 'retry' && !(act.delay >= 0 && act.delay < 2 ** 31)) return act.delay ?? 'no delay';
  if (act.type !== 'close') return undefined;
  try {
    checkClose(act.code ?? 1000, act.reason ?? '');
    return undefined;
  } catch {
    // What it says of the two is said of the act.
    return [act.code, act.reason];
  }
}
