// Tests of the parts that make values of messages.

import { encode } from '@msgpack/msgpack';
import { expect } from 'chai';
import { OptionError } from '../../lib/errors.ts';
import { json, jsonLines, msgpack, pipe } from '../../lib/parts/index.ts';
import { chance, seedOf } from '../support/chance.ts';
import { PartStage } from '../support/part-stage.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('json', () => {
  it('parses texts and bytes', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, json());
    message('{"a":1}');
    message(bytes('["ü"]'));
    message('null');
    expect(stage.emitted).to.deep.equal([{ a: 1 }, ['ü'], null]);
  });

  it('hands a reviver to JSON.parse', () => {
    const stage = new PartStage();
    const { message } = pipe(
      stage,
      json({ reviver: (key, value) => (key === 'price' ? Number(value) : value) }),
    );
    message('{"price":"1.5","size":"2"}');
    expect(stage.emitted).to.deep.equal([{ price: 1.5, size: '2' }]);
  });

  it('counts, reports and drops what is no JSON', () => {
    const stage = new PartStage();
    const handler = pipe(stage, json());
    for (const bad of ['', '{', bytes('\xff')]) handler.message(bad);
    expect(stage.emitted).to.deep.equal([]);
    expect(stage.faults[0]?.error).to.be.instanceOf(SyntaxError);
    expect(handler.api.counters()[0]?.counters).to.include({ in: 3, dropped: 3, bad: 3 });
  });

  it('reports none of it where asked', () => {
    const stage = new PartStage();
    const handler = pipe(stage, json({ bad: 'drop' }));
    handler.message('{');
    expect(stage.faults).to.deep.equal([]);
    expect(handler.api.counters()[0]?.counters).to.include({ dropped: 1, bad: 1 });
  });

  it('refuses bad options', () => {
    expect(() => json({ bad: 'throw' as 'drop' })).to.throw(OptionError, 'bad must be one of');
    expect(() => json({ reviver: 1 as never })).to.throw(
      OptionError,
      'json.reviver must be a function, got 1',
    );
    expect(() => json({ revive: 1 } as never)).to.throw(OptionError, 'unknown option json.revive');
    expect(() => jsonLines({ maxLine: 0 })).to.throw(OptionError, 'maxLine');
    expect(() => msgpack({ useBigInt64: 1 as never })).to.throw(OptionError, 'useBigInt64');
  });
});

describe('jsonLines', () => {
  it('gives each line of a message, and passes over empty ones', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, jsonLines());
    message('1\n\n{"a":2}\r\n  \n3');
    message('4');
    message('5\n');
    expect(stage.emitted).to.deep.equal([1, { a: 2 }, 3, 4, 5]);
  });

  it('drops a bad line and keeps its neighbours', () => {
    const stage = new PartStage();
    const handler = pipe(stage, jsonLines());
    handler.message('1\n{\n3');
    expect(stage.emitted).to.deep.equal([1, 3]);
    expect(handler.api.counters()[0]?.counters).to.include({ in: 1, out: 2, bad: 1 });
  });

  it('puts lines together that were cut anywhere, in texts and in bytes', () => {
    const text = '{"a":"ü€😀"}\n{"b":2}\n[3]\n';
    const raw = bytes(text);
    const expected = [{ a: 'ü€😀' }, { b: 2 }, [3]];
    for (let cut = 0; cut <= raw.length; cut++) {
      const stage = new PartStage();
      const { message } = pipe(stage, jsonLines({ continued: true }));
      message(raw.subarray(0, cut));
      message(raw.subarray(cut));
      expect(stage.emitted, `cut at ${cut}`).to.deep.equal(expected);
    }
    const seed = seedOf();
    const next = chance(seed);
    for (let round = 0; round < 50; round++) {
      const stage = new PartStage();
      const { message } = pipe(stage, jsonLines({ continued: true }));
      // By code units: a text message of a peer cannot hold half a character, and yet.
      for (let at = 0; at < text.length; ) {
        const to = at + 1 + next(6);
        message(text.slice(at, to));
        at = to;
      }
      expect(stage.emitted, `seed ${seed}, round ${round}`).to.deep.equal(expected);
    }
  });

  it('gives the rest when the WebSocket ends, and none of it when the socket is lost', () => {
    const stage = new PartStage();
    const handler = pipe(stage, jsonLines({ continued: true }));
    handler.message('{"a":');
    handler.down();
    handler.message('2');
    handler.close();
    expect(stage.emitted).to.deep.equal([2]);
    expect(stage.faults).to.deep.equal([]);
  });

  it('passes over a line that is too long, however it is cut', () => {
    const stage = new PartStage();
    const handler = pipe(stage, jsonLines({ continued: true, maxLine: 5 }));
    handler.message('123456789\n12345\n123');
    handler.message('456');
    handler.message('789\n1');
    handler.message('\n');
    expect(stage.emitted).to.deep.equal([12345, 1]);
    expect(handler.api.counters()[0]?.counters).to.include({ bad: 2, dropped: 2 });
  });
});

describe('msgpack', () => {
  it('decodes binary messages', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, msgpack());
    message(encode({ symbol: 'BTC', price: 1.5, list: [1, null] }));
    expect(stage.emitted).to.deep.equal([{ symbol: 'BTC', price: 1.5, list: [1, null] }]);
  });

  it('keeps no view of the memory of the message', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, msgpack<{ raw: Uint8Array }>());
    const data = encode({ raw: new Uint8Array([1, 2, 3]) });
    message(data);
    data.fill(0);
    expect(stage.emitted).to.deep.equal([{ raw: new Uint8Array([1, 2, 3]) }]);
  });

  it('counts, reports and drops texts and what is cut off', () => {
    const stage = new PartStage();
    const handler = pipe(stage, msgpack());
    handler.message('{}');
    handler.message(encode({ a: 'text' }).subarray(0, 4));
    handler.message(encode(7));
    expect(stage.emitted).to.deep.equal([7]);
    expect(stage.faults).to.have.length(1);
    expect(handler.api.counters()[0]?.counters).to.include({ in: 3, dropped: 2, bad: 2 });
  });

  it('gives 64-bit integers as bigints where asked', () => {
    const stage = new PartStage();
    const { message } = pipe(stage, msgpack({ useBigInt64: true }));
    message(encode(2n ** 60n, { useBigInt64: true }));
    expect(stage.emitted).to.deep.equal([2n ** 60n]);
  });
});
