// worker-owner — a thread that owns the feed in its turns: it takes it, reads its share, gives it on.
// Started by works.ts, with the ports of its neighbours; without one of them that neighbour is main.
// Invariant: what goes wrong in a turn ends the thread, and so the round.

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { receiveOwnership } from '../../lib/index.ts';
import { TransferLog } from './log.ts';
import { type Baton, takeTurn } from './turn.ts';

export interface Neighbours {
  readonly take: MessagePort | undefined;
  readonly give: MessagePort | undefined;
}

const { take, give } = workerData as Neighbours; // works.ts starts it.
if (!parentPort) throw new Error('it is a worker thread');
for await (const { feed, data } of receiveOwnership.all<Baton>(take ?? parentPort)) {
  await takeTurn(feed, data, new TransferLog(data.log), give ?? parentPort);
}
