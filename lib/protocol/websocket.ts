// websocket — the machine of one WebSocket: what each frame that is no plain message means, and how it all ends.
// Stepped by workers/websocket.ts; whole unfragmented messages pass it by (frames.ts walks them).
// Invariant: a step returns the next state and what to do; exactly one `finish` ends the machine, whatever comes.
// Source: RFC 6455 §5.4 (fragments), §5.5 (control frames), §7 (closing), RFC 7692 §6 (RSV1).

import { ConnectionError, type Code as ErrorCode } from '../errors.ts';
import { type Header, OPCODE } from './frames.ts';

/** `open`; `closing` we said close and theirs is awaited; `closed` both are said, or `failed` the peer broke the
 *  protocol and was told: the end of the socket is awaited; `done`. */
export type WsState =
  | { readonly name: 'open'; readonly message: Fragments | undefined; readonly control: Control }
  | { readonly name: 'closing' }
  | { readonly name: 'closed'; readonly end: End }
  | { readonly name: 'failed'; readonly end: End }
  | { readonly name: 'done' };

/** A message that comes in fragments, so far. */
interface Fragments {
  readonly text: boolean;
  readonly compressed: boolean;
  readonly count: number;
  readonly bytes: number;
}

/** Control frames that nobody asked for, in the second that began at `since` ms. */
interface Control {
  readonly since: number;
  readonly count: number;
}

/** How it ended. */
interface End {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly error: ConnectionError | undefined;
}

export type WsCommand =
  | { readonly type: 'pong'; readonly payload: Uint8Array }
  // a part of a message, not the last
  | { readonly type: 'collect'; readonly payload: Uint8Array }
  // the last part, or all of it
  | {
      readonly type: 'deliver';
      readonly text: boolean;
      readonly compressed: boolean;
      readonly payload: Uint8Array;
    }
  // a Close frame; without a code it has no payload
  | { readonly type: 'close'; readonly code: number | undefined; readonly reason: string }
  // the peer is to end the socket now: wait for it, bounded
  | { readonly type: 'awaitEnd' }
  | { readonly type: 'finish'; readonly end: End };

export interface WsStep {
  readonly state: WsState;
  readonly commands: readonly WsCommand[];
}

export interface WsLimits {
  readonly maxPayload: number;
  readonly maxFragments: number;
  /** permessage-deflate was agreed on. */
  readonly deflate: boolean;
}

/** Most control frames a second that nobody asked for. */
export const MOST_CONTROL = 1_000;

/** The state after the opening handshake. */
export const OPEN: WsState = { name: 'open', message: undefined, control: { since: 0, count: 0 } };

/** Judges a header before its payload has come: what is not allowed need not be waited for. */
export function judge(state: WsState, header: Header, limits: WsLimits): ConnectionError | undefined {
  const { fin, rsv, opcode, masked, length, lengthBits } = header;
  // RFC 6455 §5.1: "A client MUST close a connection if it detects a masked frame."
  if (masked) return broken('the server sent a masked frame');
  const control = opcode >= OPCODE.close;
  if (opcode > OPCODE.pong || (opcode > OPCODE.binary && !control))
    return broken(`the server sent opcode ${opcode}`);
  const inflates = limits.deflate && (opcode === OPCODE.text || opcode === OPCODE.binary);
  if ((rsv & ~(inflates ? 4 : 0)) !== 0)
    return broken(`the server set reserved bits ${rsv.toString(2).padStart(3, '0')}`);
  // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length".
  if ((lengthBits === 16 && length < 126) || (lengthBits === 64 && length < 65_536)) {
    return broken(`the server wrote length ${length} in ${lengthBits} bits`);
  }
  if (control) {
    if (!fin) return broken('the server fragmented a control frame');
    if (length > 125) return broken(`the server sent a control frame of ${length} bytes, the most is 125`);
    return undefined;
  }
  if (length > limits.maxPayload) return tooBig(`a message exceeds maxPayload (${limits.maxPayload} bytes)`);
  if (state.name !== 'open') return undefined; // Dropped, whatever it is.
  const { message } = state;
  if (opcode === OPCODE.continuation && !message)
    return broken('the server continued a message that had not begun');
  if (opcode !== OPCODE.continuation && message) return broken('the server began a message within another');
  const bytes = (message?.bytes ?? 0) + length;
  if (bytes > limits.maxPayload) return tooBig(`a message exceeds maxPayload (${limits.maxPayload} bytes)`);
  if ((message?.count ?? 0) + 1 > limits.maxFragments && !(fin && !message)) {
    return tooBig(`a message exceeds maxFragments (${limits.maxFragments})`);
  }
  return undefined;
}

/** A whole frame that `judge` has let pass. `expected`: a pong that answers a ping of ours. `now` in ms. */
export function received(
  state: WsState,
  header: Header,
  payload: Uint8Array,
  { now, expected }: { readonly now: number; readonly expected: boolean },
): WsStep {
  const { opcode } = header;
  if (state.name === 'done' || state.name === 'closed' || state.name === 'failed')
    return { state, commands: [] };
  if (opcode === OPCODE.close) return closeReceived(state, payload);
  // RFC 6455 §5.5.1: after we have sent Close nothing we get matters but the peer's own.
  if (state.name === 'closing') return { state, commands: [] };
  if (opcode < OPCODE.close) return dataReceived(state, header, payload);
  if (expected) return { state, commands: [] };
  const second = now - state.control.since >= 1_000;
  const control = { since: second ? now : state.control.since, count: second ? 1 : state.control.count + 1 };
  if (control.count > MOST_CONTROL) {
    return failed(state, flood(`the server sent more than ${MOST_CONTROL} control frames within a second`));
  }
  return {
    state: { ...state, control },
    commands: opcode === OPCODE.ping ? [{ type: 'pong', payload }] : [],
  };
}

/** Our side closes. */
export function close(state: WsState, code: number, reason: string): WsStep {
  if (state.name !== 'open') return { state, commands: [] };
  return { state: { name: 'closing' }, commands: [{ type: 'close', code, reason }, { type: 'awaitEnd' }] };
}

/** The peer broke the protocol, in what these frames mean or in what they carry: it is told with the right code, and
 *  no message comes after it. `error.reason` is that code. */
export function failed(state: WsState, error: ConnectionError): WsStep {
  if (state.name !== 'open' && state.name !== 'closing') return { state, commands: [] };
  const end = abnormal(error);
  const code = typeof error.reason === 'number' ? error.reason : 1002;
  const told: WsCommand[] = state.name === 'open' ? [{ type: 'close', code, reason: '' }] : [];
  return { state: { name: 'failed', end }, commands: [...told, { type: 'awaitEnd' }] };
}

/** The socket has ended, or was lost with an error, or we give up on it. */
export function ended(state: WsState, error: ConnectionError | undefined): WsStep {
  switch (state.name) {
    case 'done':
      return { state, commands: [] };
    case 'closed':
    case 'failed':
      return finish(state.end);
    case 'closing':
      return finish(abnormal(undefined));
    case 'open':
      return finish(abnormal(error ?? lost('the server ended the connection without a closing handshake')));
    default:
      return state satisfies never;
  }
}

function closeReceived(state: WsState & { name: 'open' | 'closing' }, payload: Uint8Array): WsStep {
  const parsed = parseClose(payload);
  if (parsed instanceof ConnectionError) return failed(state, parsed);
  const { code, reason } = parsed;
  const end: End = { code: code ?? 1005, reason, wasClean: true, error: undefined };
  // RFC 6455 §5.5.1: "MUST send a Close frame in response": the code is echoed, the reason is not.
  const echo: WsCommand[] = state.name === 'open' ? [{ type: 'close', code, reason: '' }] : [];
  return { state: { name: 'closed', end }, commands: [...echo, { type: 'awaitEnd' }] };
}

/** The payload of a Close frame of ours. */
export function closePayload(code: number | undefined, reason: string): Uint8Array {
  if (code === undefined) return new Uint8Array(0);
  const payload = new Uint8Array(Buffer.from(`  ${reason}`));
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  return payload;
}

/** The payload of a Close frame. Source: RFC 6455 §5.5.1, §7.4. */
function parseClose(payload: Uint8Array): { code: number | undefined; reason: string } | ConnectionError {
  if (payload.length === 0) return { code: undefined, reason: '' };
  if (payload.length === 1) return broken('the server sent a Close frame with half a code');
  const code = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
  const defined = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
  if (!defined && !(code >= 3000 && code <= 4999)) return broken(`the server closed with code ${code}`);
  try {
    return { code, reason: UTF8.decode(payload.subarray(2)) };
  } catch {
    return notUtf8('the server closed with a reason that is not UTF-8'); // TextDecoder has nothing more to tell.
  }
}
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function dataReceived(state: WsState & { name: 'open' }, header: Header, payload: Uint8Array): WsStep {
  const { message } = state;
  const text = message ? message.text : header.opcode === OPCODE.text;
  const compressed = message ? message.compressed : (header.rsv & 4) !== 0;
  if (header.fin) {
    const deliver: WsCommand = { type: 'deliver', text, compressed, payload };
    return { state: message ? { ...state, message: undefined } : state, commands: [deliver] };
  }
  const count = (message?.count ?? 0) + 1;
  const bytes = (message?.bytes ?? 0) + payload.length;
  const next: WsState = { ...state, message: { text, compressed, count, bytes } };
  return { state: next, commands: [{ type: 'collect', payload }] };
}

function finish(end: End): WsStep {
  return { state: { name: 'done' }, commands: [{ type: 'finish', end }] };
}

function abnormal(error: ConnectionError | undefined): End {
  return { code: 1006, reason: '', wasClean: false, error };
}

function faulty(code: ErrorCode, message: string, closeCode: number): ConnectionError {
  return new ConnectionError(code, message, { phase: 'protocol', reason: closeCode });
}

function broken(message: string): ConnectionError {
  return faulty('ERR_GUNPORT_PROTOCOL', message, 1002);
}

/** A text, or the reason of a Close, is not UTF-8. */
export function notUtf8(message = 'the server sent a text that is not UTF-8'): ConnectionError {
  return faulty('ERR_GUNPORT_UTF8', message, 1007);
}

/** A message is larger than the user allows. */
export function tooBig(message: string): ConnectionError {
  return faulty('ERR_GUNPORT_TOO_BIG', message, 1009);
}

/** What was compressed cannot be inflated. */
export function notDeflate(message: string): ConnectionError {
  return faulty('ERR_GUNPORT_PROTOCOL', message, 1007);
}

function flood(message: string): ConnectionError {
  return faulty('ERR_GUNPORT_FLOOD', message, 1008);
}

/** The socket is gone, or as good as gone. */
export function lost(message: string): ConnectionError {
  return new ConnectionError('ERR_GUNPORT_CLOSED', message);
}
