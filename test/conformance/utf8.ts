// utf8 — UTF-8 checked byte by byte, across any cut: what the raw client fails by, and what cases are made with.
// Source: RFC 3629 §4, the grammar as it stands there.

export class Utf8 {
  /** Continuation bytes that are still to come, and the range that the next is to be in. */
  #left = 0;
  #low = 0x80;
  #high = 0xbf;

  /** No character is open. */
  get isWhole(): boolean {
    return this.#left === 0;
  }

  /** False at the first byte that cannot stand where it is. */
  feed(bytes: Uint8Array): boolean {
    for (const byte of bytes) if (!this.#next(byte)) return false;
    return true;
  }

  #next(byte: number): boolean {
    if (this.#left > 0) {
      if (byte < this.#low || byte > this.#high) return false;
      this.#left--;
      this.#range(0x80, 0xbf);
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.#left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.#range(0xa0, 0xbf);
    else if (byte === 0xed) this.#range(0x80, 0x9f);
    else if (byte === 0xf0) this.#range(0x90, 0xbf);
    else if (byte === 0xf4) this.#range(0x80, 0x8f);
    return true;
  }

  #range(low: number, high: number): void {
    this.#low = low;
    this.#high = high;
  }
}
