// soak — everything at once and at random, for as long as asked: feeds, requests, hand-overs, drops and kills; and whether
// all promises hold the whole time, and nothing grows.
// Run by ../run.ts in a process of its own. Invariant: it resolves with what it has found; after a fault nothing more is
// waited for. Every so often it comes to a rest (rest.ts), where it is counted; flatness.ts judges that at the end.
// Source: promises O1 to O8, S1 to S4, M1, M2.

import { setTimeout as pause } from 'node:timers/promises';
import { BroadcastChannel, MessageChannel, threadId } from 'node:worker_threads';
import { Pool, receiveOwnership } from '../../../lib/index.ts';
import { Tracker } from '../../support/tracker.ts';
import type { Mixed } from '../arguments.ts';
import type { BodyBaton } from './body.ts';
import { Crew } from './crew.ts';
import { Journeys } from './feeds.ts';
import { counts, type Growth, mebibytes, type Sample, verdict, weighed } from './flatness.ts';
import { Lanes } from './lanes.ts';
import { COUNTED, type Counted, Ledger, shared } from './ledger.ts';
import { whole } from './measure.ts';
import { authorities, echo, failures, pools, storms } from './others.ts';
import { CHANNEL, type Probed } from './probe-lookup.ts';
import { requests, serverSentEvents } from './requests.ts';
import { rest, until } from './rest.ts';
import { Servers } from './servers.ts';
import { BOUND, type Random, type Stage } from './stage.ts';
import { blockMain, strike, strikeOwner } from './strikes.ts';
import type { Baton, Ground } from './turn.ts';

export interface Result {
  readonly seed: number;
  readonly faults: readonly string[];
  readonly samples: readonly Sample[];
  readonly growths: readonly Growth[];
  readonly totals: Readonly<Record<string, number>>;
}

/** Runs one. */
export async function soak(
  asked: Mixed & { readonly seed: number },
  log: (line: string) => void,
): Promise<Result> {
  const run = new Soak(asked, log);
  await Promise.race([run.run(), run.broken]);
  return run.result();
}

/** A part of it, and at least so many seconds where there are some minutes: V8 goes on compiling for as long. */
function warmUp(seconds: number): number {
  return seconds >= 240 ? Math.max(120, 0.15 * seconds) : 0.2 * seconds;
}

class Soak {
  readonly #asked: Mixed & { readonly seed: number };
  readonly #log: (line: string) => void;
  readonly #began = performance.now();
  readonly #shared = shared();
  readonly #ledger = new Ledger(this.#shared);
  readonly #tracker = new Tracker();
  readonly #faults: string[] = [];
  readonly #samples: Sample[] = [];
  readonly #lanes: Lanes;
  #drops = 0;
  #break: () => void = () => {};
  /** Resolves with the first fault. */
  readonly broken = new Promise<void>((resolve) => {
    this.#break = resolve;
  });

  constructor(asked: Mixed & { readonly seed: number }, log: (line: string) => void) {
    this.#asked = asked;
    this.#log = log;
    this.#lanes = new Lanes(asked.seed, (what) => this.#fail(what));
    process.on('unhandledRejection', (error) =>
      this.#fail(`an unhandled rejection: ${(error as Error)?.stack ?? String(error)}`),
    );
    process.on('uncaughtException', (error) =>
      this.#fail(`an uncaught exception: ${error?.stack ?? String(error)}`),
    );
    process.on('warning', (warning) => this.#fail(`a warning: ${warning.stack}`));
  }

  result(): Result {
    const judged = this.#faults.length > 0 ? undefined : verdict(this.#samples, this.#asked.allowed);
    const totals = Object.fromEntries(
      Object.keys(COUNTED).map((name) => [name, this.#ledger.counted(name as Counted)]),
    );
    return {
      seed: this.#asked.seed,
      faults: [...this.#faults, ...(judged?.faults ?? [])],
      samples: this.#samples,
      growths: judged?.growths ?? [],
      totals: { ...totals, drops: this.#drops, promises: this.#tracker.started },
    };
  }

  async run(): Promise<void> {
    const watch = this.#watch();
    try {
      await this.#run();
    } catch (error) {
      this.#fail((error as Error).stack ?? String(error));
    } finally {
      watch();
    }
  }

  async #run(): Promise<void> {
    const { seed, plants } = this.#asked;
    const servers = await Servers.start(seed, (what) => this.#fail(what));
    const pool = new Pool({ threads: 2 });
    let journeys: Journeys | undefined;
    const crew = await Crew.start({
      shared: this.#shared,
      ledger: this.#ledger,
      taken: (received) => journeys?.taken(received as typeof received & { data: Baton }),
      fail: (what) => this.#fail(what),
    });
    const { ground, close } = this.#ground(crew);
    const lanes = this.#lanes;
    const stage: Stage = {
      ...{ seed, pool, servers, crew, ground, plants, kept: this.#kept },
      ...{ ledger: this.#ledger, tracker: this.#tracker, lastStrike: 0 },
      get rest() {
        return lanes.rest;
      },
      fail: (what) => this.#fail(what),
    };
    journeys = new Journeys(stage);
    pool.on('orphan', (connection) => journeys.orphan(connection));
    pool.on('down', ({ threadId: died, reason }) => {
      stage.lastStrike = performance.now();
      if (!this.#ledger.isStruck(died))
        this.#fail(`thread ${died} of the pool has died: ${reason.kind} ${reason.message}`);
    });
    this.#begin(stage, journeys);
    if (plants.includes('loss')) servers.tell('lose');
    await this.#rests(stage, journeys);
    this.#ledger.ending = true;
    await lanes.stop();
    await until(
      () => journeys.underWay === 0,
      () => `${journeys.underWay} feeds do not end`,
    );
    this.#drops = await servers.drops();
    await crew.end();
    close();
    await pool.close();
    await servers.close();
  }

  /** What planted faults keep. */
  readonly #kept: unknown[] = [];

  #begin(stage: Stage, journeys: Journeys): void {
    const lane = (name: string, act: (stage: Stage, random: Random) => Promise<void>, count = 1): void => {
      for (let i = 1; i <= count; i++) this.#lanes.add(`${name} ${i}`, (random) => act(stage, random));
    };
    const veteran = (random: Random): void => {
      journeys.travel(random, true).catch((error: unknown) => this.#fail(`a veteran: ${String(error)}`));
    };
    for (let i = 0; i < 2; i++) veteran((n) => (this.#asked.seed + i) % n);
    lane('feed', (_stage, random) => journeys.travel(random), 4);
    lane('requests', requests, 2);
    lane('events', serverSentEvents);
    lane('echo', echo);
    lane('failures', failures);
    lane('pools', pools);
    lane('authorities', authorities);
    // Each has threads and servers of its own: too much for a short run.
    if (this.#asked.seconds >= 60) lane('storms', storms);
    lane('strike', strike);
    lane('owner strike', strikeOwner);
    lane('block', blockMain);
  }

  /** One after another, until the time is over; the first ends the warm-up. */
  async #rests(stage: Stage, journeys: Journeys): Promise<void> {
    const { seconds, rest: every } = this.#asked;
    const elapsed = (): number => (performance.now() - this.#began) / 1_000;
    await pause(1_000 * warmUp(seconds));
    // Two at least, however slow the machine is.
    while (this.#samples.length < 2 || elapsed() < seconds) {
      if (this.#samples.length > 0) await pause(1_000 * every);
      const [first] = this.#samples;
      const sample = await rest(stage, this.#lanes, journeys, { at: elapsed(), first });
      const differs = first ? counts(first, sample) : [];
      this.#log(`  a rest at ${Math.round(sample.at)} s: ${[weighed(sample), ...differs].join(', ')}`);
      this.#samples.push(sample);
    }
  }

  /** What main has to own feeds itself. */
  #ground(crew: Crew): { readonly ground: Ground; close(): void } {
    const { port1: deaf, port2: never } = new MessageChannel();
    const { port1: refused, port2: refuse } = new MessageChannel();
    never.on('message', () => {}).unref(); // Else what is offered there would be kept.
    const stop = new AbortController();
    void (async () => {
      for await (const _none of receiveOwnership.all<BodyBaton>(refuse, {
        accept: () => false,
        signal: stop.signal,
      }));
    })().catch((error: unknown) => {
      if (!stop.signal.aborted) this.#fail(`where all is refused: ${String(error)}`);
    });
    const ground: Ground = {
      ...{ threadId, ledger: this.#ledger, tracker: this.#tracker, deaf, refused },
      target: (random) => {
        const { workers } = crew;
        const worker = workers[Math.floor(random() * workers.length)]!;
        const { threadId: id } = worker;
        return { to: random() < 0.2 ? { threadId: id } : worker, threadId: id };
      },
      handedOver: () => {
        if (this.#asked.plants.includes('port')) this.#kept.push(new MessageChannel());
      },
      giving: 0,
    };
    const close = (): void => {
      stop.abort();
      for (const port of [deaf, never, refused, refuse]) port.close();
    };
    return { ground, close };
  }

  // ── what is watched all the time ──────────────────────────────────────────────────────────────────────────

  #fail(what: string): void {
    if (this.#faults.length < 20) this.#log(`✖ ${what}`);
    this.#faults.push(what);
    this.#break();
  }

  /** Hangs, warnings of the pools' threads, progress. Returns how to end that. */
  #watch(): () => void {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = (event) => {
      const { threadId: of, warning } = (event as { data: Probed }).data; // Posted by probe-lookup.ts.
      if (warning) this.#fail(`a warning of thread ${of}: ${warning}`);
    };
    const hangs = setInterval(() => {
      for (const name of [...this.#tracker.overdue(BOUND), ...this.#lanes.busy(2 * BOUND)])
        this.#fail(`hung: ${name}`);
    }, 1_000);
    const every = Math.min(15_000, (1_000 * this.#asked.seconds) / 5);
    const progress = setInterval(() => this.#log(this.#progress()), every);
    return () => {
      channel.close();
      clearInterval(hangs);
      clearInterval(progress);
    };
  }

  #progress(): string {
    const count = (name: Counted): number => this.#ledger.counted(name);
    const { rss, threads, descriptors } = whole();
    const seconds = Math.round((performance.now() - this.#began) / 1_000);
    const waits = this.#ledger.resting
      ? `; comes to rest${this.#lanes
          .busy()
          .map((name) => `, ${name}`)
          .join('')}`
      : '';
    return (
      `${seconds} s: ${count('messages')} messages, ${count('requests')} requests, ${count('handOvers')} hand-overs, ` +
      `${count('kills')}+${count('ownerKills')} kills, ${count('reconnects')} reconnects; ` +
      `${mebibytes(rss)} MiB, ${threads} threads, ${descriptors} descriptors${waits}`
    );
  }
}
