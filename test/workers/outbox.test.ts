import type { MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import type { Notice, Parcel } from '../../lib/wire.ts';
import { Outbox } from '../../workers/outbox.ts';

const KiB = 1024;

interface Made {
  readonly outbox: Outbox;
  /** What was posted, in words: `parcel 1: 0 1`, `up`. */
  readonly posted: string[];
  /** What the host was told. */
  readonly told: string[];
}

function make(maxBuffered = 1_000 * KiB): Made {
  const posted: string[] = [];
  const told: string[] = [];
  const post = (notice: Notice, transfer: (ArrayBuffer | MessagePort)[]): void => {
    if (notice.type !== 'parcel') return void posted.push(notice.type);
    expect(transfer).to.deep.equal([notice.slab.buffer, notice.index.buffer]);
    posted.push(`parcel ${notice.seq}: ${textsOf(notice).join(' ')}`);
  };
  const host = {
    maxBuffered,
    pause: () => void told.push('pause'),
    resume: () => void told.push('resume'),
    credit: () => void told.push('credit'),
  };
  return { outbox: new Outbox(post, host), posted, told };
}

/** A parcel of one-byte messages 0, 1 … in `size` bytes of memory. */
function parcel(texts: string, { stream = 1, size = 100 } = {}): Omit<Parcel, 'seq' | 'type'> {
  const slab = new Uint8Array(size);
  const index = new Int32Array(2 * texts.length);
  for (let i = 0; i < texts.length; i++) {
    slab[2 * i] = texts.charCodeAt(i);
    index[2 * i] = 2 * i;
    index[2 * i + 1] = 1;
  }
  return { stream, slab, index, count: texts.length, texts: true, ascii: true, bytes: texts.length };
}

function textsOf({ slab, index, count, bytes }: Parcel): string[] {
  const texts: string[] = [];
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const length = index[2 * i + 1] ?? 0;
    const start = index[2 * i] ?? 0;
    texts.push(Buffer.from(slab.subarray(start, start + length)).toString());
    sum += length;
  }
  expect(bytes).to.equal(sum);
  return texts;
}

const up: Notice = { type: 'up', protocol: 'http', attempt: 1 };
const info = (id: number): Notice & { type: 'pong' } => ({ type: 'pong', stream: 1, id, rtt: 0 });

describe('outbox', () => {
  it('posts eight parcels, and goes on when four are left (F1)', () => {
    const { outbox, posted, told } = make();
    for (let i = 0; i < 20; i++) outbox.parcel(parcel('a'));
    expect(posted).to.have.lengthOf(8);
    expect(outbox.ready).to.equal(false);
    outbox.acked(3);
    expect(posted).to.have.lengthOf(8);
    outbox.acked(4);
    expect(posted).to.have.lengthOf(12);
    outbox.acked(12);
    expect(posted).to.have.lengthOf(20);
    expect(told).to.deep.equal([]);
    outbox.acked(20);
    expect(outbox.ready).to.equal(true);
    expect(told).to.deep.equal(['credit']);
  });

  it('bounds the bytes in flight as well', () => {
    const { outbox, posted } = make(100_000 * KiB);
    for (let i = 0; i < 8; i++) outbox.parcel(parcel('a', { size: 3_000 * KiB }));
    expect(posted).to.have.lengthOf(3);
    outbox.acked(1);
    expect(posted).to.have.lengthOf(3);
    outbox.acked(2);
    expect(posted).to.have.lengthOf(5);
  });

  it('takes acknowledgements as cumulative: repeated, late and excessive ones change nothing', () => {
    const { outbox, posted } = make();
    for (let i = 0; i < 20; i++) outbox.parcel(parcel('a'));
    outbox.acked(4);
    outbox.acked(4);
    outbox.acked(2);
    expect(posted).to.have.lengthOf(12);
    outbox.acked(1_000);
    expect(posted).to.have.lengthOf(20);
  });

  it('keeps order among parcels and ordered notices, and lets replies pass (F2)', () => {
    const { outbox, posted } = make();
    for (let i = 0; i < 9; i++) outbox.parcel(parcel('a'));
    outbox.ordered(up);
    outbox.parcel(parcel('b'));
    outbox.reply(info(1));
    expect(posted.slice(8)).to.deep.equal(['pong']);
    outbox.acked(8);
    expect(posted.slice(9)).to.deep.equal(['parcel 9: a', 'up', 'parcel 10: b']);
  });

  it('pauses the socket above maxBuffered, and resumes at half of it (F2)', () => {
    const { outbox, told } = make(10 * KiB);
    for (let i = 0; i < 8; i++) outbox.parcel(parcel('a', { size: KiB }));
    for (let i = 0; i < 9; i++) outbox.parcel(parcel('a', { size: KiB }));
    // What a notice costs beside its memory counts too: the ninth goes above.
    expect(told).to.deep.equal(['pause']);
    expect(outbox.paused).to.equal(true);
    outbox.parcel(parcel('a', { size: KiB }));
    outbox.acked(4);
    expect(told).to.deep.equal(['pause']);
    outbox.acked(6);
    outbox.acked(8);
    expect(told).to.deep.equal(['pause', 'resume']);
    expect(outbox.paused).to.equal(false);
    expect(outbox.resumedAt).to.be.above(0);
  });

  it('bounds what is held in many small notices too', () => {
    const { outbox, told } = make(10 * KiB);
    for (let i = 0; i < 9; i++) outbox.parcel(parcel('a'));
    for (let i = 0; i < 50; i++) outbox.ordered(up);
    expect(told).to.deep.equal(['pause']);
  });

  describe('with manual flow (Gun flow)', () => {
    it('posts as many messages as there is credit for, and cuts a parcel', () => {
      const { outbox, posted } = make();
      outbox.topUp(1, 3, true);
      outbox.parcel(parcel('abcdefgh'));
      expect(posted).to.deep.equal(['parcel 1: a b c']);
      outbox.topUp(1, 2);
      outbox.topUp(1, 1);
      expect(posted.slice(1)).to.deep.equal(['parcel 2: d e', 'parcel 3: f']);
      outbox.topUp(1, 100);
      expect(posted.slice(3)).to.deep.equal(['parcel 4: g h']);
      outbox.parcel(parcel('i'));
      expect(posted.slice(4)).to.deep.equal(['parcel 5: i']);
    });

    it('counts credit that was given before the messages came', () => {
      const { outbox, posted } = make();
      outbox.topUp(1, 1, true);
      outbox.topUp(1, 1);
      outbox.parcel(parcel('ab'));
      outbox.parcel(parcel('c'));
      expect(posted).to.deep.equal(['parcel 1: a b']);
    });

    it('is not begun by an update, nor set anew by a reconnect', () => {
      const { outbox, posted } = make();
      outbox.topUp(1, 1);
      outbox.parcel(parcel('abc'));
      expect(posted).to.deep.equal(['parcel 1: a b c']);
      outbox.topUp(2, 1, true);
      outbox.topUp(2, 5, true);
      outbox.parcel(parcel('xyz', { stream: 2 }));
      expect(posted.slice(1)).to.deep.equal(['parcel 2: x']);
    });

    it('holds what comes behind a message without credit', () => {
      const { outbox, posted } = make();
      outbox.topUp(1, 1, true);
      outbox.parcel(parcel('ab'));
      outbox.ordered(up);
      expect(posted).to.deep.equal(['parcel 1: a']);
      outbox.topUp(1, 1);
      expect(posted.slice(1)).to.deep.equal(['parcel 2: b', 'up']);
    });
  });

  it('drops the messages of one stream, and keeps its notices and others', () => {
    const { outbox, posted } = make();
    for (let i = 0; i < 8; i++) outbox.parcel(parcel('a'));
    outbox.parcel(parcel('b'));
    outbox.parcel(parcel('c', { stream: 2 }));
    outbox.ordered(up);
    outbox.drop(1);
    outbox.acked(8);
    expect(posted.slice(8)).to.deep.equal(['parcel 9: c', 'up']);
  });

  it('gives what a dropped stream had room for to the socket', () => {
    const { outbox, told } = make(10 * KiB);
    outbox.topUp(1, 1, true);
    for (let i = 0; i < 20; i++) outbox.parcel(parcel('ab', { size: KiB }));
    expect(told).to.include('pause').and.not.include('resume');
    outbox.drop(1);
    expect(told).to.include('resume');
  });

  it('tells when nothing is held any more, at once when nothing is', () => {
    const { outbox } = make();
    const told: string[] = [];
    outbox.whenDrained(() => told.push('at once'));
    for (let i = 0; i < 9; i++) outbox.parcel(parcel('a'));
    outbox.whenDrained(() => told.push('later'));
    expect(told).to.deep.equal(['at once']);
    outbox.acked(8);
    expect(told).to.deep.equal(['at once', 'later']);
  });

  it('counts what a dead owner had been posted as read, and goes on', () => {
    const { outbox, posted } = make();
    for (let i = 0; i < 12; i++) outbox.parcel(parcel('a'));
    outbox.forgetInFlight();
    expect(posted).to.have.lengthOf(12);
    outbox.discard();
    expect(outbox.ready).to.equal(true);
  });
});
