// worker-owner — a thread that is given the feed, and keeps how old each message was when it had it.
// Started by peers.ts; asked with any message, it answers with the ages since it was asked last.

import { parentPort } from 'node:worker_threads';
import { receiveOwnership } from '../../lib/index.ts';
import { age } from './stamps.ts';

const { feed } = await receiveOwnership();
let ages: number[] = [];
feed.on('message', (data) => ages.push(age(data as Uint8Array))); // All are binary.
parentPort?.on('message', () => {
  parentPort?.postMessage(ages);
  ages = [];
});
