// targets — the parsers of what peers say, each as one function: parts of some bytes in, all that it made of them out.
// Run at high volume by parsers.ts, without sockets and threads.
// Invariant: a target gives the same words however its bytes were cut; it throws where a place, a length or an amount
// makes no sense, so that the loop need not know what it reads.

import { constants, deflateRawSync } from 'node:zlib';
import { CookieSet } from '../../lib/cookies/cookieset.ts';
import { GunportError } from '../../lib/errors.ts';
import { placeOf, withCookies } from '../../lib/protocol/cookies.ts';
import { negotiate } from '../../lib/protocol/extensions.ts';
import { readHeader } from '../../lib/protocol/frames.ts';
import { checkUpgrade, NEED_DATA, newScan, parseHead } from '../../lib/protocol/handshake.ts';
import { FrameWatcher } from '../../lib/protocol/http2frames.ts';
import { unpacked } from '../../lib/sentevents.ts';
import type { CompressSettings } from '../../lib/wire.ts';
import { SseDecoder } from '../../workers/content/sse.ts';
import { Inflater } from '../../workers/deflate.ts';
import { AnswerParser } from '../../workers/http1/parser.ts';
import { unhex } from '../support/peers.ts';
import { ask, run, USER } from '../support/socks-machine.ts';
import { framed } from './framed.ts';

export interface Target {
  readonly name: string;
  /** What is right, to be spoilt. */
  readonly samples: readonly Buffer[];
  /** What it made of bytes that came in these parts, in words. */
  read(parts: readonly Buffer[]): string[];
}

const HEADS = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nHello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.0 200 OK\r\n\r\nrest',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzhZRbK+xOo=\r\nSec-WebSocket-Protocol: a\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));

const LIMITS = { maxHeaderSize: 2_000, maxTrailerSize: 200 };
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** @throws when it is none from 0 to `most` */
function amount(value: number, most: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > most) throw new Error(`${what}: ${value} of ${most}`);
  return value;
}

/** An error of ours, by its code. @throws any other */
function codeOf(error: unknown): string {
  if (!(error instanceof GunportError)) throw error;
  return error.code;
}

/** Pieces of a body, or of what is passed on, that follow each other are one. */
function append(words: string[], kind: string, text: string): void {
  const last = words.length - 1;
  if (words[last]?.startsWith(kind)) words[last] += text;
  else words.push(kind + text);
}

function answers(parts: readonly Buffer[]): string[] {
  const words: string[] = [];
  let part: Buffer = Buffer.alloc(0);
  const parser = new AnswerParser(
    {
      begin: () => words.push('begin') > 0,
      head: ({ status, rawHeaders, length }) => {
        words.push(`head ${amount(status, 999, 'status')} ${rawHeaders.join('|')}`);
        // Above what a number can say exactly it is not counted by.
        if (length !== undefined)
          amount(Math.min(length, Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER, 'length');
        return status === 101 ? 'switch' : status < 200 || status === 204 ? 'none' : 'body';
      },
      body: (from, to) => {
        amount(from, part.length, 'from');
        append(
          words,
          'body ',
          part.toString('latin1', from, from + amount(to - from, part.length - from, 'to')),
        );
      },
      complete: (trailers) => words.push(`complete ${trailers?.join('|')}`) > 0,
    },
    LIMITS,
  );
  try {
    for (part of parts) {
      const outcome = parser.execute(part);
      if (outcome === undefined) continue;
      if (typeof outcome === 'number') amount(outcome, part.length, 'stop');
      return [...words, typeof outcome === 'number' ? 'stopped' : codeOf(outcome)];
    }
    return [...words, parser.finish() ? 'finished' : 'cut off'];
  } finally {
    parser.free();
  }
}

function head(parts: readonly Buffer[]): string[] {
  const bytes = Buffer.concat(parts);
  const scan = newScan();
  let to = 0;
  for (const part of parts) {
    to += part.length;
    const outcome = parseHead(bytes, 0, to, LIMITS.maxHeaderSize, scan);
    if (outcome === NEED_DATA) continue;
    if ('error' in outcome) return [codeOf(outcome.error)];
    amount(outcome.end, bytes.length, 'end');
    const agreed = checkUpgrade(outcome, { subprotocols: ['a'], compress: COMPRESS }, KEY);
    return [
      String(outcome.status),
      outcome.rawHeaders.join('|'),
      agreed instanceof Error ? codeOf(agreed) : 'open',
    ];
  }
  return ['more'];
}

const COMPRESS: CompressSettings = {
  ...{ serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 15 },
  ...{ clientMaxWindowBits: 15, threshold: 0, level: 6 },
};

function extensions(parts: readonly Buffer[]): string[] {
  const agreed = negotiate(Buffer.concat(parts).toString('latin1'), COMPRESS);
  if (agreed instanceof Error) return [codeOf(agreed)];
  for (const bits of [agreed?.serverMaxWindowBits, agreed?.clientMaxWindowBits])
    if (bits !== undefined && (bits < 8 || amount(bits, 15, 'bits') < 8)) throw new Error(`${bits} bits`);
  return [JSON.stringify(agreed)];
}

function header(parts: readonly Buffer[]): string[] {
  const bytes = Buffer.concat(parts);
  const read = readHeader(bytes, 0, bytes.length);
  if (!read) return ['more'];
  const { start, length } = read;
  amount(start, 14, 'start');
  if (length !== Number.POSITIVE_INFINITY) amount(length, Number.MAX_SAFE_INTEGER, 'length');
  return [JSON.stringify(read)];
}

function frames2(parts: readonly Buffer[]): string[] {
  const words: string[] = [];
  const say = (kind: string, ...numbers: number[]): void => {
    for (const number of numbers) amount(number, 0xffffffff, kind);
    words.push(`${kind} ${numbers.join(' ')}`);
  };
  const watcher = new FrameWatcher(
    {
      ended: (stream) => say('ended', stream),
      reset: (stream, code) => say('reset', stream, code),
      promised: (parent, stream) => say('promised', parent, stream),
      goaway: (last, code) => say('goaway', last, code),
      pong: (payload) => say('pong', payload.length),
      pinged: () => say('pinged'),
    },
    { push: true },
  );
  let passed = '';
  for (const part of parts) {
    for (const bytes of watcher.feed(part, 0)) passed += Buffer.from(bytes).toString('hex');
    if (watcher.fault) break;
  }
  const given = parts.reduce((sum, { length }) => sum + length, 0);
  amount(passed.length / 2, given, 'passed on');
  const { fault } = watcher;
  // How much of a broken frame is passed on before its fault is seen depends on the cut; what is told does not.
  return [...words, fault ? `${codeOf(fault.error)} ${fault.code}` : passed];
}

function events(parts: readonly Buffer[]): string[] {
  const decoder = new SseDecoder(1_000);
  const words: string[] = [];
  try {
    for (const part of parts) {
      decoder.add(part);
      for (const { type, data, lastEventId, retry } of unpacked(decoder.take())) {
        if (retry !== undefined) amount(retry, 2 ** 31 - 1, 'retry');
        words.push(`${type}|${data}|${lastEventId}|${retry}`);
      }
    }
  } catch (error) {
    // Which of the events before it had been told depends on the cut.
    return [codeOf(error)];
  }
  return words;
}

function cookies(parts: readonly Buffer[]): string[] {
  const set = new CookieSet({ maxCookies: 5, maxPerDomain: 3 });
  const place = placeOf(true, 'www.example.com', '/a/b');
  for (const line of Buffer.concat(parts).toString('latin1').split('\n')) {
    set.take(line, place, 1e12);
    set.take(line, placeOf(false, '127.0.0.1:80', '/'), 1e12);
  }
  amount(set.size, 8, 'cookies');
  const text = set.text(place, 1e12);
  // Latin1: one byte a character.
  if (Buffer.from(text, 'latin1').some((byte) => (byte < 32 && byte !== 9) || byte === 127))
    throw new Error(`a control character in ${JSON.stringify(text)}`);
  return [text, withCookies(['cookie', 'x=y'], text).join('|')];
}

function inflated(parts: readonly Buffer[]): string[] {
  const most = 5_000;
  const inflater = new Inflater({ ...COMPRESS, serverNoContextTakeover: false }, most);
  const bytes = Buffer.concat(parts);
  try {
    const outcome = inflater.inflate(bytes, 0, bytes.length);
    if (outcome instanceof Error) return [codeOf(outcome)];
    return [String(amount(outcome.length, most, 'inflated'))];
  } finally {
    inflater.close();
  }
}

const texts = (...all: readonly string[]): Buffer[] => all.map((text) => Buffer.from(text, 'latin1'));
const deflated = (text: string): Buffer =>
  deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

export const TARGETS: readonly Target[] = [
  { name: 'http1/parser', samples: HEADS, read: answers },
  { name: 'handshake', samples: HEADS, read: head },
  {
    name: 'extensions',
    samples: texts(
      'permessage-deflate',
      'permessage-deflate; server_max_window_bits=10; client_no_context_takeover',
      'permessage-deflate; server_max_window_bits="10", x; y="\\z"',
    ),
    read: extensions,
  },
  {
    name: 'frames: a header',
    samples: ['81 05 48656c6c6f', '82 7e 0100', '88 7f 0000000000010000', '81 fe 0100 01020304'].map(unhex),
    read: header,
  },
  {
    name: 'websocket, with its intake',
    samples: [
      '81 05 48656c6c6f 82 03 010203 89 01 61 01 03 48656c 80 02 6c6f 88 02 03e8',
      `82 7e 0100 ${'ab'.repeat(256)} 8a 00 81 00 81 03 e282ac`,
      '01 02 e282 89 00 80 01 ac 88 05 03e8 627965',
    ].map(unhex),
    read: (parts) => framed(parts, false),
  },
  {
    name: 'websocket, with permessage-deflate',
    samples: ['Hello', 'a'.repeat(900)].map((text) => {
      const payload = deflated(text);
      return Buffer.concat([Buffer.of(0xc1, payload.length), payload, unhex('81 02 6869 41 01 aa 80 00')]);
    }),
    read: (parts) => framed(parts, true),
  },
  { name: 'deflate', samples: [deflated('Hello'), deflated('x'.repeat(4_000))], read: inflated },
  {
    name: 'http2frames',
    samples: [
      '000006 04 00 00000000 000300000064 000000 04 01 00000000 000001 01 05 00000001 88 000002 00 01 00000001 6869',
      '000000 04 00 00000000 000008 06 00 00000000 0102030405060708 000008 06 01 00000000 0102030405060708',
      '000000 04 00 00000000 000005 05 04 00000001 00000002 88 000004 08 00 00000000 0000ffff 000004 03 00 00000001 00000008',
      '000000 04 00 00000000 000001 01 01 00000001 88 000001 09 04 00000001 88 00000a 07 00 00000000 00000001 00000000 6869',
    ].map(unhex),
    read: frames2,
  },
  {
    name: 'socks',
    samples: [
      '05 02 01 00 05 00 00 01 7f000001 1f90 cafe',
      '05 00 05 00 00 03 02 6162 1f90',
      '05 02 01 01',
    ].map(unhex),
    read: (parts) => run(ask({ credentials: USER }), parts),
  },
  {
    name: 'sse',
    samples: texts(
      'id: 1\nevent: tick\ndata: {"n":1}\n\ndata: a\ndata: b\n\n',
      '\xef\xbb\xbfdata: x\r\n\r\nretry: 10\r\rid\n\n: comment\ndata\n\n',
      `data: ${'y'.repeat(900)}\n\ndata: \xe2\x82\xac\n\n`,
    ),
    read: events,
  },
  {
    name: 'cookies',
    samples: texts(
      'a=b; Path=/; Domain=example.com; Max-Age=60; SameSite=Lax; HttpOnly',
      '__Host-x="y"; Secure; Path=/\n=nameless; Expires=Wed, 21 Oct 2099 07:28:00 GMT',
      'q=1; Domain=.www.example.com; path=/a\n__Secure-z=1; Secure; Expires=Thu, 01-Jan-1970 00:00:01 GMT',
    ),
    read: cookies,
  },
];
