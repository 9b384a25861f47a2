// host — the entry of a worker thread: the one piscina task that makes it host connection processes.
// Run by lib/spawn.ts; talks to its pool over the control port of the boot.
// Invariant: the task returns at once and the thread lives on, so an idle thread holds no process alive; it leaves
// by itself when it is told to, after its processes have ended politely.
// Source: Gun's gun_conns_sup: temporary children, never restarted.

import { type Boot, EXIT } from '../lib/bootwire.ts';
import { toRecord } from '../lib/errors.ts';
import type { HostToThread, Settings, ThreadToHost } from '../lib/wire.ts';
import { Cookies } from './cookies/cookies.ts';
import { watchHeap } from './heapwatch.ts';
import { shortenLastWords } from './lastwords.ts';
import { EventDesk } from './probes/probe.ts';
import { ConnectionProcess, type ProcessHost } from './process.ts';
import { Pulse } from './pulse.ts';

/** Makes this thread a host. */
export default function host({ control, exitWords, listens, pulse, beatEvery }: Boot): void {
  shortenLastWords();
  const words = new Int32Array(exitWords);
  const events = new EventDesk(listens, (message) => control.postMessage(message));
  process.on('exit', () => {
    // What has happened until then is told; the host reads it when the thread has gone.
    events.flush();
    // Runs for process.exit() and uncaught errors, not for terminate(): that is how lib/spawn.ts tells them apart.
    // Nobody else writes the words; they are read after this thread has gone.
    if (words[0] === 0) words[0] = EXIT.called;
  });
  watchHeap((used, limit) => {
    words.set([EXIT.full, Math.ceil(used), limit]);
    process.exit(1);
  });

  const processes = new Map<string, ConnectionProcess>();
  const beat = new Pulse(pulse, beatEvery, () => processes.size > 0);
  const settings: Settings[] = [];
  let leaving = false;
  const leaveWhenEmpty = (): void => {
    if (leaving && processes.size === 0) process.exit(0);
  };
  const tell = (message: ThreadToHost): void => {
    // In order: what led to an end is told before it.
    events.flush();
    control.postMessage(message);
  };
  const each: ProcessHost = {
    cookies: new Cookies(),
    events,
    ended: (id, reason) => tell({ type: 'ended', id, reason }),
    released: (id) => {
      processes.delete(id);
      tell({ type: 'released', id });
      leaveWhenEmpty();
    },
    orphan: (port, state) =>
      control.postMessage({ type: 'orphan', port, state } satisfies ThreadToHost, [port]),
  };

  /** Another thread may have asked for it, with settings that none of our checks has seen. */
  const begin = (message: HostToThread & { type: 'open' }, known: Settings): void => {
    const { id, port } = message;
    try {
      processes.set(id, new ConnectionProcess(message, known, each));
      beat.start();
    } catch (error) {
      port.close();
      const cause = toRecord(error);
      tell({ type: 'ended', id, reason: { kind: 'gave-up', message: 'it could not begin', cause } });
      tell({ type: 'released', id });
    }
  };

  control.on('message', (message: HostToThread) => {
    switch (message.type) {
      case 'open': {
        if (message.settings) settings[message.known] = message.settings;
        const known = settings[message.known];
        // They were told of before, or now: see lib/shared.ts.
        if (!known) throw new Error(`no settings are known at ${message.known}`);
        return begin(message, known);
      }
      case 'exit':
        leaving = true;
        for (const one of processes.values())
          one.shutdown({ kind: 'shutdown', message: 'its pool was closed' });
        return leaveWhenEmpty();
      case 'eventsRead':
        return events.read(message.weight);
      default:
        message satisfies never;
    }
  });
}
