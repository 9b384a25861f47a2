// http2frames — what an HTTP/2 peer sends, looked at before node:http2 gets it: frame headers, wherever reads cut them.
// Fed by workers/http2/driver.ts with every byte that comes. Pure: time comes in.
// Invariant: what is passed on is whole headers and the payloads of frames that node:http2 should see, in order. Kept
// back are answers to pings (node:http2 takes one that it did not ask for as an error), GOAWAY (it would end every
// stream on some codes), and what HTTP/2 lets a client ignore. After a fault nothing is passed on.
// Source: RFC 9113 §4.1, §6; CVE-2019-9511 … 9518, CVE-2023-44487, CVE-2024-27316 (floods).

import { ConnectionError, describe } from '../errors.ts';
import { Budgets } from './http2budgets.ts';
import { CODE, word } from './http2out.ts';

const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  promise: 5,
  ping: 6,
  goaway: 7,
} as const;
const CONTINUATION = 9;
const NAMES = [
  ...['DATA', 'HEADERS', 'PRIORITY', 'RST_STREAM', 'SETTINGS', 'PUSH_PROMISE', 'PING', 'GOAWAY'],
  ...['WINDOW_UPDATE', 'CONTINUATION'],
];
const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;

/** Of every frame. RFC 9113 §4.1. */
const HEADER = 9;
/** RFC 9113 §4.2: what a peer may send, unless SETTINGS_MAX_FRAME_SIZE allowed more. We never do. */
const MOST_LENGTH = 16_384;
/** CONTINUATION frames of one header block; as nghttp2 has it. 147 000 bytes, compressed. */
const MOST_CONTINUATIONS = 8;
/** Longest that is read of a payload: GOAWAY's last stream and code, a ping's answer. */
const LONGEST_READ = 8;

/** What is told of the frames, as they go by. */
export interface FrameEvents {
  /** The peer has said all of a stream. */
  ended(stream: number): void;
  /** It ends one. */
  reset(stream: number, code: number): void;
  /** It will answer a request that nobody made. */
  promised(parent: number, stream: number): void;
  /** It begins no more streams; those of ours above `last` it has not dealt with. */
  goaway(last: number, code: number): void;
  /** An answer to a ping. */
  pong(payload: Uint8Array): void;
  /** It wants one. */
  pinged(): void;
}

/** What ends a connection. `code`: what the peer is told. */
export interface FrameFault {
  readonly error: ConnectionError;
  readonly code: number;
}

export class FrameWatcher {
  readonly #events: FrameEvents;
  readonly #push: boolean;
  readonly #budgets = new Budgets();
  /** What may go on of the bytes given last: views of them, and of memory of our own. */
  #passed: Uint8Array[] = [];
  /** The header under way. */
  readonly #header = new Uint8Array(HEADER);
  #have = 0;
  #first = true;
  #type = 0;
  #flags = 0;
  #stream = 0;
  #length = 0;
  /** Bytes of the payload that have not come. */
  #left = 0;
  /** This frame is not passed on. */
  #kept = false;
  /** The beginning of the payload, as far as anybody wants it. */
  readonly #payload = new Uint8Array(LONGEST_READ);
  #read = 0;
  #wanted = 0;
  /** A header block that goes on: its stream, and how many frames it has had. */
  #block: { readonly stream: number; readonly endStream: boolean; frames: number } | undefined;
  #fault: FrameFault | undefined;

  /** `push`: the peer may promise. */
  constructor(events: FrameEvents, { push }: { readonly push: boolean }) {
    this.#events = events;
    this.#push = push;
  }

  /** A request was sent: its answer is no flood. */
  asked(): void {
    this.#budgets.asked();
  }

  /** A ping was sent. */
  pinging(): void {
    this.#budgets.pinged();
  }

  /** So many bytes were sent. */
  sent(bytes: number): void {
    this.#budgets.sent(bytes);
  }

  /** Bytes have come, at `now` ms. Returns what is to be passed on: views of `bytes`, and memory of its own. */
  feed(bytes: Uint8Array, now: number): readonly Uint8Array[] {
    this.#passed = [];
    let at = 0;
    /** Where what is passed on, and has not been, begins. */
    let from = 0;
    while (at < bytes.length && !this.#fault) {
      if (this.#left > 0) {
        const length = Math.min(this.#left, bytes.length - at);
        if (this.#read < this.#wanted) this.#take(bytes, at, length);
        at += length;
        this.#left -= length;
        if (this.#kept) from = at;
        if (this.#left === 0) this.#over(now);
        continue;
      }
      const start = at;
      const whole = this.#have === 0 && bytes.length - at >= HEADER;
      if (!whole && this.#have === 0) this.#pass(bytes, from, at);
      const length = Math.min(HEADER - this.#have, bytes.length - at);
      for (let i = 0; i < length; i++) this.#header[this.#have + i] = bytes[at + i] ?? 0;
      this.#have += length;
      at += length;
      if (this.#first) this.#preface(bytes, start);
      if (this.#have < HEADER) from = at;
      else if (!this.#fault) from = this.#headed(bytes, { whole, from, start, at }, now);
      if (this.#fault && whole) this.#pass(bytes, from, start);
    }
    if (!this.#fault) this.#pass(bytes, from, bytes.length);
    return this.#passed;
  }

  /** What broke the protocol, once something has. */
  get fault(): FrameFault | undefined {
    return this.#fault;
  }

  #pass(bytes: Uint8Array, from: number, to: number): void {
    if (to > from) this.#passed.push(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
  }

  /** The header is complete; returns where what is passed on begins now. */
  #headed(
    bytes: Uint8Array,
    { whole, from, start, at }: { readonly whole: boolean; from: number; start: number; at: number },
    now: number,
  ): number {
    this.#begin(now);
    if (this.#fault) return from;
    if (!this.#kept && !whole) this.#passed.push(this.#header.slice());
    if (this.#kept && whole) this.#pass(bytes, from, start);
    if (this.#left === 0) this.#over(now);
    return this.#kept || !whole ? at : from;
  }

  /** RFC 9113 §3.4: "The server connection preface consists of a potentially empty SETTINGS frame". Told at the first
   *  byte that can't be one. */
  #preface(bytes: Uint8Array, start: number): void {
    const [high, middle, low, type, flags, ...stream] = this.#header.subarray(0, this.#have);
    const length = ((middle ?? 0) << 8) | (low ?? 0);
    const right =
      high === 0 &&
      length <= MOST_LENGTH &&
      (low === undefined || length % 6 === 0) &&
      (type === undefined || type === TYPE.settings) &&
      (flags === undefined || (flags & ACK) === 0) &&
      !stream.some((byte) => byte !== 0);
    if (right) {
      this.#first = this.#have < HEADER;
      return;
    }
    const seen = Buffer.from(bytes.subarray(start, start + 20)).toString('latin1');
    const http1 = 'HTTP/1.'.startsWith(seen.slice(0, 7));
    this.#broken(
      `invalid connection preface: the server ${http1 ? 'answers in HTTP/1' : `begins with ${describe(seen)}`}`,
    );
  }

  // ── one frame ─────────────────────────────────────────────────────────────────────────────────────────────

  #begin(now: number): void {
    const header = this.#header;
    const [high = 0, middle = 0, low = 0, type = 0, flags = 0] = header;
    this.#have = 0;
    this.#length = (high << 16) | (middle << 8) | low;
    this.#left = this.#length;
    this.#type = type;
    this.#flags = flags;
    this.#stream = word(header, 5);
    this.#read = 0;
    this.#wanted = this.#interest();
    const answer = type === TYPE.ping && (flags & ACK) !== 0;
    this.#kept = answer || type === TYPE.goaway || type === TYPE.priority || type > CONTINUATION;
    if (this.#left > MOST_LENGTH) {
      return this.#broken(`a frame of ${this.#left} bytes, the most is ${MOST_LENGTH}`, CODE.frameSizeError);
    }
    const name = this.#name;
    const block = this.#block;
    if (block ? type !== CONTINUATION || this.#stream !== block.stream : type === CONTINUATION) {
      // RFC 9113 §6.10: a header block has nothing in its midst, and "MUST be treated as a connection error".
      return this.#broken(`a ${name} frame on stream ${this.#stream} in the wrong place`);
    }
    if (block && ++block.frames > MOST_CONTINUATIONS) return this.#flooded(name);
    if (this.#kept && (type === TYPE.ping ? this.#left !== this.#wanted : this.#left < this.#wanted)) {
      return this.#broken(`a ${name} frame of ${this.#left} bytes`, CODE.frameSizeError);
    }
    // RFC 9113 §6.7, §6.8: "MUST treat this as a connection error"; §8.4: and so a promise that was not allowed.
    const ours = type === TYPE.ping || type === TYPE.goaway;
    if ((ours && this.#stream !== 0) || (type === TYPE.promise && !this.#push)) {
      return this.#broken(`a ${name} frame on stream ${this.#stream}`);
    }
    // Of a data frame it depends on its padding.
    if (type === TYPE.data || type === CONTINUATION || this.#budgets.spend(type, now)) return;
    this.#flooded(name);
  }

  get #name(): string {
    return NAMES[this.#type] ?? `unknown (type ${this.#type})`;
  }

  /** How much of the payload tells something. */
  #interest(): number {
    const padded = (this.#flags & PADDED) === 0 ? 0 : 1;
    switch (this.#type) {
      case TYPE.data:
        return padded;
      case TYPE.reset:
        return 4;
      case TYPE.promise:
        return padded + 4;
      case TYPE.goaway:
      case TYPE.ping:
        return 8;
      default:
        return 0;
    }
  }

  #take(bytes: Uint8Array, at: number, length: number): void {
    const count = Math.min(length, this.#wanted - this.#read);
    for (let i = 0; i < count; i++) this.#payload[this.#read++] = bytes[at + i] ?? 0;
  }

  /** The whole frame has come. One that is shorter than it must be is node:http2's to refuse. */
  #over(now: number): void {
    const complete = this.#read >= this.#wanted;
    const payload = this.#payload;
    const events = this.#events;
    const stream = this.#stream;
    switch (this.#type) {
      case TYPE.data:
        if ((this.#flags & END_STREAM) !== 0) events.ended(stream);
        else if (this.#isEmpty && !this.#budgets.spend(TYPE.data, now)) this.#flooded('empty DATA');
        return;
      case TYPE.headers:
        return this.#headers((this.#flags & END_STREAM) !== 0);
      case TYPE.promise:
        if (complete) events.promised(stream, word(payload, this.#wanted - 4));
        return this.#headers(false);
      case CONTINUATION:
        if ((this.#flags & END_HEADERS) === 0) return;
        if (this.#block?.endStream) events.ended(stream);
        this.#block = undefined;
        return;
      case TYPE.reset:
        if (complete) events.reset(stream, word(payload, 0, 0xff));
        return;
      case TYPE.goaway:
        return events.goaway(word(payload, 0), word(payload, 4, 0xff));
      case TYPE.ping:
        if ((this.#flags & ACK) === 0) events.pinged();
        else events.pong(payload.slice());
        return;
      default:
        return;
    }
  }

  #headers(endStream: boolean): void {
    if ((this.#flags & END_HEADERS) === 0) this.#block = { stream: this.#stream, endStream, frames: 0 };
    else if (endStream) this.#events.ended(this.#stream);
  }

  get #isEmpty(): boolean {
    return this.#wanted === 0 ? this.#length === 0 : this.#length <= 1 + (this.#payload[0] ?? 0);
  }

  #broken(what: string, code: number = CODE.protocolError): void {
    const error = new ConnectionError('ERR_GUNPORT_PROTOCOL', what, { phase: 'protocol' });
    this.#fault = { error, code };
  }

  #flooded(kind: string): void {
    const text = `the server floods the connection with ${kind} frames`;
    const error = new ConnectionError('ERR_GUNPORT_FLOOD', text, { phase: 'protocol', reason: kind });
    this.#fault = { error, code: CODE.enhanceYourCalm };
  }
}
