// http1 — what an HTTP/1 request looks like on the wire: its head, the frames of a chunked body, its trailers.
// Called by workers/http1/driver.ts and http1/sending.ts, which own bytes, order and time. Reading answers is workers/http1/llhttp.ts.
// Invariant: one framing: Content-Length or chunked, never both, and what a user says of Transfer-Encoding is not sent.
// Names and values were checked when they were given; names that a user's function made are checked here.
// Source: RFC 9112 §3, §6, §7; RFC 9110 §8.6; gun_http's request_io_from_headers and transform_header_names.

import { isToken, mergeHeaders } from '../checks.ts';
import { describe, OptionError, StreamError } from '../errors.ts';
import type { HttpSettings, RequestSettings } from '../httpwire.ts';
import type { Settings } from '../wire.ts';

/** How a request's body is told from what follows it. */
type Framing = 'none' | 'length' | 'chunked';

/** A request's head, ready for the wire, and what follows from it. */
export interface RequestHead {
  /** Latin1, with the empty line. */
  readonly text: string;
  readonly framing: Framing;
  /** Bytes of body that were promised, where framing is 'length'. */
  readonly length: number;
  /** The server is asked whether it wants the body. */
  readonly expects: boolean;
  /** The connection ends with the answer. */
  readonly closes: boolean;
  /** The server may answer by taking the connection for something else: nothing stands beside it. */
  readonly alone: boolean;
}

/** What of a connection's settings a head depends on. */
export interface HeadSettings extends Pick<Settings, 'authority'> {
  readonly http: Pick<HttpSettings, 'headers' | 'version'>;
}

/** From a name in lower case to the name on the wire. */
export type NameTransform = (name: string) => unknown;

/** RFC 9110 §9.3: methods whose content "has no generally defined semantics"; without a body they say nothing of one. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE', 'CONNECT']);

/** Lays out a head. @throws {StreamError} for what HTTP/1.0 cannot send.
 *  @throws {OptionError} when `transform` throws, or gives what is no token. */
export function layoutHead(
  request: RequestSettings,
  { authority, http }: HeadSettings,
  transform?: NameTransform,
): RequestHead {
  const headers = mergeHeaders(http.headers, request.headers);
  // RFC 9112 §3.2: "an identical field value" to the authority that a request for a tunnel names.
  let host = request.method === 'CONNECT' ? request.path : authority;
  let fields = '';
  let declared: string | undefined;
  let expects = false;
  let closes = http.version === '1.0';
  let alone = request.method === 'CONNECT';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const value = headers[i + 1] ?? '';
    if (name === 'host') host = value;
    else if (name === 'content-length') declared = value;
    else if (name !== 'transfer-encoding') {
      fields += field(name, value, transform);
      if (name === 'expect') expects ||= value.toLowerCase() === '100-continue';
      else if (name === 'connection') closes ||= lists(value, 'close');
      else if (name === 'upgrade') alone = true;
    }
  }
  const { framing, length } = framingOf(request, declared);
  if (framing === 'chunked') {
    // RFC 9112 §6.1: "A client MUST NOT send a request containing Transfer-Encoding unless it knows the server will
    // handle HTTP/1.1 requests".
    if (http.version === '1.0') throw new StreamError('ERR_GUNPORT_BAD_STATE', NOT_CHUNKED);
    fields += field('transfer-encoding', 'chunked', transform);
  } else if (framing === 'length') fields += field('content-length', String(length), transform);
  const line = `${request.method} ${request.path} HTTP/${http.version}\r\n`;
  return {
    text: `${line}${field('host', host, transform)}${fields}\r\n`,
    framing,
    length,
    expects,
    closes,
    alone,
  };
}

const NOT_CHUNKED =
  'a body of unknown length, or with trailers, cannot be sent by HTTP/1.0; it needs a content-length';

function framingOf(
  { method, body, streamed, trailers }: RequestSettings,
  declared: string | undefined,
): Pick<RequestHead, 'framing' | 'length'> {
  if (streamed) {
    return declared === undefined
      ? { framing: 'chunked', length: 0 }
      : { framing: 'length', length: Number(declared) };
  }
  if (trailers && trailers.length > 0) return { framing: 'chunked', length: 0 };
  const length = body?.length ?? 0;
  // RFC 9110 §8.6: "A user agent SHOULD send Content-Length in a request when the method defines a meaning for
  // enclosed content".
  return { framing: length === 0 && WITHOUT_BODY.has(method) ? 'none' : 'length', length };
}

function field(name: string, value: string, transform: NameTransform | undefined): string {
  return `${transform ? transformed(name, transform) : name}: ${value}\r\n`;
}

function transformed(name: string, transform: NameTransform): string {
  let result: unknown;
  try {
    result = transform(name);
  } catch (cause) {
    throw new OptionError(`transformHeaderName threw for ${describe(name)}`, { cause });
  }
  if (typeof result === 'string' && isToken(result)) return result;
  throw new OptionError(
    `transformHeaderName must give a token for ${describe(name)}, got ${describe(result)}`,
  );
}

function lists(value: string, token: string): boolean {
  return value.split(',').some((item) => item.trim().toLowerCase() === token);
}

/** What an answer that switches protocols switches to, as its Upgrade header says; undefined: it is no such answer.
 *  RFC 9110 §7.8: "MUST generate an Upgrade header field", and `connection: upgrade` with it. */
export function switchedTo(rawHeaders: readonly string[]): string[] | undefined {
  if (!connectionHas(rawHeaders, 'upgrade')) return undefined;
  const protocols = rawHeaders.flatMap((value, i) =>
    i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'upgrade' ? value.split(',') : [],
  );
  const named = protocols.map((one) => one.trim()).filter((one) => one !== '');
  return named.length > 0 ? named : undefined;
}

/** What stands before the bytes of a chunk. */
export function chunkHead(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** What stands behind the last chunk: the end of the body, with its trailers. @throws {OptionError} as layoutHead does. */
export function lastChunk(trailers: readonly string[] = [], transform?: NameTransform): string {
  let text = '0\r\n';
  for (let i = 0; i < trailers.length; i += 2)
    text += field(trailers[i] ?? '', trailers[i + 1] ?? '', transform);
  return `${text}\r\n`;
}

/** Whether an answer's Connection header lists a token, in any of its fields. */
function connectionHas(rawHeaders: readonly string[], token: string): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== 'connection') continue;
    if (lists(rawHeaders[i + 1] ?? '', token)) return true;
  }
  return false;
}

/** What an answer says of its body, beside its length; `skipped`: there is none, whatever its head says. */
export interface AnswerHead {
  readonly minor: number;
  readonly rawHeaders: readonly string[];
  /** What its framing and Connection header come to, if it has a body. */
  readonly keepAlive: boolean;
}

/** Whether the connection ends with an answer. RFC 9112 §9.3. */
export function closesAfter({ minor, rawHeaders, keepAlive }: AnswerHead, skipped: boolean): boolean {
  if (keepAlive) return false;
  if (!skipped) return true;
  return minor === 0 ? !connectionHas(rawHeaders, 'keep-alive') : connectionHas(rawHeaders, 'close');
}
