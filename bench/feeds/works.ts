// works — the payloads of a WebSocket feed as works of the benchmark, each with all who receive it.
// Started by run.ts; payloads.ts says what is received, peers.ts by whom.

import { measure } from '../instruments/measure.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Group, Peer, Settings, Target, Unit, Work } from '../instruments/work.ts';
import { type FeedReady, PAYLOAD_NAMES, PAYLOADS, type PayloadName, type Source } from './payloads.ts';
import { FEED_PEER_NAMES, FEED_PEERS } from './peers.ts';

const MESSAGES: Unit = { rate: 'k msg/s', per: 1_000 };

const TARGETS: Readonly<Partial<Record<PayloadName, readonly Target[]>>> = {
  '64B': [
    { peer: 'events', figure: 'rate', least: 5 },
    { peer: 'events', figure: 'activeNs', most: 1 / 6 },
    { peer: 'for-await', figure: 'rate', least: 2.5 },
    { peer: 'for-await', figure: 'activeNs', most: 2 / 5 },
    { peer: 'batches', figure: 'activeNs', most: 1 / 10 },
    { peer: 'borrowed', figure: 'activeNs', most: 1 / 10 },
  ],
  '150B': [{ peer: 'events', figure: 'rate', least: 3 }],
  deflate: [{ peer: 'events', figure: 'rate', least: 25 }],
};

export const FEEDS: Group = {
  works: PAYLOAD_NAMES,
  peers: FEED_PEER_NAMES,
  start: async (names, settings) => {
    const server = await ServerProcess.start<FeedReady>(fileBeside(import.meta.url, 'server'), names);
    const works = PAYLOAD_NAMES.filter((name) => names.includes(name)).map((name) =>
      workOf(name, server.ready, settings),
    );
    return { works, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  },
};

function workOf(name: PayloadName, { port, frameBytes }: FeedReady, settings: Settings): Work {
  const payload = PAYLOADS[name];
  const source: Source = {
    url: `ws://127.0.0.1:${port}/${name}`,
    payload,
    frameBytes: frameBytes[name] ?? 0,
  };
  const names = FEED_PEER_NAMES.filter((peer) => !FEED_PEERS[peer].skips?.(payload));
  const peers = names.map((peer): Peer => {
    const { label, open } = FEED_PEERS[peer];
    return {
      name: peer,
      label,
      measure: () => measure((tally) => open(source, tally), payload.size, settings),
    };
  });
  const base = { peer: 'ws', label: 'ws on main' };
  return { name, label: payload.label, unit: MESSAGES, base, peers, targets: TARGETS[name] ?? [] };
}
