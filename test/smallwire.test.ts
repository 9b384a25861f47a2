import { expect } from 'chai';
import { packFrames, packParcel, SMALL, unpackCast, unpackNotice } from '../lib/smallwire.ts';
import { type Notice, type Parcel, TEXT_BIT } from '../lib/wire.ts';

function parcel(lengths: readonly number[], more: Partial<Parcel> = {}): Parcel {
  const index = new Int32Array(2 * lengths.length);
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    index.set([at, more.texts ? length | TEXT_BIT : length], 2 * i);
    at += length;
  }
  const [slab, count] = [new Uint8Array(at).fill(7), lengths.length];
  const plain = { texts: false, ascii: true, bytes: at, sent: undefined };
  return { type: 'parcel', stream: 3, seq: 9, slab, index, count, ...plain, ...more };
}

/** To the other thread, as a tuple. */
function sentOver(small: Parcel): Notice {
  const packed = packParcel(small);
  expect(packed).to.be.an('array');
  return unpackNotice(structuredClone(packed as NonNullable<typeof packed>)); // As is expected.
}

describe('a small parcel', () => {
  it('comes as it was: of one message, of several, empty ones among them', () => {
    for (const lengths of [[64], [0], [1, 2, 3], [0, 5, 0, 4]]) {
      const small = parcel(lengths);
      expect(sentOver(small)).to.deep.equal(small);
    }
  });

  it('keeps what is known of its texts, and what has left', () => {
    for (const known of [
      { texts: true, ascii: true, sent: 0 },
      { texts: true, ascii: false, sent: 2 ** 40 },
      { texts: false, ascii: false },
    ]) {
      const small = parcel([5, 6], known);
      expect(sentOver(small)).to.deep.equal(small);
    }
  });

  it('is none with many messages, much memory, or values', () => {
    expect(packParcel(parcel([1, 1, 1, 1, 1]))).to.equal(undefined);
    expect(packParcel(parcel([SMALL + 1]))).to.equal(undefined);
    expect(packParcel(parcel([8], { slab: new Uint8Array(new ArrayBuffer(SMALL + 1), 0, 8) }))).to.equal(
      undefined,
    );
    expect(packParcel(parcel([8], { values: 'json' }))).to.equal(undefined);
  });
});

describe('small frames', () => {
  const frames = {
    type: 'send',
    stream: 3,
    image: Uint8Array.of(1, 2),
    messages: 1,
    unhurried: true,
  } as const;

  it('come as they were, with an acknowledgement or without', () => {
    for (const read of [undefined, [3, 17], [3, 17, 5, 1]]) {
      const cast = { ...frames, read };
      expect(unpackCast(structuredClone(packFrames(cast)))).to.deep.equal(cast);
    }
  });

  it('are told from casts, which stay as they are', () => {
    const cast = { type: 'info', id: 1 } as const;
    expect(unpackCast(cast)).to.equal(cast);
  });
});
