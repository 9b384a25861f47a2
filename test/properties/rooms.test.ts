import { expect } from 'chai';
import fc from 'fast-check';
import { ById } from '../../lib/byid.ts';
import type { HttpNotice } from '../../lib/httpwire.ts';
import { Queue } from '../../lib/queue.ts';
import { lay, untaken } from '../../lib/remainder.ts';
import { LENGTH_MASK, type Notice, type Parcel, type StreamMark, TEXT_BIT } from '../../lib/wire.ts';
import { Flow } from '../../workers/flow.ts';
import { Outbox } from '../../workers/outbox.ts';
import { holds } from '../support/property.ts';

/** A parcel of the numbers from `first` on, each a text. */
function parcel(first: number, count: number, stream = 1): Parcel {
  const texts = Array.from({ length: count }, (_, i) => String(first + i));
  const slab = new Uint8Array(Buffer.from(texts.join('')));
  let at = 0;
  const words = texts.flatMap(({ length }) => {
    at += length;
    return [at - length, length | TEXT_BIT];
  });
  const index = Int32Array.from(words);
  return { type: 'parcel', stream, seq: 0, slab, index, count, texts: true, ascii: true, bytes: slab.length };
}

function numbersOf({ slab, index, count }: Parcel): number[] {
  return Array.from({ length: count }, (_, i) => {
    const start = index[2 * i] ?? 0;
    return Number(
      Buffer.from(slab.subarray(start, start + ((index[2 * i + 1] ?? 0) & LENGTH_MASK))).toString(),
    );
  });
}

const up = (from: number, attempt: number): StreamMark & { type: 'gap' } => {
  const error = { name: 'Error', message: String(from) };
  return { type: 'gap', stream: 1, attempt, error } as StreamMark & { type: 'gap' };
};

describe('a queue', () => {
  type Act =
    | { readonly do: 'push'; readonly count: number }
    | { readonly do: 'mark' }
    | { readonly do: 'take' }
    | { readonly do: 'batch'; readonly lend: boolean }
    | { readonly do: 'give' }
    | { readonly do: 'reclaim' };
  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.record({ do: fc.constant('push' as const), count: fc.integer({ min: 1, max: 5 }) }),
    { weight: 3, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
    fc.record({ do: fc.constant('batch' as const), lend: fc.boolean() }),
    fc.record({ do: fc.constantFrom('mark' as const, 'give' as const, 'reclaim' as const) }),
  );

  it('gives each message once, in order, marks in their places, along any chain of owners (O1, O2)', () => {
    holds(fc.array(act, { maxLength: 30 }), (acts) => {
      const read: string[] = [];
      let parcelsRead = 0;
      let lent: Uint8Array[] = [];
      const make = (): Queue<StreamMark> => {
        const made = new Queue<StreamMark>({
          parcelRead: () => parcelsRead++,
          passed: (mark) => read.push(mark.type === 'gap' ? `mark ${mark.error.message}` : mark.type),
          reading: () => {},
        });
        made.claim('iterator');
        return made;
      };
      let queue = make();
      let next = 0;
      let parcels = 0;
      const expected: string[] = [];
      const say = (numbers: Iterable<unknown>): void => {
        for (const one of numbers) read.push(`${one}`);
      };
      const takeAll = (): void => {
        for (let one = queue.take(); one !== undefined; one = queue.take()) say([one]);
      };
      for (const one of acts) {
        if (one.do === 'push') {
          queue.push(parcel(next, one.count));
          for (let i = 0; i < one.count; i++) expected.push(`${next++}`);
          parcels++;
        } else if (one.do === 'mark') {
          queue.mark(up(next, 1));
          expected.push(`mark ${next}`);
        } else if (one.do === 'take') {
          const message = queue.take();
          if (message !== undefined) say([message]);
        } else if (one.do === 'batch') {
          const taken = queue.takeBatch(one.lend);
          if (taken) say(taken.batch);
          if (taken && one.lend) lent.push(taken.slab);
        } else {
          queue.seal();
          expect(queue.take()).to.equal(undefined);
          expect(queue.takeBatch(false)).to.equal(undefined);
          const memory: ArrayBuffer[] = [];
          const record = untaken(queue, memory as never);
          lent = [];
          if (one.do === 'give') {
            // To another thread: what is in the list goes, and what its old owner was given stays valid.
            const moved = structuredClone(record, { transfer: [...new Set(memory)] });
            queue.abandon(new Error('given'));
            queue = make();
            lay(queue, moved);
          } else {
            lay(queue, record);
            queue.unseal();
          }
        }
      }
      for (const slab of lent) queue.giveBack(slab);
      takeAll();
      expect(read).to.deep.equal(expected);
      expect(parcelsRead).to.equal(parcels);
    });
  });
});

describe('an outbox', () => {
  type Act =
    | { readonly do: 'parcel'; readonly stream: number; readonly count: number }
    | { readonly do: 'ordered' }
    | { readonly do: 'forget' }
    | { readonly do: 'ack'; readonly back: number }
    | { readonly do: 'credit'; readonly messages: number };
  const act: fc.Arbitrary<Act> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('parcel' as const),
        stream: fc.constantFrom(1, 2),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('ordered' as const) }) },
    fc.record({ do: fc.constant('forget' as const) }),
    { weight: 2, arbitrary: fc.record({ do: fc.constant('ack' as const), back: fc.nat(9) }) },
    fc.record({ do: fc.constant('credit' as const), messages: fc.integer({ min: 1, max: 6 }) }),
  );

  it('keeps order, bounds what is unread, and counts manual flow, whatever is acknowledged (F1, F2)', () => {
    holds(fc.tuple(fc.array(act, { maxLength: 60 }), fc.nat(5)), ([acts, flow]) => {
      const posted: string[] = [];
      let [seq, acked, counted, credit, paused] = [0, 0, 0, flow, false];
      const post = (notice: Notice): void => {
        if (notice.type !== 'parcel')
          return void posted.push(notice.type === 'up' ? `up ${notice.attempt}` : notice.type);
        expect(notice.seq).to.equal(seq + 1);
        seq = notice.seq;
        expect(seq - acked).to.be.at.most(8);
        const numbers = numbersOf(notice);
        posted.push(...numbers.map((number) => `${number}`));
        if (notice.stream === 2) counted += numbers.length;
        expect(counted).to.be.at.most(credit);
      };
      const outbox = new Outbox(post as never, {
        maxBuffered: 4_096,
        pause: () => {
          expect(paused).to.equal(false);
          paused = true;
        },
        resume: () => {
          expect(paused).to.equal(true);
          paused = false;
        },
        credit: () => {},
      });
      outbox.topUp(2, flow, true);
      const expected: string[] = [];
      let next = 0;
      for (const one of acts) {
        if (one.do === 'parcel') {
          outbox.parcel(parcel(next, one.count, one.stream));
          for (let i = 0; i < one.count; i++) expected.push(`${next++}`);
        } else if (one.do === 'ordered') {
          outbox.ordered({ type: 'up', protocol: 'ws', attempt: next });
          expected.push(`up ${next}`);
        } else if (one.do === 'ack') {
          const told = Math.max(0, seq - one.back);
          acked = Math.max(acked, told);
          outbox.acked(told);
        } else if (one.do === 'forget') {
          acked = seq;
          outbox.forgetInFlight();
        } else {
          credit += one.messages;
          outbox.topUp(2, one.messages);
        }
        // What was posted is always the beginning of what was told.
        expect(posted).to.deep.equal(expected.slice(0, posted.length));
        expect(outbox.empty).to.equal(posted.length === expected.length);
      }
      credit = Number.POSITIVE_INFINITY;
      outbox.topUp(2, 1e9);
      while (!outbox.empty) {
        acked = seq;
        outbox.acked(seq);
      }
      expect(posted).to.deep.equal(expected);
      expect(paused).to.equal(false);
    });
  });
});

describe('the flow of an answer', () => {
  it('tells each part once, in order, and no more of them than were wanted (Gun flow)', () => {
    const act = fc.oneof(
      fc.constant('data' as const),
      fc.constant('inform' as const),
      fc.integer({ min: 1, max: 4 }),
    );
    holds(fc.tuple(fc.array(act, { maxLength: 30 }), fc.nat(4)), ([acts, most]) => {
      const told: HttpNotice[] = [];
      const flow = new Flow(most, { tell: (notice) => void told.push(notice) });
      const expected: string[] = [];
      let credit = most;
      const words = (): string[] =>
        told.map((one) => (one.type === 'data' ? `data ${Buffer.from(one.data).toString()}` : one.type));
      const parts = (): number => told.filter(({ type }) => type === 'data').length;
      for (const [i, one] of acts.entries()) {
        if (typeof one === 'number') {
          credit += one;
          flow.topUp(one);
        } else if (one === 'data') {
          flow.tell({ type: 'data', stream: 1, fin: false, data: new Uint8Array(Buffer.from(`${i}`)) });
          expected.push(`data ${i}`);
        } else {
          flow.tell({ type: 'inform', stream: 1, status: 103, rawHeaders: [] });
          expected.push('inform');
        }
        expect(words()).to.deep.equal(expected.slice(0, told.length));
        expect(parts()).to.be.at.most(credit);
        expect(flow.holds).to.equal(told.length < expected.length);
      }
      flow.releaseAll();
      expect(words()).to.deep.equal(expected);
    });
  });
});

describe('things by id', () => {
  it('are as a Map has them, whatever comes and goes', () => {
    const act = fc.tuple(
      fc.constantFrom('set', 'set', 'get', 'delete', 'each'),
      fc.integer({ min: -3, max: 40 }),
    );
    holds(fc.array(act, { maxLength: 80 }), (acts) => {
      const [things, map] = [new ById<number>(), new Map<number, number>()];
      for (const [at, [name, id]] of acts.entries()) {
        if (id === 0) continue;
        if (name === 'set') {
          things.set(id, at);
          map.set(id, at);
        } else if (name === 'delete') expect(things.delete(id)).to.equal(map.delete(id));
        else if (name === 'get')
          expect([things.get(id), things.has(id)]).to.deep.equal([map.get(id), map.has(id)]);
        else {
          // Any may be deleted meanwhile.
          const seen: number[] = [];
          things.each((_, one) => {
            seen.push(one);
            if (one === id) things.delete(one);
          });
          expect(seen.sort((a, b) => a - b)).to.deep.equal([...map.keys()].sort((a, b) => a - b));
          map.delete(id);
        }
        expect(things.size).to.equal(map.size);
      }
      expect([...things]).to.deep.equal([...map].sort(([a], [b]) => a - b));
    });
  });
});
