// roads — what good proxies say before what is behind them is spoken on the same socket, and a peer of raw bytes.
// Said by a mouth, piece by piece. Source: RFC 1928, RFC 1929; RFC 9110 §9.3.6.
// Invariant: with nothing spoilt the tunnel is up, and the far end is http1.ts.

import type { Talk } from '../../support/origin.ts';
import { unhex } from '../../support/peers.ts';
import type { Piece } from '../mouth.ts';
import { http1, type Speaking } from './http1.ts';

const ADDRESSES = ['7f000001', '03 66 6f 6f', '00000000000000000000000000000001'] as const;

export async function* socks(talk: Talk, speaking: Speaking): AsyncGenerator<Piece, void> {
  yield ['before anything', ''];
  const [, count = 0] = await talk.take(2);
  const password = (await talk.take(count)).includes(2);
  yield ['in the method', unhex(password ? '05 02' : '05 00')];
  if (password) {
    const [, name = 0] = await talk.take(2);
    await talk.take(name);
    const [secret = 0] = await talk.take(1);
    await talk.take(secret);
    yield ['in the judgement', unhex('01 00')];
  }
  const [, , , type = 0] = await talk.take(4);
  const [length = 0] = type === 3 ? await talk.take(1) : [type === 1 ? 4 : 16];
  await talk.take(length + 2);
  const kind = speaking.roll(3);
  yield ['in the reply', unhex('05 00 00')];
  yield ['in the address', unhex(`${['01', '03', '04'][kind]} ${ADDRESSES[kind]} 1f90`)];
  yield ['behind the reply', ''];
  yield* http1(talk, speaking);
}

export async function* connect(talk: Talk, speaking: Speaking): AsyncGenerator<Piece, void> {
  yield ['before anything', ''];
  await talk.request();
  yield ["in the proxy's status line", 'HTTP/1.1 200 Connection established\r\n'];
  yield ["in the proxy's headers", 'proxy-agent: fuzzed\r\nvia: 1.1 x\r\n'];
  yield ['', '\r\n'];
  yield ["behind the proxy's head", ''];
  yield* http1(talk, speaking);
}

export async function* raw(talk: Talk, { roll }: Speaking): AsyncGenerator<Piece, void> {
  yield ['before anything', ''];
  yield ['in the bytes', Buffer.alloc(roll(2_000), roll(256))];
  for (let answers = 0; answers < 10; answers++) {
    yield ['in the answer', await talk.some()];
    yield ['behind the answer', ''];
  }
}
