// utf8 — a text that is not whole yet, checked as it comes: what no text can have is found where it stands.
// Held by workers/intake.ts, for the message under way; whole texts are checked there in runs.
// Invariant: each byte is looked at once, and a false is for ever: it does not depend on how the bytes were cut.
// Source: RFC 6455 §8.1; RFC 3629 §4.

import { isUtf8 } from 'node:buffer';

/** Bytes of the longest character. */
const LONGEST = 4;

export class HalfText {
  /** Bytes of the frame under way that were looked at. */
  #seen = 0;
  /** A character that is not whole. */
  readonly #open: number[] = [];

  /** What has come of a frame's payload, from its beginning; false when no text can begin so. */
  add(payload: Uint8Array): boolean {
    const from = this.#seen;
    this.#seen = payload.length;
    return this.#check(payload, from);
  }

  /** The frame is whole, the message is not. */
  nextFrame(): void {
    this.#seen = 0;
  }

  /** The message is whole, or there is none. */
  nextMessage(): void {
    this.#seen = 0;
    this.#open.length = 0;
  }

  #check(bytes: Uint8Array, from: number): boolean {
    let at = from;
    const open = this.#open;
    while (open.length > 0 && at < bytes.length) {
      open.push(bytes[at++] ?? 0);
      if (!mayGoOn(open)) return false;
      if (open.length === lengthBy(open[0] ?? 0)) open.length = 0;
    }
    const cut = wholeTo(bytes, at);
    if (!isUtf8(bytes.subarray(at, cut))) return false;
    for (at = cut; at < bytes.length; at++) open.push(bytes[at] ?? 0);
    return open.length === 0 || mayGoOn(open);
  }
}

/** A character may begin so: the rows of RFC 3629 §4. */
function mayGoOn(open: readonly number[]): boolean {
  const [first = 0, second = 0, third = 0x80, fourth = 0x80] = open;
  if (first < 0xc2 || first > 0xf4) return false;
  if (open.length === 1) return true;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high && isMore(third) && isMore(fourth);
}

/** Where the last character begins if it is not whole; else the end. */
function wholeTo(bytes: Uint8Array, from: number): number {
  const least = Math.max(from, bytes.length - LONGEST + 1);
  for (let at = bytes.length - 1; at >= least; at--) {
    const byte = bytes[at] ?? 0;
    if (!isMore(byte)) return at + lengthBy(byte) > bytes.length ? at : bytes.length;
  }
  return bytes.length;
}

function isMore(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** Bytes of a character that begins with this one. */
function lengthBy(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
