// uploading — the body of one request, as its owner gives it: counted against what was declared, and against memory.
// Held by stream.ts. Invariant: nothing is posted that its framing would not allow; bytes in `buffered` are still in
// this process. Source: gun:data/4, whose process crashes where this throws; promise F3.

import type { WaitOptions } from './await.ts';
import { Drains } from './drains.ts';
import { StreamError } from './errors.ts';
import { checkBuffered } from './sendable.ts';

/** @internal */
export class Uploading {
  readonly #maxBuffered: number;
  /** Bytes that must follow; undefined: nobody said. */
  #left: number | undefined;
  #open: boolean;
  #sent: number;
  #flushed: number;
  readonly #drains = new Drains();

  constructor(
    maxBuffered: number,
    open: { readonly left: number | undefined } | undefined,
    [sent, flushed]: readonly [number, number],
  ) {
    this.#maxBuffered = maxBuffered;
    this.#open = open !== undefined;
    this.#left = open?.left;
    this.#sent = sent;
    this.#flushed = flushed;
  }

  /** More may be given. */
  get isOpen(): boolean {
    return this.#open;
  }
  /** All has been given, and has left. */
  get isDone(): boolean {
    return !this.#open && this.buffered === 0;
  }
  get buffered(): number {
    return this.#sent - this.#flushed;
  }
  /** For a hand-over. */
  get record(): {
    readonly uploading: { readonly left: number | undefined } | undefined;
    readonly sentBytes: number;
    readonly flushedBytes: number;
  } {
    const uploading = this.#open ? { left: this.#left } : undefined;
    return { uploading, sentBytes: this.#sent, flushedBytes: this.#flushed };
  }

  /** Takes account of a part. False above `maxBuffered`: wait for `drained()`.
   *  @throws {StreamError} ERR_GUNPORT_BAD_STATE, ERR_GUNPORT_OVERLOADED. */
  add(bytes: number, fin: boolean): boolean {
    if (!this.#open) {
      throw new StreamError('ERR_GUNPORT_BAD_STATE', 'data(): the body of the request is complete');
    }
    if (this.#left !== undefined) {
      const left = this.#left - bytes;
      if (left < 0 || (fin && left > 0)) {
        const text = `data(): content-length leaves ${this.#left} bytes, got ${bytes}${fin ? ' as the last' : ''}`;
        throw new StreamError('ERR_GUNPORT_BAD_STATE', text, { reason: this.#left });
      }
    }
    checkBuffered(this.buffered, this.#maxBuffered);
    if (this.#left !== undefined) this.#left -= bytes;
    if (fin) this.#open = false;
    this.#sent += bytes;
    return this.buffered <= this.#maxBuffered;
  }

  /** What follows is no body, and nobody has said how long it will be. */
  reopen(): void {
    this.#open = true;
    this.#left = undefined;
  }

  /** Resolves when all that was given until now has left the process. */
  drained(options: WaitOptions): Promise<void> {
    return this.#drains.wait(this.#sent, this.#flushed, options);
  }

  /** So many bytes have left, in all. */
  gone(bytes: number): void {
    this.#flushed = Math.max(this.#flushed, bytes);
    this.#drains.settle(undefined, this.#flushed);
  }

  /** Nothing that is still here will be sent, or its answer has come and the rest does not matter. */
  over(error: Error | undefined): void {
    this.#open = false;
    this.#flushed = this.#sent;
    this.#drains.settle(error);
  }

  /** Given away. */
  fail(error: Error): void {
    this.#drains.settle(error);
  }
}
