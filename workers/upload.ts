// upload — the body of one request: what has come from its owner and is not on the wire yet.
// Held by exchange.ts; drained by the driver that serves it.
// Invariant: bytes leave in the order they came, trailers last; what has left is told to the owner once a turn, as a
// total. Source: gun:data/4; promise F3.

import type { RequestSettings } from '../lib/httpwire.ts';

export class Upload {
  /** How many bytes have come, in all. */
  received = 0;
  readonly #tell: (bytes: number) => void;
  #chunks: Uint8Array[] = [];
  #complete: boolean;
  #trailers: readonly string[] | undefined;
  #gone = 0;
  #due: NodeJS.Immediate | undefined;

  /** `tell`: so many bytes have left the process, in all. */
  constructor({ body, streamed = false, trailers }: RequestSettings, tell: (bytes: number) => void) {
    this.#tell = tell;
    this.#complete = !streamed;
    this.#trailers = trailers;
    if (body) this.add(body, this.#complete, trailers);
  }

  /** No more will come. */
  get complete(): boolean {
    return this.#complete;
  }
  /** All of it has been taken. */
  get done(): boolean {
    return this.#complete && this.#chunks.length === 0;
  }
  /** How many of them have left. */
  get gone(): number {
    return this.#gone;
  }
  /** What stands behind the body. */
  get trailers(): readonly string[] | undefined {
    return this.#trailers;
  }

  /** The owner has given more. */
  add(bytes: Uint8Array | undefined, fin: boolean, trailers: readonly string[] | undefined): void {
    if (bytes && bytes.length > 0) {
      this.#chunks.push(bytes);
      this.received += bytes.length;
    }
    if (!fin) return;
    this.#complete = true;
    this.#trailers = trailers;
  }

  /** The next part, to be written. */
  take(): Uint8Array | undefined {
    return this.#chunks.shift();
  }

  /** So many bytes have left the process. */
  left(bytes: number): void {
    this.#gone += bytes;
    this.#due ??= setImmediate(() => {
      this.#due = undefined;
      this.#tell(this.#gone);
    });
  }

  /** Nothing of it will be sent any more. */
  drop(): void {
    this.#chunks = [];
    this.#complete = true;
    clearImmediate(this.#due);
  }
}
