// deribitrpc — Deribit's requests, as far as the adapter makes them itself.
// Used by deribit.ts and deribitbooks.ts. Invariant: ids of the adapter are strings with its prefix; a client's are numbers,
// or the user's own. Source: JSON-RPC 2.0 §4; https://docs.deribit.com (subscription management).

/** @internal */
export type Fields = Readonly<Record<string, unknown>>;

const PREFIX = 'gunport:';

/** Of what is sent without waiting for its reply. @internal */
export const HEARTBEAT_ID: string = `${PREFIX}heartbeat`;

/** An object, or undefined. @internal */
export function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
}

/** An id of the adapter's. @internal */
export function isOurs(id: unknown): boolean {
  return typeof id === 'string' && id.startsWith(PREFIX);
}

/** @internal */
export function rpc(id: string, method: string, params: object): Fields {
  return { jsonrpc: '2.0', id, method, params };
}

/** Of a notification, or of what was delivered for one. @internal */
export function channelOf(message: Fields | undefined): string | undefined {
  const channel = fieldsOf(message?.['params'])?.['channel'] ?? message?.['channel'];
  return typeof channel === 'string' ? channel : undefined;
}

const SUBSCRIBE = `${PREFIX}subscribe:`;

/** Names each request anew: a late reply is of no later one. @internal */
export class Requests {
  #next = 1;

  subscribe(channel: string): Fields {
    return rpc(`${SUBSCRIBE}${this.#next++}:${channel}`, methodFor(channel, 'subscribe'), {
      channels: [channel],
    });
  }

  unsubscribe(channel: string): Fields {
    const id = `${PREFIX}unsubscribe:${this.#next++}`;
    return rpc(id, methodFor(channel, 'unsubscribe'), { channels: [channel] });
  }

  /** The channel that a request of this id has asked for. */
  subscribed(id: unknown): string | undefined {
    if (typeof id !== 'string' || !id.startsWith(SUBSCRIBE)) return undefined;
    return id.slice(id.indexOf(':', SUBSCRIBE.length) + 1);
  }
}

/** Channels of an account, and unconflated ones, are for those who have logged in. */
function methodFor(channel: string, verb: 'subscribe' | 'unsubscribe'): string {
  const isPrivate = channel.startsWith('user.') || channel.endsWith('.raw');
  return `${isPrivate ? 'private' : 'public'}/${verb}`;
}
