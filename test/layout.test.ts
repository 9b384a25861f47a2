import { expect } from 'chai';
import { Layout } from '../lib/layout.ts';
import { headerSize, readHeader } from '../lib/protocol/frames.ts';

/** What lies in an image: `81 Hello`, with the first byte of each frame. */
function framesOf(image: Uint8Array): string[] {
  const frames: string[] = [];
  for (let at = 0; at < image.length; ) {
    const header = readHeader(image, at, image.length);
    if (!header) throw new Error('half a header');
    expect(header.masked).to.equal(true);
    expect([...image.subarray(header.start - 4, header.start)]).to.deep.equal([0, 0, 0, 0]);
    const payload = Buffer.from(image.subarray(header.start, header.start + header.length));
    frames.push(`${image[at]?.toString(16)} ${payload.toString()}`);
    at = header.start + header.length;
  }
  return frames;
}

describe('layout', () => {
  it('lays messages end to end as final frames, room for the mask left (RFC 6455 §5.2)', () => {
    const layout = new Layout();
    layout.text('Hello');
    layout.binary(Buffer.from('bytes'));
    layout.text('');
    layout.binary(new Uint8Array(0));
    const { image, messages, bytes } = layout.take();
    expect(framesOf(image)).to.deep.equal(['81 Hello', '82 bytes', '81 ', '82 ']);
    expect(messages).to.equal(4);
    expect(bytes)
      .to.equal(4 * 6 + 10)
      .and.to.equal(image.length);
  });

  it('encodes text of every length and kind as UTF-8', () => {
    const kinds = ['a', 'é', '€', '😀', '\0', 'a\u0300', '\ud800', 'ab\udc00c'];
    for (const length of [0, 1, 2, 39, 40, 41, 60, 124, 125, 126, 127, 500, 65_534, 65_535, 65_536, 70_000]) {
      for (const kind of kinds) {
        const text = kind.repeat(Math.ceil(length / kind.length)).slice(0, length);
        const layout = new Layout();
        layout.text(text);
        const { image } = layout.take();
        const size = Buffer.byteLength(text);
        expect(image.length, `${length} of ${kind}`).to.equal(headerSize(size) + size);
        const header = readHeader(image, 0, image.length);
        const payload = Buffer.from(image.subarray(header?.start));
        // A lone surrogate becomes U+FFFD, as in TextEncoder.
        expect(payload.equals(Buffer.from(text)), `${length} of ${kind}`).to.equal(true);
      }
    }
  });

  it('keeps what was laid before it had to grow', () => {
    const layout = new Layout();
    const texts = Array.from({ length: 500 }, (_, i) => `${i} `.repeat(i % 60));
    for (const text of texts) layout.text(text);
    expect(framesOf(layout.take().image)).to.deep.equal(texts.map((text) => `81 ${text}`));
  });

  it('gives a short text that turns out not to be ASCII no half frame', () => {
    const layout = new Layout();
    layout.text('abc');
    layout.text('abcdefé');
    layout.text('x');
    expect(framesOf(layout.take().image)).to.deep.equal(['81 abc', '81 abcdefé', '81 x']);
  });

  it('copies at once, and hands over memory of its own', () => {
    const layout = new Layout();
    const bytes = Buffer.from('mine');
    layout.binary(bytes);
    bytes.fill(0);
    const first = layout.take();
    layout.text('next');
    const second = layout.take();
    expect(framesOf(first.image)).to.deep.equal(['82 mine']);
    expect(framesOf(second.image)).to.deep.equal(['81 next']);
    expect(first.image.buffer).not.to.equal(second.image.buffer);
    // Both can be moved to another thread, and the layout goes on.
    structuredClone(first.image.buffer, { transfer: [first.image.buffer as ArrayBuffer] });
    structuredClone(second.image.buffer, { transfer: [second.image.buffer as ArrayBuffer] });
    layout.text('and on');
    expect(framesOf(layout.take().image)).to.deep.equal(['81 and on']);
  });

  it('counts what is laid out and not taken', () => {
    const layout = new Layout();
    expect(layout.bytes).to.equal(0);
    layout.text('12345');
    expect(layout.bytes).to.equal(11);
    layout.take();
    expect(layout.bytes).to.equal(0);
    expect(layout.take()).to.include({ messages: 0, bytes: 0 });
  });
});
