// crew — the threads beside main that own connections in turn: started, killed, started again, and joined by ports.
// Made by soak.ts. Invariant: a thread that ends without having been struck, or told to stop, is a fault; one that was
// struck is replaced before `strike` resolves; nothing of a dead one stays in main.

import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type Received, receiveOwnership } from '../../../lib/index.ts';
import type { ConsumerData, Order, Told } from './consumer.ts';
import type { Ledger, Shared } from './ledger.ts';
import type { Held } from './measure.ts';

const CONSUMERS = 3;
const WAYS = ['terminate', 'exit', 'throw'] as const;

interface Member {
  readonly worker: Worker;
  readonly orders: MessagePort;
  /** Their other ends: a channel that nobody holds is closed. */
  readonly never: MessagePort;
  readonly refuse: MessagePort;
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
}

export interface CrewHost {
  readonly shared: Shared;
  readonly ledger: Ledger;
  /** A connection was handed to main. */
  taken(received: Received): void;
  fail(what: string): void;
}

export class Crew {
  readonly #host: CrewHost;
  readonly #members: Member[] = [];
  #ending = false;

  static async start(host: CrewHost): Promise<Crew> {
    const crew = new Crew(host);
    for (let place = 0; place < CONSUMERS; place++) await crew.#spawn(place);
    return crew;
  }

  private constructor(host: CrewHost) {
    this.#host = host;
  }

  get workers(): readonly Worker[] {
    return this.#members.map(({ worker }) => worker);
  }

  /** Kills one, and has another in its place. */
  async strike(random: (n: number) => number): Promise<void> {
    const place = random(this.#members.length);
    const { worker, orders, gone } = this.#members[place]!;
    this.#host.ledger.strike(worker.threadId);
    const how = WAYS[random(WAYS.length)]!;
    if (how === 'terminate') await worker.terminate();
    else orders.postMessage({ type: 'die', how } satisfies Order);
    await gone;
    await this.#spawn(place);
  }

  /** What each holds on to. */
  async measure(): Promise<Held[]> {
    return Promise.all(
      this.#members.map(async ({ orders }) => {
        const told = once(orders, 'message') as Promise<[Told]>;
        orders.postMessage({ type: 'measure' } satisfies Order);
        const [answer] = await told;
        if (answer.type !== 'measured')
          throw new Error(`it was measured, and told ${JSON.stringify(answer)}`);
        for (const name of answer.overdue) this.#host.fail(`hung in a consumer: ${name}`);
        return answer.held;
      }),
    );
  }

  async end(): Promise<void> {
    this.#ending = true;
    await Promise.all(
      this.#members.map(async ({ orders, gone, worker }) => {
        orders.postMessage({ type: 'stop' } satisfies Order);
        const late = setTimeout(() => {
          this.#host.fail(`thread ${worker.threadId} does not end`);
          void worker.terminate();
        }, 5_000);
        await gone;
        clearTimeout(late);
      }),
    );
  }

  async #spawn(place: number): Promise<void> {
    const { shared, ledger } = this.#host;
    const { port1: orders, port2 } = new MessageChannel();
    const { port1: never, port2: deaf } = new MessageChannel();
    const { port1: refuse, port2: refused } = new MessageChannel();
    const worker: Worker = new Worker(new URL('./consumer.js', import.meta.url), {
      workerData: { shared, orders: port2, deaf, refused } satisfies ConsumerData,
      transferList: [port2, deaf, refused],
    });
    const { threadId } = worker;
    const ready = new Promise<void>((resolve) => {
      orders.on('message', (told: Told) => {
        if (told.type === 'ready') resolve();
        if (told.type === 'broken') this.#host.fail(told.message);
      });
    });
    worker.on('error', (error) => {
      if (!ledger.isStruck(threadId))
        this.#host.fail(`consumer ${threadId}: ${error?.stack ?? String(error)}`);
    });
    const gone = new Promise<void>((resolve) => {
      worker.on('exit', () => {
        if (!this.#ending && !ledger.isStruck(threadId)) this.#host.fail(`consumer ${threadId} has ended`);
        for (const port of [orders, never, refuse]) port.close();
        resolve();
      });
    });
    never.on('message', () => {}).unref(); // Else what is offered there would be kept.
    void this.#serve(worker);
    void this.#refuse(refuse);
    this.#join(place, { worker, orders, never, refuse, ready, gone });
    await Promise.race([ready, gone]);
  }

  /** Ports to all others. */
  #join(place: number, member: Member): void {
    for (const [at, other] of this.#members.entries()) {
      if (at === place) continue;
      const { port1, port2 } = new MessageChannel();
      const { threadId } = member.worker;
      member.orders.postMessage(
        { type: 'peer', threadId: other.worker.threadId, port: port1 } satisfies Order,
        [port1],
      );
      other.orders.postMessage({ type: 'peer', threadId, port: port2 } satisfies Order, [port2]);
    }
    this.#members[place] = member;
  }

  async #serve(worker: Worker): Promise<void> {
    try {
      for await (const received of receiveOwnership.all(worker)) this.#host.taken(received);
    } catch (error) {
      this.#host.fail(`receiveOwnership from a consumer: ${String(error)}`);
    }
  }

  async #refuse(port: MessagePort): Promise<void> {
    try {
      for await (const _none of receiveOwnership.all(port, { accept: () => false }));
    } catch (error) {
      this.#host.fail(`receiveOwnership where all is refused: ${String(error)}`);
    }
  }
}
