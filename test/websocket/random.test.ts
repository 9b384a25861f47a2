// random.test — messages of all kinds in random order, cut anywhere, sent and read in every way: what was sent arrives.
// Each round has a seed, which its failure names.

import { constants, deflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import type { Message } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { chance } from '../support/chance.ts';
import { type Feed, feeds, frame, pause } from '../support/feeds.ts';
import { wsServer } from '../support/peers.ts';

const ROUNDS = 15 * Number(process.env['GUNPORT_SCALE'] ?? 1);

type Random = ReturnType<typeof chance>;

const ALPHABETS = ['abcdef ', 'äöü€', '😀a', '\0b'];

function anyMessage(pick: Random): Message {
  const size = pick([1, 10, 130, 3_000, 70_000, 300_000][pick(20) < 17 ? pick(4) : pick(6)] ?? 1);
  if (pick(3) === 0) return new Uint8Array(Buffer.alloc(size, String.fromCharCode(1 + pick(250)), 'latin1'));
  const alphabet = ALPHABETS[pick(10) < 7 ? 0 : pick(4)] ?? '';
  const start = String(pick(1e9));
  return (
    start +
    alphabet
      .repeat(Math.ceil(size / alphabet.length))
      .slice(0, size)
      .replace(/[\ud800-\udbff]$/, '')
  );
}

/** A message as frames: whole or in fragments with pings between, compressed or not. */
function framesOf(message: Message, pick: Random, deflate: boolean): Buffer[] {
  let bytes: Buffer = Buffer.from(message as string);
  let first = typeof message === 'string' ? 1 : 2;
  if (deflate && pick(2) === 0) {
    first |= 0x40;
    bytes = deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  }
  const count = pick(4) === 0 ? 1 + pick(5) : 1;
  const frames: Buffer[] = [];
  for (let i = 0, at = 0; i < count; i++) {
    const end = i === count - 1 ? bytes.length : at + pick(bytes.length - at + 1);
    frames.push(frame((i === 0 ? first : 0) | (i === count - 1 ? 0x80 : 0), bytes.subarray(at, end)));
    if (pick(10) === 0) frames.push(frame(0x89, 'ping'));
    at = end;
  }
  return frames;
}

/** Reads `count` messages, changing the way of reading at random. */
async function readAll(feed: Feed, count: number, pick: Random): Promise<Message[]> {
  const read: Message[] = [];
  const copy = (message: Message): Message => (typeof message === 'string' ? message : message.slice());
  while (read.length < count) {
    let left = Math.min(1 + pick(50), count - read.length);
    // Now and then late, so that more waits than its credit allows.
    if (pick(5) === 0) for (let turns = pick(100); turns > 0; turns--) await turn();
    switch (pick(5)) {
      case 0:
        for await (const batch of feed.batches()) {
          for (const message of batch) read.push(message);
          break;
        }
        break;
      case 1:
        for await (const batch of feed.batches({ borrow: true })) {
          for (const message of batch) read.push(copy(message));
          if (--left <= 0 || read.length >= count) break;
        }
        break;
      case 2: {
        const notice = await feed.connection.await(feed);
        if (notice.type === 'ws' && notice.frame !== 'close') read.push(notice.data);
        break;
      }
      case 3:
        await new Promise<void>((resolve) => {
          const listener = (message: Message): void => {
            read.push(message);
            if (--left > 0) return;
            feed.off('message', listener);
            resolve();
          };
          feed.on('message', listener);
        });
        break;
      default:
        for await (const message of feed) {
          read.push(message);
          if (--left === 0) break;
        }
    }
  }
  return read;
}

describe('any frames, cut anywhere, read in any way', function () {
  this.timeout(2_000 + 600 * ROUNDS);
  this.slow(10_000);
  const { talk } = feeds();

  const deflate = 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n';
  for (const [what, headers, secure] of [
    ['plain', '', false],
    ['with permessage-deflate', deflate, false],
    ['over TLS', '', true],
  ] as const) {
    it(`are the messages that were sent, in order (${what})`, async () => {
      const tls = secure ? { ca: (await certificates()).ca } : undefined;
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const pick = chance(seed);
        const sent = Array.from({ length: 50 + pick(400) }, () => anyMessage(pick));
        const bytes = Buffer.concat(sent.flatMap((message) => framesOf(message, pick, headers !== '')));
        const early = pick(3) === 0 ? pick(Math.min(bytes.length, 100_000)) : 0;
        const options = {
          tls,
          compress: headers !== '',
          keepalive: 0,
          // Small ones pause the socket again and again.
          maxBuffered: [1, 100_000, 16_777_216][pick(3)],
        };
        const first = bytes.subarray(0, early).toString('hex');
        const { feed, server } = await talk(options, { headers, first, secure });
        const reading = readAll(feed, sent.length, pick);
        for (let at = early; at < bytes.length; ) {
          const size = 1 + pick([10, 1_000, 70_000, 600_000][pick(4)] ?? 1);
          server.send(bytes.subarray(at, at + size));
          at += size;
          if (pick(4) === 0) await pause(feed);
          else if (pick(2) === 0) await turn();
        }
        const read = await reading;
        const wrong = sent.findIndex((message, i) => !same(message, read[i]));
        expect(wrong, `seed ${seed}: message`).to.equal(-1);
        expect(read.length, `seed ${seed}`).to.equal(sent.length);
        await feed.connection.close();
      }
    });
  }
});

describe('any messages, sent in any way', function () {
  this.timeout(2_000 + 600 * ROUNDS);
  this.slow(10_000);
  const { connect, keep } = feeds();

  for (const [what, secure, compress] of [
    ['plain', false, false],
    ['with permessage-deflate', false, true],
    ['over TLS', true, false],
  ] as const) {
    it(`are the messages that arrive, in order, and drained() waits for them (${what})`, async () => {
      const peer = await keep(wsServer({ secure, perMessageDeflate: compress }));
      const got: Message[] = [];
      peer.server.on('connection', (socket) => {
        socket.on('message', (data: Buffer, isBinary) => got.push(isBinary ? data : data.toString()));
      });
      const tls = secure ? { ca: (await certificates()).ca } : undefined;
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const pick = chance(seed);
        const feed = await connect(peer.url, { tls, compress, maxBuffered: [10_000, 16_777_216][pick(2)] });
        got.length = 0;
        const sent: Message[] = [];
        for (const last = 50 + pick(300); sent.length < last; ) {
          const messages = Array.from({ length: pick(5) === 0 ? pick(20) : 1 }, () => anyMessage(pick));
          sent.push(...messages);
          const fits = feed.send(messages.length === 1 ? (messages[0] ?? '') : messages);
          if (!fits) {
            await feed.drained();
            expect(feed.bufferedAmount).to.equal(0);
          } else if (pick(4) === 0) await turn();
          else if (pick(8) === 0) await feed.ping();
        }
        expect(await feed.close()).to.include({ code: 1000, wasClean: true });
        const wrong = sent.findIndex((message, i) => !same(message, got[i]));
        expect(wrong, `seed ${seed}: message`).to.equal(-1);
        expect(got.length, `seed ${seed}`).to.equal(sent.length);
      }
    });
  }
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function same(one: Message, other: Message | undefined): boolean {
  if (typeof one === 'string' || typeof other === 'string' || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}
