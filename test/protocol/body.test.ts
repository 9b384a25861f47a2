import { expect } from 'chai';
import { BodyReader, LIMIT } from '../../lib/protocol/body.ts';

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

/** Feeds a body whole and in two parts at every place; tells what was kept and whether it was done. */
function read(
  headers: Record<string, string | string[]>,
  text: string,
  status = 200,
): { body: string; done: boolean } {
  const results = new Set<string>();
  for (let cut = 0; cut <= Math.min(text.length, 300); cut++) {
    const reader = new BodyReader({ status, headers });
    const bytes = bytesOf(`<${text}>`);
    reader.feed(bytes, 1, 1 + cut);
    const done = reader.feed(bytes, 1 + cut, bytes.length - 1);
    expect(done).to.equal(reader.done);
    results.add(JSON.stringify({ body: Buffer.from(reader.bytes).toString('latin1'), done }));
  }
  expect([...results]).to.have.length(1);
  return JSON.parse([...results][0] ?? '');
}

const chunked = { 'transfer-encoding': 'chunked' };

describe('body', () => {
  it('ends after Content-Length, whatever follows', () => {
    expect(read({ 'content-length': '5' }, 'Hello more')).to.deep.equal({ body: 'Hello', done: true });
    expect(read({ 'content-length': '5' }, 'Hell')).to.deep.equal({ body: 'Hell', done: false });
    expect(read({ 'content-length': '0' }, 'more')).to.deep.equal({ body: '', done: true });
  });

  it('reads chunks with extensions, and ends at the last (RFC 9112 §7.1)', () => {
    expect(read(chunked, '5\r\nHello\r\n00a;x="y"\r\n, it is me\r\n0\r\nTrailer: x\r\n\r\n')).to.deep.equal({
      body: 'Hello, it is me',
      done: true,
    });
    expect(read(chunked, 'A \r\n0123456789\r\n')).to.deep.equal({ body: '0123456789', done: false });
    expect(
      read({ 'transfer-encoding': 'gzip, Chunked', 'content-length': '2' }, '1\r\nx\r\n0\r\n'),
    ).to.deep.equal({ body: 'x', done: true });
  });

  it('reads to the end of the connection otherwise', () => {
    for (const headers of [
      {},
      { 'transfer-encoding': 'gzip' },
      { 'content-length': ['5', '5'] },
      { 'content-length': '+5' },
      { 'content-length': '9'.repeat(30) },
    ]) {
      expect(read(headers, 'Hello more')).to.deep.equal({ body: 'Hello more', done: false });
    }
    const reader = new BodyReader({ status: 200, headers: {} });
    reader.end();
    expect(reader.done).to.equal(true);
    expect(reader.feed(bytesOf('late'), 0, 4)).to.equal(true);
    expect(reader.bytes.length).to.equal(0);
  });

  it('has no body with 204 and 304', () => {
    for (const status of [204, 304])
      expect(read({ 'content-length': '5' }, 'Hello', status)).to.deep.equal({ body: '', done: true });
  });

  it('ends where the framing breaks, with what there was', () => {
    for (const broken of [
      'x\r\n',
      '\r\n',
      '5\n',
      '5\rx',
      '-1\r\n',
      '123456789\r\n',
      `1;${'x'.repeat(5000)}`,
      ';\r\n',
    ]) {
      expect(read(chunked, `1\r\na\r\n${broken}bcd`), broken).to.deep.equal({ body: 'a', done: true });
    }
    expect(read(chunked, '1\r\naX\r\n')).to.deep.equal({ body: 'a', done: true });
    expect(read(chunked, '1\r\na\rX')).to.deep.equal({ body: 'a', done: true });
  });

  it('keeps 64 KiB and is done then', () => {
    for (const [headers, before] of [
      [{}, ''],
      [{ 'content-length': '999999' }, ''],
      [chunked, 'fffff\r\n'],
    ] as const) {
      const reader = new BodyReader({ status: 200, headers });
      const block = bytesOf(`${before}${'x'.repeat(50_000)}`);
      expect(reader.feed(block, 0, block.length)).to.equal(false);
      expect(reader.feed(bytesOf('y'.repeat(50_000)), 0, 50_000)).to.equal(true);
      expect(reader.bytes.length).to.equal(LIMIT);
    }
  });

  it('copies what it keeps', () => {
    const reader = new BodyReader({ status: 200, headers: {} });
    const bytes = bytesOf('Hello');
    reader.feed(bytes, 0, 5);
    bytes.fill(0);
    expect(Buffer.from(reader.bytes).toString()).to.equal('Hello');
  });

  it('takes 64 KiB in chunks of one byte quickly', () => {
    const reader = new BodyReader({ status: 200, headers: chunked });
    const bytes = bytesOf('1\r\nx\r\n'.repeat(LIMIT));
    const began = performance.now();
    for (let i = 0; i < bytes.length; i++) reader.feed(bytes, i, i + 1);
    expect(performance.now() - began).to.be.lessThan(2000);
    expect(reader.bytes.length).to.equal(LIMIT);
  });
});
