import { expect } from 'chai';
import { Notices } from '../lib/notices.ts';
import type { StreamNotice } from '../lib/types.ts';
import { collect } from './support/collector.ts';

const part = (text: string): StreamNotice => ({ type: 'data', fin: false, data: Buffer.from(text) });

/** What a notice says, in a word. */
const said = (notice: StreamNotice | undefined): string | undefined =>
  notice?.type === 'data' ? Buffer.from(notice.data).toString() : notice?.type;

describe('notices', () => {
  it('are given in order, however many wait', () => {
    const notices = new Notices();
    const taken: (string | undefined)[] = [];
    let next = 0;
    // Sometimes ahead, sometimes behind, and now and then empty.
    for (let turn = 0; turn < 2_000; turn++) {
      for (let i = (turn * 7) % 5; i > 0; i--) notices.push(part(String(next++)));
      for (let i = (turn * 11) % 6; i > 0; i--) {
        const one = notices.take();
        if (one) taken.push(said(one));
      }
      const [first] = notices.untaken;
      // There are no events among them.
      if (first) expect(said(first as StreamNotice)).to.equal(String(taken.length));
    }
    for (let one = notices.take(); one; one = notices.take()) taken.push(said(one));
    expect(taken).to.deep.equal(Array.from({ length: next }, (_, i) => String(i)));
  });

  it('are let go once they were given, though their reader is always behind (F1)', async () => {
    const notices = new Notices();
    const given: WeakRef<StreamNotice>[] = [];
    for (let i = 0; i < 20; i++) notices.push(part(`ahead ${i}`));
    for (let i = 0; i < 300; i++) {
      notices.push(part(String(i)));
      given.push(new WeakRef(notices.take() as StreamNotice)); // There is one.
    }
    // What a WeakRef was made of lives to the end of its turn.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(given.filter((one) => one.deref() !== undefined)).to.have.length.below(10);
    expect(notices.untaken).to.have.length(20);
  });

  it('end with an error that is told to whoever asks, and are over once it was', () => {
    const notices = new Notices();
    const error = new Error('lost');
    notices.push(part('last'));
    notices.end(error, false);
    expect(said(notices.take())).to.equal('last');
    expect(notices).to.include({ finished: true, over: false });
    const told: unknown[] = [];
    for (let i = 0; i < 2; i++) notices.next((notice, why) => told.push(notice, why));
    expect(told).to.deep.equal([undefined, error, undefined, error]);
    expect(notices.over).to.equal(true);
  });
});
