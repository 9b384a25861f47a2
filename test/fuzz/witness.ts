// witness — a good connection in the thread that fuzzed peers are met in: it must not notice any of them.
// Made by fuzz.ts. Numbered messages go to an echo server and come back, all the while; a handler beside its socket
// (witness-handler.ts) tells what its thread keeps alive.
// Invariant: every number comes back once, in order. Source: promise M1.

import type { Connection, Pool } from '../../lib/index.ts';
import type { Feed } from '../support/feeds.ts';
import { type Peer, wsServer } from '../support/peers.ts';
import type { Alive, WitnessApi } from './witness-handler.ts';

const MODULE = new URL('./witness-handler.js', import.meta.url);

export class Witness {
  readonly #server: Peer;
  readonly #feed: Feed;
  readonly #connection: Connection;
  readonly #reading: Promise<void>;
  readonly threadId: number;
  #sent = 0;
  #back = 0;
  #came: () => void = () => {};

  private constructor(server: Peer, feed: Feed) {
    this.#server = server;
    this.#feed = feed;
    this.#connection = feed.connection;
    this.threadId = feed.connection.threadId;
    this.#reading = this.#read();
    this.#reading.catch(() => {}); // Told by what is asked of it next.
  }

  static async begin(pool: Pool): Promise<Witness> {
    const server = await wsServer();
    server.server.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    const feed = await pool.connect(server.url, { handler: { module: MODULE }, retry: 0, keepalive: 0 });
    return new Witness(server, feed as Feed); // Its handler delivers what comes.
  }

  /** One more number. */
  tick(): void {
    this.#feed.send(String(this.#sent++));
  }

  /** Resolves when all numbers are back. @throws when one is not, or it has noticed something */
  async unharmed(): Promise<void> {
    const all = new Promise<void>((resolve) => {
      this.#came = () => {
        if (this.#back === this.#sent) resolve();
      };
    });
    this.tick();
    await Promise.race([all, this.#reading]);
    if (this.#back !== this.#sent)
      throw new Error(`the witness has had ${this.#back} of ${this.#sent} numbers`);
    if (this.#connection.attempt !== 1) throw new Error('the witness had to come back');
  }

  /** What keeps its thread alive. */
  async held(): Promise<Readonly<Record<string, number>>> {
    return await this.#feed.remote<WitnessApi>({ timeout: 10_000 }).held();
  }

  /** What is in the memory of its thread. */
  async alive(): Promise<Alive> {
    return await this.#feed.remote<WitnessApi>({ timeout: 60_000 }).alive();
  }

  async end(): Promise<void> {
    await this.#connection.close();
    await this.#server.close();
  }

  async #read(): Promise<void> {
    for await (const message of this.#feed) {
      if (message !== String(this.#back))
        throw new Error(`the witness has had ${message}, not ${this.#back}`);
      this.#back++;
      this.#came();
    }
  }
}
