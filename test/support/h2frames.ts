// h2frames — frames of HTTP/2 by hand, as a server sends them, and what a client's frames say.
// Used by h2origin.ts and the tests that speak to it: `talk.send(h2.headers(1, { ':status': 200 }), h2.data(1, 'x'))`.
// Invariant: a function here makes what it is told to, right or wrong. Source: RFC 9113 §4 and §6.

import { type Decoder, encode, type Fields } from './hpack.ts';

/** By their numbers, from 0. */
const NAMES = [
  'data',
  'headers',
  'priority',
  'reset',
  'settings',
  'promise',
  'ping',
  'goaway',
  'windowUpdate',
  'continuation',
] as const;

export type FrameName = (typeof NAMES)[number] | 'unknown';

const CODES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const;

/** Names of error codes, by their numbers. RFC 9113 §7. */
export type ErrorName = (typeof CODES)[number];

// RFC 9113 §6.5.2; RFC 8441 §3.
const SETTINGS = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const;

export type SettingValues = { readonly [name in keyof typeof SETTINGS]?: number | undefined };

const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;

/** A frame that has come. */
export interface H2Frame {
  readonly type: FrameName;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
  /** END_STREAM */
  readonly fin: boolean;
  readonly ack: boolean;
  /** Of headers: the fields, decoded; what came twice is joined with `, `. */
  readonly fields: Readonly<Record<string, string>>;
  /** Of reset and goaway. */
  readonly code: string | undefined;
  /** The last stream of goaway, the increment of windowUpdate. */
  readonly value: number;
  /** Of settings. */
  readonly settings: SettingValues;
}

/** Any frame. `type` by its number, so that there are more than RFC 9113 has. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array | string = '',
): Buffer {
  const body = Buffer.from(payload as string); // Of bytes it makes a copy.
  const header = Buffer.alloc(9);
  header.writeUIntBE(body.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, body]);
}

export function data(stream: number, payload: Uint8Array | string = '', fin = false): Buffer {
  return frame(0, fin ? END_STREAM : 0, stream, payload);
}

/** A body in frames of the size that a peer must take; none for an empty one. */
export function body(stream: number, payload: Uint8Array | string, fin = true): Buffer[] {
  const bytes = Buffer.from(payload as string); // Of bytes it makes a copy.
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 16_384) {
    const part = bytes.subarray(at, at + 16_384);
    frames.push(data(stream, part, fin && at + part.length === bytes.length));
  }
  return frames;
}

export interface HeadersOptions {
  fin?: boolean | undefined;
  /** Default: this is all of the block. */
  end?: boolean | undefined;
  priority?: boolean | undefined;
  padding?: number | undefined;
}

/** `fields`: or a block that is made already. */
export function headers(
  stream: number,
  fields: Fields | Uint8Array,
  { fin = false, end = true, priority = false, padding }: HeadersOptions = {},
): Buffer {
  const flags =
    (fin ? END_STREAM : 0) |
    (end ? END_HEADERS : 0) |
    (priority ? PRIORITY : 0) |
    (padding === undefined ? 0 : PADDED);
  const before = padding === undefined ? [] : [Buffer.of(padding)];
  // Stream dependency 0, weight 16.
  if (priority) before.push(Buffer.of(0, 0, 0, 0, 15));
  return frame(1, flags, stream, Buffer.concat([...before, blockOf(fields), Buffer.alloc(padding ?? 0)]));
}

export function continuation(stream: number, fields: Fields | Uint8Array, end = false): Buffer {
  return frame(9, end ? END_HEADERS : 0, stream, blockOf(fields));
}

export function promise(stream: number, promised: number, fields: Fields | Uint8Array, end = true): Buffer {
  return frame(5, end ? END_HEADERS : 0, stream, Buffer.concat([word(promised), blockOf(fields)]));
}

export function priority(stream: number): Buffer {
  return frame(2, 0, stream, Buffer.of(0, 0, 0, 0, 15));
}

export function reset(stream: number, code: ErrorName): Buffer {
  return frame(3, 0, stream, word(CODES.indexOf(code)));
}

export function settings(values: SettingValues = {}): Buffer {
  const entries = Object.entries(values).map(([name, value]) => {
    const entry = Buffer.alloc(6);
    entry.writeUInt16BE(SETTINGS[name as keyof typeof SETTINGS]); // The keys of SettingValues.
    entry.writeUInt32BE(value ?? 0, 2);
    return entry;
  });
  return frame(4, 0, 0, Buffer.concat(entries));
}

export function settingsAck(): Buffer {
  return frame(4, ACK, 0);
}

export function ping(payload: Uint8Array | string = '01234567', ack = false): Buffer {
  return frame(6, ack ? ACK : 0, 0, payload);
}

export function goaway(last: number, code: ErrorName = 'NO_ERROR', debug = ''): Buffer {
  return frame(7, 0, 0, Buffer.concat([word(last), word(CODES.indexOf(code)), Buffer.from(debug)]));
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(8, 0, stream, word(increment));
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function blockOf(fields: Fields | Uint8Array): Uint8Array {
  return fields instanceof Uint8Array ? fields : encode(fields);
}

/** A frame of a client in its parts; a header block that went on in CONTINUATION frames is joined to its first. */
export function parse(header: Buffer, payload: Buffer, decoder: Decoder): H2Frame {
  const type = NAMES[header[3] ?? 0] ?? 'unknown';
  const flags = header[4] ?? 0;
  const fields: Record<string, string> = {};
  if (type === 'headers') {
    // Gone before: node:http2 sends the priority that every stream has.
    const from = ((flags & PADDED) === 0 ? 0 : 1) + ((flags & PRIORITY) === 0 ? 0 : 5);
    const to = payload.length - ((flags & PADDED) === 0 ? 0 : (payload[0] ?? 0));
    for (const [name, value] of decoder.decode(payload.subarray(from, to)))
      fields[name] = name in fields ? `${fields[name]}, ${value}` : value;
  }
  const coded = type === 'reset' ? 0 : type === 'goaway' ? 4 : undefined;
  const number = coded === undefined ? undefined : payload.readUInt32BE(coded);
  return {
    ...{ type, flags, payload, fields },
    stream: header.readUInt32BE(5) & 0x7fffffff,
    fin: (type === 'data' || type === 'headers') && (flags & END_STREAM) !== 0,
    ack: (type === 'settings' || type === 'ping') && (flags & ACK) !== 0,
    code: number === undefined ? undefined : (CODES[number] ?? String(number)),
    value: type === 'goaway' || type === 'windowUpdate' ? payload.readUInt32BE(0) & 0x7fffffff : 0,
    settings: type === 'settings' ? settingsOf(payload) : {},
  };
}

function settingsOf(payload: Buffer): SettingValues {
  const values: Record<string, number> = {};
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    const id = payload.readUInt16BE(at);
    const name = Object.entries(SETTINGS).find(([, number]) => number === id)?.[0] ?? String(id);
    values[name] = payload.readUInt32BE(at + 2);
  }
  return values;
}
