// sending — what one WebSocket has sent: laid out, posted once per tick, counted until it has left the process.
// Held by speaking.ts. Invariant: bytes in `buffered` are still in this process (owner's thread, port or worker);
// nothing is posted but from `flush()`, in the order of the calls. Source: WHATWG bufferedAmount; promise F3.

import type { WaitOptions } from './await.ts';
import { checkBuffered, Drains } from './drains.ts';
import { describe, OptionError } from './errors.ts';
import { Layout } from './layout.ts';
import type { Cast } from './wire.ts';

/** What can be sent as one message: text as a string, anything else as binary. It is copied. */
export type Sendable = string | ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

/** @internal */
export class Sending {
  readonly #stream: number;
  readonly #maxBuffered: number;
  readonly #post: (cast: Cast, transfer: ArrayBuffer[]) => void;
  readonly #layout = new Layout();
  #scheduled = false;
  #sent: number;
  #flushed: number;
  readonly #drains = new Drains();

  constructor(
    stream: number,
    maxBuffered: number,
    post: (cast: Cast, transfer: ArrayBuffer[]) => void,
    [sent, flushed]: readonly [number, number],
  ) {
    this.#stream = stream;
    this.#maxBuffered = maxBuffered;
    this.#post = post;
    this.#sent = sent;
    this.#flushed = flushed;
  }

  /** Bytes of frames, headers included, that have not left this process. */
  get buffered(): number {
    return this.#sent + this.#layout.bytes - this.#flushed;
  }

  get totals(): { sentBytes: number; flushedBytes: number } {
    return { sentBytes: this.#sent, flushedBytes: this.#flushed };
  }

  /** Copies. False above `maxBuffered`: wait for `drained()`.
   *  @throws {StreamError} ERR_GUNPORT_OVERLOADED above four times that. @throws {OptionError} not sendable. */
  add(data: Sendable | readonly Sendable[]): boolean {
    checkBuffered(this.buffered, this.#maxBuffered);
    if (typeof data === 'string') this.#layout.text(data);
    else if (Array.isArray(data)) {
      for (const one of data) assertSendable(one);
      for (const one of data) this.#lay(one);
    } else {
      assertSendable(data);
      this.#lay(data);
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      // Not a microtask: a loop that awaits would post one message at a time.
      process.nextTick(() => this.flush());
    }
    return this.buffered <= this.#maxBuffered;
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#layout.bytes === 0) return;
    const { image, messages, bytes } = this.#layout.take();
    this.#sent += bytes;
    // The layout hands over memory of its own.
    this.#post({ type: 'send', stream: this.#stream, image, messages }, [image.buffer as ArrayBuffer]);
  }

  /** Resolves when all that was sent until now has left the process. */
  drained(options: WaitOptions): Promise<void> {
    this.flush();
    return this.#drains.wait(this.#sent, this.#flushed, options);
  }

  /** The process reports how many bytes are gone, cumulative; with an error: those not told of before were dropped. */
  gone(bytes: number, error?: Error): void {
    // A report from before a loss may come after it.
    this.#flushed = Math.max(this.#flushed, bytes);
    this.#drains.settle(error, bytes);
  }

  /** Nothing that is still here will ever be sent. */
  fail(error: Error): void {
    this.#layout.take();
    this.#flushed = this.#sent;
    this.#drains.settle(error);
  }

  #lay(data: Sendable): void {
    if (typeof data === 'string') this.#layout.text(data);
    else if (ArrayBuffer.isView(data)) {
      this.#layout.binary(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    } else this.#layout.binary(new Uint8Array(data));
  }
}

function assertSendable(data: unknown): asserts data is Sendable {
  if (typeof data === 'string' || ArrayBuffer.isView(data)) return;
  if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return;
  throw new OptionError(`a message must be a string, an ArrayBuffer or a view of one, got ${describe(data)}`);
}
