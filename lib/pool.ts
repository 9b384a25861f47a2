// pool — the threads that connection processes live in, and how a connection is opened in one.
// Made by users; connect() and open() use a default one, started when first needed.
// Invariant: threads belong to the thread that made the pool (the host); a thread's death is one `down` of the pool;
// idle threads keep no process alive. Source: gun_sup; piscina (one thread each, see spawn.ts).

import { EventEmitter } from 'node:events';
import { availableParallelism } from 'node:os';
import { MessageChannel, type MessagePort, threadId as ownThreadId } from 'node:worker_threads';
import { checkWait } from './await.ts';
import { Connection } from './connection.ts';
import { ConnectionError, describe, GunportError, OptionError, toRecord } from './errors.ts';
import { Host } from './host.ts';
import { answerHellos } from './inbox.ts';
import { newId } from './lifeline.ts';
import { downReason } from './monitor.ts';
import type { OpenOptions } from './options.ts';
import { checkOpen } from './settings.ts';
import { Thread } from './spawn.ts';
import type { WsStream } from './stream.ts';
import type { ThreadDown } from './types.ts';
import type { ConnectionState, DownRecord, Settings } from './wire.ts';

export interface PoolOptions {
  /** Worker threads at most, not counting those of `isolated` connections; each starts when it is first needed.
   *  Default: one less than the cores, at least 1. */
  threads?: number | undefined;
}

/** Where to: a URL of scheme ws, wss, http or https, or its parts. */
export type OpenTarget = Parameters<typeof checkOpen>[0];

/** One thread, as `pool.info()` tells. */
export interface ThreadInfo {
  readonly threadId: number;
  readonly isolated: boolean;
  /** Ids of the connections in it. */
  readonly connections: readonly string[];
}

interface Events {
  down: [down: ThreadDown];
  orphan: [connection: Connection];
}

/** What open() hands to whoever places a connection. @internal */
export interface Placing {
  readonly id: string;
  readonly settings: Settings;
  readonly isolated: boolean;
  readonly ownerThreadId: number;
  readonly port: MessagePort;
}

// One host a thread, as soon as it makes its first pool.
let host: Host | undefined;
let placeElsewhere: ((placing: Placing) => void) | undefined;

/** This thread hosts: life lines may be laid to it, and what others open goes to `place`. @internal */
export function hostHere(place: (placing: Placing) => void): Host {
  placeElsewhere = place;
  return thisHost();
}

function thisHost(): Host {
  if (!host) {
    const here = new Host((message) => {
      if (placeElsewhere) placeElsewhere(message);
      else here.ended([message.id], noThread(new Error('the host has no default pool')));
    });
    answerHellos(({ lifeline }) => here.accept(lifeline));
    host = here;
  }
  return host;
}

/** A pool of worker threads. `connect` and `open` place each connection in the least loaded one.
 *  @throws {OptionError} threads is not an integer from 1.
 *  @example
 *  const pool = new Pool({ threads: 2 });
 *  pool.on('down', ({ threadId, reason }) => console.error(threadId, reason.kind));
 *  const feed = await pool.connect('wss://feed.example/trades'); */
export class Pool extends EventEmitter<Events> implements AsyncDisposable {
  readonly #max: number;
  readonly #threads = new Set<Thread>();
  readonly #handles = new Set<Connection>();
  readonly #host = thisHost();
  #closing: Promise<void> | undefined;
  #ref = true;

  constructor(options: PoolOptions = {}) {
    super();
    if (typeof options !== 'object' || options === null) {
      throw new OptionError(`pool options must be an object, got ${describe(options)}`);
    }
    for (const name of Object.keys(options)) {
      if (name !== 'threads') throw new OptionError(`${name} is not an option of a pool`);
    }
    const { threads = Math.max(1, availableParallelism() - 1) } = options;
    if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
      throw new OptionError(`threads must be an integer from 1 to 1024, got ${describe(threads)}`);
    }
    this.#max = threads;
  }

  /** Opens a connection; returns at once, and connects in its thread. Source: gun:open/3.
   *  @throws {OptionError} a bad option. @throws {GunportError} ERR_GUNPORT_POOL_CLOSED. */
  open(target: OpenTarget, options?: OpenOptions): Connection {
    return openWith(
      (placing) => this.place(placing),
      this.#host.id,
      target,
      options,
      (handle) => this.#keep(handle),
    );
  }

  /** Opens a WebSocket: resolves with it when it is up, rejects with its first failure unless `retry` was given.
   *  (`connection.connect` is Gun's CONNECT, another thing.)
   *  @throws {OptionError} @throws {ConnectionError} with phase and cause. @throws {TimeoutError} ERR_GUNPORT_ABORTED. */
  connect(url: OpenTarget, options?: OpenOptions): Promise<WsStream<Connection>> {
    return connectWith(
      (placing) => this.place(placing),
      this.#host.id,
      url,
      options,
      (handle) => this.#keep(handle),
    );
  }

  /** The threads and what lives in them. */
  info(): { readonly threads: readonly ThreadInfo[]; readonly connections: number } {
    const threads = [...this.#threads].map(({ threadId, isolated, connections }) => ({
      threadId,
      isolated,
      connections: [...connections],
    }));
    return { threads, connections: threads.reduce((sum, { connections }) => sum + connections.length, 0) };
  }

  /** Kills a thread and all in it, as `Worker.terminate` does: each connection's monitors get a Down of kind
   *  `terminated`. Resolves when it is gone. @throws {OptionError} no such thread. */
  async terminate(threadId: number): Promise<void> {
    const thread = [...this.#threads].find((one) => one.threadId === threadId);
    if (!thread) throw new OptionError(`threadId must be a thread of the pool, got ${describe(threadId)}`);
    await thread.terminate();
  }

  /** Shuts every connection down politely, then the threads. Later calls share the first one's promise.
   *  `timeout`: what is not gone by then is terminated, in milliseconds. Default 5 000. */
  close({ timeout = 5_000 }: { timeout?: number | undefined } = {}): Promise<void> {
    this.#closing ??= Promise.all([...this.#threads].map((thread) => thread.leave(timeout))).then(() => {});
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Connections opened through this pool, by this thread, keep the process alive (the default). */
  ref(): this {
    this.#ref = true;
    for (const handle of this.#handles) handle.ref();
    return this;
  }

  /** They do not. */
  unref(): this {
    this.#ref = false;
    for (const handle of this.#handles) handle.unref();
    return this;
  }

  /** Puts a process into a thread. @internal */
  place(placing: Placing): void {
    const { id, settings, isolated, ownerThreadId, port } = placing;
    if (ownerThreadId === ownThreadId) this.#host.began(id);
    try {
      if (this.#closing) throw poolClosed();
      this.#pick(isolated).place(id, this.#host.id, settings, ownerThreadId, port);
    } catch (error) {
      // Told like any other end: the handle is out already, and its awaits must settle.
      port.close();
      setImmediate(() => this.#host.ended([id], noThread(error)));
    }
  }

  #pick(isolated: boolean): Thread {
    const shared = [...this.#threads].filter((thread) => !thread.isolated && thread.open);
    const [least] = shared.sort((a, b) => a.connections.size - b.connections.size);
    if (!isolated && least && (least.connections.size === 0 || shared.length >= this.#max)) return least;
    const thread = new Thread(
      {
        ended: (id, reason) => this.#host.ended([id], reason),
        released: (from) => this.#released(from),
        orphan: (port, state) => this.#orphan(port, state),
        down: (from, reason) => this.#down(from, reason),
      },
      isolated,
    );
    this.#threads.add(thread);
    return thread;
  }

  #released(thread: Thread): void {
    if (thread.isolated && thread.connections.size === 0 && thread.open) void thread.leave(5_000);
  }

  #down(thread: Thread, reason: DownRecord): void {
    this.#threads.delete(thread);
    const connections = [...thread.connections];
    thread.connections.clear();
    this.#host.ended(connections, reason);
    // A thread that was asked to leave is no death to tell.
    if (reason.kind !== 'shutdown') {
      this.emit('down', { threadId: thread.threadId, reason: downReason(reason), connections });
    }
  }

  #orphan(port: MessagePort, state: ConnectionState): void {
    // Nobody listens: its process sees the port close, and shuts down.
    if (this.listenerCount('orphan') === 0) return port.close();
    this.emit('orphan', this.#keep(new Connection(port, state).takeOver()));
  }

  #keep(handle: Connection): Connection {
    this.#handles.add(handle);
    if (!this.#ref) handle.unref();
    handle.released(() => this.#handles.delete(handle));
    return handle;
  }
}

/** Makes the handle, and lets `place` put its process somewhere. @internal */
export function openWith(
  place: (placing: Placing) => void,
  hostId: string,
  target: OpenTarget,
  options: OpenOptions | undefined,
  keep: (handle: Connection) => void,
  connecting = false,
): Connection {
  const { settings, retryFun, isolated } = checkOpen(target, options, connecting, ['signal']);
  const signal = options?.signal;
  checkWait(0, signal);
  if (signal?.aborted) throw abortedBy(signal);
  const { port1, port2 } = new MessageChannel();
  const id = newId();
  const handle = new Connection(port1, firstState(id, hostId, settings), retryFun).begin();
  place({ id, settings, isolated, ownerThreadId: ownThreadId, port: port2 });
  if (signal && !connecting) closeOnAbort(handle, signal);
  keep(handle);
  return handle;
}

/** open + wsUpgrade of a stream that spans reconnects. @internal */
export async function connectWith(
  place: (placing: Placing) => void,
  hostId: string,
  target: OpenTarget,
  options: OpenOptions | undefined,
  keep: (handle: Connection) => void,
): Promise<WsStream<Connection>> {
  const connection = openWith(place, hostId, target, options, keep, true);
  const stream = connection.upgradeFirst();
  try {
    await stream.opened({ signal: options?.signal });
    return stream;
  } catch (error) {
    // Nothing stays behind a failed connect: its process is gone before the caller hears of it.
    const { down } = connection.monitor();
    void connection.close().catch(() => {});
    await down;
    throw error;
  }
}

function firstState(id: string, hostId: string, settings: Settings): ConnectionState {
  return {
    id,
    host: hostId,
    threadId: -1,
    settings,
    status: 'connecting',
    protocol: undefined,
    attempt: 0,
    nextStream: 1,
    lastError: undefined,
    acked: 0,
    transfers: 0,
    streams: [],
  };
}

/** An abort closes a connection that has never been up; afterwards the signal means nothing to it. */
function closeOnAbort(handle: Connection, signal: AbortSignal): void {
  const onAbort = (): void => void handle.close().catch(() => {});
  signal.addEventListener('abort', onAbort);
  const forget = (): void => signal.removeEventListener('abort', onAbort);
  handle.once('up', forget);
  handle.released(forget);
}

function abortedBy(signal: AbortSignal): GunportError {
  return new GunportError('ERR_GUNPORT_ABORTED', 'open() was aborted', {
    phase: 'aborted',
    cause: signal.reason,
  });
}

function poolClosed(): GunportError {
  return new GunportError('ERR_GUNPORT_POOL_CLOSED', 'the pool is closed', { phase: 'closed' });
}

function noThread(error: unknown): DownRecord {
  const cause =
    error instanceof GunportError
      ? error
      : new ConnectionError('ERR_GUNPORT_THREAD', 'no thread could be started', {
          phase: 'connect',
          cause: error,
        });
  return { kind: 'gave-up', message: cause.message, cause: toRecord(cause) };
}
