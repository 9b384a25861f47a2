// client — the process that opens many WebSockets and holds them: how fast, and what each takes while it is idle.
// Forked by works.ts for one round of one peer: `client.js PEER URL COUNT PAUSE`; sends its sample, and is killed.
// Invariant: what is loaded, compiled and started for the first connections is in the memory before, not in that of each.
// Source: memory is VmRSS (process.memoryUsage), as the kernel counts it: of all threads and of their native parts.

import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { begin, settle } from '../instruments/measure.ts';
import { CONNECTION_PEERS, isConnectionPeer } from './peers.ts';

/** Opened one by one before anything is measured. */
const FIRST = 50;
/** Opened at a time. */
const ABREAST = 100;

const [peer, url = '', count = '', pause = ''] = process.argv.slice(2);
if (!isConnectionPeer(peer)) throw new Error(`there is no peer ${peer}`);
process.on('disconnect', () => process.exit());

const open = await CONNECTION_PEERS[peer].load(url);
/** Whatever is open, so that nobody collects it. */
const held: unknown[] = [];
for (let i = 0; i < FIRST; i++) held.push(await open());
await settle();

const before = process.memoryUsage.rss();
const stop = begin();
let left = Number(count);
const openers = Array.from({ length: ABREAST }, async () => {
  while (left-- > 0) held.push(await open());
});
await Promise.all(openers);
const opened = stop(Number(count));
await delay(Number(pause));
const rssBytes = (process.memoryUsage.rss() - before) / Number(count);
await collect();
const leastBytes = (process.memoryUsage.rss() - before) / Number(count);
if (held.length !== FIRST + Number(count)) throw new Error(`${held.length} are held`);
process.send?.({ ...opened, rssBytes, leastBytes });

/** Everything, on main: a thread of gunport's collects when it wants to. */
async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc === 'function') gc();
  await delay(300);
}
