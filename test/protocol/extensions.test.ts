import { expect } from 'chai';
import { ConnectionError } from '../../lib/errors.ts';
import { negotiate, offerExtensions, parseExtensions } from '../../lib/protocol/extensions.ts';
import type { CompressSettings } from '../../lib/wire.ts';

const usual: CompressSettings = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
  threshold: 1024,
  level: -1,
};

const plain = (header: string) =>
  parseExtensions(header)?.map(({ name, parameters }) => [
    name,
    Object.fromEntries(Object.entries(parameters)),
  ]);

describe('extensions', () => {
  it('offers permessage-deflate with its parameters (RFC 7692 §7.1)', () => {
    expect(offerExtensions(undefined)).to.equal(undefined);
    expect(offerExtensions(usual)).to.equal('permessage-deflate; client_max_window_bits');
    const all = {
      ...usual,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 9,
    };
    expect(offerExtensions(all)).to.equal(
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9',
    );
  });

  it('parses lists, parameters, and quoted values that are tokens (RFC 6455 §9.1)', () => {
    expect(plain('a')).to.deep.equal([['a', {}]]);
    expect(plain(' a ; b = c ;d,\te;f="g\\h" ')).to.deep.equal([
      ['a', { b: 'c', d: true }],
      ['e', { f: 'gh' }],
    ]);
  });

  it('keeps names of Object.prototype as names', () => {
    expect(plain('constructor; __proto__; toString=1')?.[0]?.[0]).to.equal('constructor');
    const [first] = parseExtensions('x; __proto__=1') ?? [];
    expect(Object.getPrototypeOf(first?.parameters)).to.equal(null);
    expect(Object.entries(first?.parameters ?? {})).to.deep.equal([['__proto__', '1']]);
    expect(parseExtensions('x; toString; toString')).to.equal(undefined);
  });

  it('refuses what breaks the grammar', () => {
    for (const bad of [
      '',
      ' ',
      ',',
      'a,',
      'a;',
      'a;;b',
      'a;b=',
      'a;b="',
      'a;b="c',
      'a;b="c d"',
      'a;b=""',
      'a b',
      'a;b;b',
      'a;b=1;b=2',
      'a=b',
      'é',
      'a;b="\\',
      '"a"',
      'a,,b',
    ]) {
      expect(parseExtensions(bad), bad).to.equal(undefined);
    }
  });

  it('is linear in what a peer sends', () => {
    const began = performance.now();
    for (const long of [
      `a;${' '.repeat(1e5)}`,
      `a;b="${'\\'.repeat(1e5)}`,
      'a;b,'.repeat(25_000),
      `${'a'.repeat(1e5)} b`,
    ]) {
      expect(parseExtensions(long)).to.equal(undefined);
    }
    expect(performance.now() - began).to.be.lessThan(1000);
  });

  const agreed = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  const cases: [string, string, Partial<CompressSettings>, Partial<typeof agreed>][] = [
    ['takes the plain answer', 'permessage-deflate', {}, {}],
    [
      'uses what was offered where the answer is silent',
      'permessage-deflate',
      { clientNoContextTakeover: true, clientMaxWindowBits: 10 },
      { clientNoContextTakeover: true, clientMaxWindowBits: 10 },
    ],
    [
      'takes takeover parameters that were not offered',
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
      {},
      { serverNoContextTakeover: true, clientNoContextTakeover: true },
    ],
    [
      'takes a server window that was not offered',
      'permessage-deflate; server_max_window_bits=8',
      {},
      { serverMaxWindowBits: 8 },
    ],
    [
      'takes a smaller server window than was offered',
      'permessage-deflate; server_max_window_bits="9"',
      { serverMaxWindowBits: 10 },
      { serverMaxWindowBits: 9 },
    ],
    [
      'takes a client window',
      'permessage-deflate; client_max_window_bits=12',
      {},
      { clientMaxWindowBits: 12 },
    ],
  ];
  for (const [what, header, offered, expected] of cases) {
    it(`${what} (RFC 7692 §7.1)`, () => {
      expect(negotiate(header, { ...usual, ...offered })).to.deep.equal({ ...agreed, ...expected });
    });
  }

  it('agrees on nothing without the header, offered or not', () => {
    expect(negotiate(undefined, usual)).to.equal(undefined);
    expect(negotiate(undefined, undefined)).to.equal(undefined);
  });

  const refused: [string, string, Partial<CompressSettings> | undefined, RegExp][] = [
    ['an extension where none was offered', 'permessage-deflate', undefined, /nothing was offered/],
    ['an empty header', '', {}, /cannot be read/],
    ['another extension', 'permessage-bzip2', {}, /"permessage-bzip2", which was not offered/],
    ['a second extension', 'permessage-deflate, x-mux', {}, /"x-mux" after permessage-deflate/],
    ['the same extension twice', 'permessage-deflate, permessage-deflate', {}, /after permessage-deflate/],
    ['an unknown parameter', 'permessage-deflate; level=9', {}, /unknown parameter "level"/],
    [
      'a parameter of Object.prototype',
      'permessage-deflate; constructor',
      {},
      /unknown parameter "constructor"/,
    ],
    [
      'a parameter twice',
      'permessage-deflate; server_no_context_takeover; server_no_context_takeover',
      {},
      /cannot be read/,
    ],
    [
      'a value where none belongs',
      'permessage-deflate; server_no_context_takeover=1',
      {},
      /server_no_context_takeover with "1"/,
    ],
    [
      'a value where none belongs',
      'permessage-deflate; client_no_context_takeover=1',
      {},
      /client_no_context_takeover with "1"/,
    ],
    [
      'no value where one belongs',
      'permessage-deflate; server_max_window_bits',
      {},
      /server_max_window_bits with no value/,
    ],
    [
      'no value where one belongs',
      'permessage-deflate; client_max_window_bits',
      {},
      /client_max_window_bits with no value/,
    ],
    ['a window of 16 bits', 'permessage-deflate; server_max_window_bits=16', {}, /with "16"/],
    ['a window of 7 bits', 'permessage-deflate; server_max_window_bits=7', {}, /with "7"/],
    ['a leading zero', 'permessage-deflate; server_max_window_bits=09', {}, /with "09"/],
    [
      'a larger server window than was offered',
      'permessage-deflate; server_max_window_bits=12',
      { serverMaxWindowBits: 10 },
      /with "12"/,
    ],
    [
      'a larger client window than was offered',
      'permessage-deflate; client_max_window_bits=12',
      { clientMaxWindowBits: 10 },
      /with "12"/,
    ],
    [
      'a client window that zlib does not have',
      'permessage-deflate; client_max_window_bits=8',
      {},
      /with "8"/,
    ],
    [
      'an answer without the server window that was asked for',
      'permessage-deflate',
      { serverMaxWindowBits: 10 },
      /lacks server_max_window_bits/,
    ],
    [
      'an answer without the takeover that was asked for',
      'permessage-deflate',
      { serverNoContextTakeover: true },
      /lacks server_no_context_takeover/,
    ],
  ];
  for (const [what, header, offered, text] of refused) {
    it(`refuses ${what}: ${header || "''"}`, () => {
      const error = negotiate(header, offered && { ...usual, ...offered });
      expect(error)
        .to.be.instanceOf(ConnectionError)
        .and.include({ code: 'ERR_GUNPORT_HANDSHAKE', phase: 'upgrade' });
      expect((error as ConnectionError).message).to.match(text);
    });
  }
});
