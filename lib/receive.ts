// receive — one hand-over from the taker's side.
// Called by users, in any thread; reads offers from inbox.ts, makes a Connection of the commit.
// Invariant: it is given nothing before the commit, and says nothing that a later giver could mistake; an offer
// whose giver has gone, timed out or changed its mind just ends, and the wait goes on.
// Source: promises O1 to O3; the giver's side is owner.ts.

import { isMainThread, MessageChannel, MessagePort, parentPort, threadId, Worker } from 'node:worker_threads';
import { whenAborted } from './aborts.ts';
import { checkWait, type Settle, type WaitOptions, wait } from './await.ts';
import { Connection } from './connection.ts';
import { describe, OptionError, OwnerError, TimeoutError } from './errors.ts';
import { now } from './events/events.ts';
import { tellHandover } from './events/handovers.ts';
import { inboxOf, type OfferSource, type Place } from './inbox.ts';
import { join, knownHosts } from './lifeline.ts';
import type { AnyStream } from './roster.ts';
import { isCommit, portsIn } from './shapes.ts';
import type { Commit, ConnectionState, FromTaker, Offer } from './wire.ts';
import { WsStream } from './wsstream.ts';

/** What an offer tells before it is accepted. */
export interface OfferInfo {
  readonly id: string;
  /** `ws://host:port` */
  readonly origin: string;
  /** The giver's thread. */
  readonly threadId: number;
}

export interface ReceiveOptions extends WaitOptions {
  /** Where offers come by: a MessagePort or a Worker. Default: `parentPort`, and what other threads send to this
   *  thread by `{ threadId }`. */
  source?: OfferSource | undefined;
  /** Looks at each offer; false refuses it (the giver's promise rejects with ERR_GUNPORT_REFUSED) and waits on.
   *  Default: all are accepted. An error it throws refuses the offer and rejects this wait. */
  accept?: ((offer: OfferInfo) => boolean) | undefined;
  /** In milliseconds; stands still from the moment an offer was accepted. Default Infinity. */
  timeout?: number | undefined;
}

/** What a taker gets. */
export interface Received<D = unknown> {
  readonly connection: Connection;
  /** The WebSocket that was given by name, else the connection's only one. */
  readonly feed: WsStream<Connection>;
  /** The stream that was given by name, request or WebSocket; else the connection's only one. */
  readonly stream: AnyStream<Connection> | undefined;
  /** The giver's own `data`. */
  readonly data: D;
}

/** `receiveOwnership` and its `all`. */
export interface ReceiveOwnership {
  <D = unknown>(source?: OfferSource | ReceiveOptions, options?: ReceiveOptions): Promise<Received<D>>;
  /** A consumer that takes many: one after another, until the loop is left, or its source has closed.
   *  @example
   *  for await (const { feed, data } of receiveOwnership.all(port)) consume(feed, data); */
  all<D = unknown>(
    source?: OfferSource | ReceiveOptions,
    options?: ReceiveOptions,
  ): AsyncGenerator<Received<D>, void, undefined>;
}

/** Waits for a connection that another thread hands over, and takes it.
 *  @throws {TimeoutError} ERR_GUNPORT_TIMEOUT, ERR_GUNPORT_ABORTED. @throws {OwnerError} ERR_GUNPORT_TARGET_DEAD the
 *  source has closed. @throws {OptionError}
 *  @example
 *  const { feed, data } = await receiveOwnership();
 *  for await (const message of feed) console.log(message); */
export const receiveOwnership: ReceiveOwnership = Object.assign(
  <D = unknown>(source?: OfferSource | ReceiveOptions, options: ReceiveOptions = {}) =>
    receive<D>(named(source, options)),
  { all },
);

async function* all<D = unknown>(
  source?: OfferSource | ReceiveOptions,
  options: ReceiveOptions = {},
): AsyncGenerator<Received<D>, void, undefined> {
  const given = named(source, options);
  for (;;) {
    try {
      yield await receive<D>(given);
    } catch (error) {
      if (error instanceof OwnerError && error.code === 'ERR_GUNPORT_TARGET_DEAD') return;
      throw error;
    }
  }
}

function named(source: OfferSource | ReceiveOptions | undefined, options: ReceiveOptions): ReceiveOptions {
  const all: ReceiveOptions =
    source === undefined || source instanceof MessagePort || source instanceof Worker
      ? { source, ...options }
      : source;
  if (typeof all !== 'object' || all === null) {
    throw new OptionError(`source must be a MessagePort, a Worker or options, got ${describe(source)}`);
  }
  const { source: port, accept } = all;
  if (port !== undefined && !(port instanceof MessagePort) && !(port instanceof Worker)) {
    throw new OptionError(`source must be a MessagePort or a Worker, got ${describe(port)}`);
  }
  if (accept !== undefined && typeof accept !== 'function') {
    throw new OptionError(`accept must be a function, got ${describe(accept)}`);
  }
  return all;
}

function receive<D>(options: ReceiveOptions): Promise<Received<D>> {
  const { source, timeout = Number.POSITIVE_INFINITY, signal } = options;
  checkWait(timeout, signal);
  // The taker keeps its own clock and signal: both stand still while a commit is awaited, since one that is on
  // its way cannot be sent back.
  return wait<Received<D>>('receiveOwnership()', {}, (settle) => {
    const sources = source ? [source] : isMainThread || !parentPort ? [undefined] : [parentPort, undefined];
    const places: Place[] = [];
    const taker = new Taker<D>(settle, options, timeout, () => {
      for (const place of places) place.look();
    });
    for (const one of sources) places.push(inboxOf(one).join((offer) => taker.take(offer), taker.closed));
    return () => {
      taker.stop();
      for (const place of places) place.leave();
    };
  });
}

/** One wait: takes one offer at a time, until one is committed. */
class Taker<D> {
  readonly #settle: Settle<Received<D>>;
  readonly #accept: ReceiveOptions['accept'];
  readonly #signal: AbortSignal | undefined;
  readonly #forget: (() => void) | undefined;
  /** The thread's own inbox keeps no thread alive; a wait must. */
  readonly #alive = new MessageChannel();
  #timer: NodeJS.Timeout | undefined;
  #left: number;
  #since = 0;
  #handshake: MessagePort | undefined;
  #closed = false;
  readonly #free: () => void;
  /** The source has closed. What was adopted comes all the same: a giver may close it right after the commit, and
   *  there is no order between two ports. */
  readonly closed = (): void => {
    this.#closed = true;
    if (this.#handshake) return;
    this.#settle(new OwnerError('ERR_GUNPORT_TARGET_DEAD', 'the source of connections has closed'));
  };
  readonly #onAbort = (): void => {
    if (this.#handshake) return;
    const { reason } = this.#signal ?? {};
    this.#settle(
      new TimeoutError('ERR_GUNPORT_ABORTED', 'receiveOwnership() was aborted', { cause: reason }),
    );
  };

  /** `free`: called when an offer came to nothing, to look at others. */
  constructor(
    settle: Settle<Received<D>>,
    { accept, signal }: ReceiveOptions,
    timeout: number,
    free: () => void,
  ) {
    this.#settle = settle;
    this.#free = free;
    this.#accept = accept;
    this.#signal = signal;
    this.#left = timeout;
    this.#alive.port1.on('message', () => {});
    this.#forget = signal && whenAborted(signal, this.#onAbort);
    this.#run();
  }

  take(offer: Offer): boolean {
    if (this.#handshake) return false;
    const { handshake, id, origin } = offer;
    try {
      if (this.#accept && !this.#accept({ id, origin, threadId: offer.threadId })) {
        this.#refuse(handshake, 'it was not accepted');
        return true;
      }
    } catch (error) {
      this.#refuse(handshake, 'its accept function threw');
      this.#settle(error instanceof Error ? error : new OptionError(`accept threw ${describe(error)}`));
      return true;
    }
    this.#pause();
    this.#handshake = handshake;
    handshake.on('message', (message: unknown) => this.#hear(message, offer));
    // The giver has gone, or taken it back: nothing was given, the wait goes on.
    handshake.on('close', () => {
      if (this.#handshake !== handshake) return;
      this.#handshake = undefined;
      this.#run();
      this.#free();
    });
    handshake.postMessage({ type: 'adopt', threadId, hosts: knownHosts() } satisfies FromTaker);
    return true;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#forget?.();
    this.#alive.port1.close();
    const handshake = this.#handshake;
    this.#handshake = undefined;
    handshake?.close();
  }

  /** Of another thread, whose code may be anybody's: what is no commit ends its offer, and nothing else. */
  #hear(message: unknown, offer: Offer): void {
    if (this.#handshake !== offer.handshake) return;
    try {
      if (isCommit(message)) return this.#commit(message, offer);
    } catch {
      // Of the shape of a commit, and there is no connection to be made of it: the same.
    }
    for (const port of portsIn(message)) port.close();
    offer.handshake.close();
  }

  #commit(message: Commit, { threadId: from }: Offer): void {
    const { lifeline, listens, state, offered } = message;
    if (lifeline && listens) join(state.host, lifeline, listens);
    tellHandover(state.host, 'gunport:ownership:adopted', state.id, () => {
      return { from, to: threadId, duration: Math.max(0, now() - offered), backlog: backlogOf(state) };
    });
    const connection = new Connection(message.port, message.state).takeOver();
    const { feed: id } = message;
    const streams = [...connection.streams.values()];
    const stream = id === undefined && streams.length === 1 ? streams[0] : connection.streams.get(id ?? 0);
    const sockets = streams.filter((one) => one instanceof WsStream);
    // A connection without a WebSocket has no feed; who gives one says so by not giving a feed.
    const feed = (stream instanceof WsStream ? stream : sockets[0]) as WsStream<Connection>;
    // Whatever D is, its giver and its taker have agreed on it.
    this.#settle(undefined, { connection, feed, stream, data: message.data as D });
  }

  #refuse(handshake: MessagePort, message: string): void {
    handshake.postMessage({ type: 'refuse', message } satisfies FromTaker);
    handshake.close();
  }

  #run(): void {
    if (this.#signal?.aborted) return this.#onAbort();
    if (this.#closed) return this.closed();
    if (this.#left === Number.POSITIVE_INFINITY) return;
    this.#since = performance.now();
    this.#timer = setTimeout(
      () => this.#settle(new TimeoutError('ERR_GUNPORT_TIMEOUT', 'no connection came in time')),
      this.#left,
    );
  }

  #pause(): void {
    clearTimeout(this.#timer);
    if (this.#timer) this.#left = Math.max(0, this.#left - (performance.now() - this.#since));
  }
}

/** What came along and was given to nobody: messages of WebSockets, and notices of either kind of stream. */
function backlogOf({ streams }: ConnectionState): number {
  let backlog = 0;
  for (const one of streams) {
    if (one.kind === 'ws') backlog += one.replies.length;
    for (const item of one.untaken) backlog += item.type === 'parcel' ? item.count : 1;
  }
  return backlog;
}
