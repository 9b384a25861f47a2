// client — one conversation with a server that goes on, whatever becomes of sockets, threads and its owner's own loop.
// Made by users; a façade over lines.ts, which has its connection processes, and the session in each (lib/session).
// Invariant: the handle stays for all connections; every promise it gives settles; handed over, it is inert.
// Source: WebsockexNova's Client; design.md's promises for what becomes of threads and owners.

import { EventEmitter } from 'node:events';
import { type WaitOptions, wait } from '../await.ts';
import { checkClose } from '../closing.ts';
import type { Connection } from '../connection.ts';
import { describe, OptionError } from '../errors.ts';
import { shielded } from '../listeners.ts';
import type { TransferOptions, TransferTarget } from '../owner.ts';
import type { Remote } from '../remote.ts';
import type { RequestReplyOptions, SendOptions } from '../session/adapter.ts';
import { type ClientMetrics, Metrics } from '../session/metrics.ts';
import type { SessionStatus } from '../session/sessionwire.ts';
import type { ClientState } from '../session/states.ts';
import type { SubscriptionInfo } from '../session/subscriptions.ts';
import type { CloseResult } from '../types.ts';
import type { ClientEvents } from './clientevents.ts';
import { type AdapterTarget, type CheckedClient, type ClientOptions, checkClient } from './clientoptions.ts';
import type { ClientRecord } from './clientrecord.ts';
import type { Line, LineHost } from './line.ts';
import { Lines } from './lines.ts';
import { Reading } from './reading.ts';

/** One that was handed over. @internal */
export interface Adopted {
  readonly checked: CheckedClient;
  readonly record: ClientRecord;
  line(host: LineHost): Line;
}

/** Options of `client.request()`. */
export interface ClientRequestOptions extends RequestReplyOptions {
  /** Aborting gives the request up. */
  readonly signal?: AbortSignal | undefined;
}

/** A client: logs in, subscribes, and comes back, by what its adapter knows of the server. Given the module of an adapter,
 *  all of that runs beside the socket and goes on while this thread is busy; given the adapter itself, it runs here.
 *  @throws {OptionError} at once, for a bad option.
 *  @example
 *  const client = new Client(new URL('./exchange.js', import.meta.url), { url: 'wss://exchange.example/ws' });
 *  await client.connect();
 *  await client.subscribe('trades.BTC');
 *  for await (const message of client) console.log(message); */
export class Client<M = unknown>
  extends EventEmitter<ClientEvents<M>>
  implements AsyncIterable<M>, AsyncDisposable
{
  /** For logs and metrics. */
  readonly name: string;
  /** Resolves once it has ended for good, with how; `error` says why it gave up. Never rejects. */
  readonly closed: Promise<CloseResult>;
  readonly #lines: Lines;
  readonly #reading = new Reading<M>();
  readonly #metrics: Metrics;
  readonly #url: string;
  /** Requests, for giving one up. */
  #calls = 0;

  constructor(adapter: AdapterTarget, options?: ClientOptions, adopted?: Adopted) {
    super();
    const checked = adopted?.checked ?? checkClient(adapter, options);
    const share = adopted?.record.metrics ?? Metrics.share();
    this.name = checked.name;
    this.#url = checked.shownUrl;
    this.#metrics = new Metrics(share);
    // Its typed face knows the arguments of each name; an 'error' that nobody listens to is told elsewhere.
    const emitter = this as unknown as EventEmitter;
    this.#lines = new Lines(checked, share, {
      emit: (name, ...event) => {
        if (name !== 'error' || this.listenerCount('error') > 0) shielded(() => emitter.emit(name, ...event));
      },
      reads: (line, rest) => this.#reading.begin(line, rest),
      seal: (line) => this.#reading.seal(line),
      unseal: (given) => this.#reading.unseal(given),
    });
    this.closed = this.#lines.closed;
    void this.closed.then(({ error }) => this.#reading.end(error));
    emitter.on('newListener', (name) => name === 'message' && this.#listen());
    emitter.on('removeListener', (name) => {
      if (name === 'message' && this.listenerCount('message') === 0) this.#reading.events(undefined);
    });
    if (adopted) this.#lines.adopt(adopted.record, adopted.line);
  }

  // ── what it is ────────────────────────────────────────────────────────────────────────────────────────────

  /** Where to, without credentials and query. */
  get url(): string {
    return this.#url;
  }
  get state(): ClientState {
    return this.#lines.state;
  }
  /** What it is on at the moment. @internal */
  get connection(): Connection | undefined {
    return this.#lines.connection;
  }
  /** Open, logged in, and its subscriptions restored. */
  get isReady(): boolean {
    return this.#lines.isReady;
  }
  /** Times it has come up. */
  get attempt(): number {
    return this.#lines.attempt;
  }
  /** What it is subscribed to, or about to be: what is restored. In the order of the first time. */
  get channels(): readonly string[] {
    return this.#lines.subscriptions.map(({ channel }) => channel);
  }

  /** Counters, gauges and spreads, out of shared memory: as they are now, whatever its thread is doing. */
  metrics(): ClientMetrics {
    return this.#metrics.read();
  }

  /** What its session knows. @throws as `send`. */
  async status(): Promise<SessionStatus> {
    const { session } = await this.#lines.current();
    return session.status();
  }

  // ── connecting ────────────────────────────────────────────────────────────────────────────────────────────

  /** Begins; resolves when it is ready for the first time, and at once when it is. It comes back by itself after that.
   *  @throws {GunportError} rejects with what it gave up with. @throws {TimeoutError} it goes on trying. */
  connect(options: WaitOptions = {}): Promise<void> {
    this.#lines.start();
    return this.ready(options);
  }

  /** Resolves when it is ready. @throws as `connect`. */
  ready(options: WaitOptions = {}): Promise<void> {
    return this.#lines.whenReady(options);
  }

  // ── speaking ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends a message; resolves when it was written. One that cannot go yet waits, at most `queue` of them.
   *  @throws {StreamError} ERR_GUNPORT_OVERLOADED, ERR_GUNPORT_RATE_LIMITED, ERR_GUNPORT_CLOSED. @throws {OptionError} */
  async send(message: unknown, options: SendOptions = {}): Promise<void> {
    const { session } = await this.#lines.current();
    return session.send(message, options);
  }

  /** Sends a request, and resolves with its reply. Rejects when the connection is lost that it was made on.
   *  @throws {StreamError} ERR_GUNPORT_REPLY the peer's error (`reason`), ERR_GUNPORT_DUPLICATE_ID, and as `send`.
   *  @throws {TimeoutError} */
  async request<R = unknown>(message: unknown, options: ClientRequestOptions = {}): Promise<R> {
    const { signal, ...rest } = options;
    // Never the session itself out of an async function: awaited, it is read.
    const { session } = await this.#lines.current();
    const call = ++this.#calls;
    return wait<R>('request()', { signal }, (settle) => {
      session.request(message, rest, call).then(
        // What a reply is, its asker knows.
        (reply) => settle(undefined, reply as R),
        (error: Error) => settle(error),
      );
      return () => signal?.aborted && void session.cancel(call).catch(() => {});
    });
  }

  /** Resolves once it is confirmed. It is asked for again on each connection to come.
   *  @throws {StreamError} ERR_GUNPORT_SUBSCRIPTION it was refused, or has expired. */
  async subscribe(channel: string, params?: unknown): Promise<SubscriptionInfo> {
    checkChannel(channel);
    const { session } = await this.#lines.current();
    return session.subscribe(channel, params);
  }

  /** False: there was no such subscription. */
  async unsubscribe(channel: string): Promise<boolean> {
    checkChannel(channel);
    const { session } = await this.#lines.current();
    return session.unsubscribe(channel);
  }

  /** Logs in with other credentials, from now on; without any, again with those it has. @throws {StreamError} rejects
   *  ERR_GUNPORT_AUTH: refused, and those it has stay. */
  async authenticate(credentials?: unknown): Promise<void> {
    const { session } = await this.#lines.current();
    await session.authenticate(credentials);
    if (credentials !== undefined) this.#lines.credentials = credentials;
  }

  /** The round trip in milliseconds. Default timeout 10 000. */
  async ping({ timeout = 10_000 }: { readonly timeout?: number | undefined } = {}): Promise<number> {
    const { session } = await this.#lines.current();
    return session.ping(timeout);
  }

  /** Calls of the adapter's `api`, on whatever connection process there is when they are made. */
  remote<Api = Record<string, (...parameters: unknown[]) => Promise<unknown>>>(): Remote<Api> {
    const lines = this.#lines;
    const call =
      (name: string) =>
      async (...parameters: unknown[]): Promise<unknown> => {
        const { adapter } = await lines.current();
        return adapter[name]?.(...parameters);
      };
    const get = (_: object, name: string | symbol): unknown =>
      typeof name === 'string' && name !== 'then' ? call(name) : undefined;
    // Any name is one of the api's, until it is called.
    return new Proxy({}, { get }) as Remote<Api>;
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Every message, one at a time, over all connections. `break` ends the loop, not the client. Ends when the client is
   *  closed. @throws {GunportError} what it gave up with; ERR_GUNPORT_READING; ERR_GUNPORT_NOT_OWNER. */
  [Symbol.asyncIterator](): AsyncIterableIterator<M> {
    return this.#reading.iterate();
  }

  #listen(): void {
    // Its typed face knows what a message is.
    const emitter = this as unknown as EventEmitter;
    this.#reading.events((message) => emitter.emit('message', message));
  }

  // ── changing hands, and ending ────────────────────────────────────────────────────────────────────────────

  /** Changes over to a fresh connection, which is opened, logged in and subscribed first: without a gap, and where the
   *  adapter has `message.key` without a repeat. Resolves once the messages of the old one are with its reader. @throws {GunportError} rejects; the old one goes on. */
  rollover(): Promise<void> {
    return this.#lines.rollover();
  }

  /** Hands it over to another thread, which takes it with `receiveClient()`. Only one whose adapter is a module.
   *  @throws as `connection.transferOwnership`; {OwnerError} ERR_GUNPORT_UNSUPPORTED its adapter runs here. */
  transferOwnership(target: TransferTarget, options: TransferOptions = {}): Promise<void> {
    return this.#lines.give(target, options);
  }

  /** The closing handshake, and the end of the client: it does not come back.
   *  @throws {OptionError} rejects: a code that may not be sent; the client goes on. */
  async close(code = 1000, reason = ''): Promise<CloseResult> {
    checkClose(code, reason);
    return this.#lines.close(code, reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close().catch(() => {});
  }
}

function checkChannel(channel: unknown): void {
  if (typeof channel === 'string' && channel !== '') return;
  throw new OptionError(`channel must be a text, got ${describe(channel)}`);
}
