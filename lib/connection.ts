// connection — the owner's handle on a connection process.
// Made by pool.ts (opened here) and receive.ts (taken over); streams, monitors and the mailbox hang on it.
// Invariant: exactly one live handle per process; every promise it gives settles on answer, error, timeout, Down,
// abort or hand-over; given away, it is inert. Source: Gun's module gun; promises O1 to O8, S1 to S4.

import { type MessagePort, threadId as ownThreadId } from 'node:worker_threads';
import type { Advice } from './advice.ts';
import type { BodyOptions } from './answer.ts';
import { checkWait, type WaitOptions, wait } from './await.ts';
import type { CookieJar } from './cookies/cookies.ts';
import { describe, type GunportError, OptionError, StreamError } from './errors.ts';
import type { CheckedHandler } from './handlersettings.ts';
import { checkTunnelReference } from './httpsettings.ts';
import type { Monitor, MonitorOptions } from './monitor.ts';
import type { UpgradeOptions } from './options.ts';
import { Owned } from './owned.ts';
import type { TransferOptions, TransferTarget } from './owner.ts';
import type { AnyStream } from './roster.ts';
import { checkWs } from './settings.ts';
import { Stream } from './stream.ts';
import type {
  Body,
  ConnectionInfo,
  ConnectionStatus,
  Down,
  StreamInfo,
  StreamNotice,
  UpNotice,
} from './types.ts';
import { type Check, type ThroughTunnel, Verbs } from './verbs.ts';
import type { ConnectionState, ProcessInfo } from './wire.ts';
import { WsStream } from './wsstream.ts';

/** What every await of a connection takes. The connection's own Down always ends it, `monitor` given or not. */
export interface AwaitOptions extends WaitOptions {
  /** In milliseconds. Default 5 000. */
  timeout?: number | undefined;
  /** A monitor of this connection, as Gun's awaits take one; checked, and otherwise not needed. */
  monitor?: Monitor | undefined;
}

/** A connection: `open()` and `connect()` make one, `receiveOwnership()` takes one over. */
export class Connection extends Verbs<Connection> implements AsyncDisposable {
  /** Unique in this process, the same for every owner. */
  readonly id: string;
  /** Streams that have not ended, and those that ended lately, by id. */
  readonly streams: ReadonlyMap<number, AnyStream<Connection>>;
  readonly #owned: Owned<Connection>;
  /** Whose home is this thread. */
  #cookies: Pick<CookieJar, 'sync'> | undefined;
  /** Of WebSockets that are given none of their own. */
  #handling: CheckedHandler | undefined;

  /** @internal */
  constructor(port: MessagePort, state: ConnectionState, advice?: Advice) {
    super();
    this.id = state.id;
    this.#owned = new Owned<Connection>(this, port, state, advice);
    this.streams = this.#owned.roster.all;
  }

  /** The first owner's handle. @internal */
  begin(): this {
    this.#owned.begin();
    return this;
  }

  /** What this thread has heard from one connection of this jar is known to the next request on another. @internal */
  sharing(cookies: Pick<CookieJar, 'sync'> | undefined): this {
    this.#cookies = cookies;
    return this;
  }

  /** What its opener has said of handlers. @internal */
  handledBy(handling: CheckedHandler | undefined): this {
    this.#handling = handling;
    return this;
  }

  /** A new owner's handle. @internal */
  takeOver(): this {
    this.#owned.takeOver();
    return this;
  }

  // ── what it is ────────────────────────────────────────────────────────────────────────────────────────────

  /** `ws://host:port` */
  get origin(): string {
    return this.#owned.state.settings.origin;
  }
  get status(): ConnectionStatus {
    return this.#owned.state.status;
  }
  /** Times it has come up; 0 before the first. */
  get attempt(): number {
    return this.#owned.state.attempt;
  }
  /** What the last failure was, if there was one. */
  get lastError(): GunportError | undefined {
    return this.#owned.lastError;
  }
  /** The thread that holds the socket; -1 until that is known. */
  get threadId(): number {
    return this.#owned.state.threadId;
  }

  /** Asks the process. Source: gun:info/1. @throws as `awaitUp`. */
  async info(options: AwaitOptions = {}): Promise<ConnectionInfo> {
    this.#owned.assertUsable();
    this.#checkAwait(options);
    const { timeout = 5_000, signal } = options;
    const info = await wait<ProcessInfo>('info()', { timeout, signal }, (settle) =>
      this.#owned.calls.info(settle),
    );
    const { status, threadId, settings } = this.#owned.state;
    return {
      ...definedOnly(info),
      protocol: info.protocol,
      intermediaries: info.intermediaries,
      attempt: info.attempt,
      id: this.id,
      origin: this.origin,
      transport: settings.transport,
      status,
      threadId,
      ownerThreadId: ownThreadId,
      counters: info.counters,
      lastError: this.lastError,
    };
  }

  // ── watching ──────────────────────────────────────────────────────────────────────────────────────────────

  /** A one-way watch: exactly one Down when the process ends, with the true reason. `keep`: also after a hand-over.
   *  @throws {OwnerError} ERR_GUNPORT_NOT_OWNER. Source: Erlang monitor/2.
   *  @example
   *  const { reason } = await connection.monitor().down; */
  monitor(options?: MonitorOptions): Monitor<Connection>;
  monitor(
    callback: ((down: Down<Connection>) => void) | undefined,
    options?: MonitorOptions,
  ): Monitor<Connection>;
  monitor(
    callback?: ((down: Down<Connection>) => void) | MonitorOptions | undefined,
    options?: MonitorOptions,
  ): Monitor<Connection> {
    this.#owned.hold.assertOwner();
    if (typeof callback === 'function') return this.#owned.monitors.add(callback, options?.keep === true);
    if (callback !== undefined && (typeof callback !== 'object' || callback === null)) {
      throw new OptionError(`monitor takes a function or options, got ${describe(callback)}`);
    }
    return this.#owned.monitors.add(undefined, (options ?? callback)?.keep === true);
  }

  /** Ends a watch; its `down` resolves `undefined`. A Down that is already queued still comes, unless `flush`.
   *  Source: Erlang demonitor/2. */
  demonitor(monitor: Monitor<Connection>, { flush = false }: { flush?: boolean | undefined } = {}): void {
    this.#owned.monitors.remove(monitor, flush);
    this.#owned.stopWatching();
  }

  // ── awaiting ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves when the connection is up (at once if it is). Source: gun:await_up/3.
   *  @throws {ConnectionError} the last failure, when no retry is left. @throws {TimeoutError} with the last failure
   *  as its cause; ERR_GUNPORT_ABORTED. @throws {DownError} the process died. @throws {OwnerError} handed over. */
  async awaitUp(options: AwaitOptions = {}): Promise<UpNotice> {
    this.#checkAwait(options);
    const { timeout = 5_000, signal } = options;
    const start = (settle: Parameters<Owned<Connection>['whenUp']>[0]) => this.#owned.whenUp(settle);
    return wait<UpNotice>('awaitUp()', { timeout, signal }, start, () => this.lastError);
  }

  /** The next notice of a stream. Of a request: `inform`, `response`, `data` (or `sse`, where it has that content
   *  handler), `trailers`, `push`; `upgrade` where it has switched protocols, and `data` behind it; of a tunnel: `response` and `tunnelUp`, again when it is made anew, and
   *  `data` where it leads to raw; of a WebSocket: `upgrade`, or the `response` and `data` that refused it, `ws` for a
   *  message and for the close.
   *  Source: gun:await/4. @throws as `awaitUp`, and the stream's own error after its last notice. */
  async await(stream: AnyStream<Connection>, options: AwaitOptions = {}): Promise<StreamNotice> {
    this.#checkAwait(options);
    const { timeout = 5_000, signal } = options;
    const own = this.#ownStream(stream);
    return own instanceof Stream ? own.next({ timeout, signal }) : own.take({ timeout, signal });
  }

  /** All of an answer's body, and its trailers; a head that nobody has taken is passed over. The timeout is for each
   *  notice. Source: gun:await_body/4. @throws as `await`; {StreamError} ERR_GUNPORT_TOO_BIG above `maxBody`. */
  async awaitBody(stream: Stream<Connection>, options: AwaitOptions & BodyOptions = {}): Promise<Body> {
    this.#checkAwait(options);
    const own = this.#ownStream(stream);
    if (!(own instanceof Stream)) throw new OptionError('stream must be a request, got a WebSocket');
    const { monitor: _, ...rest } = options;
    return own.body(rest);
  }

  /** Drops what has come for a stream, or for all, and nobody was given. Source: gun:flush/1. */
  flush(stream?: AnyStream<Connection>): void {
    this.#owned.hold.assertUsable();
    for (const one of stream ? [this.#ownStream(stream)] : [...this.streams.values()]) one.flush();
  }

  /** What the process knows of a stream; `undefined` when it knows none by this name (any more).
   *  Source: gun:stream_info/2. @throws {StreamError} ERR_GUNPORT_NOT_CONNECTED. @throws as `awaitUp`. */
  async streamInfo(
    stream: AnyStream<Connection>,
    options: AwaitOptions = {},
  ): Promise<StreamInfo | undefined> {
    this.#owned.assertUsable();
    this.#checkAwait(options);
    const { timeout = 5_000, signal } = options;
    const { id } = this.#ownStream(stream);
    return wait<StreamInfo | undefined>('streamInfo()', { timeout, signal }, (settle) =>
      this.#owned.calls.streamInfo(id, settle),
    );
  }

  /** A PING of HTTP/2: the round trip in milliseconds, measured beside the socket. Default timeout 10 000. Through a
   *  `tunnel`, to its far end. Source: gun:ping/2; RFC 9113 §6.7. @throws {StreamError} ERR_GUNPORT_UNSUPPORTED the
   *  protocol has none; ERR_GUNPORT_NOT_CONNECTED; ERR_GUNPORT_BAD_STATE the tunnel has ended. @throws as `awaitUp`. */
  async ping(options: AwaitOptions & ThroughTunnel = {}): Promise<number> {
    this.#owned.assertUsable();
    this.#checkAwait(options);
    const { timeout = 10_000, signal } = options;
    const tunnel = this.through(options)?.id;
    return wait<number>('ping()', { timeout, signal }, (settle) => this.#owned.calls.ping(tunnel, settle));
  }

  // ── streams ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Opens a WebSocket on this connection; returns at once. `await` it for `{ type: 'upgrade' }`, or for the
   *  `response` that refused it. It ends with the socket: only `connect()` makes one that spans reconnects. Through a
   *  `tunnel`, to its far end: the `headers` of the connection are not sent there.
   *  Source: gun:ws_upgrade/4. @throws {OptionError} @throws {OwnerError} @throws {DownError}
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE the tunnel has ended. */
  wsUpgrade(path: string, options?: UpgradeOptions): WsStream<Connection> {
    this.#owned.assertUsable();
    this.#cookies?.sync();
    const { ws, handling } = checkWs(path, options, this.#owned.state.settings, this.#handling);
    return this.#owned.openWebSocket(ws, handling, this.through(options));
  }

  /** connect()'s own: its stream spans reconnects. @internal */
  upgradeFirst(): WsStream<Connection> {
    // Those of a connect() span already.
    return this.#owned.openWebSocket(this.#owned.state.settings.ws, this.#handling);
  }

  /** Gun's ws_send: `stream.send` by another name. */
  wsSend(stream: WsStream<Connection>, data: Parameters<WsStream['send']>[0]): boolean {
    return stream.send(data);
  }

  /** @internal */
  protected send(check: Check, options: ThroughTunnel | undefined): Stream<Connection> {
    this.#owned.assertUsable();
    this.#cookies?.sync();
    const checked = check(this.#owned.state.settings);
    return this.#owned.request(checked, checked.tunnel === undefined ? undefined : this.through(options));
  }

  /** @internal */
  protected through(options: ThroughTunnel | undefined): Stream<Connection> | undefined {
    const id = checkTunnelReference(options?.tunnel);
    if (id === undefined) return undefined;
    const given: unknown = options?.tunnel;
    const stream = given instanceof Stream || given instanceof WsStream ? given : this.streams.get(id);
    if (!(stream instanceof Stream) || stream.connection !== this || stream.method !== 'CONNECT') {
      throw new OptionError(
        `tunnel must be a stream of connect() on this connection, got ${describe(given)}`,
      );
    }
    if (stream.state !== 'ended') return stream;
    throw new StreamError('ERR_GUNPORT_BAD_STATE', `the tunnel to ${stream.origin} has ended`);
  }

  /** Gun's cancel: nothing more comes for the stream. */
  cancel(stream: AnyStream<Connection>): void {
    stream.cancel();
  }

  /** Gun's update_flow. */
  updateFlow(stream: AnyStream<Connection>, messages: number): void {
    stream.updateFlow(messages);
  }

  // ── ownership ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Hands the connection, all its streams and all that nobody has been given yet to another thread, exactly.
   *  From the call on nothing more goes to this owner; a failure gives everything back.
   *  @throws {OwnerError} ERR_GUNPORT_TARGET_DEAD, _TRANSFER_TIMEOUT, _REFUSED, _OWN_FAR_END, _NOT_UP, _NOT_CLONEABLE,
   *  _CLOSING, _TRANSFERRING, _NOT_OWNER. @throws {DownError} @throws {TimeoutError} ERR_GUNPORT_ABORTED.
   *  @example
   *  await connection.transferOwnership(worker, { data: { since: 7 } }); */
  transferOwnership(target: TransferTarget, options: TransferOptions = {}): Promise<void> {
    return this.#owned.give(target, options, undefined);
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends it now: sockets are dropped without a goodbye, streams end with ERR_GUNPORT_CLOSED. Resolves when the
   *  process has ended. Takes a transfer that is under way back first. Of one that has ended already, messages that its
   *  thread still holds for a reader are dropped. Source: gun:close/1.
   *  @throws {OwnerError} ERR_GUNPORT_NOT_OWNER. @throws {TimeoutError} its thread was stuck until 5 s after
   *  `closingTimeout`. */
  close(): Promise<void> {
    return this.#owned.finish({ type: 'close' });
  }

  /** Ends it politely: a close frame with 1001, bounded by `closingTimeout`, no retry after it; messages that its thread
   *  still holds for a reader are dropped, also of one that has ended already. Resolves when the process has ended.
   *  Source: gun:shutdown/1. */
  shutdown(): Promise<void> {
    return this.#owned.finish({ type: 'shutdown' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owned.hold.isGiven) return;
    // Handed over meanwhile: the scope is left, and the connection is another's.
    await this.shutdown().catch(() => {});
  }

  /** Its port keeps the process alive, as a socket would; `unref` ends that. */
  ref(): this {
    this.#owned.ref();
    return this;
  }
  unref(): this {
    this.#owned.unref();
    return this;
  }

  /** Calls back when this handle is of no use any more: the process is dead, or was given away. @internal */
  released(callback: () => void): () => void {
    return this.#owned.whenReleased(callback);
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  /** @throws {OptionError} it is none of this connection's. */
  #ownStream(stream: AnyStream<Connection>): AnyStream<Connection> {
    const known = stream instanceof WsStream || stream instanceof Stream;
    if (known && stream.connection === this) return stream;
    throw new OptionError(`stream must be a stream of this connection, got ${describe(stream)}`);
  }

  #checkAwait({ monitor, timeout, signal }: AwaitOptions): void {
    this.#owned.hold.assertOwner();
    checkWait(timeout ?? 0, signal);
    if (monitor !== undefined && !this.#owned.monitors.made(monitor)) {
      throw new OptionError(`monitor must be a monitor of this connection, got ${describe(monitor)}`);
    }
  }
}

/** exactOptionalPropertyTypes: what the process did not know is left out. */
function definedOnly(info: ProcessInfo): object {
  return Object.fromEntries(Object.entries(info).filter(([, value]) => value !== undefined));
}
