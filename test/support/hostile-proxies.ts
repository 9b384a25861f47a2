// hostile-proxies — answers to CONNECT that are no tunnel, and odd ones that are, as tables.
// Driven by test/tunnels/proxy-hostile.test.ts.
// Invariant: behind such an answer the proxy says nothing more and keeps the connection open, unless it is said that it
// ends it. Source: RFC 9110 §9.3.6, §15.2; RFC 9112 §6.3.

import type { Talk } from './origin.ts';

/** A refusal: it has a status. */
export interface Refusal {
  readonly status: number;
  readonly answer: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function refusal(line: string, headers: Readonly<Record<string, string>>, body: string): Refusal {
  const all = { ...headers, 'content-length': String(body.length) };
  const fields = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = `HTTP/1.1 ${line}\r\n${fields.join('')}\r\n${body}`;
  return { status: Number(line.slice(0, 3)), answer, headers: all, body };
}

export const REFUSALS: readonly Refusal[] = [
  refusal('407 Proxy Authentication Required', { 'proxy-authenticate': 'Basic realm="way"' }, 'Who are you?'),
  refusal('302 Found', { location: 'http://login.example/' }, 'Sign in first'),
  refusal('403 Forbidden', {}, ''),
  refusal('500 Internal Server Error', { 'retry-after': '3' }, 'oh'),
  refusal('502 Bad Gateway', {}, 'nobody is there'),
  refusal('304 Not Modified', {}, ''),
];

/** An answer that is a tunnel all the same. */
export const ODD_TUNNELS: readonly { readonly name: string; readonly answer: string }[] = [
  { name: 'is 200 and nothing more', answer: 'HTTP/1.1 200 OK\r\n\r\n' },
  { name: 'is 204', answer: 'HTTP/1.1 204 No Content\r\n\r\n' },
  { name: 'is 299', answer: 'HTTP/1.1 299 Whatever\r\n\r\n' },
  { name: 'has no reason', answer: 'HTTP/1.1 200\r\n\r\n' },
  {
    name: 'comes behind 100 and 103',
    answer: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
  },
  { name: 'has a content-length, which is ignored', answer: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n' },
  {
    name: 'has a transfer-encoding, which is ignored',
    answer: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
  },
  { name: 'is of HTTP/1.0', answer: 'HTTP/1.0 200 Connection established\r\n\r\n' },
  {
    name: 'says that it closes',
    answer: 'HTTP/1.0 200 Connection established\r\nconnection: close\r\nproxy-agent: odd\r\n\r\n',
  },
];

/** What is no answer. */
export interface Broken {
  readonly name: string;
  readonly script: (talk: Talk) => unknown;
}

const says =
  (bytes: string, end?: 'end' | 'reset') =>
  async (talk: Talk): Promise<void> => {
    await talk.request();
    await talk.write(bytes);
    if (end === 'end') talk.end();
    if (end === 'reset') talk.reset();
  };

export const BROKEN: readonly Broken[] = [
  { name: 'sends garbage', script: says('\x05\x00\x05\x00garbage'.repeat(1_000)) },
  { name: 'sends a line that is no status line', script: says('HTTP/9.9 200 OK\r\n\r\n') },
  { name: 'closes at once', script: (talk) => talk.end() },
  { name: 'closes when it is asked', script: says('', 'end') },
  { name: 'resets when it is asked', script: says('', 'reset') },
  { name: 'closes within the status line', script: says('HTTP/1.1 20', 'end') },
  { name: 'closes within the head', script: says('HTTP/1.1 200 OK\r\nvia: 1.1 a', 'end') },
  { name: 'resets within the head', script: says('HTTP/1.1 200 OK\r\nvia: 1.1 a', 'reset') },
  { name: 'closes behind an interim answer', script: says('HTTP/1.1 100 Continue\r\n\r\n', 'end') },
  { name: 'sends a huge head', script: says(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(1_000_000)}\r\n\r\n`) },
  { name: 'switches protocols', script: says('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n') },
];

export const SILENT: readonly Broken[] = [
  { name: 'before its answer', script: says('') },
  { name: 'within its answer', script: says('HTTP/1.1 200 OK\r\nvia: 1.1 a') },
  { name: 'behind an interim answer', script: says('HTTP/1.1 100 Continue\r\n\r\n') },
];

/** Reads a CONNECT, and says what is given for it. */
export async function connected(talk: Talk, answer: string = 'HTTP/1.1 200 OK\r\n\r\n'): Promise<string> {
  const { method, path } = await talk.request();
  if (method !== 'CONNECT') throw new Error(`a request for ${method} ${path} came`);
  await talk.write(answer);
  return path;
}
