// adaptercontext — what an adapter does things with: its session, as far as it may touch it.
// Made by session.ts before the adapter is, so nothing can be asked of it until then.
// Invariant: what an adapter sends goes the way of what its client sends. Source: lib/session/adapter.ts.

import { StreamError } from '../errors.ts';
import type { HandlerContext } from '../handler.ts';
import type { AdapterContext, LogLevel } from './adapter.ts';
import type { Manner } from './saying.ts';
import type { ClientState } from './states.ts';

/** A session, as its adapter's context needs it. @internal */
export interface AdapterSession {
  readonly state: ClientState;
  readonly authenticated: boolean;
  readonly token: string | undefined;
  send(message: unknown, manner: Manner): Promise<void>;
  request(message: unknown, manner: Manner): Promise<unknown>;
  deliver(message: unknown): void;
  log(level: LogLevel, object: object, message: string): void;
}

/** `session`: undefined while the adapter is being made. @internal */
export function adapterContext(
  context: Pick<HandlerContext, 'now' | 'setTimeout' | 'setInterval'>,
  session: () => AdapterSession | undefined,
): AdapterContext {
  const there = (): AdapterSession => {
    const found = session();
    if (found) return found;
    throw new StreamError(
      'ERR_GUNPORT_BAD_STATE',
      'the adapter is being made: nothing can be asked of its session',
    );
  };
  return {
    get state() {
      return session()?.state ?? 'initialized';
    },
    get authenticated() {
      return session()?.authenticated ?? false;
    },
    get token() {
      return session()?.token;
    },
    now: () => context.now(),
    send: async (message, options = {}) => there().send(message, options),
    request: async (message, options = {}) => there().request(message, options),
    deliver: (message) => there().deliver(message),
    setTimeout: (callback, ms) => context.setTimeout(callback, ms),
    setInterval: (callback, ms) => context.setInterval(callback, ms),
    log: (level, object, message) => session()?.log(level, object, message),
  };
}
