// lands — the threads of the model and the code in each: main with its pool, two that may own, and those of processes.
// Made once by run.ts; lent to each run by stage.ts. Invariant: each thread has a copy of lib/ of its own, as it would;
// main lives on from run to run with its pool, and the others have a new life for each.

import type { Place } from './actor.ts';
import { type HostCode, hosts } from './hosts.ts';
import { FakeWorker } from './worker.ts';
import { type ModelThread, world } from './world.ts';

/** What one thread has loaded of lib/. */
export type Lib = Pick<typeof import('../../lib/index.ts'), 'Pool' | 'receiveOwnership'>;
type Shim = typeof import('./shims/worker-threads.ts');

interface Loaded {
  readonly lib: Lib;
  readonly shim: Shim;
  readonly inbox: ModelThread['inbox'];
}

/** A thread that may own. */
export class Land implements Place {
  readonly name: string;
  readonly thread: ModelThread;
  readonly receiveOwnership: Lib['receiveOwnership'];
  /** As main knows it; undefined: it is main. */
  readonly worker: FakeWorker | undefined;

  constructor(name: string, thread: ModelThread, lib: Lib, worker?: FakeWorker) {
    this.name = name;
    this.thread = thread;
    this.receiveOwnership = lib.receiveOwnership;
    this.worker = worker;
  }

  get isAlive(): boolean {
    return this.thread.alive;
  }

  run(callback: () => void): void {
    this.thread.call(callback);
  }
}

async function load(name: string, query: string): Promise<Loaded> {
  const loading = world.thread(name);
  world.current = loading;
  const shim = (await import(new URL(`./shims/worker-threads.js${query}`, import.meta.url).href)) as Shim;
  shim.become(0, null);
  const found = async (file: string): Promise<Lib> =>
    import(new URL(`../../lib/${file}${query}`, import.meta.url).href);
  // As with the door, it listens to what other threads post by id.
  await found('default.js');
  const lib = { ...(await found('pool.js')), ...(await found('receive.js')) };
  world.current = undefined;
  return { lib, shim, inbox: loading.inbox };
}

export class Lands {
  readonly pool: InstanceType<Lib['Pool']>;
  readonly #main: Land;
  readonly #codes: readonly Loaded[];
  #others: readonly Land[] = [];

  private constructor(main: Loaded, codes: readonly Loaded[]) {
    const thread = world.thread('main');
    thread.inbox.push(...main.inbox);
    FakeWorker.isMain(thread);
    this.#main = new Land('main', thread, main.lib);
    this.#codes = codes;
    let pool: InstanceType<Lib['Pool']> | undefined;
    thread.call(() => {
      pool = new main.lib.Pool({ threads: 1 });
    });
    this.pool = pool as unknown as InstanceType<Lib['Pool']>; // Made just now.
  }

  /** `fault`: the name of one that is planted in all of it. */
  static async load(fault: string): Promise<Lands> {
    const of = (name: string): string => `?thread=${name}${fault && `&fault=${fault}`}`;
    const main = await load('main', of('main'));
    const codes = [await load('a', of('a')), await load('b', of('b'))];
    const process = of('process');
    const { default: host } = await import(new URL(`../../workers/host.js${process}`, import.meta.url).href);
    const shim = await import(new URL(`./shims/worker-threads.js${process}`, import.meta.url).href);
    hosts.load({ host, become: shim.become } satisfies HostCode);
    return new Lands(main, codes);
  }

  /** All that may own, those beside main in a new life. */
  begin(): readonly Land[] {
    for (const { thread } of this.#others) world.kill(thread, 0);
    this.#others = this.#codes.map(({ lib, shim, inbox }, at) => {
      const name = ['A', 'B'][at] ?? '';
      let worker: FakeWorker | undefined;
      this.#main.thread.call(() => {
        worker = new FakeWorker(name, shim, inbox);
      });
      const made = worker as unknown as FakeWorker; // Made just now.
      return new Land(name, made.thread, lib, made);
    });
    world.settle();
    return [this.#main, ...this.#others];
  }
}
