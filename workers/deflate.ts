// deflate — permessage-deflate of one WebSocket: messages in, messages out, synchronously.
// Held by websocket.ts, which frames. A thread of its own may block, and one message a call keeps context and order.
// Invariant: what is inflated never exceeds the limit by more than a chunk; a message is a whole number of blocks.
// Source: RFC 7692 §7.2; minizlib (zlib's context kept over synchronous writes).

import { createRequire } from 'node:module';
import type { DeflateRaw, InflateRaw } from 'minizlib';
import type { ConnectionError } from '../lib/errors.ts';
import type { Negotiated } from '../lib/protocol/extensions.ts';
import { headerSize, readHeader, writeHeader } from '../lib/protocol/frames.ts';
import { notDeflate, tooBig } from '../lib/protocol/websocket.ts';

const require = createRequire(import.meta.url);

/** Loaded with the first WebSocket of a thread that is compressed: it is a tenth of what a thread would load. */
function minizlib(): typeof import('minizlib') {
  return require('minizlib');
}

/** RFC 7692 §7.2.1: an empty block, whose last four bytes are left out on the wire. */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** An empty message: the header of an empty uncompressed block, its tail left out. */
const EMPTY_BLOCK = Uint8Array.of(0x00);

/** What a message inflates to. */
export interface Inflated {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
}

/** The server's side of the context. */
export class Inflater {
  readonly #keepsContext: boolean;
  readonly #maxPayload: number;
  readonly #zlib: InflateRaw;
  #parts: Uint8Array[] = [];
  #length = 0;
  #error: Error | undefined;

  constructor({ serverNoContextTakeover, serverMaxWindowBits }: Negotiated, maxPayload: number) {
    this.#keepsContext = !serverNoContextTakeover;
    this.#maxPayload = maxPayload;
    // Node's own options, which minizlib hands on without typing them.
    const limits = { maxOutputLength: maxPayload, windowBits: serverMaxWindowBits };
    const { constants, InflateRaw } = minizlib();
    this.#zlib = new InflateRaw({ flush: constants.Z_SYNC_FLUSH, ...limits });
    this.#zlib.on('data', (part: Buffer) => {
      this.#parts.push(part);
      this.#length += part.length;
    });
    this.#zlib.on('error', (error: unknown) => {
      this.#error = error instanceof Error ? error : new Error(String(error));
    });
  }

  /** Inflates bytes[start … end), one message. The bytes behind it are borrowed for the tail, if there are any. */
  inflate(bytes: Uint8Array, start: number, end: number): Inflated | ConnectionError {
    if (bytes.length - end < TAIL.length) {
      const copy = new Uint8Array(end - start + TAIL.length);
      copy.set(bytes.subarray(start, end));
      return this.inflate(copy, 0, end - start);
    }
    const behind = Uint8Array.from(bytes.subarray(end, end + TAIL.length)); // slice() of a Buffer is a view.
    bytes.set(TAIL, end);
    this.#parts = [];
    this.#length = 0;
    this.#write(bytes.subarray(start, end + TAIL.length));
    bytes.set(behind, end);
    if (this.#error) return this.#judge(this.#error);
    if (this.#length > this.#maxPayload) return this.#tooBig();
    if (!this.#keepsContext) this.#zlib.reset();
    return { parts: this.#parts, length: this.#length };
  }

  close(): void {
    this.#zlib.close();
  }

  /** RFC 7692 §7.2.3.4 lets a block be final, after which zlib takes nothing more: it is reset, and goes on. */
  #write(bytes: Uint8Array): void {
    let left = bytes;
    while (left.length > 0 && !this.#error && this.#length <= this.#maxPayload) {
      this.#zlib.write(left);
      // The class behind it is Node's own zlib, which sets the bytes that one synchronous write took.
      const taken = (this.#zlib.handle as unknown as { bytesWritten: number } | undefined)?.bytesWritten ?? 0;
      if (taken === left.length || this.#error) return;
      this.#zlib.reset();
      left = left.subarray(taken);
      if (taken === 0) this.#error = new Error('nothing more can be read');
    }
  }

  #judge(error: Error): ConnectionError {
    const { code } = error as { code?: unknown }; // Node's errors have one.
    if (code === 'ERR_BUFFER_TOO_LARGE') return this.#tooBig();
    return notDeflate(`the server sent a message that cannot be inflated: ${error.message}`);
  }

  #tooBig(): ConnectionError {
    return tooBig(`a message inflates to more than maxPayload (${this.#maxPayload} bytes)`);
  }
}

/** Our side of the context. */
export class Deflater {
  readonly #keepsContext: boolean;
  readonly #zlib: DeflateRaw;
  #parts: Buffer[] = [];

  constructor({ clientNoContextTakeover, clientMaxWindowBits }: Negotiated, level: number) {
    this.#keepsContext = !clientNoContextTakeover;
    const windowBits = { windowBits: clientMaxWindowBits }; // Node's own, as above.
    const { constants, DeflateRaw } = minizlib();
    this.#zlib = new DeflateRaw({ flush: constants.Z_SYNC_FLUSH, level, ...windowBits });
    this.#zlib.on('data', (part: Buffer) => {
      this.#parts.push(part);
    });
  }

  /** A wire image, its messages from `threshold` bytes on compressed and framed anew. */
  image(image: Uint8Array, threshold: number): Uint8Array {
    const frames: { readonly first: number; readonly payload: Uint8Array }[] = [];
    for (let at = 0; at < image.length; ) {
      const header = readHeader(image, at, image.length);
      if (!header) break;
      const { start, length, opcode } = header;
      at = start + length;
      const payload = image.subarray(start, at);
      // RSV1, RFC 7692 §6.1.
      if (length < threshold) frames.push({ first: 0x80 | opcode, payload });
      else frames.push({ first: 0xc0 | opcode, payload: this.#deflate(payload) });
    }
    const size = frames.reduce((sum, { payload }) => sum + headerSize(payload.length) + payload.length, 0);
    const compressed = new Uint8Array(size);
    let at = 0;
    for (const { first, payload } of frames) {
      at = writeHeader(compressed, at, first, payload.length);
      compressed.set(payload, at);
      at += payload.length;
    }
    return compressed;
  }

  /** One message, without its tail. */
  #deflate(bytes: Uint8Array): Uint8Array {
    // zlib makes nothing of a flush without input; RFC 7692 §7.2.3.6 says what it is then.
    if (bytes.length === 0) return EMPTY_BLOCK;
    this.#parts = [];
    this.#zlib.write(bytes);
    if (!this.#keepsContext) this.#zlib.reset();
    const [first] = this.#parts;
    const whole = first && this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
    return whole.subarray(0, whole.length - TAIL.length);
  }

  close(): void {
    this.#zlib.close();
  }
}
