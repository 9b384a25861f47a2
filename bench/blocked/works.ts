// works — main is busy for a fifth of the time, in pieces of 200 ms: what of a WebSocket is late then.
// Started by run.ts; peers.ts says who has the messages, and where.

import { setTimeout as delay } from 'node:timers/promises';
import type { PortReady } from '../instruments/accepting.ts';
import { begin, settle } from '../instruments/measure.ts';
import { quantile } from '../instruments/results.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Group, Peer, Sample, Settings, Work } from '../instruments/work.ts';
import { BLOCKED_PEER_NAMES, BLOCKED_PEERS, type BlockedPeer } from './peers.ts';

const NAME = 'blocked';
/** Main does nothing else for so long, in ms. */
const BLOCK = 200;
/** What comes later than that is late, in us. */
const LATE = 20_000;
/** Those of a quick run. */
const QUICK: readonly string[] = ['gunport', 'gunport-handler', 'ws'];

/** In ms. */
interface Plan {
  readonly warmup: number;
  /** From block to block. */
  readonly period: number;
  readonly periods: number;
}

export const BLOCKED: Group = {
  works: [NAME],
  peers: BLOCKED_PEER_NAMES,
  start: async (_names, settings) => {
    const server = await ServerProcess.start<PortReady>(fileBeside(import.meta.url, 'server'));
    const plan = planOf(settings);
    const names = BLOCKED_PEER_NAMES.filter((name) => !settings.quick || QUICK.includes(name));
    const peers = names.map((name): Peer => {
      const way = BLOCKED_PEERS[name];
      return { name, label: way.label, measure: () => measureBlocked(way, server, plan) };
    });
    return server.serving([workOf(peers, plan)]);
  },
};

/** A window has whole periods: at least as long as was asked for, and two seconds. */
function planOf({ quick, warmup, window }: Settings): Plan {
  if (quick) return { warmup: 50, period: 700, periods: 1 };
  return { warmup, period: 1_000, periods: Math.max(2, Math.ceil(window / 1_000)) };
}

function workOf(peers: readonly Peer[], { period }: Plan): Work {
  return {
    name: NAME,
    label: `main blocked ${BLOCK} ms of ${period}`,
    unit: { rate: 'msg/s', per: 1 },
    base: { peer: 'ws', label: 'ws on main' },
    peers,
    columns: ['pong50', 'pong99', 'pongMax', 'p50', 'p99', 'max', 'late'],
    notes: [
      'a ping and a message every 5 ms; pongs by the server, the rest by who consumes the message, where it does',
      'on main a message waits until main is free, whoever reads the socket; what is late is late for that',
    ],
  };
}

async function measureBlocked(
  { open }: BlockedPeer,
  server: ServerProcess<PortReady>,
  { warmup, period, periods }: Plan,
): Promise<Sample> {
  await settle();
  const line = await open(`ws://127.0.0.1:${server.ready.port}/`);
  try {
    await delay(warmup);
    await server.ask<number[]>();
    await line.take();
    const stop = begin();
    for (let at = 0; at < periods; at++) await blockedPeriod(period);
    const [pongs, ages] = [await server.ask<number[]>(), await line.take()];
    if (pongs.length === 0 || ages.length === 0) throw new Error('it has answered, or delivered, nothing');
    return {
      ...stop(ages.length),
      ...{ pong50: quantile(pongs, 0.5), pong99: quantile(pongs, 0.99), pongMax: quantile(pongs, 1) },
      ...{ p50: quantile(ages, 0.5), p99: quantile(ages, 0.99), max: quantile(ages, 1) },
      late: ages.filter((one) => one > LATE).length / ages.length,
    };
  } finally {
    await line.close();
  }
}

/** Main is free, then blocked, then free. */
async function blockedPeriod(period: number): Promise<void> {
  await delay((period - BLOCK) / 2);
  const until = performance.now() + BLOCK;
  while (performance.now() < until);
  await delay((period - BLOCK) / 2);
}
