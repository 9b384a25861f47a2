// seed-peers — who a test of the seed guide talks to: a server that counts, and a consumer thread.
// Used by seed.test.ts; the thread runs seed-consumer.ts.
// Invariant: a report is kept until it is asked for; asking for a report of a thread that has ended rejects.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { WebSocket } from 'ws';
import { type Connection, GunportError, type WsStream } from '../../lib/index.ts';
import { wsServer } from './peers.ts';
import type { Errand, Report } from './seed-consumer.ts';

/** A server that sends so many messages, '0', '1', '2' …, to each client as fast as it takes them, and closes with 1000
 *  once it is told that the client has begun to read to the end. */
export async function numbers(count: number): ReturnType<typeof wsServer> {
  const peer = await wsServer({ handleProtocols: () => 'numbers' });
  peer.server.on('connection', (client) => void serve(client, count));
  return peer;
}

async function serve(client: WebSocket, count: number): Promise<void> {
  const told = new Promise((resolve) => client.once('message', resolve));
  for (let i = 0; i < count; ) {
    for (const end = Math.min(count, i + 100); i < end; i++) client.send(String(i));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await told;
  client.close(1000, 'done');
}

/** What numbers() sends, from one number up to another. */
export function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

/** Tells the server, and reads all that is left of a feed. */
export async function readAll(feed: WsStream<Connection>): Promise<string[]> {
  feed.send('to the end');
  const seen: string[] = [];
  for await (const message of feed) seen.push(String(message));
  return seen;
}

type ReportOf<T extends Report['type']> = Extract<Report, { readonly type: T }>;

/** A thread that takes connections over. */
export class Consumer implements AsyncDisposable {
  readonly worker: Worker = new Worker(new URL('./seed-consumer.js', import.meta.url));
  readonly threadId: number = this.worker.threadId;
  readonly #reports: Report[] = [];
  #error: unknown;
  #alive = true;
  #wake: () => void = () => {};

  private constructor() {
    this.worker.on('message', (message: Report | { type?: undefined }) => {
      // Offers of connections come by the same way.
      if (message.type !== undefined) this.#reports.push(message);
      this.#wake();
    });
    this.worker.on('error', (error) => {
      this.#error = error;
    });
    this.worker.on('exit', () => {
      this.#alive = false;
      this.#wake();
    });
  }

  /** Resolves once it waits for a connection. */
  static async start(): Promise<Consumer> {
    const consumer = new Consumer();
    await consumer.next('ready');
    return consumer;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Its next report of this type. */
  async next<T extends Report['type']>(type: T): Promise<ReportOf<T>> {
    for (;;) {
      const at = this.#reports.findIndex((report) => report.type === type);
      // findIndex has just found a report of this type.
      if (at >= 0) return this.#reports.splice(at, 1)[0] as ReportOf<T>;
      if (!this.#alive) throw new Error(`the consumer has ended without '${type}'`, { cause: this.#error });
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Kills it. */
  async end(): Promise<void> {
    if (!this.#alive) return;
    const exit = once(this.worker, 'exit');
    await this.worker.terminate();
    await exit;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

/** The error that a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<GunportError> {
  const outcome = await promise.then(
    (value) => value,
    (error: unknown) => error,
  );
  if (outcome instanceof GunportError) return outcome;
  throw new Error('it did not reject with an error of gunport', { cause: outcome });
}

/** What a consumer is asked for: nothing but what is given here. */
export function nothingAsked(data: Partial<Errand> = {}): Errand {
  return { take: 0, route: [], seen: [], ...data };
}

/** The server drops every socket; resolves with the feed's 'down' event. */
export function lose(
  server: Awaited<ReturnType<typeof numbers>>,
  feed: WsStream<Connection>,
): Promise<unknown[]> {
  const down = once(feed, 'down');
  for (const client of server.server.clients) client.terminate();
  return down;
}
