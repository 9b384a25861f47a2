// http2/stream — one stream of HTTP/2 as a socket: a WebSocket runs on it as on any other.
// Made by http2/upgrade.ts when the server has agreed.
// Invariant: as socket.ts has it: a sink hears nothing while paused, the end after all bytes, and `lost` once and last.
// Source: RFC 8441 §5: END_STREAM is FIN, RST_STREAM with CANCEL is RST.

import { type ClientHttp2Stream, constants } from 'node:http2';
import { ConnectionError } from '../../lib/errors.ts';
import { codeName } from '../../lib/protocol/http2out.ts';
import { endOf } from '../connected.ts';
import type { DriverHost } from '../driver.ts';
import type { Sink, Transport } from '../socket.ts';

export class Http2StreamTransport implements Transport {
  readonly #stream: ClientHttp2Stream;
  readonly #connection: Pick<DriverHost, 'transport' | 'guard'>;
  #sink: Sink | undefined;
  #paused = false;
  #destroyed = false;
  /** What came while paused. */
  #held: Uint8Array[] = [];
  /** Free memory of the sink. */
  #free: Uint8Array | undefined;
  #ended: 'no' | 'yes' | 'told' = 'no';
  #lost = false;

  /** `connection`: the one that the stream is on. */
  constructor(stream: ClientHttp2Stream, connection: Pick<DriverHost, 'transport' | 'guard'>) {
    this.#stream = stream;
    this.#connection = connection;
  }

  /** From now on what comes is the sink's. */
  attach(sink: Sink): void {
    const stream = this.#stream;
    this.#sink = sink;
    stream.on('data', (bytes: Uint8Array) => {
      this.#held.push(bytes);
      this.#pump();
    });
    stream.on('end', () => {
      this.#ended = 'yes';
      this.#pump();
    });
    stream.on('close', () => {
      this.#lost = true;
      this.#pump();
    });
  }

  get pending(): number {
    return this.#stream.bufferSize;
  }

  write(bytes: Uint8Array, done?: (error?: Error | null) => void): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableEnded) {
      if (done) process.nextTick(done, new Error('the stream was closed'));
      return;
    }
    stream.write(bytes, done && ((error) => done(error)));
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#paused || this.#destroyed) return;
    this.#paused = false;
    this.#pump();
    if (!this.#paused) this.#stream.resume();
  }

  unshift(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#held.unshift(new Uint8Array(bytes)); // A copy: its memory is another's.
    this.#pump();
  }

  end(done?: () => void): void {
    endOf(this.#stream, done);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#held = [];
    const stream = this.#stream;
    // Where both sides have said all they had to, nothing is broken off: it closes by itself. (A close() that waits for
    // the last write must never be overtaken by the end of its session: node:http2 would write for ever, thread and all.)
    const clean = this.#ended !== 'no' && stream.writableEnded;
    if (!clean) stream.close(constants.NGHTTP2_CANCEL);
    // One that is not read to its end never closes.
    stream.resume();
  }

  get alpn(): string | undefined {
    return this.#connection.transport.alpn;
  }

  info(): ReturnType<Transport['info']> {
    return this.#connection.transport.info();
  }

  #pump(): void {
    this.#connection.guard(() => this.#give());
  }

  #give(): void {
    const sink = this.#sink;
    if (!sink) return;
    while (!this.#paused && !this.#destroyed && this.#held.length > 0) {
      const bytes = this.#held[0];
      if (!bytes) break;
      this.#free ??= sink.buffer();
      const length = Math.min(bytes.length, this.#free.length);
      this.#free.set(bytes.subarray(0, length));
      if (length === bytes.length) this.#held.shift();
      else this.#held[0] = bytes.subarray(length);
      sink.received(length);
      // At once, as Node does: what the sink keeps leaves the memory that is shared by all that are idle.
      this.#free = this.#destroyed ? undefined : sink.buffer();
    }
    if (this.#destroyed || this.#held.length > 0) return;
    // What had ended before it was gone has ended well, paused or not.
    if (this.#ended === 'yes' && (!this.#paused || this.#lost)) {
      this.#ended = 'told';
      sink.ended();
    }
    if (!this.#lost || this.#destroyed) return;
    this.#destroyed = true;
    sink.lost(this.#error());
  }

  #error(): ConnectionError | undefined {
    const { rstCode } = this.#stream;
    if (rstCode === constants.NGHTTP2_NO_ERROR) return undefined;
    const reason = codeName(rstCode);
    return new ConnectionError('ERR_GUNPORT_CLOSED', `the stream was reset (${reason})`, { reason });
  }
}
