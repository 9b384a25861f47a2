// http2/socket — the stream that node:http2 is given for a socket: its bytes come and go through the driver's hands.
// Made by http2/driver.ts, one for each session.
// Invariant: what node:http2 writes is whole frames, so frames of our own can stand between them; once it is cut off
// nothing is written any more. Source: Node lib/internal/js_stream_socket.js.

import { Duplex } from 'node:stream';
import type { Transport } from '../socket.ts';

/** What the stream asks of its driver. */
export interface Http2SocketHost {
  readonly transport: Transport;
  /** These bytes were given to the socket. */
  written(bytes: Uint8Array): void;
  /** node:http2 has done with the connection. */
  finished(): void;
}

export class Http2Socket extends Duplex {
  readonly #host: Http2SocketHost;
  #cut = false;
  #released = false;
  /** The write under way. */
  #done: ((error?: Error | null) => void) | undefined;

  constructor(host: Http2SocketHost) {
    super({ decodeStrings: true });
    this.#host = host;
  }

  /** Gives node:http2 these bytes. True: it has copied them, and the memory is free. */
  feed(bytes: Uint8Array): boolean {
    // A stream that does not flow keeps what it was given.
    const flows = this.readableFlowing === true && this.readableLength === 0;
    if (!this.#cut) this.push(bytes);
    return flows && this.readableLength === 0;
  }

  /** What was given, and node:http2 has not read. It reads nothing while it writes. */
  get unread(): number {
    return this.readableLength;
  }

  /** Its writes are not waited for any more, and tell nothing: so it reads what there is. */
  release(): void {
    this.#released = true;
    if (this.#done) this.#finish(this.#done);
  }

  /** What is written does not leave. */
  get released(): boolean {
    return this.#released;
  }

  /** Nothing is read or written any more. */
  cut(): void {
    this.#cut = true;
    this.destroy();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    // In one write: the socket would send the rest only when the first has left.
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    done();
    if (!this.#cut) this.#host.finished();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    if (!this.#cut) this.#host.finished();
  }

  #send(bytes: Uint8Array, done: (error?: Error | null) => void): void {
    if (this.#cut) return done();
    this.#done = done;
    this.#host.transport.write(bytes, (error) => {
      // A socket that failed tells of it; here it would only keep what has come from being read.
      if (error) this.release();
      else this.#finish(done);
    });
    this.#host.written(bytes);
    if (this.#released) this.#finish(done);
  }

  #finish(done: (error?: Error | null) => void): void {
    if (this.#done !== done) return;
    this.#done = undefined;
    done();
  }
}
