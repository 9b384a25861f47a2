// deflate — permessage-deflate of the kit: messages in, messages out, with the context that was agreed on.
// Used by the server's side (families/, server.ts) and by the raw client; written apart from workers/deflate.ts, which
// it is to judge.
// Invariant: a window of `bits` means that more is refused: what refers further back cannot be inflated.
// Source: RFC 7692 §7.

import { constants } from 'node:zlib';
import { DeflateRaw, InflateRaw } from 'minizlib';

/** What a client offers. */
export interface Compress {
  readonly serverNoContextTakeover?: boolean | undefined;
  readonly clientNoContextTakeover?: boolean | undefined;
  readonly serverMaxWindowBits?: number | undefined;
  readonly clientMaxWindowBits?: number | undefined;
}

/** What both have agreed on. */
export interface Agreement {
  readonly serverNoContext: boolean;
  readonly clientNoContext: boolean;
  readonly serverBits: number;
  readonly clientBits: number;
}

/** Nothing but permessage-deflate. */
export const PLAIN: Agreement = {
  serverNoContext: false,
  clientNoContext: false,
  serverBits: 15,
  clientBits: 15,
};

/** The value of Sec-WebSocket-Extensions that tells it; what is the default stays unsaid. */
export function answerOf({ serverNoContext, clientNoContext, serverBits, clientBits }: Agreement): string {
  const parts = ['permessage-deflate'];
  if (serverNoContext) parts.push('server_no_context_takeover');
  if (clientNoContext) parts.push('client_no_context_takeover');
  if (serverBits < 15) parts.push(`server_max_window_bits=${serverBits}`);
  if (clientBits < 15) parts.push(`client_max_window_bits=${clientBits}`);
  return parts.join('; ');
}

/** One direction. */
export interface Context {
  readonly bits: number;
  readonly takeover: boolean;
}

const TAIL = Buffer.from('0000ffff', 'hex');

export class Compressor {
  readonly #context: Context;
  readonly #zlib: DeflateRaw;
  #parts: Buffer[] = [];

  constructor(context: Context) {
    this.#context = context;
    this.#zlib = new DeflateRaw({ flush: constants.Z_SYNC_FLUSH, ...windowOf(context) });
    this.#zlib.on('data', (part: Buffer) => this.#parts.push(part));
  }

  /** One message, without its tail (RFC 7692 §7.2.1). */
  compress(bytes: Uint8Array): Buffer {
    if (bytes.length === 0) return Buffer.of(0);
    this.#parts = [];
    this.#zlib.write(Buffer.from(bytes));
    const all = Buffer.concat(this.#parts);
    if (!this.#context.takeover) this.#zlib.reset();
    return all.subarray(0, all.length - TAIL.length);
  }
}

export class Decompressor {
  readonly #context: Context;
  readonly #zlib: InflateRaw;
  #parts: Buffer[] = [];
  #error: Error | undefined;

  constructor(context: Context, maxPayload: number = 2 ** 30) {
    this.#context = context;
    const more = { ...windowOf(context), maxOutputLength: maxPayload };
    this.#zlib = new InflateRaw({ flush: constants.Z_SYNC_FLUSH, ...more });
    this.#zlib.on('data', (part: Buffer) => this.#parts.push(part));
    this.#zlib.on('error', (error) => {
      this.#error = error instanceof Error ? error : new Error(String(error));
    });
  }

  /** One message; an error when it is none. */
  decompress(bytes: Uint8Array): Buffer | Error {
    this.#parts = [];
    let left = Buffer.concat([bytes, TAIL]);
    while (left.length > 0 && !this.#error) {
      this.#zlib.write(left);
      const taken = takenBy(this.#zlib);
      if (taken >= left.length || this.#error) break;
      // A final block (RFC 7692 §7.2.3.4): zlib takes nothing behind it.
      this.#zlib.reset();
      left = left.subarray(taken);
      if (taken === 0) this.#error = new Error('nothing more can be read');
    }
    if (this.#error) return this.#error;
    if (!this.#context.takeover) this.#zlib.reset();
    return Buffer.concat(this.#parts);
  }
}

/** Bytes that the last write took. */
function takenBy(zlib: InflateRaw): number {
  // The class behind it is Node's own, which has this.
  return (zlib.handle as unknown as { bytesWritten: number } | undefined)?.bytesWritten ?? 0;
}

/** Node's own option, which minizlib hands on without typing it. */
function windowOf({ bits }: Context): object {
  return { windowBits: bits };
}
