// payloads — what the server sends: each payload as one prebuilt block of frames that may be sent again and again.
// Named by works.ts, built by server.ts once, before the first client; books/messages.ts has one more.
// Invariant: every message of a payload has the same size before compression, and a block ends at a frame's end.
// The compressed block keeps one context from its first message to its last; it begins with a fresh one, so it never
// refers to what came before, and a receiver may keep its own context through any number of blocks.
// Source: RFC 6455 §5.2; RFC 7692 §7.2.1.

import { constants, createDeflateRaw, type DeflateRaw } from 'node:zlib';

export const PAYLOAD_NAMES = ['16B', '64B', '150B', '1KiB', '16KiB', '1MiB', 'tls', 'deflate'] as const;
export type PayloadName = (typeof PAYLOAD_NAMES)[number];

export interface Payload {
  readonly name: PayloadName;
  readonly label: string;
  /** Bytes of one message as the user gets it. */
  readonly size: number;
  readonly text: boolean;
  readonly compressed: boolean;
  /** Over TLS. */
  readonly secure: boolean;
}

const PLAIN = { text: false, compressed: false, secure: false } as const;

export const PAYLOADS: Readonly<Record<PayloadName, Payload>> = {
  '16B': { ...PLAIN, name: '16B', label: '16 B binary', size: 16 },
  '64B': { ...PLAIN, name: '64B', label: '64 B binary', size: 64 },
  '150B': { ...PLAIN, name: '150B', label: '150 B text', size: 150, text: true },
  '1KiB': { ...PLAIN, name: '1KiB', label: '1 KiB binary', size: 1_024 },
  '16KiB': { ...PLAIN, name: '16KiB', label: '16 KiB binary', size: 16_384 },
  '1MiB': { ...PLAIN, name: '1MiB', label: '1 MiB binary', size: 1_048_576 },
  tls: { ...PLAIN, name: 'tls', label: '150 B text, TLS', size: 150, text: true, secure: true },
  deflate: {
    ...PLAIN,
    name: 'deflate',
    label: '150 B text, permessage-deflate',
    size: 150,
    text: true,
    compressed: true,
  },
};

/** What there is to receive. */
export interface Source {
  readonly url: string;
  readonly payload: Payload;
  /** Mean size of a message's frame on the wire, in bytes. */
  readonly frameBytes: number;
  /** PEM of the server's certificate: what a client trusts. */
  readonly ca: string;
}

/** What the server of the feeds says once it listens. */
export interface FeedReady {
  readonly port: number;
  /** Where it speaks TLS. */
  readonly securePort: number;
  readonly ca: string;
  /** Mean size of a message's frame on the wire, in bytes. */
  readonly frameBytes: Partial<Record<PayloadName, number>>;
}

/** A block of about a megabyte: few calls of write for many messages, and it fits into a cache. */
const BLOCK_BYTES = 1024 * 1024;

/** Messages of the compressed block: half a megabyte, or seventy windows of zlib, on the wire. */
const COMPRESSED_MESSAGES = 16_384;

export interface Block {
  readonly bytes: Buffer;
  readonly messages: number;
}

export async function buildBlock({ size, text, compressed }: Payload): Promise<Block> {
  const make = text ? trade : record;
  if (compressed) {
    const messages = Array.from({ length: COMPRESSED_MESSAGES }, (_, seq) => make(seq, size));
    const bodies = await deflateAll(messages);
    // FIN, RSV1, opcode text.
    return join(bodies.map((body) => frame(0xc1, body)));
  }
  const frames: Buffer[] = [];
  for (let bytes = 0; bytes < BLOCK_BYTES; ) {
    const next = frame(text ? 0x81 : 0x82, make(frames.length, size));
    frames.push(next);
    bytes += next.length;
  }
  return join(frames);
}

/** Frames as a block. */
export function join(frames: readonly Buffer[]): Block {
  return { bytes: Buffer.concat(frames), messages: frames.length };
}

/** A server's frame: unmasked, in the shortest form. */
export function frame(first: number, body: Buffer): Buffer {
  if (body.length < 126) return Buffer.concat([Buffer.of(first, body.length), body]);
  if (body.length < 65_536) {
    return Buffer.concat([Buffer.of(first, 126, body.length >> 8, body.length & 0xff), body]);
  }
  const head = Buffer.alloc(10);
  head[0] = first;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([head, body]);
}

/** Each message as its own run of deflate blocks, all in one context. */
async function deflateAll(messages: readonly Buffer[]): Promise<Buffer[]> {
  const deflate = createDeflateRaw({ windowBits: 15 });
  const bodies: Buffer[] = [];
  for (const message of messages) {
    deflate.write(message);
    await flush(deflate);
    const body: unknown = deflate.read();
    if (!Buffer.isBuffer(body)) throw new Error('zlib flushed nothing');
    // RFC 7692 §7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
    bodies.push(Buffer.from(body.subarray(0, -4)));
  }
  deflate.close();
  return bodies;
}

function flush(deflate: DeflateRaw): Promise<void> {
  return new Promise((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
}

/** A trade as an exchange would tell it, of exactly `size` ASCII characters. */
function trade(seq: number, size: number): Buffer {
  const noise = scramble(seq);
  const start = JSON.stringify({
    type: 'trade',
    symbol: ['BTC-USDT', 'ETH-USDT', 'SOL-USDT', 'XRP-USDT'][noise % 4],
    seq: 1_000_000_000 + seq,
    price: (60_000 + (noise % 100_000) / 100).toFixed(2),
    size: ((noise >>> 8) / 0xffffff).toFixed(6),
    side: noise & 1 ? 'buy' : 'sell',
    time: 1_767_225_600_000 + seq * 3,
  });
  const room = size - start.length - ',"id":""'.length;
  if (room < 0) throw new Error(`a trade takes ${start.length} bytes, more than ${size}`);
  const id = noise.toString(16).padStart(room, '0').slice(-room);
  return Buffer.from(`${start.slice(0, -1)},"id":"${id}"}`, 'latin1');
}

function record(seq: number, size: number): Buffer {
  const body = Buffer.alloc(size);
  body.writeBigUInt64BE(BigInt(seq), 0);
  for (let at = 8; at + 4 <= size; at += 4) body.writeUInt32BE(scramble(seq * 31 + at), at);
  return body;
}

/** The same numbers in every run, without a pattern that zlib would find. Source: Murmur3's finalizer. */
export function scramble(seed: number): number {
  let word = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
