// works — the payloads of a WebSocket feed as works of the benchmark, each with all who receive it.
// Started by run.ts; payloads.ts says what is received, peers.ts by whom.

import { measure } from '../instruments/measure.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Group, Peer, Settings, Target, Unit, Work } from '../instruments/work.ts';
import { FOREIGN_NAMES, type Foreign, findForeigners, foreignPeer } from './foreign.ts';
import { type FeedReady, PAYLOAD_NAMES, PAYLOADS, type PayloadName, type Source } from './payloads.ts';
import { FEED_PEER_NAMES, FEED_PEERS } from './peers.ts';

const MESSAGES: Unit = { rate: 'k msg/s', per: 1_000 };

const GUN = { figure: 'rate', against: 'gun' } as const;

const TARGETS: Readonly<Record<PayloadName, readonly Target[]>> = {
  '16B': [],
  '64B': [
    { peer: 'events', figure: 'rate', least: 5 },
    { peer: 'events', figure: 'activeNs', most: 1 / 6 },
    { peer: 'for-await', figure: 'rate', least: 2.5 },
    { peer: 'for-await', figure: 'activeNs', most: 2 / 5 },
    { peer: 'batches', figure: 'rate', least: 0.4, against: 'c-floor' },
    { peer: 'batches', figure: 'activeNs', most: 1 / 10 },
    { peer: 'borrowed', figure: 'rate', least: 0.6, against: 'c-floor' },
    { peer: 'borrowed', figure: 'activeNs', most: 1 / 10 },
    { ...GUN, peer: 'events', least: 10 },
  ],
  '150B': [
    { peer: 'events', figure: 'rate', least: 3 },
    { ...GUN, peer: 'events', least: 10 },
  ],
  '1KiB': [
    { peer: 'events', figure: 'rate', least: 1.8 },
    { ...GUN, peer: 'events', least: 10 },
  ],
  '16KiB': large(),
  '1MiB': large(),
  tls: [{ peer: 'events', figure: 'rate', least: 1.5 }],
  deflate: [
    { peer: 'events', figure: 'rate', least: 25 },
    { ...GUN, peer: 'events', least: 1.5 },
  ],
};

function large(): readonly Target[] {
  return [
    { peer: 'events', figure: 'rate', least: 0.85 },
    { peer: 'borrowed', figure: 'rate', least: 1.2 },
  ];
}

/** Those that a quick run has at all payloads; at this one it has all. */
const QUICK: readonly string[] = ['events', 'borrowed', 'ws', 'gun'];
const WHOLE: PayloadName = '64B';

export const FEEDS: Group = {
  works: PAYLOAD_NAMES,
  peers: [...FEED_PEER_NAMES, ...FOREIGN_NAMES],
  start: async (names, settings) => {
    const server = await ServerProcess.start<FeedReady>(fileBeside(import.meta.url, 'server'), names);
    const foreigners = await findForeigners();
    const works = PAYLOAD_NAMES.filter((name) => names.includes(name)).map((name) =>
      workOf(sourceOf(name, server.ready), foreigners.all, settings),
    );
    return {
      works,
      [Symbol.asyncDispose]: async () => {
        await foreigners[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
};

function sourceOf(name: PayloadName, { port, securePort, ca, frameBytes }: FeedReady): Source {
  const payload = PAYLOADS[name];
  const origin = payload.secure ? `wss://127.0.0.1:${securePort}` : `ws://127.0.0.1:${port}`;
  return { url: `${origin}/${name}`, payload, frameBytes: frameBytes[name] ?? 0, ca };
}

function workOf(source: Source, foreigners: readonly Foreign[], settings: Settings): Work {
  const { payload } = source;
  const { name, label, size } = payload;
  const here = FEED_PEER_NAMES.filter((peer) => !FEED_PEERS[peer].skips?.(payload)).map((peer): Peer => {
    const { label, open } = FEED_PEERS[peer];
    return { name: peer, label, measure: () => measure((tally) => open(source, tally), size, settings) };
  });
  const wanted = foreigners.filter(({ skips }) => !skips(payload));
  const found = wanted.filter(({ missing }) => missing === undefined);
  const peers = [...here, ...found.map((foreign) => foreignPeer(foreign, source, settings))];
  const notes = wanted.flatMap(({ missing }) => missing ?? []);
  const base = { peer: 'ws', label: 'ws on main' };
  const quick = name === WHOLE ? undefined : QUICK;
  return { name, label, unit: MESSAGES, base, peers, quick, targets: TARGETS[name], notes };
}
