import { isUtf8 } from 'node:buffer';
import { expect } from 'chai';
import { HalfText } from '../../lib/protocol/utf8.ts';
import { chance, seedOf } from '../support/chance.ts';
import { unhex } from '../support/peers.ts';

/** What has come grows to each of `cuts`: the first at which no text can begin so; undefined if none. */
function failsAt(bytes: Uint8Array, cuts: readonly number[]): number | undefined {
  const half = new HalfText();
  return cuts.find((cut) => !half.add(bytes.subarray(0, cut)));
}

function everyByte(bytes: Uint8Array): number[] {
  return Array.from(bytes, (_, i) => i + 1);
}

/** The first byte that no continuation makes good; by trying them all. */
function truth(bytes: Uint8Array): number | undefined {
  return everyByte(bytes).find((to) => !mayBecomeText(bytes.subarray(0, to)));
}

const ENDS = ['', '80', 'bf', '9080', '8080', 'a080', 'bfbf', '908080', '808080', 'bfbfbf', '8fbfbf'].map(
  unhex,
);

function mayBecomeText(bytes: Uint8Array): boolean {
  return ENDS.some((end) => isUtf8(Buffer.concat([bytes, end])));
}

describe('a text that is not whole', () => {
  for (const [what, hex, at] of [
    ['a character of each length', '41 c3a9 e282ac f09f9880', undefined],
    ['the first and the last of each length', '00 7f c280 dfbf e0a080 efbfbf f0908080 f48fbfbf', undefined],
    ['the neighbours of the surrogates', 'ed9fbf ee8080', undefined],
    ['a continuation byte', '41 80', 2],
    ['an overlong of two bytes', '41 c0 af', 2],
    ['an overlong of three bytes', 'e0 80 af', 2],
    ['an overlong of four bytes', 'f0 8f bf bf', 2],
    ['a surrogate', 'c3a9 ed a0 80', 4],
    ['U+110000', 'f4 90 80 80', 2],
    ['a start byte of five', 'f8 88 80 80 80', 1],
    ['a character that breaks off', 'e2 82 41', 3],
    ['a character that breaks off with another', 'f0 9f 98 c3 a9', 4],
  ] as const) {
    it(`${at === undefined ? 'may go on' : 'fails at once'}: ${what}, however it is cut (RFC 6455 §8.1)`, () => {
      const bytes = unhex(hex);
      expect(failsAt(bytes, everyByte(bytes))).to.equal(at);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const found = at === undefined ? undefined : cut >= at ? cut : bytes.length;
        expect(failsAt(bytes, [cut, bytes.length]), `cut at ${cut}`).to.equal(found);
      }
    });
  }

  it('goes on in the next frame within a character, and not in the next message', () => {
    const half = new HalfText();
    expect(half.add(unhex('41 e2 82'))).to.equal(true);
    half.nextFrame();
    expect(half.add(unhex('ac'))).to.equal(true);
    half.nextFrame();
    expect(half.add(unhex('e2'))).to.equal(true);
    half.nextMessage();
    expect(half.add(unhex('82'))).to.equal(false);
  });

  const seed = seedOf();
  it(`fails at the byte where no text goes on so, whatever the bytes and the cuts (GUNPORT_SEED=${seed})`, () => {
    const pick = chance(seed);
    const alphabet = unhex('00 41 7f 80 8f 90 9f a0 bf c0 c2 df e0 e1 ed ef f0 f1 f4 f5 ff');
    for (let round = 0; round < 5_000; round++) {
      const bytes = Uint8Array.from({ length: 1 + pick(7) }, () => alphabet[pick(alphabet.length)] ?? 0);
      const at = truth(bytes);
      const hex = Buffer.from(bytes).toString('hex');
      expect(failsAt(bytes, everyByte(bytes)), hex).to.equal(at);
      const cuts = everyByte(bytes).filter((cut) => cut === bytes.length || pick(2) === 0);
      expect(failsAt(bytes, cuts), `${hex} at ${cuts}`).to.equal(
        cuts.find((cut) => at !== undefined && cut >= at),
      );
    }
  });
});
