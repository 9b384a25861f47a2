// flow.test — how much of an answer comes: as many messages as were asked for, or as much as its reader takes.
// That nothing more comes is told by what overtakes it: other answers, round trips, and what the server could send.

import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { Connection, Stream } from '../../lib/index.ts';
import { feeds, frame } from '../support/feeds.ts';
import { mortalOwner } from '../support/mortal.ts';
import { rejects } from '../support/rejects.ts';
import { type Answering, atRest, nothingMore, ROADS, stageOn, wsOn } from '../support/roads.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** Parts of a body that does not end. */
const PART = new Uint8Array(16 * KiB);

/** Sends so much, then the end. Returns how much has left. */
function send(answering: Answering, size: number): { readonly sent: number; readonly all: Promise<void> } {
  const sending = { sent: 0, all: Promise.resolve() };
  const go = async (): Promise<void> => {
    answering.begin();
    for (; sending.sent < size && !answering.gone; sending.sent += PART.length) await answering.write(PART);
    answering.end();
  };
  sending.all = go();
  return sending;
}

/** Sends without end, until nobody takes it. Returns how much has left. */
function pour(answering: Answering, part: Uint8Array = PART): () => number {
  let sent = 0;
  const pump = async (): Promise<void> => {
    while (!answering.gone) {
      await answering.write(part);
      sent += part.length;
    }
  };
  void pump();
  return () => sent;
}

async function dataOf(connection: Connection, stream: Stream<Connection>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    expect(await connection.await(stream)).to.include({ type: 'data', fin: false });
  }
}

for (const road of ROADS) {
  describe(`flow: messages, on ${road}`, () => {
    const kit = feeds();

    it('of a request is how many come, until there are more (flow_SUITE flow_http, flow_http2)', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/', { flow: 1 });
      const answering = await next();
      answering.begin();
      pour(answering);
      expect((await connection.await(stream)).type).to.equal('response');
      await dataOf(connection, stream, 1);
      await nothingMore(connection, stream);
      connection.updateFlow(stream, 2);
      await dataOf(connection, stream, 2);
      await nothingMore(connection, stream);
      stream.updateFlow(1);
      stream.updateFlow(3);
      await dataOf(connection, stream, 4);
      await nothingMore(connection, stream);
    });

    it('of a connection is that of each request without one of its own (flow_SUITE default_flow_http, default_flow_http2)', async () => {
      for (const [given, expected] of [
        [undefined, 1],
        [2, 2],
      ] as const) {
        const { connection, next } = await stageOn(road, kit, { flow: 1 });
        const stream = connection.get('/', { flow: given });
        const answering = await next();
        answering.begin();
        pour(answering);
        await stream.response();
        await dataOf(connection, stream, expected);
        await nothingMore(connection, stream);
        await connection.close();
      }
    });

    it('holds the end back too, and the trailers, behind what waits', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/', { flow: 1, headers: { te: 'trailers' } });
      const answering = await next();
      answering.begin();
      void answering.write('one');
      await stream.response();
      await dataOf(connection, stream, 1);
      void answering.write('two');
      answering.end({ expires: 'never' });
      await nothingMore(connection, stream);
      expect(stream.state).to.equal('answered');
      stream.updateFlow(1);
      expect(await connection.await(stream)).to.deep.include({ type: 'data', data: bytes('two') });
      expect(await connection.await(stream)).to.deep.include({
        type: 'trailers',
        headers: Object.assign(Object.create(null), { expires: 'never' }),
      });
      expect(stream.state).to.equal('ended');
    });

    it('loses nothing of a whole answer that comes at once', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/', { flow: 1 });
      const answering = await next();
      answering.begin();
      for (const text of ['one', 'two', 'three']) void answering.write(text);
      answering.end();
      const { type } = await connection.await(stream);
      expect(type).to.equal('response');
      let text = '';
      for (let fin = false; !fin; stream.updateFlow(1)) {
        const notice = await connection.await(stream);
        if (notice.type !== 'data') throw new Error(`it is a ${notice.type}`);
        text += new TextDecoder().decode(notice.data);
        ({ fin } = notice);
      }
      expect(text).to.equal('onetwothree');
    });

    it('can be asked for where there is no flow, or no stream any more (flow_SUITE no_flow_http, no_flow_http2)', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/');
      stream.updateFlow(2);
      const answering = await next();
      answering.begin();
      await answering.write('Hello ');
      await stream.response();
      connection.updateFlow(stream, 2);
      await answering.write('world!');
      answering.end();
      expect(await stream.text()).to.equal('Hello world!');
      stream.updateFlow(1);
      expect(() => stream.updateFlow(0)).to.throw('messages must be an integer from 1, got 0');
      expect(() => connection.get('/', { flow: 0 })).to.throw('flow must be an integer from 1');
    });

    it('of a WebSocket is how many come, until there are more (flow_SUITE flow_ws)', async () => {
      const { connection, feed, side } = await wsOn(road, kit, { flow: 1 });
      for (const text of ['one', 'two', 'three', 'four']) side.send(frame(0x81, text));
      const textsOf = async (count: number): Promise<unknown[]> => {
        const texts: unknown[] = [];
        for (let i = 0; i < count; i++) {
          const notice = await connection.await(feed);
          if ('data' in notice) texts.push(notice.data);
        }
        return texts;
      };
      expect(await textsOf(1)).to.deep.equal(['one']);
      await nothingMore(connection, feed);
      feed.updateFlow(2);
      expect(await textsOf(2)).to.deep.equal(['two', 'three']);
      await nothingMore(connection, feed);
    });

    it('of a WebSocket can be asked for where there is none (flow_SUITE no_flow_ws)', async () => {
      const { connection, feed, side } = await wsOn(road, kit);
      connection.updateFlow(feed, 2);
      side.send(Buffer.concat([frame(0x81, 'one'), frame(0x81, 'two'), frame(0x81, 'three')]));
      for (const data of ['one', 'two', 'three']) {
        expect(await connection.await(feed)).to.include({ frame: 'text', data });
      }
    });
  });

  describe(`a reader that stops, on ${road} (F1)`, () => {
    const kit = feeds();
    const BODY = 96 * MiB;
    /** What the client and two kernels hold of it at most: a window of 4 MiB, and what TCP buffers. */
    const HELD = (road === 'HTTP/2' ? 8 : 48) * MiB;

    it('halts its server, and loses nothing when it goes on', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/');
      const answering = await next();
      answering.begin();
      const [there, here] = [createHash('sha1'), createHash('sha1')];
      let sent = 0;
      const send = async (): Promise<void> => {
        for (let i = 0; sent < BODY; i++) {
          const part = new Uint8Array(64 * KiB).fill(i);
          there.update(part);
          await answering.write(part);
          sent += part.length;
        }
        answering.end();
      };
      const all = send();
      await stream.response();
      while (sent < 4 * MiB - 64 * KiB) await connection.info();
      expect(await atRest(connection, () => sent)).to.be.below(HELD);
      let read = 0;
      for await (const chunk of stream) {
        here.update(chunk);
        read += chunk.length;
      }
      await all;
      expect(read).to.equal(BODY);
      expect(here.digest('hex')).to.equal(there.digest('hex'));
    });

    it('is waited for by shutdown(), and gets all of its answer', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/');
      const sending = send(await next(), BODY);
      await stream.response();
      await atRest(connection, () => sending.sent);
      const ended = connection.shutdown();
      await connection.info();
      expect(await stream.bytes()).to.have.lengthOf(BODY);
      await Promise.all([sending.all, ended]);
    });

    it('that never goes on is not waited for beyond closingTimeout, and keeps what has come', async () => {
      const { connection, next } = await stageOn(road, kit, { closingTimeout: 100 });
      const stream = connection.get('/');
      const sending = send(await next(), BODY);
      await stream.response();
      await atRest(connection, () => sending.sent);
      await connection.shutdown();
      let read = 0;
      const reading = (async () => {
        for await (const chunk of stream) read += chunk.length;
      })();
      expect((await rejects(reading, 'ERR_GUNPORT_CLOSED')).reason).to.equal('shutdown');
      expect(read).to.be.within(3 * MiB, BODY - 1);
    });

    for (const flow of [undefined, 1]) {
      const counts = flow ? 'counts messages and ' : '';
      it(`that ${counts}is gone is no reason to halt: the answer comes to its end (O8)`, async () => {
        const { connection, next } = await stageOn(road, kit);
        const stream = connection.get('/', { flow });
        const sending = send(await next(), BODY);
        await stream.response();
        await atRest(connection, () => sending.sent);
        const { down } = connection.monitor({ keep: true });
        const owner = await mortalOwner(connection);
        await owner.kill();
        await sending.all;
        expect(sending.sent).to.equal(BODY);
        expect((await down)?.reason.kind).to.equal('owner-gone');
      });
    }

    it('that cancels lets others go on', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/', { flow: 1 });
      const other = connection.get('/other');
      const [first, second] = [await next(), await next()];
      const sending = send(first, 8 * MiB);
      await stream.response();
      await dataOf(connection, stream, 1);
      await nothingMore(connection, stream);
      stream.cancel();
      await sending.all;
      send(second, MiB);
      expect(await other.bytes()).to.have.lengthOf(MiB);
    });

    it('goes on with flush(), which drops what has come (gun:flush/1)', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/');
      const sending = send(await next(), BODY);
      let before = 0;
      while (sending.sent < BODY) {
        before = await atRest(connection, () => sending.sent);
        connection.flush(stream);
        while (sending.sent === before && before < BODY) await connection.info();
      }
      await sending.all;
      while (stream.state !== 'ended') {
        connection.flush(stream);
        await connection.info();
      }
      expect(sending.sent).to.be.at.least(BODY);
      // What had come at each call was dropped: only what came behind the last one is left.
      let left = 0;
      for await (const chunk of stream) left += chunk.length;
      expect(left).to.be.below(BODY);
    });

    it('that takes a part now and then is given no more than that', async () => {
      const { connection, next } = await stageOn(road, kit);
      const stream = connection.get('/');
      const answering = await next();
      answering.begin();
      const sent = pour(answering);
      await stream.response();
      let read = 0;
      const chunks = stream[Symbol.asyncIterator]();
      for (let round = 0; round < 3; round++) {
        for (const goal = read + 8 * MiB; read < goal; ) {
          const { value } = await chunks.next();
          read += (value as Uint8Array).length; // It does not end.
        }
        expect((await atRest(connection, sent)) - read).to.be.at.most(HELD);
      }
      await chunks.return?.();
    });
  });
}

describe('a reader that stops, on HTTP/2, beside others (F1)', () => {
  const kit = feeds();

  it('halts nobody else, however many stop', async () => {
    const { connection, next } = await stageOn('HTTP/2', kit);
    // More than connectionWindow together.
    const stopped = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const stream = connection.get(`/${i}`);
        const answering = await next();
        answering.begin();
        return { stream, sent: pour(answering) };
      }),
    );
    for (const { stream } of stopped) await stream.response();
    const least = (): number => Math.min(...stopped.map(({ sent }) => sent()));
    while (least() < 4 * MiB - 64 * KiB) await connection.info();
    await atRest(connection, () => stopped.reduce((sum, { sent }) => sum + sent(), 0));
    const stream = connection.get('/goes-on');
    const answering = await next();
    answering.begin();
    const send = async (): Promise<void> => {
      for (let i = 0; i < 512; i++) await answering.write(new Uint8Array(64 * KiB));
      answering.end();
    };
    const all = send();
    expect(await stream.bytes()).to.have.lengthOf(32 * MiB);
    await all;
    for (const { sent } of stopped) expect(sent()).to.be.below(8 * MiB);
  });

  it('is given its time by a connection whose server has said GOAWAY (F2)', async () => {
    const { connection, goaway, next } = await stageOn('HTTP/2', kit, { retry: 0, closingTimeout: 300 });
    const stream = connection.get('/');
    const sending = send(await next(), 32 * MiB);
    await stream.response();
    await atRest(connection, () => sending.sent);
    goaway(1);
    // The clock of another request, which is none of this connection's.
    const other = await stageOn('HTTP/2', kit);
    await rejects(other.connection.get('/', { requestTimeout: 450 }).response(), 'ERR_GUNPORT_TIMEOUT');
    expect(await stream.bytes()).to.have.lengthOf(32 * MiB);
    await sending.all;
  });

  it('halts nobody else with flow: messages, however many there are', async () => {
    const { connection, next } = await stageOn('HTTP/2', kit);
    for (let i = 0; i < 24; i++) {
      const stream = connection.get(`/${i}`, { flow: 1 });
      const answering = await next();
      answering.begin();
      const sent = pour(answering);
      await stream.response();
      // A window of 1 MiB, and the message that was given.
      expect(await atRest(connection, sent)).to.be.below(2 * MiB);
    }
    const stream = connection.get('/goes-on');
    const answering = await next();
    answering.begin();
    const all = answering.write(new Uint8Array(4 * MiB));
    answering.end();
    expect(await stream.bytes()).to.have.lengthOf(4 * MiB);
    await all;
  });
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
