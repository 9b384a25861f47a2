// verdicts — hand-overs whose giver or taker is killed in the midst of them, at a random moment.
// Run by storm.test.ts (a tenth) and soak/run.ts (in full).
// Invariant: after each kill the feed has exactly one owner: the taker, or the giver who was told that it failed, or
// the host, which was offered it as an orphan; and what that owner reads goes on in order. Nothing is missing unless a
// dead thread had been posted it. Source: promises O1, O3 and O8.

import { setTimeout as pause, setImmediate as turnOfLoop } from 'node:timers/promises';
import { type Connection, Pool, receiveOwnership, type WsStream } from '../../lib/index.ts';
import { type StormServer, stormServer } from './storm-feed.ts';
import { TestThread } from './thread.ts';

type Feed = WsStream<Connection>;

export interface Verdicts {
  readonly rounds: number;
  /** The dead thread had it, so the host was offered it. */
  readonly orphaned: number;
  /** It had been given before the giver was killed. */
  readonly given: number;
  /** The giver was told that it failed. */
  readonly kept: number;
  readonly seconds: number;
}

export async function runVerdicts(
  rounds: number,
  progress: (line: string) => void = () => {},
): Promise<Verdicts> {
  const began = performance.now();
  const server = await stormServer();
  const trial = new Trial(server);
  const counts = { orphaned: 0, given: 0, kept: 0 };
  try {
    await trial.open();
    for (let round = 0; round < rounds; round++) {
      const verdict = await (round % 2 === 0 ? trial.killTaker() : trial.killGiver());
      counts[verdict]++;
      if (round % 20 === 19) progress(`killed in the midst of a hand-over: ${round + 1} of ${rounds}`);
    }
  } finally {
    await trial.close();
    await server.close();
  }
  return { rounds, ...counts, seconds: (performance.now() - began) / 1_000 };
}

export function tellVerdicts({ rounds, orphaned, given, kept, seconds }: Verdicts): string {
  return `killed in the midst of a hand-over: ${rounds} times, of which ${given} given, ${kept} kept, ${orphaned} orphaned; one owner each, in order, in ${seconds.toFixed(1)} s`;
}

class Trial {
  readonly #server: StormServer;
  readonly #pool = new Pool({ threads: 1 });
  #feed: Feed | undefined;
  #next = 0;
  /** Orphans that nobody has waited for. */
  readonly #orphans: Connection[] = [];
  #wake: () => void = () => {};

  constructor(server: StormServer) {
    this.#server = server;
    this.#pool.on('orphan', (connection) => {
      this.#orphans.push(connection);
      this.#wake();
    });
  }

  async open(): Promise<void> {
    this.#feed = await this.#pool.connect(this.#server.url(1e9), { onOwnerDown: 'rehome' });
    await this.#read('exact');
  }

  async close(): Promise<void> {
    await this.#feed?.connection.close().catch(() => {}); // A trial that failed may have lost it.
    await this.#pool.close();
  }

  /** Main gives; the taker dies. */
  async killTaker(): Promise<'orphaned' | 'kept'> {
    const taker = new TestThread();
    await taker.run((here) => void here.gunport.receiveOwnership().catch(() => {}));
    const given = this.#owner.transferOwnership(taker.worker, { timeout: 10_000 }).then(
      () => true,
      (error) => {
        if (error.code === 'ERR_GUNPORT_TARGET_DEAD') return false;
        throw error;
      },
    );
    await moment();
    const killed = taker.kill();
    const verdict = (await given) ? 'orphaned' : 'kept';
    if (verdict === 'orphaned') await this.#orphan();
    await this.#read(verdict === 'kept' ? 'exact' : 'in order');
    await killed;
    if (this.#orphans.length > 0) throw new Error(`the feed was ${verdict}, and orphaned as well`);
    return verdict;
  }

  /** Main takes; the giver dies. */
  async killGiver(): Promise<'orphaned' | 'given'> {
    const giver = new TestThread();
    const there = giver.run((here) => here.take().then(() => {}));
    await this.#owner.transferOwnership(giver.worker);
    await there;
    const stop = new AbortController();
    const taken = receiveOwnership(giver.worker, { signal: stop.signal }).then(
      ({ feed }) => feed,
      () => undefined,
    );
    giver.run((here) => here.feed.transferOwnership(here.parentPort)).catch(() => {}); // It may be dead before it has answered.
    await moment();
    const killed = giver.kill();
    const feed = await Promise.race([taken, this.#heardOrphan().then(() => undefined)]);
    if (feed) this.#feed = feed;
    else await this.#orphan();
    // Nothing was read by the giver, and only what it had been posted can be missing.
    await this.#read(feed ? 'exact' : 'in order');
    await killed;
    stop.abort();
    if (this.#orphans.length > 0 || (!feed && (await taken))) throw new Error('the feed has two owners');
    return feed ? 'given' : 'orphaned';
  }

  get #owner(): Feed {
    if (!this.#feed) throw new Error('nobody owns the feed');
    return this.#feed;
  }

  async #heardOrphan(): Promise<void> {
    while (this.#orphans.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  async #orphan(): Promise<void> {
    await this.#heardOrphan();
    const connection = this.#orphans.shift();
    this.#feed = connection?.streams.values().next().value as Feed | undefined;
  }

  async #read(how: 'exact' | 'in order'): Promise<void> {
    let left = 20_000;
    for await (const message of this.#owner) {
      const bytes = message as Uint8Array; // The server sends nothing else.
      const number = (bytes[2]! | (bytes[3]! << 8) | (bytes[4]! << 16)) + bytes[5]! * 0x1000000;
      const first = left === 20_000 && how === 'in order';
      if (first ? number < this.#next : number !== this.#next) {
        throw new Error(`${number} came in place of ${this.#next} (${how})`);
      }
      this.#next = number + 1;
      if (--left === 0) break;
    }
  }
}

/** Any moment of a hand-over, which takes about a millisecond. */
async function moment(): Promise<void> {
  const turns = Math.floor(Math.random() * 6);
  for (let turn = 0; turn < turns; turn++) await turnOfLoop();
  if (Math.random() < 0.5) await pause(Math.random() * 2);
}
