// Twins of gun_SUITE about options. Gun takes `infinity` for every timeout; here each is finite, since a wait without an
// end is a hang: Infinity is refused, and 0 is how the timers that may be off are turned off.

import { expect } from 'chai';
import { type OpenOptions, OptionError } from '../../lib/index.ts';
import { cowboy } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';

describe('options of a connection', () => {
  const { open, keep } = feeds();

  /** A connection with these options comes up, and answers. */
  const works = async (options: OpenOptions): Promise<void> => {
    const server = await keep(cowboy());
    const connection = open(server.url, options);
    expect(await connection.get('/').text()).to.equal('Hello world!');
  };
  const refused = (name: string, values: readonly unknown[]): void => {
    for (const value of values) {
      const options = { [name]: value };
      expect(() => open('http://127.0.0.1:1/', options), `${name}: ${String(value)}`).to.throw(
        OptionError,
        name,
      );
    }
  };
  const NO_TIME = [Number.POSITIVE_INFINITY, Number.NaN, -1, 1.5, 2 ** 31, '1000', null, 5n];

  it('take a number for connectTimeout (gun_SUITE connect_timeout)', () => works({ connectTimeout: 1_000 }));

  it('take no Infinity for connectTimeout, and no other such value (gun_SUITE connect_timeout_infinity)', () => {
    refused('connectTimeout', [0, ...NO_TIME]);
  });

  it('take a number for lookupTimeout (gun_SUITE domain_lookup_timeout)', () =>
    works({ lookupTimeout: 1_000 }));

  it('take no Infinity for lookupTimeout (gun_SUITE domain_lookup_timeout_infinity)', () => {
    refused('lookupTimeout', [0, ...NO_TIME]);
  });

  it('take a number for tlsTimeout (gun_SUITE tls_handshake_timeout)', async () => {
    const server = await keep(cowboy('https'));
    const connection = open(server.url, { ...server.trust, tlsTimeout: 4_000 });
    expect(await connection.get('/').text()).to.equal('Hello world!');
  });

  it('take no Infinity for tlsTimeout (gun_SUITE tls_handshake_timeout_infinity)', () => {
    refused('tlsTimeout', [0, ...NO_TIME]);
  });

  it('take 0 for a keepalive that never comes, and no Infinity (gun_SUITE keepalive_infinity)', async () => {
    await works({ keepalive: 0 });
    const server = await keep(cowboy('h2c'));
    const connection = open(server.url, { ...server.trust, keepalive: 0 });
    expect(await connection.get('/').text()).to.equal('Hello world!');
    refused('keepalive', NO_TIME);
  });

  it('of HTTP are checked at once, each by its name', () => {
    const sizes = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null];
    for (const name of ['maxHeaderSize', 'maxTrailerSize', 'settingsTimeout', 'closingTimeout'])
      refused(name, sizes);
    for (const name of ['requestTimeout', 'headersTimeout', 'idleTimeout', 'continueTimeout'])
      refused(name, NO_TIME);
    for (const name of ['streamWindow', 'connectionWindow']) refused(name, [...sizes, 65_534, 2 ** 31]);
    refused('pipelining', [0, -1, 1.5, Number.NaN, '1', null]);
    refused('maxConcurrentPushes', NO_TIME);
    refused('keepaliveTolerance', NO_TIME);
    refused('push', [0, 1, 'true', null]);
    refused('httpVersion', ['1.2', '2', 1.1, null]);
    refused('flow', [...sizes]);
    refused('transformHeaderName', [
      (name: string) => name,
      'x',
      {},
      { module: 'x.js' },
      { module: 'http://x/' },
    ]);
    refused('protocols', [[], ['http', 'http'], ['h2'], ['http2', 'http'], 'http', {}, null, ['http', 1]]);
    expect(() => open('http://127.0.0.1:1/', { http_opts: {} } as OpenOptions)).to.throw(
      OptionError,
      'http_opts',
    );
  });

  it('of a request are checked at once, each by its name, and by get none that is about bodies', () => {
    const connection = open('http://127.0.0.1:1/', { retry: 0 });
    const bad: Readonly<Record<string, readonly unknown[]>> = {
      requestTimeout: NO_TIME,
      headersTimeout: NO_TIME,
      idleTimeout: NO_TIME,
      continueTimeout: NO_TIME,
      flow: [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null],
      replyTo: [null, {}, 5],
      signal: [null, {}, new AbortController()],
      body: ['x'],
      trailers: [{ a: 'b' }],
      tunnel: [1],
    };
    for (const [name, values] of Object.entries(bad)) {
      for (const value of values) {
        const options = { [name]: value };
        expect(() => connection.get('/', options), `${name}: ${String(value)}`).to.throw(OptionError);
      }
    }
    expect(connection.streams.size).to.equal(0);
  });
});
