// httpsettings — options of HTTP and of single requests become plain data: checked at once, complete, ready to be posted.
// Called by settings.ts for a connection, by connection.ts and roads.ts for each request, before anything is sent.
// Invariant: what was checked is what is sent: every value is coerced to a string once, before it is looked at. Method,
// path, header names and values can never carry a line of their own.
// Source: Gun's http_opts(), http2_opts(), req_opts(); RFC 9110 §5, §9.1; RFC 9112 §11.1 (response splitting).

import { MessagePort } from 'node:worker_threads';
import {
  checkSignal,
  flag,
  type Given,
  headerList,
  integer,
  isToken,
  LONGEST,
  moduleReference,
  oneOf,
  own,
} from './checks.ts';
import { CONTENT_OPTIONS, checkContent } from './contentsettings.ts';
import { describe, OptionError } from './errors.ts';
import type { ContentSettings, HttpSettings, RequestSettings, Spoken, Timeouts } from './httpwire.ts';
import type { BodyPart, RequestOptions } from './options.ts';
import { checkPath } from './target.ts';
import type { HttpVersion } from './types.ts';
import type { Settings, WsSettings } from './wire.ts';

const TIMEOUTS = ['requestTimeout', 'headersTimeout', 'idleTimeout', 'continueTimeout'] as const;

/** The names in HttpOptions. @internal */
export const HTTP_OPTIONS: readonly string[] = [
  ...TIMEOUTS,
  ...CONTENT_OPTIONS,
  'protocols',
  'httpVersion',
  'pipelining',
  'maxTrailerSize',
  'transformHeaderName',
  'push',
  'maxConcurrentPushes',
  'streamWindow',
  'connectionWindow',
  'settingsTimeout',
  'keepaliveTolerance',
  'cookieIgnoreInformational',
];

const STANDARD: Timeouts = {
  requestTimeout: 0,
  headersTimeout: 300_000,
  idleTimeout: 300_000,
  continueTimeout: 1_000,
};

/** Options of a connection's HTTP; what it speaks was checked with the road to it.
 *  @throws {OptionError} naming the option and the value. @internal */
export function checkHttp(given: Given, protocols: readonly Spoken[], ws: WsSettings): HttpSettings {
  const window = (name: string, standard: number) => integer(given, name, standard, [65_535, LONGEST]);
  return {
    protocols,
    headers: lowerNames(ws.headers),
    version: oneOf<HttpVersion>(given, 'httpVersion', ['1.1', '1.0']),
    pipelining:
      given['pipelining'] === Infinity ? Infinity : integer(given, 'pipelining', Infinity, [1, LONGEST]),
    maxTrailerSize: integer(given, 'maxTrailerSize', 10_000, [1, LONGEST]),
    transformHeaderName: moduleReference(given['transformHeaderName'], 'transformHeaderName'),
    push: flag(given, 'push', false),
    maxConcurrentPushes: integer(given, 'maxConcurrentPushes', 100, [0, LONGEST]),
    streamWindow: window('streamWindow', 1_048_576),
    connectionWindow: window('connectionWindow', 16_777_216),
    settingsTimeout: integer(given, 'settingsTimeout', 5_000, [1, LONGEST]),
    keepalive: given['keepalive'] === undefined || ws.keepalive === 0 ? undefined : ws.keepalive,
    keepaliveTolerance: integer(given, 'keepaliveTolerance', 0, [0, 1_000]),
    cookieIgnoreInformational: flag(given, 'cookieIgnoreInformational', false),
    flow: ws.flow,
    timeouts: checkTimeouts(given, STANDARD),
    content: checkContent(given),
  };
}

function checkTimeouts(given: Given, base: Timeouts): Timeouts {
  const time = (name: keyof Timeouts) => integer(given, name, base[name], [0, LONGEST]);
  return {
    requestTimeout: time('requestTimeout'),
    headersTimeout: time('headersTimeout'),
    idleTimeout: time('idleTimeout'),
    continueTimeout: time('continueTimeout'),
  };
}

// ── one request ─────────────────────────────────────────────────────────────────────────────────────────────

/** What a request comes down to: what is posted, and what stays with its owner. @internal */
export interface CheckedRequest {
  readonly request: RequestSettings;
  readonly replyTo: MessagePort | undefined;
  readonly signal: AbortSignal | undefined;
  /** Bytes of body that the head has promised; undefined: it says nothing of them. */
  readonly declared: number | undefined;
  /** The stream of the tunnel that it goes through. */
  readonly tunnel: number | undefined;
}

/** How a method deals with its body: `none` may have none, `whole` has all of it at once, `follows` never has,
 *  `either` decides by whether one was given. */
export type BodyKind = 'none' | 'whole' | 'follows' | 'either';

const REQUEST_OPTIONS: ReadonlySet<string> = new Set([
  ...TIMEOUTS,
  ...CONTENT_OPTIONS,
  'headers',
  'body',
  'trailers',
  'flow',
  'replyTo',
  'signal',
  'tunnel',
]);

/** Fields that the framing and the target decide on. RFC 9110 §6.5.1, RFC 9113 §8.2.2. @internal */
export const NOT_GIVEN: ReadonlySet<string> = new Set(['transfer-encoding', 'content-length', 'host']);
const NONE: ReadonlySet<string> = new Set();

/** Checks a request. @throws {OptionError} naming the option and the value. @internal */
export function checkRequest(
  method: unknown,
  path: unknown,
  options: RequestOptions | undefined,
  kind: BodyKind,
  settings: Settings,
): CheckedRequest {
  const verb = checkMethod(method);
  const target = path === '*' && verb === 'OPTIONS' ? '*' : checkPath(path);
  if (options === undefined && kind !== 'follows' && kind !== 'either') {
    const request = { method: verb, path: target, headers: [] };
    return { request, replyTo: undefined, signal: undefined, declared: undefined, tunnel: undefined };
  }
  const given = own(options, REQUEST_OPTIONS, '');
  const headers = checkHeaders(given['headers']);
  const body = given['body'] === undefined ? undefined : bytesOf(given['body'], 'body');
  if (body && (kind === 'none' || kind === 'follows')) {
    throw new OptionError(`${verb} takes no body here, got ${body.byteLength} bytes`);
  }
  const streamed = kind === 'follows' || (kind === 'either' && body === undefined);
  const trailers = given['trailers'] === undefined ? undefined : checkTrailers(given['trailers']);
  if (trailers && !body) throw new OptionError('trailers must come with a body');
  const { timeouts } = settings.http;
  const particular = TIMEOUTS.some((name) => given[name] !== undefined)
    ? checkTimeouts(given, timeouts)
    : undefined;
  const { flow } = given;
  return {
    request: {
      method: verb,
      path: target,
      headers,
      ...(body && { body }),
      ...(streamed && { streamed }),
      ...(trailers && { trailers }),
      ...(particular && { timeouts: particular }),
      ...(flow !== undefined && { flow: checkCount(given, 'flow') }),
      ...checkOwnContent(given, settings.http.content),
    },
    replyTo: checkReplyTo(given['replyTo']),
    signal: checkSignal(given['signal']),
    declared: streamed ? declaredLength(headers) : undefined,
    tunnel: checkTunnelReference(given['tunnel']),
  };
}

/** Where it has handlers of its own, or another bound. */
function checkOwnContent(given: Given, base: ContentSettings | undefined): { content?: ContentSettings } {
  if (CONTENT_OPTIONS.every((name) => given[name] === undefined)) return {};
  const content = checkContent(given, base);
  return content ? { content } : {};
}

/** Request headers as name in lower case, value, … `owned` and `option` as of headerList. @throws {OptionError} @internal */
export function checkHeaders(
  value: unknown,
  owned: ReadonlySet<string> = NONE,
  option = 'headers',
): readonly string[] {
  return lowerNames(headerList(value, owned, option));
}

/** A count of messages that is there. @throws {OptionError} @internal */
export function checkCount(given: Given, name: string): number {
  return integer(given, name, 1, [1, Number.MAX_SAFE_INTEGER]);
}

/** The stream of a tunnel, by its id; whether it is one is for its owner to say. @throws {OptionError} @internal */
export function checkTunnelReference(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  // A stream has its id from its class: it is no property of its own.
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  if (typeof id === 'number' && Number.isInteger(id) && id > 0) return id;
  throw new OptionError(`tunnel must be a stream of connect(), got ${describe(value)}`);
}

/** Trailer fields as name, value, … @throws {OptionError} @internal */
export function checkTrailers(value: unknown): readonly string[] {
  // RFC 9110 §6.5.1: not what is "necessary for message framing", or routing.
  return lowerNames(headerList(value, NOT_GIVEN));
}

/** The bytes of a body, copied: they can be moved. @throws {OptionError} @internal */
export function bytesOf(value: unknown, name: string): Uint8Array<ArrayBuffer> {
  if (typeof value === 'string') return new TextEncoder().encode(value);
  // What is BodyPart and no string is a buffer or a view of one; anything else is an error here.
  const part = value as Exclude<BodyPart, string>;
  if (ArrayBuffer.isView(part)) {
    return new Uint8Array(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  }
  if (part instanceof ArrayBuffer || part instanceof SharedArrayBuffer) {
    return new Uint8Array(new Uint8Array(part));
  }
  throw new OptionError(`${name} must be a string, an ArrayBuffer or a view of one, got ${describe(value)}`);
}

function checkMethod(method: unknown): string {
  const text = typeof method === 'string' ? method : '';
  // RFC 9110 §9.1: a token. CONNECT makes a tunnel: another call's business.
  if (!isToken(text))
    throw new OptionError(`method must be a token (RFC 9110 §9.1), got ${describe(method)}`);
  if (text === 'CONNECT') throw new OptionError('method must not be CONNECT: it makes a tunnel');
  return text;
}

function lowerNames(list: readonly string[]): readonly string[] {
  return list.map((item, i) => (i % 2 === 0 ? item.toLowerCase() : item));
}

/** A port, or none. @throws {OptionError} @internal */
export function checkReplyTo(value: unknown): MessagePort | undefined {
  if (value === undefined || value instanceof MessagePort) return value;
  throw new OptionError(`replyTo must be a MessagePort, got ${describe(value)}`);
}

function declaredLength(headers: readonly string[]): number | undefined {
  const lengths = headers.filter((_, i) => i % 2 === 1 && headers[i - 1] === 'content-length');
  const [length] = lengths;
  if (length === undefined) return undefined;
  if (lengths.length > 1 || !/^\d{1,15}$/.test(length)) {
    throw new OptionError(`headers.content-length must be one number of bytes, got ${describe(lengths)}`);
  }
  return Number(length);
}
