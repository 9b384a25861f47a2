// measure — one round of one peer: how much, and how long the main thread was at work for it.
// Called through the works for each peer in turn.
// Invariant: every round has a fresh connection and begins with a quiet main thread and an empty nursery, so that no
// peer pays for another's garbage or backlog; what was counted is checked against the size of a message.
// Active time is all time in which the loop did not wait for events (performance.eventLoopUtilization). Where more
// threads are busy than there are cores it has the wait for a core in it, so the CPU time of the thread stands beside.

import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { latencies } from './latency.ts';
import { peakMemory, resetPeak } from './memory.ts';
import type { Carrier, Open, Sample, Tally } from './work.ts';

export interface Times {
  readonly window: number;
  readonly warmup: number;
}

/** For a connection to open, and for its first message, in ms. */
const OPEN_DEADLINE = 10_000;
const MIB = 1024 * 1024;

const collectGarbage = exposeGc();

/** A window out of what has no end. `size`: bytes of one message.
 *  @throws when the peer cannot open, ends early, receives nothing, or loses bytes. */
export async function measure(open: Open, size: number, { window, warmup }: Times): Promise<Sample> {
  const tally: Tally = { messages: 0, bytes: 0, error: undefined };
  await settle();
  const close = await opened(open(tally));
  try {
    await delay(warmup);
    await firstMessage(tally);
    return await windowOf(tally, size, window);
  } finally {
    await close();
  }
}

/** One thing from its beginning to its end, counted in MiB. @throws as `measure`. */
export async function measureWhole(open: () => Promise<Carrier>, size: number): Promise<Sample> {
  await settle();
  const carrier = await opened(open());
  try {
    const stop = begin();
    const bytes = await carrier.fetch();
    const found = stop(bytes / MIB);
    if (bytes !== size) throw new Error(`${size} bytes came as ${bytes}`);
    return found;
  } finally {
    await carrier.close();
  }
}

async function windowOf(tally: Tally, size: number, window: number): Promise<Sample> {
  const stop = begin();
  const before = tally.messages;
  if (tally.took) tally.took = [];
  await delay(window);
  const messages = tally.messages - before;
  const found = stop(messages);
  check(tally, size);
  if (messages === 0) throw new Error(`no message in ${window} ms`);
  return tally.took ? { ...found, ...latencies(tally.took) } : found;
}

/** Starts all clocks; the result stops them. */
export function begin(): (messages: number) => Sample {
  resetPeak();
  const cpu = process.cpuUsage();
  const mainCpu = mainThreadCpu();
  const loop = performance.eventLoopUtilization();
  const start = performance.now();
  return (messages) => {
    const elapsed = performance.now() - start;
    const { active, utilization } = performance.eventLoopUtilization(loop);
    const { user, system } = process.cpuUsage(cpu);
    const mainCpuAfter = mainThreadCpu();
    return {
      rate: (messages / elapsed) * 1_000,
      activeNs: (active / messages) * 1e6,
      mainCpuNs: mainCpu && mainCpuAfter && (mainCpuAfter - mainCpu) / messages,
      cpuNs: ((user + system) / messages) * 1_000,
      busy: utilization,
      peakBytes: peakMemory(),
    };
  };
}

function check({ messages, bytes, error }: Tally, size: number): void {
  if (error !== undefined) throw error;
  // A peer that counts fractions of messages is right to a millionth.
  if (Math.abs(bytes / (messages * size) - 1) > 1e-6) {
    throw new Error(`${messages} messages of ${size} bytes came as ${bytes} bytes`);
  }
}

async function opened<T>(opening: Promise<T>): Promise<T> {
  const late = new AbortController();
  const deadline = delay(OPEN_DEADLINE, undefined, { signal: late.signal }).then(() => {
    throw new Error(`not open within ${OPEN_DEADLINE} ms`);
  });
  try {
    return await Promise.race([opening, deadline]);
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
export async function settle(): Promise<void> {
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
