// defaults — what a session does where its adapter says nothing: JSON, JSON-RPC 2.0, and what is worth another attempt.
// Read by session.ts and inbound.ts. Pure. Source: JSON-RPC 2.0 §4 and §5; RFC 6455 §7.4.1.

import { GunportError, OptionError } from '../errors.ts';
import { isPermanent } from '../protocol/retry.ts';
import type { Message } from '../types.ts';
import type { ErrorClass, MessageHooks, RequestHooks } from './adapter.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Texts as JSON, bytes as they are. */
function decode(data: Message): unknown {
  // Bytes are read in place, and their memory is used again.
  return typeof data === 'string' ? JSON.parse(data) : data.slice();
}

/** What is no message yet becomes JSON. @throws {OptionError} JSON has no text for it. */
function encode(message: unknown): Message {
  if (typeof message === 'string') return message;
  if (message instanceof Uint8Array) return message;
  if (message instanceof ArrayBuffer) return new Uint8Array(message);
  const text = jsonOf(message);
  if (text === undefined)
    throw new OptionError(`a message must be text, bytes or JSON, got ${typeof message}`);
  return text;
}

function jsonOf(message: unknown): string | undefined {
  try {
    return JSON.stringify(message);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OptionError(`a message must be text, bytes or JSON: ${why}`, { cause });
  }
}

const KINDS = ['type', 'method', 'action', 'event', 'channel'] as const;

function type(message: unknown): string {
  if (!isFields(message)) return 'unknown';
  for (const name of KINDS) if (typeof message[name] === 'string') return message[name];
  return 'unknown';
}

/** @internal */
export const MESSAGE: Required<Pick<MessageHooks, 'decode' | 'encode' | 'type'>> = { decode, encode, type };

/** @internal */
export const REQUEST: Required<RequestHooks> = {
  assign(message, next) {
    if (!isFields(message)) throw new OptionError(`a request must be an object, got ${typeof message}`);
    const { id } = message;
    if (typeof id === 'string' || typeof id === 'number') return { id, message };
    return { id: next, message: { jsonrpc: '2.0', ...message, id: next } };
  },
  idOf(message) {
    if (!isFields(message) || !('result' in message || 'error' in message)) return undefined;
    const { id } = message;
    return typeof id === 'string' || typeof id === 'number' ? id : undefined;
  },
  result: (message) => (isFields(message) ? message['result'] : message),
  error: (message) => (isFields(message) ? message['error'] : undefined),
};

/** What a peer says when what we are or do will not do: it would say so again. */
const REFUSALS: ReadonlySet<unknown> = new Set([1002, 1003, 1007, 1009, 1010]);

/** Whether another attempt would only meet it again. @internal */
export function classify(error: Error): ErrorClass {
  if (!(error instanceof GunportError)) return 'transient';
  if (error.code === 'ERR_GUNPORT_AUTH' || isPermanent(error) || REFUSALS.has(error.reason))
    return 'permanent';
  return error.code === 'ERR_GUNPORT_REPLY' || error.code === 'ERR_GUNPORT_RATE_LIMITED'
    ? 'normal'
    : 'transient';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
