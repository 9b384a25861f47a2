// http1 — what a good server of HTTP/1.1 says: answers of every framing, event streams, and WebSockets where asked.
// Said by a mouth, piece by piece; what comes behind a SOCKS server and a proxy is this too.
// Invariant: with nothing spoilt every request is answered well. `aim` is the stage that is to be come by.

import type { Head, Talk } from '../../support/origin.ts';
import { acceptFor } from '../../support/peers.ts';
import type { Piece } from '../mouth.ts';
import { webSocket } from './websocket.ts';

export interface Speaking {
  readonly aim: string;
  readonly roll: (below: number) => number;
}

/** Most requests that one connection has answered. */
const MOST = 12;
const INTERIM = 'HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\nset-cookie: i=1\r\n\r\n';
const FIELDS = [
  'content-type: text/plain\r\n',
  'set-cookie: a=b; Path=/; Max-Age=60\r\n',
  'set-cookie: c="d"; HttpOnly; Expires=Wed, 21 Oct 2099 07:28:00 GMT\r\n',
  'x-long: abcdefghijklmnopqrstuvwxyz\r\n',
  'date: Wed, 21 Oct 2015 07:28:00 GMT\r\n',
];

export async function* http1(talk: Talk, speaking: Speaking): AsyncGenerator<Piece, void> {
  yield ['before anything', ''];
  for (let answers = 0; answers < MOST; answers++) {
    const head = await talk.request();
    if (head.headers['upgrade'] === 'websocket') return yield* upgraded(talk, head, speaking);
    await talk.body();
    if (head.path.startsWith('/events')) yield* events(speaking);
    else yield* answer(head, speaking);
    yield ['behind the answer', ''];
  }
}

async function* upgraded(talk: Talk, head: Head, speaking: Speaking): AsyncGenerator<Piece, void> {
  const deflate = 'sec-websocket-extensions' in head.headers;
  const extension = deflate ? 'Sec-WebSocket-Extensions: permessage-deflate\r\n' : '';
  const accept = acceptFor(head.headers['sec-websocket-key'] ?? '');
  yield ['in the status line', 'HTTP/1.1 101 Switching Protocols\r\n'];
  const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${extension}`;
  yield ['in the headers', fields];
  yield ['', '\r\n'];
  yield ['behind the 101', ''];
  yield ['behind the head', ''];
  yield* webSocket((length) => talk.take(length), deflate, speaking);
  talk.end();
}

type Framing = 'length' | 'chunked' | 'close' | 'none';

/** One that has the stage which is aimed at. */
function framingOf({ aim, roll }: Speaking): Framing {
  if (['in a chunk size', 'in a chunk', 'in the trailers'].includes(aim)) return 'chunked';
  if (aim === 'in the body') return 'length';
  return (['length', 'length', 'chunked', 'chunked', 'none', 'close'] as const)[roll(6)] ?? 'length';
}

function* answer(head: Head, speaking: Speaking): Generator<Piece, void> {
  const { aim, roll } = speaking;
  if (aim === 'in an interim answer' || roll(5) === 0) yield ['in an interim answer', INTERIM];
  const framing = framingOf(speaking);
  const body = `${head.path} ${'x'.repeat(roll([10, 300, 20_000][roll(3)] ?? 10))}`;
  yield ['in the status line', framing === 'none' ? 'HTTP/1.1 204 No Content\r\n' : 'HTTP/1.1 200 OK\r\n'];
  yield ['in the headers', FIELDS.slice(roll(5)).join('') + FRAMED[framing](body.length)];
  yield ['', '\r\n'];
  yield ['behind the head', ''];
  if (head.method === 'HEAD' || framing === 'none') return;
  if (framing === 'chunked') yield* chunked(body, roll);
  else yield ['in the body', body];
}

const FRAMED = {
  length: (length: number) => `content-length: ${length}\r\n`,
  chunked: () => 'transfer-encoding: chunked\r\n',
  close: () => 'connection: close\r\ncontent-length: 3\r\n',
  none: () => '',
} as const satisfies Record<Framing, (length: number) => string>;

function* chunked(body: string, roll: Speaking['roll']): Generator<Piece, void> {
  for (let at = 0; at < body.length; ) {
    const part = body.slice(at, at + 1 + roll(body.length));
    at += part.length;
    yield ['in a chunk size', `${part.length.toString(16)}${roll(3) === 0 ? ';name="value"' : ''}\r\n`];
    yield ['in a chunk', part];
    yield ['', '\r\n'];
  }
  yield ['in a chunk size', '0\r\n'];
  yield ['in the trailers', 'checksum: abc\r\nx-more: y\r\n'];
  yield ['', '\r\n'];
}

function* events({ aim, roll }: Speaking): Generator<Piece, void> {
  yield ['in the status line', 'HTTP/1.1 200 OK\r\n'];
  const chunks = aim === 'in a chunk size' || roll(2) === 0;
  yield [
    'in the headers',
    `content-type: text/event-stream\r\n${chunks ? FRAMED.chunked() : 'connection: close\r\n'}`,
  ];
  yield ['', '\r\n'];
  yield ['behind the head', ''];
  for (let i = 0; i < 5; i++) {
    const fields = [
      ['id', String(i)],
      ['event', 'tick'],
      ['retry', '1'],
      ['data', `{"n":${i}}`],
    ] as const;
    const pieces = fields.slice(roll(4)).flatMap(([name, value]): Piece[] => [
      ['in a field', `${name}: `],
      ['in a value', value],
      ['', '\n'],
    ]);
    const event: Piece[] = [...pieces, ['between events', ''], ['', '\n']];
    const length = event.reduce((sum, [, text]) => sum + text.length, 0);
    if (chunks) yield ['in a chunk size', `${length.toString(16)}\r\n`];
    yield* event;
    if (chunks) yield ['', '\r\n'];
  }
  if (chunks) yield ['', '0\r\n\r\n'];
}
