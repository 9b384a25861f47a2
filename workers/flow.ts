// flow — how much of one answer may be told: in messages, where its owner counts them, and in bytes that are unread; and
// what is held back until more are wanted.
// Held by exchange.ts. Invariant: order is kept, and nothing is told twice; of several events in one notice so many go as
// there is credit for. Source: Gun's flow; gun_sse_h, which counts events; promise F1.

import { type HttpNotice, PART_COST } from '../lib/httpwire.ts';
import { costOfEvents, countOfEvents, splitEvents } from '../lib/sentevents.ts';

/** Bytes of one answer that may be told and unread; above the first the driver stops, below the second it goes on. */
const WINDOW = { most: 4 * 1024 * 1024, goOn: 2 * 1024 * 1024 };

/** Who is told what passes. */
interface FlowHost {
  tell(notice: HttpNotice): void;
}

export class Flow {
  readonly #host: FlowHost;
  /** Undefined: automatic credit. */
  #left: number | undefined;
  #held: HttpNotice[] = [];
  #unread = 0;
  #starved = false;
  #uncounted = false;

  constructor(messages: number | undefined, host: FlowHost) {
    this.#left = messages;
    this.#host = host;
  }

  /** Messages that may still be told; undefined: automatic credit. */
  get left(): number | undefined {
    return this.#left;
  }
  /** Something waits. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  /** More may be read: what is not wanted now is asked for again. `ended`: and dropped. */
  wants(ended: boolean): boolean {
    const room = this.#starved ? this.#unread <= WINDOW.goOn : this.#unread < WINDOW.most;
    const wanted = ended || (!this.holds && this.#left !== 0 && room);
    this.#starved = !wanted;
    return wanted;
  }
  /** More was not wanted, when it was asked last. */
  get starved(): boolean {
    return this.#starved;
  }

  /** So many bytes were read; undefined: all. */
  read(bytes: number = this.#unread): void {
    this.#unread = Math.max(0, this.#unread - bytes);
  }

  tell(notice: HttpNotice): void {
    if (!this.#uncounted) this.#unread += costOf(notice);
    const rest = this.holds ? notice : this.#pass(notice);
    // What shares its memory with it may move before.
    if (rest) this.#held.push(rest.type === 'data' ? { ...rest, data: rest.data.slice() } : rest);
  }

  /** So many more may be told. */
  topUp(messages: number): void {
    if (this.#left === undefined) return;
    this.#left += messages;
    this.#release();
  }

  /** Nothing else will come: all that is held is told. */
  releaseAll(): void {
    const left = this.#left;
    this.#left = undefined;
    this.#release();
    this.#left = left;
  }

  /** Nobody counts any more. */
  open(): void {
    this.#uncounted = true;
    this.#left = undefined;
    this.#release();
    this.read();
  }

  /** Nobody wants what is held. */
  drop(): void {
    this.#held = [];
  }

  #release(): void {
    const held = this.#held;
    if (held.length === 0) return;
    for (let at = 0; at < held.length; at++) {
      const notice = held[at];
      const rest = notice && this.#pass(notice);
      if (!rest) continue;
      this.#held = [rest, ...held.slice(at + 1)];
      return;
    }
    this.#held = [];
  }

  /** Tells of it what there is credit for; returns what is left. */
  #pass(notice: HttpNotice): HttpNotice | undefined {
    const count = countOf(notice);
    if (this.#left === undefined || count <= this.#left) {
      if (this.#left !== undefined) this.#left -= count;
      this.#host.tell(notice);
      return undefined;
    }
    if (notice.type !== 'sse' || this.#left === 0) return notice;
    const [first, rest] = splitEvents(notice.events, this.#left);
    this.#left = 0;
    this.#host.tell({ ...notice, fin: false, events: first });
    return { ...notice, events: rest };
  }
}

function countOf(notice: HttpNotice): number {
  if (notice.type === 'sse') return countOfEvents(notice.events);
  return notice.type === 'data' ? 1 : 0;
}

function costOf(notice: HttpNotice): number {
  if (notice.type === 'data') return notice.data.byteLength + PART_COST;
  return notice.type === 'sse' ? costOfEvents(notice.events) : 0;
}
