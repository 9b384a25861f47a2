// floods.test — WebSocket servers that send without end, or more than they seem to: each costs its own connection, with a
// code that says why, little memory, and nobody else anything but time. One that may be flooded keeps its owner's thread.
// The same for servers of HTTP: test/http/hostile-pace.test.ts and hostile-http2.test.ts.

import { constants, deflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import type { Code, OpenOptions } from '../../lib/index.ts';
import { drain, type Feed, feeds, frame } from '../support/feeds.ts';
import { ENDLESS, FRAME_BYTES, flood } from '../support/flood.ts';
import { type Conversation, wsServer } from '../support/peers.ts';
import { numberOf } from '../support/slow-owner.ts';

const MiB = 1024 * 1024;
const DEFLATE = 'Sec-WebSocket-Extensions: permessage-deflate\r\n';
/** Bytes that the process may grow by; the server is in it, too. */
const GROWTH = 96 * MiB;
/** A flood that is let go on for so long has no bound. */
const MOST = 256 * MiB;

const deflated = (bytes: Uint8Array): Buffer =>
  deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
const often = (one: Uint8Array): Buffer =>
  Buffer.concat(Array(Math.max(1, Math.floor(65_536 / one.length))).fill(one));

interface WsFlood {
  readonly what: string;
  readonly code: Code;
  /** Sent once. */
  readonly first?: Uint8Array;
  /** Sent over and over. */
  readonly more: () => Uint8Array;
  readonly options?: OpenOptions;
  readonly headers?: string;
}

const FLOODS: readonly WsFlood[] = [
  {
    what: 'a message of 64 MiB that takes 64 KiB (a bomb of permessage-deflate)',
    code: 'ERR_GUNPORT_TOO_BIG',
    more: () => frame(0xc2, deflated(Buffer.alloc(64 * MiB))),
    options: { compress: true, maxPayload: 4 * MiB },
    headers: DEFLATE,
  },
  {
    what: 'fragments without end',
    code: 'ERR_GUNPORT_TOO_BIG',
    first: frame(0x01, 'a'),
    more: () => often(frame(0x00, 'a'.repeat(1_000))),
    options: { maxPayload: 4 * MiB },
  },
  {
    what: 'empty fragments without end',
    code: 'ERR_GUNPORT_TOO_BIG',
    first: frame(0x02, 'a'),
    more: () => often(frame(0x00)),
  },
  { what: 'pings without end', code: 'ERR_GUNPORT_FLOOD', more: () => often(frame(0x89, 'p')) },
  { what: 'pongs without end', code: 'ERR_GUNPORT_FLOOD', more: () => often(frame(0x8a)) },
  {
    what: 'pings without end, between fragments',
    code: 'ERR_GUNPORT_FLOOD',
    first: frame(0x01, 'a'),
    more: () => often(frame(0x89)),
  },
];

describe('a WebSocket server that sends', () => {
  const { connect, keep, talk } = feeds();

  /** Sends this until the client has left, or MOST bytes have gone. */
  function pour({ socket }: Conversation, bytes: Uint8Array): void {
    let sent = 0;
    const more = (): void => {
      while (!socket.destroyed && socket.writable && sent < MOST) {
        sent += bytes.length;
        if (!socket.write(bytes)) return;
      }
    };
    socket.on('drain', more).resume();
    more();
  }

  /** The slowest of its echoes until `over`, in ms. */
  async function slowest(feed: Feed, over: Promise<unknown>): Promise<number> {
    let most = 0;
    let done = false;
    void over.then(() => {
      done = true;
    });
    while (!done) {
      const began = performance.now();
      feed.send('well?');
      expect(await feed.connection.await(feed)).to.include({ data: 'well?' });
      most = Math.max(most, performance.now() - began);
    }
    return most;
  }

  for (const { what, code, first, more, options = {}, headers } of FLOODS) {
    it(`${what} is left with ${code}, grows nothing, and hinders no other of its thread`, async () => {
      const honest = await keep(wsServer());
      honest.server.on('connection', (socket) => {
        socket.on('message', (data, binary) => socket.send(data, { binary }));
      });
      const other = await connect(honest.url);
      const { feed, server } = await talk({ retry: 0, ...options }, { headers });
      const { threadId } = feed.connection;
      expect(other.connection.threadId).to.equal(threadId);
      const bytes = more();
      const before = process.memoryUsage.rss();
      const ending = drain(feed);
      const lag = slowest(other, ending);
      if (first) server.send(first);
      pour(server, bytes);
      const { messages, error } = await ending;
      expect(messages).to.deep.equal([]);
      expect(error).to.include({ code, phase: 'protocol' });
      expect((await feed.closed).code).to.equal(1006);
      expect(await lag).to.be.below(2_000);
      expect(process.memoryUsage.rss() - before).to.be.below(GROWTH);
      expect(await other.ping()).to.be.a('number');
      expect(other.connection.threadId).to.equal(threadId);
    });
  }
});

describe('an owner that reads a flood of small messages', () => {
  const { connect } = feeds();
  const COUNT = 100_000;
  /** Eight slabs may be under way to it. */
  const CREDIT = 8 * Math.ceil((512 * 1024) / FRAME_BYTES);

  for (const [way, reads] of [
    ['by a loop', readLoop],
    ['by events', readEvents],
    ['in batches', readBatches],
  ] as const) {
    it(`${way} has its loop all the time: no turn of it brings more than the credit (F1)`, async () => {
      await using server = await flood();
      const feed = await connect(server.url);
      let [read, before, most, turns] = [0, 0, 0, 0];
      let going: NodeJS.Immediate;
      const turn = (): void => {
        most = Math.max(most, read - before);
        before = read;
        turns++;
        going = setImmediate(turn);
      };
      turn();
      try {
        server.tell({ type: 'send', upTo: ENDLESS });
        await reads(feed, COUNT, (number) => {
          expect(number).to.equal(read++);
        });
      } finally {
        clearImmediate(going!);
      }
      expect(read).to.be.at.least(COUNT);
      // Timers and all else have their turn between: so late they are at most, however fast the flood.
      expect(most).to.be.at.most(CREDIT);
      expect(turns).to.be.above(COUNT / CREDIT);
    });
  }
});

type Hear = (number: number) => void;

async function readLoop(feed: Feed, count: number, hear: Hear): Promise<void> {
  let left = count;
  for await (const message of feed) {
    hear(numberOf(message));
    if (--left === 0) return;
  }
}

function readEvents(feed: Feed, count: number, hear: Hear): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    const listener = (message: string | Uint8Array): void => {
      hear(numberOf(message));
      if (--left > 0) return;
      feed.off('message', listener);
      resolve();
    };
    feed.on('message', listener);
  });
}

async function readBatches(feed: Feed, count: number, hear: Hear): Promise<void> {
  let left = count;
  for await (const batch of feed.batches()) {
    for (let i = 0; i < batch.length; i++) hear(numberOf(batch.bytes(i)));
    left -= batch.length;
    if (left <= 0) return;
  }
}
