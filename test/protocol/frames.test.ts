import { expect } from 'chai';
import {
  type Cursor,
  headerSize,
  maskImage,
  OPCODE,
  readHeader,
  STOP,
  walk,
  writeHeader,
} from '../../lib/protocol/frames.ts';
import { LENGTH_MASK } from '../../lib/wire.ts';
import { unhex } from '../support/peers.ts';

const NAMES = ['more', 'other', 'full'];
const NO_LIMIT = 0x7fffffff;

interface Walked {
  /** Why it stopped, and where. */
  readonly stop: string;
  readonly at: number;
  readonly needed: number;
  readonly kinds: number;
  /** `text Hello`, `binary 0102`. */
  readonly messages: readonly string[];
}

interface Given {
  readonly room?: number;
  readonly maxPayload?: number;
}

/** Walks these bytes, put at an odd place in memory, as they arrive: up to each of `cuts`, then all of them. */
function walkAll(hex: string, given: Given = {}, cuts: readonly number[] = []): Walked {
  const { room = 64, maxPayload = NO_LIMIT } = given;
  const bytes = unhex(hex);
  const memory = new Uint8Array(3 + bytes.length + 5).fill(0x81); // What stands behind is no part of it.
  memory.set(bytes, 3);
  const cursor: Cursor = { at: 3, count: 0, kinds: 0, bytes: 0, needed: 0 };
  const index = new Int32Array(2 * room);
  let stop: number = STOP.more;
  for (const cut of [...cuts, bytes.length]) {
    stop = walk(memory, 3 + cut, cursor, index, { base: 3, maxPayload });
  }
  const messages = Array.from({ length: cursor.count }, (_, i) => {
    const start = index[2 * i]! + 3;
    const word = index[2 * i + 1]!;
    const payload = Buffer.from(memory.subarray(start, start + (word & LENGTH_MASK)));
    return word < 0 ? `text ${payload}` : `binary ${payload.toString('hex')}`;
  });
  const { at, needed, kinds } = cursor;
  return { stop: NAMES[stop]!, at: at - 3, needed, kinds, messages };
}

/** The same, whole and in two parts at every place: all must agree. */
function everyCut(hex: string, given: Given = {}): Walked {
  const whole = walkAll(hex, given);
  const { length } = unhex(hex);
  for (let cut = 0; cut <= Math.min(length, 400); cut++) {
    expect(walkAll(hex, given, [cut]), `cut at ${cut}`).to.deep.equal(whole);
  }
  const each = Array.from({ length: Math.min(length, 400) }, (_, i) => i);
  expect(walkAll(hex, given, each), 'byte by byte').to.deep.equal(whole);
  return whole;
}

const messagesOf = (hex: string, given: Given = {}) => {
  const { messages, stop } = everyCut(hex, given);
  return [...messages, stop];
};

describe('frames', () => {
  describe('walk', () => {
    it('finds text and binary where they stand (RFC 6455 §5.2, §5.7)', () => {
      expect(everyCut('81 05 48656c6c6f  82 02 0102')).to.deep.equal({
        stop: 'more',
        at: 11,
        needed: 0,
        kinds: 3,
        messages: ['text Hello', 'binary 0102'],
      });
      expect(everyCut('81 00').kinds).to.equal(1);
      expect(everyCut('82 00').kinds).to.equal(2);
    });

    it('takes empty messages', () => {
      expect(messagesOf('81 00  82 00  81 00')).to.deep.equal(['text ', 'binary ', 'text ', 'more']);
    });

    it('reads lengths of 7 and of 16 bits', () => {
      for (const length of [125, 126, 127, 255, 256]) {
        const header = length < 126 ? length.toString(16) : `7e ${length.toString(16).padStart(4, '0')}`;
        expect(messagesOf(`82 ${header} ${'ab'.repeat(length)}`)).to.deep.equal([
          `binary ${'ab'.repeat(length)}`,
          'more',
        ]);
      }
      const long = 'cd'.repeat(65_535);
      expect(walkAll(`82 7e ffff ${long}`).messages).to.deep.equal([`binary ${long}`]);
    });

    it('leaves all else to the machine, and stops before it', () => {
      const others = {
        'a 64-bit length': '82 7f 0000000000010000',
        'a mask': '81 85 37fa213d 7f9f4d5158',
        'a fragment': '01 03 48656c',
        'a continuation': '80 02 6c6f',
        'a ping': '89 00',
        'a pong': '8a 00',
        'a close': '88 02 03e8',
        'a reserved bit': 'c1 00',
        'a reserved opcode': '83 00',
        'a length that could be shorter': '81 7e 0005 48656c6c6f',
      };
      for (const [what, hex] of Object.entries(others)) {
        expect(everyCut(`81 01 61 ${hex}`), what).to.deep.include({
          stop: 'other',
          at: 3,
          messages: ['text a'],
        });
      }
    });

    it('leaves a message above maxPayload to the machine, by its header alone', () => {
      expect(everyCut('82 05', { maxPayload: 4 })).to.include({ stop: 'other', at: 0 });
      expect(everyCut('82 7e 0100', { maxPayload: 255 })).to.include({ stop: 'other', at: 0 });
      expect(messagesOf('82 04 01020304', { maxPayload: 4 })).to.deep.equal(['binary 01020304', 'more']);
    });

    it('tells how many bytes the next frame takes, once that is known', () => {
      expect(walkAll('').needed).to.equal(0);
      expect(walkAll('81').needed).to.equal(0);
      expect(walkAll('81 05').needed).to.equal(7);
      expect(walkAll('81 05 4865').needed).to.equal(7);
      expect(walkAll('81 7e 01').needed).to.equal(0);
      expect(walkAll('81 7e 0100 aa').needed).to.equal(260);
      expect(walkAll('81 05 48656c6c6f').needed).to.equal(0);
    });

    it('stops when the index is full, before the message that has no room', () => {
      const walked = walkAll('81 01 61  81 01 62  81 01 63', { room: 2 });
      expect(walked).to.deep.include({ stop: 'full', at: 6, messages: ['text a', 'text b'] });
      expect(walkAll('81 01 61  81 01 62', { room: 2 }).stop).to.equal('more');
    });

    it('zeroes the headers that it has passed, so that a run of texts can be checked in one go', () => {
      const bytes = Uint8Array.from(unhex(`81 02 c3a9  81 7e 0080 ${'61'.repeat(128)}  81 02 48`));
      const cursor: Cursor = { at: 0, count: 0, kinds: 0, bytes: 0, needed: 0 };
      walk(bytes, bytes.length, cursor, new Int32Array(8), { base: 0, maxPayload: NO_LIMIT });
      expect(Buffer.from(bytes).toString('hex')).to.equal(
        unhex(`00 00 c3a9  00 00 0000 ${'61'.repeat(128)}  81 02 48`).toString('hex'),
      );
    });

    it('writes offsets from its base', () => {
      const memory = new Uint8Array(20);
      memory.set(unhex('82 01 aa 82 01 bb'), 10);
      const index = new Int32Array(8);
      const cursor: Cursor = { at: 10, count: 0, kinds: 0, bytes: 0, needed: 0 };
      walk(memory, 16, cursor, index, { base: 10, maxPayload: NO_LIMIT });
      expect([...index.subarray(0, 4)]).to.deep.equal([2, 1, 5, 1]);
    });
  });

  describe('readHeader', () => {
    it('reads each part (RFC 6455 §5.2)', () => {
      const cases = {
        '81 05': { fin: true, rsv: 0, opcode: 1, masked: false, length: 5, lengthBits: 7, start: 2 },
        '01 05': { fin: false, rsv: 0, opcode: 1, masked: false, length: 5, lengthBits: 7, start: 2 },
        'f2 00': { fin: true, rsv: 7, opcode: 2, masked: false, length: 0, lengthBits: 7, start: 2 },
        'c1 00': { fin: true, rsv: 4, opcode: 1, masked: false, length: 0, lengthBits: 7, start: 2 },
        '89 80 01020304': { fin: true, rsv: 0, opcode: 9, masked: true, length: 0, lengthBits: 7, start: 6 },
        '82 7e 0100': { fin: true, rsv: 0, opcode: 2, masked: false, length: 256, lengthBits: 16, start: 4 },
        '82 fe 0100 01020304': {
          fin: true,
          rsv: 0,
          opcode: 2,
          masked: true,
          length: 256,
          lengthBits: 16,
          start: 8,
        },
        '82 7f 0000000100000001': {
          fin: true,
          rsv: 0,
          opcode: 2,
          masked: false,
          length: 2 ** 32 + 1,
          lengthBits: 64,
          start: 10,
        },
      };
      for (const [hex, header] of Object.entries(cases)) {
        const bytes = unhex(hex);
        expect(readHeader(bytes, 0, bytes.length), hex).to.deep.equal(header);
        for (let to = 0; to < bytes.length; to++) {
          expect(readHeader(bytes, 0, to), `${hex} cut at ${to}`).to.equal(undefined);
        }
        const moved = Buffer.concat([Buffer.from('ffff', 'hex'), bytes, Buffer.from('ffff', 'hex')]);
        expect(readHeader(moved, 2, 2 + bytes.length), `${hex} moved`).to.deep.equal({
          ...header,
          start: header.start + 2,
        });
      }
    });

    it('reads a length that no number holds as Infinity', () => {
      const bytes = unhex('82 7f ffffffffffffffff');
      expect(readHeader(bytes, 0, bytes.length)?.length).to.equal(Number.POSITIVE_INFINITY);
      const most = unhex('82 7f 001fffffffffffff');
      expect(readHeader(most, 0, most.length)?.length).to.equal(Number.MAX_SAFE_INTEGER);
    });
  });

  describe('writeHeader', () => {
    it('writes the shortest length, and room for the mask (RFC 6455 §5.2)', () => {
      const cases: [number, string][] = [
        [0, '82 80 00000000'],
        [125, '82 fd 00000000'],
        [126, '82 fe 007e 00000000'],
        [65_535, '82 fe ffff 00000000'],
        [65_536, '82 ff 0000000000010000 00000000'],
        [2 ** 32 + 1, '82 ff 0000000100000001 00000000'],
      ];
      for (const [length, hex] of cases) {
        const bytes = new Uint8Array(20).fill(0xee);
        const start = writeHeader(bytes, 2, 0x80 | OPCODE.binary, length);
        expect(start - 2, `size for ${length}`).to.equal(headerSize(length));
        expect(Buffer.from(bytes.subarray(2, start)).toString('hex')).to.equal(unhex(hex).toString('hex'));
        expect(readHeader(bytes, 2, start)).to.include({ length, masked: true, fin: true, opcode: 2, start });
      }
    });
  });

  describe('maskImage', () => {
    it('masks as in the example of RFC 6455 §5.7', () => {
      const bytes = Uint8Array.from(unhex('81 85 00000000 48656c6c6f'));
      expect(maskImage(bytes, () => unhex('37fa213d').readInt32LE())).to.equal(5);
      expect(Buffer.from(bytes).toString('hex')).to.equal(unhex('81 85 37fa213d 7f9f4d5158').toString('hex'));
    });

    it('masks every length at every alignment, and nothing beside it (RFC 6455 §5.3)', () => {
      const keys = [unhex('01020304'), unhex('f0e0d0c0'), unhex('00ff00ff')];
      for (let offset = 0; offset < 8; offset++) {
        for (const lengths of [
          [0, 1, 2],
          [3, 4, 5],
          [7, 8, 9],
          [15, 16, 17],
          [125, 126, 127],
          [1, 65_536, 3],
        ]) {
          const size = lengths.reduce((sum, length) => sum + headerSize(length) + length, 0);
          const memory = new Uint8Array(offset + size + 9).fill(0x5a);
          let at = offset;
          const starts = lengths.map((length) => {
            at = writeHeader(memory, at, 0x82, length);
            for (let i = 0; i < length; i++) memory[at + i] = (i * 7) & 0xff;
            at += length;
            return at - length;
          });
          let key = 0;
          const payload = maskImage(memory.subarray(offset, offset + size), () =>
            keys[key++ % 3]!.readInt32LE(),
          );
          expect(payload).to.equal(lengths.reduce((sum, length) => sum + length, 0));
          for (const [which, start] of starts.entries()) {
            const length = lengths[which]!;
            const mask = memory.subarray(start - 4, start);
            expect([...mask], `key ${which}`).to.deep.equal([...keys[which % 3]!]);
            let wrong = -1;
            for (let i = 0; i < length; i++) {
              if ((memory[start + i]! ^ mask[i & 3]!) !== ((i * 7) & 0xff)) wrong = i;
            }
            expect(wrong, `offset ${offset}, length ${length}`).to.equal(-1);
          }
          expect([...memory.subarray(0, offset), ...memory.subarray(offset + size)]).to.deep.equal(
            Array(offset + 9).fill(0x5a),
          );
        }
      }
    });

    it('draws a fresh key for each frame', () => {
      const image = Uint8Array.from(unhex('81 80 00000000 89 80 00000000 82 81 00000000 aa'));
      let drawn = 0;
      expect(maskImage(image, () => ++drawn)).to.equal(1);
      expect(drawn).to.equal(3);
    });
  });
});
