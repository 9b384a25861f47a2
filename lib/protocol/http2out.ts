// http2out — HTTP/2 on its way out: error codes, the few frames that are ours, and what node:http2 says to the peer.
// Used by workers/http2*.ts; what comes in is http2frames.ts's. Pure.
// Invariant: every byte that node:http2 writes goes through SentFrames, in order, cut anywhere.
// Source: RFC 9113 §4.1, §6.7, §6.8, §7.

const HEADER = 9;
const PREFACE = 24;
const HEADERS = 1;
const PING = 6;
const GOAWAY = 7;
/** Of a GOAWAY: the last stream, and the code. */
const GOAWAY_READ = 8;

/** Error codes of HTTP/2. RFC 9113 §7. */
export const CODE = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  settingsTimeout: 4,
  frameSizeError: 6,
  enhanceYourCalm: 11,
} as const;
const CODES = [
  ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT'],
  ...['STREAM_CLOSED', 'FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR'],
  ...['CONNECT_ERROR', 'ENHANCE_YOUR_CALM', 'INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED'],
];

/** The name of an error code; of one that has none, its number. */
export function codeName(code: number): string {
  return CODES[code] ?? `0x${code.toString(16)}`;
}

/** A GOAWAY frame. No stream of the peer's is named: none is begun any more. RFC 9113 §6.8. */
export function goaway(code: number): Uint8Array {
  const frame = header(GOAWAY, 8);
  frame.writeUInt32BE(code, HEADER + 4);
  return frame;
}

/** A PING frame with 8 bytes of payload. RFC 9113 §6.7. */
export function ping(payload: Uint8Array): Uint8Array {
  const frame = header(PING, 8);
  frame.set(payload, HEADER);
  return frame;
}

function header(type: number, length: number): Buffer {
  const frame = Buffer.alloc(HEADER + length);
  frame.writeUIntBE(length, 0, 3);
  frame[3] = type;
  return frame;
}

/** Four bytes as a number. `mask`: what of the first byte counts; the first bit of a stream's id is reserved. */
export function word(bytes: Uint8Array, at: number, mask = 0x7f): number {
  const high = ((bytes[at] ?? 0) & mask) * 0x1000000;
  return high + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
}

/** Looks for the GOAWAY by which node:http2 ends a connection: often it says so to the peer, and to nobody else. */
export class SentFrames {
  /** The highest stream that was opened. */
  lastStream = 0;
  readonly #head = new Uint8Array(HEADER + GOAWAY_READ);
  #have = 0;
  /** Bytes to go past: the connection's preface, then payloads. */
  #left = PREFACE;

  /** Bytes are sent. The code of a GOAWAY among them. */
  feed(bytes: Uint8Array): number | undefined {
    let code: number | undefined;
    for (let at = 0; at < bytes.length; ) {
      if (this.#left > 0) {
        const past = Math.min(this.#left, bytes.length - at);
        this.#left -= past;
        at += past;
        continue;
      }
      this.#head[this.#have++] = bytes[at++] ?? 0;
      const head = this.#head;
      const length = ((head[0] ?? 0) << 16) | ((head[1] ?? 0) << 8) | (head[2] ?? 0);
      const wanted = head[3] === GOAWAY ? HEADER + GOAWAY_READ : HEADER;
      if (this.#have < HEADER || this.#have < wanted) continue;
      if (head[3] === GOAWAY) code = word(head, HEADER + 4, 0xff);
      else if (head[3] === HEADERS) this.lastStream = Math.max(this.lastStream, word(head, 5));
      this.#left = HEADER + length - wanted;
      this.#have = 0;
    }
    return code;
  }
}
