import { expect } from 'chai';
import type { Message } from '../../lib/index.ts';
import {
  arrived,
  feeds,
  firstBatch,
  frame,
  numbers,
  pause,
  plain,
  take,
  untilClose,
} from '../support/feeds.ts';

describe('batches of a WebSocket', () => {
  const { talk } = feeds();

  it('gives what arrived together, by index and as an iterable', async () => {
    const { feed, server } = await talk();
    server.send(
      Buffer.concat([
        frame(0x81, 'Hello'),
        frame(0x82, Uint8Array.of(1, 2)),
        frame(0x81, 'é€😀'),
        frame(0x81),
      ]),
    );
    await arrived(feed, 4);
    const batch = await firstBatch(feed);
    expect(batch.length).to.equal(4);
    expect([0, 1, 2, 3].map((i) => batch.isText(i))).to.deep.equal([true, false, true, true]);
    expect([0, 1, 2, 3].map((i) => batch.byteLength(i))).to.deep.equal([5, 2, 9, 0]);
    expect([0, 2, 3].map((i) => batch.text(i))).to.deep.equal(['Hello', 'é€😀', '']);
    expect(batch.text(1)).to.equal('\u0001\u0002');
    expect([...batch.bytes(1)]).to.deep.equal([1, 2]);
    expect(Buffer.from(batch.bytes(0)).toString()).to.equal('Hello');
    expect(batch.get(0)).to.equal('Hello');
    expect([...batch].map(plain)).to.deep.equal(['Hello', '<0102>', 'é€😀', '']);
  });

  it('has no message beyond its length: RangeError', async () => {
    const { feed, server } = await talk();
    server.send(numbers(0, 2));
    await arrived(feed, 2);
    const batch = await firstBatch(feed);
    for (const i of [-1, 2, 0.5, Number.NaN]) {
      expect(() => batch.bytes(i), String(i)).to.throw(RangeError);
      expect(() => batch.text(i), String(i)).to.throw(RangeError);
      expect(() => batch.isText(i), String(i)).to.throw(RangeError);
      expect(() => batch.byteLength(i), String(i)).to.throw(RangeError);
    }
  });

  it('is taken whole: break goes on with the next one', async () => {
    const { feed, server } = await talk();
    server.send(numbers(0, 5));
    await arrived(feed, 5);
    expect((await firstBatch(feed)).length).to.equal(5);
    server.send(numbers(5, 1));
    expect(await take(feed, 1)).to.deep.equal(['5']);
  });

  it('is what is left of a parcel that was read in part', async () => {
    const { feed, server } = await talk();
    server.send(numbers(0, 5));
    await arrived(feed, 5);
    expect(await take(feed, 2)).to.deep.equal(['0', '1']);
    const batch = await firstBatch(feed);
    expect([...batch]).to.deep.equal(['2', '3', '4']);
    expect(batch.text(0)).to.equal('2');
    expect(() => batch.text(3)).to.throw(RangeError);
  });

  it('keeps its bytes for ever', async () => {
    const { feed, server } = await talk();
    const kept: Uint8Array[] = [];
    let sent = 0;
    const sendMore = (): void =>
      server.send(Buffer.concat(Array.from({ length: 50 }, () => chunkOf(sent++))));
    sendMore();
    for await (const batch of feed.batches()) {
      for (let i = 0; i < batch.length; i++) kept.push(batch.bytes(i));
      if (kept.length === 1_000) break;
      if (kept.length === sent) sendMore();
    }
    const wrong = kept.findIndex(
      (bytes, i) => bytes.length !== 2_000 || bytes.some((byte) => byte !== i % 251),
    );
    expect(wrong).to.equal(-1);
  });

  it('may be borrowed: valid until the next turn of the loop, and counted right all the same', async () => {
    const { feed, server } = await talk();
    let read = 0;
    let sent = 0;
    const sendMore = (): void =>
      server.send(Buffer.concat(Array.from({ length: 300 }, () => chunkOf(sent++))));
    sendMore();
    for await (const batch of feed.batches({ borrow: true })) {
      for (let i = 0; i < batch.length; i++) {
        const bytes = batch.bytes(i);
        expect(bytes[0]).to.equal(read % 251);
        expect(bytes[1_999]).to.equal(read % 251);
        read++;
      }
      if (read === 6_000) break;
      if (read === sent) sendMore();
    }
    expect((await feed.connection.info()).counters.messagesReceived).to.equal(6_000);
    server.send(numbers(0, 1));
    expect(await take(feed, 1)).to.deep.equal(['0']);
  });

  it('that is borrowed leaves messages alone that were given before it, of the same parcel', async () => {
    const { feed, server } = await talk();
    const all = 4_000;
    server.send(Buffer.concat(Array.from({ length: all }, (_, i) => chunkOf(i))));
    const kept = new Map<number, Message>();
    for (let read = 0; read < all; ) {
      for (const message of await take(feed, 1)) kept.set(read++, message);
      if (read === all) break;
      for await (const batch of feed.batches({ borrow: true })) {
        read += batch.length;
        break;
      }
    }
    await pause(feed);
    expect(kept.size).to.be.above(1);
    for (const [i, message] of kept)
      expect(Buffer.from(message as Uint8Array).equals(chunkOf(i).subarray(4))).to.equal(true);
  });

  it('ends and throws as the loop over messages does', async () => {
    const { feed, server } = await talk();
    void untilClose(server);
    server.send(Buffer.concat([numbers(0, 2), frame(0x88, Uint8Array.of(0x03, 0xf0))]));
    let count = 0;
    let thrown: unknown;
    try {
      for await (const batch of feed.batches()) count += batch.length;
    } catch (error) {
      thrown = error;
    }
    expect(count).to.equal(2);
    expect(thrown).to.include({ code: 'ERR_GUNPORT_CLOSED', reason: 1008 });
  });
});

/** A binary message of 2 000 bytes that tells its number. */
function chunkOf(number: number): Buffer {
  return frame(0x82, Buffer.alloc(2_000, number % 251));
}
