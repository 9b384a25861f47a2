// frames — the hot loops over WebSocket frames: walking what came in, masking what goes out, reading one header.
// Called by workers/websocket.ts for every read and every send; sans state but the cursor it is given.
// Invariant: a walk writes only offsets, and zeroes the headers of the texts it has passed, so that a run of texts can be
// checked as UTF-8 in one go: NUL parts them, and a run is valid exactly when each text in it is.
// Anything but a whole, final, plain data frame stops the walk: the machine in websocket.ts judges it.
// Source: RFC 6455 §5.2 (framing), §5.3 (masking).

import { TEXT_BIT } from '../wire.ts';

/** Operation codes. Source: RFC 6455 §5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Why a walk stopped. */
export const STOP = {
  /** The next frame is not complete. */
  more: 0,
  /** The next frame is not for this loop. */
  other: 1,
  /** The index is full. */
  full: 2,
} as const;

/** Where a walk stands; one object per driver, so that nothing is allocated per read. */
export interface Cursor {
  /** Offset of the next frame's first byte. */
  at: number;
  /** Messages in the index. */
  count: number;
  /** Bit 0: a text is among them; bit 1: a binary is. */
  kinds: number;
  /** Payload bytes of the messages in the index. */
  bytes: number;
  /** Bytes that the next frame takes as a whole, as far as that is known; else 0. */
  needed: number;
}

/** Walks whole data frames in bytes[cursor.at … to) and writes (offset from `base`, length) of each into the index.
 *  @returns one of STOP. */
export function walk(
  bytes: Uint8Array,
  to: number,
  cursor: Cursor,
  index: Int32Array,
  { base, maxPayload }: { readonly base: number; readonly maxPayload: number },
): number {
  let { at, kinds, bytes: payload } = cursor;
  // Of the next message in the index.
  let place = 2 * cursor.count;
  const full = index.length & ~1;
  let stop: number = STOP.more;
  let needed = 0;
  while (to - at >= 2) {
    const first = bytes[at] as number; // In bounds, as all below: `to` is within bytes.
    if (first !== 0x81 && first !== 0x82) {
      stop = STOP.other;
      break;
    }
    let length = bytes[at + 1] as number;
    let start = at + 2;
    if (length > 125) {
      if (length !== 126) {
        stop = STOP.other;
        break;
      }
      if (to - at < 4) break;
      length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      start = at + 4;
      // A length that could have been written shorter is the machine's to refuse.
      if (length < 126) {
        stop = STOP.other;
        break;
      }
    }
    // And so is one above the limit.
    if (length > maxPayload) {
      stop = STOP.other;
      break;
    }
    const end = start + length;
    if (end > to) {
      needed = end - at;
      break;
    }
    if (place === full) {
      stop = STOP.full;
      break;
    }
    index[place] = start - base;
    // Two branches, since what is written costs more than what is asked: 3.8 against 4.5 ns a frame.
    if (first === 0x82) {
      index[place + 1] = length;
      kinds |= 2;
    } else {
      bytes[at] = 0;
      bytes[at + 1] = 0;
      if (start === at + 4) {
        bytes[at + 2] = 0;
        bytes[at + 3] = 0;
      }
      index[place + 1] = length | TEXT_BIT;
      kinds |= 1;
    }
    place += 2;
    payload += length;
    at = end;
  }
  cursor.at = at;
  cursor.count = place >> 1;
  cursor.kinds = kinds;
  cursor.bytes = payload;
  cursor.needed = needed;
  return stop;
}

/** One frame's header. */
export interface Header {
  readonly fin: boolean;
  /** The three reserved bits. */
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** Of the payload, in bytes; above 2^53 it is Infinity. */
  readonly length: number;
  /** How it was written: 7, 16 or 64 bits. */
  readonly lengthBits: 7 | 16 | 64;
  /** Where the payload begins. */
  readonly start: number;
}

/** Reads the header at `at`; undefined when it is not complete. */
export function readHeader(bytes: Uint8Array, at: number, to: number): Header | undefined {
  if (to - at < 2) return undefined;
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  const short = second & 0x7f;
  const lengthBits = short < 126 ? 7 : short === 126 ? 16 : 64;
  const masked = second >= 0x80;
  const start = at + 2 + (lengthBits === 7 ? 0 : lengthBits >> 3) + (masked ? 4 : 0);
  if (to < start) return undefined;
  let length = short;
  if (lengthBits !== 7) {
    length = 0;
    for (let i = at + 2; i < at + 2 + (lengthBits >> 3); i++) length = length * 256 + (bytes[i] ?? 0);
    if (length > Number.MAX_SAFE_INTEGER) length = Number.POSITIVE_INFINITY;
  }
  return { fin: first >= 0x80, rsv: (first >> 4) & 7, opcode: first & 15, masked, length, lengthBits, start };
}

/** Bytes of a client's frame header, mask included, for a payload of `length` bytes. */
export function headerSize(length: number): number {
  return length < 126 ? 6 : length < 65_536 ? 8 : 14;
}

/** Writes a client's frame header at `at`, room for the mask left as zeros; `first` is its first byte.
 *  @returns where the payload begins. */
export function writeHeader(bytes: Uint8Array, at: number, first: number, length: number): number {
  bytes[at] = first;
  let mask = at + 2;
  if (length < 126) bytes[at + 1] = 0x80 | length;
  else if (length < 65_536) {
    bytes[at + 1] = 0x80 | 126;
    bytes[at + 2] = length >> 8;
    bytes[at + 3] = length & 0xff;
    mask = at + 4;
  } else {
    bytes[at + 1] = 0x80 | 127;
    let rest = length;
    for (let i = at + 9; i > at + 1; i--) {
      bytes[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    mask = at + 10;
  }
  // Four stores: fill() costs seven times as much.
  bytes[mask] = 0;
  bytes[mask + 1] = 0;
  bytes[mask + 2] = 0;
  bytes[mask + 3] = 0;
  return mask + 4;
}

/** Masks every frame of a wire image in place. `keys` gives 4 fresh random bytes, as an integer, a call.
 *  @returns payload bytes in it. Source: RFC 6455 §5.3, "The masking key needs to be unpredictable". */
export function maskImage(image: Uint8Array, keys: () => number): number {
  let payload = 0;
  const from = image.byteOffset;
  // Offsets from here on are of the whole memory, so that its words are aligned.
  const bytes = new Uint8Array(image.buffer);
  const words = new Int32Array(image.buffer, 0, image.buffer.byteLength >> 2);
  const to = from + image.byteLength;
  for (let at = from; at < to; ) {
    const short = (bytes[at + 1] as number) & 0x7f; // Within the image: the owner has laid out whole frames.
    let length = short;
    let mask = at + 2;
    if (short === 126) {
      length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      mask = at + 4;
    } else if (short === 127) {
      length = 0;
      for (let i = at + 2; i < at + 10; i++) length = length * 256 + (bytes[i] as number);
      mask = at + 10;
    }
    const key = keys();
    KEY_WORD[0] = key;
    bytes[mask] = KEY[0] as number;
    bytes[mask + 1] = KEY[1] as number;
    bytes[mask + 2] = KEY[2] as number;
    bytes[mask + 3] = KEY[3] as number;
    at = mask + 4 + length;
    payload += length;
    maskRange(bytes, words, mask + 4, at);
  }
  return payload;
}

const KEY = new Uint8Array(4);
const KEY_WORD = new Int32Array(KEY.buffer);
const TURNED = new Uint8Array(4);
const TURNED_WORD = new Int32Array(TURNED.buffer);

/** XORs bytes[from … to) with KEY: whole aligned words where there are any. */
function maskRange(bytes: Uint8Array, words: Int32Array, from: number, to: number): void {
  let at = from;
  while (at < to && (at & 3) !== 0) {
    bytes[at] = (bytes[at] as number) ^ (KEY[(at - from) & 3] as number);
    at++;
  }
  const turn = (at - from) & 3;
  for (let i = 0; i < 4; i++) TURNED[i] = KEY[(turn + i) & 3] as number;
  const key = TURNED_WORD[0] as number;
  const last = to >> 2;
  let word = at >> 2;
  for (; word < last; word++) words[word] = (words[word] as number) ^ key;
  if (word << 2 > at) at = word << 2;
  for (; at < to; at++) bytes[at] = (bytes[at] as number) ^ (KEY[(at - from) & 3] as number);
}
