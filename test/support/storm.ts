// storm — a feed at full speed that is moved among threads, exact: nothing lost, repeated or reordered.
// Run by storm.test.ts (a part) and soak/run.ts (in full). Seed: GUNPORT_SEED, else a new one, which is printed.
// Invariant: it resolves with what happened, or rejects with the first thing that should not have; either way no
// thread, port, timer or process of it is left. Source: promises O1 to O3 and O7.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { block } from './blocking.ts';
import { Actor, type Begin, type Report, type Setup } from './storm-actor.ts';
import { type StormServer, stormServer } from './storm-feed.ts';
import type { Storm } from './storm-plan.ts';
import type { Order } from './storm-worker.ts';

export interface StormResult {
  readonly messages: number;
  readonly transfers: number;
  /** Turns in which something was read. */
  readonly reads: number;
  /** Hand-overs that failed, by code. */
  readonly failed: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** No turn may take longer, in milliseconds. */
const STUCK = 40_000;

/** The storms of the issue. `part`: 1 in full, 0.1 a tenth. */
export function storms(part: number): readonly Storm[] {
  const seed = Number(process.env['GUNPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const all = { seed, threads: 4, main: true, slow: false, faults: 0, blockMain: false, frame: 64 } as const;
  const once = { ...all, feeds: 1, closes: false, transfers: 1_000 * part };
  const failing = { faults: 1.5, blockMain: true, frame: 1024 } as const;
  return [
    { ...once, name: 'full speed', messages: 10_000_000 * part },
    { ...once, name: 'full speed, workers only', messages: 10_000_000 * part, main: false },
    { ...once, name: 'slow owners', messages: 200_000 * part, frame: 1024, slow: true },
    { ...once, name: 'failing at random', messages: 2_000_000 * part, ...failing },
    // Here `transfers` is how many a feed would have, if it did not end before.
    {
      ...all,
      name: 'closed by the server',
      feeds: 200 * part,
      messages: 5_000,
      transfers: 20,
      closes: true,
      ...failing,
    },
  ];
}

/** Runs one. `progress` is told now and then; `begin` starts the server. */
export async function runStorm(
  storm: Storm,
  progress: (line: string) => void = () => {},
  begin: () => Promise<StormServer> = stormServer,
): Promise<StormResult> {
  const server = await begin();
  const crew = new Crew(storm);
  const unblock = storm.blockMain ? blockMain() : () => {};
  const began = performance.now();
  try {
    const { messages, frame, feeds, closes } = storm;
    const url = server.url(messages, frame, closes);
    const { options } = server;
    for (let feed = 0; feed < feeds; feed++) await crew.run({ url, options, feed }, progress);
    return { ...crew.counts, messages: messages * feeds, seconds: (performance.now() - began) / 1_000 };
  } catch (error) {
    throw new Error(`storm "${storm.name}" with GUNPORT_SEED=${storm.seed}`, { cause: error });
  } finally {
    unblock();
    await crew.end();
    await server.close();
  }
}

/** One line about a storm that went well. */
export function tell({ name, seed }: Storm, result: StormResult): string {
  const { messages, transfers, reads, failed, seconds } = result;
  const failures = Object.entries(failed).sort(([, x], [, y]) => y - x);
  const count = failures.reduce((sum, [, times]) => sum + times, 0);
  const codes = failures.map(([code, times]) => `${code.replace('ERR_GUNPORT_', '')} ${times}`).join(', ');
  const rate = Math.round(messages / seconds / 1_000);
  const time = `${seconds.toFixed(1)} s (${rate} 000/s, seed ${seed})`;
  return `${name}: ${messages} messages in ${reads} turns, ${transfers} hand-overs, ${count} failed${codes && ` (${codes})`}, exact, in ${time}`;
}

/** The threads of one storm. */
class Crew {
  readonly #storm: Storm;
  readonly #workers: (Worker | undefined)[];
  readonly #orders: (MessagePort | undefined)[] = [];
  readonly #kept: MessagePort[] = [];
  readonly #gone: Promise<unknown>[] = [];
  #actor: Actor | undefined;
  #hear: (report: Report) => void = () => {};
  readonly counts: { transfers: number; reads: number; failed: Record<string, number> } = {
    transfers: 0,
    reads: 0,
    failed: {},
  };

  constructor(storm: Storm) {
    this.#storm = storm;
    this.#workers = Array.from({ length: storm.threads }, (_, place) =>
      storm.main && place === 0 ? undefined : this.#spawn(place),
    );
    const setups = this.#setups();
    for (const setup of setups) {
      if (this.#workers[setup.me]) this.#order(setup.me, { type: 'setup', setup }, portsOf(setup));
      else this.#actor = new Actor(setup, (report) => this.#hear(report), this.#workers);
    }
    this.#actor?.start();
  }

  /** One feed; resolves once all of it has been read. */
  run(begin: Begin, progress: (line: string) => void): Promise<void> {
    const { feed } = begin;
    return new Promise((resolve, reject) => {
      let last = 'nothing has begun';
      let before = 0;
      let told = performance.now();
      const stuck = setTimeout(() => reject(new Error(`it is stuck: ${last}`)), STUCK);
      const settle = (run: () => void): void => {
        clearTimeout(stuck);
        run();
      };
      this.#hear = (report) => {
        stuck.refresh();
        if (report.type === 'broken') return settle(() => reject(new Error(report.message)));
        const { turn, next, failed } = report.baton;
        if (next > before) this.counts.reads++;
        before = next;
        if (report.type === 'done') {
          this.counts.transfers += turn;
          for (const [code, times] of Object.entries(failed)) {
            this.counts.failed[code] = (this.counts.failed[code] ?? 0) + times;
          }
          return settle(resolve);
        }
        last = `turn ${turn} (${report.way}) in thread ${report.me}, from message ${next} on`;
        if (performance.now() - told < 2_000) return;
        told = performance.now();
        progress(`${this.#storm.name}: feed ${feed + 1}, ${turn} hand-overs, ${next} messages`);
      };
      const place = (this.#storm.seed + feed) % this.#storm.threads;
      if (this.#workers[place]) this.#order(place, { type: 'begin', ...begin });
      else this.#actor?.begin(begin);
    });
  }

  async end(): Promise<void> {
    this.#actor?.stop();
    for (const orders of this.#orders) orders?.postMessage({ type: 'stop' } satisfies Order);
    for (const port of this.#kept) port.close();
    // What is stuck does not end by itself.
    const late = setTimeout(() => this.#workers.map((worker) => worker?.terminate()), 3_000);
    await Promise.all(this.#gone);
    clearTimeout(late);
    for (const port of this.#orders) port?.close();
  }

  #order(place: number, order: Order, ports: MessagePort[] = []): void {
    this.#orders[place]?.postMessage(order, ports);
  }

  #spawn(place: number): Worker {
    const { port1, port2 } = new MessageChannel();
    this.#orders[place] = port1;
    port1.on('message', (report: Report) => this.#hear(report));
    const worker: Worker = new Worker(new URL('./storm-worker.js', import.meta.url), {
      workerData: { orders: port2 },
      transferList: [port2],
    });
    worker.on('error', (error) => this.#hear({ type: 'broken', message: `thread ${place}: ${error.stack}` }));
    this.#gone.push(new Promise((resolve) => worker.on('exit', resolve)));
    return worker;
  }

  #setups(): Setup[] {
    const { threads } = this.#storm;
    const places = Array.from({ length: threads }, (_, place) => place);
    const grid = (): { give: (MessagePort | undefined)[][]; take: (MessagePort | undefined)[][] } => {
      const give = places.map(() => places.map((): MessagePort | undefined => undefined));
      const take = places.map(() => places.map((): MessagePort | undefined => undefined));
      for (const from of places) {
        for (const to of places) {
          if (from === to) continue;
          const { port1, port2 } = new MessageChannel();
          give[from]![to] = port1;
          take[to]![from] = port2;
        }
      }
      return { give, take };
    };
    const plain = grid();
    const late = grid();
    const refusing = places.map(() => new MessageChannel());
    return places.map((me) => {
      const { port1: deaf, port2: never } = new MessageChannel();
      this.#kept.push(never);
      return {
        storm: this.#storm,
        me,
        threadIds: this.#workers.map((worker) => worker?.threadId ?? 0),
        give: plain.give[me]!,
        take: plain.take[me]!,
        giveLate: late.give[me]!,
        takeLate: late.take[me]!,
        deaf,
        refused: refusing[me]!.port1,
        refuse: refusing[(me + 1) % threads]!.port2,
      };
    });
  }
}

function portsOf({ give, take, giveLate, takeLate, deaf, refused, refuse }: Setup): MessagePort[] {
  return [...give, ...take, ...giveLate, ...takeLate, deaf, refused, refuse].filter(
    (port) => port !== undefined,
  );
}

/** Main stands still for 40 of each 120 ms. Returns how to end it. */
function blockMain(): () => void {
  const timer = setInterval(() => block(40), 120);
  return () => clearInterval(timer);
}
