// proxy-settings — the `proxy` option and the environment's variables become hops, and what is wrong is said at once.

import { expect } from 'chai';
import { OptionError } from '../lib/errors.ts';
import type { OpenOptions } from '../lib/options.ts';
import { MOST_HOPS } from '../lib/roads.ts';
import { checkOpen, type OpenTarget } from '../lib/settings.ts';
import { chance, seedOf } from './support/chance.ts';

const settingsOf = (target: OpenTarget, options?: OpenOptions) => checkOpen(target, options, false).settings;
const hopsOf = (proxy: OpenOptions['proxy'], more?: OpenOptions) =>
  settingsOf('https://a.example', { ...more, proxy }).hops;
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

/** The message of the OptionError; what is bad has no type that fits. */
function message(target: unknown, options: unknown): string {
  try {
    checkOpen(target as OpenTarget, options as OpenOptions, false);
  } catch (error) {
    expect(error).to.be.instanceOf(OptionError);
    return (error as OptionError).message;
  }
  throw new Error('nothing was thrown');
}
const bad = (proxy: unknown, more?: object) => message('https://a.example', { ...more, proxy });

describe('proxies', () => {
  describe('by option', () => {
    it('are none by default, whatever the environment says', () => {
      withEnvironment({ HTTPS_PROXY: 'http://p.example', ALL_PROXY: 'http://p.example' }, () => {
        for (const proxy of [undefined, false] as const) expect(hopsOf(proxy)).to.deep.equal([]);
      });
    });

    it('are HTTP proxies by URL; the far end stays what the connection is to', () => {
      for (const proxy of [
        'http://p.example:3128',
        new URL('http://p.example:3128/'),
        { url: 'http://p.example:3128' },
      ]) {
        const settings = settingsOf('https://a.example', { proxy, connectTimeout: 1, tlsTimeout: 2 });
        expect(settings.hops).to.deep.equal([
          {
            leg: {
              ...{ transport: 'tcp', host: 'p.example', port: 3128, origin: 'http://p.example:3128' },
              ...{ authority: 'p.example:3128', tls: undefined, checkServerIdentity: undefined },
              ...{ connectTimeout: 1, tlsTimeout: 2, protocols: ['http'] },
            },
            ...{ kind: 'connect', headers: [], credentials: undefined },
          },
        ]);
        expect(settings).to.include({ origin: 'https://a.example', transport: 'tls', upAtFirstHop: false });
        expect(settings.http.protocols).to.deep.equal(['http2', 'http']);
      }
    });

    it('have the ports of their schemes', () => {
      const cases = [
        ['http://p.example', 80, 'http://p.example:80', 'connect', 'tcp', 'p.example'],
        ['https://p.example', 443, 'https://p.example:443', 'connect', 'tls', 'p.example'],
        ['http://p.example:443', 443, 'http://p.example:443', 'connect', 'tcp', 'p.example:443'],
        ['socks5://p.example', 1080, 'socks5://p.example:1080', 'socks', 'tcp', 'p.example'],
        ['socks5h://p.example:80', 80, 'socks5://p.example:80', 'socks', 'tcp', 'p.example:80'],
        ['SOCKS5://P.example/', 1080, 'socks5://p.example:1080', 'socks', 'tcp', 'p.example'],
        ['socks5://[::1]:9', 9, 'socks5://[::1]:9', 'socks', 'tcp', '[::1]:9'],
        ['socks5://127.1', 1080, 'socks5://127.0.0.1:1080', 'socks', 'tcp', '127.0.0.1'],
        [
          'socks5://bücher.example',
          1080,
          'socks5://xn--bcher-kva.example:1080',
          'socks',
          'tcp',
          'xn--bcher-kva.example',
        ],
      ] as const;
      for (const [url, port, origin, kind, transport, authority] of cases) {
        const [hop] = hopsOf(url);
        expect(hop?.leg, url).to.include({ port, origin, transport, authority });
        expect(hop?.kind, url).to.equal(kind);
      }
      expect(hopsOf('socks5://[::1]:9')[0]?.leg.host).to.equal('::1');
    });

    it('are passed in the order they are given in', () => {
      const hops = hopsOf([
        'socks5://one.example',
        { url: new URL('https://two.example') },
        new URL('http://three.example'),
      ]);
      expect(hops.map(({ leg }) => leg.origin)).to.deep.equal([
        ...['socks5://one.example:1080', 'https://two.example:443', 'http://three.example:80'],
      ]);
      expect(structuredClone(hops)).to.deep.equal(hops);
    });

    it('come before the SOCKS servers that protocols names', () => {
      const settings = settingsOf('http://socks.example:1080', {
        proxy: 'http://p.example',
        protocols: [{ name: 'socks', host: 'far.example', port: 443 }],
      });
      expect(settings.hops.map(({ leg }) => leg.origin)).to.deep.equal([
        ...['http://p.example:80', 'socks5://socks.example:1080'],
      ]);
      expect(settings).to.include({ origin: 'https://far.example', upAtFirstHop: true });
    });

    it('are told who we are by Basic, unless their headers say otherwise (RFC 9110 §11.7.2)', () => {
      const headersOf = (url: string, headers?: Record<string, string>) =>
        hopsOf({ url, headers })[0]?.headers;
      expect(headersOf('http://us%20er:p%40%C3%BC@p.example')).to.deep.equal([
        ...['proxy-authorization', basic('us er:p@ü')],
      ]);
      expect(headersOf('https://user@p.example')).to.deep.equal(['proxy-authorization', basic('user:')]);
      expect(
        headersOf('http://u:p@p.example', { 'Proxy-Authorization': 'Bearer x', 'X-A': '1' }),
      ).to.deep.equal([...['proxy-authorization', 'Bearer x', 'x-a', '1']]);
      expect(headersOf('http://u:p@p.example', { 'X-A': '1' })).to.deep.equal([
        ...['x-a', '1', 'proxy-authorization', basic('u:p')],
      ]);
    });

    it('are told by RFC 1929 where they are SOCKS', () => {
      const [hop] = hopsOf('socks5://a%3Ab:%C3%BC@p.example');
      expect(hop).to.deep.include({ headers: [], credentials: { username: 'a:b', password: 'ü' } });
    });

    it('show user and password nowhere else', () => {
      for (const url of ['http://user:secret@p.example', 'socks5://user:secret@p.example']) {
        const { hops, ...rest } = settingsOf('https://a.example', { proxy: url });
        expect(JSON.stringify([rest, hops[0]?.leg])).not.to.match(/user|secret/);
        expect(rest.ws.headers).to.deep.equal([]);
      }
    });

    it("leave the connection's own TLS, headers and timeouts to the far end", () => {
      const settings = settingsOf('https://u:p@a.example', {
        proxy: { url: 'https://p.example', tls: { ca: 'proxy' }, connectTimeout: 1, tlsTimeout: 2 },
        ...{ tls: { ca: 'far' }, headers: { b: '1' }, connectTimeout: 3, tlsTimeout: 4 },
      });
      expect(settings.hops[0]?.headers).to.deep.equal([]);
      expect(settings.hops[0]?.leg).to.deep.include({
        ...{ tls: { rejectUnauthorized: true, ca: 'proxy' }, connectTimeout: 1, tlsTimeout: 2 },
      });
      expect(settings).to.deep.include({
        ...{ tls: { rejectUnauthorized: true, ca: 'far' }, connectTimeout: 3, tlsTimeout: 4 },
      });
    });

    it('speak HTTP/1.1, or HTTP/2, or what ALPN says', () => {
      const of = (url: string, protocols: readonly ('http' | 'http2')[]) =>
        hopsOf({ url, protocols })[0]?.leg.protocols;
      expect(of('http://p.example', ['http2'])).to.deep.equal(['http2']);
      expect(of('https://p.example', ['http2', 'http'])).to.deep.equal(['http2', 'http']);
      expect(bad({ url: 'http://p.example', protocols: ['http2', 'http'] })).to.equal(
        'proxy.protocols must be ["http"] or ["http2"] where there is no TLS, got ["http2","http"]',
      );
      const secret = [{ name: 'socks', auth: { password: 'secret' } }];
      expect(bad({ url: 'https://p.example', protocols: secret })).not.to.include('secret');
      for (const protocols of [[], ['raw'], ['http', 'http'], 'http', [{ name: 'socks' }], null]) {
        expect(bad({ url: 'https://p.example', protocols })).to.match(/^proxy\.protocols must be some of /);
      }
    });

    it('are spoken to through TLS where they are SOCKS and tls is given', () => {
      const [hop] = hopsOf({ url: 'socks5://p.example', tls: {} });
      expect(hop?.leg).to.deep.include({
        transport: 'tls',
        tls: { rejectUnauthorized: true },
        protocols: [],
      });
      expect(hop?.leg.origin).to.equal('socks5://p.example:1080');
    });

    it('may be dialled by localAddress, family and lookup', () => {
      const lookup = { module: 'file:///lookup.js' };
      const settings = settingsOf('http://a.example', {
        ...{ proxy: 'http://p.example', localAddress: '127.0.0.1', family: 4, lookup },
      });
      expect(settings).to.deep.include({
        localAddress: '127.0.0.1',
        family: 4,
        lookup: { ...lookup, export: 'default' },
      });
    });

    it('refuse what does not fit them', () => {
      expect(bad('http://p.example', { socketPath: '/run/x' })).to.equal(
        'socketPath must be left out where there is a proxy',
      );
      expect(bad({ url: 'http://p.example', tls: {} })).to.equal(
        'proxy.tls must be left out where there is no TLS',
      );
      expect(bad([{ url: 'https://p.example', tls: { servername: 7 } }])).to.match(
        /^proxy\[0\]\.tls\.servername must be/,
      );
      expect(bad({ url: 'socks5://p.example', headers: {} })).to.equal(
        'proxy.headers must be left out for a SOCKS server',
      );
      expect(bad({ url: 'socks5://p.example', protocols: ['http'] })).to.equal(
        'proxy.protocols must be left out for a SOCKS server',
      );
      for (const name of ['Host', 'Content-Length', 'transfer-encoding']) {
        expect(bad({ url: 'http://p.example', headers: { [name]: '1' } })).to.equal(
          `proxy.headers must not have ${name}: it has no place here`,
        );
      }
      expect(bad({ url: 'http://p.example', headers: { a: 'secret\r\nb: c' } })).to.equal(
        'proxy.headers.a must be printable latin1, got character 0x0d at 6',
      );
      expect(bad({ url: 'http://p.example', connectTimeout: 0 })).to.match(
        /^proxy\.connectTimeout must be an integer/,
      );
      expect(bad([{ url: 'https://p.example', tlsTimeout: '1' }])).to.match(
        /^proxy\[0\]\.tlsTimeout must be an integer/,
      );
      expect(bad({ url: 'http://p.example', auth: {} })).to.equal('unknown option proxy.auth');
      expect(message({ host: 'fe80::1%lo', port: 80 }, { proxy: 'http://p.example' })).to.equal(
        'the host of target must have no zone where a proxy is asked for it',
      );
      const long = `${'a.'.repeat(130)}example`;
      expect(message({ host: long, port: 80 }, { proxy: 'socks5://p.example' })).to.equal(
        'the host of target must have at most 255 bytes for SOCKS, got 267',
      );
    });

    it('refuse what is no proxy, and say so of other versions of SOCKS', () => {
      for (const scheme of ['socks4', 'socks4a', 'socks', 'ftp', 'ws', 'pac+http']) {
        expect(bad(`${scheme}://p.example`)).to.equal(
          `proxy must be a http:, https:, socks5: or socks5h: URL, got "${scheme}:"`,
        );
      }
      expect(bad('p.example:3128')).to.match(/^proxy must be a http:, .* URL, got "p\.example:"$/);
      expect(bad('p.example')).to.equal('proxy must be an absolute URL, got "p.example"');
      expect(bad('')).to.equal('proxy must be an absolute URL, got ""');
      for (const url of [
        'http://p.example/x',
        'http://p.example/?x',
        'socks5://p.example/x',
        'socks5://p.example?x',
      ]) {
        expect(bad(url)).to.equal('proxy must have no path and no query');
      }
      for (const url of ['http://p.example/#', 'socks5://p.example#x']) {
        expect(bad(url)).to.match(/^proxy must not have a fragment/);
      }
      expect(bad('socks5://')).to.match(/^proxy must have a host/);
      expect(bad('socks5:1080')).to.match(/^proxy must have a host/);
      expect(bad('socks5://a b')).to.match(/^proxy must be an absolute URL/);
      expect(bad('http://p.example:0')).to.equal('proxy must have a port from 1 to 65535, got 0');
      expect(bad('http://p.example:70000')).to.match(/^proxy must be an absolute URL/);
      for (const value of [null, true, 7, 'environment', () => 'x']) {
        expect(bad(value)).to.match(
          /^proxy must be (a URL, \{ url, … \}, "env" or false|an absolute URL), got /,
        );
      }
      expect(bad({})).to.equal('proxy.url must be a URL, got undefined');
      expect(bad([{ url: 7 }])).to.equal('proxy[0].url must be a URL, got a number');
      expect(bad([])).to.equal(`proxy must be of 1 to ${MOST_HOPS} proxies, got 0`);
      expect(bad(Array(MOST_HOPS + 1).fill('http://p.example'))).to.match(
        /^proxy must be of 1 to 32 proxies, got 33$/,
      );
      expect(bad(['http://p.example', 'env'])).to.equal('proxy[1] must be an absolute URL, got "env"');
      expect(bad(['http://p.example', false])).to.equal('proxy[1] must be a URL, { url, … }, got a boolean');
    });

    it('are refused without showing who we are', () => {
      const urls = [
        ...[
          'user:secret@p.example:80',
          'ftp://user:secret@p.example',
          'http://user:secret@a b',
          '//user:secret@p.example',
        ],
        ...[
          'http://user:secret@p.example/x',
          'http://user:secret@p.example/#x',
          'http://user:secret@p.example:0',
        ],
        ...['http://%zz:secret@p.example', 'http://a%3Ab:secret@p.example', 'http://user:secret?x@p.example'],
        ...[
          'http://user:secret#x@p.example',
          'http://user:secret/x@p.example',
          'socks5://user:secret@',
          'secret@',
        ],
        ...[
          `socks5://user:${'secret'.repeat(43)}@p.example`,
          'socks5://:secret@p.example',
          'socks5://secret@p.example',
        ],
        ...[
          'socks5://user:secret#@p.example',
          'socks5://user:secret@p.example/x',
          'socks4://user:secret@p.example',
        ],
      ];
      for (const url of urls) {
        for (const proxy of [url, { url }, ['http://p.example', url], [[url]]]) {
          expect(bad(proxy), url).not.to.match(/secret|user:/);
        }
        // Without a scheme it is a good one there.
        if (!url.includes('://')) continue;
        withEnvironment({ HTTPS_PROXY: url }, () => expect(bad('env'), url).not.to.match(/secret|user:/));
      }
    });
  });

  describe('random ones', () => {
    const seed = seedOf();

    it(`are taken, or refused by a typed error, and never show a password (GUNPORT_SEED=${seed})`, () => {
      const roll = chance(seed);
      const some = (parts: readonly string[], most: number) =>
        Array.from({ length: roll(most + 1) }, () => parts[roll(parts.length)] ?? '').join('');
      const odd = ['/', '@', ':', '?', '#', '[', ']', '%', '%41', '\\', ' ', '\0', '\n', 'é', '😀', '://'];
      let taken = 0;
      for (let round = 0; round < 5_000; round++) {
        const scheme = ['http://', 'https://', 'socks5://', 'socks5h:', 'socks4://', '', '//'][roll(7)] ?? '';
        const password = `${some(odd, 2)}SECRET${some(odd, 2)}`;
        const proxy = `${scheme}${some(['user', ...odd], 2)}:${password}@p.example${some([':80', '/', ...odd], 1)}`;
        for (const options of [{ proxy }, { proxy: { url: proxy } }, { proxy: [proxy] }]) {
          taken += Number(takes(options));
        }
      }
      expect(taken).to.be.greaterThan(300);
    }).timeout(20_000);

    /** Whether it was taken. A password that makes a host of itself is none any more: URL says what is what. */
    function takes(options: OpenOptions): boolean {
      try {
        const [hop] = settingsOf('https://a.example', options).hops;
        if (hop?.leg.host === 'p.example') expect(JSON.stringify(hop.leg)).not.to.match(/secret/i);
        return true;
      } catch (error) {
        expect(error, JSON.stringify(options)).to.be.instanceOf(OptionError);
        expect(String(error), JSON.stringify(options)).not.to.match(/secret/i);
        return false;
      }
    }
  });

  describe('by environment', () => {
    const origins = (target: OpenTarget, environment: Record<string, string>) =>
      withEnvironment(environment, () =>
        settingsOf(target, { proxy: 'env' }).hops.map(({ leg }) => leg.origin),
      );

    it('are those of the scheme, and ws: and wss: are http: and https: there', () => {
      const environment = { HTTP_PROXY: 'http://one.example', HTTPS_PROXY: 'http://two.example' };
      const one = ['http://one.example:80'];
      const two = ['http://two.example:80'];
      expect(origins('http://a.example', environment)).to.deep.equal(one);
      expect(origins('ws://a.example', environment)).to.deep.equal(one);
      expect(origins({ host: 'a.example', port: 9 }, environment)).to.deep.equal(one);
      expect(origins('https://a.example', environment)).to.deep.equal(two);
      expect(origins('wss://a.example', environment)).to.deep.equal(two);
      expect(origins({ host: '::1', port: 443 }, environment)).to.deep.equal(two);
    });

    it('are ALL_PROXY where the scheme has none, and lower case goes first', () => {
      const all = { ALL_PROXY: 'socks5://all.example', HTTPS_PROXY: '' };
      expect(origins('https://a.example', all)).to.deep.equal(['socks5://all.example:1080']);
      expect(origins('https://a.example', { ...all, all_proxy: 'http://lower.example' })).to.deep.equal([
        ...['http://lower.example:80'],
      ]);
      expect(
        origins('https://a.example', { HTTPS_PROXY: 'http://a', https_proxy: 'http://b' }),
      ).to.deep.equal([...['http://b:80']]);
    });

    it('are none where NO_PROXY names the host, its port, or what it ends with', () => {
      const of = (target: OpenTarget, no: string, name = 'NO_PROXY') =>
        origins(target, { ALL_PROXY: 'http://p.example', [name]: no }).length;
      expect(of('https://a.example', 'b.example, a.example')).to.equal(0);
      expect(of('https://a.example', 'A.Example', 'no_proxy')).to.equal(0);
      expect(of('https://a.example', '*')).to.equal(0);
      expect(of('wss://www.a.example', '.a.example')).to.equal(0);
      expect(of('wss://www.a.example', '*.a.example')).to.equal(0);
      expect(of('https://a.example', 'a.example:443')).to.equal(0);
      expect(of('wss://a.example', 'a.example:443')).to.equal(0);
      expect(of({ host: '::1', port: 80 }, '[::1]')).to.equal(0);
      expect(of('https://a.example', 'a.example:80')).to.equal(1);
      expect(of('https://www.a.example', 'a.example')).to.equal(1);
      expect(of('https://a.example', '')).to.equal(1);
    });

    it('are none where nothing is said', () => {
      expect(origins('https://a.example', { HTTP_PROXY: 'http://p.example' })).to.deep.equal([]);
      expect(origins('https://a.example', {})).to.deep.equal([]);
      withEnvironment({}, () => settingsOf('http://a.example', { proxy: 'env', socketPath: '/run/x' }));
    });

    it('are http: without a scheme, and know user and password', () => {
      expect(origins('https://a.example', { HTTPS_PROXY: 'p.example:3128' })).to.deep.equal([
        'http://p.example:3128',
      ]);
      withEnvironment({ HTTPS_PROXY: 'u:p@p.example:3128' }, () => {
        expect(hopsOf('env')[0]?.headers).to.deep.equal(['proxy-authorization', basic('u:p')]);
      });
    });

    it('are not what a request said, in CGI (CVE-2016-5385)', () => {
      const environment = { REQUEST_METHOD: 'GET', HTTP_PROXY: 'http://evil.example' };
      expect(origins('http://a.example', environment)).to.deep.equal([]);
      expect(origins('http://a.example', { ...environment, http_proxy: 'http://p.example' })).to.deep.equal([
        ...['http://p.example:80'],
      ]);
      expect(origins('http://a.example', { ...environment, ALL_PROXY: 'http://p.example' })).to.deep.equal([
        ...['http://p.example:80'],
      ]);
      expect(origins('https://a.example', { ...environment, HTTPS_PROXY: 'http://p.example' })).to.deep.equal(
        [...['http://p.example:80']],
      );
    });

    it('are for what is dialled: the SOCKS server that the target is', () => {
      withEnvironment({ ALL_PROXY: 'http://p.example', NO_PROXY: 'far.example' }, () => {
        const protocols = [{ name: 'socks', host: 'far.example', port: 80 }] as const;
        const settings = settingsOf('http://socks.example', { proxy: 'env', protocols });
        expect(settings.hops.map(({ leg }) => leg.host)).to.deep.equal(['p.example', 'socks.example']);
      });
    });

    it('name the variable that is wrong', () => {
      const text = (environment: Record<string, string>) => withEnvironment(environment, () => bad('env'));
      expect(text({ HTTPS_PROXY: 'socks4://p.example' })).to.equal(
        'proxy (HTTPS_PROXY in the environment) must be a http:, https:, socks5: or socks5h: URL, got "socks4:"',
      );
      expect(text({ all_proxy: 'http://p.example/x' })).to.equal(
        'proxy (all_proxy in the environment) must have no path and no query',
      );
      expect(text({ HTTPS_PROXY: 'http://' })).to.match(
        /^proxy \(HTTPS_PROXY in the environment\) must be an absolute URL/,
      );
    });

    it('are read when it is asked, each time', () => {
      expect(origins('https://a.example', { HTTPS_PROXY: 'http://one.example' })).to.deep.equal([
        'http://one.example:80',
      ]);
      expect(origins('https://a.example', { HTTPS_PROXY: 'http://two.example' })).to.deep.equal([
        'http://two.example:80',
      ]);
    });
  });
});

const VARIABLES = [
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'ws_proxy',
  'wss_proxy',
  'request_method',
];

/** Calls with these variables of proxies and no others. */
function withEnvironment<T>(environment: Record<string, string>, call: () => T): T {
  const names = VARIABLES.flatMap((name) => [name, name.toUpperCase()]);
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  Object.assign(process.env, environment);
  try {
    return call();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
