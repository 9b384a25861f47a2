// mailbox — the owner's end of a connection's port: notices in, casts out, acknowledgements in between.
// Held by connection.ts; the one room of the owner wing that reads an owner port.
// Invariant: a notice is in exactly one of {the port's own queue, a stream's queue, a user's hands}; after
// `detach()` nothing is taken out of the port any more, so it can be moved with all that it holds.
// Source: Erlang mailbox; gun:await/4.

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { HttpCast } from './httpwire.ts';
import { shielded } from './listeners.ts';
import type { SentFrames } from './sendwire.ts';
import { isNotice } from './shapes.ts';
import { packFrames, unpackNotice } from './smallwire.ts';
import type { Cast, Notice } from './wire.ts';

/** What a mailbox tells its connection. */
export interface MailboxReader {
  notice(notice: Notice): void;
  /** The process has closed the port, or died: everything it posted has been delivered. */
  closed(): void;
}

/** Memory below this is cheaper to drop than to send home. */
const WORTH_RETURNING = 256 * 1024;
/** So many small parcels may be read before their process is told: fewer than make it wait. */
const UNTOLD = 2;
/** Parcels up to this many bytes of memory are small. */
const SMALL = 4 * 1024;
/** And no later than after so many milliseconds. */
const LATE = 5;

/** @internal */
export class Mailbox {
  readonly #port: MessagePort;
  readonly #reader: MailboxReader;
  #attached = false;
  #ref = true;
  /** Parcels read to their end, by stream; those of which the process has not been told. */
  readonly #acked = new Map<number, number>();
  readonly #untold = new Set<number>();
  #ackScheduled = false;
  #smallUntold = 0;
  #late: NodeJS.Timeout | undefined;
  #recycled: Uint8Array[] = [];
  #casts: HttpCast[] = [];
  #castMemory: (ArrayBuffer | MessagePort)[] = [];
  readonly #onMessage = (posted: unknown): void => {
    if (isNotice(posted)) this.#reader.notice(unpackNotice(posted));
  };
  #closed = false;
  /** What the port holds is all that will ever come. */
  #complete = false;

  constructor(port: MessagePort, reader: MailboxReader) {
    this.#port = port;
    this.#reader = reader;
    // Always listened to: a port may close while it is detached. One that was given away closes here as well, and
    // then nobody attaches again.
    port.on('close', () => {
      this.#closed = true;
      if (this.#attached) this.#reader.closed();
    });
  }

  /** Parcels of a stream read to their end, cumulative. */
  acked(stream: number): number {
    return this.#acked.get(stream) ?? 0;
  }

  /** As many were read by owners before this one. */
  restore(stream: number, acked: number): void {
    this.#acked.set(stream, acked);
  }

  /** The stream is over. */
  forget(stream: number): void {
    this.#acked.delete(stream);
  }

  /** Starts to deliver. The listener comes first: a started port without one drops what it holds. */
  attach(): void {
    if (this.#attached) return;
    this.#attached = true;
    if (this.#closed) return this.#reader.closed();
    this.#port.on('message', this.#onMessage);
    if (!this.#ref) this.#port.unref();
    if (this.#complete) this.#takeLast();
    else this.flushAcks();
  }

  /** Stops delivering; what comes now stays inside the port. */
  detach(): MessagePort {
    this.#flushCasts();
    this.#attached = false;
    this.#port.off('message', this.#onMessage);
    return this.#port;
  }

  /** The process has closed the port, or died, and all that it posted has been delivered. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The thread of the process is dead. A port that was on its way there is closed by nobody: it is closed here, once
   *  what it holds has been taken. */
  complete(): void {
    this.#complete = true;
    if (this.#attached) this.#takeLast();
  }

  #takeLast(): void {
    for (let last = receiveMessageOnPort(this.#port); last; last = receiveMessageOnPort(this.#port)) {
      const { message } = last;
      shielded(() => this.#onMessage(message));
    }
    this.#port.close();
  }

  post(cast: Cast, transfer?: readonly (ArrayBuffer | MessagePort)[]): void {
    this.#flushCasts();
    if (cast.type === 'send') this.#postFrames(cast, transfer);
    else this.#port.postMessage(cast, transfer);
  }

  #postFrames(frames: SentFrames, transfer?: readonly (ArrayBuffer | MessagePort)[]): void {
    // One post in place of two, of which each would wake its thread.
    if (this.#untold.size > 0 && this.#recycled.length === 0) frames.read = this.#read();
    // Without memory to move they are small.
    if (transfer?.length) this.#port.postMessage(frames, transfer);
    else this.#port.postMessage(packFrames(frames));
  }

  /** Posted with the others of this turn; not a microtask's: a loop that awaits would post one at a time. */
  cast(cast: HttpCast, transfer: readonly (ArrayBuffer | MessagePort)[]): void {
    this.#casts.push(cast);
    for (const one of transfer) this.#castMemory.push(one);
    if (this.#casts.length === 1) process.nextTick(() => this.#flushCasts());
  }

  #flushCasts(): void {
    const casts = this.#casts;
    if (casts.length === 0) return;
    const memory = this.#castMemory;
    this.#casts = [];
    this.#castMemory = [];
    const [first] = casts;
    this.#port.postMessage(first && casts.length === 1 ? first : { type: 'casts', casts }, memory);
  }

  /** A parcel was read to its end: they are counted, since two streams may be read in any order. Told to the process
   *  from the next turn of the loop: an acknowledgement inside the reader's own turn brings the next flood before its
   *  timers have run (1 155 ms of lag, not 24). That of a few small ones waits for a cast to ride with.
   *  `bytes`: of its memory. */
  parcelRead(stream: number, recycle?: Uint8Array, bytes: number = Number.POSITIVE_INFINITY): void {
    this.#acked.set(stream, this.acked(stream) + 1);
    this.#untold.add(stream);
    if (recycle && recycle.buffer.byteLength >= WORTH_RETURNING) this.#recycled.push(recycle);
    if (this.#ackScheduled) return;
    if (bytes <= SMALL && ++this.#smallUntold <= UNTOLD) {
      this.#late ??= setTimeout(() => this.#tellLate(), LATE).unref();
      return;
    }
    this.#ackScheduled = true;
    setImmediate(() => {
      this.#ackScheduled = false;
      if (this.#attached) this.flushAcks();
    });
  }

  flushAcks(): void {
    if (this.#untold.size === 0) return;
    const read = this.#read();
    const slabs = this.#recycled;
    this.#recycled = [];
    if (slabs.length === 0) this.post({ type: 'ack', read });
    // Slabs are made by allocUnsafeSlow: each owns its ArrayBuffer.
    else
      this.post(
        { type: 'ack', read, slabs },
        slabs.map((slab) => slab.buffer as ArrayBuffer),
      );
  }

  /** Of which the process has not been told: stream, count, stream, count … */
  #read(): number[] {
    const read: number[] = [];
    for (const stream of this.#untold) read.push(stream, this.acked(stream));
    this.#untold.clear();
    this.#smallUntold = 0;
    return read;
  }

  #tellLate(): void {
    this.#late = undefined;
    if (this.#attached) this.flushAcks();
  }

  ref(): void {
    this.#ref = true;
    if (this.#attached) this.#port.ref();
  }

  /** The user wants it to keep its thread alive. */
  get isRef(): boolean {
    return this.#ref;
  }

  unref(): void {
    this.#ref = false;
    this.#port.unref();
  }

  /** Whether it may keep its thread alive at all; a dead process's does only while somebody reads. */
  hold(alive: boolean): void {
    if (!alive) this.#port.unref();
    else if (this.#ref && this.#attached) this.#port.ref();
  }
}
