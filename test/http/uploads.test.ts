// uploads.test — the body of a request that its server does not read: it is bounded here, and all of it goes out in the
// end. The kernel takes some megabytes first: the body is at its bound when what waits does not get less.

import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import type { Connection, Stream } from '../../lib/index.ts';
import { type Feeds, feeds } from '../support/feeds.ts';
import { origin, type Talk } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';
import { atRest, ROADS, type Road } from '../support/roads.ts';
import { sessions } from '../support/sessions.ts';

const MiB = 1024 * 1024;
const PART = new Uint8Array(64 * 1024);

/** The body of one request at its server, which does not read it yet. */
interface Unread {
  /** Reads it all: its hash. */
  read(): Promise<string>;
  answer(): void;
  /** The connection is gone, without a word. */
  reset(): void;
}

for (const road of ROADS) {
  describe(`a server that does not read the body of a request, on ${road} (F3)`, () => {
    const kit = feeds();

    it('makes data() false above maxBuffered, and throw at four times that; nothing is lost', async () => {
      const { connection, stream, server } = await uploading(road, kit);
      const hash = createHash('sha1');
      await fill(connection, stream, hash);
      expect(() => {
        for (;;) {
          stream.data('nofin', PART);
          hash.update(PART);
        }
      }).to.throw('more than 4 times maxBuffered (1048576)');
      expect(stream.bufferedAmount).to.be.within(4 * MiB + 1, 4 * MiB + PART.length);
      expect(() => stream.data('nofin', 'x'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_OVERLOADED');
      await rejects(stream.drained({ timeout: 0 }), 'ERR_GUNPORT_TIMEOUT');

      const read = server.read();
      await stream.drained();
      expect(stream.bufferedAmount).to.equal(0);
      expect(stream.data('fin', 'the end')).to.equal(true);
      hash.update('the end');
      expect(await read).to.equal(hash.digest('hex'));
      server.answer();
      expect(await stream.text()).to.equal('Thanks');
    });

    it('lets drained() reject, and nothing waits any more, when the connection is lost', async () => {
      const { connection, stream, server } = await uploading(road, kit);
      await fill(connection, stream);
      const drained = rejects(stream.drained(), 'ERR_GUNPORT_CLOSED');
      server.reset();
      await drained;
      expect(stream.bufferedAmount).to.equal(0);
      expect(() => stream.data('nofin', 'x'))
        .to.throw()
        .with.property('code', 'ERR_GUNPORT_CLOSED');
    });

    it('lets drained() reject when the request is cancelled', async () => {
      const { connection, stream } = await uploading(road, kit);
      await fill(connection, stream);
      const drained = rejects(stream.drained(), 'ERR_GUNPORT_CANCELLED');
      stream.cancel();
      await drained;
      expect(stream.bufferedAmount).to.equal(0);
    });
  });
}

describe('a server of HTTP/2 that does not read one body (F3)', () => {
  const { keep, open } = feeds();

  it('reads another’s, and is asked other things', async () => {
    const server = await keep(sessions());
    const connection = open(server.url, { ...server.trust, maxBuffered: MiB });
    const stopped = connection.post('/stopped');
    await server.next();
    await fill(connection, stopped);
    const other = connection.post('/other');
    const asked = await server.next();
    const read = hashOf(asked.stream);
    const hash = createHash('sha1');
    for (let i = 0; i < 512; i++) {
      hash.update(PART);
      if (!other.data('nofin', PART)) await other.drained();
    }
    other.data('fin');
    expect(await read).to.equal(hash.digest('hex'));
    asked.answer();
    expect(await other.text()).to.equal('Hello world!');
    expect(stopped.bufferedAmount).to.be.above(MiB);
  });
});

async function uploading(
  road: Road,
  { keep, open }: Feeds,
): Promise<{ connection: Connection; stream: Stream<Connection>; server: Unread }> {
  const options = { maxBuffered: MiB, retry: 0 };
  if (road === 'HTTP/2') {
    const server = await keep(sessions());
    const connection = open(server.url, { ...server.trust, ...options });
    const stream = connection.post('/');
    const { stream: body, session, answer } = await server.next();
    const unread = {
      read: () => hashOf(body),
      answer: () => answer('Thanks'),
      reset: () => session.destroy(),
    };
    return { connection, stream, server: unread };
  }
  const server = await keep(origin());
  const connection = open(server.url, options);
  const stream = connection.post('/');
  // What is given before it is there is at rest, too.
  return { connection, stream, server: await unreadOf(server.next()) };
}

async function unreadOf(next: Promise<Talk>): Promise<Unread> {
  const talk = await next;
  await talk.request();
  talk.socket.pause();
  return {
    read: async () => {
      talk.socket.resume();
      const { body } = await talk.body();
      return createHash('sha1').update(body).digest('hex');
    },
    answer: () => void talk.answer(200, 'Thanks'),
    reset: () => talk.reset(),
  };
}

/** Gives more than the kernel, and the server's window, take. */
async function fill(connection: Connection, stream: Stream<Connection>, hash?: Hash): Promise<void> {
  const waits = (): number => stream.bufferedAmount;
  do {
    let more = true;
    for (; more; hash?.update(PART)) more = stream.data('nofin', PART);
    expect(stream.bufferedAmount).to.be.above(MiB);
    // A kernel that delays its acknowledgements, by 40 ms, is not full yet.
  } while ((await atRest(connection, waits, 100)) <= MiB);
}

async function hashOf(body: Readable): Promise<string> {
  const hash = createHash('sha1');
  for await (const chunk of body) hash.update(chunk);
  return hash.digest('hex');
}
