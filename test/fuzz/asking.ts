// asking — what a client asks of a fuzzed peer: requests of every kind, WebSockets, events, raw bytes, and questions.
// Made by visit.ts, one for each connection.
// Invariant: whatever is begun is noted in the verdict; a stream that has ended says nothing more.

import type { AnyStream, Connection, Monitor, Stream, ThroughTunnel } from '../../lib/index.ts';
import type { Feed } from '../support/feeds.ts';
import { later, turns } from '../support/tracker.ts';
import type { Plan } from './plan.ts';
import { Requests, TIMEOUT } from './requests.ts';
import type { Verdict } from './verdict.ts';

type HttpStream = Stream<Connection>;

const MOST_STREAMS = 4;

export class Asking {
  readonly #connection: Connection;
  readonly #plan: Plan;
  readonly #roll: (below: number) => number;
  readonly #verdict: Verdict;
  readonly #requests: Requests;
  readonly #answers: Promise<unknown>[] = [];
  readonly #feeds: { readonly feed: Feed; ends: number }[] = [];

  constructor(
    connection: Connection,
    plan: Plan,
    roll: (below: number) => number,
    verdict: Verdict,
    monitor: Monitor<Connection> | undefined,
  ) {
    this.#connection = connection;
    this.#plan = plan;
    this.#roll = roll;
    this.#verdict = verdict;
    this.#requests = new Requests(connection, roll, verdict, monitor);
  }

  /** Resolves when what was asked by request has been answered, or has not. */
  get answered(): Promise<unknown> {
    return Promise.all(this.#answers);
  }

  begin(feed: Feed | undefined): void {
    const { spoken } = this.#plan;
    const connection = this.#connection;
    if (this.#roll(2) === 0) this.#note('awaitUp', () => connection.awaitUp(this.#requests.waits));
    if (feed) {
      this.#watch(feed);
      this.#read(feed);
    } else if (spoken === 'ws' || spoken === 'ws2') this.#upgrade();
    else if (spoken === 'raw') this.#answer('raw', this.#raw());
    else if (spoken === 'sse') this.#events();
    else if (this.#plan.tunnels) this.#tunnel();
    else if (this.#roll(6) === 0 || this.#plan.stage === 'in a frame header') this.#upgrade();
    if (spoken !== 'ws' && spoken !== 'sse' && spoken !== 'raw' && !this.#plan.tunnels) this.#several();
    if (this.#roll(3) === 0) this.#note('info', () => connection.info({ timeout: TIMEOUT * 4 }));
    if (this.#roll(3) === 0 && spoken === 'http2')
      this.#note('ping', () => connection.ping({ timeout: TIMEOUT }));
  }

  /** The new owner of what was asked reads on. */
  goesOn(connection: Connection): void {
    for (const stream of connection.streams.values()) {
      const reading = async (): Promise<void> => {
        for await (const _ of stream) this.#taken(stream);
      };
      void this.#verdict.note('reading on', reading());
    }
  }

  /** Says goodbye on WebSockets, after a while. */
  async closeFeeds(patience: number): Promise<void> {
    if (this.#feeds.length === 0) return;
    await Promise.race([this.#connection.monitor().down, later(patience)]);
    for (const { feed } of this.#feeds)
      void this.#verdict.note(
        'feed.close',
        Promise.resolve().then(() => feed.close()),
      );
  }

  /** At the end. `given`: another has them. */
  async look(given: boolean): Promise<void> {
    for (const one of this.#feeds) {
      const { feed } = one;
      await feed.closed;
      const { ends } = one;
      // One that had ended before was given as such.
      if (ends > 1 || (ends === 0 && !given)) this.#verdict.wrong(`a WebSocket has ended ${ends} times`);
      if (!given && feed.state !== 'closed')
        this.#verdict.wrong(`after its end a WebSocket is ${feed.state}`);
    }
  }

  #note(name: string, act: () => Promise<unknown>): void {
    void this.#verdict.note(name, Promise.resolve().then(act));
  }

  #answer(name: string, promise: Promise<unknown>): void {
    this.#answers.push(this.#verdict.note(name, promise));
  }

  #several(through: ThroughTunnel = {}): void {
    for (let i = 1 + this.#roll(MOST_STREAMS); i > 0; i--)
      this.#answer(`request ${i}`, this.#requests.ask(`/${i}`, through));
  }

  /** By hand, where the connection leads to a proxy. */
  #tunnel(): void {
    const target = this.#roll(4) === 0 ? 'https://far.example' : 'http://far.example';
    const tunnel = this.#verdict.attempt('connect', () => this.#connection.connect(target));
    if (!tunnel) return;
    this.#note('established', () => tunnel.established({ timeout: TIMEOUT * 4 }));
    this.#several({ tunnel });
    if (this.#roll(2) === 0) this.#upgrade({ tunnel });
    if (this.#roll(4) === 0) setImmediate(() => this.#verdict.attempt('cancel', () => tunnel.cancel()));
  }

  #upgrade(through: ThroughTunnel = {}): void {
    const feed = this.#verdict.attempt('wsUpgrade', () => this.#connection.wsUpgrade('/feed', through));
    if (!feed) return;
    this.#watch(feed);
    if (this.#roll(2) === 0) this.#read(feed);
    else
      this.#answer(
        'upgrade',
        this.#connection.await(feed, this.#requests.waits).finally(() => this.#read(feed)),
      );
  }

  #watch(feed: Feed): void {
    const one = { feed, ends: 0 };
    this.#feeds.push(one);
    feed.on('close', () => one.ends++);
    this.#note('closed', () => feed.closed);
  }

  #read(feed: Feed): void {
    if (this.#roll(3) === 0) feed.on('message', () => this.#taken(feed));
    else this.#note('reading', () => this.#loop(feed));
    this.#note('talk', () => this.#talk(feed));
  }

  async #loop(feed: Feed): Promise<void> {
    if (this.#roll(2) === 0) for await (const _ of feed) this.#taken(feed);
    else for await (const batch of feed.batches()) for (const _ of batch) this.#taken(feed);
  }

  /** One that is read by hand gets one more. */
  #taken(stream: AnyStream<Connection>): void {
    this.#verdict.attempt('updateFlow', () => stream.updateFlow(1));
  }

  async #talk(feed: Feed): Promise<void> {
    for (let words = this.#roll(6); words > 0; words--) {
      await turns(this.#roll(6));
      if (feed.state !== 'open') continue;
      const act = this.#roll(4);
      if (act === 0) this.#note('feed.ping', () => feed.ping(undefined, { timeout: TIMEOUT }));
      else if (act === 1) this.#note('feed.drained', () => feed.drained({ timeout: TIMEOUT * 4 }));
      else feed.send([`word ${words}`, new Uint8Array(this.#roll(300))]);
      if (act === 2) feed.updateFlow(1);
    }
  }

  #events(): void {
    const connection = this.#connection;
    if (this.#roll(2) === 0) {
      const stream = connection.get('/events', {
        contentHandlers: ['sse'],
        maxEventSize: 1 + this.#roll(2_000),
      });
      return this.#answer('events', this.#eventsOf(stream));
    }
    const reconnect = this.#roll(2) === 0;
    const feed = connection.sse('/events', { reconnect, retryDelay: 1, requestTimeout: TIMEOUT });
    const reading = async (): Promise<void> => {
      let left = 12;
      for await (const _ of feed) if (--left === 0) break;
      feed.close();
    };
    this.#note('sse', reading);
    void later(TIMEOUT).then(() => feed.close());
  }

  async #eventsOf(stream: HttpStream): Promise<void> {
    for await (const { data } of stream.events()) void data.length;
    return this.#requests.over(stream);
  }

  async #raw(): Promise<void> {
    const stream = this.#connection.raw({ halfOpen: this.#roll(2) === 0 });
    void this.#verdict.attempt('raw.data', () => stream.data('nofin', 'hello'));
    const reading = this.#verdict.note('raw', this.#requests.whole(stream));
    await Promise.race([reading, later(TIMEOUT)]);
    if (stream.state !== 'ended') stream.cancel();
  }
}
