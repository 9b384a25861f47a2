// fresh — a process that does one thing: it loads one peer, and waits for that one's first message.
// Forked by works.ts for each round of each peer, with the peer's name and the server's URL; tells its figures once, and
// leaves with its parent. Times begin at the import: those of Node itself are the same for all.

import { setTimeout as delay } from 'node:timers/promises';
import type { Sample } from '../instruments/work.ts';
import { STARTUP_PEERS, type StartupPeerName, THREADS } from './peers.ts';

/** What is started beside the first message, and freed after it, has an end by then, in ms. */
const REST = 50;

const [, , name, url = ''] = process.argv;
const { load, threads } = STARTUP_PEERS[name as StartupPeerName]; // works.ts gives no other.

const start = performance.now();
const greet = await load();
const loaded = performance.now();
await greet(url);
const greeted = performance.now();
await delay(REST);
const rss = process.memoryUsage.rss();
const sample: Sample = {
  loadMs: loaded - start,
  firstMs: greeted - start,
  residentBytes: rss,
  threadBytes: threads && (await furtherThreads(rss)),
};
process.on('disconnect', () => process.exit());
process.send?.(sample);

/** Memory of each thread after the first, with a connection in it. */
async function furtherThreads(before: number): Promise<number> {
  for (let more = 1; more < THREADS; more++) await greet(url);
  await delay(REST);
  return (process.memoryUsage.rss() - before) / (THREADS - 1);
}
