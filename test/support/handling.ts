// handling — handlers for tests, loaded beside a socket by `handler: { module: HANDLING, export }`.
// Used by test/handlers. Each export is a factory; a test names the one that it needs.
// Invariant: they know nothing of a test but their options and what its server sends.

import type { Handler, HandlerContext } from '../../lib/handler.ts';
import type { Message } from '../../lib/types.ts';

/** This module. */
export const HANDLING: URL = new URL(import.meta.url);

/** Delivers `<message>!`, in order with what its hooks note; and does what a message says. */
export function noted(options: { tag?: string } | undefined, context: HandlerContext): Handler {
  const note = (what: string): void => context.notify(what);
  const does: Record<string, () => unknown> = {
    drop: () => context.drop('wanted'),
    close: () => context.close(4001, 'done'),
    exit: () => process.exit(7),
    state: () => context.state,
    url: () => context.url,
    thread: () => `${context.threadId} ${context.inline}`,
    send: () => context.send(['said', new Uint8Array([1, 2])]) && undefined,
    secret: () => context.send('hush', { secret: true }) && undefined,
    ping: () => context.ping().then((rtt) => typeof rtt),
    drained: () => context.drained().then(() => 'drained'),
    fault: () => context.fault(new RangeError('mine'), 'somewhere'),
  };
  return {
    connected: ({ attempt }) => note(`connected ${attempt}`),
    open: ({ attempt, url, protocol }) => note(`open ${attempt} ${new URL(url).pathname} ${protocol}`.trim()),
    message: (data) => {
      const act = typeof data === 'string' ? does[data] : undefined;
      return act ? act() : `${data}!${options?.tag ?? ''}`;
    },
    down: ({ attempt, reason }) => note(`down ${attempt} ${reason.code}`),
    waiting: ({ delay }) => note(`waiting ${delay}`),
    owner: ({ transfers }) => note(`owner ${transfers}`),
    close: ({ code, reason, error }) => {
      note(`close ${code} ${error?.code ?? reason}`.trim());
      Object.assign(globalThis, { closedLast: `${code} ${error?.code} ${context.signal.aborted}` });
      context.emit('the last');
    },
    api: { signal: () => context.signal.aborted },
  };
}

/** What each kind of value is made of, by its number. */
export const KINDS = 5;

/** A number comes as a string, bytes, JSON, a Map, or with memory that moves: by turns. */
export function kinds(_: unknown, context: HandlerContext): Handler {
  return { message: (data) => ofKind(Number(data), context) };
}

function ofKind(n: number, context: HandlerContext): unknown {
  switch (n % KINDS) {
    case 0:
      return `number ${n}`;
    case 1:
      return Uint8Array.of(n & 0xff, n >> 8);
    case 2:
      return { n };
    case 3:
      return new Map([['n', n]]);
    default: {
      const memory = new Int32Array([n]).buffer;
      context.emit({ memory }, [memory]);
      return undefined;
    }
  }
}

/** Delivers what its message is, evaluated: so a test says what it wants. */
export function evaluated(_: unknown, context: HandlerContext): Handler {
  return { message: (data) => new Function('context', `return (${data})`)(context) };
}

/** Every hook that a message names throws. */
export function faulty(): Handler {
  return {
    open: () => {
      throw new TypeError('open is bad');
    },
    message: async (data) => {
      if (data === 'reject') throw Object.assign(new RangeError('rejected'), { code: 'MINE' });
      if (data === 'function') return () => 1;
      return data;
    },
    down: () => Promise.reject(new Error('down is bad')) as unknown as undefined,
    close: () => {
      throw 'no error at all';
    },
  };
}

/** Timers: one that throws, one that is cleared, one that ticks. */
export function timed({ ticks }: { ticks: number }, context: HandlerContext): Handler {
  context.setTimeout(() => {
    throw new Error('the timer is bad');
  }, 1);
  context.setTimeout(() => context.notify('never'), 2).clear();
  let count = 0;
  const timer = context.setInterval(() => {
    context.notify(`tick ${++count}`);
    if (count === ticks) timer.clear();
  }, 1);
  return {};
}

/** Sums up the numbers of each read. */
export function summed(_: unknown, context: HandlerContext): Handler {
  return {
    batch: (batch) => {
      let sum = 0;
      for (let i = 0; i < batch.length; i++) sum += Number(batch.text(i));
      context.emit({ messages: batch.length, sum });
    },
  };
}

/** Messages are answered in their order, each when `release` was called for it. */
export function slow(_: unknown, context: HandlerContext): Handler {
  const releases: (() => void)[] = [];
  return {
    message: (data: Message) =>
      new Promise((resolve) => {
        const own = typeof data === 'string' ? data : data.slice();
        context.notify(`began ${typeof own === 'string' ? own : own.length}`);
        releases.push(() => resolve(own));
      }),
    close: () => context.notify('closed'),
    api: { release: () => void releases.shift()?.() },
  };
}

/** Keeps the last message only, while its owner has no room. */
export function conflated(_: unknown, context: HandlerContext): Handler {
  let last: Message | undefined;
  const emit = (): void => {
    if (last === undefined || !context.ready) return;
    context.emit(last);
    last = undefined;
  };
  return {
    message: (data) => {
      last = data;
      emit();
    },
    ready: emit,
    api: { seen: () => last },
  };
}

/** Only tells that it is there. */
export function watching(_: unknown, context: HandlerContext): Handler {
  return { open: () => context.notify('open') };
}

/** Renews the URL, and decides of retries. */
export function advising({ path, choice }: { path: string; choice: unknown }): Handler {
  return {
    connecting: ({ attempt, url }) =>
      attempt > 1
        ? undefined
        : { url: url.replace(/\/[^/]*$/, path), headers: { 'x-attempt': String(attempt) } },
    retrying: () => choice as undefined,
  };
}

export function throwing(): never {
  throw new TypeError('no handler today');
}
export const rejecting = (): Promise<never> => Promise.reject(new Error('not today either'));
export const nothing = (): undefined => undefined;
export const misnamed = (): object => ({ message: 'no function' });
export const apiless = (): object => ({ api: 5 });
export const late = (): Promise<Handler> => new Promise(() => {});
export const notFunction = 5;
