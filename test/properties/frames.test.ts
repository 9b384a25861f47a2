import { expect } from 'chai';
import fc from 'fast-check';
import { Layout } from '../../lib/layout.ts';
import { type Cursor, maskImage, OPCODE, readHeader, STOP, walk } from '../../lib/protocol/frames.ts';
import {
  close,
  ended,
  failed,
  judge,
  lost,
  OPEN,
  received,
  type WsCommand,
  type WsState,
  type WsStep,
} from '../../lib/protocol/websocket.ts';
import { packFrames, packParcel, unpackCast, unpackNotice } from '../../lib/smallwire.ts';
import { LENGTH_MASK, type Parcel, TEXT_BIT } from '../../lib/wire.ts';
import { frame } from '../support/feeds.ts';
import { cuts, holds, pieces } from '../support/property.ts';

const message = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.uint8Array({ maxLength: 400 }),
  fc.nat(70_000).map((length) => new Uint8Array(length).fill(length)),
);
const bytesOf = (one: string | Uint8Array): Buffer => Buffer.from(one as Uint8Array);

describe('frames (RFC 6455 §5.2)', () => {
  it('that are laid out and masked are what they were, read one by one (§5.3)', () => {
    const keys = fc.infiniteStream(fc.integer());
    holds(
      fc.tuple(fc.array(message, { maxLength: 6 }), keys, fc.boolean()),
      ([messages, stream, copied]) => {
        const layout = new Layout();
        for (const one of messages) {
          if (typeof one === 'string') layout.text(one);
          else layout.binary(one);
        }
        const taken = copied ? layout.copy() : layout.take();
        expect(taken.messages).to.equal(messages.length);
        const image = taken.image;
        expect(image.byteLength).to.equal(taken.bytes);
        const payload = maskImage(image, () => stream.next().value as number);
        expect(payload).to.equal(messages.reduce((sum, one) => sum + bytesOf(one).length, 0));
        const read: Buffer[] = [];
        for (let at = 0; at < image.length; ) {
          const header = readHeader(image, at, image.length);
          if (!header) throw new Error('half a header');
          const { start, length, masked, fin, rsv } = header;
          expect({ masked, fin, rsv }).to.deep.equal({ masked: true, fin: true, rsv: 0 });
          const one = Buffer.from(image.subarray(start, start + length));
          for (let i = 0; i < length; i++) one[i] = (one[i] ?? 0) ^ (image[start - 4 + (i & 3)] ?? 0);
          read.push(one);
          at = start + length;
        }
        expect(read.map((one) => one.toString('hex'))).to.deep.equal(
          messages.map((one) => bytesOf(one).toString('hex')),
        );
      },
      300,
    );
  });

  it('are walked to the same messages however the reads are cut', () => {
    const small = fc.oneof(fc.string({ maxLength: 20 }), fc.uint8Array({ maxLength: 400 }));
    holds(
      fc.tuple(fc.array(small, { minLength: 1, maxLength: 20 }), cuts, fc.integer({ min: 1, max: 8 })),
      ([messages, at, room]) => {
        const wire = Buffer.concat(messages.map((one) => frame(typeof one === 'string' ? 0x81 : 0x82, one)));
        const memory = new Uint8Array(wire.length);
        const cursor: Cursor = { at: 0, count: 0, kinds: 0, bytes: 0, needed: 0 };
        const index = new Int32Array(2 * room);
        const read: string[] = [];
        let to = 0;
        const take = (): void => {
          for (let i = 0; i < cursor.count; i++) {
            const [start = 0, word = 0] = [index[2 * i], index[2 * i + 1]];
            const text = Buffer.from(memory.subarray(start, start + (word & LENGTH_MASK))).toString('hex');
            read.push(`${(word & TEXT_BIT) === 0 ? 'binary' : 'text'} ${text}`);
          }
          Object.assign(cursor, { count: 0, kinds: 0, bytes: 0 });
        };
        for (const piece of pieces(wire, at)) {
          memory.set(piece, to);
          to += piece.length;
          for (;;) {
            const stop = walk(memory, to, cursor, index, { base: 0, maxPayload: 1e6 });
            expect(stop).to.not.equal(STOP.other);
            take();
            if (stop !== STOP.full) break;
          }
        }
        expect(cursor.at).to.equal(wire.length);
        expect(read).to.deep.equal(
          messages.map(
            (one) => `${typeof one === 'string' ? 'text' : 'binary'} ${bytesOf(one).toString('hex')}`,
          ),
        );
      },
    );
  });

  it('of any bytes have a header that is read, or not there yet, and never past what is there', () => {
    holds(fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat(20)), ([bytes, from]) => {
      const header = readHeader(bytes, from, bytes.length);
      if (!header) {
        expect(readHeader(bytes, from, Math.max(from, bytes.length - 1))).to.equal(undefined);
        return;
      }
      expect(header.start).to.be.within(from + 2, bytes.length);
      expect(header.length).to.be.at.least(0);
      // More bytes behind it change nothing.
      expect(readHeader(Buffer.concat([bytes, bytes]), from, 2 * bytes.length)).to.deep.equal(header);
    });
  });
});

describe('what crosses as tuples', () => {
  it('is a parcel again, or crosses as it is', () => {
    const word = fc.tuple(fc.nat(60), fc.nat(60), fc.boolean());
    const whole = fc.record({
      words: fc.array(word, { minLength: 1, maxLength: 6 }),
      seq: fc.nat(),
      size: fc.integer({ min: 130, max: 400 }),
      texts: fc.boolean(),
      ascii: fc.boolean(),
      sent: fc.option(fc.nat(), { nil: undefined }),
    });
    holds(whole, ({ words, seq, size, texts, ascii, sent }) => {
      const index = Int32Array.from(
        words.flatMap(([start, length, text]) => [start, text ? length | TEXT_BIT : length]),
      );
      const bytes = words.reduce((sum, [, length]) => sum + length, 0);
      const slab = new Uint8Array(size).fill(seq);
      const parcel: Parcel = {
        ...{ type: 'parcel', stream: 3, seq, slab, index, count: words.length, texts, ascii, bytes, sent },
      };
      const packed = packParcel(parcel);
      if (size > 256 || words.length > 4) expect(packed).to.equal(undefined);
      else expect(unpackNotice(structuredClone(packed) as typeof packed & object)).to.deep.equal(parcel);
    });
  });

  it('are frames again, with the acknowledgements that ride along', () => {
    const read = fc.option(fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 3 }), {
      nil: undefined,
    });
    holds(fc.tuple(fc.nat(), fc.uint8Array(), fc.nat(), read), ([stream, image, messages, pairs]) => {
      const frames = { type: 'send', stream, image, messages, unhurried: true, read: pairs?.flat() } as const;
      expect(unpackCast(structuredClone(packFrames(frames)))).to.deep.equal(frames);
    });
  });
});

// ── the machine ───────────────────────────────────────────────────────────────────────────────────────────────

type Input =
  | { readonly do: 'frame'; readonly first: number; readonly payload: Uint8Array; readonly expected: boolean }
  | { readonly do: 'close'; readonly code: number }
  | { readonly do: 'ended' }
  | { readonly do: 'lost' }
  | { readonly do: 'failed' };

const LIMITS = { maxPayload: 40, maxFragments: 3 };

const first = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8a, 0xc1) },
  { weight: 1, arbitrary: fc.nat(255) },
);
const closing = fc.constantFrom([], [3], [3, 232], [3, 237], [15, 160, 104, 105], [3, 232, 0xff]);
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 45 }),
  closing.map((bytes) => Uint8Array.from(bytes)),
);
const input: fc.Arbitrary<Input> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('frame' as const), first, payload, expected: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('close' as const), code: fc.constantFrom(1000, 4000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('ended' as const, 'lost' as const, 'failed' as const) }),
  },
);

function step(state: WsState, one: Input, deflate: boolean): WsStep {
  switch (one.do) {
    case 'close':
      return close(state, one.code, 'bye');
    case 'ended':
      return ended(state, undefined);
    case 'lost':
      return ended(state, lost('gone'));
    case 'failed':
      return failed(state, lost('bad'));
    default: {
      const bytes = Buffer.concat([Uint8Array.of(one.first, one.payload.length), one.payload]);
      const header = readHeader(bytes, 0, bytes.length);
      if (!header) throw new Error('half a header');
      const wrong = judge(state, header, { ...LIMITS, deflate });
      if (wrong) return failed(state, wrong);
      return received(state, header, one.payload, { now: 0, expected: one.expected });
    }
  }
}

describe('the machine of a WebSocket, whatever comes', () => {
  it('never throws, ends once, says Close once, and does nothing behind its end (RFC 6455 §5.5.1, §7)', () => {
    holds(
      fc.tuple(fc.array(input, { maxLength: 20 }), fc.boolean()),
      ([inputs, deflate]) => {
        let state: WsState = OPEN;
        const commands: WsCommand[] = [];
        for (const one of inputs) {
          const before = state.name;
          const next = step(state, one, deflate);
          if (before === 'done') expect(next.commands).to.deep.equal([]);
          state = next.state;
          commands.push(...next.commands);
        }
        commands.push(...ended(state, undefined).commands);
        const types = commands.map(({ type }) => type);
        expect(types.filter((type) => type === 'finish')).to.have.lengthOf(1);
        expect(types.at(-1)).to.equal('finish');
        expect(types.filter((type) => type === 'close').length).to.be.at.most(1);
        // No message and no pong behind our Close.
        const last = types.indexOf('close');
        if (last >= 0)
          expect(types.slice(last)).to.not.include.members(['deliver']).and.not.include.members(['pong']);
      },
      5_000,
    );
  });

  it('delivers what its fragments are, in order, with control frames anywhere between (§5.4)', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 10 }), { minLength: 1, maxLength: 3 });
    const pings = fc.array(fc.nat(3), { maxLength: 4 });
    holds(fc.tuple(fc.array(fc.tuple(parts, fc.boolean(), pings), { maxLength: 6 })), ([messages]) => {
      let state: WsState = OPEN;
      let collected: Uint8Array[] = [];
      const delivered: string[] = [];
      const feed = (first: number, payload: Uint8Array): void => {
        const next = step(state, { do: 'frame', first, payload, expected: false }, false);
        state = next.state;
        for (const command of next.commands) {
          if (command.type === 'collect') collected.push(command.payload);
          else if (command.type === 'deliver') {
            const whole = Buffer.concat([...collected, command.payload]).toString('hex');
            delivered.push(`${command.text} ${whole}`);
            collected = [];
          } else expect(command.type).to.equal('pong');
        }
      };
      for (const [parts, text, between] of messages) {
        for (const [i, part] of parts.entries()) {
          const opcode = i > 0 ? OPCODE.continuation : text ? OPCODE.text : OPCODE.binary;
          feed((i === parts.length - 1 ? 0x80 : 0) | opcode, part);
          if (between.includes(i)) feed(0x89, Uint8Array.of(i));
        }
      }
      expect(delivered).to.deep.equal(
        messages.map(([parts, text]) => `${text} ${Buffer.concat(parts).toString('hex')}`),
      );
    });
  });
});
