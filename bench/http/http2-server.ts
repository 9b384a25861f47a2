// http2-server — HTTP/2 as far as a benchmark needs it: prebuilt HEADERS and DATA for each request, within the windows.
// Called by server.ts for each socket of its HTTP/2 port.
// Invariant: nothing is sent beyond a window; answers go in the order of the requests that ask for
// them, whose fields are not looked at. Source: RFC 9113 §3.4, §4.1, §6; RFC 7541 §6.

import type { Socket } from 'node:net';
import { fieldsOf, SMALL } from './answers.ts';

const PREFACE = 24;
const HEAD = 9;
const FRAME = { data: 0, headers: 1, settings: 4, ping: 6, windowUpdate: 8 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const ACK = 1;
/** SETTINGS_INITIAL_WINDOW_SIZE. */
const INITIAL_WINDOW = 4;
/** SETTINGS_MAX_CONCURRENT_STREAMS 128. */
const SETTINGS = Buffer.from('000300000080', 'hex');
const MOST_DATA = 16_384;
const LARGE = frame(FRAME.data, 0, 0, Buffer.alloc(MOST_DATA, 'x'));
const SMALL_ANSWER = Buffer.concat([
  frame(FRAME.headers, END_HEADERS, 0, fields(SMALL.length)),
  frame(FRAME.data, END_STREAM, 0, SMALL),
]);
const DATA_AT = HEAD + fields(SMALL.length).length;

/** An answer under way. */
interface Answer {
  readonly stream: number;
  left: number;
  window: number;
}

/** `large`: bytes that every request but the first is answered with; 0: small answers only. */
export function acceptHttp2(socket: Socket, large: number): void {
  const session = new Session(socket, large);
  socket.on('error', () => {}); // A client may leave in the middle of an answer.
  socket.on('data', (chunk: Buffer) => session.read(chunk));
  socket.on('drain', () => session.pump());
}

class Session {
  readonly #socket: Socket;
  readonly #largeBytes: number;
  #requests = 0;
  #rest: Buffer = Buffer.alloc(0);
  #preface = PREFACE;
  #window = 65_535;
  #initialWindow = 65_535;
  readonly #small: number[] = [];
  #large: Answer | undefined;

  constructor(socket: Socket, largeBytes: number) {
    this.#socket = socket;
    this.#largeBytes = largeBytes;
    socket.write(frame(FRAME.settings, 0, 0, SETTINGS));
  }

  read(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    if (this.#preface > 0) {
      if (bytes.length < PREFACE) {
        this.#rest = bytes;
        return;
      }
      at = PREFACE;
      this.#preface = 0;
    }
    while (bytes.length - at >= HEAD) {
      const end = at + HEAD + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#frame(bytes, at, end);
      at = end;
    }
    this.#rest = Buffer.from(bytes.subarray(at));
    this.pump();
  }

  #frame(bytes: Buffer, at: number, end: number): void {
    const flags = bytes[at + 4] ?? 0;
    const stream = bytes.readUInt32BE(at + 5);
    const payload = bytes.subarray(at + HEAD, end);
    switch (bytes[at + 3]) {
      case FRAME.headers:
        return this.#request(stream);
      case FRAME.settings:
        if ((flags & ACK) === 0) this.#settings(payload);
        return;
      case FRAME.ping:
        if ((flags & ACK) === 0) this.#socket.write(frame(FRAME.ping, ACK, 0, payload));
        return;
      case FRAME.windowUpdate:
        if (stream === 0) this.#window += payload.readUInt32BE(0);
        else if (stream === this.#large?.stream) this.#large.window += payload.readUInt32BE(0);
        return;
      default: // Nothing else matters here.
    }
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== INITIAL_WINDOW) continue;
      const window = payload.readUInt32BE(at + 2);
      if (this.#large) this.#large.window += window - this.#initialWindow;
      this.#initialWindow = window;
    }
    this.#socket.write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)));
  }

  #request(stream: number): void {
    const left = this.#largeBytes;
    if (left === 0 || this.#requests++ === 0) {
      this.#small.push(stream);
      return;
    }
    this.#large = { stream, left, window: this.#initialWindow };
    this.#socket.write(frame(FRAME.headers, END_HEADERS, stream, fields(left)));
  }

  /** Sends what the windows allow. */
  pump(): void {
    this.#pumpSmall();
    const large = this.#large;
    if (!large) return;
    while (large.left > 0 && this.#socket.writableLength < 1024 * 1024) {
      const length = Math.min(MOST_DATA, large.left, large.window, this.#window);
      if (length <= 0) return;
      large.left -= length;
      large.window -= length;
      this.#window -= length;
      const last = large.left === 0 ? END_STREAM : 0;
      this.#socket.write(head(FRAME.data, last, large.stream, length));
      this.#socket.write(LARGE.subarray(HEAD, HEAD + length));
    }
  }

  #pumpSmall(): void {
    const count = Math.min(this.#small.length, Math.floor(this.#window / SMALL.length));
    if (count === 0) return;
    const all = Buffer.allocUnsafe(count * SMALL_ANSWER.length);
    for (let i = 0; i < count; i++) {
      const at = i * SMALL_ANSWER.length;
      const stream = this.#small[i] ?? 0;
      all.set(SMALL_ANSWER, at);
      all.writeUInt32BE(stream, at + 5);
      all.writeUInt32BE(stream, at + DATA_AT + 5);
    }
    this.#small.splice(0, count);
    this.#window -= count * SMALL.length;
    this.#socket.write(all);
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  return Buffer.concat([head(type, flags, stream, payload.length), payload]);
}

function head(type: number, flags: number, stream: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD);
  bytes.writeUIntBE(length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  return bytes;
}

/** A block that needs no table: `:status: 200`, and literals without indexing. RFC 7541 §6.1, §6.2.2. */
function fields(length: number): Buffer {
  const literal = (text: string): Buffer =>
    Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]);
  const all = fieldsOf(length).flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]);
  return Buffer.concat([Buffer.of(0x88), ...all]);
}
