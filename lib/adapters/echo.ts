// echo — the adapter of a server that sends back what it is sent: to try a client out, and to begin one's own from.
// Loaded by a client as a module, or called for an object. Invariant: nothing but what was sent is expected to come back.
// Source: WebsockexNova's echo adapter.

import { integer, own } from '../checks.ts';
import type { Adapter } from '../session/adapter.ts';

/** Options of the adapter. */
export interface EchoOptions {
  /** Sends `{ type: 'heartbeat' }` every so many milliseconds, and drops what comes back. Default 0: never. */
  heartbeat?: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

const NAMES: ReadonlySet<string> = new Set(['heartbeat']);
const BEAT = { type: 'heartbeat' };

/** Speaks to an echo server. Texts that are JSON come back as values, all else as it was; a request is answered by its
 *  own echo; a subscription is confirmed by the echo of `{ type: 'subscribe', channel, params }`.
 *  @throws {OptionError} heartbeat is no integer from 0.
 *  @example
 *  const client = new Client(echo(), { url: 'wss://echo.example' });
 *  await client.request({ text: 'hello' });                    // { text: 'hello', jsonrpc: '2.0', id: 1 } */
export default function echo(options: EchoOptions = {}): Adapter {
  const interval = integer(own(options, NAMES, ''), 'heartbeat', 0, [0, 2 ** 31 - 1]);
  return {
    message: {
      decode: (data) => (typeof data === 'string' ? parsed(data) : data.slice()),
      handle: (message) =>
        isFields(message) && message['type'] === BEAT.type ? { type: 'drop' } : undefined,
    },
    request: {
      idOf: (message) => {
        const id = isFields(message) ? message['id'] : undefined;
        return typeof id === 'string' || typeof id === 'number' ? id : undefined;
      },
      result: (message) => message,
      error: () => undefined,
    },
    subscription: {
      subscribe: (channel, params) => ({ type: 'subscribe', channel, params }),
      unsubscribe: (channel) => ({ type: 'unsubscribe', channel }),
    },
    heartbeat: { interval, beat: () => BEAT },
  };
}

/** What is no JSON is text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // An echo server may be sent anything.
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
