// fuzz — so many fuzzed peers, each met by one client, several at a time, in one thread.
// Run by peers.test.ts and soak/peers.ts. `GUNPORT_SEED=… GUNPORT_PEER=…` meets one of them again, alone.
// Invariant: whatever they do, every promise settles, streams end once, monitors hear one Down, errors are ours and the
// peer's fault, the thread lives, a neighbour in it notices nothing, and nothing is left. What does not hold is a fault.

import { Pool } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { returnsTo, snapshot } from '../support/leaks.ts';
import { later } from '../support/tracker.ts';
import { collectedHeap } from './heap.ts';
import { type FuzzedPeer, fuzzedPeer } from './peer.ts';
import { type Plan, planOf, wordsOf } from './plan.ts';
import { Takers } from './takers.ts';
import { Verdict } from './verdict.ts';
import { Visit } from './visit.ts';
import { Witness } from './witness.ts';

/** Whom a client has to do with. */
interface Met {
  readonly peer: FuzzedPeer;
  readonly takers: Takers;
}

export interface FuzzOptions {
  readonly seed: number;
  /** The first peer. Default 0. */
  readonly from?: number | undefined;
  readonly count: number;
  /** Default: of planOf. */
  readonly plan?: ((seed: number, index: number) => Plan) | undefined;
  /** What meets a peer. Default: a Visit. */
  readonly visit?: ((pool: Pool, plan: Plan, met: Met, verdict: Verdict) => Promise<void>) | undefined;
  /** How long a peer's client may take, in milliseconds: reached only when something hangs. Default 15 000. */
  readonly deadline?: number | undefined;
  /** Also looks at what is in memory after half of them, and after all. */
  readonly weigh?: boolean | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** Bytes that are alive: here, and in the thread where peers are met. */
interface Heap {
  readonly main: number;
  readonly thread: number;
}

export interface FuzzFigures {
  readonly peers: number;
  /** Promises that settled. */
  readonly promises: number;
  /** `protocol: stage`, and how many peers were spoilt there. */
  readonly stages: ReadonlyMap<string, number>;
  readonly codes: ReadonlyMap<string, number>;
  /** After half of the peers, and after all. */
  readonly heaps: readonly Heap[];
  /** What did not hold, with the seed and the peer. */
  readonly faults: readonly string[];
}

/** Clients at a time: most of them wait. */
const AT_ONCE = 24;
const MOST_FAULTS = 20;

export async function fuzz(options: FuzzOptions): Promise<FuzzFigures> {
  await certificates();
  // What this thread makes on its first use stays.
  warm ??= begunAndEnded(new Run({ ...options, count: 0 }));
  await warm;
  const before = snapshot();
  const run = new Run(options);
  await begunAndEnded(run);
  await returnsTo(before, 10_000).catch((error: unknown) => run.faults.push(`${run.name}: ${String(error)}`));
  return run.figures();
}

let warm: Promise<void> | undefined;

async function begunAndEnded(run: Run): Promise<void> {
  try {
    await run.all();
  } finally {
    await run.end();
  }
}

class Run {
  readonly #options: FuzzOptions;
  readonly #pool = new Pool({ threads: 1 });
  readonly #takers = new Takers();
  readonly #stages = new Map<string, number>();
  readonly #codes = new Map<string, number>();
  readonly faults: string[] = [];
  #witness: Witness | undefined;
  #next: number;
  readonly #heaps: Heap[] = [];
  #met = 0;
  #promises = 0;

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#next = options.from ?? 0;
    this.#pool.on('down', ({ reason }) =>
      this.faults.push(`${this.name}: the thread died: ${reason.message}`),
    );
  }

  get name(): string {
    return `GUNPORT_SEED=${this.#options.seed}`;
  }

  async all(): Promise<void> {
    this.#witness = await Witness.begin(this.#pool);
    const held = await this.#witness.held();
    const half = Math.floor(this.#options.count / 2);
    await this.#meet(half);
    if (this.#options.weigh) await this.#weigh();
    await this.#meet(this.#options.count - half);
    if (this.#options.weigh) await this.#weigh();
    await this.#unharmed(held);
  }

  async #meet(count: number): Promise<void> {
    const last = this.#next + count;
    const lane = async (): Promise<void> => {
      while (this.#next < last && this.faults.length < MOST_FAULTS) await this.#one(this.#next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  }

  async end(): Promise<void> {
    await this.#witness?.end().catch(() => {}); // It may be among what was harmed: that has been told.
    await this.#pool.close();
    await this.#takers.end();
  }

  figures(): FuzzFigures {
    const { faults } = this;
    const [heaps, stages, codes] = [this.#heaps, this.#stages, this.#codes];
    return { peers: this.#met, promises: this.#promises, heaps, stages, codes, faults };
  }

  async #one(index: number): Promise<void> {
    const { seed, deadline = 15_000, visit = visits } = this.#options;
    const plan = (this.#options.plan ?? planOf)(seed, index);
    const verdict = new Verdict();
    const peer = await fuzzedPeer(plan);
    // Its own end is noted too: what it waits for is named when it does not come.
    void verdict.note('the visit', visit(this.#pool, plan, { peer, takers: this.#takers }, verdict));
    await verdict.all(deadline);
    await peer.close().catch((error: Error) => verdict.wrong(`its script: ${error.stack}`));
    for (const fault of verdict.faults) this.faults.push(`${wordsOf(plan)}: ${fault}`);
    this.#count(plan, peer.hit, verdict);
    if (this.faults.length === 0) this.#witness?.tick();
  }

  #count(plan: Plan, hit: boolean, { codes, settled }: Verdict): void {
    const stage = `${plan.spoken}: ${plan.stage}`;
    this.#stages.set(stage, (this.#stages.get(stage) ?? 0) + (hit ? 1 : 0));
    for (const code of codes) this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
    this.#promises += settled;
    this.#met++;
    if (this.#met % 1_000 === 0) this.#options.log?.(`${this.#met} peers`);
  }

  /** While nobody is met. */
  async #weigh(): Promise<void> {
    if (this.faults.length > 0) return;
    let { processes, heap } = await this.#witness!.alive();
    // The timers of the last ones may run for a moment still.
    for (let tries = 0; processes > 1 && tries < 60; tries++) {
      await later(100);
      ({ processes, heap } = await this.#witness!.alive());
    }
    if (processes > 1) this.faults.push(`${this.name}: ${processes - 1} dead processes are kept in memory`);
    this.#heaps.push({ main: collectedHeap(), thread: heap });
  }

  /** The thread, and what lives in it, are as before. */
  async #unharmed(before: Readonly<Record<string, number>>): Promise<void> {
    const wrong = (what: string): unknown => this.faults.push(`${this.name}: ${what}`);
    try {
      await this.#witness!.unharmed();
    } catch (error) {
      return void wrong(String(error));
    }
    const threads = this.#pool.info().threads.map(({ threadId }) => threadId);
    if (threads.join() !== String(this.#witness!.threadId)) wrong(`the threads are ${threads.join()}`);
    let left = '';
    for (let tries = 0; tries < 40; tries++) {
      const resources = await this.#witness!.held();
      const more = Object.entries(resources).filter(([kind, count]) => count > (before[kind] ?? 0));
      left = more.map(([kind, count]) => `${count} ${kind} instead of ${before[kind] ?? 0}`).join(', ');
      if (left === '' && this.#pool.info().connections === 1) return;
      await later(50);
    }
    wrong(`left in the thread: ${left}; connections: ${this.#pool.info().connections}`);
  }
}

async function visits(pool: Pool, plan: Plan, { peer, takers }: Met, verdict: Verdict): Promise<void> {
  const { ca } = await certificates();
  await new Visit(pool, plan, { port: peer.port, ca, takers }, verdict).run();
}
