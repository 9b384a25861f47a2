// targets — takers of a hand-over that do not take it.
// Called by tests of what becomes of a connection whose hand-over fails.
// Invariant: what is given to them stays with the giver. Source: promise O3.

import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { GunportError } from '../errors.ts';
import { receiveOwnership } from '../receive.ts';

/** A target that never answers. */
export interface DeafTarget extends Disposable {
  /** For `transferOwnership`: it ends with ERR_GUNPORT_TRANSFER_TIMEOUT. */
  readonly port: MessagePort;
  close(): void;
}

/** A target where nobody waits for a connection.
 *  @example
 *  using target = deafTarget();
 *  await feed.transferOwnership(target.port, { timeout: 50 }).catch((error) => error.code);  // …TRANSFER_TIMEOUT
 *  feed.send('still mine'); */
export function deafTarget(): DeafTarget {
  const { port1, port2 } = new MessageChannel();
  const close = (): void => {
    port1.close();
    port2.close();
  };
  return { port: port1, close, [Symbol.dispose]: close };
}

/** Somebody who refuses. */
export interface Refuser extends AsyncDisposable {
  /** Offers that it has refused. */
  readonly refused: number;
  /** Refuses no more. */
  stop(): Promise<void>;
}

/** Refuses every connection that is offered through a port, a worker, or to this thread: the giver's promise rejects with
 *  ERR_GUNPORT_REFUSED. Until `stop()`, or until the source has closed.
 *  @throws {OptionError} `source` is none.
 *  @example
 *  const { port1, port2 } = new MessageChannel();
 *  await using refuser = refuseAdopt(port2);
 *  await feed.transferOwnership(port1).catch((error) => error.code);                         // ERR_GUNPORT_REFUSED */
export function refuseAdopt(source?: MessagePort | Worker): Refuser {
  let refused = 0;
  const stopping = new AbortController();
  const accept = (): boolean => {
    refused++;
    return false;
  };
  const ended = receiveOwnership({ source, accept, signal: stopping.signal }).then(
    () => {},
    (error: unknown) => {
      // It was stopped, or its source has closed: there is nobody to refuse any more.
      if (!(error instanceof GunportError)) throw error;
    },
  );
  const stop = (): Promise<void> => {
    stopping.abort();
    return ended;
  };
  return {
    get refused() {
      return refused;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
