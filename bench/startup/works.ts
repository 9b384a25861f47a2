// works — from the import to the first message, in a process that is new each time; and what threads weigh.
// Started by run.ts; peers.ts says how, fresh.ts is the process.

import type { PortReady } from '../instruments/accepting.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Group, Peer, Sample, Work } from '../instruments/work.ts';
import { STARTUP_PEER_NAMES, STARTUP_PEERS, type StartupPeerName, THREADS } from './peers.ts';

const NAME = 'startup';

export const STARTUP: Group = {
  works: [NAME],
  peers: STARTUP_PEER_NAMES,
  start: async () => {
    const server = await ServerProcess.start<PortReady>(fileBeside(import.meta.url, 'server'));
    const url = `ws://127.0.0.1:${server.ready.port}/`;
    const peers = STARTUP_PEER_NAMES.map((name): Peer => {
      return { name, label: STARTUP_PEERS[name].label, measure: () => measureFresh(name, url) };
    });
    return server.serving([workOf(peers)]);
  },
};

function workOf(peers: readonly Peer[]): Work {
  return {
    name: NAME,
    label: 'start-up: import to first message',
    unit: { rate: '/s', per: 1 },
    base: { peer: 'ws', label: 'ws on main' },
    peers,
    columns: ['firstMs', 'loadMs', 'residentBytes', 'threadBytes'],
    notes: [
      'a process for each; ws in a worker loads nothing on main, its thread does',
      `memory of a further thread: from one to ${THREADS} threads, a connection in each`,
    ],
  };
}

/** The process says its figures when it is done. @throws when it ends without. */
async function measureFresh(name: StartupPeerName, url: string): Promise<Sample> {
  await using fresh = await ServerProcess.start<Sample>(fileBeside(import.meta.url, 'fresh'), [name, url]);
  return fresh.ready;
}
