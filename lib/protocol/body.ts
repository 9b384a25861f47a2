// body — the body of an answer that refused an upgrade, as far as it helps to understand the refusal.
// Fed by workers/upgrade.ts; its bytes become error.body.
// Invariant: keeps at most LIMIT bytes and is done then, since the socket is not used again; it never fails: what
// breaks the framing ends it, with what there was.
// Source: RFC 9112 §6.3 (length of a body), §7.1 (chunked).

import { type Head, hasToken } from './handshake.ts';

/** Most bytes kept of a body. */
export const LIMIT: number = 64 * 1024;

/** Longest line of a chunk's size and extensions. */
const LONGEST_LINE = 4096;
/** 8 hexadecimal digits: 4 GiB a chunk. A longer number is an attack (cowlib CVE-2026-7790). */
const MOST_DIGITS = 8;

type State =
  | { readonly name: 'done' }
  | { readonly name: 'until-end' }
  | { readonly name: 'length'; left: number }
  | {
      readonly name: 'chunk-size';
      size: number;
      digits: number;
      length: number;
      part: 'digits' | 'extension' | 'feed';
    }
  | { readonly name: 'chunk-data'; left: number }
  | { readonly name: 'chunk-end'; feed: boolean };

/** Reads one body. */
export class BodyReader {
  #state: State;
  /** Grows by doubling: chunks of one byte must not cost a copy each. */
  #memory: Uint8Array = new Uint8Array(0);
  #length = 0;

  constructor(head: Pick<Head, 'status' | 'headers'>) {
    this.#state = begin(head);
  }

  /** Nothing more is wanted. */
  get done(): boolean {
    return this.#state.name === 'done';
  }

  /** What was kept so far, at most LIMIT bytes, in memory of its own. */
  get bytes(): Uint8Array {
    return this.#memory.slice(0, this.#length);
  }

  /** Takes bytes[from … to); true when it is done. */
  feed(bytes: Uint8Array, from: number, to: number): boolean {
    let at = from;
    while (at < to && this.#state.name !== 'done') at = this.#step(this.#state, bytes, at, to);
    return this.done;
  }

  /** The peer will send no more. */
  end(): void {
    this.#state = { name: 'done' };
  }

  #step(state: Exclude<State, { name: 'done' }>, bytes: Uint8Array, at: number, to: number): number {
    switch (state.name) {
      case 'until-end':
        this.#keep(bytes, at, to);
        return to;
      case 'length':
      case 'chunk-data': {
        const end = Math.min(to, at + state.left);
        state.left -= end - at;
        if (state.left === 0)
          this.#state = state.name === 'length' ? { name: 'done' } : { name: 'chunk-end', feed: false };
        this.#keep(bytes, at, end);
        return end;
      }
      case 'chunk-size':
        this.#state = sizeByte(state, bytes[at] ?? 0);
        return at + 1;
      case 'chunk-end':
        this.#state = endByte(state, bytes[at] ?? 0);
        return at + 1;
      default:
        return unreachable(state satisfies never);
    }
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const length = Math.min(to - from, LIMIT - this.#length);
    const needed = this.#length + length;
    if (needed > this.#memory.length) {
      const grown = new Uint8Array(Math.min(LIMIT, Math.max(needed, 2 * this.#memory.length)));
      grown.set(this.#memory);
      this.#memory = grown;
    }
    this.#memory.set(bytes.subarray(from, from + length), this.#length);
    this.#length = needed;
    if (needed === LIMIT) this.end();
  }
}

function begin({ status, headers }: Pick<Head, 'status' | 'headers'>): State {
  if (status < 200 || status === 204 || status === 304) return { name: 'done' };
  const coding = headers['transfer-encoding'];
  // RFC 9112 §6.3: Transfer-Encoding overrides Content-Length; where chunked is not its last word, the body goes on
  // until the connection is closed.
  if (coding !== undefined) return hasToken(coding, 'chunked') ? sizeStart() : { name: 'until-end' };
  const length = headers['content-length'];
  if (typeof length !== 'string' || !/^\d{1,15}$/.test(length)) return { name: 'until-end' };
  const left = Number(length);
  return left === 0 ? { name: 'done' } : { name: 'length', left };
}

function sizeStart(): State {
  return { name: 'chunk-size', size: 0, digits: 0, length: 0, part: 'digits' };
}

/** One byte of a chunk's first line. */
function sizeByte(state: Extract<State, { name: 'chunk-size' }>, byte: number): State {
  if (++state.length > LONGEST_LINE) return { name: 'done' };
  if (state.part === 'feed') {
    if (byte !== 0x0a || state.digits === 0) return { name: 'done' };
    // The last chunk: the trailers behind it tell nothing that a refusal needs.
    return state.size === 0 ? { name: 'done' } : { name: 'chunk-data', left: state.size };
  }
  if (byte === 0x0d) state.part = 'feed';
  else if (byte === 0x0a) return { name: 'done' };
  else if (state.part === 'digits') {
    const digit = hexadecimal(byte);
    if (digit !== undefined) {
      if (++state.digits > MOST_DIGITS) return { name: 'done' };
      state.size = state.size * 16 + digit;
    } else if (byte === 0x3b || byte === 0x20 || byte === 0x09) state.part = 'extension';
    else return { name: 'done' };
  }
  return state;
}

/** One byte of the line end behind a chunk. */
function endByte(state: Extract<State, { name: 'chunk-end' }>, byte: number): State {
  if (!state.feed) return byte === 0x0d ? { name: 'chunk-end', feed: true } : { name: 'done' };
  return byte === 0x0a ? sizeStart() : { name: 'done' };
}

function hexadecimal(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : undefined;
}

function unreachable(state: never): never {
  throw new Error(`unreachable: ${String(state)}`);
}
