// works — a WebSocket under full load that goes from owner to owner: how long nobody has a message, and how often it moves.
// Started by run.ts; route.ts moves it, turn.ts reads it.
// Invariant: every message is read once, in order, by one owner, or the round fails.

import { setTimeout as delay } from 'node:timers/promises';
import type { PortReady } from '../instruments/accepting.ts';
import { latencies } from '../instruments/latency.ts';
import { begin, settle, type Times } from '../instruments/measure.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Group, Peer, Sample, Work } from '../instruments/work.ts';
import type { TransferLog } from './log.ts';
import { Route } from './route.ts';
import { SHARE } from './turn.ts';

const NAME = 'transfer';
const PEERS = ['to-and-fro', 'ring'] as const;

const WAYS = {
  'to-and-fro': { label: 'gunport, main → worker → main', stops: 1 },
  ring: { label: 'gunport, main → worker → worker → main', stops: 2 },
} as const;

export const TRANSFERS: Group = {
  works: [NAME],
  peers: PEERS,
  start: async (_names, settings) => {
    const server = await ServerProcess.start<PortReady>(fileBeside(import.meta.url, 'server'));
    const url = `ws://127.0.0.1:${server.ready.port}/`;
    const routes: Route[] = [];
    const peers = PEERS.map((name): Peer => {
      const { label, stops } = WAYS[name];
      const route = new Route(stops);
      routes.push(route);
      return { name, label, measure: () => measureTransfers(route, url, settings) };
    });
    return {
      works: [workOf(peers)],
      [Symbol.asyncDispose]: async () => {
        for (const route of routes) await route[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
};

function workOf(peers: readonly Peer[]): Work {
  const bounds = PEERS.flatMap((peer) => [
    { peer, figure: 'p50', most: 1_000, absolute: true } as const,
    { peer, figure: 'p99', most: 10_000, absolute: true } as const,
    { peer, figure: 'rate', least: 500, absolute: true } as const,
  ]);
  return {
    name: NAME,
    label: `transfer of a full 64 B feed, each ${SHARE} messages`,
    unit: { rate: 'moves/s', per: 1 },
    base: { peer: 'to-and-fro', label: 'main → worker → main' },
    peers,
    columns: ['rate', 'p50', 'p99', 'max', 'feedRate'],
    targets: bounds,
    notes: [
      "times: from the giver's last message to the taker's first, by one clock; all read once and in order",
      'ws, undici, websocket: an open WebSocket cannot be given to another thread, so they have no row',
      'Gun 2.4, measured once: after set_owner all 197 985 frames of a running WebSocket still went to the old owner',
    ],
  };
}

async function measureTransfers(route: Route, url: string, { warmup, window }: Times): Promise<Sample> {
  await settle();
  return await route.run(url, async (log: TransferLog) => {
    await delay(warmup);
    const [from, messages] = [log.transfers, log.messages];
    const stop = begin();
    await delay(window);
    const to = log.transfers;
    if (to === from) throw new Error(`no transfer in ${window} ms`);
    const figures = stop(to - from);
    const feedRate = (((log.messages - messages) >>> 0) / (to - from)) * (figures.rate ?? 0);
    return { ...figures, ...latencies(log.gaps(from, to)), feedRate };
  });
}
