// upload — the body of one request: what has come from its owner and is not on the wire yet.
// Held by exchange.ts; drained by the driver that serves it.
// Invariant: bytes leave in the order they came, trailers last; what has left is told to the owner once a turn, as a
// total. Source: gun:data/4; promise F3.

import type { HttpRecord, RequestSettings } from '../lib/httpwire.ts';

export class Upload {
  /** How many bytes have come, in all. */
  received = 0;
  /** It is no body, but what goes to the other side of a tunnel, or behind a switch of protocols. */
  opened = false;
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

  /** The stream carries bytes now, whatever its request was. */
  reopen(): void {
    this.opened = true;
    this.#complete = false;
    this.#trailers = undefined;
  }

  /** The next part, to be written. */
  take(): Uint8Array | undefined {
    return this.#chunks.shift();
  }

  /** So many bytes have left the process. */
  left(bytes: number): void {
    this.#gone += bytes;
    this.#due ??= setImmediate(() => this.flush());
  }

  /** Tells what has left, now. */
  flush(): void {
    if (this.#due === undefined) return;
    clearImmediate(this.#due);
    this.#due = undefined;
    this.#tell(this.#gone);
  }

  /** Nothing of it will be sent any more. */
  drop(): void {
    this.#chunks = [];
    this.#complete = true;
    this.flush();
  }

  /** For an owner that takes an orphan. `headers`: of the request. */
  record(headers: readonly string[]): Pick<HttpRecord, 'uploading' | 'sentBytes' | 'flushedBytes'> {
    const declared = this.opened ? undefined : declaredLength(headers);
    const left = declared === undefined ? undefined : declared - this.received;
    const uploading = this.#complete ? undefined : { left };
    return { uploading, sentBytes: this.received, flushedBytes: this.#gone };
  }
}

function declaredLength(headers: readonly string[]): number | undefined {
  const at = headers.indexOf('content-length'); // Its value is a number: checked before it was posted.
  return at % 2 === 0 ? Number(headers[at + 1]) : undefined;
}
