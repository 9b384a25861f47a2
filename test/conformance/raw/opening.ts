// opening — the opening handshake of the raw client: its request, and its verdict on the answer.
// Source: RFC 6455 §4.1; RFC 7692 §7.1.

import { acceptFor } from '../../support/peers.ts';
import type { ClientOptions } from '../case.ts';
import type { Agreement, Compress } from '../deflate.ts';
import type { Has } from './faults.ts';

export function requestOf(
  url: URL,
  key: string,
  { compress, subprotocols = [] }: ClientOptions,
  has: Has,
): string {
  const lines = [
    `GET ${url.pathname} HTTP/1.1`,
    `Host: ${url.host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    `Sec-WebSocket-Version: ${has('old-version') ? 8 : 13}`,
  ];
  if (subprotocols.length > 0) lines.push(`Sec-WebSocket-Protocol: ${subprotocols.join(', ')}`);
  if (compress) lines.push(`Sec-WebSocket-Extensions: ${offerOf(compress)}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function offerOf(compress: Compress): string {
  const bits = compress.clientMaxWindowBits;
  return [
    'permessage-deflate',
    ...(compress.serverNoContextTakeover ? ['server_no_context_takeover'] : []),
    ...(compress.clientNoContextTakeover ? ['client_no_context_takeover'] : []),
    ...(compress.serverMaxWindowBits ? [`server_max_window_bits=${compress.serverMaxWindowBits}`] : []),
    bits ? `client_max_window_bits=${bits}` : 'client_max_window_bits',
  ].join('; ');
}

/** What an answer comes to: permessage-deflate as agreed on, nothing, or what is wrong with it. */
export function verdictOn(
  head: string,
  key: string,
  { compress, subprotocols = [] }: ClientOptions,
  has: Has,
): Agreement | undefined | string {
  const [status = '', ...lines] = head.split('\r\n');
  if (!has('takes-status') && !/^HTTP\/1\.1 101( |$)/.test(status)) return `status line ${status}`;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(line);
    if (!match?.[1]) return `header line ${line}`;
    const name = match[1].toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? (match[2] ?? '') : `${before}, ${match[2]}`);
  }
  const tokens = (headers.get('connection') ?? '').toLowerCase().split(/[ \t]*,[ \t]*/);
  if (!has('takes-head')) {
    if (headers.get('upgrade')?.toLowerCase() !== 'websocket') return 'no Upgrade';
    if (!tokens.includes('upgrade')) return 'no Connection';
  }
  if (!has('takes-accept') && headers.get('sec-websocket-accept') !== acceptFor(key)) return 'wrong accept';
  const protocol = headers.get('sec-websocket-protocol');
  if (protocol !== undefined && !subprotocols.includes(protocol) && !has('takes-subprotocol')) {
    return `subprotocol ${protocol}`;
  }
  return agreedOn(headers.get('sec-websocket-extensions'), compress, has);
}

function agreedOn(
  header: string | undefined,
  compress: Compress | undefined,
  has: Has,
): Agreement | undefined | string {
  if (header === undefined) return undefined;
  const [name, ...parameters] = header.split(';').map((part) => part.trim());
  if (!compress || name !== 'permessage-deflate')
    return has('takes-extension') ? undefined : `extension ${header}`;
  const agreed = { serverNoContext: false, clientNoContext: false, serverBits: 15, clientBits: 15 };
  const seen = new Set<string>();
  for (const parameter of parameters) {
    const [key = '', value] = parameter.split('=');
    const fault = parameterFault(key, value?.replace(/^"(.*)"$/, '$1'), compress, agreed);
    if ((fault || seen.has(key)) && !has('takes-parameters')) return `parameter ${parameter}`;
    seen.add(key);
  }
  const lacks =
    (compress.serverNoContextTakeover && !agreed.serverNoContext) ||
    (compress.serverMaxWindowBits && !seen.has('server_max_window_bits'));
  return lacks && !has('takes-parameters') ? 'what was asked for is missing' : agreed;
}

/** Notes one parameter; true when it is not allowed. */
function parameterFault(
  key: string,
  value: string | undefined,
  compress: Compress,
  agreed: { -readonly [K in keyof Agreement]: Agreement[K] },
): boolean {
  if (key === 'server_no_context_takeover' || key === 'client_no_context_takeover') {
    agreed[key.startsWith('server') ? 'serverNoContext' : 'clientNoContext'] = true;
    return value !== undefined;
  }
  const server = key === 'server_max_window_bits';
  if (!server && key !== 'client_max_window_bits') return true;
  if (!/^([89]|1[0-5])$/.test(value ?? '')) return true;
  const bits = Number(value);
  agreed[server ? 'serverBits' : 'clientBits'] = bits;
  // zlib has no window of 8 bits for what it compresses.
  if (!server && bits === 8) return true;
  return bits > ((server ? compress.serverMaxWindowBits : compress.clientMaxWindowBits) ?? 15);
}
