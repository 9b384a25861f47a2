// stamps — messages that say of themselves which they are: of which WebSocket, and its how-manieth.
// Made by feedserver.ts, read by ledger.ts in whichever thread is given one.
// Invariant: a message of which a byte is missing, or is another's, is not read but thrown at.
// A binary one is `01 000000`, five words (32 bits, little-endian) and a filler that depends on its number; a text has
// the same five as decimals before a semicolon.

import type { Message } from '../../../lib/index.ts';

/** Which message of which WebSocket. */
export interface Stamp {
  /** The server's name for one WebSocket: greater for a later one. */
  readonly key: number;
  /** From 0. */
  readonly number: number;
  /** The WebSocket of the same feed before this one, 0 if there was none. */
  readonly beforeKey: number;
  /** How many messages that had, if all of them must have arrived: it ended politely. Else -1. */
  readonly beforeCount: number;
}

const HEAD = 24;
const LONGEST = 256 * 1024;
/** Byte i is i & 255: what stands behind a number's head begins at byte `number & 255`. */
const pattern = Buffer.alloc(
  LONGEST + 256,
  Uint8Array.from({ length: 256 }, (_, i) => i),
);
const letters = 'abcdefghijklmnopqrstuvwxyzäöü€😀'.repeat(2_000);

/** `length`: of the whole, in bytes or, for a text, in code units; at least what it must say of itself. */
export function stamped(
  { key, number, beforeKey, beforeCount }: Stamp,
  length: number,
  text: boolean,
): Message {
  if (text) {
    const filler = letters.slice(0, Math.max(0, length - 40));
    return `${key},${number},${filler.length},${beforeKey},${beforeCount};${filler}`;
  }
  const bytes = Buffer.allocUnsafe(Math.min(LONGEST, Math.max(HEAD, length)));
  bytes.writeUInt32LE(1, 0);
  bytes.writeUInt32LE(key, 4);
  bytes.writeUInt32LE(number, 8);
  bytes.writeUInt32LE(bytes.length, 12);
  bytes.writeUInt32LE(beforeKey, 16);
  bytes.writeInt32LE(beforeCount, 20);
  pattern.copy(bytes, HEAD, number & 255, (number & 255) + bytes.length - HEAD);
  return bytes;
}

/** What it says of itself; a text may be given as its bytes. @throws it is damaged. */
export function stampOf(message: Message): Stamp {
  if (typeof message === 'string') return ofText(message);
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (bytes.length === 0 || bytes[0] !== 1) return ofText(bytes.toString());
  const [key = 0, number = 0, length, beforeKey = 0] = [4, 8, 12, 16].map((at) => bytes.readUInt32LE(at));
  const filler = pattern.subarray(number & 255, (number & 255) + bytes.length - HEAD);
  if (length !== bytes.length || !filler.equals(bytes.subarray(HEAD)))
    throw new Error(`message ${number} of ${key} is damaged: ${bytes.length} bytes of ${length}`);
  return { key, number, beforeKey, beforeCount: bytes.readInt32LE(20) };
}

function ofText(text: string): Stamp {
  const end = text.indexOf(';');
  const [key = 0, number = 0, length = -1, beforeKey = 0, beforeCount = -1] = text
    .slice(0, end)
    .split(',')
    .map(Number);
  const filler = text.slice(end + 1);
  if (end < 0 || filler.length !== length || !letters.startsWith(filler))
    throw new Error(`message ${number} of ${key} is damaged: ${text.slice(0, 60)}`);
  return { key, number, beforeKey, beforeCount };
}
