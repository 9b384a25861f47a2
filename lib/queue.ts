// queue — what has arrived for one stream and nobody has been given yet.
// Filled by stream.ts from notices; read through reader.ts (`for await`, `batches()`), `takeOne` and events.
// Invariant: an item is in exactly one of {this queue, a user's hands}; one way of reading at a time; sealed, nothing
// leaves it. Order is arrival order, marks (a gap, the end) included.
// Source: Erlang's selective receive; nats.js' queued iterator.

import { type Batch, batchOf } from './batch.ts';
import { StreamError } from './errors.ts';
import type { Message } from './types.ts';
import type { Parcel } from './wire.ts';

/** A parcel and how much of it has been read. */
export interface Held {
  readonly parcel: Parcel;
  readonly batch: Batch;
  next: number;
}

/** The ways to read a stream. */
export type Way = 'iterator' | 'batches' | 'await' | 'events';

/** What a queue asks of its stream. */
export interface QueueHost<M> {
  /** A parcel was read to its end; `slab` is free again when it was borrowed; it was in `bytes` of memory. */
  parcelRead(slab?: Uint8Array, bytes?: number): void;
  /** A mark was reached by the reader, in its place between two messages. */
  passed(mark: M): void;
  /** Somebody began to read, or stopped. */
  reading(): void;
}

/** Who waits for the next item. */
export interface Waiter {
  readonly way: Way;
  /** Something may be there: take it, or stay (false). */
  wake(): boolean;
  fail(error: Error): void;
}

type Item<M> = Held | { readonly mark: M };

/** @internal */
export class Queue<M> {
  readonly #host: QueueHost<M>;
  #items: Item<M>[] = [];
  #head = 0;
  /** The item at the head, when it is a parcel: what the next message is taken from. */
  #front: Held | undefined;
  #end: { readonly error: Error | undefined } | undefined;
  #way: Way | undefined;
  #waiters: Waiter[] = [];
  #sealed = false;
  /** Memory of batches that are out on loan: they count as read when it comes back. */
  readonly #lent = new Set<Uint8Array>();
  #emit: ((message: Message) => void) | undefined;
  #emitting = false;

  constructor(host: QueueHost<M>) {
    this.#host = host;
  }

  /** Nothing is here to be read, and nothing more will come. */
  get finished(): boolean {
    return this.#end !== undefined && this.#head === this.#items.length;
  }
  /** What a reader gets after all that was received. */
  get endError(): Error | undefined {
    return this.#end?.error;
  }
  get reading(): boolean {
    return this.#way !== undefined;
  }
  get sealed(): boolean {
    return this.#sealed;
  }
  /** Something waits to be read. */
  get waiting(): boolean {
    return this.#head < this.#items.length;
  }

  /** A message was taken from the parcel at the head, and it has more, which may be taken. */
  get atHand(): boolean {
    return this.#front !== undefined && !this.#sealed;
  }

  push(parcel: Parcel): void {
    this.#items.push(held(parcel));
    this.#wake();
  }

  /** A mark goes to the reader in its place; with nobody reading there is no place to keep. */
  mark(mark: M): void {
    if (this.#way === undefined) return this.#host.passed(mark);
    this.#items.push({ mark });
    this.#wake();
  }

  /** No more will come. `error`: what a reader gets after all that was received. */
  end(error: Error | undefined): void {
    if (this.#end) return;
    this.#end = { error };
    this.#wake();
  }

  // ── a transfer ────────────────────────────────────────────────────────────────────────────────────────────

  seal(): void {
    this.#sealed = true;
  }

  unseal(): void {
    this.#sealed = false;
    // In a turn of its own: who gave hears that it failed before anybody is given anything.
    setImmediate(() => this.#goOn());
  }

  /** Lays what another owner was not given, or what could not be given away. Marks keep their places for who begins to
   *  read in this turn of the loop. */
  lay(items: Iterable<{ readonly parcel: Parcel } | { readonly mark: M }>): void {
    for (const item of items) this.#items.push('mark' in item ? item : held(item.parcel));
    setImmediate(() => this.#goOn());
  }

  #goOn(): void {
    if (this.#sealed) return;
    if (this.#way === undefined) this.#passMarks();
    else this.#wake();
  }

  /** What is out on loan counts as read: its memory will not come back to this process in time. */
  forgetLent(): void {
    for (const _ of this.#lent) this.#host.parcelRead();
    this.#lent.clear();
  }

  /** All that nobody has been given, oldest first; the queue is empty after it. */
  untaken(): Item<M>[] {
    const items = this.#items.slice(this.#head);
    this.#clear();
    return items;
  }

  /** Drops the messages, which count as read; what stands between and behind them, the end too, has its effect. */
  skip(): void {
    for (const item of this.untaken()) {
      if ('parcel' in item) this.#host.parcelRead();
      else this.#host.passed(item.mark);
    }
  }

  /** Nothing of what is here will be read; it counts as read. */
  discard(): void {
    for (const item of this.untaken()) if ('parcel' in item) this.#host.parcelRead();
  }

  /** Every reader gets this error; for a queue that has been given away. */
  abandon(error: Error): void {
    this.#end = { error };
    this.#clear();
    this.#emit = undefined;
    for (const waiter of this.#waiters.splice(0)) waiter.fail(error);
    this.#way = undefined;
    this.#sealed = false;
  }

  // ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The next message, if one is here. Marks before it are passed. */
  take(): Message | undefined {
    const held = this.#front ?? this.#current();
    if (held === undefined || this.#sealed) return undefined;
    const message = held.batch.at(held.next++);
    if (held.next === held.batch.length) this.#parcelRead(held.parcel);
    return message;
  }

  /** All messages of the parcel at hand. It counts as read now, or, `lend`, when its memory comes back. */
  takeBatch(lend: boolean): { readonly batch: Batch; readonly slab: Uint8Array } | undefined {
    const held = this.#front ?? this.#current();
    if (held === undefined || this.#sealed) return undefined;
    const batch = held.next === 0 ? held.batch : batchOf(held.parcel, held.next);
    this.#head++;
    this.#front = undefined;
    // Messages that were given before the rest may be views of it, which are valid for ever.
    if (lend && held.next === 0) this.#lent.add(held.parcel.slab);
    else this.#host.parcelRead();
    return { batch, slab: held.parcel.slab };
  }

  /** The borrower of a batch is done with it. */
  giveBack(slab: Uint8Array): void {
    if (this.#lent.delete(slab)) this.#host.parcelRead(slab);
  }

  /** One message, for `connection.await()`; `undefined` at the end. Settled through `settle`, or given up with the
   *  function returned. */
  takeOne(settle: (message: Message | undefined, error?: Error) => void): () => void {
    this.claim('await');
    const wake = (): boolean => {
      const message = this.take();
      if (message !== undefined) settle(message);
      else if (this.finished && !this.#sealed) settle(undefined, this.#end?.error);
      else return false;
      return true;
    };
    const waiter: Waiter = { way: 'await', wake, fail: (error) => settle(undefined, error) };
    this.wait(waiter);
    this.#wake();
    return () => this.leave(waiter);
  }

  /** Every message to `emit`, from the next turn of the loop on. `undefined` stops. */
  events(emit: ((message: Message) => void) | undefined): void {
    if (emit) this.claim('events');
    this.#emit = emit;
    if (!emit) this.release('events');
    else if (this.waiting || this.#end) setImmediate(() => this.#wake());
  }

  /** @throws {StreamError} ERR_GUNPORT_READING: it is being read in another way. */
  claim(way: Way): void {
    if (this.#way !== undefined && (this.#way !== way || way === 'iterator' || way === 'batches')) {
      const message = `the stream is being read by ${this.#way}, so ${way} cannot read it`;
      throw new StreamError('ERR_GUNPORT_READING', message);
    }
    this.#way = way;
    this.#host.reading();
  }

  release(way: Way): void {
    if (this.#way !== way || this.#waiters.some((waiter) => waiter.way === way)) return;
    this.#way = undefined;
    if (!this.#sealed) this.#passMarks();
    this.#host.reading();
  }

  wait(waiter: Waiter): void {
    this.#waiters.push(waiter);
  }

  leave(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
    if (waiter.way === 'await') this.release('await');
  }

  /** Nobody reads: marks have no place to keep any more. */
  #passMarks(): void {
    const items = this.untaken();
    this.#items = items.filter((item) => 'parcel' in item);
    for (const item of items) if ('mark' in item) this.#host.passed(item.mark);
  }

  /** The parcel to read from; marks before it are passed on the way. */
  #current(): Held | undefined {
    if (this.#sealed) return undefined;
    for (;;) {
      const item = this.#items[this.#head];
      if (item === undefined) {
        if (this.#head > 0) this.#clear();
        return undefined;
      }
      if ('parcel' in item) {
        this.#front = item;
        return item;
      }
      this.#head++;
      this.#host.passed(item.mark);
    }
  }

  /** One by one, to its end. Texts are copies, so nobody has a view of a slab that holds nothing else: it goes home. */
  #parcelRead({ texts, slab }: Parcel): void {
    this.#head++;
    this.#front = undefined;
    this.#host.parcelRead(texts ? slab : undefined, slab.byteLength);
  }

  #clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#front = undefined;
  }

  #wake(): void {
    if (this.#sealed) return;
    if (this.#emit) return this.#emitAll();
    while (this.#waiters.length > 0 && !this.#sealed) {
      const waiter = this.#waiters[0];
      if (!waiter?.wake()) return;
      this.leave(waiter);
    }
  }

  /** Runs until the queue is empty, sealed by a listener, or nobody listens any more. */
  #emitAll(): void {
    if (this.#emitting) return;
    this.#emitting = true;
    try {
      for (let held = this.#current(); held && this.#emit !== undefined; held = this.#current()) {
        const { batch } = held;
        while (held.next < batch.length && this.#emit !== undefined && !this.#sealed) {
          const message = batch.at(held.next++);
          if (held.next === batch.length) this.#parcelRead(held.parcel);
          this.#emit(message);
        }
      }
    } finally {
      this.#emitting = false;
      // A listener that throws is its owner's uncaught exception; the stream goes on with the next message.
      if (this.#emit && !this.#sealed && this.waiting) setImmediate(() => this.#wake());
    }
  }
}

/** A parcel of which nothing has been read. */
function held(parcel: Parcel): Held {
  return { parcel, batch: batchOf(parcel), next: 0 };
}
