// handshake — the opening of a WebSocket: the request that goes out, the head that comes back, and the verdict on it.
// Called by workers/upgrade.ts, which owns bytes and timers. Randomness comes in as the key.
// Invariant: strict and bounded: a head that two parsers could read differently is an error, each byte is looked at
// once however it was cut up, and a WebSocket is open only when every MUST of RFC 6455 §4.1 holds.
// Source: RFC 6455 §4.1, RFC 9112 §2–5.

import { hash } from 'node:crypto';
import { isTokenCode, namesIn } from '../checks.ts';
import { ConnectionError, describe } from '../errors.ts';
import type { Headers } from '../types.ts';
import type { Settings, WsSettings } from '../wire.ts';
import { type Negotiated, negotiate } from './extensions.ts';

/** "More bytes are needed", as a value. */
export const NEED_DATA: unique symbol = Symbol('NEED_DATA');

/** The head of an answer. */
export interface Head {
  readonly status: number;
  readonly version: '1.0' | '1.1';
  readonly reason: string;
  readonly headers: Headers;
  /** Name, value, name, value … as they came. */
  readonly rawHeaders: readonly string[];
  /** Where the bytes after it begin, in what parseHead was given. */
  readonly end: number;
}

/** How far parseHead has come, for the next call with more bytes. Opaque to its holder. */
export interface HeadScan {
  /** Offsets are relative to `from`. Start of the line that is not complete yet. */
  line: number;
  /** No line feed stands before this. */
  searched: number;
  /** Interim answers skipped. */
  interim: number;
  /** Their header fields. */
  informed: readonly (readonly string[])[];
  start: { status: number; version: '1.0' | '1.1'; reason: string } | undefined;
  headers: Headers;
  rawHeaders: string[];
}

/** A fresh scan, for the first call. */
export function newScan(): HeadScan {
  const fields = { headers: Object.create(null), rawHeaders: [] };
  return { line: 0, searched: 0, interim: 0, informed: [], start: undefined, ...fields };
}

/** The upgrade that was agreed on. */
export interface Agreed {
  /** The subprotocol, '' for none. */
  readonly protocol: string;
  /** The Sec-WebSocket-Extensions header, '' for none. */
  readonly extensions: string;
  readonly negotiated: Negotiated | undefined;
}

/** Most interim answers (1xx) skipped before a final one. */
const MOST_INTERIM = 8;
/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** The value of Sec-WebSocket-Key for 16 random bytes. */
export function keyOf(random: Uint8Array): string {
  return Buffer.from(random.buffer, random.byteOffset, random.byteLength).toString('base64');
}

/** The value of Sec-WebSocket-Accept that answers a key. Source: RFC 6455 §4.2.2. */
export function acceptOf(key: string): string {
  return hash('sha1', key + GUID, 'base64');
}

/** The request, ready for the socket. `extensions`: see offerExtensions. Source: RFC 6455 §4.1. */
export function requestHead(
  settings: Pick<Settings, 'authority'>,
  ws: Pick<WsSettings, 'path' | 'headers' | 'subprotocols'>,
  key: string,
  extensions: string | undefined,
): Uint8Array {
  const lines = [`GET ${ws.path} HTTP/1.1`];
  if (ws.headers.length === 0 || !namesIn(ws.headers).has('host')) lines.push(`Host: ${settings.authority}`);
  lines.push(
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
  );
  if (extensions !== undefined) lines.push(`Sec-WebSocket-Extensions: ${extensions}`);
  if (ws.subprotocols.length > 0) lines.push(`Sec-WebSocket-Protocol: ${ws.subprotocols.join(', ')}`);
  for (let i = 0; i < ws.headers.length; i += 2) lines.push(`${ws.headers[i]}: ${ws.headers[i + 1]}`);
  return new Uint8Array(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
}

/** Reads the head of an answer from bytes[from … to), skipping interim answers. To go on where it stopped, give the
 *  same bytes and more, with the same `scan`. `maxHeaderSize` is in bytes, over all heads of one request. */
export function parseHead(
  bytes: Uint8Array,
  from: number,
  to: number,
  maxHeaderSize: number,
  scan: HeadScan = newScan(),
): typeof NEED_DATA | { readonly error: ConnectionError } | Head {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from);
  const tooBig = () => broken(`answer's headers exceed maxHeaderSize (${maxHeaderSize})`);
  for (;;) {
    const feed = view.indexOf(LF, scan.searched);
    // Not HTTP at all: said at its first byte, not at a timeout; and by what may be read, so not by how it was cut.
    if (!scan.start && !beginsWell(view.subarray(0, maxHeaderSize), scan.line))
      return notHttp(view, scan.line);
    if (feed >= maxHeaderSize || (feed === -1 && view.length >= maxHeaderSize)) return tooBig();
    if (feed === -1) {
      scan.searched = view.length;
      return NEED_DATA;
    }
    // RFC 9112 §2.2 lets a recipient take a bare LF for a line's end. We do not: proxies differ on it.
    if (feed === scan.line || view[feed - 1] !== CR) return broken("answer's head has a bare line feed");
    const line = view.subarray(scan.line, feed - 1);
    scan.line = feed + 1;
    scan.searched = scan.line;
    if (line.length === 0 && scan.start) {
      const { start, headers, rawHeaders } = scan;
      if (start.status >= 200 || start.status === 101)
        return { ...start, headers, rawHeaders, end: from + scan.line };
      if (++scan.interim > MOST_INTERIM)
        return broken(`server sent more than ${MOST_INTERIM} interim answers`);
      const { line: next, interim, informed } = scan;
      const rest = { line: next, searched: next, interim, informed: [...informed, rawHeaders] };
      Object.assign(scan, newScan(), rest);
      continue;
    }
    const wrong = scan.start ? addField(line, scan) : addStatus(line, scan);
    if (wrong !== undefined) return broken(wrong);
  }
}

/** Whether an answer opens the WebSocket: what was agreed on, or the error that says why not.
 *  Not 101: ERR_GUNPORT_UPGRADE_REFUSED, whose body the caller adds (see refusal). */
export function checkUpgrade(
  head: Head,
  ws: Pick<WsSettings, 'subprotocols' | 'compress'>,
  key: string,
): Agreed | ConnectionError {
  const { headers } = head;
  // RFC 6455 §4.1, "the client MUST validate the server's response as follows", 1 to 6.
  if (head.status !== 101) return refusal(head);
  const bad = (what: string) => broken(what, head).error;
  if (head.version !== '1.1') return bad(`upgrade was answered in HTTP/${head.version}`);
  const upgrade = headers['upgrade'];
  if (typeof upgrade !== 'string' || upgrade.toLowerCase() !== 'websocket') {
    return bad(`Upgrade must be websocket, got ${describe(upgrade)}`);
  }
  if (!hasToken(headers['connection'], 'upgrade')) {
    return bad(`Connection must have upgrade, got ${describe(headers['connection'])}`);
  }
  if (headers['sec-websocket-accept'] !== acceptOf(key)) {
    return bad(
      `Sec-WebSocket-Accept does not answer the key, got ${describe(headers['sec-websocket-accept'])}`,
    );
  }
  return checkAgreed(head, ws);
}

/** What was agreed on by an answer that opens the WebSocket, whatever asked for it; or the error that says why not. */
export function checkAgreed(
  head: Head,
  ws: Pick<WsSettings, 'subprotocols' | 'compress'>,
): Agreed | ConnectionError {
  const { headers } = head;
  const bad = (what: string) => broken(what, head).error;
  const extensions = joined(headers['sec-websocket-extensions']);
  const negotiated = negotiate(extensions, ws.compress);
  if (negotiated instanceof ConnectionError) return bad(negotiated.message);
  const protocol = headers['sec-websocket-protocol'];
  if (protocol !== undefined && (typeof protocol !== 'string' || !ws.subprotocols.includes(protocol))) {
    return bad(`Sec-WebSocket-Protocol must be one that was offered, got ${describe(protocol)}`);
  }
  return { protocol: protocol ?? '', extensions: extensions ?? '', negotiated };
}

/** The error of an upgrade that was answered otherwise, with its status, headers and body. */
export function refusal(head: Head, body?: Uint8Array): ConnectionError {
  const text = `upgrade was refused with status ${head.status}${head.reason === '' ? '' : ` ${head.reason.slice(0, 100)}`}`;
  const { status, headers } = head;
  return new ConnectionError('ERR_GUNPORT_UPGRADE_REFUSED', text, {
    phase: 'upgrade',
    status,
    headers,
    body,
  });
}

/** Whether a header that lists tokens has one, in any case. @internal */
export function hasToken(header: string | readonly string[] | undefined, token: string): boolean {
  return (joined(header) ?? '').split(',').some((item) => item.trim().toLowerCase() === token);
}

function joined(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'object' ? header.join(', ') : header;
}

const BEGINNING = Buffer.from('HTTP/1.');

function beginsWell(view: Buffer, line: number): boolean {
  const length = Math.min(BEGINNING.length, view.length - line);
  return view.compare(BEGINNING, 0, length, line, line + length) === 0;
}

function notHttp(view: Buffer, line: number): { error: ConnectionError } {
  return broken(
    `answer is not HTTP/1, it begins with ${describe(view.toString('latin1', line, Math.min(view.length, line + 20)))}`,
  );
}

/** status-line = HTTP-version SP status-code SP [ reason-phrase ]. The last SP is often left out where no reason
 *  follows, and nothing is ambiguous without it. Source: RFC 9112 §4. */
function addStatus(line: Buffer, scan: HeadScan): string | undefined {
  const text = line.toString('latin1');
  const digits = text.slice(9, 12);
  const version = text.slice(5, 8);
  const fine =
    (version === '1.1' || version === '1.0') &&
    text[8] === ' ' &&
    digits.length === 3 &&
    [...digits].every((digit) => digit >= '0' && digit <= '9') &&
    digits >= '100' &&
    (text.length === 12 || text[12] === ' ') &&
    printable(line, 12);
  if (!fine) return `answer has the status line ${describe(text.slice(0, 100))}`;
  // `fine` has just compared it with both.
  scan.start = { status: Number(digits), version: version as '1.0' | '1.1', reason: text.slice(13) };
  return undefined;
}

/** field-line = field-name ":" OWS field-value OWS. Source: RFC 9112 §5. */
function addField(line: Buffer, scan: HeadScan): string | undefined {
  if (line[0] === SPACE || line[0] === TAB) return "answer's head has a folded line";
  let colon = 0;
  while (colon < line.length && isTokenCode(line[colon] ?? 0)) colon++;
  // RFC 9112 §5.1: "No whitespace is allowed between the field name and colon."
  if (colon === 0 || line[colon] !== COLON) {
    return `answer's head has the line ${describe(line.toString('latin1', 0, Math.min(line.length, 100)))}`;
  }
  const name = line.toString('latin1', 0, colon);
  if (!printable(line, colon + 1)) return `answer's header ${name.slice(0, 100)} has a control character`;
  let from = colon + 1;
  let to = line.length;
  while (from < to && (line[from] === SPACE || line[from] === TAB)) from++;
  while (to > from && (line[to - 1] === SPACE || line[to - 1] === TAB)) to--;
  const value = line.toString('latin1', from, to);
  const lower = name.toLowerCase();
  const before = scan.headers[lower];
  scan.rawHeaders.push(name, value);
  if (before === undefined) scan.headers[lower] = value;
  else if (typeof before === 'string') scan.headers[lower] = [before, value];
  else before.push(value);
  return undefined;
}

function printable(line: Buffer, from: number): boolean {
  for (let i = from; i < line.length; i++) {
    const code = line[i] ?? 0;
    if ((code < SPACE && code !== TAB) || code === 0x7f) return false;
  }
  return true;
}

function broken(what: string, head?: Head): { error: ConnectionError } {
  const details = head ? { status: head.status, headers: head.headers } : {};
  return { error: new ConnectionError('ERR_GUNPORT_HANDSHAKE', what, { phase: 'upgrade', ...details }) };
}
