// tunnelstorm — many connections at once on roads at random, while proxies and servers drop, refuse and come back, and
// owners hand over, stop reading, cancel and leave.
// Run by test/tunnels/storm.test.ts, and in full by soak/run.ts. GUNPORT_SEED repeats its choices.
// Invariant: it resolves with its figures, or rejects with the first things that should not have been: a promise that
// did not settle or not with an error of ours, a log with a gap, a second end, something alive after the last close.
// Source: promises O1, S1, S2, S4, F1.

import { setTimeout as pause } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { Pool, type Received, receiveOwnership } from '../../lib/index.ts';
import { chance } from './chance.ts';
import { type Here, TestThread } from './thread.ts';
import { Tracker } from './tracker.ts';
import { Journey, type JourneyHost } from './tunnelstorm-journey.ts';
import { type Land, land } from './tunnelstorm-land.ts';

export interface TunnelStorm {
  readonly seed: number;
  /** In ms. */
  readonly duration: number;
  /** Connections at once. */
  readonly atOnce: number;
}

export interface TunnelStormFigures {
  readonly journeys: number;
  readonly hops: number;
  readonly streams: number;
  /** Streams that came to a good end. */
  readonly well: number;
  readonly drops: number;
}

const THREADS = 2;

export async function tunnelStorm(storm: TunnelStorm): Promise<TunnelStormFigures> {
  const { seed, duration, atOnce } = storm;
  const dice = chance(seed);
  const faults: string[] = [];
  const tracker = new Tracker();
  const country = await land(2);
  const pool = new Pool({ threads: 2 });
  const threads = Array.from({ length: THREADS }, () => new TestThread());
  const stop = new AbortController();
  const waiting = new Map<number, (received: Received) => void>();
  const taking = take(waiting, stop.signal);
  try {
    await Promise.all(threads.map((thread) => thread.run(passOn)));
    const host: JourneyHost = {
      ...{ pool, land: country, threads, tracker, dice },
      fault: (what) => void faults.push(what),
      back: (journey) => new Promise((resolve) => waiting.set(journey, resolve)),
      stays: (journey) =>
        void waiting.set(journey, () =>
          faults.push(`journey ${journey} was handed over, and it was said that it was not`),
        ),
    };
    const until = performance.now() + duration;
    const journeys: Journey[] = [];
    const traveller = async (): Promise<void> => {
      while (performance.now() < until && faults.length === 0) {
        const journey = new Journey(journeys.length, host);
        journeys.push(journey);
        await journey.run();
      }
    };
    const weather = rage(country, dice, until);
    await Promise.all(Array.from({ length: atOnce }, traveller));
    const drops = await weather;
    await tracker.settled(6_000);
    await empty(country, pool, faults);
    if (faults.length > 0) throw new Error(faults.slice(0, 10).join('\n'));
    const figures = journeys.map((journey) => journey.figures);
    const sum = (name: 'hops' | 'streams' | 'well') => figures.reduce((all, one) => all + one[name], 0);
    return {
      journeys: journeys.length,
      drops,
      hops: sum('hops'),
      streams: sum('streams'),
      well: sum('well'),
    };
  } finally {
    stop.abort();
    await taking;
    const halt = (here: Here): Promise<void> => (here.notes['stop'] as () => Promise<void>)(); // As passOn has it.
    await Promise.all(threads.map((thread) => thread.run(halt)));
    await Promise.all(threads.map((thread) => thread.end()));
    await pool.close();
    await country.close();
  }
}

export function tell({ journeys, hops, streams, well, drops }: TunnelStormFigures): string {
  return `${journeys} roads, ${hops} hand-overs there and back, ${streams} streams, ${well} of them to a good end, ${drops} drops and refusals`;
}

/** What other threads give back. */
async function take(waiting: Map<number, (received: Received) => void>, signal: AbortSignal): Promise<void> {
  try {
    for await (const received of receiveOwnership.all<{ journey: number }>({ signal })) {
      waiting.get(received.data.journey)?.(received);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Runs in a thread: whatever is given to it goes back to main. */
function passOn(here: Here): void {
  const stop = new AbortController();
  const under = new Set<Promise<void>>();
  const back = async ({
    connection,
    data,
  }: Received<{ journey: number; port: MessagePort }>): Promise<void> => {
    const { journey, port } = data;
    for (let tries = 0; ; tries++) {
      try {
        await connection.transferOwnership({ threadId: 0 }, { data: { journey } });
        return port.close();
      } catch (error) {
        if (tries < 20) {
          await new Promise((resolve) => setTimeout(resolve, 5));
          continue;
        }
        port.postMessage(String(error));
        port.close();
        return void (await connection.close().catch(() => {}));
      }
    }
  };
  const all = async (): Promise<void> => {
    for await (const one of here.gunport.receiveOwnership.all<{ journey: number; port: MessagePort }>({
      signal: stop.signal,
    }))
      under.add(back(one));
  };
  const taking = all().catch(() => {}); // It was stopped.
  here.notes['stop'] = async () => {
    stop.abort();
    await taking;
    await Promise.all(under);
  };
}

/** Drops and refusals, until then. Resolves with how many. */
async function rage(country: Land, dice: (below: number) => number, until: number): Promise<number> {
  const { proxies, origins } = country;
  let drops = 0;
  while (performance.now() < until) {
    await pause(dice(80));
    drops++;
    const roll = dice(10);
    const proxy = proxies[dice(proxies.length)];
    if (roll < 4) proxy?.drop();
    else if (roll < 7) origins[dice(origins.length)]?.drop();
    else {
      proxy?.refuse?.(true);
      await pause(dice(60));
      proxy?.refuse?.(false);
    }
  }
  return drops;
}

/** In ms: this thread, which has all the servers, may stand still now and then. */
const EMPTIED = 10_000;

/** Nobody has a socket any more. */
async function empty(country: Land, pool: Pool, faults: string[]): Promise<void> {
  const end = performance.now() + EMPTIED;
  while (country.alive !== '') {
    if (performance.now() > end) {
      const ours = JSON.stringify(pool.info().threads.map(({ connections }) => connections));
      return void faults.push(`left alive: ${country.alive}; connections of the pool: ${ours}`);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
