// measure — what a thread, and the whole process, holds on to at a rest.
// Called by soak.ts in main, by consumer.ts and probe-lookup.ts in other threads, with everything that is no longer used
// collected. Invariant: it keeps nothing alive itself.

import { collect, giveBack } from '../../support/collector.ts';
import { openModules } from '../../support/handles.ts';
import { snapshot } from '../../support/leaks.ts';
import { turns } from '../../support/tracker.ts';

/** One thread. */
export interface Held {
  /** Bytes in use: heap, and what lies outside of it. */
  readonly heap: number;
  readonly external: number;
  /** What keeps it alive, by type. */
  readonly resources: Readonly<Record<string, number>>;
  readonly listeners: number;
}

/** The process. */
export interface Whole {
  readonly rss: number;
  readonly threads: number;
  /** Without the modules that Node forgets to close. */
  readonly descriptors: number;
}

/** Of this thread. */
export async function held(): Promise<Held> {
  // What a finalizer lets go of, or closes, is collected by the next one.
  for (let times = 0; times < 3; times++) {
    collect();
    await turns(2);
  }
  await giveBack();
  await turns(2);
  const { heapUsed, external } = process.memoryUsage();
  const {
    threads: _threads,
    descriptors: _descriptors,
    Immediate: _now,
    TickObject: _ticks,
    ...resources
  } = snapshot();
  const names = process.eventNames();
  const listeners = names.reduce((sum, name) => sum + process.listenerCount(name), 0);
  return { heap: heapUsed, external, resources, listeners };
}

export function whole(): Whole {
  const { threads = 0, descriptors = 0 } = snapshot();
  return { rss: process.memoryUsage.rss(), threads, descriptors: descriptors - openModules() };
}

/** Kinds of libuv's handles that something of ours holds; `async` are ports, whether they keep anything alive or not. */
const KINDS: ReadonlySet<string> = new Set(['async', 'tcp', 'pipe', 'udp', 'process', 'tty']);

/** What the loops of main, and of all threads that it has started, hold open: counted by kind. Source: process.report. */
export function handles(): Record<string, number> {
  const { libuv, workers } = report();
  const found: Record<string, number> = {};
  const add = (all: Report['libuv'], where: string): void => {
    for (const { type } of all) {
      if (!KINDS.has(type)) continue;
      const name = `${type === 'async' ? 'ports' : type} of ${where}`;
      found[name] = (found[name] ?? 0) + 1;
    }
  };
  add(libuv, 'main');
  for (const worker of workers) add(worker.libuv, 'threads');
  return found;
}

/** What each thread that main has started is doing: its stack, and its sockets. */
export function doings(): string {
  const { workers } = report();
  const all = workers.map(({ header, javascriptStack: { message, stack }, libuv }) => {
    const sockets = libuv.filter(({ type }) => type === 'tcp').map((socket) => JSON.stringify(socket));
    return [`thread ${header.threadId}: ${message ?? ''}`, ...(stack ?? []), ...sockets].join('\n    ');
  });
  return all.join('\n');
}

function report(): Report {
  if (!process.report) throw new Error('this Node makes no reports');
  Object.assign(process.report, { excludeNetwork: true }); // @types/node 20 leaves it out.
  return process.report.getReport() as unknown as Report;
}

/** What is used of Node's. */
interface Report {
  readonly header: { readonly threadId?: number };
  readonly javascriptStack: { readonly message?: string; readonly stack?: readonly string[] };
  readonly libuv: readonly { readonly type: string }[];
  readonly workers: readonly Report[];
}
