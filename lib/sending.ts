// sending — what one WebSocket has sent: laid out, posted once per tick, counted until it has left the process.
// Held by speaking.ts. Invariant: bytes in `buffered` are still in this process (owner's thread, port or worker);
// nothing is posted but from `flush()`, in the order of the calls. Source: WHATWG bufferedAmount; promise F3.

import type { WaitOptions } from './await.ts';
import { Drains } from './drains.ts';
import { Layout } from './layout.ts';
import { checkBuffered, checkSendable, lay, type Sendable } from './sendable.ts';
import { SMALL } from './smallwire.ts';
import type { Cast } from './wire.ts';

/** With no more under way, the process tells late that it has left: a quarter of `maxBuffered` at most. */
const LITTLE = 16 * 1024;

/** @internal */
export class Sending {
  readonly #stream: number;
  readonly #maxBuffered: number;
  readonly #post: (cast: Cast, transfer: ArrayBuffer[]) => void;
  readonly #layout = new Layout();
  #scheduled = false;
  #sent: number;
  #flushed: number;
  #unsent: number;
  readonly #drains = new Drains();

  constructor(
    stream: number,
    maxBuffered: number,
    post: (cast: Cast, transfer: ArrayBuffer[]) => void,
    [sent, flushed, unsent]: readonly [number, number, number],
  ) {
    this.#stream = stream;
    this.#maxBuffered = maxBuffered;
    this.#post = post;
    this.#sent = sent;
    this.#flushed = flushed;
    this.#unsent = unsent;
  }

  /** Bytes of frames, headers included, that have not left this process. */
  get buffered(): number {
    return this.#sent + this.#layout.bytes - this.#flushed;
  }

  /** Bytes that were still here when a socket ended, and were dropped with it. */
  get unsent(): number {
    return this.#unsent;
  }

  get totals(): { sentBytes: number; flushedBytes: number; unsent: number } {
    return { sentBytes: this.#sent, flushedBytes: this.#flushed, unsent: this.#unsent };
  }

  /** Copies. False above `maxBuffered`: wait for `drained()`.
   *  @throws {StreamError} ERR_GUNPORT_OVERLOADED above four times that. @throws {OptionError} not sendable. */
  add(data: Sendable | readonly Sendable[]): boolean {
    checkBuffered(this.buffered, this.#maxBuffered);
    if (typeof data === 'string') this.#layout.text(data);
    else if (Array.isArray(data)) {
      for (const one of data) checkSendable(one);
      for (const one of data) lay(one, this.#layout);
    } else {
      checkSendable(data);
      lay(data, this.#layout);
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      // Not a microtask: a loop that awaits would post one message at a time.
      process.nextTick(() => this.flush());
    }
    return this.buffered <= this.#maxBuffered;
  }

  /** `secret`: frames of it are not shown to who listens to them. */
  flush(secret = false): void {
    this.#scheduled = false;
    if (this.#layout.bytes === 0) return;
    const stream = this.#stream;
    const unhurried = this.buffered <= Math.min(LITTLE, this.#maxBuffered / 4);
    const small = unhurried && !secret && this.#layout.bytes <= SMALL;
    const { image, messages, bytes } = small ? this.#layout.copy() : this.#layout.take();
    this.#sent += bytes;
    const type = secret ? 'sendSecret' : 'send';
    // The layout hands over memory of its own; a copy is cloned.
    const moved = small ? [] : [image.buffer as ArrayBuffer];
    this.#post({ type, stream, image, messages, unhurried }, moved);
  }

  /** Resolves when all that was sent until now has left the process. */
  drained(options: WaitOptions): Promise<void> {
    this.flush();
    if (this.#flushed < this.#sent) this.#post({ type: 'askSent', stream: this.#stream }, []);
    return this.#drains.wait(this.#sent, this.#flushed, options);
  }

  /** The process reports how many bytes are gone, cumulative; with an error: those not told of before were dropped. */
  gone(bytes: number, error?: Error): void {
    if (error) this.#unsent += Math.max(0, bytes - this.#flushed);
    // A report from before a loss may come after it.
    this.#flushed = Math.max(this.#flushed, bytes);
    this.#drains.settle(error, bytes);
  }

  /** Nothing that is still here will ever be sent. */
  fail(error: Error): void {
    this.#unsent += this.buffered;
    this.#layout.take();
    this.#flushed = this.#sent;
    this.#drains.settle(error);
  }
}
