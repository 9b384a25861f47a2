// excerpts — pieces of conversations of every protocol, good and bad: what is spliced into one where it does not belong.
// Used by mutations.ts. Invariant: what is given is never empty, and has at most some 20 000 bytes.

import * as h2 from '../support/h2frames.ts';
import { HOSTILE_ANSWERS } from '../support/hostile-answers.ts';
import { unhex } from '../support/peers.ts';

type Roll = (below: number) => number;

const TEXTS: readonly Buffer[] = [
  ...[
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nHello',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.0 200 OK\r\n\r\nHello',
    'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x\n\n',
    'set-cookie: a=b; max-age=99999999999999999999; domain=127.0.0.1; path=/\r\n',
    'sec-websocket-extensions: permessage-deflate; server_max_window_bits=99\r\n',
    'content-length: 3\r\n',
    'transfer-encoding: chunked\r\n',
    '\r\n',
    '\r\n\r\n',
    '0\r\n\r\n',
    'id: 1\0\nretry: 99999999999999999999\ndata: y\r\rdata\n\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
  ].map((text) => Buffer.from(text, 'latin1')),
  ...HOSTILE_ANSWERS.filter(({ bytes }) => bytes.length < 2_000).map(({ bytes }) =>
    Buffer.from(bytes, 'latin1'),
  ),
];

/** WebSocket, SOCKS and TLS. */
const BYTES: readonly Buffer[] = [
  ...['81 05 48656c6c6f', '01 03 48656c', '80 02 6c6f', '89 00', '8a 00', '88 02 03e8', '88 00', '88 01 03'],
  ...[
    'c1 07 f248cdc9c90700',
    'c1 05 0102030405',
    '82 7f 00000000ffffffff',
    '82 7f ffffffffffffffff',
    '81 fe 0001',
  ],
  ...[
    '83 00',
    'f1 00',
    '81 85 00000000 48656c6c6f',
    '81 02 c328',
    '00 01 61',
    '05 00',
    '05 02 01 00',
    '05 ff',
  ],
  ...['05 00 00 01 7f000001 1f90', '05 00 00 03 00 1f90', '05 00 00 04 00', '05 05 00 01 00000000 0000'],
  ...[
    '15 0301 0002 0228',
    '16 0303 0004 0e000000',
    '17 0303 ffff',
    '14 0303 0001 01',
    '18 0303 0003 01 ffff',
  ],
].map(unhex);

/** Frames of HTTP/2 that are right in themselves. */
const FRAMES: readonly ((roll: Roll, id: number) => Buffer)[] = [
  (roll, id) =>
    h2.headers(id, { ':status': 200, 'x-a': 'b' }, { fin: roll(3) === 0, priority: roll(4) === 0 }),
  (_, id) => h2.headers(id, { ':status': 103 }),
  (roll, id) => h2.headers(id, { ':status': 200, 'content-length': roll(20) }, { padding: roll(9) }),
  (_, id) => h2.headers(id, { ':status': 200 }, { end: false }),
  (_, id) => h2.headers(id, { trailer: 'x' }, { fin: true }),
  (roll, id) => h2.continuation(id, { c: 'd' }, roll(2) === 0),
  (roll, id) => h2.data(id, 'x'.repeat(roll(1_900)), roll(3) === 0),
  (roll, id) => h2.data(id, Buffer.from(roll(2) === 0 ? [0x88, 2, 3, 0xe8] : [0x01, 126, 0, 200])),
  (roll, id) => h2.frame(0, 8 + roll(2), id, Buffer.alloc(1 + roll(20), roll(25))),
  (roll, id) => h2.reset(id, roll(2) === 0 ? 'CANCEL' : 'NO_ERROR'),
  (roll) => h2.settings({ initialWindowSize: roll(100_000), maxConcurrentStreams: roll(50) }),
  (roll) => h2.settings({ initialWindowSize: 0x7fffffff + roll(2), maxFrameSize: 16_384 - roll(2) }),
  (roll) =>
    h2.settings({ enableConnectProtocol: roll(3), enablePush: roll(3), headerTableSize: roll(5_000) }),
  () => h2.settingsAck(),
  (roll) => h2.ping(Buffer.alloc(8, roll(256)), roll(2) === 0),
  (roll, id) => h2.goaway(roll(2) === 0 ? 0x7fffffff : id, roll(2) === 0 ? 'NO_ERROR' : 'INTERNAL_ERROR'),
  (roll, id) => h2.windowUpdate(roll(2) === 0 ? 0 : id, [0, 1, 100_000, 0x7fffffff][roll(4)] ?? 0),
  (_, id) => h2.priority(id),
  (roll, id) =>
    h2.promise(id, 2 + 2 * roll(9), {
      ...{ ':method': 'GET', ':scheme': 'http', ':authority': 'a', ':path': '/' },
    }),
  (roll) => h2.frame(roll(256), roll(256), roll(9), Buffer.alloc(roll(40), roll(256))),
];

/** One of the texts, or several of the others, of one kind. */
export function excerpts(roll: Roll): Buffer {
  const kind = roll(3);
  const one = (): Buffer => {
    if (kind === 0) return TEXTS[roll(TEXTS.length)] as Buffer; // It is not empty, as below.
    if (kind === 1) return BYTES[roll(BYTES.length)] as Buffer;
    return FRAMES[roll(FRAMES.length)]?.(roll, [1, 1, 3, 5, 0, 2, 7, 0x7fffffff][roll(8)] ?? 1) as Buffer;
  };
  return Buffer.concat(Array.from({ length: 1 + roll(kind === 0 ? 1 : kind === 1 ? 4 : 12) }, one));
}
