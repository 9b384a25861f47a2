// decoder.test — events out of bytes: the standard's format, however the bytes are cut, and its bounds.
// Each stream is fed whole, in two at every point, and byte by byte. Source: HTML §9.2.5, §9.2.6 (WHATWG); the format
// cases of the web platform tests' eventsource, written anew; Gun's lone id.

import { expect } from 'chai';
import type { StreamError } from '../../lib/errors.ts';
import { unpacked } from '../../lib/sentevents.ts';
import { SseDecoder } from '../../workers/content/sse.ts';
import { chance, seedOf } from '../support/chance.ts';

type Event = readonly [
  type: string | undefined,
  data: string | undefined,
  lastEventId?: string | undefined,
  retry?: number | undefined,
];

const LARGE = 1_048_576;

function decode(parts: readonly Uint8Array[], maxEventSize: number = LARGE, lastEventId?: string): Event[] {
  const decoder = new SseDecoder(maxEventSize, lastEventId);
  const events = parts.flatMap((part) => {
    decoder.add(part);
    return unpacked(decoder.take());
  });
  return events.map(({ type, data, lastEventId, retry }) => [type, data, lastEventId, retry]);
}

/** Checks the events of a stream at every cut. */
function gives(text: string | Uint8Array, ...events: readonly Event[]): void {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const expected = events.map(([type, data, id = '', retry]) => [type, data, id, retry]);
  expect(decode([bytes]), 'whole').to.deep.equal(expected);
  expect(decode([...bytes].map((byte) => Uint8Array.of(byte))), 'byte by byte').to.deep.equal(expected);
  for (let at = 1; at < bytes.length; at++) {
    expect(decode([bytes.subarray(0, at), bytes.subarray(at)]), `cut at ${at}`).to.deep.equal(expected);
  }
}

const message = (data: string, id?: string, retry?: number): Event => ['message', data, id, retry];
const lone = (id: string, retry?: number): Event => [undefined, undefined, id, retry];

describe('an event stream (HTML §9.2.6)', () => {
  describe('data', () => {
    it('is one line, or several with LF between them', () => {
      gives('data: one\n\ndata: two\ndata: three\n\n', message('one'), message('two\nthree'));
    });
    it('loses one space behind the colon, and no more', () => {
      gives(
        'data:x\n\ndata: x\n\ndata:  x\n\ndata:\tx\n\n',
        message('x'),
        message('x'),
        message(' x'),
        message('\tx'),
      );
    });
    it('may be empty, with a colon and without', () => {
      gives(
        'data\n\ndata:\n\ndata\ndata\n\ndata:\ndata\ndata: x\n\n',
        message(''),
        message(''),
        message('\n'),
        message('\n\nx'),
      );
    });
    it('has colons, and other text that looks like fields', () => {
      gives('data: a:b: id: 1\n\n', message('a:b: id: 1'));
    });
    it('keeps NUL, line separators of Unicode and a byte order mark', () => {
      gives('data: a\0b\u2028c\u2029d\ufeffe\u0085f\n\n', message('a\0b\u2028c\u2029d\ufeffe\u0085f'));
    });
    it('that is not over at the end is dropped', () => {
      gives('data: one\n\ndata: two\n', message('one'));
      gives('data: one\n\ndata: two', message('one'));
      gives('data: one\n\nid: 9', message('one'));
    });
  });

  describe('lines', () => {
    it('end with LF, CRLF or CR, mixed', () => {
      gives(
        'data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\rdata: e\n\n\r\n',
        message('a\nb\nc'),
        message('d'),
        message('e'),
      );
    });
    it('that end with CR are told at once, not with what follows', () => {
      expect(decode([Buffer.from('data: x\r\r')])).to.deep.equal([['message', 'x', '', undefined]]);
      expect(decode([Buffer.from('data: x\r\n\r')])).to.deep.equal([['message', 'x', '', undefined]]);
    });
    it('may be empty as often as they like', () => {
      gives('\n\r\n\r\r\n\n\ndata: x\n\n\n\n', message('x'));
    });
    it('that are comments are passed over', () => {
      gives(':\n: hello\n:data: no\ndata: x\n:\ndata: y\n: z\n\n:\n\n', message('x\ny'));
    });
    it('of fields that nobody knows are passed over, as of names with spaces or capitals', () => {
      gives(
        'foo: 1\nData: 2\n data: 3\ndata : 4\ndatax\nevents: 5\nidx: 6\ndata: x\nretry2: 7\n\n',
        message('x'),
      );
    });
    it('without a colon are fields without a value', () => {
      gives(
        'event: e\nevent\ndata: x\n\nid: 1\ndata: y\n\nid\ndata: z\n\n',
        message('x'),
        message('y', '1'),
        message('z', ''),
      );
    });
  });

  describe('the byte order mark', () => {
    it('is passed over at the beginning, once', () => {
      gives('\ufeffdata: x\n\n', message('x'));
      gives('\ufeff\ufeffdata: x\n\ndata: y\n\n', message('y'));
      gives('data: x\n\n\ufeffdata: y\n\ndata: z\n\n', message('x'), message('z'));
    });
    it('is not what its bytes are in latin1', () => {
      gives('ï»¿data: x\n\ndata: y\n\n', message('y'));
    });
  });

  describe('the event type', () => {
    it('is that of its event alone, the last that was given', () => {
      gives('event: a\ndata: 1\n\ndata: 2\n\nevent: b\nevent: c\ndata: 3\n\n', ['a', '1'], message('2'), [
        'c',
        '3',
      ]);
    });
    it('without data makes no event', () => {
      gives('event: a\n\ndata: 1\n\n', message('1'));
    });
    it('that is empty is message', () => {
      gives('event:\ndata: 1\n\nevent: \ndata: 2\n\n', message('1'), message('2'));
    });
  });

  describe('the id', () => {
    it('goes on to later events, until another comes, or an empty one', () => {
      gives(
        'id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\nid\ndata: d\n\ndata: e\n\n',
        message('a', '1'),
        message('b', '1'),
        message('c', '2'),
        message('d', ''),
        message('e', ''),
      );
    });
    it('with NUL in it is ignored', () => {
      gives(
        'id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: 3\0\n\ndata: c\n\n',
        message('a', '1'),
        message('b', '1'),
        message('c', '1'),
      );
    });
    it('without data is told alone (sse_SUITE lone_id)', () => {
      gives(
        'id: 1\n\nid: 2\nevent: x\n\ndata: a\n\nid: 3\nid: 4\n: c\n\nid:\n\nid\n\n',
        lone('1'),
        lone('2'),
        message('a', '2'),
        lone('4'),
        lone(''),
        lone(''),
      );
    });
    it('may have spaces, colons, and any Unicode', () => {
      gives('id:  a: b \ndata: x\n\nid: 猫\u2028é\n\n', message('x', ' a: b '), lone('猫\u2028é'));
    });
    it('begins as what the server was told', () => {
      const [first, second] = decode([Buffer.from('data: a\n\nid: 2\ndata: b\n\n')], LARGE, 'one');
      expect(first).to.deep.equal(['message', 'a', 'one', undefined]);
      expect(second).to.deep.equal(['message', 'b', '2', undefined]);
    });
  });

  describe('retry', () => {
    it('is digits alone', () => {
      gives(
        'retry: 1000\ndata: a\n\ndata: b\n\nretry:20\ndata: c\n\n',
        message('a', '', 1000),
        message('b'),
        message('c', '', 20),
      );
    });
    it('of anything else is ignored', () => {
      for (const bad of ['1000x', '-1', '1.5', '0x10', '1 000', ' 1', '', '１']) {
        gives(`retry: ${bad}\ndata: a\n\nretry: ${bad}\n\n`, message('a'));
      }
      gives('retry\ndata: a\n\n', message('a'));
    });
    it('without data is told alone', () => {
      gives('id: 7\nretry: 5\n\nretry: 6\n\ndata: a\n\n', lone('7', 5), lone('7', 6), message('a', '7'));
    });
    it('is no longer than timers keep', () => {
      gives('retry: 99999999999999999999\ndata: a\n\n', message('a', '', 2 ** 31 - 1));
    });
  });

  describe('UTF-8', () => {
    it('is decoded across any cut', () => {
      gives('data: é€😀\nevent: 猫\nid: ß\n\n', ['猫', 'é€😀', 'ß']);
    });
    it('that is broken becomes U+FFFD', () => {
      gives(Buffer.from('data: a\xffb\xe2\x82c\xf0\x9f\x98\n\n', 'latin1'), message('a\ufffdb\ufffdc\ufffd'));
    });
  });
});

describe('the bounds of an event stream', () => {
  const fails = (parts: readonly string[], max: number): void => {
    const run = () =>
      decode(
        parts.map((part) => Buffer.from(part)),
        max,
      );
    expect(run, parts.join('|').slice(0, 50)).to.throw().with.property('code', 'ERR_GUNPORT_TOO_BIG');
  };

  it('are the bytes of one event, at every cut the same', () => {
    const event = 'event: é\ndata: aaaa\n\n';
    const size = Buffer.byteLength(event) - 1;
    const bytes = Buffer.from(event);
    for (let at = 0; at < bytes.length; at++) {
      const cut = [bytes.subarray(0, at), bytes.subarray(at)];
      expect(decode(cut, size + 1)).to.deep.equal([['é', 'aaaa', '', undefined]]);
      expect(() => decode(cut, size - 1), `${at}`).to.throw('an event exceeds maxEventSize');
    }
  });

  it('hold for a line without end, for lines without end, and for one that comes at once', () => {
    fails(['data: ', ...Array.from({ length: 100 }, () => 'x'.repeat(20))], 1_000);
    fails(
      Array.from({ length: 200 }, () => 'data: x\n'),
      1_000,
    );
    fails([`data: ${'x'.repeat(2_000)}\n\n`], 1_000);
    fails(['event: ', 'x'.repeat(2_000)], 1_000);
  });

  it('do not count comments and unknown fields, complete or not', () => {
    const junk = [
      ':',
      ' keep alive'.repeat(100),
      '\n',
      'unknown: ',
      'x'.repeat(2_000),
      '\n',
      `:${'y'.repeat(2_000)}\n`,
    ];
    const parts = [...junk, 'data: x\n', ...junk, '\n', ...junk].map((part) => Buffer.from(part));
    expect(decode(parts, 100)).to.deep.equal([['message', 'x', '', undefined]]);
  });

  it('name the limit', () => {
    try {
      decode([Buffer.from(`data: ${'x'.repeat(200)}\n\n`)], 100);
      expect.fail('it did not throw');
    } catch (error) {
      expect((error as StreamError).reason).to.equal(100);
    }
  });

  it('let a server send nonsense without it costing more than its bytes: a megabyte of lines is read within a second', () => {
    const decoder = new SseDecoder(LARGE);
    const before = process.cpuUsage();
    decoder.add(Buffer.from('x\n'.repeat(400).concat('\n').repeat(1_300)));
    const { user, system } = process.cpuUsage(before);
    expect(user + system).to.be.below(1_000_000);
  });
});

describe('a random event stream', () => {
  const PIECES = [
    ...['data', 'data:', 'data: ', 'event: x', 'id: ', 'id', 'retry: ', ':', ': c', 'é', '€', '😀', 'a', '1'],
    ...['\n', '\n', '\r', '\r\n', '\n\n', '\ufeff', '\0', ' ', 'foo: ', '\u2028'],
  ];

  it('gives the same events at any cuts', () => {
    const seed = seedOf();
    const upTo = chance(seed);
    for (let turn = 0; turn < 2_000; turn++) {
      const text = Array.from({ length: upTo(40) }, () => PIECES[upTo(PIECES.length)]).join('');
      const bytes = Buffer.from(text);
      const parts: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; ) {
        const to = at + 1 + upTo(5);
        parts.push(bytes.subarray(at, to));
        at = to;
      }
      expect(decode(parts), `seed ${seed}, ${JSON.stringify(text)}`).to.deep.equal(decode([bytes]));
    }
  });
});
