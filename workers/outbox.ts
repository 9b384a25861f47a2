// outbox — the road from a connection process to its owner: parcels need credit, replies do not.
// Filled by the driver and the process; the only room here that posts to an owner.
// Invariant: order is kept among parcels and ordered notices; at most IN_FLIGHT parcels are posted and unread, so the
// queue inside the port is bounded; what is held beyond `maxBuffered` bytes pauses the socket, never a reply.
// Source: promises F1 and F2; Gun's flow; "in flight 8, go on at 4" of the fast path.

import type { MessagePort } from 'node:worker_threads';
import { packParcel } from '../lib/smallwire.ts';
import { LENGTH_MASK, type Notice, type Parcel } from '../lib/wire.ts';

export interface OutboxHost {
  readonly maxBuffered: number;
  pause(): void;
  resume(): void;
  /** The owner has room again. */
  credit(): void;
}

type Ordered = Notice;
/** To the owner, with what moves. */
export type Post = (notice: Notice, transfer: (ArrayBuffer | MessagePort)[]) => void;

/** Parcels, and bytes of memory, posted and not acknowledged; above the first it waits for the second. */
const IN_FLIGHT = { parcels: 8, bytes: 8 * 1024 * 1024 };
const GO_ON = { parcels: 4, bytes: 4 * 1024 * 1024 };
/** What a held notice costs beside its memory, so that many small ones are bounded too. */
const OVERHEAD = 256;

/** To the owner's port. */
export function postNotice(port: MessagePort, notice: Notice, transfer: (ArrayBuffer | MessagePort)[]): void {
  const small = notice.type === 'parcel' ? packParcel(notice) : undefined;
  if (small) port.postMessage(small);
  else port.postMessage(notice, transfer);
}

export class Outbox {
  readonly #post: Post;
  readonly #host: OutboxHost;
  /** Messages that may still be posted, of streams with manual flow. */
  #flow: Map<number, number> | undefined;
  /** Memory of each parcel in flight, oldest first. */
  readonly #costs: number[] = [];
  #inFlight = 0;
  #posted = 0;
  #acked = 0;
  #open = true;
  #held: Ordered[] = [];
  #heldBytes = 0;
  #paused = false;
  #resumedAt = 0;
  #drained: (() => void)[] = [];
  #carried: () => number | undefined = () => undefined;

  constructor(post: Post, host: OutboxHost) {
    this.#post = post;
    this.#host = host;
  }

  /** A parcel given now would be posted at once. */
  get ready(): boolean {
    return this.#open && this.#held.length === 0;
  }

  /** What it is given it is done with at once: it keeps no memory. */
  get consumes(): boolean {
    return false;
  }

  /** Messages that manual flow leaves for this stream; undefined: any. */
  protected flowOf(stream: number): number | undefined {
    return this.#flow?.get(stream);
  }

  /** Nothing is held. */
  get empty(): boolean {
    return this.#held.length === 0;
  }

  /** Sequence number of the last parcel posted. */
  get posted(): number {
    return this.#posted;
  }

  /** The socket is paused, since too much is held. */
  get paused(): boolean {
    return this.#paused;
  }

  /** When it was last resumed, on performance.now()'s clock. */
  get resumedAt(): number {
    return this.#resumedAt;
  }

  /** Messages with their order; `seq` is set here. */
  parcel(parcel: Omit<Parcel, 'seq' | 'type'>): void {
    this.ordered({ type: 'parcel', seq: 0, ...parcel });
  }

  /** Asked whenever a parcel is posted, for bytes that have left the process. */
  carry(sent: () => number | undefined): void {
    this.#carried = sent;
  }

  /** Behind everything that waits. */
  ordered(notice: Ordered): void {
    const rest = this.#held.length === 0 ? this.#deliver(notice) : notice;
    if (!rest) return;
    this.#held.push(rest);
    this.#heldBytes += costOf(rest);
    if (!this.#paused && this.#heldBytes > this.#host.maxBuffered) {
      this.#paused = true;
      this.#host.pause();
    }
  }

  /** At once, ahead of what is held: answers to calls. */
  reply(notice: Exclude<Notice, Parcel>): void {
    this.#post(notice, []);
  }

  /** The owner has read this many parcels, cumulative. */
  acked(count: number): void {
    while (this.#acked < count && this.#acked < this.#posted) {
      this.#acked++;
      this.#inFlight -= this.#costs.shift() ?? 0;
    }
    if (this.#open || this.#costs.length > GO_ON.parcels || this.#inFlight > GO_ON.bytes) return;
    this.#open = true;
    this.#pump();
  }

  /** Manual flow: this stream may have so many messages more; `anew` sets it for a stream that has none yet. */
  topUp(stream: number, messages: number, anew = false): void {
    const left = this.#flow?.get(stream);
    if ((left === undefined) !== anew) return;
    this.#flow ??= new Map();
    this.#flow.set(stream, (left ?? 0) + messages);
    this.#pump();
  }

  /** Nobody will read this stream any more, or any at all: messages go, notices stay. */
  drop(stream?: number): void {
    const gone = (of: number): boolean => stream === undefined || of === stream;
    for (const of of this.#flow?.keys() ?? []) if (gone(of)) this.#flow?.delete(of);
    this.#held = this.#held.filter((notice) => notice.type !== 'parcel' || !gone(notice.stream));
    this.#heldBytes = this.#held.reduce((sum, notice) => sum + costOf(notice), 0);
    this.#pump();
  }

  /** What was posted and not acknowledged is lost with a dead owner, and counts as read. */
  forgetInFlight(): void {
    this.acked(this.#posted);
  }

  /** Nothing of what is held will be wanted. */
  discard(): void {
    this.#held = [];
    this.#heldBytes = 0;
    this.#flow = undefined;
    this.forgetInFlight();
    this.#pump();
  }

  /** Calls back once nothing is held; at once when nothing is. */
  whenDrained(callback: () => void): void {
    if (this.#held.length === 0) callback();
    else this.#drained.push(callback);
  }

  #pump(): void {
    let sent = 0;
    for (const notice of this.#held) {
      // Before it is posted: its memory is gone from here then.
      const cost = costOf(notice);
      const rest = this.#deliver(notice);
      if (rest) {
        this.#held[sent] = rest;
        break;
      }
      this.#heldBytes -= cost;
      sent++;
    }
    if (sent > 0) this.#held.splice(0, sent);
    if (this.#paused && this.#heldBytes <= this.#host.maxBuffered / 2) {
      this.#paused = false;
      this.#resumedAt = performance.now();
      this.#host.resume();
    }
    if (this.#held.length > 0) return;
    for (const callback of this.#drained.splice(0)) callback();
    if (this.ready) this.#host.credit();
  }

  /** Posts what may go; what must wait comes back: all of it, or what manual flow leaves of a parcel. */
  #deliver(notice: Ordered): Ordered | undefined {
    if (notice.type !== 'parcel') return void this.#post(notice, []);
    if (!this.#open) return notice;
    const left = this.#flow?.get(notice.stream) ?? Number.POSITIVE_INFINITY;
    if (left === 0) return notice;
    if (left !== Number.POSITIVE_INFINITY) this.#flow?.set(notice.stream, Math.max(0, left - notice.count));
    if (notice.count <= left) return this.#postParcel(notice);
    const [head, tail] = cut(notice, left);
    this.#postParcel(head);
    return tail;
  }

  #postParcel(parcel: Parcel): undefined {
    const { slab, index } = parcel;
    const cost = costOf(parcel);
    this.#posted++;
    this.#costs.push(cost);
    this.#inFlight += cost;
    if (this.#costs.length >= IN_FLIGHT.parcels || this.#inFlight >= IN_FLIGHT.bytes) this.#open = false;
    // Both are memory of their own: slabs.ts and intake.ts make no other.
    const memory: (ArrayBuffer | MessagePort)[] = [slab.buffer as ArrayBuffer, index.buffer as ArrayBuffer];
    if (parcel.carried) memory.push(...parcel.carried.transfer);
    const sent = this.#carried();
    const seq = this.#posted;
    this.#post(sent === undefined ? { ...parcel, seq } : { ...parcel, seq, sent }, memory);
    return undefined;
  }
}

function costOf(notice: Ordered): number {
  if (notice.type !== 'parcel') return OVERHEAD;
  return notice.slab.buffer.byteLength + OVERHEAD + (notice.carried ? notice.bytes : 0);
}

/** The first `count` messages, copied, and the rest. */
function cut(parcel: Parcel, count: number): [Parcel, Parcel] {
  const { slab, index } = parcel;
  const end = index[2 * count] ?? slab.byteLength;
  let bytes = 0;
  for (let i = 0; i < count; i++) bytes += (index[2 * i + 1] ?? 0) & LENGTH_MASK;
  const head = { ...parcel, slab: slab.slice(0, end), index: index.slice(0, 2 * count), count, bytes };
  const rest = {
    ...parcel,
    index: index.slice(2 * count),
    count: parcel.count - count,
    bytes: parcel.bytes - bytes,
  };
  return [head, rest];
}
