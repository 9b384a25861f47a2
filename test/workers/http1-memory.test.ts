import { expect } from 'chai';
import { ReadMemory } from '../../workers/http1/memory.ts';
import { SLAB, sharedBuffer } from '../../workers/slabs.ts';

/** A read of `length` bytes, each its place modulo 251. */
function read(memory: ReadMemory, length: number): Uint8Array {
  const free = memory.buffer();
  expect(free.length).to.be.at.least(length);
  for (let i = 0; i < length; i++) free[i] = i % 251;
  return memory.filled(length);
}

function text(part: Uint8Array | undefined): string {
  return part ? Buffer.from(part).toString('hex') : '';
}

describe('ReadMemory', () => {
  it('reads into the lobby while idle, and copies bodies out of it', () => {
    const memory = new ReadMemory();
    expect(memory.buffer()).to.equal(sharedBuffer());
    read(memory, 10);
    expect(memory.add(2, 5, false)).to.equal(undefined);
    const part = memory.take(false);
    expect(text(part)).to.equal('020304');
    expect(part?.buffer).not.to.equal(sharedBuffer().buffer);
    expect(memory.take(false)).to.equal(undefined);
  });

  it('reads into a slab while busy, which leaves with the bodies in it', () => {
    const memory = new ReadMemory();
    read(memory, sharedBuffer().length);
    const slab = memory.buffer();
    expect(slab.length).to.equal(SLAB);
    read(memory, 100_000);
    memory.add(10, 100_000, false);
    const part = memory.take(false);
    expect(part?.buffer).to.equal(slab.buffer);
    expect(part).to.have.lengthOf(99_990);
    // Node gets another.
    expect(memory.buffer().buffer).not.to.equal(slab.buffer);
  });

  it('keeps a slab of which nothing has left, and gives it back when idle', () => {
    const memory = new ReadMemory();
    read(memory, sharedBuffer().length);
    const slab = memory.buffer();
    read(memory, 100_000);
    memory.add(0, 10, true);
    expect(memory.take(true)?.buffer).not.to.equal(slab.buffer);
    expect(memory.buffer()).to.equal(slab);
    read(memory, 10);
    expect(memory.buffer()).to.equal(sharedBuffer());
  });

  it('shares one copy among all bodies of a read, or makes each memory of its own', () => {
    const memory = new ReadMemory();
    read(memory, 30);
    memory.add(0, 3, false);
    const first = memory.add(10, 12, false);
    const second = memory.take(false);
    expect([text(first), text(second)]).to.deep.equal(['000102', '0a0b']);
    expect(first?.buffer).to.equal(second?.buffer);
    memory.add(20, 22, true);
    const third = memory.take(true);
    expect(text(third)).to.equal('1415');
    expect(third?.buffer.byteLength).to.equal(2);
  });

  it('joins parts that touch, and moves many together', () => {
    const memory = new ReadMemory();
    read(memory, 1_000);
    expect(memory.add(0, 2, false)).to.equal(undefined);
    expect(memory.add(2, 4, false)).to.equal(undefined);
    const parts: string[] = [];
    for (let at = 10; at < 300; at += 10) parts.push(text(memory.add(at, at + 1, false)));
    parts.push(text(memory.take(false)));
    const told = parts.filter((part) => part !== '');
    expect(told[0]).to.equal('00010203');
    expect(told).to.have.lengthOf(17);
    const expected = Array.from({ length: 29 }, (_, i) => ((i + 1) * 10) % 251);
    expect(told.slice(1).join('')).to.equal(Buffer.from(expected).toString('hex'));
  });
});
