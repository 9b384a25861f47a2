// network — the one server of the model, and the wires to it: numbered messages down, whatever owners send up.
// Used by shims/transport.ts at the client's end, and by stage.ts, which says what the server does.
// Invariant: `arrived` has each message that came to the client whole, in order; nothing is invented, and what was reset
// away is not in it. Source: RFC 6455 §4.2.2, §5.2, §5.5.

import { createHash } from 'node:crypto';
import { chance } from '../support/chance.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** One connection at the server's end. */
export class Peer {
  /** The client is told that there is something. */
  onWork: () => void = () => {};
  fin = false;
  reset = false;
  readonly #network: Network;
  #down: Buffer[] = [];
  #waiting = 0;
  #delivered = 0;
  #written = 0;
  readonly #marks: { readonly end: number; readonly number: number }[] = [];
  #up = Buffer.alloc(0);
  #open = false;
  #saidClose = false;

  constructor(network: Network) {
    this.#network = network;
  }

  get available(): number {
    return this.#waiting;
  }

  /** Upgraded, and no goodbye was said. */
  get isOpen(): boolean {
    return this.#open && !this.#saidClose && !this.fin && !this.reset;
  }

  /** The client reads. */
  read(into: Uint8Array): number {
    const length = Math.min(this.#network.cut(this.#waiting), into.length);
    for (let at = 0; at < length; ) {
      const head = this.#down[0] as Buffer; // So much waits.
      const part = head.subarray(0, length - at);
      into.set(part, at);
      at += part.length;
      if (part.length === head.length) this.#down.shift();
      else this.#down[0] = head.subarray(part.length);
    }
    this.#waiting -= length;
    this.#delivered += length;
    for (let mark = this.#marks[0]; mark && mark.end <= this.#delivered; mark = this.#marks[0]) {
      this.#marks.shift();
      this.#network.arrived.push(mark.number);
    }
    return length;
  }

  /** Bytes of the client. */
  heard(bytes: Uint8Array): void {
    if (this.reset) return;
    this.#up = Buffer.concat([this.#up, bytes]);
    if (!this.#open && !this.#upgrade()) return;
    while (this.#frame());
  }

  /** It sends no more. */
  ended(): void {
    this.finish();
  }

  /** Its thread is gone. */
  dropped(): void {
    this.reset = true;
  }

  #upgrade(): boolean {
    const end = this.#up.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const key = /sec-websocket-key: *(\S+)/i.exec(this.#up.subarray(0, end).toString('latin1'))?.[1] ?? '';
    this.#up = this.#up.subarray(end + 4);
    const accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64');
    const head = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade'];
    this.#open = true;
    this.#write(Buffer.from([...head, `sec-websocket-accept: ${accept}`, '', ''].join('\r\n')));
    return true;
  }

  /** One frame of the client: false, it is not there as a whole. */
  #frame(): boolean {
    const [up] = [this.#up];
    if (up.length < 6) return false;
    const short = (up[1] ?? 0) & 0x7f;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (up.length < 6 + wide) return false;
    const length = wide === 0 ? short : wide === 2 ? up.readUInt16BE(2) : Number(up.readBigUInt64BE(2));
    const start = 6 + wide;
    if (up.length < start + length) return false;
    const payload = Buffer.from(up.subarray(start, start + length));
    for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (up[start - 4 + (i & 3)] ?? 0);
    this.#up = up.subarray(start + length);
    const opcode = (up[0] ?? 0) & 15;
    if (opcode === 1 || opcode === 2) this.#network.heard.push(payload.toString('latin1'));
    else if (opcode === 9) this.#write(frame(10, payload));
    else if (opcode === 8) this.#closed(payload);
    return true;
  }

  #closed(payload: Buffer): void {
    if (this.#network.isRude && !this.#saidClose) return;
    if (!this.#saidClose) this.#write(frame(8, payload.subarray(0, 2)));
    this.#saidClose = true;
    this.finish();
  }

  /** A message with this number. */
  say(number: number, size: number): void {
    const payload = payloadOf(number, size);
    const opcode = number % 3 === 0 ? 2 : 1;
    if (number % 7 !== 0) this.#write(frame(opcode, payload));
    else {
      // In two fragments, and a ping between them.
      const half = payload.length >> 1;
      this.#write(frame(opcode, payload.subarray(0, half), false));
      this.#write(frame(9, Buffer.from('?')));
      this.#write(frame(0, payload.subarray(half)));
    }
    this.#marks.push({ end: this.#written, number });
  }

  close(code: number): void {
    if (!this.isOpen) return;
    this.#write(frame(8, Buffer.from([code >> 8, code & 0xff])));
    this.#saidClose = true;
  }

  finish(): void {
    this.fin = true;
    this.onWork();
  }

  cut(): void {
    this.reset = true;
    this.onWork();
  }

  #write(bytes: Buffer): void {
    if (this.fin || this.reset) return;
    this.#down.push(bytes);
    this.#waiting += bytes.length;
    this.#written += bytes.length;
    this.onWork();
  }
}

/** What a number is as a payload of at least `size` bytes. */
export function payloadOf(number: number, size: number): Buffer {
  return Buffer.from(textOf(number, size), 'latin1');
}

const PADS = Array.from({ length: 10 }, (_, digit) => String(digit).repeat(65_536));

function textOf(number: number, size: number): string {
  const text = `${number};`;
  return text + PADS[number % 10]?.slice(0, Math.max(0, size - text.length));
}

/** The number of a message; NaN: it is not what was sent. */
export function numberOf(message: string | Uint8Array): number {
  const isBinary = typeof message !== 'string';
  const text = isBinary
    ? Buffer.from(message.buffer, message.byteOffset, message.byteLength).toString('latin1')
    : message;
  const number = Number.parseInt(text, 10);
  return text === textOf(number, text.length) && isBinary === (number % 3 === 0) ? number : Number.NaN;
}

function frame(opcode: number, payload: Uint8Array, fin = true): Buffer {
  const { length } = payload;
  const head = length < 126 ? [length] : [126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode, ...head]), payload]);
}

export class Network {
  /** Numbers of the messages that came to the client, in order. */
  arrived: number[] = [];
  /** What clients have said. */
  heard: string[] = [];
  /** It answers no Close. */
  isRude = false;
  /** So many dials fail. */
  refusing = 0;
  #next = 0;
  #peer: Peer | undefined;
  #random: ((n: number) => number) | undefined;

  /** A new run. `cuts`: reads end anywhere. */
  reset(cuts: number): void {
    this.arrived = [];
    this.heard = [];
    this.isRude = false;
    this.refusing = 0;
    this.#next = 0;
    this.#peer = undefined;
    this.#random = cuts === 0 ? undefined : chance(cuts);
  }

  accept(): Peer | undefined {
    if (this.refusing > 0) {
      this.refusing--;
      return undefined;
    }
    this.#peer = new Peer(this);
    return this.#peer;
  }

  /** The connection of the moment. */
  get peer(): Peer | undefined {
    return this.#peer;
  }

  serve(count: number, size: number): void {
    for (let left = count; left > 0 && this.#peer?.isOpen; left--) this.#peer.say(this.#next++, size);
  }

  /** How many of so many bytes the next read gets. */
  cut(length: number): number {
    return this.#random && length > 1 && this.#random(2) === 0 ? 1 + this.#random(length) : length;
  }
}

export const network: Network = new Network();
