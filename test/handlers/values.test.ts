// values.test — what a handler delivers: strings, bytes, and values of any kind, as they were when it gave them.

import type { MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import { batchOf } from '../../lib/batch.ts';
import { type Laid, Outlet } from '../../lib/handling/outlet.ts';
import type { Message, WsStream } from '../../lib/index.ts';
import { take } from '../support/feeds.ts';
import { handled, handler, say } from '../support/handled.ts';

/** What comes out of an outlet, and as what it travelled. */
function out(...values: unknown[]): { parcels: Laid[]; values: unknown[]; forms: (string | undefined)[] } {
  const parcels: Laid[] = [];
  const outlet = new Outlet((parcel) => parcels.push(parcel));
  for (const value of values) outlet.add(value);
  outlet.ship();
  const batches = parcels.map((parcel) => batchOf<unknown>(parcel));
  const forms = parcels.map(({ values: form, carried }) => (carried ? 'carried' : form));
  return { parcels, values: batches.flatMap((batch) => [...batch]), forms };
}

describe('a value of a handler', () => {
  const { talk } = handled();

  it('that is plain travels as JSON: objects, arrays, numbers, null', () => {
    const plain = [{ a: [1, 'ü', null, { b: true }] }, [], 5, false, null, -1.5, Object.create(null)];
    const { values, forms, parcels } = out(...plain);
    expect(values).to.deep.equal([...plain.slice(0, 6), {}]);
    expect(forms).to.deep.equal(['json']);
    expect(parcels[0]).to.include({ count: 7, texts: true, ascii: false });
  });

  it('that JSON would change is laid out by v8.serialize', () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    const odd = [
      ...[-0, NaN, Infinity, 5n, new Date(5), /x/g, new Map([[1, new Set([2])]])],
      ...[{ a: undefined }, [undefined], { toJSON: 1 }, 'ab'.match(/b/), new Float64Array([1.5]), Array(1)],
      ...[
        new RangeError('x'),
        cyclic,
        new (class Point {
          x = 1;
        })(),
      ],
    ];
    const { values, forms } = out(...odd);
    expect(forms).to.deep.equal(['v8']);
    expect(values).to.deep.equal(structuredClone(odd));
    expect(Object.is(values[0], -0)).to.equal(true);
  });

  it('that is a string or bytes is a message like any other', () => {
    const { values, forms, parcels } = out('a', 'ü\ud800', new Uint8Array([1]), Buffer.from('x'), '');
    expect(forms).to.deep.equal([undefined]);
    expect(values).to.deep.equal(['a', 'ü\ufffd', Uint8Array.of(1), Uint8Array.of(120), '']);
    expect(parcels[0]).to.include({ count: 5, texts: false, ascii: false, bytes: 8 });
    expect(out('abc').parcels[0]).to.include({ texts: true, ascii: true, bytes: 3 });
  });

  it('with shared memory is cloned as a post would', () => {
    const shared = new SharedArrayBuffer(4);
    const { values, forms } = out('a', { shared }, 'b');
    expect(forms).to.deep.equal([undefined, 'carried', undefined]);
    const [, taken] = values as [string, { shared: SharedArrayBuffer }];
    new Uint8Array(shared)[1] = 7;
    expect(new Uint8Array(taken.shared)[1]).to.equal(7);
  });

  it('keeps its place among values of other kinds; a parcel goes at 256 KiB', () => {
    const kinds = ['a', { n: 1 }, 5n, new Uint8Array(300_000), { n: 2 }];
    const { values, forms } = out(...kinds);
    expect(forms).to.deep.equal([undefined, 'json', 'v8', undefined, 'json']);
    expect(values).to.deep.equal(kinds);
    expect(out(...Array.from({ length: 30 }, () => 'x'.repeat(20_000))).parcels).to.have.length(3);
  });

  it('is no message: batches refuse its text and bytes, and give it', () => {
    const [parcel] = out({ n: 1 }).parcels;
    const batch = batchOf<unknown>(parcel!);
    expect(() => batch.text(0))
      .to.throw(/text\(0\): it is a value/)
      .with.property('code', 'ERR_GUNPORT_BAD_STATE');
    expect(() => batch.bytes(0))
      .to.throw(/bytes\(0\): it is a value/)
      .with.property('code', 'ERR_GUNPORT_BAD_STATE');
    expect(() => batch.text(1)).to.throw(RangeError);
    expect(() => batch.get(1)).to.throw(RangeError);
    expect([batch.get(0), batch.isText(0), batch.byteLength(0), batch.length]).to.deep.equal([
      { n: 1 },
      false,
      7,
      1,
    ]);
  });

  it('comes out of every way of reading: a loop, batches, events, await', async () => {
    const { feed, server } = await talk(handler('evaluated'));
    const values = feed as unknown as WsStream<unknown, unknown>;
    const three = ['({ n: 1 })', 'new Map([[1, 2]])', '"three"'];
    const expected = [{ n: 1 }, new Map([[1, 2]]), 'three'];
    say(server, ...three);
    expect(await take(feed, 3)).to.deep.equal(expected);
    say(server, ...three);
    const read: unknown[] = [];
    for await (const batch of values.batches()) {
      read.push(...batch);
      if (read.length === 3) break;
    }
    expect(read).to.deep.equal(expected);
    say(server, ...three);
    for (const one of expected) {
      const notice = await feed.connection.await(feed);
      expect(notice).to.have.property('data').that.deep.equals(one);
    }
    const events: unknown[] = [];
    const three3 = new Promise<void>((resolve) =>
      feed.on('message', (data: Message) => events.push(data) === 3 && resolve()),
    );
    say(server, ...three);
    await three3;
    expect(events).to.deep.equal(expected);
  });

  it('is copied as of then: what its handler does to it later does not matter', async () => {
    const { feed, server } = await talk(handler('evaluated'));
    say(
      server,
      '(() => { globalThis.kept = { n: 1, d: new Date(1) }; context.emit(kept); kept.n = 2; })()',
      '(() => { globalThis.bytes = new Uint8Array([1]); context.emit(bytes); bytes[0] = 9; return kept; })()',
    );
    const d = new Date(1);
    expect(await take(feed, 3)).to.deep.equal([{ n: 1, d }, Uint8Array.of(1), { n: 2, d }]);
  });

  it('moves memory and ports that are listed', async () => {
    const { feed, server } = await talk(handler('evaluated'));
    say(
      server,
      '(() => { const m = new ArrayBuffer(3); context.emit({ m }, [m]); return m.byteLength; })()',
      '(() => { const c = new MessageChannel(); context.emit(c.port2, [c.port2]); c.port1.postMessage("hi"); })()',
    );
    const [moved, left, port] = (await take(feed, 3)) as unknown as [{ m: ArrayBuffer }, number, MessagePort];
    expect([moved.m.byteLength, left]).to.deep.equal([3, 0]);
    const said = await new Promise((resolve) => port.once('message', resolve));
    port.close();
    expect(said).to.equal('hi');
  });

  it('that cannot be cloned is a fault, and the next is delivered', async () => {
    const { feed, server } = await talk(handler('evaluated'));
    const faults: string[] = [];
    feed.on('fault', ({ hook, error }) => faults.push(`${hook} ${error.name}`));
    say(
      server,
      '() => 1',
      '(() => { try { context.emit(Symbol()) } catch (error) { return error.name } })()',
      '7',
    );
    expect(await take(feed, 2)).to.deep.equal(['DataCloneError', 7]);
    expect(faults).to.deep.equal(['message DataCloneError']);
  });
});
