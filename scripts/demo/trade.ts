// trade — one message of the feed: how a thousand of them are laid out, renumbered in place, and read again.
// Written by server.ts, read by ledger.ts.
// Invariant: a trade is JSON of a fixed length, its number right-aligned in a field of its own, so that writing the
// next thousand changes about one byte a message, and reading a number needs neither a string nor JSON.parse.
// Source: RFC 6455 §5.2 for the frame; RFC 8259 §2 allows the blanks before a number.

/** The first number of a feed. From here on the last three digits of a trade's slot never change. */
export const FIRST = 1000;
/** Trades in a block; a power of ten. */
const COUNT = 1000;
const OPENING = '{"seq":';
const DIGITS = 12;
const SYMBOLS = ['BRIG', 'SLUP', 'YAWL', 'DHOW'];
/** FIN and opcode text; the payload is below 126 bytes, and a server does not mask. */
const HEADER = 2;
const BLANK = 0x20;
const ZERO = 0x30;
const NINE = 0x39;

/** A thousand frames, ready for the socket. */
export class Block {
  readonly count: number = COUNT;
  readonly bytes: Buffer;
  readonly #stride: number;

  constructor() {
    const frames = Array.from({ length: COUNT }, (_, slot) => frame(trade(FIRST + slot, slot)));
    this.bytes = Buffer.concat(frames);
    this.#stride = this.bytes.length / COUNT;
  }

  /** Adds a thousand to each number. Only when the socket is done with the bytes: they are its memory, too. */
  advance(): void {
    const { bytes } = this;
    // The thousands' digit; what stands behind it is the slot.
    const thousands = HEADER + OPENING.length + DIGITS - 4;
    for (let start = 0; start < bytes.length; start += this.#stride) {
      let at = start + thousands;
      for (; bytes[at] === NINE; at--) bytes[at] = ZERO;
      const digit = bytes[at];
      bytes[at] = digit === undefined || digit === BLANK ? ZERO + 1 : digit + 1;
    }
  }
}

/** The number of a trade, or -1 if these bytes are no trade. */
export function numberOf(bytes: Uint8Array): number {
  if (bytes.length !== LENGTH || bytes[LENGTH - 1] !== CLOSING) return -1;
  let number = 0;
  for (let at = OPENING.length; at < OPENING.length + DIGITS; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= ZERO && byte <= NINE) number = number * 10 + byte - ZERO;
    else if (byte !== BLANK || number > 0) return -1;
  }
  return number;
}

function trade(number: number, slot: number): string {
  const symbol = SYMBOLS[slot % SYMBOLS.length];
  const side = slot % 3 === 0 ? 'sell' : 'buy ';
  const price = (90 + (slot % 97) / 10).toFixed(2).padStart(6);
  const size = String(100 * (1 + (slot % 9))).padStart(4);
  return `${OPENING}${String(number).padStart(DIGITS)},"symbol":"${symbol}","side":"${side}","price":${price},"size":${size}}`;
}

function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text, 'latin1')]);
}

const LENGTH = trade(FIRST, 0).length;
const CLOSING = 0x7d;
