// http2 — what a good server of HTTP/2 says: SETTINGS, answers with trailers and pushes, WebSockets (RFC 8441), tunnels.
// Said by a mouth, piece by piece: a frame is two of them, its header and its payload.
// Invariant: with nothing spoilt every request is answered well, and what HTTP/2 asks of a server is done.

import * as h2 from '../../support/h2frames.ts';
import { Decoder, type Fields } from '../../support/hpack.ts';
import type { Talk } from '../../support/origin.ts';
import type { Piece } from '../mouth.ts';
import type { Speaking } from './http1.ts';
import { webSocket } from './websocket.ts';

/** Most frames that are answered. */
const MOST = 300;
const PREFACE_LENGTH = 24;
const ACCEPTED = { ':status': 200 };

export async function* http2(talk: Talk, speaking: Speaking): AsyncGenerator<Piece, void> {
  const decoder = new Decoder();
  const frame = async (): Promise<h2.H2Frame> => {
    const header = await talk.take(9);
    return h2.parse(header, await talk.take(header.readUIntBE(0, 3)), decoder);
  };
  yield ['before anything', ''];
  await talk.take(PREFACE_LENGTH);
  yield* framed('in SETTINGS', h2.settings({ enableConnectProtocol: 1, maxConcurrentStreams: 100 }));
  yield ['at a frame boundary', ''];
  for (let frames = 0; frames < MOST; frames++) {
    const one = await frame();
    if (one.type === 'settings' && !one.ack) yield* framed('in SETTINGS', h2.settingsAck());
    else if (one.type === 'ping' && !one.ack) yield* framed('in PING', h2.ping(one.payload, true));
    else if (one.type === 'headers' && one.fields[':method'] === 'CONNECT') {
      // Whatever else comes on the connection from here on is for the stream, or passed over.
      return yield* connected(one, frame, speaking);
    } else if (one.type === 'headers' && ':method' in one.fields) yield* answer(one, speaking);
  }
}

function* framed(stage: string, bytes: Buffer): Generator<Piece, void> {
  yield ['in a frame header', bytes.subarray(0, 9)];
  yield [stage, bytes.subarray(9)];
}

function* answer({ stream, fields }: h2.H2Frame, { aim, roll }: Speaking): Generator<Piece, void> {
  if (aim === 'in PING' || roll(6) === 0) yield* framed('in PING', h2.ping());
  if (aim === 'on an unknown stream') yield* framed('on an unknown stream', h2.data(stream + 100, 'x'));
  if (aim === 'in a push' || roll(8) === 0) {
    const asked = { ':method': 'GET', ':scheme': 'http', ':authority': 'a', ':path': '/pushed' };
    yield* framed('in a push', h2.promise(stream, stream + 1, asked));
    yield* framed('in a header block', h2.headers(stream + 1, { ':status': 200 }));
    yield* framed('in DATA', h2.data(stream + 1, 'pushed', true));
  }
  if (roll(5) === 0) yield* framed('in a header block', h2.headers(stream, { ':status': 103, link: '</a>' }));
  const head: Fields = {
    ':status': 200,
    'set-cookie': 'a=b; Path=/',
    'content-type': 'text/plain',
    'x-a': 'b',
  };
  if (roll(4) === 0) {
    yield* framed('in a header block', h2.headers(stream, { ':status': 200 }, { end: false }));
    yield* framed('in a header block', h2.continuation(stream, { 'x-more': 'y' }, true));
  } else yield* framed('in a header block', h2.headers(stream, head, roll(3) === 0 ? { padding: 5 } : {}));
  yield ['behind HEADERS', ''];
  const trailers = aim === 'in trailers' || roll(3) === 0;
  for (const part of h2.body(stream, `${fields[':path']} ${'y'.repeat(roll(20_000))}`, !trailers)) {
    yield* framed('in DATA', part);
    yield ['at a frame boundary', ''];
  }
  if (trailers) yield* framed('in trailers', h2.headers(stream, { checksum: 'abc' }, { fin: true }));
  if (aim === 'in GOAWAY' || roll(10) === 0) yield* framed('in GOAWAY', h2.goaway(stream));
}

/** A WebSocket, or a tunnel: what is said in it is the payload of DATA. */
async function* connected(
  { stream, fields }: h2.H2Frame,
  frame: () => Promise<h2.H2Frame>,
  speaking: Speaking,
): AsyncGenerator<Piece, void> {
  const deflate = 'sec-websocket-extensions' in fields;
  const extension = deflate ? { 'sec-websocket-extensions': 'permessage-deflate' } : {};
  yield* framed('in a header block', h2.headers(stream, { ...ACCEPTED, ...extension }));
  yield ['behind HEADERS', ''];
  const take = payloads(frame, stream);
  const inside = fields[':protocol'] === 'websocket' ? webSocket(take, deflate, speaking) : tunnelled(take);
  for await (const [, bytes] of inside) {
    const payload = Buffer.from(bytes as string, 'latin1'); // Of bytes it makes a copy.
    if (payload.length > 0) yield* withPayload(h2.body(stream, payload, false));
  }
  yield* withPayload([h2.data(stream, '', true)]);
}

function* withPayload(frames: readonly Buffer[]): Generator<Piece, void> {
  for (const frame of frames) yield* framed('in the CONNECT stream', frame);
}

/** Whoever asks for a page through it gets one. */
async function* tunnelled(take: (length: number) => Promise<Buffer>): AsyncGenerator<Piece, void> {
  for (let answers = 0; answers < 4; answers++) {
    let head = '';
    while (!head.endsWith('\r\n\r\n')) head += (await take(1)).toString('latin1');
    yield ['', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHello'];
  }
}

/** The bytes of a stream, by amounts. */
function payloads(frame: () => Promise<h2.H2Frame>, stream: number): (length: number) => Promise<Buffer> {
  let have: Buffer = Buffer.alloc(0);
  return async (length) => {
    while (have.length < length) {
      const one = await frame();
      if (one.type === 'data' && one.stream === stream) have = Buffer.concat([have, one.payload]);
    }
    const taken = have.subarray(0, length);
    have = have.subarray(length);
    return taken;
  };
}
