// faultpump — one way of one connection of a fault proxy: reads here, writes there, breaks in between.
// Two are made by faultproxy.ts for each connection.
// Invariant: what is read goes on in order; what has been stopped is read to its end and dropped, so that a FIN stays one.

import type { Socket } from 'node:net';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { chance } from './chance.ts';

/** What befalls one way of a connection. Numbers count the bytes that have gone that way before. */
export interface WayFaults {
  /** FIN to both ends; nothing goes through any more. */
  readonly cut?: number | undefined;
  /** RST to both ends. Catch: libuv reads one that comes right behind data as the end of a FIN; who wants to see an RST
   *  for sure stalls there, waits until the bytes have been read, and drops. */
  readonly reset?: number | undefined;
  /** FIN this way; what comes later is dropped, and the other way goes on. */
  readonly halfClose?: number | undefined;
  /** Nothing goes on or is asked for any more, until `resume`. */
  readonly stall?: number | undefined;
  /** So many bytes a write: a turn of the event loop after each, or a `step` before it. */
  readonly trickle?: { readonly bytes: number; readonly by?: 'turn' | 'step' } | undefined;
  /** Each chunk waits for so many ms. */
  readonly delay?: number | undefined;
  /** Held back until so many have come, or the end: then all in one write. */
  readonly coalesce?: number | undefined;
  /** Bytes put in place of others; or one bit flipped in about every `every` bytes from `at` on. */
  readonly corrupt?:
    | { readonly at: number; readonly bytes: Uint8Array }
    | { readonly at: number; readonly seed: number; readonly every: number }
    | undefined;
}

export class Pump {
  /** Bytes that went through. */
  passed = 0;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #faults: WayFaults;
  readonly #end: (how: 'fin' | 'rst') => void;
  readonly #moved: () => void;
  readonly #stopped = new AbortController();
  readonly #spoil: (chunk: Buffer) => void;
  #stalled = false;
  #steps = 0;
  #wake: () => void = () => {};

  /** `end`: both ends get that. `moved`: some bytes more have passed. */
  constructor(
    [from, to]: readonly [Socket, Socket],
    faults: WayFaults,
    end: (how: 'fin' | 'rst') => void,
    moved: () => void,
  ) {
    this.#from = from;
    this.#to = to;
    this.#faults = faults;
    this.#end = end;
    this.#moved = moved;
    this.#spoil = spoiler(faults.corrupt);
    const wake = (): void => this.#wake();
    for (const socket of [from, to]) socket.on('connect', wake);
    from.on('readable', wake).on('end', wake);
    from.on('close', () => {
      // What broke off is over; what has ended politely may be held here still.
      if (!from.readableEnded) this.stop();
      wake();
    });
    to.on('close', () => this.stop());
    void this.#run();
  }

  stall(): void {
    this.#stalled = true;
  }

  resume(): void {
    this.#stalled = false;
    this.#wake();
  }

  step(writes: number): void {
    this.#steps += writes;
    this.#wake();
  }

  /** Nothing more goes on: what comes is dropped. */
  stop(): void {
    this.#stopped.abort();
    this.#wake();
  }

  get #dropping(): boolean {
    return this.#stopped.signal.aborted;
  }

  async #run(): Promise<void> {
    await this.#gate(() => !this.#from.connecting && !this.#to.connecting);
    await this.#strike();
    for (;;) {
      await this.#gate(() => !this.#stalled);
      const chunk = await this.#read();
      if (!chunk) break;
      if (this.#dropping) continue;
      await this.#hold();
      this.#spoil(chunk);
      await this.#pass(chunk);
    }
    this.#to.end();
  }

  async #read(): Promise<Buffer | undefined> {
    const { coalesce = 1 } = this.#faults;
    const parts: Buffer[] = [];
    let length = 0;
    while (length < coalesce) {
      const chunk: Buffer | null = this.#from.read();
      if (chunk) {
        parts.push(chunk);
        length += chunk.length;
      } else if (this.#from.readableEnded || this.#from.destroyed) break;
      else await this.#changed();
    }
    return length > 0 ? Buffer.concat(parts, length) : undefined;
  }

  async #hold(): Promise<void> {
    const { delay } = this.#faults;
    if (delay === undefined) return;
    // It rejects when this way has been stopped.
    await wait(delay, undefined, { signal: this.#stopped.signal }).catch(() => {});
  }

  async #pass(chunk: Buffer): Promise<void> {
    const { trickle, cut, reset, halfClose, stall } = this.#faults;
    const marks = [cut, reset, halfClose, stall].filter((mark) => mark !== undefined);
    for (let at = 0; at < chunk.length && !this.#dropping; ) {
      await this.#gate(() => !this.#stalled && (trickle?.by !== 'step' || this.#steps > 0));
      if (this.#dropping) return;
      if (trickle?.by === 'step') this.#steps--;
      const next = Math.min(...marks.filter((mark) => mark > this.passed)) - this.passed;
      const piece = chunk.subarray(at, at + Math.min(next, trickle?.bytes ?? chunk.length));
      // Its callback comes when the kernel has it, or never will: a reset would take what has not left along.
      await new Promise<void>((resolve) => this.#to.write(piece, () => resolve()));
      at += piece.length;
      this.passed += piece.length;
      await this.#strike();
      if (trickle) await turn();
    }
  }

  /** What is to happen behind the last byte that passed. */
  async #strike(): Promise<void> {
    const { cut, reset, halfClose, stall } = this.#faults;
    if (stall === this.passed) this.#stalled = true;
    this.#moved();
    await this.#gate(() => !this.#stalled);
    if (this.#dropping) return;
    if (reset === this.passed) this.#end('rst');
    else if (cut === this.passed) this.#end('fin');
    else if (halfClose === this.passed) {
      this.#to.end();
      this.stop();
    }
  }

  async #gate(open: () => boolean): Promise<void> {
    while (!open() && !this.#dropping) await this.#changed();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Spoils what it is given, piece by piece, in place. */
function spoiler(corrupt: WayFaults['corrupt']): (chunk: Buffer) => void {
  if (!corrupt) return () => {};
  const { at } = corrupt;
  const next = 'seed' in corrupt ? chance(corrupt.seed) : undefined;
  const every = 'every' in corrupt ? corrupt.every : 1;
  const bytes = 'bytes' in corrupt ? corrupt.bytes : undefined;
  let seen = 0;
  return (chunk) => {
    for (let i = 0; i < chunk.length; i++, seen++) {
      if (seen < at) continue;
      const given = bytes?.[seen - at];
      if (given !== undefined) chunk[i] = given;
      else if (next?.(every) === 0) chunk[i]! ^= 1 << next(8);
    }
  };
}
