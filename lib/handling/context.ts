// context — what a handler does things with: checked, and passed on to its runner or to the place that it runs in.
// Made by runner.ts, once for each handler. Invariant: its functions may be taken apart; what is wrong throws at once.

import { checkClose, notOpen } from '../closing.ts';
import { describe, OptionError } from '../errors.ts';
import type { HandlerContext } from '../handler.ts';
import { checkSendable } from '../sendable.ts';
import type { StreamState } from '../types.ts';
import type { RunnerHost } from './runnerhost.ts';
import type { Timers } from './timers.ts';

/** What of it is the runner's. */
export interface ContextHost {
  readonly host: RunnerHost;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  state(): StreamState;
  ready(): boolean;
  emit: HandlerContext['emit'];
  close(code: number, reason: string): void;
  drop(reason: string): void;
  fault(where: string, error: unknown): void;
}

/** @internal */
export function contextOf({ host, timers, signal, state, ...runner }: ContextHost): HandlerContext {
  const assertOpen = (what: string): void => {
    if (state() !== 'open') throw notOpen(`context.${what}`, state());
  };
  return {
    threadId: host.threadId,
    inline: host.inline,
    signal,
    get url() {
      return host.url;
    },
    get state() {
      return state();
    },
    get ready() {
      return runner.ready();
    },
    now: () => performance.now(),
    emit: (value, transfer) => runner.emit(value, transfer),
    notify(value) {
      if (!signal.aborted) host.notify(value);
    },
    send(data, options) {
      for (const one of Array.isArray(data) ? data : [data]) checkSendable(one);
      assertOpen('send');
      return host.send(data, options?.secret === true);
    },
    reveal: () => host.reveal(),
    drained: () => host.drained(),
    async ping(options) {
      assertOpen('ping');
      return host.ping(options?.timeout);
    },
    close(code = 1000, reason = '') {
      checkClose(code, reason);
      runner.close(code, reason);
    },
    drop(reason) {
      if (typeof reason !== 'string')
        throw new OptionError(`reason must be a string, got ${describe(reason)}`);
      if (state() === 'open') runner.drop(reason);
    },
    setTimeout: (callback, ms) => timers.once(callback, ms),
    setInterval: (callback, ms) => timers.every(callback, ms),
    fault: (error, where) => runner.fault(String(where), error),
  };
}
