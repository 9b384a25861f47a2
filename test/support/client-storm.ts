// client-storm — a client that goes from thread to thread while its sockets are lost and its own threads die, and what must
// be so all along: one handle, each channel once on a connection, no promise left.
// Run by test/client/storm.test.ts and soak/clients.ts. Invariant: the same seed gives the same plan.

import { BroadcastChannel, MessageChannel, type MessagePort } from 'node:worker_threads';
import * as gunport from '../../lib/index.ts';
import { mortal } from '../../lib/testing/index.ts';
import { CHANNEL, type Killing } from '../../lib/testing/mortal.ts';
import { chance } from './chance.ts';
import type { Numbered } from './client-adapter.ts';
import { ClientServer } from './client-server.ts';
import { adapterAt } from './client-stage.ts';
import { TestThread } from './thread.ts';
import { Tracker } from './tracker.ts';

type Client = gunport.Client<Numbered>;

/** What a task sees, wherever it runs. */
interface Holder {
  readonly gunport: typeof gunport;
  readonly notes: Record<string, unknown>;
}

/** Main, or a thread: whoever has the client. */
interface Place {
  run<A extends unknown[], R>(
    task: (here: Holder, ...args: A) => R | Promise<R>,
    ...args: A
  ): Promise<Awaited<R>>;
}

export interface Faults {
  readonly drops: number;
  readonly kills: number;
  readonly transfers: number;
}

/** What there was. */
export interface StormReport {
  readonly promises: number;
  readonly rejected: number;
  readonly connections: number;
  readonly channels: number;
  /** That were read, by all owners together. */
  readonly numbers: number;
}

/** How long anything may take, in milliseconds. */
const PATIENCE = 8_000;

/** Runs one. @throws what was not so. */
export async function clientStorm(seed: number, { drops, kills, transfers }: Faults): Promise<StormReport> {
  const random = chance(seed);
  const plan = shuffled(random, [
    ...Array<'drop'>(drops).fill('drop'),
    ...Array<'kill'>(kills).fill('kill'),
    ...Array<'transfer'>(transfers).fill('transfer'),
  ]);
  const server = await ClientServer.start();
  const threads = [new TestThread(), new TestThread()];
  const storm = new Storm(server, threads, random);
  try {
    await storm.begin();
    for (const fault of plan) {
      storm.work();
      server.number('flow', 5);
      await storm[fault]();
    }
    return await storm.end();
  } finally {
    await storm.stop();
    await server.close();
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

class Storm {
  readonly #server: ClientServer;
  readonly #random: (n: number) => number;
  readonly #places: readonly Place[];
  readonly #threads: readonly TestThread[];
  readonly #promises = new Tracker();
  readonly #unsubscribed = new Set<string>();
  readonly #subscribed = new Set<string>();
  readonly #begun: Promise<unknown>;
  #at = 0;
  #rejected = 0;
  #channels = 0;

  constructor(server: ClientServer, threads: readonly TestThread[], random: (n: number) => number) {
    this.#server = server;
    this.#random = random;
    this.#threads = threads;
    const notes: Record<string, unknown> = {};
    // An async function awaits what it is given: TypeScript does not see that this is the same.
    const run = (async (task, ...args) => task({ gunport, notes }, ...args)) as Place['run'];
    const main: Place = { run };
    this.#places = [main, ...threads];
    this.#begun = Promise.all(
      this.#places.map((place) => place.run(({ notes: own }) => void Object.assign(own, { numbers: [] }))),
    );
  }

  get #here(): Place {
    return this.#places[this.#at]!;
  }

  async begin(): Promise<void> {
    const options = mortal({
      url: this.#server.url,
      credentials: 'me',
      retryTimeout: 1,
      requestTimeout: 5_000,
    });
    const client = new gunport.Client<Numbered>(adapterAt('beside the socket'), options);
    await this.#begun;
    await this.#here.run(({ notes }) => {
      notes['client'] = client;
    });
    await this.#here.run(reads);
    await client.connect();
    await client.subscribe('flow');
  }

  /** What goes on all the while: it is not waited for. */
  work(): void {
    const place = this.#here;
    const send = place.run(({ notes }) => (notes['client'] as Client).send({ method: 'note', params: 1 }));
    this.#note('send', send);
    const request = place.run(({ notes }, n) => {
      return (notes['client'] as Client).request<number>({ method: 'echo', params: n });
    }, this.#random(1_000));
    this.#note('request', request);
    if (this.#random(3) === 0) {
      const channel = `channel ${++this.#channels}`;
      const asked = place.run(
        ({ notes }, name) => (notes['client'] as Client).subscribe(name).then(() => undefined),
        channel,
      );
      this.#note('subscribe', asked, () => this.#subscribed.add(channel));
    }
    const [some] = this.#subscribed;
    if (some !== undefined && this.#random(6) === 0) {
      this.#subscribed.delete(some);
      const left = place.run(({ notes }, name) => (notes['client'] as Client).unsubscribe(name), some);
      this.#note('unsubscribe', left, () => this.#unsubscribed.add(some));
    }
  }

  #note(name: string, promise: Promise<unknown>, done: () => void = () => {}): void {
    this.#promises.note(name, promise).then(done, () => this.#rejected++);
  }

  /** The socket is lost. */
  async drop(): Promise<void> {
    const isOpen = (): boolean => this.#server.open.length > 0;
    await this.#server.until('a connection', isOpen, PATIENCE);
    this.#server.drop();
    await this.#server.until('its end', () => !isOpen(), PATIENCE);
    if (this.#random(2) === 0) await this.#isReady();
  }

  /** The thread that has the connection dies. */
  async kill(): Promise<void> {
    await this.#isReady();
    const threadId = await this.#here.run(({ notes }) => {
      const { connection } = notes['client'] as Client;
      notes['down'] = connection?.monitor().down;
      return connection?.threadId ?? -1;
    });
    const killing: Killing = {
      threadId,
      how: this.#random(2) === 0 ? 'exit' : 'uncaught',
      heard: new SharedArrayBuffer(4),
    };
    const channel = new BroadcastChannel(CHANNEL);
    channel.postMessage(killing);
    channel.close();
    await this.#here.run(async ({ notes }) => void (await notes['down']));
  }

  /** Another thread has it from now on. */
  async transfer(): Promise<void> {
    const from = this.#here;
    this.#at = (this.#at + 1 + this.#random(2)) % this.#places.length;
    const { port1, port2 } = new MessageChannel();
    const taken = this.#here.run(async (here: Holder, port: MessagePort) => {
      const { client } = await here.gunport.receiveClient<Numbered>(port);
      here.notes['client'] = client;
      port.close();
    }, port1);
    await from.run(async ({ notes }, port: MessagePort) => {
      await (notes['client'] as Client).transferOwnership(port, { timeout: 15_000 });
      notes['client'] = undefined;
    }, port2);
    await taken;
    await this.#here.run(reads);
  }

  #isReady(): Promise<unknown> {
    return this.#here.run(
      async ({ notes }, timeout) => (notes['client'] as Client).ready({ timeout }),
      PATIENCE,
    );
  }

  /** All has come to rest. @throws what is not as it must be. */
  async end(): Promise<StormReport> {
    await this.#isReady();
    await this.#promises.settled(PATIENCE);
    await this.#isReady();
    const { connections } = this.#server;
    const wrong: string[] = [];
    for (const { number, asked, log } of connections) {
      for (const [channel, times] of asked) {
        if (times !== 1) wrong.push(`connection ${number} was asked ${times} times for ${channel}`);
      }
      if (log.length > 0 && log[0] !== 'auth') wrong.push(`connection ${number} began with ${log[0]}`);
    }
    const there = await this.#here.run(async ({ notes }) => {
      const client = notes['client'] as Client;
      // Its reply comes behind all others.
      await client.request({ method: 'echo', params: 0 });
      const { pending, queued } = await client.status();
      return { channels: client.channels, pending, queued, state: client.state };
    });
    const open = this.#server.open;
    if (open.length !== 1) wrong.push(`${open.length} connections are open`);
    const served = [...(open[0]?.channels ?? [])].sort();
    const known = [...there.channels].sort();
    if (String(served) !== String(known)) wrong.push(`the server has ${served}; the client ${known}`);
    for (const channel of this.#subscribed) {
      if (!known.includes(channel)) wrong.push(`${channel} was confirmed and is gone`);
    }
    for (const channel of this.#unsubscribed) {
      if (known.includes(channel)) wrong.push(`${channel} was left and is there`);
    }
    if (there.pending + there.queued > 0) wrong.push(`${there.pending} pending, ${there.queued} queued`);
    const found: number[] = [];
    for (const place of this.#places)
      found.push(...(await place.run(({ notes }) => notes['numbers'] as number[])));
    if (new Set(found).size !== found.length) wrong.push('a number came twice');
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    return {
      promises: this.#promises.started,
      rejected: this.#rejected,
      connections: connections.length,
      channels: known.length,
      numbers: found.length,
    };
  }

  async stop(): Promise<void> {
    for (const place of this.#places) {
      if (
        place !== this.#places[0] &&
        this.#threads.some((thread) => thread === place && thread.threadId < 0)
      )
        continue;
      await place.run(async ({ notes }) => void (await (notes['client'] as Client | undefined)?.close()));
    }
  }
}

/** Reads it there, by events. */
function reads({ notes }: Holder): void {
  const [client, numbers] = [notes['client'] as Client, notes['numbers'] as number[]];
  client.on('message', ({ n }) => {
    if (n !== undefined) numbers.push(n);
  });
}

function shuffled<T>(random: (n: number) => number, all: readonly T[]): T[] {
  const left = [...all];
  for (let i = left.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [left[i], left[j]] = [left[j]!, left[i]!];
  }
  return left;
}
