// deribit-server — an exchange of one's own, as strict as the real one: for tests of the whole path.
// Run here, or in a thread of its own by deribit-thread.ts, so that main may be blocked.
// Invariant: numbers of a channel go on whether anybody listens or not; what was sent, to whom and when is in `log`.
// Source: https://docs.deribit.com; test/support/chance.ts for the book's moves.

import { performance } from 'node:perf_hooks';
import { type ScriptedServer, type ServedConnection, serve } from '../../lib/testing/index.ts';
import { chance } from './chance.ts';
import { MovingBook, type Top } from './deribit-book.ts';

export interface DeribitServerOptions {
  /** A heartbeat is demanded every so many milliseconds, from the open on, and the connection is cut when it is not
   *  answered by the next. 0: only what clients ask for. Default 0. */
  readonly demand?: number | undefined;
  /** How long a token is good, in seconds. Default 900. */
  readonly expires?: number | undefined;
  /** Logins are good for this pair. */
  readonly credentials?: { readonly clientId: string; readonly clientSecret: string } | undefined;
  /** Milliseconds between two messages of a channel. Default 5. */
  readonly every?: number | undefined;
  /** Cuts every connection, once, so many milliseconds after the first has opened. */
  readonly cutAfter?: number | undefined;
  /** Ends every connection politely so long after it has opened, as exchanges do after a day. */
  readonly lifetime?: number | undefined;
  /** Every so manyth change of a book is left out. */
  readonly skip?: number | undefined;
  readonly seed?: number | undefined;
}

/** What the server did, as plain data. */
export interface DeribitReport {
  readonly url: string;
  /** When it began, in milliseconds since the epoch: to compare its times with those of another thread. */
  readonly begun: number;
  readonly connections: readonly ConnectionReport[];
  /** Numbered messages that were sent. */
  readonly log: readonly Sent[];
  /** Numbers of books that were left out, by channel. */
  readonly skipped: Readonly<Record<string, readonly number[]>>;
}
export interface ConnectionReport {
  readonly number: number;
  /** Milliseconds since the server began. */
  readonly openedAt: number;
  readonly closedAt: number | undefined;
  /** Why the server ended it. */
  readonly cut: 'cut' | 'lifetime' | 'heartbeat' | undefined;
  readonly authenticated: boolean;
  /** Methods, in the order they came. */
  readonly methods: readonly string[];
  /** How often each channel was subscribed. */
  readonly subscribes: Readonly<Record<string, number>>;
  readonly demanded: number;
  readonly answered: number;
}
export interface Sent {
  readonly connection: number;
  readonly channel: string;
  readonly sequence: number;
  readonly at: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Client {
  readonly connection: ServedConnection;
  readonly report: Mutable<ConnectionReport> & { methods: string[]; subscribes: Record<string, number> };
  readonly channels: Set<string>;
  readonly timers: NodeJS.Timeout[];
  /** A heartbeat was demanded and not answered yet. */
  due: boolean;
}

interface Rpc {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
}

export class DeribitServer implements AsyncDisposable {
  readonly #options: DeribitServerOptions;
  readonly #server: ScriptedServer;
  readonly #clients = new Map<number, Client>();
  readonly #reports: Client['report'][] = [];
  readonly #log: Sent[] = [];
  readonly #books = new Map<string, MovingBook>();
  readonly #sequences = new Map<string, number>();
  readonly #tokens = new Map<string, number>();
  readonly #begun = performance.now();
  readonly #next: (n: number) => number;
  readonly #ticker: NodeJS.Timeout;
  #cutter: NodeJS.Timeout | undefined;
  #tokenCount = 0;

  static async start(options: DeribitServerOptions = {}): Promise<DeribitServer> {
    // The server is there before anybody can connect.
    let made: DeribitServer | undefined;
    const server = await serve((connection) => {
      if (made) made.#welcome(connection);
    });
    made = new DeribitServer(server, options);
    return made;
  }

  private constructor(server: ScriptedServer, options: DeribitServerOptions) {
    this.#server = server;
    this.#options = options;
    this.#next = chance(options.seed ?? 1);
    this.#ticker = setInterval(() => this.#tick(), options.every ?? 5);
  }

  get url(): string {
    return this.#server.url;
  }

  report(): DeribitReport {
    const skipped = Object.fromEntries([...this.#books].map(([channel, { left }]) => [channel, left]));
    return {
      url: this.url,
      begun: performance.timeOrigin + this.#begun,
      connections: this.#reports,
      log: this.#log,
      skipped,
    };
  }

  /** Cuts all connections, as a cable that was pulled. */
  cut(): void {
    for (const client of this.#clients.values()) {
      client.report.cut ??= 'cut';
      client.connection.drop();
    }
  }

  /** The best levels of a channel's book as they were at this number. */
  topAt(channel: string, sequence: number): Top | undefined {
    return this.#book(channel).history.get(sequence);
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    clearTimeout(this.#cutter);
    await this.#server.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #now(): number {
    return performance.now() - this.#begun;
  }

  #welcome(connection: ServedConnection): void {
    const { demand = 0, cutAfter, lifetime } = this.#options;
    const report: Client['report'] = {
      number: connection.number,
      openedAt: this.#now(),
      closedAt: undefined,
      cut: undefined,
      authenticated: false,
      methods: [],
      subscribes: {},
      demanded: 0,
      answered: 0,
    };
    const client: Client = { connection, report, channels: new Set(), timers: [], due: false };
    this.#reports.push(report);
    this.#clients.set(connection.number, client);
    if (demand > 0) this.#demand(client, demand);
    if (lifetime) {
      const end = (): void => {
        report.cut ??= 'lifetime';
        void connection.close(1001, 'session lifetime');
      };
      client.timers.push(setTimeout(end, lifetime));
    }
    if (cutAfter !== undefined) this.#cutter ??= setTimeout(() => this.cut(), cutAfter);
    connection.onMessage((data) => this.#heard(client, JSON.parse(String(data)) as Rpc));
    void connection.closed.then(() => {
      report.closedAt = this.#now();
      for (const timer of client.timers) clearTimeout(timer);
      this.#clients.delete(connection.number);
    });
  }

  /** Who has not answered by the next one is cut. */
  #demand(client: Client, ms: number): void {
    const { connection, report } = client;
    client.timers.push(
      setInterval(() => {
        if (client.due) {
          report.cut ??= 'heartbeat';
          return connection.drop();
        }
        client.due = true;
        report.demanded++;
        connection.send({ jsonrpc: '2.0', method: 'heartbeat', params: { type: 'test_request' } });
      }, ms),
    );
  }

  #heard(client: Client, { id, method = '', params = {} }: Rpc): void {
    client.report.methods.push(method);
    const answer = this.#answer(client, method, params);
    client.connection.send({ jsonrpc: '2.0', id, ...answer, usIn: 0, usOut: 0, usDiff: 0, testnet: true });
    if (method.endsWith('/subscribe')) this.#begin(client, answer.result as string[] | undefined);
  }

  #answer(
    client: Client,
    method: string,
    params: Record<string, unknown>,
  ): { result?: unknown; error?: unknown } {
    const { report } = client;
    if (method.startsWith('private/') && !report.authenticated) return failure(13_009, 'unauthorized');
    switch (method) {
      case 'public/auth':
        return this.#authenticate(report, params);
      case 'public/test':
        if (client.due) report.answered++;
        client.due = false;
        return { result: { version: '1.2.26' } };
      case 'public/set_heartbeat': {
        const interval = Number(params['interval']);
        if (!(interval >= 10)) return failure(-32_602, 'Invalid params');
        if (!this.#options.demand) this.#demand(client, 1_000 * interval);
        return { result: 'ok' };
      }
      case 'public/get_time':
        return { result: Math.round(this.#now()) };
      case 'public/subscribe':
      case 'private/subscribe':
        return this.#subscribe(client, params);
      case 'public/unsubscribe':
      case 'private/unsubscribe': {
        const channels = params['channels'] as string[];
        for (const channel of channels) client.channels.delete(channel);
        return { result: channels };
      }
      default:
        return failure(-32_601, 'Method not found');
    }
  }

  #authenticate(
    report: Client['report'],
    params: Record<string, unknown>,
  ): { result?: unknown; error?: unknown } {
    const { credentials, expires = 900 } = this.#options;
    const { grant_type: grant, client_id: id, client_secret: secret, refresh_token: refresh } = params;
    const fine =
      grant === 'client_credentials'
        ? !credentials || (credentials.clientId === id && credentials.clientSecret === secret)
        : (this.#tokens.get(String(refresh)) ?? -1) > this.#now();
    if (!fine) return failure(13_004, 'invalid_credentials');
    const number = ++this.#tokenCount;
    this.#tokens.set(`refresh-${number}`, this.#now() + 2_000 * expires);
    report.authenticated = true;
    return {
      result: {
        access_token: `access-${number}`,
        refresh_token: `refresh-${number}`,
        expires_in: expires,
        scope: 'connection mainaccount',
        token_type: 'bearer',
      },
    };
  }

  #subscribe(
    { report, channels }: Client,
    params: Record<string, unknown>,
  ): { result?: unknown; error?: unknown } {
    const asked = params['channels'] as string[];
    const raw = asked.some((channel) => channel.endsWith('.raw') || channel.startsWith('user.'));
    if (raw && !report.authenticated)
      return failure(13_778, 'raw_subscriptions_not_available_for_unauthorized');
    const known = asked.filter((channel) => /^(book|trades|user)\./.test(channel));
    for (const channel of known) {
      report.subscribes[channel] = (report.subscribes[channel] ?? 0) + 1;
      channels.add(channel);
    }
    return { result: known };
  }

  /** The first message of a book is all of it. */
  #begin(client: Client, channels: readonly string[] = []): void {
    for (const channel of channels) {
      if (channel.startsWith('book.')) this.#notify(client, channel, this.#book(channel).snapshot());
    }
  }

  #book(channel: string): MovingBook {
    const book = this.#books.get(channel) ?? new MovingBook(this.#next, this.#options.skip ?? 0);
    this.#books.set(channel, book);
    return book;
  }

  #tick(): void {
    for (const [channel, book] of this.#books) {
      const change = book.move();
      if (change) this.#publish(channel, change);
    }
    const others = [...this.#clients.values()].flatMap(({ channels }) => [...channels]);
    for (const channel of others)
      if (!channel.startsWith('book.')) this.#sequences.set(channel, this.#sequences.get(channel) ?? 0);
    for (const [channel, last] of this.#sequences) {
      this.#sequences.set(channel, last + 1);
      this.#publish(channel, [{ trade_seq: last + 1, price: 100 + this.#next(10), amount: 1 }]);
    }
  }

  #publish(channel: string, data: object): void {
    for (const client of this.#clients.values()) {
      if (client.channels.has(channel)) this.#notify(client, channel, data);
    }
  }

  #notify({ connection }: Client, channel: string, data: object): void {
    if (!connection.send({ jsonrpc: '2.0', method: 'subscription', params: { channel, data } })) return;
    const [trade] = Array.isArray(data) ? (data as { trade_seq: number }[]) : [];
    const sequence = trade ? trade.trade_seq : (data as { change_id: number }).change_id;
    this.#log.push({ connection: connection.number, channel, sequence, at: this.#now() });
  }
}

function failure(code: number, message: string): { error: object } {
  return { error: { code, message } };
}
