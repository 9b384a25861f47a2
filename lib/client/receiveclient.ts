// receiveclient — a client that another thread hands over.
// Called by users, in any thread; takes the connection as receive.ts does, and makes a client of it.
// Invariant: it goes on where it was: state, subscriptions, metrics, and every message. Source: promises O1 to O7.

import { MessagePort, Worker } from 'node:worker_threads';
import type { Connection } from '../connection.ts';
import { OwnerError } from '../errors.ts';
import type { OfferSource } from '../inbox.ts';
import { type Received, type ReceiveOptions, receiveOwnership } from '../receive.ts';
import { type Logger, levelOf } from '../session/logging.ts';
import type { Delivered } from '../session/sessionwire.ts';
import type { WsStream } from '../wsstream.ts';
import { Client } from './client.ts';
import { checkLogger } from './clientoptions.ts';
import type { ClientRecord } from './clientrecord.ts';
import { Line } from './line.ts';

/** Options of `receiveClient`. */
export interface ReceiveClientOptions extends ReceiveOptions {
  /** Functions do not cross: the new owner's own. */
  logger?: Logger | undefined;
}

/** What a taker of a client gets. */
export interface ReceivedClient<M = unknown, D = unknown> {
  readonly client: Client<M>;
  /** The giver's own `data`. */
  readonly data: D;
}

/** Waits for a client that another thread hands over with `client.transferOwnership()`, and takes it.
 *  @throws {OptionError} and as `receiveOwnership`; {OwnerError} ERR_GUNPORT_REFUSED: it was a connection without a client, and is shut down.
 *  @example
 *  const { client, data } = await receiveClient();
 *  for await (const message of client) console.log(message); */
export async function receiveClient<M = unknown, D = unknown>(
  source?: OfferSource | ReceiveClientOptions,
  options: ReceiveClientOptions = {},
): Promise<ReceivedClient<M, D>> {
  // As with receiveOwnership(), the source may be one of the options.
  const given: ReceiveClientOptions =
    source instanceof MessagePort || source instanceof Worker ? options : (source ?? options);
  const logger = checkLogger(given?.logger);
  const received = await receiveOwnership(source, options);
  const client = clientOf<M>(received, logger);
  // What the giver gave, it knows the type of.
  if (client) return { client, data: (received.data as ClientRecord).data as D };
  await received.connection.shutdown();
  throw new OwnerError('ERR_GUNPORT_REFUSED', 'what was handed over is a connection without a client');
}

/** The client in what `receiveOwnership()` gave; undefined: it is a connection alone. */
export function clientOf<M = unknown>(received: Received, logger?: Logger): Client<M> | undefined {
  const { feed, data } = received;
  if (!isRecord(data)) return undefined;
  const { checked } = data;
  const logLevel = logger ? levelOf(logger) : checked.logLevel;
  return new Client<M>({}, undefined, {
    checked: { ...checked, logger, logLevel },
    record: data,
    // What its handler gives is what a session delivers.
    line: (host) => new Line(feed as unknown as WsStream<Connection, Delivered>, host),
  });
}

function isRecord(data: unknown): data is ClientRecord {
  return typeof data === 'object' && data !== null && Object.hasOwn(data, 'gunport:client');
}
