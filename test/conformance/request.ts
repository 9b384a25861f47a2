// request — the opening handshake of a client, read and checked; and the right answer to it.
// Used by server.ts, and by the cases that answer otherwise.
// Source: RFC 6455 §4.1 (what a request has), §4.2.2 (what its answer has).

import { acceptFor } from '../support/peers.ts';

export interface Request {
  readonly line: string;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
}

/** Reads a head without its blank line. */
export function parseRequest(head: string): Request {
  const [line = '', ...fields] = head.split('\r\n');
  const headers = new Map<string, string[]>();
  for (const field of fields) {
    const colon = field.indexOf(':');
    const name = field.slice(0, colon).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), field.slice(colon + 1).trim()]);
  }
  return { line, headers };
}

/** What is wrong with it. Source: RFC 6455 §4.1, the twelve points on the request. */
export function faultsOf(
  { line, headers }: Request,
  { host, offers }: { host: string; offers: boolean },
): string[] {
  const faults: string[] = [];
  const one = (name: string): string => {
    const values = headers.get(name) ?? [];
    if (values.length !== 1) faults.push(`the request has ${values.length} ${name} headers`);
    return values[0] ?? '';
  };
  if (!/^GET \/\S* HTTP\/1\.1$/.test(line)) faults.push(`the request line is ${line}`);
  if (one('host') !== host) faults.push('the Host header does not name the server');
  if (one('upgrade').toLowerCase() !== 'websocket') faults.push('the Upgrade header is not websocket');
  if (!/(^|,)\s*upgrade\s*(,|$)/i.test(one('connection'))) faults.push('the Connection header lacks Upgrade');
  if (one('sec-websocket-version') !== '13') faults.push('the version is not 13');
  const key = one('sec-websocket-key');
  if (Buffer.from(key, 'base64').length !== 16 || key.length !== 24) faults.push('the key is not 16 bytes');
  const offered = headers.get('sec-websocket-extensions') ?? [];
  if (offers !== offered.length > 0) faults.push(`the request offers ${offered.join() || 'no extension'}`);
  return faults;
}

/** The accept value for a request. */
export function acceptTo({ headers }: Request): string {
  return acceptFor(headers.get('sec-websocket-key')?.[0] ?? '');
}

/** An answer of these lines. */
export function answer(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** The right answer, with these lines more. */
export function rightAnswer(request: Request, ...more: readonly string[]): Buffer {
  return answer([
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptTo(request)}`,
    ...more,
  ]);
}
