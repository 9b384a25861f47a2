// framed — the driver of one WebSocket on a socket that is none: bytes in, messages and the end out, in words.
// Used by targets.ts. Invariant: what is shipped lies within its memory; there is one end at most.

import type { MessagePort } from 'node:worker_threads';
import { type Closed, LENGTH_MASK, type Notice, type WsSettings } from '../../lib/wire.ts';
import { Outbox } from '../../workers/outbox.ts';
import { Counters } from '../../workers/socket.ts';
import { WebSocketDriver, type WebSocketHost } from '../../workers/websocket.ts';

/** Most bytes of a message. */
const MOST = 2_000;
const SETTINGS: WsSettings = {
  ...{ path: '/', headers: [], subprotocols: [], compress: undefined, flow: undefined, spans: false },
  ...{
    maxPayload: MOST,
    maxFragments: 20,
    upgradeTimeout: 1,
    keepalive: 0,
    pongTimeout: 1,
    closingTimeout: 1,
  },
};
const NEGOTIATED = {
  ...{ serverNoContextTakeover: false, clientNoContextTakeover: false },
  ...{ serverMaxWindowBits: 15, clientMaxWindowBits: 15 },
};

/** What comes of these parts. `deflate`: permessage-deflate was agreed on. */
export function framed(parts: readonly Buffer[], deflate: boolean): string[] {
  const words: string[] = [];
  let ends = 0;
  let end = '';
  /** Of the parcel that came last: read at once, and said so after the read. */
  let last = 0;
  const post = (notice: Notice, moved: (ArrayBuffer | MessagePort)[]): void => {
    if (notice.type !== 'parcel') return;
    const { slab, index, count } = notice;
    for (let i = 0; i < count; i++) {
      const [start = -1, length = -1] = [index[2 * i], (index[2 * i + 1] ?? -1) & LENGTH_MASK];
      if (start < 0 || length > MOST || start + length > slab.length)
        throw new Error(`a message of ${length} bytes at ${start} of ${slab.length}`);
      words.push(Buffer.from(slab.subarray(start, start + length)).toString('hex'));
    }
    const memory = moved as ArrayBuffer[]; // Nothing else moves without a handler.
    structuredClone(memory, { transfer: memory });
    last = notice.seq;
  };
  const outbox = new Outbox(post, { maxBuffered: 1e9, pause: () => {}, resume: () => {}, credit: () => {} });
  const driver = new WebSocketDriver(1, SETTINGS, deflate ? NEGOTIATED : undefined, {
    ...{ outbox, counters: new Counters(), sentBefore: 0 },
    transport: { write: () => {}, end: () => {}, destroy: () => {}, pending: 0 },
    frames: { receiving: false, sending: false, broken: () => {}, control: () => {} },
    finished: ({ code, error }: Closed) => {
      ends++;
      end = `finished ${code} ${error?.code}`;
    },
    cancelled: () => {},
    hold: () => {},
  } as unknown as WebSocketHost); // As much of it as bytes that come have to do with.
  for (const part of parts) {
    for (let at = 0; at < part.length && ends === 0; ) {
      const free = driver.buffer();
      if (free.length === 0) throw new Error('there is no room to read into');
      const length = Math.min(free.length, part.length - at);
      free.set(part.subarray(at, at + length));
      driver.received(length);
      if (last > 0) outbox.acked(last);
      at += length;
    }
  }
  if (ends === 0) driver.ended();
  // Who broke the protocol is given a while, which is not waited for.
  if (ends === 0) driver.lost(undefined);
  if (ends !== 1) throw new Error(`it has ended ${ends} times`);
  // What waited for its reader is read now.
  while (!outbox.empty) outbox.acked(last);
  return [...words, end];
}
