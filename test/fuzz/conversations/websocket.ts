// websocket — what a good server says on a WebSocket that is open: messages of all kinds, then answers to what comes.
// Said behind the 101 of http1.ts, and in the CONNECT stream of http2.ts.
// Invariant: with nothing spoilt every frame is right, and the closing handshake is done, whoever begins it.

import { constants, deflateRawSync } from 'node:zlib';
import { type Frame, readFrame } from '../../support/peers.ts';
import type { Piece } from '../mouth.ts';
import type { Speaking } from './http1.ts';

type Take = (length: number) => Promise<Buffer>;

/** Most frames that are answered. */
const MOST = 40;
const CLOSE = Buffer.of(0x88, 2, 3, 0xe8);

export async function* webSocket(
  take: Take,
  deflate: boolean,
  speaking: Speaking,
): AsyncGenerator<Piece, void> {
  yield* messages(deflate, speaking);
  if (speaking.roll(6) === 0) {
    yield ['in Close', CLOSE];
    yield ['behind Close', ''];
  }
  for (let frames = 0; frames < MOST; frames++) {
    const { opcode, payload, rsv } = await readFrame({ take });
    yield* reaction({ opcode, payload, rsv });
    if (opcode === 8) return;
  }
}

function* reaction({
  opcode,
  payload,
  rsv,
}: Pick<Frame, 'opcode' | 'payload' | 'rsv'>): Generator<Piece, void> {
  if (opcode === 8) {
    yield ['in Close', payload.length < 2 ? Buffer.of(0x88, 0) : CLOSE];
    yield ['behind Close', ''];
  } else if (opcode === 9) yield* framed(0x8a, payload, 'in a control frame');
  // What is compressed stays so: its context would have to be kept.
  else if ((opcode === 1 || opcode === 2) && rsv === 0) yield* framed(0x80 | opcode, payload, 'in a payload');
}

function* messages(deflate: boolean, { aim, roll }: Speaking): Generator<Piece, void> {
  const kinds = [
    'text',
    'binary',
    'long',
    'fragments',
    'control',
    ...(deflate ? ['deflated', 'deflated'] : []),
  ];
  const wanted = WANTED[aim];
  const chosen = Array.from({ length: 2 + roll(6) }, () => kinds[roll(kinds.length)] ?? 'text');
  if (wanted && kinds.includes(wanted)) chosen.splice(roll(2), 0, wanted);
  for (const kind of chosen) yield* message(kind, roll);
}

const WANTED: Readonly<Record<string, string>> = {
  'within a fragmented message': 'fragments',
  'in a deflated payload': 'deflated',
  'in a control frame': 'control',
  'in a payload': 'text',
  'in a frame header': 'long',
};

function* message(kind: string, roll: Speaking['roll']): Generator<Piece, void> {
  if (kind === 'text') yield* framed(0x81, Buffer.from('hällo wörld €'), 'in a payload');
  else if (kind === 'binary') yield* framed(0x82, Buffer.alloc(roll(125), roll(256)), 'in a payload');
  else if (kind === 'long')
    yield* framed(0x81, Buffer.alloc([126, 300, 70_000][roll(3)] ?? 126, 'a'), 'in a payload');
  else if (kind === 'control') yield* framed(0x89 + roll(2), Buffer.from('ping'), 'in a control frame');
  else if (kind === 'deflated') {
    const bytes = deflateRawSync(Buffer.alloc(roll(3_000), 'abc'), { finishFlush: constants.Z_SYNC_FLUSH });
    yield* framed(0xc1, bytes.subarray(0, -4), 'in a deflated payload');
  } else {
    yield* framed(0x01, Buffer.from('frag'), 'in a payload');
    yield ['within a fragmented message', ''];
    if (roll(2) === 0) yield* framed(0x89, Buffer.from('amid'), 'in a control frame');
    yield* framed(0x00, Buffer.from('men'), 'within a fragmented message');
    yield* framed(0x80, Buffer.from('ts'), 'in a payload');
  }
}

function* framed(first: number, payload: Buffer, stage: string): Generator<Piece, void> {
  yield ['in a frame header', headerOf(first, payload.length)];
  yield [stage, payload];
}

function headerOf(first: number, length: number): Buffer {
  if (length < 126) return Buffer.of(first, length);
  if (length < 65_536) return Buffer.of(first, 126, length >> 8, length & 255);
  const header = Buffer.alloc(10);
  header[0] = first;
  header[1] = 127;
  header.writeUInt32BE(length, 6);
  return header;
}
