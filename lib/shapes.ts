// shapes — what another thread has posted, looked at before it is believed.
// Used by the rooms that hear from threads which are not ours: inbox.ts, receive.ts, owner.ts, host.ts, lifeline.ts.
// Anybody can post anything to a port, and to a thread by its id. Invariant: nothing here throws, and nothing is read but own
// data properties; what has another shape is nobody's message, and whoever hears it goes on as if it had not come.
// Source: promises O3 and S1; Erlang's selective receive.

import { MessagePort } from 'node:worker_threads';
import type { SmallParcel } from './smallwire.ts';
import type { Commit, FromHost, FromTaker, Hello, Notice, Offer, ToHost } from './wire.ts';

/** What a property must be. */
type Check = (value: unknown) => boolean;

const isString: Check = (value) => typeof value === 'string';
const isCount: Check = (value) => typeof value === 'number' && value >= 0;
const isNumber: Check = (value) => typeof value === 'number';
const isObject: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isPort: Check = (value) => value instanceof MessagePort;
const isMissing: Check = (value) => value === undefined;
const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value));
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);
const shape = (fields: Readonly<Record<string, Check>>): Check => {
  const all = Object.entries(fields);
  return (value) => isObject(value) && all.every(([key, check]) => check(own(value, key)));
};

function own(value: unknown, key: string): unknown {
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}

const SETTINGS = shape({
  ...{ transport: oneOf('tcp', 'tls', 'unix'), host: isString, port: isCount, origin: isString },
  ...{ authority: isString, hops: listOf(isObject), maxBuffered: isCount, connectTimeout: isCount },
  ws: shape({ path: isString, headers: listOf(isString), subprotocols: listOf(isString) }),
  http: shape({ headers: listOf(isString), protocols: listOf(isString) }),
});
const ITEM = shape({ type: isString });
/** A push has a stream below 0. */
const STREAM = either(
  shape({
    ...{ kind: oneOf('ws'), stream: isNumber, ws: isObject, state: isString, acked: isCount },
    ...{ replies: listOf(ITEM), untaken: listOf(ITEM), sentBytes: isCount, flushedBytes: isCount },
  }),
  shape({
    ...{ kind: oneOf('http'), stream: isNumber, method: isString, path: isString },
    ...{ untaken: listOf(ITEM), sentBytes: isCount, flushedBytes: isCount },
  }),
);
const STATE = shape({
  ...{ id: isString, host: isString, threadId: isNumber, settings: SETTINGS },
  ...{ status: oneOf('connecting', 'up', 'down', 'closing', 'dead'), attempt: isCount },
  ...{ nextStream: isCount, transfers: isCount, streams: listOf(STREAM) },
});
const REASON = shape({ kind: isString, message: isString });

const OFFER = shape({
  ...{ 'gunport:offer': oneOf(1), id: isString, origin: isString, threadId: isNumber, handshake: isPort },
});
/** To be given a connection. @internal */
export function isOffer(message: unknown): message is Offer {
  return OFFER(message);
}

const HELLO = shape({ 'gunport:hello': oneOf(1), lifeline: isPort });
/** A thread that opens its first connection. @internal */
export function isHello(message: unknown): message is Hello {
  return HELLO(message);
}

const FROM_TAKER = either(
  shape({ type: oneOf('adopt'), threadId: isNumber, hosts: listOf(isString) }),
  shape({ type: oneOf('refuse'), message: isString }),
);
/** What a giver is answered. @internal */
export function isFromTaker(message: unknown): message is FromTaker {
  return FROM_TAKER(message);
}

const COMMIT = shape({
  ...{ type: oneOf('commit'), port: isPort, lifeline: either(isMissing, isPort), offered: isNumber },
  listens: either(isMissing, (value) => value instanceof SharedArrayBuffer && value.byteLength >= 4),
  ...{ state: STATE, feed: either(isMissing, isNumber) },
});
/** The one post that decides. What a user gave is in `data`, and is anything. @internal */
export function isCommit(message: unknown): message is Commit {
  return COMMIT(message);
}

/** The ports in what should have been another message: nobody will have them. @internal */
export function portsIn(message: unknown): MessagePort[] {
  if (!isObject(message)) return [];
  return [own(message, 'port'), own(message, 'lifeline')].filter((one) => one instanceof MessagePort);
}

const EVENT = shape({
  name: oneOf('gunport:ownership:offered', 'gunport:ownership:adopted', 'gunport:ownership:revoked'),
  ...{ connection: isString, time: isNumber, fields: shape({ error: isMissing, rawHeaders: isMissing }) },
});
const TO_HOST = either(
  shape({
    ...{ type: oneOf('open'), id: isString, settings: SETTINGS, isolated: oneOf(true, false) },
    ...{ ownerThreadId: isNumber, port: isPort, cookies: either(isMissing, isObject) },
  }),
  shape({ type: oneOf('watch', 'unwatch'), id: isString }),
  shape({ type: oneOf('lay'), port: isPort }),
  shape({
    ...{ type: oneOf('event'), threadId: isNumber, event: EVENT, dropped: either(isMissing, isObject) },
  }),
);
/** What a host hears on a life line. @internal */
export function isToHost(message: unknown): message is ToHost {
  return TO_HOST(message);
}

const FROM_HOST = either(
  shape({ type: oneOf('hello'), host: isString, listens: (value) => value instanceof SharedArrayBuffer }),
  shape({ type: oneOf('eventRead') }),
  shape({ type: oneOf('down'), ids: listOf(isString), reason: REASON }),
);
/** What a host says on one. @internal */
export function isFromHost(message: unknown): message is FromHost {
  return FROM_HOST(message);
}

/** What a process says: looked at no further than costs nothing, since a connection is what its giver has made it.
 *  @internal */
export function isNotice(posted: unknown): posted is Notice | SmallParcel {
  if (typeof posted !== 'object' || posted === null) return false;
  if (Array.isArray(posted)) return posted[2] instanceof Uint8Array;
  const { type, slab, index, notices } = posted as Partial<Record<string, unknown>>; // Whatever they are.
  if (type === 'parcel') return slab instanceof Uint8Array && index instanceof Int32Array;
  return type === 'bundle' ? Array.isArray(notices) : typeof type === 'string';
}
