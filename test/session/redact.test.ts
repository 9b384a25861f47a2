import { inspect } from 'node:util';
import { expect } from 'chai';
import { fromRecord, GunportError, OptionError, StreamError, toRecord } from '../../lib/errors.ts';
import { Redactor } from '../../lib/session/redact.ts';
import { chance, seedOf } from '../support/chance.ts';

const HIDDEN = '(redacted)';

/** One that knows these. */
function knowing(...secrets: unknown[]): Redactor {
  const redactor = new Redactor();
  redactor.add(...secrets);
  return redactor;
}

describe('redaction', () => {
  describe('of texts', () => {
    it('check 37: takes out all that was added, at any depth, from four characters on', () => {
      const redactor = knowing(
        { apiKey: 'key-123', more: [{ secret: 'hush hush' }, new Map([['pin', '0000']])] },
        'abc',
      );
      expect(redactor.text('key-123 said hush hush 0000 times, abc')).to.equal(
        `${HIDDEN} said ${HIDDEN} ${HIDDEN} times, abc`,
      );
      redactor.add('later');
      expect(redactor.text('sooner or later')).to.equal(`sooner or ${HIDDEN}`);
    });

    it('finds secrets that overlap, repeat, and stand side by side', () => {
      const redactor = knowing('abcdef', 'defghi', 'aaaa');
      expect(redactor.text('abcdefghi')).to.equal(HIDDEN);
      expect(redactor.text('xaaaaaay')).to.equal(`x${HIDDEN}y`);
      expect(redactor.text('abcdefabcdef, abcdef')).to.equal(`${HIDDEN}, ${HIDDEN}`);
    });

    it('finds them as they stand in JSON, in a URL and in Base64', () => {
      const secret = 'p&ss "word"';
      const redactor = knowing(secret);
      for (const text of [
        JSON.stringify({ x: secret }),
        `?x=${encodeURIComponent(secret)}`,
        Buffer.from(secret).toString('base64'),
      ])
        expect(redactor.text(text), text).to.contain(HIDDEN).and.not.contain('ss');
    });

    it('takes out what authorizes by its place, though nobody added it', () => {
      const redactor = new Redactor();
      for (const [text, clean] of [
        ['wss://a.example/?x=1&access_token=t0p&y=2', `wss://a.example/?x=1&access_token=${HIDDEN}&y=2`],
        ['wss://user:pass@a.example/', `wss://${HIDDEN}@a.example/`],
        ['authorization: Bearer abcdefgh.ijk', `authorization: Bearer ${HIDDEN}`],
        ['{"type":"auth","token":"a\\"b","n":1}', `{"type":"auth","token":"${HIDDEN}","n":1}`],
        ['tokens: 3, a basic thing', 'tokens: 3, a basic thing'],
      ])
        expect(redactor.text(text as string)).to.equal(clean);
    });

    it('leaves no secret in any text that is made of them', () => {
      const seed = seedOf();
      const next = chance(seed);
      const word = (most: number) => Array.from({ length: next(most) }, () => 'xyz'[next(3)]).join('');
      for (let round = 0; round < 300; round++) {
        const secrets = [word(9), word(9), word(9)].map((secret) => `${secret}zzzz`.slice(0, 4 + next(5)));
        const text = Array.from({ length: 5 }, () => (next(2) ? word(6) : secrets[next(3)])).join('');
        const clean = knowing(...secrets).text(text);
        for (const secret of secrets) expect(clean, `seed ${seed}, ${text}`).to.not.contain(secret);
      }
    });
  });

  describe('of values', () => {
    it('check 37: gives a copy, with the values of secret fields taken out', () => {
      const redactor = knowing('s3cret');
      const value = {
        url: 'wss://a.example',
        access_token: 'unknown',
        'X-Api-Key': 7,
        Authorization: ['Bearer x'],
        password: '',
        credentials: undefined,
        token: true,
        tokens: 4,
        note: 'it is s3cret',
        list: ['s3cret', { s3cret: 1n }],
      };
      const before = structuredClone(value);
      expect(redactor.value(value)).to.deep.equal({
        url: 'wss://a.example',
        access_token: HIDDEN,
        'X-Api-Key': HIDDEN,
        Authorization: HIDDEN,
        password: '',
        credentials: undefined,
        token: true,
        tokens: 4,
        note: `it is ${HIDDEN}`,
        list: [HIDDEN, { [HIDDEN]: 1n }],
      });
      expect(value).to.deep.equal(before);
    });

    it('gives what can be posted, of whatever it is given', () => {
      const redactor = knowing('s3cret');
      const circle: Record<string, unknown> = { name: 'circle' };
      circle['again'] = [circle];
      const value = {
        circle,
        call: () => 's3cret',
        symbol: Symbol('s'),
        url: new URL('wss://a.example/?token=abc'),
        date: new Date(0),
        map: new Map<unknown, unknown>([['secret', 1]]),
        set: new Set(['s3cret', 1]),
        bytes: Buffer.from('is s3cret'),
        other: new Uint8Array([1, 2]),
        pattern: /s3cret/,
        promise: Promise.resolve(1),
        get bad() {
          return 'x';
        },
      };
      const clean = redactor.value(value) as Record<string, unknown>;
      structuredClone(clean);
      expect(inspect(clean, { depth: 9 })).to.not.contain('s3cret');
      expect(clean).to.deep.include({
        circle: { name: 'circle', again: ['(circular)'] },
        url: `wss://a.example/?token=${HIDDEN}`,
        date: new Date(0),
        map: { secret: HIDDEN },
        set: [HIDDEN, 1],
        bytes: `is ${HIDDEN}`,
        other: new Uint8Array([1, 2]),
      });
      const hostile = new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('s3cret');
          },
        },
      );
      expect(redactor.value({ hostile })).to.deep.equal({ hostile: '(a value that cannot be shown)' });
      redactor.add(hostile);
    });

    it('is cut where it is too deep, too wide or too long', () => {
      const redactor = new Redactor();
      let deep: unknown = 'end';
      for (let i = 0; i < 20; i++) deep = { deep };
      expect(JSON.stringify(redactor.value(deep))).to.equal(
        `${'{"deep":'.repeat(6)}"(an object)"${'}'.repeat(6)}`,
      );
      expect(redactor.value(Array.from({ length: 150 }, () => 1)))
        .to.have.length(101)
        .and.include('(50 more)');
      expect(redactor.value('a'.repeat(100_000))).to.have.length(65_537);
      expect(redactor.value(new Uint8Array(100_000))).to.equal('(100000 bytes)');
      const wide = Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => ({ a: 1 })));
      expect(JSON.stringify(redactor.value(wide)).length).to.be.below(60_000);
    });
  });

  describe('of errors', () => {
    it('is the error itself, where there is no secret in it', () => {
      const redactor = knowing('s3cret');
      const details = { status: 401, headers: { a: 'b' }, body: Buffer.from('x'), reason: { limit: 1 } };
      const error = new StreamError('ERR_GUNPORT_REPLY', 'no', { ...details, cause: new TypeError('why') });
      expect(redactor.error(error)).to.equal(error);
    });

    it('check 37: is its twin otherwise, of the same class and code', () => {
      const redactor = knowing('s3cret');
      const cause = Object.assign(new TypeError('s3cret inside'), { errno: -111, config: { password: 'x' } });
      const error = new StreamError('ERR_GUNPORT_REPLY', 'is s3cret', {
        reason: { text: 's3cret' },
        status: 401,
        headers: { 'set-cookie': ['a=b'] },
        body: Buffer.from('s3cret'),
        cause,
      });
      const clean = redactor.error(error);
      expect(clean).to.be.instanceOf(StreamError).and.not.equal(error);
      expect(clean).to.include({
        name: 'StreamError',
        code: 'ERR_GUNPORT_REPLY',
        status: 401,
        message: `is ${HIDDEN}`,
      });
      expect(clean.reason).to.deep.equal({ text: HIDDEN });
      expect(clean.headers).to.deep.equal({ 'set-cookie': HIDDEN });
      expect(clean.cause).to.be.instanceOf(TypeError).and.include({ errno: -111 });
      for (const shown of [
        inspect(clean, { depth: 9, showHidden: true }),
        JSON.stringify(toRecord(clean)),
        clean.stack,
      ])
        expect(shown).to.contain('redacted').and.not.contain('s3cret');
      // And crosses a thread as the same.
      expect(fromRecord(structuredClone(toRecord(clean)))).to.be.instanceOf(StreamError);
      expect(structuredClone(clean)).to.be.instanceOf(Error);
      expect(error.message).to.equal('is s3cret');
    });

    it('goes through causes that lead back, lists of errors, and errors within values', () => {
      const redactor = knowing('s3cret');
      const error = new Error('s3cret');
      error.cause = error;
      expect(inspect(redactor.error(error))).to.not.contain('s3cret');
      const many = redactor.error(new AggregateError([new OptionError('s3cret'), new Error('fine')], 'all'));
      expect(many).to.be.instanceOf(AggregateError);
      expect(many.errors.map(({ message }) => message)).to.deep.equal([HIDDEN, 'fine']);
      const { err } = redactor.value({ err: new GunportError('ERR_GUNPORT_DOWN', 's3cret') }) as {
        err: GunportError;
      };
      expect(err).to.be.instanceOf(GunportError).and.include({ code: 'ERR_GUNPORT_DOWN', message: HIDDEN });
      const hostile = Object.defineProperty(new Error('x'), 'cause', {
        get: () => {
          throw new Error('s3cret');
        },
      });
      expect(redactor.error(hostile).message).to.equal('an error that cannot be shown');
    });
  });
});
