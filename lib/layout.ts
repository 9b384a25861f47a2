// layout — messages laid end to end as the frames that go on the wire, the mask left open.
// Held by sending.ts; workers/websocket.ts masks the image in place and writes it as it is.
// Invariant: every message is copied once, here; what `take` hands over is memory of its own, to be transferred.
// Source: RFC 6455 §5.2; one write a tick, bench/RESULTS.md.

import { headerSize, OPCODE, writeHeader } from './protocol/frames.ts';

/** Buffer's encoders without the option parsing of write(). */
interface Writes {
  latin1Write(text: string, offset: number, length: number): number;
  utf8Write(text: string, offset: number, length: number): number;
}

const LEAST = 512;
/** Up to this many characters a text is encoded here: a call into Buffer costs more. */
const SHORT_TEXT = 40;
const FINAL_TEXT = 0x80 | OPCODE.text;
const FINAL_BINARY = 0x80 | OPCODE.binary;

/** @internal */
export class Layout {
  #memory: Buffer & Writes = memory(LEAST);
  #at = 0;
  #messages = 0;
  /** Size of the next memory: what the last tick took. */
  #usual = LEAST;

  /** Bytes laid out and not taken. */
  get bytes(): number {
    return this.#at;
  }

  text(text: string): void {
    if (text.length <= SHORT_TEXT && this.#shortText(text)) return;
    const length = Buffer.byteLength(text);
    const start = this.#frame(FINAL_TEXT, length);
    if (length === text.length) this.#memory.latin1Write(text, start, length);
    else this.#memory.utf8Write(text, start, length);
  }

  binary(bytes: Uint8Array): void {
    const start = this.#frame(FINAL_BINARY, bytes.byteLength);
    this.#memory.set(bytes, start);
  }

  /** All that was laid out, in memory of its own. */
  take(): { readonly image: Uint8Array; readonly messages: number; readonly bytes: number } {
    const taken = { image: this.#memory.subarray(0, this.#at), messages: this.#messages, bytes: this.#at };
    this.#usual = Math.max(LEAST, this.#at);
    this.#at = 0;
    this.#messages = 0;
    this.#memory = EMPTY;
    return taken;
  }

  /** The same as a copy: for what is so little that it will be copied in any case. The memory is used again. */
  copy(): ReturnType<Layout['take']> {
    const image = new Uint8Array(this.#at);
    image.set(this.#memory.subarray(0, this.#at));
    const copied = { image, messages: this.#messages, bytes: this.#at };
    this.#at = 0;
    this.#messages = 0;
    return copied;
  }

  /** False when it is not ASCII; nothing has happened then. */
  #shortText(text: string): boolean {
    const { length } = text;
    this.#room(6 + length);
    const start = this.#at + 6;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      this.#memory[start + i] = code;
    }
    this.#frame(FINAL_TEXT, length);
    return true;
  }

  /** Lays a header; returns where the payload goes. */
  #frame(first: number, length: number): number {
    this.#room(headerSize(length) + length);
    const start = writeHeader(this.#memory, this.#at, first, length);
    this.#at = start + length;
    this.#messages++;
    return start;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#memory.length) return;
    const larger = memory(Math.max(needed, this.#at === 0 ? this.#usual : 2 * this.#memory.length));
    if (this.#at > 0) larger.set(this.#memory.subarray(0, this.#at));
    this.#memory = larger;
  }
}

/** Not pooled: it is transferred away. */
function memory(size: number): Buffer & Writes {
  return Buffer.allocUnsafeSlow(size) as Buffer & Writes; // @types/node leaves the encoders out.
}
const EMPTY = memory(0);
