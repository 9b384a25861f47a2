// works — ten thousand WebSockets that are open and silent: how fast they are opened, and what each takes.
// Started by run.ts. Invariant: a round of a peer is a process of its own, against a server of its own, so that no
// memory is that of an earlier round, and the ports of one are free for the next.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { PortReady } from '../instruments/accepting.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Group, Peer, Sample, Target, Work } from '../instruments/work.ts';
import { CONNECTION_PEER_NAMES, CONNECTION_PEERS, type ConnectionPeerName } from './peers.ts';

const NAME = 'idle';
const KIB = 1_024;
const COUNT = 10_000;
const QUICK_COUNT = 1_000;
const TARGETS: readonly Target[] = [
  { peer: 'gunport', figure: 'rate', least: 1 },
  { peer: 'gunport', figure: 'rssBytes', most: 32 * KIB, absolute: true },
];
/** Files that a process needs beside its connections. */
const OTHER_FILES = 200;
/** From the last that opens to the look at the memory, in ms. */
const PAUSE = 3_000;
const QUICK_PAUSE = 300;
/** For one round, in ms. */
const DEADLINE = 120_000;

export const CONNECTIONS: Group = {
  works: [NAME],
  peers: CONNECTION_PEER_NAMES,
  start: async (_names, { quick }) => {
    const count = Math.min(quick ? QUICK_COUNT : COUNT, mostFiles() - OTHER_FILES);
    const pause = quick ? QUICK_PAUSE : PAUSE;
    const peers = CONNECTION_PEER_NAMES.map((name): Peer => {
      const { label } = CONNECTION_PEERS[name];
      return { name, label, measure: () => round(name, count, pause) };
    });
    return { works: [workOf(peers, count)], [Symbol.asyncDispose]: async () => {} };
  },
};

function workOf(peers: readonly Peer[], count: number): Work {
  return {
    name: NAME,
    label: `${count} idle connections`,
    unit: { rate: 'opens/s', per: 1 },
    base: { peer: 'ws', label: 'ws on main' },
    peers,
    columns: ['rate', 'activeNs', 'cpuNs', 'rssBytes', 'leastBytes'],
    // Of fewer, compiling is most of the time, and the heaps that grow most of the memory.
    targets: count < COUNT ? [] : TARGETS,
    notes: [
      'a process for each round of each, against a server process of its own; 100 are opened at a time',
    ],
  };
}

async function round(peer: ConnectionPeerName, count: number, pause: number): Promise<Sample> {
  await using server = await ServerProcess.start<PortReady>(fileBeside(import.meta.url, 'server'));
  const url = `ws://127.0.0.1:${server.ready.port}/`;
  const client = fork(fileBeside(import.meta.url, 'client'), [peer, url, String(count), String(pause)]);
  const ended = once(client, 'exit');
  const late = setTimeout(() => client.kill(), DEADLINE);
  try {
    const failed = ended.then(([code, signal]) => {
      throw new Error(`its process ended with ${signal ?? code}`);
    });
    const [sample] = await Promise.race([once(client, 'message'), failed]);
    return sample as Sample; // It sends nothing else.
  } finally {
    clearTimeout(late);
    client.kill('SIGKILL');
    await ended;
  }
}

/** A socket is one. Source: Linux, proc_pid_limits(5). */
function mostFiles(): number {
  try {
    const most = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return most === undefined ? Number.POSITIVE_INFINITY : Number(most);
  } catch {
    return Number.POSITIVE_INFINITY; // Not Linux: where it is too few, the row says so.
  }
}
