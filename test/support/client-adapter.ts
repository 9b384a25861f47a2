// client-adapter — what a client needs to speak with test/support/client-server.ts; as an object, and as a module.
// Used by test/client. Invariant: nothing of it is kept beside the connection that it was made for.

import type { Adapter } from '../../lib/session/adapter.ts';

/** Options of the module. */
export interface ClientAdapterOptions {
  /** Each attempt has its own in the header `x-token`: `<this>-<number>`. */
  readonly token?: string | undefined;
  readonly refreshBefore?: number | undefined;
}

/** What `client.remote()` calls. */
export interface ClientAdapterApi {
  add(a: number, b: number): number;
}

/** What is read: a number of a channel, or whatever else. */
export interface Numbered {
  readonly channel?: string;
  readonly n?: number;
  readonly [name: string]: unknown;
}

export default function clientAdapter({ token, refreshBefore }: ClientAdapterOptions = {}): Adapter {
  let attempts = 0;
  return {
    connection: {
      attempt: () => (token === undefined ? undefined : { headers: { 'x-token': `${token}-${++attempts}` } }),
    },
    auth: {
      login: (credentials) => ({ method: 'auth', params: credentials }),
      accept: (reply) => {
        // What the server says.
        const { token: known, expires } = reply as { token: string; expires?: number };
        return { ok: true, token: known, expiresIn: expires };
      },
      refreshBefore,
    },
    message: { key: (message) => (message as Numbered).n },
    subscription: {
      subscribe: (channel) => ({ method: 'subscribe', params: channel }),
      unsubscribe: (channel) => ({ method: 'unsubscribe', params: channel }),
    },
    api: { add: (a: number, b: number) => a + b },
  };
}
