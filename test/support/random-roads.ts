// random-roads — rounds of chance with tunnels: a road of one to three proxies of any kind to a server of any kind, and on it
// requests, uploads, raw bytes, WebSockets, pings, questions, cancelled streams and tunnels, killed proxies, goodbyes.
// Run by test/tunnels/random.test.ts. Invariant: all is decided by the seed but time itself; a round that goes well has
// settled every promise, with an error of ours or none, and has left no tunnel open.

import { type Connection, GunportError, type Pool, type Stream } from '../../lib/index.ts';
import { chance } from './chance.ts';
import { proxyOf } from './proxies.ts';
import type { ProxyPeer } from './proxying.ts';
import { Tracker, turns } from './tracker.ts';
import { ORIGIN_KINDS, PROXY_KINDS } from './tunnel-names.ts';
import { proxyOption, type Server, serverOf, spokenAt, through, transportOf, walk } from './tunnels.ts';

const MOST_HOPS = 3;

export class RandomRoads {
  readonly #pool: Pool;
  readonly #dice: (n: number) => number;
  readonly #proxies: ProxyPeer[][] = [];
  readonly #servers: Server[] = [];

  constructor(pool: Pool, seed: number) {
    this.#pool = pool;
    this.#dice = chance(seed);
  }

  async open(): Promise<void> {
    for (let place = 0; place < MOST_HOPS; place++) {
      const row: ProxyPeer[] = [];
      for (const kind of PROXY_KINDS) row.push(await proxyOf(kind));
      this.#proxies.push(row);
    }
    for (const kind of ORIGIN_KINDS) this.#servers.push(await serverOf(kind));
  }

  async close(): Promise<void> {
    for (const one of [...this.#proxies.flat(), ...this.#servers]) await one.close();
  }

  /** One road. @throws with what was done on it, when anything hangs, is left open or fails as it should not */
  async round(): Promise<void> {
    const hops = this.#proxies.slice(0, 1 + this.#dice(MOST_HOPS)).map((row) => this.#one(row));
    const round = new Round(this.#pool, this.#dice, hops, this.#one(this.#servers));
    try {
      await round.run();
      while (this.#proxies.flat().some(({ tunnels }) => tunnels > 0)) {
        // A request may have come when its client was gone.
        for (const server of this.#servers) server.release();
        await turns(1);
      }
    } catch (error) {
      throw new Error(round.log.join(', '), { cause: error });
    }
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#dice(list.length)] as T; // Never empty.
  }
}

class Round {
  readonly log: string[];
  readonly #dice: (n: number) => number;
  readonly #hops: readonly ProxyPeer[];
  readonly #server: Server;
  readonly #connection: Connection;
  readonly #tunnels: readonly Stream<Connection>[];
  readonly #streams: Stream<Connection>[] = [];
  readonly #tracker = new Tracker();
  #strange: unknown;

  constructor(pool: Pool, dice: (n: number) => number, hops: readonly ProxyPeer[], server: Server) {
    const retry = dice(3) === 0 ? 0 : 3;
    const options = { retry, retryTimeout: 2 };
    const straight = dice(3) === 0;
    this.log = [[...hops, server].map(({ kind }) => kind).join(' > '), `retry ${retry}`];
    this.#dice = dice;
    this.#hops = hops;
    this.#server = server;
    if (straight) {
      const { host, port, ca } = server;
      const transport = transportOf(server);
      this.#tunnels = [];
      this.#connection = pool.open(
        { host, port, transport },
        {
          ...{ ...options, proxy: hops.map(proxyOption) },
          protocols: [spokenAt(server) as 'http'], // A server speaks no SOCKS, and the others are names as well.
          ...(transport === 'tls' && { tls: { ca } }),
        },
      );
    } else {
      const walked = walk((target, more) => pool.open(target, more), [...hops, server], options);
      this.#connection = walked.connection;
      this.#tunnels = walked.tunnels;
    }
  }

  async run(): Promise<void> {
    this.#note('up', this.#connection.awaitUp({ timeout: 4_000 }));
    for (const tunnel of this.#tunnels) this.#note('tunnel', tunnel.established({ timeout: 4_000 }));
    for (let left = 1 + this.#dice(14); left > 0; left--) {
      try {
        this.#act();
      } catch (error) {
        this.#look(error);
      }
      await turns(this.#dice(40));
    }
    this.#server.release();
    this.#note('close', this.#connection.close());
    await this.#tracker.settled(4_000);
    if (this.#strange !== undefined) throw this.#strange;
  }

  #act(): void {
    const [connection, dice] = [this.#connection, this.#dice];
    const end = through(this.#tunnels);
    const what = dice(14);
    this.log.push(String(what));
    if (what < 6) return spokenAt(this.#server) === 'raw' ? this.#raw() : this.#ask(what === 5);
    if (what === 6) return this.#streams[dice(this.#streams.length || 1)]?.cancel();
    if (what === 7 && dice(3) === 0) return this.#tunnels[dice(this.#tunnels.length || 1)]?.cancel();
    if (what === 8 && dice(2) === 0) return this.#hops[dice(this.#hops.length)]?.drop();
    if (what === 9) return this.#note('info', connection.info());
    if (what === 10) return this.#note('ping', connection.ping({ ...end, timeout: 1_000 }));
    if (what === 11 && spokenAt(this.#server) === 'http') return this.#note('ws', this.#webSocket());
    if (what === 12) return this.#server.release();
    if (what === 13 && dice(6) === 0) this.#note('shutdown', connection.shutdown());
  }

  #raw(): void {
    const tunnel = this.#tunnels.at(-1);
    if (tunnel?.protocol === 'raw') tunnel.data('nofin', 'x'.repeat(this.#dice(100_000)));
    if (tunnel) return;
    const raw = this.#connection.raw();
    this.#streams.push(raw);
    this.#note('raw', raw.text());
    raw.data('nofin', 'hello');
  }

  #ask(upload: boolean): void {
    const end = through(this.#tunnels);
    const path = ['/', '/bytes/100000', '/bytes/1000000', '/hold'][this.#dice(4)] ?? '/';
    const stream = upload
      ? this.#connection.post('/', { ...end, body: new Uint8Array(this.#dice(500_000)) })
      : this.#connection.get(path, end);
    this.#streams.push(stream);
    this.#note(upload ? 'post' : 'get', stream.text());
  }

  async #webSocket(): Promise<void> {
    const feed = this.#connection.wsUpgrade('/', through(this.#tunnels));
    await this.#connection.await(feed, { timeout: 3_000 });
    feed.send('x');
    for await (const message of feed) {
      if (message !== 'x') throw new Error(`${message} came back`);
      break;
    }
    await feed.close();
  }

  #note(name: string, promise: Promise<unknown>): void {
    const looked = promise.catch((error: unknown) => this.#look(error));
    void this.#tracker.note(name, looked);
  }

  /** What fails fails with an error of ours. */
  #look(error: unknown): void {
    if (!(error instanceof GunportError)) this.#strange ??= error;
  }
}
