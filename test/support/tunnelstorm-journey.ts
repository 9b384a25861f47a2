// tunnelstorm-journey — one connection in a storm of tunnels: a road at random, what goes on at its end, and how it ends.
// Run by tunnelstorm.ts, many at once. Invariant: run() resolves when all that it began has settled; what did not, or
// not as it should, was told as a fault.

import { setTimeout as pause } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import {
  type Connection,
  GunportError,
  type OpenOptions,
  type Pool,
  type Received,
} from '../../lib/index.ts';
import type { TestThread } from './thread.ts';
import type { Tracker } from './tracker.ts';
import { originOf, proxyOption, through, walk } from './tunnels.ts';
import type { Land, Spot } from './tunnelstorm-land.ts';
import {
  AnswerLog,
  EchoLog,
  type Feed,
  FeedLog,
  type Held,
  type Log,
  type LogHost,
  TunnelLog,
} from './tunnelstorm-logs.ts';

export interface JourneyHost extends LogHost {
  readonly pool: Pool;
  readonly land: Land;
  readonly threads: readonly TestThread[];
  readonly tracker: Tracker;
  /** The connection of this journey, when another thread gives it back. */
  back(journey: number): Promise<Received>;
  /** It was not handed over after all. */
  stays(journey: number): void;
}

/** Nothing may be under way longer than this once its connection has ended, in ms. */
const SETTLED = 6_000;
const RETRY: OpenOptions = { retry: 20, retryTimeout: 5, connectTimeout: 2_000, tlsTimeout: 2_000 };

export class Journey {
  readonly #id: number;
  readonly #host: JourneyHost;
  readonly #logs: Log[] = [];
  #connection: Connection | undefined;
  #tunnels: number[] = [];
  #reading: Promise<void>[] = [];
  #name = '';
  #hops = 0;
  /** Another thread could not give it back. */
  #gone = false;

  constructor(id: number, host: JourneyHost) {
    this.#id = id;
    this.#host = {
      ...host,
      fault: (what) => host.fault(`journey ${id} (${this.#name}): ${what}`),
    };
  }

  /** How often it was handed over, and what was read. */
  get figures(): { readonly hops: number; readonly streams: number; readonly well: number } {
    const well = this.#logs.filter(({ end }) => end === 'well').length;
    return { hops: this.#hops, streams: this.#logs.length, well };
  }

  async run(): Promise<void> {
    const { dice } = this.#host;
    const hops = Array.from({ length: 1 + dice(3) }, () => this.#one(this.#host.land.proxies));
    const far = this.#one(this.#host.land.origins);
    const isRaw = far.kind.startsWith('raw');
    if (!isRaw && dice(3) === 0) await this.#begin([...hops, far]);
    else this.#walk([...hops, far]);
    for (let left = 1 + dice(12); left > 0 && !this.#gone && this.#connection; left--) {
      await this.#act(this.#connection, isRaw);
      await pause(dice(dice(4) === 0 ? 400 : 40));
    }
    await this.#finish();
  }

  #one<T>(all: readonly T[]): T {
    return all[this.#host.dice(all.length)] as T; // None is empty.
  }

  // ── beginnings ────────────────────────────────────────────────────────────────────────────────────────────

  /** By `proxy`, by connect(), or by both. */
  #walk(places: readonly Spot[]): void {
    const { dice, pool } = this.#host;
    const own = dice(places.length);
    const proxy = places.slice(0, own).map(proxyOption);
    const options = { ...RETRY, ...(own > 0 && { proxy }) };
    this.#name = places.map(({ kind }, i) => (i < own ? `(${kind})` : kind)).join(' ');
    const { connection, tunnels } = walk((to, more) => pool.open(to, more), places.slice(own), options);
    this.#connection = connection;
    this.#tunnels = tunnels.map(({ id }) => id);
    const raw = places.at(-1)?.kind.startsWith('raw');
    for (const [i, tunnel] of tunnels.entries()) {
      void this.#settles(`tunnel ${tunnel.id}`, tunnel.established());
      const last = raw && i === tunnels.length - 1;
      this.#log(last ? new EchoLog(tunnel.id, this.#host) : new TunnelLog(tunnel.id, this.#host), tunnel);
    }
  }

  /** A WebSocket of connect(). */
  async #begin(places: readonly Spot[]): Promise<void> {
    const far = places.at(-1) as Spot; // There is one.
    this.#name = `${places.map(({ kind }) => `(${kind})`).join(' ')} connect`;
    const options = { ...RETRY, proxy: places.slice(0, -1).map(proxyOption) };
    const opening = this.#host.pool.connect(originOf(far).replace('http', 'ws'), {
      ...options,
      ...(far.kind === 'https' || far.kind === 'h2' ? { tls: { ca: far.ca } } : {}),
      ...(far.kind.startsWith('h2') ? { protocols: ['http2'] as const } : {}),
    } as OpenOptions);
    const feed = await this.#settles('connect', opening);
    if (!feed) return;
    this.#connection = feed.connection;
    this.#log(new FeedLog(feed.id, this.#host), feed);
  }

  // ── on the way ────────────────────────────────────────────────────────────────────────────────────────────

  async #act(connection: Connection, isRaw: boolean): Promise<void> {
    const { dice } = this.#host;
    const roll = dice(20);
    if (roll < 5) return this.#hop(connection);
    if (roll === 5) return void this.#settles('info', connection.info());
    if (roll === 6) return void this.#settles('awaitUp', connection.awaitUp());
    this.#tries(() => {
      if (roll < 9) this.#cancel(connection);
      else if (isRaw) this.#write(connection);
      else this.#ask(connection, roll);
    });
  }

  /** What may throw where it has ended meanwhile. */
  #tries(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof GunportError)) this.#host.fault(`throws ${String(error)}`);
    }
  }

  #ask(connection: Connection, roll: number): void {
    const { dice } = this.#host;
    const options = this.#through(connection);
    if (roll < 12) {
      const feed = connection.wsUpgrade('/', options);
      return this.#log(new FeedLog(feed.id, this.#host), feed);
    }
    if (roll < 15) {
      const body = Buffer.alloc(dice(300_000));
      const answer = connection.post('/', { ...options, body }).text();
      return void this.#settles('post', answer).then((text) => {
        if (text !== undefined && text !== `${body.length} bytes`) this.#host.fault(`a POST is told ${text}`);
      });
    }
    const size = 10 * dice(30_000);
    const stream = connection.get(`/bytes/${size}`, options);
    this.#log(new AnswerLog(stream.id, size, this.#host), stream);
  }

  #through(connection: Connection): { tunnel?: Held } {
    const tunnel = connection.streams.get(this.#tunnels.at(-1) ?? 0);
    if (this.#tunnels.length > 0 && !tunnel) return { tunnel: { id: this.#tunnels.at(-1) } as Held }; // It has ended.
    return through(tunnel ? [tunnel as Held] : []); // CONNECT has made it.
  }

  #write(connection: Connection): void {
    for (const log of this.#logs) {
      const stream = connection.streams.get(log.id);
      if (stream && log instanceof EchoLog) return log.write(stream as Held); // As it was made.
    }
    if (this.#tunnels.length > 0) return;
    const stream = connection.raw();
    this.#log(new EchoLog(stream.id, this.#host), stream);
  }

  #cancel(connection: Connection): void {
    const log = this.#logs[this.#host.dice(this.#logs.length)];
    const stream = log && connection.streams.get(log.id);
    if (!stream) return;
    // What a WebSocket had when it ended stays to be read.
    const live = stream.state !== 'closed';
    stream.cancel();
    log.cancelled = live;
  }

  // ── hand-over ─────────────────────────────────────────────────────────────────────────────────────────────

  /** To another thread, and back. */
  async #hop(connection: Connection): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const data = { journey: this.#id, port: port2 };
    const back = this.#host.back(this.#id);
    const failed = failure(port1);
    const { worker } = this.#one(this.#host.threads);
    const given = connection.transferOwnership(worker, { data, transfer: [port2], timeout: 2_000 });
    const moved = await this.#settles(
      'transfer',
      given.then(() => true),
    );
    if (!moved) {
      this.#host.stays(this.#id);
      return port1.close();
    }
    await this.#host.tracker.within(Promise.all(this.#reading), `readers of journey ${this.#id}`);
    this.#reading = [];
    const received = await this.#host.tracker.within(Promise.race([back, failed]), `journey ${this.#id}`);
    port1.close();
    if (typeof received === 'string') {
      this.#gone = true;
      return;
    }
    this.#hops++;
    this.#connection = received.connection;
    for (const log of this.#logs) {
      const stream = received.connection.streams.get(log.id);
      if (log.end) continue;
      if (stream) this.#read(log, stream as Held | Feed);
      else log.fault('is not there after a hand-over');
    }
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #finish(): Promise<void> {
    const connection = this.#connection;
    if (connection && !this.#gone) {
      const polite = this.#host.dice(3) === 0;
      if (this.#host.dice(3) === 0) this.#tries(() => this.#cancel(connection));
      const ending = polite ? connection.shutdown() : connection.close();
      const enough = new AbortController();
      const late = pause(500, undefined, { signal: enough.signal }).catch(() => {});
      if (polite) await Promise.race([ending.catch(() => {}), late]);
      enough.abort();
      await this.#settles('close', connection.close());
      await this.#settles('end', ending);
    }
    const end = performance.now() + SETTLED;
    const pending = (): Log[] => this.#logs.filter((log) => !log.end);
    while (!this.#gone && pending().length > 0 && performance.now() < end) await pause(1);
    if (!this.#gone) for (const log of pending()) log.fault('has no end');
  }

  #log(log: Log, stream: Held | Feed): void {
    this.#logs.push(log);
    this.#read(log, stream);
  }

  #read(log: Log, stream: Held | Feed): void {
    this.#reading.push(log.read(stream));
  }

  /** Its value, or undefined when it rejects as it may. */
  #settles<T>(name: string, promise: Promise<T>): Promise<T | undefined> {
    return this.#host.tracker
      .note(`${name} of journey ${this.#id} (${this.#name})`, promise)
      .catch((error) => {
        if (!(error instanceof GunportError))
          this.#host.fault(`${name} rejects with ${error?.stack ?? error}`);
        return undefined;
      });
  }
}

/** Why a thread could not give it back. */
function failure(port: MessagePort): Promise<string> {
  return new Promise((resolve) => port.on('message', (why: string) => resolve(why)));
}
