// hooked — an adapter that has every hook there is, notes each call, and gives what a test has told it to.
// Loaded beside the socket as a module, or called by a test for an adapter object; both do the same.
// Invariant: what a hook gives by order it gives once, the first time it is called; else it does its work.
// Its language: JSON messages with a `type`, spoken by test/support/hooked-server.ts.

import type { Act, Adapter, AdapterFactory, AuthResult, ErrorContext } from '../../lib/session/adapter.ts';
import type { Message } from '../../lib/types.ts';

/** Each hook of each group; a hook that the contract gains fails to compile here until a test reaches it. */
type Groups = Pick<
  Required<Adapter>,
  | 'connection'
  | 'message'
  | 'request'
  | 'subscription'
  | 'auth'
  | 'heartbeat'
  | 'error'
  | 'rateLimit'
  | 'logging'
  | 'metrics'
>;
type HooksOf<G> = {
  [K in keyof Required<G>]-?: Required<G>[K] extends (...given: never[]) => unknown ? K : never;
}[keyof G];
export type HookName = {
  [G in keyof Groups]: `${G}.${Extract<HooksOf<NonNullable<Groups[G]>>, string>}`;
}[keyof Groups];

/** What a hook does, once: gives it, promises it, throws or rejects with it. */
export type Order =
  | { readonly gives: unknown }
  | { readonly promises: unknown }
  | { readonly throws: string }
  | { readonly rejects: string };

/** Plain data, so that it reaches a module. */
export interface HookedOptions {
  readonly orders?: Partial<Record<HookName, Order>>;
  /** Hooks that it does not have. */
  readonly without?: readonly HookName[];
  /** What is ordered is given each time. */
  readonly always?: boolean;
  /** Comes back to log in anew where a login has failed. */
  readonly comesBack?: boolean;
  readonly interval?: number;
  readonly url?: string;
}

/** `client.remote<HookedApi>()`. */
export interface HookedApi {
  /** The hooks that were called, in that order. */
  calls(): HookName[];
}

interface Fields {
  readonly type?: string;
  readonly [name: string]: unknown;
}

/** Makes the adapter. */
export function hooked(options: HookedOptions): Adapter {
  const { orders = {}, without = [], always = false, url } = options;
  const calls: HookName[] = [];
  const left = new Map(Object.entries(orders));

  /** The hook, with its notes and its order. */
  const hook = <F extends (...given: never[]) => unknown>(name: HookName, work: F): F => {
    const noted = (...given: Parameters<F>): unknown => {
      calls.push(name);
      const order = left.get(name);
      if (!always) left.delete(name);
      if (!order) return work(...given);
      if ('gives' in order) return order.gives;
      if ('promises' in order) return Promise.resolve(order.promises);
      if ('throws' in order) throw new Error(order.throws);
      return Promise.reject(new Error(order.rejects));
    };
    // What an order gives may be of a wrong type: that is its point.
    return noted as F;
  };
  const none = (): Act => undefined;
  const fields = (message: unknown): Fields =>
    // Any message of this language is one; of bytes and the like every field is undefined.
    typeof message === 'object' && message !== null ? (message as Fields) : {};

  const groups: Groups = {
    connection: {
      attempt: hook('connection.attempt', () => undefined),
      open: hook('connection.open', none),
      down: hook('connection.down', none),
      frame: hook('connection.frame', none),
      idle: hook('connection.idle', none),
      status: hook('connection.status', () => 'fine'),
    },
    message: {
      decode: hook('message.decode', (data: Message) => JSON.parse(String(data))),
      validate: hook('message.validate', (message: unknown) => fields(message)['bad'] === undefined),
      type: hook('message.type', (message: unknown) => fields(message).type ?? 'none'),
      handle: hook('message.handle', none),
      encode: hook('message.encode', (message: unknown) => JSON.stringify(message)),
      key: hook('message.key', (message: unknown) => fields(message)['key'] as number | undefined),
    },
    request: {
      assign: hook('request.assign', (message: unknown, next: number) => ({
        id: next,
        message: { ...fields(message), id: next },
      })),
      idOf: hook('request.idOf', (message: unknown) =>
        fields(message).type === 'reply' ? (fields(message)['id'] as number) : undefined,
      ),
      result: hook('request.result', (message: unknown) => fields(message)['value']),
      error: hook('request.error', (message: unknown) => fields(message)['error']),
    },
    subscription: {
      subscribe: hook('subscription.subscribe', (channel: string) => ({ type: 'subscribe', channel })),
      unsubscribe: hook('subscription.unsubscribe', (channel: string) => ({ type: 'unsubscribe', channel })),
      response: hook('subscription.response', (message: unknown) => {
        const { type, channel, reason } = fields(message);
        if (type !== 'subscribed' && type !== 'refused') return undefined;
        const state = type === 'subscribed' ? ('confirmed' as const) : ('failed' as const);
        return { channel: String(channel), state, ...(state === 'failed' && { reason: String(reason) }) };
      }),
      changed: hook('subscription.changed', () => {}),
    },
    auth: {
      login: hook('auth.login', (credentials: unknown) => ({ type: 'login', credentials })),
      response: hook('auth.response', (message: unknown) =>
        fields(message).type === 'loggedIn' ? (fields(message)['result'] as AuthResult) : undefined,
      ),
      accept: hook('auth.accept', (reply: unknown) => reply as AuthResult),
      refresh: hook('auth.refresh', (_: unknown, last: { refreshToken?: string | undefined }) => ({
        type: 'refresh',
        refreshToken: last.refreshToken,
      })),
      needed: hook('auth.needed', () => true),
    },
    heartbeat: {
      interval: options.interval,
      beat: hook('heartbeat.beat', () => ({ type: 'beat' })),
      answer: hook('heartbeat.answer', (message: unknown) =>
        fields(message).type === 'areYouThere' ? { type: 'here' } : undefined,
      ),
    },
    error: {
      classify: hook('error.classify', (_: unknown, given: ErrorContext) => given.class),
      handle: hook('error.handle', (_: Error, { where }: ErrorContext) =>
        where === 'auth' && options.comesBack ? { type: 'reconnect' } : undefined,
      ),
      shouldReconnect: hook('error.shouldReconnect', () => undefined),
    },
    rateLimit: {
      cost: hook('rateLimit.cost', () => 1),
      check: hook('rateLimit.check', () => undefined),
    },
    logging: {
      connection: hook('logging.connection', () => {}),
      message: hook('logging.message', () => {}),
      error: hook('logging.error', () => {}),
    },
    metrics: {
      connection: hook('metrics.connection', () => {}),
      message: hook('metrics.message', () => {}),
      error: hook('metrics.error', () => {}),
    },
  };
  for (const name of without) {
    const [group, key] = name.split('.') as [keyof Groups, string];
    delete (groups[group] as Record<string, unknown>)[key];
  }
  const api: HookedApi = { calls: () => [...calls] };
  return { url, ...groups, api };
}

const factory: AdapterFactory<HookedOptions> = hooked;
export default factory;
