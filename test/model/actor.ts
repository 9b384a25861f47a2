// actor — the program of one thread that may own: what users do with a connection, each thing checked as it comes.
// Made by stage.ts for each thread of a run. Invariant: what it is given is told to the checker at once; each promise it
// is given is watched to its end; an old handle is looked at when it is given away.
// Source: promises O1 to O4, S1, S2, M2.

import type { Connection, receiveOwnership, WsStream } from '../../lib/index.ts';
import type { OneStream } from '../support/onestream.ts';
import { numberOf } from './network.ts';
import type { Way } from './plan.ts';
import { Watches } from './watches.ts';

type Feed = WsStream<Connection>;

/** A handle, and what its user hears of it. */
interface Handle {
  readonly feed: Feed;
  readonly connection: Connection;
  given: boolean;
  closes: number;
}

/** Where an actor acts: a thread, of the model or a real one. */
export interface Place {
  readonly name: string;
  readonly isAlive: boolean;
  readonly receiveOwnership: typeof receiveOwnership;
  run(callback: () => void): void;
}

/** One hand-over, as its giver sees it. */
export interface Transfer {
  /** What goes along, by which its taker knows it. */
  readonly data: unknown;
  readonly abort: AbortController;
  /** Undefined: under way. 'given', or the code it was rejected with. */
  verdict: string | undefined;
  received: boolean;
}

/** What a run keeps of all its actors. */
export interface Records {
  readonly stream: Pick<OneStream, 'owns' | 'gives' | 'keeps' | 'gave' | 'got' | 'ended' | 'wrong'>;
  /** Promises that have not settled, by what they are. */
  readonly pending: Set<{ readonly what: string; readonly actor: Actor }>;
  /** A hand-over begins. */
  offered(from: Actor, target: object): Transfer;
  /** One has come here; undefined: its giver is in another thread. */
  taken(data: unknown): Transfer | undefined;
  /** Numbers that were sent up. */
  sent: number;
}

export class Actor {
  readonly place: Place;
  readonly #records: Records;
  readonly #watches: Watches;
  #handle: Handle | undefined;
  #stop: (() => void) | undefined;
  /** What is being read. */
  #reading: Handle | undefined;
  #inside: (() => void) | undefined;
  #unheard: (() => void) | undefined;
  /** Hand-overs under way: one that may come about, and others that may not. */
  readonly #under = new Set<Transfer>();

  constructor(place: Place, records: Records) {
    this.place = place;
    this.#records = records;
    this.#watches = new Watches(place, (what) => this.#wrong(what));
  }

  get name(): string {
    return this.place.name;
  }
  get owns(): boolean {
    return this.#handle !== undefined && !this.#handle.given && this.place.isAlive;
  }
  get isReading(): boolean {
    return this.#stop !== undefined;
  }
  get feed(): Feed | undefined {
    return this.owns ? this.#handle?.feed : undefined;
  }

  run(callback: () => void): void {
    this.place.run(callback);
  }

  /** It ends, however: within what its code has promised. */
  watch<T>(what: string, promise: Promise<T>): Promise<T | undefined> {
    const one = { what: `${this.name}: ${what}`, actor: this };
    this.#records.pending.add(one);
    const settled = (): void => void this.#records.pending.delete(one);
    return promise.then(
      (value) => {
        settled();
        return value;
      },
      (error: unknown) => {
        settled();
        const { code } = error as { code?: unknown };
        if (typeof code !== 'string' || !code.startsWith('ERR_GUNPORT'))
          this.#wrong(`${what} rejects with ${error}`);
        return undefined;
      },
    );
  }

  #wrong(what: string): void {
    if (this.place.isAlive) this.#records.stream.wrong(`${this.name}: ${what}`);
  }

  /** It has a connection. */
  takes(feed: Feed, connection: Connection): void {
    if (!this.place.isAlive) return;
    this.#records.stream.owns(this.name);
    const handle: Handle = { feed, connection, given: false, closes: 0 };
    this.#handle = handle;
    const heard = (event: string): void => {
      if (handle.given) this.#wrong(`an old handle emits ${event}`);
    };
    feed.on('close', () => {
      heard('close');
      if (++handle.closes > 1) this.#wrong('close comes twice');
    });
    feed.on('down', () => heard('down'));
    feed.on('up', () => heard('up'));
    connection.on('down', () => heard('down'));
    connection.on('up', () => heard('up'));
    void this.watch('closed', feed.closed);
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  #got(message: string | Uint8Array): void {
    if (!this.place.isAlive) return;
    this.#records.stream.got(this.name, numberOf(message));
  }

  /** In the midst of reading. */
  #goesOn(): void {
    const inside = this.#inside;
    this.#inside = undefined;
    inside?.();
  }

  #over(handle: Handle, error: unknown): void {
    if (!this.place.isAlive) return;
    const { code } = (error ?? {}) as { code?: unknown };
    if (handle.given || code === 'ERR_GUNPORT_NOT_OWNER' || code === 'ERR_GUNPORT_READING') return;
    if (
      code === 'ERR_GUNPORT_TIMEOUT' ||
      code === 'ERR_GUNPORT_ABORTED' ||
      code === 'ERR_GUNPORT_TRANSFERRING'
    )
      return;
    this.#records.stream.ended(this.name, String(code ?? 'done'));
  }

  /** Reads so many messages, in one way, and stops. */
  read(way: Way, count: number): void {
    const handle = this.#handle;
    if (!handle || handle.given || this.#stop) return;
    const { feed } = handle;
    this.#reading = handle;
    let left = count;
    let stopped = false;
    const ends = new AbortController();
    const done = (): void => {
      if (this.#stop === stop) this.#stop = undefined;
    };
    let stop: () => void;
    if (way === 'events') {
      const listener = (message: unknown): void => {
        this.#got(message as string);
        this.#goesOn();
        if (--left <= 0) stop();
      };
      stop = () => {
        feed.off('message', listener);
        done();
      };
      this.#stop = stop;
      this.#unheard = done;
      try {
        feed.on('message', listener);
      } catch {
        done(); // It is given, or being handed over.
      }
      return;
    }
    const batches = way === 'batches' || way === 'borrow';
    const iterator: AsyncIterator<unknown> = batches
      ? feed.batches({ borrow: way === 'borrow' })
      : feed[Symbol.asyncIterator]();
    stop = () => {
      stopped = true;
      // Of two that wait, the second may be given a message before the first has seen its own: it is done when it has.
      if (way === 'await') return ends.abort();
      done();
      void this.watch('return()', Promise.resolve(iterator.return?.()));
    };
    this.#stop = stop;
    const next = (): void => {
      const promise = way === 'await' ? this.#await(handle, ends.signal) : iterator.next();
      const took = (result: IteratorResult<unknown>): void => {
        if (result.done && stopped) return way === 'await' ? done() : undefined;
        if (result.done) return over(undefined);
        if (batches) for (const one of result.value as Iterable<string>) this.#got(one);
        else this.#got(result.value as string);
        this.#goesOn();
        left -= 1;
        if (left > 0 && !stopped) return next();
        if (!stopped) stop();
        if (way === 'await') done();
      };
      const over = (error: unknown): void => {
        done();
        this.#over(handle, error);
      };
      void this.watch('next()', promise.then(took, over));
    };
    next();
  }

  async #await(handle: Handle, signal: AbortSignal): Promise<IteratorResult<unknown>> {
    for (;;) {
      const notice = await handle.connection.await(handle.feed, { timeout: 2_000, signal });
      if (notice.type !== 'ws') continue;
      if (notice.frame === 'close') return { done: true, value: undefined };
      return { done: false, value: notice.data };
    }
  }

  /** Reads no more, and gives nothing away inside of that. `isLast`: all that could happen has. */
  stop(isLast = false): void {
    this.#inside = undefined;
    if (this.#stop && this.#reading?.given && isLast) this.#wrong('a reader of an old handle waits still');
    this.#stop?.();
  }

  // ── giving and taking ─────────────────────────────────────────────────────────────────────────────────────

  /** Offers it; `inside`: as soon as it has read one more. */
  give(target: Parameters<Feed['transferOwnership']>[0], timeout: number, inside: boolean): void {
    if (!inside || !this.#stop) return this.#give(target, timeout);
    this.#inside = () => this.#give(target, timeout);
  }

  #give(target: Parameters<Feed['transferOwnership']>[0], timeout: number): void {
    const handle = this.#handle;
    if (!handle || handle.given) return;
    const { stream } = this.#records;
    const transfer = this.#records.offered(this, target);
    if (this.#under.size === 0) stream.gives(this.name);
    this.#under.add(transfer);
    const options = { timeout, data: transfer.data, signal: transfer.abort.signal };
    const given = handle.feed.transferOwnership(target, options).then(
      () => {
        // What a thread still does in the midst of its death nobody sees.
        if (!this.place.isAlive) return;
        transfer.verdict = 'given';
        this.#under.delete(transfer);
        stream.gave(this.name);
        this.#given(handle);
      },
      (error: unknown) => {
        if (!this.place.isAlive) return;
        const { code } = error as { code?: string };
        this.#under.delete(transfer);
        transfer.verdict = code ?? String(error);
        if (transfer.received) this.#wrong(`a hand-over was taken, and rejects with ${code}`);
        const wasSecond = code === 'ERR_GUNPORT_TRANSFERRING' || code === 'ERR_GUNPORT_NOT_OWNER';
        if (!wasSecond) stream.keeps(this.name);
        if (code === 'ERR_GUNPORT_NOT_OWNER' && !handle.given)
          this.#wrong('it does not own what was not given');
      },
    );
    void this.watch('transferOwnership()', given);
  }

  /** What is left of a handle that was given away. */
  #given(handle: Handle): void {
    handle.given = true;
    this.#inside = undefined;
    // Nobody tells a listener that it was the last.
    this.#unheard?.();
    const { feed, connection } = handle;
    const refused = (what: string, call: () => unknown): void => {
      try {
        call();
        this.#wrong(`an old handle's ${what} does not throw`);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== 'ERR_GUNPORT_NOT_OWNER') this.#wrong(`an old handle's ${what} throws ${code}`);
      }
    };
    refused('send()', () => feed.send('late'));
    refused('monitor()', () => connection.monitor());
    refused('updateFlow()', () => feed.updateFlow(1));
    this.#watches.gave(connection);
  }

  /** Takes what comes to a source, until `ends` is aborted. */
  wait(source: unknown, how: 'waits' | 'refuses' | 'throws', ends: AbortSignal): void {
    const accept = (): boolean => {
      if (how === 'throws') throw new Error('no');
      return how === 'waits';
    };
    const options = { source, accept, signal: ends } as Parameters<Place['receiveOwnership']>[0];
    const taking = this.place.receiveOwnership(options).then(
      ({ feed, connection, data }) => {
        if (!this.place.isAlive) return;
        const transfer = this.#records.taken(data);
        if (transfer) transfer.received = true;
        if (transfer?.verdict !== undefined && transfer.verdict !== 'given') {
          this.#wrong(`it takes what was not given: ${transfer.verdict}`);
        }
        this.takes(feed, connection);
      },
      (error: unknown) => {
        const { code, message } = error as { code?: string; message: string };
        if (!code && !(how === 'throws' && message === 'no'))
          this.#wrong(`receiveOwnership() rejects with ${error}`);
      },
    );
    void this.watch('receiveOwnership()', taking);
  }

  // ── the rest ──────────────────────────────────────────────────────────────────────────────────────────────

  send(count: number): void {
    const { feed } = this;
    for (let left = count; left > 0 && feed?.state === 'open'; left--) {
      try {
        feed.send(`up ${this.#records.sent}`);
        this.#records.sent++;
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== 'ERR_GUNPORT_TRANSFERRING' && code !== 'ERR_GUNPORT_DOWN')
          this.#wrong(`send() throws ${code}`);
        return;
      }
    }
  }

  ask(what: 'drained' | 'ping' | 'info' | 'streamInfo'): void {
    const handle = this.#handle;
    if (!handle) return;
    const { feed, connection } = handle;
    const asked = {
      drained: () => feed.drained({ timeout: 5_000 }),
      ping: () => feed.ping(),
      info: () => connection.info(),
      streamInfo: () => connection.streamInfo(feed),
    };
    void this.watch(`${what}()`, asked[what]() as Promise<unknown>);
  }

  credit(messages: number): void {
    try {
      this.feed?.updateFlow(messages);
    } catch {
      // It is being handed over.
    }
  }

  close(how: 'stream' | 'connection' | 'shutdown' | 'cancel'): void {
    const handle = this.#handle;
    if (!handle) return;
    const { feed, connection } = handle;
    if (how === 'stream') void this.watch('close()', feed.close());
    else if (how === 'connection') void this.watch('connection.close()', connection.close());
    else if (how === 'shutdown') void this.watch('shutdown()', connection.shutdown());
    else {
      try {
        feed.cancel();
      } catch {
        // It is being handed over, or dead.
      }
    }
  }

  monitor(keep: boolean): void {
    const handle = this.#handle;
    if (handle && !handle.given) void this.watch('monitor.down', this.#watches.add(handle.connection, keep));
  }

  demonitor(flush: boolean): void {
    this.#watches.end(flush);
  }

  /** All is over. */
  check(): void {
    this.#watches.check();
  }
}
