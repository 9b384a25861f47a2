// works — a message that is sent when the answer to the last has come: how long one takes, there and back.
// Started by run.ts; peers.ts says who sends.

import type { PortReady } from '../instruments/accepting.ts';
import { measure } from '../instruments/measure.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Close, Group, Peer, Tally, Work } from '../instruments/work.ts';
import { ECHO_PEER_NAMES, ECHO_PEERS, type EchoPeer } from './peers.ts';

const NAME = 'echo';
const SIZE = 64;
const MESSAGE = Buffer.alloc(SIZE, 0x2a);

export const ECHOES: Group = {
  works: [NAME],
  peers: ECHO_PEER_NAMES,
  start: async (_names, settings) => {
    const server = await ServerProcess.start<PortReady>(fileBeside(import.meta.url, 'server'));
    const url = `ws://127.0.0.1:${server.ready.port}/`;
    const peers = ECHO_PEER_NAMES.map((peer): Peer => {
      const way = ECHO_PEERS[peer];
      const open = (tally: Tally): Promise<Close> => echo(way, url, tally);
      return { name: peer, label: way.label, measure: () => measure(open, SIZE, settings) };
    });
    return server.serving([workOf(peers)]);
  },
};

function workOf(peers: readonly Peer[]): Work {
  return {
    name: NAME,
    label: 'echo 64 B, one at a time',
    unit: { rate: 'k/s', per: 1_000 },
    base: { peer: 'ws', label: 'ws on main' },
    peers,
    columns: ['p50', 'p99', 'p999', 'max', 'rate', 'mainCpuNs', 'cpuNs'],
    targets: [
      { peer: 'gunport', figure: 'p50', most: 1.7 },
      { peer: 'gunport', figure: 'p99', most: 2 },
    ],
  };
}

/** Sends from its own answers until it is closed. */
async function echo({ open }: EchoPeer, url: string, tally: Tally): Promise<Close> {
  tally.took = [];
  let sent = 0;
  let closing = false;
  const send = (): void => {
    sent = performance.now();
    line.send(MESSAGE);
  };
  const line = await open(url, {
    answered: (length) => {
      if (closing) return;
      tally.took?.push((performance.now() - sent) * 1_000);
      tally.messages++;
      tally.bytes += length;
      send();
    },
    failed: (error) => {
      if (!closing) tally.error ??= error;
    },
  });
  send();
  return async () => {
    closing = true;
    await line.close();
  };
}
