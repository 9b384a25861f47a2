// case — what a case of the fuzzing server is: data that says what the server does and how a client must react to it.
// Made in families/; played by server.ts, judged by judge.ts.
// Invariant: a case depends on nothing but itself: its bytes are the same at every run.
// Source: the families and verdicts of the Autobahn test suite.

import { type Agreement, type Compress, Compressor } from './deflate.ts';
import type { Request } from './request.ts';

/** A message, as a server sends it and an echo brings it back. */
export interface Message {
  readonly text: boolean;
  readonly bytes: Buffer;
}

/** What the client is told to do, beside echoing. */
export interface ClientOptions {
  /** What it offers: permessage-deflate with these. Default: nothing. */
  readonly compress?: Compress | undefined;
  readonly subprotocols?: readonly string[] | undefined;
  /** Largest message, in bytes. */
  readonly maxPayload?: number | undefined;
  /** Most fragments of a message. Default: what the client has. */
  readonly maxFragments?: number | undefined;
  /** It closes by itself after so many echoes. */
  readonly closes?: { readonly after: number; readonly code: number; readonly reason: string } | undefined;
}

/** One thing that the server does. */
export type Step =
  // bytes, in one write; or in pieces of `size`, each in a turn of its own
  | { readonly type: 'write'; readonly bytes: Buffer; readonly size?: number | undefined }
  // until the client has sent so many of these, over all
  | { readonly type: 'await'; readonly what: 'messages' | 'pongs' | 'close'; readonly count: number }
  // the client must have failed the connection by now, though more would come
  | { readonly type: 'failed' }
  // FIN
  | { readonly type: 'end' };

/** How it must end. */
export type End =
  /** The closing handshake: the client says this code, nothing more, and leaves the end of TCP to the server. */
  | {
      readonly type: 'close';
      readonly code: number | undefined;
      readonly reason?: string | undefined;
      /** The steps say the server's Close. Else it is said once all was echoed. */
      readonly said?: true;
    }
  /** The client fails the connection with one of these codes, and ends TCP. */
  | { readonly type: 'fail'; readonly codes: readonly number[] }
  /** The client does not take the answer for an opening handshake: no frame, and the end of TCP. */
  | { readonly type: 'refuse' }
  /** TCP ends without a closing handshake. */
  | { readonly type: 'lost' };

interface Expected {
  /** Echoed, these in this order. */
  readonly messages: readonly Message[];
  /** Behind those any number of these, in this order: the client may have failed before it could echo them. */
  readonly perhaps?: readonly Message[] | undefined;
  /** Payloads of the pongs, in this order. */
  readonly pongs?: readonly Buffer[] | undefined;
  readonly end: End;
}

export interface Case {
  /** As in '6.4.2'. */
  readonly id: string;
  readonly title: string;
  /** Where the rule stands. */
  readonly section: string;
  /** Informational: the standard leaves the reaction open, and a client that reacts otherwise is not wrong. */
  readonly informational?: true | undefined;
  /** Too large for every run. */
  readonly large?: true | undefined;
  readonly client: ClientOptions;
  /** permessage-deflate as the server has agreed on it. */
  readonly agreed?: Agreement | undefined;
  /** Instead of the right answer to the opening handshake, with what is right about it. */
  readonly answer?: ((request: Request) => Buffer) | undefined;
  readonly steps: () => readonly Step[];
  readonly expected: Expected;
}

// ── messages ────────────────────────────────────────────────────────────────────────────────────────────────

export function text(content: string | Uint8Array): Message {
  return { text: true, bytes: Buffer.from(content) };
}

export function binary(content: string | Uint8Array): Message {
  return { text: false, bytes: Buffer.from(content) };
}

// ── frames ──────────────────────────────────────────────────────────────────────────────────────────────────

export const OP = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

interface FrameOptions {
  /** Default true. */
  readonly fin?: boolean;
  /** The three reserved bits. */
  readonly rsv?: number;
  /** Masked, as no server may. */
  readonly masked?: boolean;
  /** Bits that the length is written in. Default: as few as possible. */
  readonly bits?: 7 | 16 | 64;
  /** The length that the header tells. Default: the payload's. */
  readonly length?: bigint;
}

/** A frame of the server. */
export function frame(opcode: number, payload: string | Uint8Array = '', options: FrameOptions = {}): Buffer {
  const { fin = true, rsv = 0, masked = false } = options;
  const bytes = Buffer.from(payload);
  const length = options.length ?? BigInt(bytes.length);
  const bits = options.bits ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const header = Buffer.alloc(2 + (bits === 7 ? 0 : bits / 8));
  header[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  header[1] = (masked ? 0x80 : 0) | (bits === 7 ? Number(length) : bits === 16 ? 126 : 127);
  if (bits === 16) header.writeUInt16BE(Number(length), 2);
  if (bits === 64) header.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([header, bytes]);
  const key = Buffer.from('01020304', 'hex');
  return Buffer.concat([header, key, bytes.map((byte, i) => byte ^ (key[i & 3] ?? 0))]);
}

/** The frame of a whole message. */
export function whole({ text, bytes }: Message): Buffer {
  return frame(text ? OP.text : OP.binary, bytes);
}

/** A message in fragments: these payloads. */
export function fragments(first: number, payloads: readonly (string | Uint8Array)[]): Buffer[] {
  return payloads.map((payload, i) =>
    frame(i === 0 ? first : OP.more, payload, { fin: i === payloads.length - 1 }),
  );
}

/** A Close frame. */
export function closing(code?: number, reason: string | Uint8Array = ''): Buffer {
  if (code === undefined) return frame(OP.close);
  return frame(OP.close, Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)]));
}

/** Bytes in pieces of `size`. */
export function pieces(bytes: Uint8Array, size: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(Buffer.from(bytes.subarray(at, at + size)));
  return parts.length > 0 ? parts : [Buffer.alloc(0)];
}

// ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────

/** These, in one write. */
export function write(...parts: readonly Uint8Array[]): Step {
  return { type: 'write', bytes: Buffer.concat(parts) };
}

/** These, in pieces of so many bytes. */
export function chop(size: number, ...parts: readonly Uint8Array[]): Step {
  return { type: 'write', bytes: Buffer.concat(parts), size };
}

/** So many echoes have come. */
export function echoed(count: number): Step {
  return { type: 'await', what: 'messages', count };
}

/** So many pongs have come. */
export function ponged(count: number): Step {
  return { type: 'await', what: 'pongs', count };
}

/** It must have failed by now. */
export const FAILED: Step = { type: 'failed' };
/** Its Close has come. */
export const CLOSED: Step = { type: 'await', what: 'close', count: 1 };
export const FIN: Step = { type: 'end' };

// ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────

/** The server closes with 1000 once all was echoed. */
export const NORMAL: End = { type: 'close', code: 1000 };
export const REFUSED: End = { type: 'refuse' };

/** The steps say Close with this code. */
export function closes(code?: number, reason?: string): End {
  return { type: 'close', code, reason, said: true };
}

/** It fails with one of these. */
export function fails(...codes: readonly number[]): End {
  return { type: 'fail', codes };
}

/** A compressor for what the server sends of it. */
export function compressorOf(agreed: Agreement): Compressor {
  return new Compressor({ bits: agreed.serverBits, takeover: !agreed.serverNoContext });
}
