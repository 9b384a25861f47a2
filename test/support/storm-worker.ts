// storm-worker — the entry of a thread that takes part in a transfer storm; see storm-actor.ts.
// Invariant: it ends by itself once it was told to stop.

import { type MessagePort, workerData } from 'node:worker_threads';
import { Actor, type Begin, type Report, type Setup } from './storm-actor.ts';

/** What a thread of a storm is told. */
export type Order =
  | { readonly type: 'setup'; readonly setup: Setup }
  | ({ readonly type: 'begin' } & Begin)
  | { readonly type: 'stop' };

// The worker's data is made by storm.ts.
const { orders } = workerData as { orders: MessagePort };
let actor: Actor | undefined;

orders.on('message', (order: Order) => {
  switch (order.type) {
    case 'setup':
      actor = new Actor(order.setup, (report: Report) => orders.postMessage(report));
      return actor.start();
    case 'begin':
      return actor?.begin(order);
    case 'stop':
      actor?.stop();
      return orders.close();
    default:
      order satisfies never;
  }
});
