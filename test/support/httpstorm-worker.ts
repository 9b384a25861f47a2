// httpstorm-worker — the entry of a thread that takes part in a storm of requests; see httpstorm-actor.ts.
// Invariant: it ends by itself once it was told to stop.

import { type MessagePort, workerData } from 'node:worker_threads';
import { Actor, type Report, type Setup } from './httpstorm-actor.ts';

// The worker's data is made by httpstorm.ts.
const { orders } = workerData as { orders: MessagePort };
let actor: Actor | undefined;

orders.on('message', (order: { readonly setup: Setup } | 'stop') => {
  if (order === 'stop') {
    actor?.stop();
    return orders.close();
  }
  actor = new Actor(order.setup, (report: Report) => orders.postMessage(report));
  actor.start();
});
