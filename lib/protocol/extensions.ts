// extensions — permessage-deflate: what is offered, and what an answer makes of it.
// Called by handshake.ts.
// Invariant: nothing is used that was not offered or that RFC 7692 does not let a server add; names and parameters of
// the peer live in null-prototype objects, and no regular expression reads them.
// Source: RFC 6455 §9.1 (grammar), RFC 7692 §7.1 (parameters).

import { isToken, isTokenCode } from '../checks.ts';
import { ConnectionError, describe } from '../errors.ts';
import type { CompressSettings } from '../wire.ts';

/** permessage-deflate as both sides have agreed on it. */
export interface Negotiated {
  /** The server forgets its window after each message. */
  readonly serverNoContextTakeover: boolean;
  /** We must forget ours. */
  readonly clientNoContextTakeover: boolean;
  /** Base-2 logarithm of the server's window, 8 to 15. */
  readonly serverMaxWindowBits: number;
  /** Of ours, 9 to 15. */
  readonly clientMaxWindowBits: number;
}

/** One extension of a Sec-WebSocket-Extensions header; a parameter without value is `true`. @internal */
export interface Extension {
  readonly name: string;
  readonly parameters: Readonly<Record<string, string | true>>;
}

const NAME = 'permessage-deflate';

/** The value of Sec-WebSocket-Extensions in the request, or undefined to send none. */
export function offerExtensions(compress: CompressSettings | undefined): string | undefined {
  if (!compress) return undefined;
  const parts = [NAME];
  if (compress.serverNoContextTakeover) parts.push('server_no_context_takeover');
  if (compress.clientNoContextTakeover) parts.push('client_no_context_takeover');
  if (compress.serverMaxWindowBits < 15) parts.push(`server_max_window_bits=${compress.serverMaxWindowBits}`);
  // RFC 7692 §7.1.2.2: without a value it says that we understand the parameter.
  const bits = compress.clientMaxWindowBits;
  parts.push(bits < 15 ? `client_max_window_bits=${bits}` : 'client_max_window_bits');
  return parts.join('; ');
}

/** What an answer's Sec-WebSocket-Extensions comes to: nothing, permessage-deflate, or the error that ends the handshake. */
export function negotiate(
  header: string | undefined,
  compress: CompressSettings | undefined,
): Negotiated | undefined | ConnectionError {
  if (header === undefined) return undefined;
  if (!compress) return refuse(`sent ${describe(header)}, nothing was offered`);
  const list = parseExtensions(header);
  if (!list) return refuse(`cannot be read: ${describe(header)}`);
  const [first, ...others] = list;
  if (!first || first.name !== NAME) return refuse(`has ${describe(first?.name)}, which was not offered`);
  if (others.length > 0)
    return refuse(`has ${describe(others[0]?.name)} after ${NAME}, which was offered alone`);
  return accept(first.parameters, compress);
}

/** Parses the header; undefined when it breaks the grammar. @internal */
export function parseExtensions(header: string): readonly Extension[] | undefined {
  const cursor: Cursor = { text: header, at: 0 };
  const list: Extension[] = [];
  do {
    const name = readToken(cursor);
    if (name === undefined) return undefined;
    const parameters = readParameters(cursor);
    if (!parameters) return undefined;
    list.push({ name, parameters });
  } while (take(cursor, ','));
  return cursor.at === header.length ? list : undefined;
}

interface Cursor {
  readonly text: string;
  at: number;
}

function readParameters(cursor: Cursor): Record<string, string | true> | undefined {
  const parameters: Record<string, string | true> = Object.create(null);
  while (take(cursor, ';')) {
    const name = readToken(cursor);
    // RFC 7692 §7.1: "MUST decline … if … contains multiple extension parameters with the same name".
    if (name === undefined || name in parameters) return undefined;
    if (!take(cursor, '=')) {
      parameters[name] = true;
      continue;
    }
    skipSpace(cursor);
    const value = cursor.text[cursor.at] === '"' ? readQuoted(cursor) : readToken(cursor);
    if (value === undefined) return undefined;
    parameters[name] = value;
  }
  return parameters;
}

function readToken(cursor: Cursor): string | undefined {
  skipSpace(cursor);
  const from = cursor.at;
  while (cursor.at < cursor.text.length && isTokenCode(cursor.text.charCodeAt(cursor.at))) cursor.at++;
  if (cursor.at === from) return undefined;
  return cursor.text.slice(from, cursor.at);
}

/** RFC 6455 §9.1: a quoted value "MUST conform to the token ABNF" once it is unescaped. */
function readQuoted(cursor: Cursor): string | undefined {
  let value = '';
  cursor.at++;
  while (cursor.at < cursor.text.length) {
    const letter = cursor.text[cursor.at++];
    if (letter === '"') return isToken(value) ? value : undefined;
    value += letter === '\\' ? (cursor.text[cursor.at++] ?? '') : letter;
  }
  return undefined;
}

function take(cursor: Cursor, letter: string): boolean {
  skipSpace(cursor);
  if (cursor.text[cursor.at] !== letter) return false;
  cursor.at++;
  return true;
}

function skipSpace(cursor: Cursor): void {
  while (cursor.text[cursor.at] === ' ' || cursor.text[cursor.at] === '\t') cursor.at++;
}

function accept(
  parameters: Extension['parameters'],
  compress: CompressSettings,
): Negotiated | ConnectionError {
  let { clientNoContextTakeover, clientMaxWindowBits } = compress;
  let serverNoContextTakeover = false;
  let serverMaxWindowBits: number | undefined;
  for (const [name, value] of Object.entries(parameters)) {
    switch (name) {
      // RFC 7692 §7.1.1: a server may add either of the two without having been asked.
      case 'server_no_context_takeover':
        if (value !== true) return badValue(name, value);
        serverNoContextTakeover = true;
        break;
      case 'client_no_context_takeover':
        if (value !== true) return badValue(name, value);
        clientNoContextTakeover = true;
        break;
      case 'server_max_window_bits': {
        const bits = windowBits(value);
        if (bits === undefined || bits > compress.serverMaxWindowBits) return badValue(name, value);
        serverMaxWindowBits = bits;
        break;
      }
      case 'client_max_window_bits': {
        const bits = windowBits(value);
        // zlib has no raw deflate with a window of 8 bits: it would quietly use 9, which the server cannot follow.
        if (bits === undefined || bits < 9 || bits > compress.clientMaxWindowBits)
          return badValue(name, value);
        clientMaxWindowBits = bits;
        break;
      }
      default:
        return refuse(`has the unknown parameter ${describe(name)}`);
    }
  }
  // RFC 7692 §7.1.1.1 and §7.1.2.1: accepted "by including" the parameter in the answer; left out, it was not kept to.
  if (compress.serverNoContextTakeover && !serverNoContextTakeover)
    return missing('server_no_context_takeover');
  if (compress.serverMaxWindowBits < 15 && serverMaxWindowBits === undefined)
    return missing('server_max_window_bits');
  serverMaxWindowBits ??= 15;
  return { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits };
}

/** RFC 7692 §7.1.2: "a decimal integer value without leading zeroes between 8 to 15, inclusive". */
function windowBits(value: string | true): number | undefined {
  const index = ['8', '9', '10', '11', '12', '13', '14', '15'].indexOf(String(value));
  return index === -1 ? undefined : index + 8;
}

function badValue(name: string, value: string | true): ConnectionError {
  return refuse(`has ${name} with ${value === true ? 'no value' : describe(value)}`);
}

function missing(name: string): ConnectionError {
  return refuse(`lacks ${name}, which was asked for`);
}

function refuse(what: string): ConnectionError {
  return new ConnectionError('ERR_GUNPORT_HANDSHAKE', `Sec-WebSocket-Extensions ${what}`, {
    phase: 'upgrade',
  });
}
