// visit — a client of one fuzzed peer: it does what users do, all at once, with short deadlines, and goes.
// Made by fuzz.ts. What is asked for is decided by the plan's seed; requests are in asks.ts.
// Invariant: run() is over when all that was begun has settled and the connection is gone; what did not hold is in the
// verdict.

import { MessageChannel } from 'node:worker_threads';
import {
  type Connection,
  type Down,
  type OpenOptions,
  type Pool,
  receiveOwnership,
} from '../../lib/index.ts';
import { chance } from '../support/chance.ts';
import type { Feed } from '../support/feeds.ts';
import { later, turns } from '../support/tracker.ts';
import { Asking } from './asking.ts';
import type { Plan } from './plan.ts';
import type { Takers } from './takers.ts';
import type { Verdict } from './verdict.ts';

/** Milliseconds that what a silent peer never ends may go on for. */
const PATIENCE = 30;
/** Messages pass through it. */
const HANDLER = new URL('./witness-handler.js', import.meta.url);
const DEADLINES = {
  ...{ connectTimeout: 400, tlsTimeout: 200, upgradeTimeout: 150, settingsTimeout: 150, requestTimeout: 200 },
  ...{ closingTimeout: 60, pongTimeout: 80 },
};
/** How a connection may end by a peer, or by its client. */
const ENDS: readonly string[] = ['normal', 'shutdown', 'gave-up'];

export interface Place {
  readonly port: number;
  /** PEM of the authority that signed the peer's certificate. */
  readonly ca: string;
  readonly takers: Takers;
}

export class Visit {
  readonly #pool: Pool;
  readonly #plan: Plan;
  readonly #place: Place;
  readonly #verdict: Verdict;
  readonly #takers: Takers;
  readonly #roll: (below: number) => number;
  #given = false;

  constructor(pool: Pool, plan: Plan, place: Place, verdict: Verdict) {
    this.#pool = pool;
    this.#takers = place.takers;
    this.#plan = plan;
    this.#place = place;
    this.#verdict = verdict;
    this.#roll = chance(plan.clientSeed);
  }

  async run(): Promise<void> {
    const feeds = this.#plan.spoken === 'ws' || this.#plan.spoken === 'ws2';
    const [target, options] = this.#target();
    if (!feeds || this.#roll(2) === 0) {
      const connection = this.#verdict.attempt('open', () => this.#pool.open(target, options));
      if (connection) await this.#use(connection, undefined);
      return;
    }
    const { requestTimeout: _, ...more } = options;
    const url = target.replace(/^http/, 'ws');
    const feed = await this.#verdict.note('connect', this.#pool.connect(url, more));
    if (feed) await this.#use(feed.connection, feed);
  }

  #target(): [target: string, options: OpenOptions] {
    const { spoken, secure } = this.#plan;
    const { port, ca } = this.#place;
    const tls = secure || spoken === 'tls';
    const here = `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${port}`;
    const options: OpenOptions = { ...this.#options(), ...(tls && { tls: { ca } }) };
    const password = this.#roll(2) === 0 ? 'user:secret@' : '';
    switch (spoken) {
      case 'socks':
        return [this.#far, { ...options, proxy: `socks5://${password}127.0.0.1:${port}` }];
      case 'connect':
        if (this.#plan.tunnels) return [here, options];
        return [this.#far, { ...options, proxy: here }];
      case 'connect2':
        if (this.#plan.tunnels) return [here, { ...options, protocols: ['http2'] }];
        return [this.#far, { ...options, proxy: { url: here, protocols: ['http2'] } }];
      case 'http2':
      case 'ws2':
        return [here, { ...options, protocols: ['http2'] }];
      case 'raw':
        return [
          `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${port}`,
          { ...options, protocols: ['raw'] },
        ];
      default:
        return [here, options];
    }
  }

  /** Now and then it should speak TLS, and none of them does. */
  get #far(): string {
    return this.#roll(8) === 0 ? 'https://far.example' : 'http://far.example';
  }

  #options(): OpenOptions {
    const roll = this.#roll;
    return {
      ...DEADLINES,
      ...{
        retry: roll(4) === 0 ? 1 + roll(2) : 0,
        retryTimeout: 1,
        cookies: roll(2) === 0,
        push: roll(3) > 0,
      },
      compress: this.#plan.stage === 'in a deflated payload' || roll(3) === 0,
      ...(roll(4) === 0 && { maxBuffered: [1, 3_000, 100_000][roll(3)] }),
      ...(roll(6) === 0 && { maxPayload: 5_000, maxHeaderSize: 1_000, maxTrailerSize: 100 }),
      ...(roll(4) === 0 && { keepalive: 10 }),
      ...(roll(6) === 0 && { flow: 1 + roll(3) }),
      ...(roll(3) === 0 && { reconnectOn: 'any' as const }),
      ...(roll(6) === 0 && { handler: { module: HANDLER } }),
      ...(roll(5) === 0 && { pipelining: 1 + roll(2) }),
    };
  }

  async #use(connection: Connection, feed: Feed | undefined): Promise<void> {
    const heard: Down[] = [];
    const kept: Down[] = [];
    const monitors = [
      connection.monitor((down) => heard.push(down)),
      connection.monitor((down) => kept.push(down), { keep: true }),
    ];
    for (const { down } of monitors) void this.#verdict.note('monitor', down);
    const asking = new Asking(connection, this.#plan, this.#roll, this.#verdict, monitors[0]);
    asking.begin(feed);
    const owner = this.#roll(6) === 0 ? await this.#handOver(connection, asking) : connection;
    // A taker leaves by itself.
    if (owner) await this.#leave(owner, owner === connection ? asking : undefined);
    const down = await this.#verdict.note('kept monitor', monitors[1]!.down);
    await this.#verdict.note('monitor', monitors[0]!.down);
    this.#look(connection, down, heard.length, kept.length);
    await asking.look(this.#given);
  }

  /** To another thread, or to a port of this very one: whoever holds the connection then. */
  async #handOver(connection: Connection, asking: Asking): Promise<Connection | undefined> {
    await turns(this.#roll(30));
    if (this.#roll(3) === 0) {
      this.#given = await this.#takers.give(connection, this.#plan, this.#verdict);
      return this.#given ? undefined : connection;
    }
    const { port1, port2 } = new MessageChannel();
    const receiving = this.#verdict.note(
      'receiveOwnership',
      receiveOwnership({ source: port2, timeout: 1_000 }),
    );
    const given = await this.#verdict.note(
      'transferOwnership',
      Promise.resolve()
        .then(() => connection.transferOwnership(port1, { timeout: 500 }))
        .then(() => true),
    );
    // A taker that waits in vain hears of it.
    if (!given) port1.close();
    const received = await receiving;
    port1.close();
    port2.close();
    if (!given || !received) return connection;
    this.#given = true;
    asking.goesOn(received.connection);
    return received.connection;
  }

  async #leave(owner: Connection, asking: Asking | undefined): Promise<void> {
    const way = this.#roll(5);
    // Half of all wait for their answers.
    if (way > 1) await Promise.race([asking?.answered, later(PATIENCE + DEADLINES.requestTimeout)]);
    else await turns(this.#roll(40));
    if (way > 2) await asking?.closeFeeds(PATIENCE);
    const shutdown = this.#roll(2) === 0;
    const leaving = async (): Promise<void> => (shutdown ? owner.shutdown() : owner.close());
    await this.#verdict.note(shutdown ? 'shutdown' : 'close', leaving());
  }

  #look(connection: Connection, down: Down | undefined, heard: number, kept: number): void {
    const wrong = (what: string): void => this.#verdict.wrong(what);
    if (!down) return wrong('a kept monitor has heard no Down');
    if (!ENDS.includes(down.reason.kind)) {
      const cause = down.reason.cause;
      wrong(`Down ${down.reason.kind}: ${cause instanceof Error ? cause.stack : down.reason.message}`);
    }
    if (kept !== 1) wrong(`a kept monitor has heard ${kept} Downs`);
    if (heard !== (this.#given ? 0 : 1)) wrong(`a monitor has heard ${heard} Downs`);
    if (!this.#given && connection.status !== 'dead') wrong(`after its Down it is ${connection.status}`);
  }
}
