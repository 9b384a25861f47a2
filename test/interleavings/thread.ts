// thread — a program in a thread of its own.
// Started by play.ts. Invariant: it listens to its orders; parentPort stays for offers.

import { type MessagePort, parentPort, threadId, workerData } from 'node:worker_threads';
import { type Order, Program, type Told } from './program.ts';

/** From main. */
export type ToThread =
  | { readonly type: 'begin' }
  // `toParent`: the offer comes by the thread's own parentPort
  | { readonly type: 'order'; readonly order: Order; readonly toParent?: boolean }
  | { readonly type: 'settle' }
  | { readonly type: 'read' }
  | { readonly type: 'finish' };

/** To main. */
export type FromThread =
  | { readonly type: 'told'; readonly told: Told }
  | { readonly type: 'settled'; readonly owns: boolean }
  | { readonly type: 'done' };

// Made by play.ts.
const { orders } = workerData as { orders: MessagePort };
const post = (message: FromThread): void => orders.postMessage(message);
const begin = (): Program => new Program(`${threadId}`, (told) => post({ type: 'told', told }));
let program = begin();

orders.on('message', async (message: ToThread) => {
  switch (message.type) {
    case 'begin':
      program = begin();
      return;
    case 'order': {
      const { order, toParent } = message;
      if (order.do === 'wait' && toParent) return program.obey({ ...order, port: parentPort as MessagePort });
      return program.obey(order);
    }
    case 'settle':
      return post({ type: 'settled', owns: await program.settle() });
    case 'read':
      return program.readToEnd();
    case 'finish':
      await program.finish();
      return post({ type: 'done' });
    default:
      message satisfies never;
  }
});
