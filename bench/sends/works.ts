// works — sending from the main thread, at the rate that the server reads it.
// Started by run.ts; peers.ts says who sends. A tick is one turn of the loop (setImmediate), which begins when the last
// one has sent its messages, and what waits is not too much.

import { setTimeout as delay } from 'node:timers/promises';
import type { PortReady } from '../instruments/accepting.ts';
import { begin, settle, type Times } from '../instruments/measure.ts';
import { fileBeside, ServerProcess } from '../instruments/serverprocess.ts';
import type { Group, Peer, Sample, Settings, Target, Unit, Work } from '../instruments/work.ts';
import { type Count, frameSize, messageOf } from './messages.ts';
import { SEND_PEER_NAMES, SEND_PEERS, type SendPeer } from './peers.ts';

const MESSAGES: Unit = { rate: 'k msg/s', per: 1_000 };

interface Sending {
  readonly label: string;
  readonly size: number;
  /** Messages a tick. */
  readonly times: number;
  readonly targets: readonly Target[];
}

const rate = (least: number, against?: string): Target => ({
  ...{ peer: 'gunport', figure: 'rate', least },
  ...(against !== undefined && { against }),
});

const WORKS: Readonly<Record<string, Sending>> = {
  send1000: {
    ...{ label: 'send 64 B, 1 000 a tick', size: 64, times: 1_000 },
    targets: [rate(15), rate(2.5, 'ws-corked')],
  },
  send10: { label: 'send 64 B, 10 a tick', size: 64, times: 10, targets: [rate(3)] },
  send1: { label: 'send 64 B, one a tick', size: 64, times: 1, targets: [rate(0.5)] },
  send16k: { label: 'send 16 KiB, 10 a tick', size: 16 * 1024, times: 10, targets: [rate(0.8)] },
};

export const SENDS: Group = {
  works: Object.keys(WORKS),
  peers: SEND_PEER_NAMES,
  start: async (names, settings) => {
    const server = await ServerProcess.start<PortReady>(fileBeside(import.meta.url, 'server'));
    const works = Object.entries(WORKS)
      .filter(([name]) => names.includes(name))
      .map(([name, sending]) => workOf(name, sending, server, settings));
    return server.serving(works);
  },
};

function workOf(name: string, sending: Sending, server: ServerProcess<PortReady>, settings: Settings): Work {
  const times = settings.quick ? shortened(settings) : settings;
  const names = SEND_PEER_NAMES.filter((peer) => !settings.quick || peer !== 'undici');
  const peers = names.map((peer): Peer => {
    const way = SEND_PEERS[peer];
    return { name: peer, label: way.label, measure: () => measureSends(way, sending, server, times) };
  });
  const { label, targets } = sending;
  return {
    ...{ name, label, peers, targets, unit: MESSAGES },
    base: { peer: 'ws', label: 'ws on main' },
    notes: [
      'counted by the server; a sender waits while more than 4 MiB of its own are not out of the process',
    ],
  };
}

/** Four works, and a rate that is steady at once. */
function shortened({ warmup, window }: Settings): Times {
  return { warmup: Math.min(warmup, 100), window: Math.min(window, 150) };
}

/** One round of one peer.
 *  @throws when it cannot open, ends early, or sends something else. */
async function measureSends(
  { open }: SendPeer,
  { size, times }: Sending,
  server: ServerProcess<PortReady>,
  { warmup, window }: Times,
): Promise<Sample> {
  await settle();
  const line = await open(`ws://127.0.0.1:${server.ready.port}/${size}`, messageOf(size));
  let closing = false;
  const turn = (): void => {
    if (closing || line.failed() !== undefined) return;
    const drained = line.send(times);
    if (drained)
      drained.then(next, next); // Why it failed is told by failed().
    else next();
  };
  const next = (): void => void setImmediate(turn);
  turn();
  try {
    await delay(warmup);
    const before = await server.ask<Count>();
    const stop = begin();
    await delay(window);
    const after = await server.ask<Count>();
    const sent = (after.bytes - before.bytes) / frameSize(size);
    const figures = stop(sent);
    if (line.failed() !== undefined) throw line.failed();
    if (after.wrong !== undefined) throw new Error(after.wrong);
    if (sent === 0) throw new Error(`nothing came in ${window} ms`);
    // By the server's clock: it was asked over a channel that takes its time.
    return { ...figures, rate: (sent / (after.at - before.at)) * 1_000 };
  } finally {
    closing = true;
    await line.close();
  }
}
