// reader — the frames that the raw client gets: parsed as they come, each byte judged when it is there.
// Fed by client.ts. Invariant: what is not allowed is told at the first byte that shows it; nothing is told after it.
// Source: RFC 6455 §5, §7.4, §8.1; RFC 7692 §6, §7.2.

import type { Message } from '../case.ts';
import { OP } from '../case.ts';
import type { Agreement } from '../deflate.ts';
import { Decompressor } from '../deflate.ts';
import { mayBeSent } from '../heard.ts';
import { Utf8 } from '../utf8.ts';
import type { Has } from './faults.ts';

/** The client fails the connection with this code. */
export class Failure extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Listener {
  message(message: Message): void;
  ping(payload: Buffer): void;
  pong(payload: Buffer): void;
  /** The peer's Close, with what is to be answered. */
  closed(code: number | undefined): void;
}

interface Header {
  readonly opcode: number;
  readonly fin: boolean;
  readonly rsv: number;
  readonly length: number;
  readonly key: Buffer | undefined;
}

export class Reader {
  readonly #listener: Listener;
  readonly #has: Has;
  readonly #maxPayload: number;
  readonly #decompressor: Decompressor | undefined;
  /** Bytes of a header that is not whole. */
  #lead: Buffer = Buffer.alloc(0);
  #header: Header | undefined;
  #payload: Buffer[] = [];
  #got = 0;
  /** The message in fragments. */
  #message:
    | { readonly text: boolean; readonly compressed: boolean; length: number; parts: Buffer[] }
    | undefined;
  #utf8 = new Utf8();

  constructor(listener: Listener, has: Has, maxPayload: number, agreed: Agreement | undefined) {
    this.#listener = listener;
    this.#has = has;
    this.#maxPayload = has('unbounded') ? Number.POSITIVE_INFINITY : maxPayload;
    const most = has('inflates-any') ? 2 ** 30 : Math.min(this.#maxPayload, 2 ** 30);
    this.#decompressor =
      agreed &&
      new Decompressor(
        { bits: agreed.serverBits, takeover: !agreed.serverNoContext && !has('forgets-context') },
        most,
      );
  }

  /** @throws {Failure} */
  feed(chunk: Buffer): void {
    let left = chunk;
    while (left.length > 0 || (this.#header && this.#got === this.#header.length)) {
      if (!this.#header) {
        const before = this.#lead.length;
        const bytes = Buffer.concat([this.#lead, left.subarray(0, 14 - before)]);
        const start = this.#readHeader(bytes);
        if (start === undefined) {
          this.#lead = bytes;
          return;
        }
        this.#lead = Buffer.alloc(0);
        left = left.subarray(start - before);
      }
      left = this.#take(left);
    }
  }

  /** Bytes of the payload; returns those behind it. */
  #take(bytes: Buffer): Buffer {
    const header = this.#header!; // Just read.
    const part = Buffer.from(bytes.subarray(0, header.length - this.#got));
    const { key } = header;
    if (key) for (let i = 0; i < part.length; i++) part[i] = part[i]! ^ key[(this.#got + i) & 3]!;
    this.#payload.push(part);
    this.#got += part.length;
    if (header.opcode < OP.close && !this.#has('late-utf8')) this.#check(part);
    if (this.#got === header.length) {
      const payload = Buffer.concat(this.#payload);
      this.#header = undefined;
      this.#payload = [];
      this.#got = 0;
      this.#frame(header, payload);
    }
    return bytes.subarray(part.length);
  }

  /** Of a text that is not compressed. */
  #check(part: Buffer): void {
    if (this.#has('no-utf8') || !this.#message?.text || this.#message.compressed) return;
    const bytes = this.#has('takes-surrogates') ? withoutSurrogates(part) : part;
    if (!this.#utf8.feed(bytes)) throw new Failure(1007, 'not UTF-8');
  }

  /** Where the payload begins; undefined when the header is not whole. */
  #readHeader(bytes: Buffer): number | undefined {
    if (bytes.length < 2) return undefined;
    const has = this.#has;
    const [first = 0, second = 0] = bytes;
    const masked = second >= 0x80;
    if (masked && !has('takes-masked')) throw new Failure(1002, 'masked');
    const short = second & 0x7f;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    const start = 2 + wide + (masked ? 4 : 0);
    if (bytes.length < start) return undefined;
    const length = wide === 2 ? bytes.readUInt16BE(2) : wide === 8 ? Number(bytes.readBigUInt64BE(2)) : short;
    const least = wide === 2 ? 126 : wide === 8 ? 65_536 : 0;
    if (length < least && !has('takes-long-lengths')) throw new Failure(1002, 'length in too many bytes');
    const key = masked ? Buffer.from(bytes.subarray(start - 4, start)) : undefined;
    const header = { opcode: first & 15, fin: first >= 0x80, rsv: (first >> 4) & 7, length, key };
    this.#judge(header);
    this.#header = header;
    return start;
  }

  #judge({ opcode, fin, rsv, length }: Header): void {
    const has = this.#has;
    const control = opcode >= OP.close;
    const data = opcode === OP.text || opcode === OP.binary;
    const inflates = this.#decompressor && (data || (has('rsv1-anywhere') && opcode === OP.more));
    if ((rsv & ~(inflates ? 4 : 0)) !== 0 && !has('takes-rsv')) throw new Failure(1002, 'reserved bits');
    if (opcode > OP.pong || (opcode > OP.binary && !control)) {
      if (!has('takes-opcodes')) throw new Failure(1002, 'reserved opcode');
      return;
    }
    if (control) {
      if (!fin && !has('takes-fragmented-control')) throw new Failure(1002, 'control frame in fragments');
      if (length > 125 && !has('takes-large-control')) throw new Failure(1002, 'large control frame');
      return;
    }
    if (opcode === OP.more && !this.#message && !has('takes-continuation'))
      throw new Failure(1002, 'continuation of nothing');
    if (data && this.#message && !has('takes-nested')) throw new Failure(1002, 'message within a message');
    if (length >= 2 ** 63 && has('takes-top-bit')) return;
    const whole = (has('bounded-frames') ? 0 : (this.#message?.length ?? 0)) + length;
    if (whole > this.#maxPayload) throw new Failure(1009, 'too large');
    if (data || !this.#message) {
      const compressed = this.#decompressor !== undefined && (rsv & 4) !== 0;
      this.#message = { text: opcode === OP.text, compressed, length: 0, parts: [] };
      this.#utf8 = new Utf8();
    }
    this.#message.length += length;
  }

  #frame({ opcode, fin }: Header, payload: Buffer): void {
    if (opcode === OP.ping) return this.#listener.ping(payload);
    if (opcode === OP.pong) return this.#listener.pong(payload);
    if (opcode === OP.close) return this.#close(payload);
    if (opcode > OP.binary) return;
    const has = this.#has;
    const message = this.#message!; // Begun by judge().
    message.parts.push(payload);
    const lost = payload.length === 0 && message.parts.length > 1 && has('loses-last');
    if (has('whole-fragments') && message.text && !this.#utf8.isWhole)
      throw new Failure(1007, 'cut character');
    if ((!fin && !has('ends-early')) || lost) return;
    this.#message = undefined;
    const { text, compressed } = message;
    const bytes = this.#inflated(Buffer.concat(message.parts), compressed);
    if (compressed || has('late-utf8')) this.#utf8 = new Utf8();
    const unchecked = compressed || has('late-utf8');
    const wrong = text && !has('no-utf8') && ((unchecked && !this.#utf8.feed(bytes)) || !this.#utf8.isWhole);
    if (wrong && !has('ends-early')) throw new Failure(1007, 'not UTF-8');
    this.#listener.message({ text, bytes });
  }

  #inflated(bytes: Buffer, compressed: boolean): Buffer {
    if (!compressed || !this.#decompressor) return bytes;
    const inflated = this.#decompressor.decompress(bytes);
    if (inflated instanceof Error) {
      const large = (inflated as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE'; // Node's errors have one.
      throw new Failure(large ? 1009 : 1007, inflated.message);
    }
    return inflated;
  }

  #close(payload: Buffer): void {
    const has = this.#has;
    if (payload.length === 1 && !has('half-code')) throw new Failure(1002, 'half a code');
    const code = payload.length < 2 ? undefined : payload.readUInt16BE();
    if (code !== undefined && !mayBeSent(code) && !has('answers-any-code')) throw new Failure(1002, 'code');
    const utf8 = new Utf8();
    const fine = utf8.feed(payload.subarray(2)) && utf8.isWhole;
    if (!fine && !has('takes-reasons')) throw new Failure(1007, 'reason');
    this.#listener.closed(code);
  }
}

/** As one that does not know them: U+FFFD for each. */
function withoutSurrogates(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = 0; i + 2 < copy.length; i++) if (copy[i] === 0xed && copy[i + 1]! >= 0xa0) copy[i] = 0xee;
  return copy;
}
