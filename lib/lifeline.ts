// lifeline — this thread's one port to each host, on which it hears of the death of what it owns.
// Fed by host.ts (same thread or another); handles register here and are told once.
// Invariant: whoever watches a process hears of its end once, whatever thread it or its watcher is in. One thread may
// hold several handles on one process: a connection that came back, and the old one with a monitor that was kept.
// A Worker's 'exit' is seen by its creator only, and a data port's 'close' is queued behind unread data:
// so Down has a road of its own that never carries data. Source: Erlang monitors; node-threads facts 2 and 3.

import { MessageChannel, type MessagePort, threadId } from 'node:worker_threads';
import type { GunportEventName } from './events/eventtypes.ts';
import { isFromHost } from './shapes.ts';
import type { DownRecord, FromHost, ToHost } from './wire.ts';

/** What is told of a process that it watches. */
export interface Watcher {
  processDown(reason: DownRecord): void;
}

/** A way to speak to one host. */
export interface Line {
  post(message: ToHost, transfer?: readonly MessagePort[]): void;
  /** Who listens to events: the host's word, see eventwire.ts. */
  readonly listens: Int32Array;
  /** For handovers.ts. */
  readonly events: LineEvents;
}

/** Events on their way to one host. */
export class LineEvents {
  /** Posted, and not yet published. */
  unread = 0;
  /** Counts of those that were not posted, and not told of. */
  dropped: Partial<Record<GunportEventName, number>> = {};

  /** One is under way, and with it what was dropped before. */
  posted(): void {
    this.unread++;
    this.dropped = {};
  }

  read(): void {
    if (this.unread > 0) this.unread--;
  }
}

// Per thread, as it must be: the thread's own lines and watches.
const lines = new Map<string, Line>();
const watched = new Map<string, { readonly host: string; readonly watchers: Set<Watcher> }>();

let counter = 0;
/** A name no other connection of this process has. */
export function newId(): string {
  counter++;
  return `${threadId}.${counter}`;
}

export function lineTo(host: string): Line | undefined {
  return lines.get(host);
}

/** Names of the hosts this thread has a line to. */
export function knownHosts(): string[] {
  return [...lines.keys()];
}

/** The host lives in this thread. */
export function joinLocal(host: string, line: Line): void {
  lines.set(host, line);
}

/** Takes a line that was laid or dialled for this thread. A second one to the same host is not needed. `listens`: the
 *  host's word. */
export function join(host: string, port: MessagePort, listens: SharedArrayBuffer): void {
  if (lines.has(host)) return port.close();
  const events = new LineEvents();
  lines.set(host, {
    post: (message, transfer) => port.postMessage(message, transfer),
    listens: new Int32Array(listens),
    events,
  });
  port.on('message', (message: unknown) => {
    if (!isFromHost(message)) return;
    if (message.type === 'eventRead') events.read();
    else hear(message);
  });
  port.on('close', () => {
    lines.delete(host);
    const ids = [...watched].filter(([, entry]) => entry.host === host).map(([id]) => id);
    // The workers of a thread die with it.
    hear({ type: 'down', ids, reason: { kind: 'terminated', message: 'the thread that hosts it ended' } });
  });
  port.unref();
}

/** One message of a host. */
export function hear(message: FromHost): void {
  if (message.type !== 'down') return;
  for (const id of message.ids) {
    const entry = watched.get(id);
    watched.delete(id);
    for (const watcher of entry?.watchers ?? []) watcher.processDown(message.reason);
  }
}

/** Tells `watcher` of the end of process `id`; at once when it is dead already. */
export function watch(id: string, host: string, watcher: Watcher): void {
  expect(id, host, watcher);
  lines.get(host)?.post({ type: 'watch', id });
}

/** The same for a process that this thread is opening: its host watches for the opener by itself. */
export function expect(id: string, host: string, watcher: Watcher): void {
  const entry = watched.get(id);
  if (entry) entry.watchers.add(watcher);
  else watched.set(id, { host, watchers: new Set([watcher]) });
}

export function unwatch(id: string, watcher: Watcher): void {
  const entry = watched.get(id);
  if (!entry?.watchers.delete(watcher) || entry.watchers.size > 0) return;
  watched.delete(id);
  lines.get(entry.host)?.post({ type: 'unwatch', id });
}

/** A life line to `host` for another thread, made without waiting for anybody. */
export function lay(host: string): MessagePort | undefined {
  const line = lines.get(host);
  if (!line) return undefined;
  const { port1, port2 } = new MessageChannel();
  line.post({ type: 'lay', port: port1 }, [port1]);
  return port2;
}
