// contact — an offer to a thread of which nothing but its id is known.
// Called by owner.ts. Invariant: a target that has died is told as dead, whenever that was; one that is busy is waited for;
// stopped, it holds nothing of the offer for longer than one message may take.
// Catch: postMessageToThread() never settles when the target dies with the message in it, so each has a timeout, and after
// that a knock asks again. When nobody listens there, be the thread dead or not ready yet, the ports in the message are
// lost: so a knock without any goes first. Source: node:worker_threads, 20 to 24.

import { type MessagePort, threadId as ownThreadId, postMessageToThread } from 'node:worker_threads';
import { OwnerError } from './errors.ts';
import type { Offer } from './wire.ts';

const KNOCK = { 'gunport:knock': 1 };
/** A thread may still be loading gunport: it is asked so often, for so long; both in milliseconds. */
const AGAIN = 10;
const LOADING = 1_000;
/** How long a message may take before it is looked whether its thread is alive, in milliseconds. */
const PATIENCE = 1_000;

/** Offers it; `failed`: nobody there will take it. Returns how to stop. @internal */
export function contact(threadId: number, offer: Offer, failed: (error: OwnerError) => void): () => void {
  if (threadId === ownThreadId) {
    // Node refuses a message to oneself; the listener is in this very thread.
    const emit = () => process.emit('workerMessage' as never, offer as never, ownThreadId as never);
    const immediate = setImmediate(emit);
    return () => clearImmediate(immediate);
  }
  const until = performance.now() + LOADING;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const dead = (cause: unknown): void => {
    if (stopped) return;
    failed(new OwnerError('ERR_GUNPORT_TARGET_DEAD', `no thread ${threadId} answers`, { cause }));
  };
  /** Resolves when it answers. */
  const knock = async (): Promise<void> => {
    while (!stopped && !(await isDelivered(threadId, KNOCK, [])));
  };
  const give = async (): Promise<void> => {
    if (stopped || (await isDelivered(threadId, offer, [offer.handshake]))) return;
    // It is busy, or has died with it.
    await knock();
  };
  const attempt = async (): Promise<void> => {
    try {
      await knock();
    } catch (error) {
      if (stopped || performance.now() >= until) dead(error);
      else timer = setTimeout(attempt, AGAIN);
      return;
    }
    await give().catch(dead);
  };
  void attempt();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

/** False: not in time, and it may be still. @throws nobody listens there. */
async function isDelivered(
  threadId: number,
  message: object,
  list: readonly MessagePort[],
): Promise<boolean> {
  try {
    await postMessageToThread(threadId, message, list, PATIENCE);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_WORKER_MESSAGING_TIMEOUT') return false;
    throw error;
  }
}
