// measure — one window of one peer: how many messages, and how long the main thread was at work for them.
// Called by run.ts for each peer in turn.
// Invariant: every window has a fresh connection and begins with a quiet main thread and an empty nursery, so that no
// peer pays for another's garbage or backlog; what was counted is checked against the size of a message.
// Active time is all time in which the loop did not wait for events (performance.eventLoopUtilization). Where more
// threads are busy than there are cores it has the wait for a core in it, so the CPU time of the thread stands beside.

import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Close, Peer, Source, Tally } from './peer.ts';

export interface Sample {
  readonly messages: number;
  /** Length of the window as it came out, in ms. */
  readonly elapsed: number;
  /** Messages per second. */
  readonly rate: number;
  /** Main thread's active time per message, in ns. */
  readonly activeNs: number;
  /** The part of `activeNs` in which the main thread had a core; undefined where the system does not tell. */
  readonly mainCpuNs: number | undefined;
  /** CPU time of the whole process, all its threads, per message, in ns. */
  readonly cpuNs: number;
  /** Share of the window that the main thread was at work, 0 to 1. */
  readonly busy: number;
}

export interface Times {
  readonly window: number;
  readonly warmup: number;
}

/** For a connection to open, and for its first message, in ms. */
const OPEN_DEADLINE = 10_000;

const collectGarbage = exposeGc();

/** @throws when the peer cannot open, ends early, receives nothing, or loses bytes. */
export async function measure(peer: Peer, source: Source, times: Times): Promise<Sample> {
  const tally: Tally = { messages: 0, bytes: 0, error: undefined };
  await settle();
  const close = await opened(peer, source, tally);
  try {
    await delay(times.warmup);
    await firstMessage(tally);
    return await sample(tally, source, times.window);
  } finally {
    await close();
  }
}

async function sample(tally: Tally, source: Source, window: number): Promise<Sample> {
  const cpu = process.cpuUsage();
  const mainCpu = mainThreadCpu();
  const loop = performance.eventLoopUtilization();
  const start = performance.now();
  const before = tally.messages;
  await delay(window);
  const messages = tally.messages - before;
  const elapsed = performance.now() - start;
  const { active, utilization } = performance.eventLoopUtilization(loop);
  const { user, system } = process.cpuUsage(cpu);
  const mainCpuAfter = mainThreadCpu();
  check(tally, source);
  if (messages === 0) throw new Error(`no message in ${Math.round(elapsed)} ms`);
  return {
    messages,
    elapsed,
    rate: (messages / elapsed) * 1_000,
    activeNs: (active / messages) * 1e6,
    mainCpuNs: mainCpu && mainCpuAfter && (mainCpuAfter - mainCpu) / messages,
    cpuNs: ((user + system) / messages) * 1_000,
    busy: utilization,
  };
}

function check({ messages, bytes, error }: Tally, { payload }: Source): void {
  if (error !== undefined) throw error;
  // A peer that counts fractions of messages is right to a millionth.
  if (Math.abs(bytes / (messages * payload.size) - 1) > 1e-6) {
    throw new Error(`${messages} messages of ${payload.size} bytes came as ${bytes} bytes`);
  }
}

async function opened(peer: Peer, source: Source, tally: Tally): Promise<Close> {
  const late = new AbortController();
  const deadline = delay(OPEN_DEADLINE, undefined, { signal: late.signal }).then(() => {
    throw new Error(`not open within ${OPEN_DEADLINE} ms`);
  });
  try {
    return await Promise.race([peer.open(source, tally), deadline]);
  } finally {
    late.abort();
    deadline.catch(() => {}); // The race has had its answer.
  }
}

async function firstMessage(tally: Tally): Promise<void> {
  const start = performance.now();
  while (tally.messages === 0) {
    if (tally.error !== undefined) throw tally.error;
    if (performance.now() - start > OPEN_DEADLINE) throw new Error(`no message within ${OPEN_DEADLINE} ms`);
    await delay(5);
  }
}

/** Waits until what the last peer left behind is done with: its backlog first, its garbage after it. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    const loop = performance.eventLoopUtilization();
    await delay(20);
    if (performance.eventLoopUtilization(loop).utilization < 0.2) break;
  }
  collectGarbage();
}

/** CPU time of the main thread so far, in ns. Source: Linux, Documentation/scheduler/sched-stats.rst. */
function mainThreadCpu(): number | undefined {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[0]);
  } catch {
    return undefined; // Not Linux, or not told.
  }
}

/** Empties the nursery, without asking for a flag on the command line. A full collection would throw optimized code
 *  away, and each window would begin with compiling. */
function exposeGc(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  return typeof gc === 'function' ? () => void gc({ type: 'minor' }) : () => {};
}
