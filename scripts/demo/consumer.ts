// consumer — a worker thread that takes the feed, counts it for a while, and hands it on.
// Started twice by crew.ts. The two hand over to each other, over a port between them and by their own timers: main
// has no part in it, and may be blocked.
// Invariant: what this thread knows of the feed is the ledger, which comes with it and leaves with it.

import { type MessagePort, parentPort, threadId } from 'node:worker_threads';
import { GunportError, type Received, receiveOwnership } from '../../lib/index.ts';
import { now } from './clock.ts';
import { Board, enter, type Ledger } from './ledger.ts';

/** What main tells a consumer. */
export type ToConsumer =
  | {
      readonly type: 'start';
      readonly index: number;
      readonly board: SharedArrayBuffer;
      /** How long to keep the feed, in milliseconds. */
      readonly every: number;
      /** To the other consumer. */
      readonly other: MessagePort;
    }
  | { readonly type: 'stop' };

/** What a consumer tells main: it is ready, or the feed has ended in its hands, and why its own monitor says so. */
export type FromConsumer =
  | { readonly type: 'ready'; readonly threadId: number }
  | { readonly type: 'end'; readonly kind: string; readonly message: string };

type Start = Extract<ToConsumer, { type: 'start' }>;

if (!parentPort) throw new Error('consumer.ts is a worker thread of the demo');
const main = parentPort;
const over = new AbortController();

// Offers of connections come by this port as well, and are not for this listener.
main.on('message', function listen(message: ToConsumer) {
  if (message.type === 'start') start(message);
  if (message.type !== 'stop') return;
  main.off('message', listen);
  over.abort();
});

function start(order: Start): void {
  // The first time it comes from main, then from the other consumer.
  for (const source of [main, order.other]) {
    // The loop has no other end than 'stop'.
    takeAll(source, order).catch((error: unknown) => {
      if (!over.signal.aborted) throw error;
      order.other.close();
    });
  }
  tell({ type: 'ready', threadId });
}

async function takeAll(source: MessagePort, order: Start): Promise<void> {
  const offers = receiveOwnership.all<Ledger>(source, { signal: over.signal });
  for await (const received of offers) await hold(received, order);
}

/** Counts until the feed has gone to the other consumer, or has ended. */
async function hold({ connection, feed, data }: Received<Ledger>, order: Start): Promise<void> {
  const called = data.since;
  const ledger: Ledger = { ...data, handOvers: data.handOvers + 1, owner: order.index, since: now() };
  const board = new Board(order.board);
  board.publish(ledger);
  const monitor = connection.monitor();
  const give = async (): Promise<void> => {
    try {
      await feed.transferOwnership(order.other, { data: { ...ledger, since: now() } });
    } catch {
      // It is ours as before. Of a dead connection the loop hears; any other failure is counted, and tried again.
      if (connection.status === 'dead') return;
      ledger.failures++;
      timer = setTimeout(give, order.every);
    }
  };
  let timer = setTimeout(give, order.every);
  let silent = true;
  try {
    for await (const batch of feed.batches()) {
      if (silent) ledger.silence = Math.max(ledger.silence, (now() - called) * 1000);
      silent = false;
      enter(ledger, batch);
      board.publish(ledger);
    }
    tell({ type: 'end', kind: 'closed', message: 'the server closed the feed' });
  } catch (error) {
    if (error instanceof GunportError && error.code === 'ERR_GUNPORT_NOT_OWNER') return;
    const down = await monitor.down;
    const message = error instanceof Error ? error.message : String(error);
    tell({ type: 'end', kind: down?.reason.kind ?? 'no Down', message });
  } finally {
    clearTimeout(timer);
  }
}

function tell(message: FromConsumer): void {
  main.postMessage(message);
}
