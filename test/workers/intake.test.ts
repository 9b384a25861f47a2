import type { MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import { LENGTH_MASK, type Notice, type Parcel } from '../../lib/wire.ts';
import { Intake } from '../../workers/intake.ts';
import { Outbox } from '../../workers/outbox.ts';
import { SLAB, sharedBuffer } from '../../workers/slabs.ts';
import { Counters } from '../../workers/socket.ts';
import { frame } from '../support/feeds.ts';

interface Made {
  readonly intake: Intake;
  readonly counters: Counters;
  readonly parcels: Parcel[];
}

function make(maxPayload = 0x7fffffff): Made {
  const parcels: Parcel[] = [];
  const post = (notice: Notice, transfer: (ArrayBuffer | MessagePort)[]): void => {
    if (notice.type !== 'parcel') return;
    const { byteOffset, byteLength } = notice.slab;
    // Moved, as to another thread: what it was read into cannot be used here any more.
    const memory = transfer as ArrayBuffer[]; // Nothing else moves without a handler.
    const [slab, index] = structuredClone(memory, { transfer: memory });
    parcels.push({
      ...notice,
      slab: new Uint8Array(slab ?? new ArrayBuffer(0), byteOffset, byteLength),
      index: new Int32Array(index ?? new ArrayBuffer(0)),
    });
    // Read at once.
    queueMicrotask(() => outbox.acked(notice.seq));
  };
  const host = { maxBuffered: 1e9, pause: () => {}, resume: () => {}, credit: () => {} };
  const outbox = new Outbox(post, host);
  const counters = new Counters();
  return {
    intake: new Intake(1, outbox, counters, { maxPayload, most: Number.POSITIVE_INFINITY }),
    counters,
    parcels,
  };
}

/** A read of the kernel: as much as fits, then what is left in the next. */
function read({ intake }: Made, bytes: Uint8Array, ship = true): void {
  for (let at = 0; at < bytes.length; ) {
    const free = intake.buffer();
    expect(free.length).to.be.above(0);
    const part = bytes.subarray(at, at + free.length);
    free.set(part);
    intake.filled(part.length);
    at += part.length;
    intake.walk();
    if (ship) intake.ship(true);
  }
}

/** All messages that were shipped: `text Hello`, `binary 0102`. */
function messages({ parcels }: Made): string[] {
  return parcels.flatMap(({ slab, index, count }) =>
    Array.from({ length: count }, (_, i) => {
      const start = index[2 * i] ?? 0;
      const word = index[2 * i + 1] ?? 0;
      const payload = Buffer.from(slab.subarray(start, start + (word & LENGTH_MASK)));
      return word < 0 ? `text ${payload}` : `binary ${payload.toString('hex')}`;
    }),
  );
}

describe('intake', () => {
  it('ships what was read, small reads by copy out of the lobby', () => {
    const made = make();
    read(made, Buffer.concat([frame(0x81, 'Hello'), frame(0x82, 'ab'), frame(0x81)]));
    expect(messages(made)).to.deep.equal(['text Hello', 'binary 6162', 'text ']);
    expect(made.parcels).to.have.lengthOf(1);
    expect(made.parcels[0]).to.include({ stream: 1, seq: 1, ascii: true, bytes: 7 });
    expect(made.counters).to.include({ messagesReceived: 3, bytesReceived: 7 });
  });

  it('reads the next from the beginning of the lobby once all is shipped', () => {
    const made = make();
    read(made, frame(0x81, 'a'));
    expect(made.intake.buffer().buffer).to.equal(sharedBuffer().buffer);
    expect(made.intake.buffer().byteOffset).to.equal(0);
  });

  it('takes half a frame out of the lobby, which others use meanwhile', () => {
    const made = make();
    const bytes = frame(0x81, 'Hello');
    for (let cut = 1; cut < bytes.length; cut++) {
      read(made, bytes.subarray(0, cut));
      const next = made.intake.buffer();
      expect(next.buffer).not.to.equal(sharedBuffer().buffer);
      sharedBuffer().fill(0xff);
      read(made, bytes.subarray(cut));
    }
    expect(messages(made)).to.deep.equal(Array(bytes.length - 1).fill('text Hello'));
  });

  it('keeps every message over reads of any size', async () => {
    const expected: string[] = [];
    const frames: Buffer[] = [];
    for (let i = 0; i < 20_000; i++) {
      const text = `${i}`.repeat(1 + (i % 40));
      frames.push(frame(0x81, text));
      expected.push(`text ${text}`);
    }
    const bytes = Buffer.concat(frames);
    for (const size of [1_000, 10_000, 65_536, 100_000, 524_288, bytes.length]) {
      const made = make();
      for (let at = 0; at < bytes.length; at += size) {
        read(made, bytes.subarray(at, at + size));
        await Promise.resolve();
      }
      const got = messages(made);
      expect(got.length, `reads of ${size}`).to.equal(expected.length);
      expect(got.findIndex((message, i) => message !== expected[i])).to.equal(-1);
    }
  });

  it('keeps every message when nothing is shipped for a long time', () => {
    const made = make();
    for (let i = 0; i < 60_000; i++) read(made, frame(0x81, String(i)), false);
    made.intake.ship(true);
    const got = messages(made);
    expect(got.length).to.equal(60_000);
    expect(got.findIndex((message, i) => message !== `text ${i}`)).to.equal(-1);
  });

  it('grows with what is there, not with what a header promises', () => {
    const made = make();
    const promise = Buffer.from('827f0000000040000000', 'hex');
    read(made, promise);
    made.intake.need(2 ** 30 + 10);
    let got = promise.length;
    for (let i = 0; i < 10; i++) {
      const free = made.intake.buffer();
      expect(free.length).to.be.at.most(Math.max(2 * got, 2 * SLAB));
      made.intake.filled(free.length);
      got += free.length;
    }
  });

  it('finds a text that is not UTF-8, ships those before it and nothing after', () => {
    const bad = frame(0x81, Buffer.from('c328', 'hex'));
    const made = make();
    read(made, Buffer.concat([frame(0x81, 'é'), frame(0x82, Uint8Array.of(0xff)), bad, frame(0x81, 'x')]));
    expect(made.intake.notUtf8).to.equal(true);
    expect(messages(made)).to.deep.equal(['text é', 'binary ff']);
    made.intake.add(true, [Buffer.from('y')], 1);
    made.intake.ship(true);
    expect(messages(made)).to.have.lengthOf(2);
  });

  it('knows whether all texts are ASCII, whatever the binaries are', () => {
    const made = make();
    read(made, Buffer.concat([frame(0x81, 'a'), frame(0x82, Uint8Array.of(0xff))]));
    read(made, Buffer.concat([frame(0x81, 'é'), frame(0x82, 'a')]));
    read(made, frame(0x82, Uint8Array.of(0xff)));
    read(made, frame(0x81, 'é'));
    expect(made.parcels.map(({ ascii }) => ascii)).to.deep.equal([true, false, true, false]);
  });

  it('lays out what was put together elsewhere, in order with what was not', () => {
    const made = make();
    const { intake } = made;
    read(made, frame(0x81, 'a'), false);
    intake.add(true, [Buffer.from('b'), Buffer.from('c')], 2);
    intake.add(false, [Buffer.from('d')], 1);
    intake.add(true, [], 0);
    read(made, frame(0x81, 'e'), false);
    intake.ship(true);
    expect(messages(made)).to.deep.equal(['text a', 'text bc', 'binary 64', 'text ', 'text e']);
  });

  it('does not join two halves of a character in two messages', () => {
    const made = make();
    made.intake.add(true, [Uint8Array.of(0xc3)], 1);
    made.intake.add(true, [Uint8Array.of(0xa9)], 1);
    made.intake.ship(true);
    expect(made.intake.notUtf8).to.equal(true);
    expect(messages(made)).to.deep.equal([]);
  });

  it('stops at what is for the slow path, and goes on behind it', () => {
    const made = make();
    const { intake } = made;
    const bytes = Buffer.concat([frame(0x81, 'a'), frame(0x89, 'ping'), frame(0x81, 'b')]);
    intake.buffer().set(bytes);
    intake.filled(bytes.length);
    expect(intake.walk()).to.equal(true);
    expect(Buffer.from(intake.bytes.subarray(intake.at + 2, intake.at + 6)).toString()).to.equal('ping');
    intake.skip(6);
    expect(intake.walk()).to.equal(false);
    intake.ship(true);
    expect(messages(made)).to.deep.equal(['text a', 'text b']);
  });

  it('places a large message where it was read', () => {
    const made = make();
    const { intake } = made;
    const large = Buffer.alloc(100_000, 'x');
    const bytes = frame(0x81, large);
    read(made, frame(0x81, 'before'), false);
    for (let at = 0; at < bytes.length; ) {
      const free = intake.buffer();
      const part = bytes.subarray(at, at + free.length);
      free.set(part);
      intake.filled(part.length);
      at += part.length;
      expect(intake.walk()).to.equal(true);
      if (intake.end - intake.at < bytes.length) intake.need(bytes.length);
    }
    intake.place(true, intake.at + 10, large.length);
    intake.ship(true);
    expect(messages(made)).to.deep.equal(['text before', `text ${large}`]);
  });

  it('drops what was not shipped', () => {
    const made = make();
    read(made, frame(0x81, 'a'), false);
    made.intake.drop();
    read(made, frame(0x81, 'b'));
    expect(messages(made)).to.deep.equal(['text b']);
  });

  it('begins with what came with the answer to the upgrade', () => {
    const made = make();
    made.intake.prefill(Buffer.concat([frame(0x81, 'a'), frame(0x81, 'bc').subarray(0, 3)]));
    expect(made.intake.walk()).to.equal(false);
    made.intake.ship(true);
    read(made, Buffer.from('c'));
    expect(messages(made)).to.deep.equal(['text a', 'text bc']);
  });
});
