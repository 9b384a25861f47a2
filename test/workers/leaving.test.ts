import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { Notice } from '../../lib/wire.ts';
import { Leaving } from '../../workers/leaving.ts';
import { Outbox } from '../../workers/outbox.ts';

/** What is posted to an owner: of 'sent' the bytes, of a parcel those that ride with it. */
function setUp(): { readonly leaving: Leaving; readonly told: unknown[]; parcel(): void } {
  const told: unknown[] = [];
  const post = (notice: Notice): void => {
    if (notice.type === 'sent') told.push(notice.bytes);
    if (notice.type === 'parcel') told.push({ sent: notice.sent });
  };
  const outbox = new Outbox(post, { maxBuffered: 1024, pause() {}, resume() {}, credit() {} });
  const parcel = (): void => {
    const [slab, index] = [new Uint8Array(8), new Int32Array([0, 8])];
    outbox.parcel({ stream: 1, slab, index, count: 1, texts: false, ascii: true, bytes: 8 });
  };
  return { leaving: new Leaving(1, outbox, 100), told, parcel };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('Leaving', () => {
  it('tells in the next turn, once for all that left in this', async () => {
    const { leaving, told } = setUp();
    leaving.given(30);
    leaving.left(10, false);
    leaving.left(20, false);
    await turn();
    expect(told).to.deep.equal([130]);
  });

  it('tells late what nobody waits for', async () => {
    const { leaving, told } = setUp();
    leaving.given(10);
    leaving.left(10, true);
    await turn();
    expect(told).to.deep.equal([]);
    await delay(20);
    expect(told).to.deep.equal([110]);
  });

  it('lets it ride with a parcel, once', async () => {
    const { leaving, told, parcel } = setUp();
    leaving.given(10);
    leaving.left(10, true);
    parcel();
    parcel();
    await delay(20);
    expect(told).to.deep.equal([{ sent: 110 }, { sent: undefined }]);
  });

  it('tells at once, and what is under way as soon as it has left, when the owner asks', async () => {
    const { leaving, told } = setUp();
    leaving.given(30);
    leaving.left(10, true);
    leaving.asked();
    expect(told).to.deep.equal([110]);
    leaving.left(20, true);
    await turn();
    expect(told).to.deep.equal([110, 130]);
    leaving.given(5);
    leaving.left(5, true);
    await turn();
    expect(told).to.deep.equal([110, 130]);
    leaving.stop();
  });

  it('tells what it has not told when it ends, and nothing after it (S3)', async () => {
    const { leaving, told } = setUp();
    leaving.given(10);
    leaving.left(10, true);
    leaving.stop();
    await delay(20);
    expect(told).to.deep.equal([110]);
  });
});
