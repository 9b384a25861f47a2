// heard — what the client puts on the wire after the opening handshake, parsed and checked byte by byte.
// Fed by server.ts; read by judge.ts.
// Invariant: every rule for a client's frames is checked for every frame, whatever the case is about; what breaks one
// is noted, once, and the rest is still read.
// Source: RFC 6455 §5 (framing, masking), §5.5.1 (nothing after Close), §7.4 (codes), §8.1; RFC 7692 §6, §7.2.

import { isUtf8 } from 'node:buffer';
import { type Message, OP } from './case.ts';
import { type Agreement, Decompressor } from './deflate.ts';

export interface Close {
  readonly code: number | undefined;
  readonly reason: string;
}

interface Header {
  readonly first: number;
  readonly masked: boolean;
  readonly length: number;
  readonly start: number;
}

export class Heard {
  readonly messages: Message[] = [];
  readonly pongs: Buffer[] = [];
  /** Rules that the client broke. */
  readonly faults: string[] = [];
  close: Close | undefined;
  readonly #decompressor: Decompressor | undefined;
  readonly #keys: string[] = [];
  #chunks: Buffer[] = [];
  #length = 0;
  #parts: Buffer[] | undefined;
  #kind = { text: false, compressed: false };

  constructor(agreed: Agreement | undefined) {
    this.#decompressor =
      agreed && new Decompressor({ bits: agreed.clientBits, takeover: !agreed.clientNoContext });
  }

  /** Bytes of a frame that has not come whole. */
  get halfFrame(): number {
    return this.#length;
  }

  /** Faults that show only once all is there. */
  finish(): void {
    // RFC 6455 §5.3: "a fresh masking key ... unpredictable"; equal ones by chance are one in four thousand million.
    const [first, ...others] = this.#keys;
    if (others.length > 0 && others.every((key) => key === first))
      this.#fault('masks all frames with one key');
    if (this.#length > 0 && !this.close) this.#fault('ended in the midst of a frame');
  }

  feed(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    for (;;) {
      const header = this.#header();
      if (!header || this.#length < header.start + header.length) return;
      const bytes = this.#joined();
      const end = header.start + header.length;
      this.#chunks = [bytes.subarray(end)];
      this.#length -= end;
      this.#frame(header, bytes);
    }
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #header(): Header | undefined {
    if (this.#length < 2) return undefined;
    const [head = Buffer.alloc(0)] = this.#chunks;
    const bytes = head.length >= 14 ? head : this.#joined();
    const first = bytes[0] ?? 0;
    const second = bytes[1] ?? 0;
    const short = second & 0x7f;
    const masked = second >= 0x80;
    const start = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (masked ? 4 : 0);
    if (bytes.length < start) return undefined;
    let length = short;
    if (short === 126) length = bytes.readUInt16BE(2);
    if (short === 127) length = Number(bytes.readBigUInt64BE(2));
    return { first, masked, length, start };
  }

  #frame({ first, masked, length, start }: Header, bytes: Buffer): void {
    if (this.close) return this.#fault('sent a frame after its Close frame');
    const wide = start - (masked ? 4 : 0);
    if ((wide === 4 && length < 126) || (wide === 10 && length < 65_536)) {
      this.#fault(`wrote length ${length} in more bytes than needed`);
    }
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (!masked) this.#fault('sent a frame that is not masked');
    else this.#unmask(bytes.subarray(start - 4, start), payload);
    const opcode = first & 15;
    const fin = first >= 0x80;
    const rsv = (first >> 4) & 7;
    const mayCompress = this.#decompressor !== undefined && (opcode === OP.text || opcode === OP.binary);
    if ((rsv & ~(mayCompress ? 4 : 0)) !== 0) this.#fault(`set reserved bits ${rsv} on opcode ${opcode}`);
    if (opcode >= OP.close) {
      if (!fin) this.#fault('fragmented a control frame');
      if (length > 125) this.#fault(`sent a control frame of ${length} bytes`);
      return this.#control(opcode, payload);
    }
    this.#data({ opcode, fin, compressed: (rsv & 4) !== 0 }, payload);
  }

  #unmask(key: Buffer, payload: Buffer): void {
    this.#keys.push(key.toString('hex'));
    const [a = 0, b = 0, c = 0, d = 0] = key;
    const keys = [a, b, c, d];
    for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (keys[i & 3] ?? 0);
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === OP.pong) this.pongs.push(payload);
    else if (opcode === OP.close) this.#closed(payload);
    else if (opcode !== OP.ping) this.#fault(`sent opcode ${opcode}`);
  }

  #closed(payload: Buffer): void {
    if (payload.length === 1) this.#fault('sent a Close frame with half a code');
    const code = payload.length < 2 ? undefined : payload.readUInt16BE();
    if (code !== undefined && !mayBeSent(code)) this.#fault(`closed with code ${code}`);
    if (!isUtf8(payload.subarray(2))) this.#fault('closed with a reason that is not UTF-8');
    this.close = { code, reason: payload.toString('utf8', 2) };
  }

  #data(
    { opcode, fin, compressed }: { opcode: number; fin: boolean; compressed: boolean },
    payload: Buffer,
  ): void {
    if (opcode > OP.binary) return this.#fault(`sent opcode ${opcode}`);
    if ((opcode === OP.more) !== (this.#parts !== undefined)) this.#fault('sent fragments out of order');
    if (opcode !== OP.more) {
      this.#kind = { text: opcode === OP.text, compressed };
      this.#parts = [];
    }
    this.#parts?.push(payload);
    if (!fin) return;
    const whole = Buffer.concat(this.#parts ?? []);
    this.#parts = undefined;
    const bytes = this.#kind.compressed ? this.#decompressor?.decompress(whole) : whole;
    if (!bytes || bytes instanceof Error)
      return this.#fault(`sent what cannot be inflated: ${bytes?.message}`);
    if (this.#kind.text && !isUtf8(bytes)) this.#fault('sent a text that is not UTF-8');
    this.messages.push({ text: this.#kind.text, bytes });
  }

  #fault(what: string): void {
    if (!this.faults.includes(what)) this.faults.push(what);
  }
}

/** RFC 6455 §7.4.1 and the registry it made: 1004 to 1006 and 1015 are never on the wire. */
export function mayBeSent(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
