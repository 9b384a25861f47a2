import { expect } from 'chai';
import { Budgets } from '../../lib/protocol/http2budgets.ts';
import { FrameWatcher } from '../../lib/protocol/http2frames.ts';
import * as h2 from '../support/h2frames.ts';

const OK = { ':status': 200 } as const;

/** A watcher that has seen the preface, and what it tells in words. */
function watching({ push = true } = {}): { watcher: FrameWatcher; told: string[] } {
  const told: string[] = [];
  const events = {
    ended: (stream: number) => void told.push(`ended ${stream}`),
    reset: (stream: number, code: number) => void told.push(`reset ${stream} ${code}`),
    promised: (parent: number, stream: number) => void told.push(`promised ${parent} ${stream}`),
    goaway: (last: number, code: number) => void told.push(`goaway ${last} ${code}`),
    pong: (payload: Uint8Array) => void told.push(`pong ${Buffer.from(payload)}`),
    pinged: () => void told.push('pinged'),
  };
  const watcher = new FrameWatcher(events, { push });
  return { watcher, told };
}

function passed(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString('hex');
}

describe('the watcher of HTTP/2 frames', () => {
  // Each: the frame, whether node:http2 gets it, what is told.
  const frames: readonly (readonly [string, Buffer, boolean, readonly string[]])[] = [
    ['SETTINGS', h2.settings({ maxConcurrentStreams: 9 }), true, []],
    ['HEADERS', h2.headers(1, OK), true, []],
    ['HEADERS that end a stream', h2.headers(1, OK, { fin: true }), true, ['ended 1']],
    ['an interim answer', h2.headers(3, { ':status': 103 }), true, []],
    ['DATA', h2.data(3, 'some bytes'), true, []],
    ['DATA that ends a stream', h2.data(3, 'bytes', true), true, ['ended 3']],
    ['padded DATA', h2.frame(0, 8, 5, Buffer.from('\x04ab\0\0\0\0')), true, []],
    ['empty DATA', h2.data(5), true, []],
    ['WINDOW_UPDATE', h2.windowUpdate(0, 77), true, []],
    ['PING', h2.ping('8 bytes!'), true, ['pinged']],
    ['an answer to a ping', h2.ping('8 bytes!', true), false, ['pong 8 bytes!']],
    ['RST_STREAM', h2.reset(5, 'CANCEL'), true, ['reset 5 8']],
    [
      'RST_STREAM with a code above 2^31',
      h2.frame(3, 0, 5, Buffer.alloc(4, 0xff)),
      true,
      ['reset 5 4294967295'],
    ],
    ['PUSH_PROMISE', h2.promise(7, 2, { ':method': 'GET' }), true, ['promised 7 2']],
    ['PRIORITY', h2.priority(9), false, []],
    ['an unknown frame', h2.frame(200, 0xff, 9, 'whatever'), false, []],
    ['an empty unknown frame', h2.frame(200, 0, 0), false, []],
    ['GOAWAY', h2.goaway(0x7fffffff, 'ENHANCE_YOUR_CALM', 'why'), false, ['goaway 2147483647 11']],
    [
      'a header block in parts',
      Buffer.concat([
        h2.headers(9, OK, { fin: true, end: false }),
        h2.continuation(9, { a: 'b' }),
        h2.continuation(9, { c: 'd' }, true),
      ]),
      true,
      ['ended 9'],
    ],
  ];

  for (const [name, frame, passes, told] of frames) {
    it(`${passes ? 'passes on' : 'keeps back'} ${name}, cut anywhere`, () => {
      for (let at = 0; at <= frame.length; at++) {
        const { watcher, told: heard } = watching();
        watcher.feed(h2.settings(), 0);
        const pieces = [...watcher.feed(frame.subarray(0, at), 0), ...watcher.feed(frame.subarray(at), 0)];
        expect(passed(pieces)).to.equal(passes ? frame.toString('hex') : '');
        expect(heard).to.deep.equal(told);
        expect(watcher.fault).to.equal(undefined);
      }
    });
  }

  it('passes on the same whether all comes at once or byte by byte', () => {
    const all = Buffer.concat(frames.map(([, frame]) => frame));
    const wanted = Buffer.concat(frames.flatMap(([, frame, passes]) => (passes ? [frame] : [])));
    const told = frames.flatMap(([, , , words]) => words);
    for (const size of [1, 2, 3, 7, 8, 9, 10, 64, all.length]) {
      const { watcher, told: heard } = watching();
      let got = '';
      for (let at = 0; at < all.length; at += size)
        got += passed(watcher.feed(all.subarray(at, at + size), 0));
      expect(got).to.equal(wanted.toString('hex'));
      expect(heard).to.deep.equal(told);
    }
  });

  it('passes on the memory it was given, where that is all to be passed on', () => {
    const { watcher } = watching();
    const bytes = Buffer.concat([h2.settings(), h2.headers(1, OK), h2.data(1, 'x', true)]);
    expect(watcher.feed(bytes, 0)).to.deep.equal([bytes]);
    expect(watcher.feed(bytes.subarray(9), 0)[0]?.buffer).to.equal(bytes.buffer);
  });

  // RFC 9113 §3.4, §4.2, §6.10.
  const wrong: readonly (readonly [string, Buffer, RegExp, number])[] = [
    [
      'a frame above 16 384 bytes',
      h2.frame(0, 0, 1, Buffer.alloc(16_385)),
      /16385 bytes, the most is 16384/,
      6,
    ],
    ['CONTINUATION without HEADERS', h2.continuation(1, OK), /CONTINUATION/, 1],
    [
      'another frame in a header block',
      Buffer.concat([h2.headers(1, OK, { end: false }), h2.ping()]),
      /PING/,
      1,
    ],
    [
      'CONTINUATION of another stream',
      Buffer.concat([h2.headers(1, OK, { end: false }), h2.continuation(3, OK)]),
      /stream 3/,
      1,
    ],
    ['a short GOAWAY', h2.frame(7, 0, 0, Buffer.alloc(7)), /GOAWAY/, 6],
    ['a long answer to a ping', h2.frame(6, 1, 0, Buffer.alloc(9)), /PING/, 6],
  ];
  for (const [name, frame, message, code] of wrong) {
    it(`finds ${name}, and passes on nothing of it or after it`, () => {
      for (let at = 0; at <= Math.min(frame.length, 60); at++) {
        const { watcher } = watching();
        watcher.feed(h2.settings(), 0);
        watcher.feed(frame.subarray(0, at), 0);
        watcher.feed(frame.subarray(at), 0);
        const { fault } = watcher;
        expect(fault?.error).to.include({ code: 'ERR_GUNPORT_PROTOCOL', phase: 'protocol' });
        expect(fault?.error.message).to.match(message);
        expect(fault?.code).to.equal(code);
        expect(watcher.feed(h2.data(1, 'after'), 0)).to.deep.equal([]);
      }
    });
  }

  it('finds a promise where none was allowed (RFC 9113 §8.4)', () => {
    const { watcher, told } = watching({ push: false });
    watcher.feed(Buffer.concat([h2.settings(), h2.promise(1, 2, { ':method': 'GET' })]), 0);
    expect(watcher.fault?.error).to.include({ code: 'ERR_GUNPORT_PROTOCOL' });
    expect(told).to.deep.equal([]);
  });

  it('knows a preface that is none by its first wrong byte', () => {
    for (const text of [
      'HTTP/1.1 200 OK\r\n',
      'SSH-2.0',
      '\0\0\x04\x04',
      '\0\0\0\x06',
      '\0\0\0\x04\x01',
      '\x01',
    ]) {
      const { watcher } = watching();
      const bytes = Buffer.from(text, 'latin1');
      for (const byte of bytes) if (!watcher.fault) watcher.feed(Buffer.of(byte), 0);
      expect(watcher.fault?.error.message, text).to.match(/^invalid connection preface/);
    }
    const { watcher } = watching();
    for (const byte of h2.settings({ maxFrameSize: 16_384 })) watcher.feed(Buffer.of(byte), 0);
    expect(watcher.fault).to.equal(undefined);
  });
});

describe('the budgets of an HTTP/2 peer', () => {
  const [DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE] = [0, 1, 4, 6, 8];

  /** How many frames of a type it may send at once, at this time. */
  const spent = (budgets: Budgets, type: number, now: number): number => {
    let count = 0;
    while (budgets.spend(type, now)) count++;
    return count;
  };

  it('bound each kind at once, and let it go on with time', () => {
    const budgets = new Budgets();
    const first = spent(budgets, SETTINGS, 0);
    expect(first).to.be.within(10, 1_000);
    expect(spent(budgets, PING, 0)).to.be.within(100, 10_000);
    expect(budgets.spend(SETTINGS, 10)).to.equal(false);
    const later = spent(budgets, SETTINGS, 5_000);
    expect(later).to.be.within(10, first);
    expect(spent(budgets, SETTINGS, 3_600_000)).to.be.at.most(first);
  });

  it('grow with what we do, up to a most', () => {
    const idle = spent(new Budgets(), HEADERS, 0);
    const budgets = new Budgets();
    for (let i = 0; i < 1_000; i++) budgets.asked();
    expect(spent(budgets, HEADERS, 0)).to.be.at.least(idle + 3_000);
    for (let i = 0; i < 10_000_000; i += 1_000) budgets.sent(1_000_000);
    expect(spent(budgets, WINDOW_UPDATE, 0)).to.be.at.most(1_000_000);
    for (let i = 0; i < 100; i++) budgets.pinged();
    const pings = spent(budgets, PING, 0);
    expect(pings).to.equal(spent(new Budgets(), PING, 0) + 100);
    expect(spent(budgets, DATA, 0)).to.be.at.least(1_000);
  });

  it('have one for all that is unknown', () => {
    const budgets = new Budgets();
    for (let type = 10; spent(budgets, type, 0) > 0; type++) expect(type).to.be.below(11);
    expect(budgets.spend(255, 0)).to.equal(false);
  });
});
