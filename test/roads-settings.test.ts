// roads-settings — what users say of tunnels, SOCKS servers and raw becomes legs and hops, and what is wrong is said at once.

import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { OptionError } from '../lib/errors.ts';
import { checkRequest } from '../lib/httpsettings.ts';
import type { Destination, OpenOptions, RawOptions, RequestOptions, TunnelOptions } from '../lib/options.ts';
import { checkRaw, checkTunnel, MOST_HOPS } from '../lib/roads.ts';
import { checkOpen, checkWs, type OpenTarget } from '../lib/settings.ts';

const settingsOf = (target: OpenTarget, options?: OpenOptions, connect = false) =>
  checkOpen(target, options, connect).settings;
const base = settingsOf('http://proxy.example:3128', {
  connectTimeout: 11,
  tlsTimeout: 12,
  headers: { a: '1' },
});
const raw = settingsOf({ host: 'a.example', port: 9 }, { protocols: ['raw'] });

/** The message of the OptionError that is thrown. */
function message(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).to.be.instanceOf(OptionError);
    return (error as OptionError).message;
  }
  throw new Error('nothing was thrown');
}
// What is bad has no type that fits.
const badOpen = (target: unknown, options?: unknown, connect = false) =>
  message(() => checkOpen(target as OpenTarget, options as OpenOptions, connect));
const badTunnel = (destination: unknown, options?: unknown) =>
  message(() => checkTunnel(destination as string, options as TunnelOptions, base));
const badRaw = (options: unknown, settings = raw) => message(() => checkRaw(options as RawOptions, settings));

const far = { host: 'far.example', port: 80 };
const socks = (more: object = {}) => ({ name: 'socks', ...far, ...more }) as const;
const standardTls = { rejectUnauthorized: true };

describe('roads', () => {
  describe('protocols of a connection', () => {
    it('are raw for bytes as they come, on TCP and TLS (Gun raw_SUITE direct_raw_tcp, direct_raw_tls)', () => {
      expect(raw.http.protocols).to.deep.equal(['raw']);
      expect(raw).to.include({ transport: 'tcp', origin: 'tcp://a.example:9', upAtFirstHop: false });
      const tls = settingsOf({ host: '::1', port: 443 }, { protocols: ['raw'] });
      expect(tls).to.include({ transport: 'tls', origin: 'tls://[::1]:443', authority: '[::1]' });
      expect(tls.http.protocols).to.deep.equal(['raw']);
      expect(settingsOf('https://a.example', { protocols: ['raw'] })).to.include({
        origin: 'tls://a.example:443',
      });
      expect(settingsOf('http://a.example', { protocols: ['raw'], socketPath: '/x' })).to.include({
        transport: 'unix',
      });
    });

    it('have raw, and a SOCKS server, alone', () => {
      for (const list of [
        ['raw', 'http'],
        ['http2', 'raw'],
        ['raw', 'raw'],
        ['http', socks()],
        [socks(), socks()],
      ]) {
        expect(badOpen('https://a.example', { protocols: list })).to.match(
          /^protocols must have "raw" or a SOCKS server alone, got /,
        );
      }
    });

    it('are no raw where a WebSocket is opened', () => {
      const text = 'protocols must not be ["raw"] where a WebSocket is opened';
      for (const target of ['ws://a.example', 'wss://a.example']) {
        expect(badOpen(target, { protocols: ['raw'] }), target).to.equal(text);
      }
      expect(badOpen('http://a.example', { protocols: ['raw'] }, true)).to.equal(text);
      expect(badOpen(far, { protocols: [socks({ protocols: ['raw'] })] }, true)).to.equal(
        'protocols[0].protocols must not be ["raw"] where a WebSocket is opened',
      );
    });

    it('are copied: what is done to the list afterwards is not seen', () => {
      const protocols: ('http' | 'http2')[] = ['http2'];
      const settings = settingsOf('http://a.example', { protocols });
      protocols[0] = 'http';
      expect(settings.http.protocols).to.deep.equal(['http2']);
    });

    it('are refused where they are none, without what may be secret in them', () => {
      for (const value of [
        'http',
        'raw',
        7,
        null,
        {},
        [],
        [7],
        [null],
        ['http', 'http'],
        ['HTTP'],
        [['http']],
      ]) {
        expect(badOpen('https://a.example', { protocols: value })).to.match(/^protocols(\[0\])? must /);
      }
      const auth = { username: 'user', password: 'secret' };
      for (const value of [socks({ auth }), ['http', socks({ auth })], [[socks({ auth })]], [{ auth }]]) {
        expect(badOpen('https://a.example', { protocols: value })).not.to.include('secret');
      }
    });
  });

  describe('a SOCKS server as the target', () => {
    it('is the first hop, and the far end is what it is asked for (Gun socks_SUITE socks5_tcp_http_none)', () => {
      const settings = settingsOf({ host: 'socks.example', port: 1080 }, { protocols: [socks()] });
      expect(settings).to.deep.include({
        ...{
          transport: 'tcp',
          host: 'far.example',
          port: 80,
          origin: 'http://far.example',
          authority: 'far.example',
        },
        ...{ tls: undefined, checkServerIdentity: undefined, upAtFirstHop: true },
        hops: [
          {
            leg: {
              ...{
                transport: 'tcp',
                host: 'socks.example',
                port: 1080,
                origin: 'socks5://socks.example:1080',
              },
              ...{ authority: 'socks.example:1080', tls: undefined, checkServerIdentity: undefined },
              ...{ connectTimeout: 10_000, tlsTimeout: 10_000, protocols: [] },
            },
            ...{ kind: 'socks', headers: [], credentials: undefined },
          },
        ],
      });
      expect(settings.http.protocols).to.deep.equal(['http']);
      expect(structuredClone(settings)).to.deep.equal(settings);
    });

    it("keeps the target's TLS, and the destination's is its own (socks5_tls_https_none)", () => {
      const settings = settingsOf('https://socks.example', {
        tls: { ca: 'proxy', servername: 'p.example' },
        ...{ connectTimeout: 1, tlsTimeout: 2 },
        protocols: [socks({ port: 443, tls: { ca: 'far' }, connectTimeout: 3, tlsTimeout: 4 })],
      });
      const [hop] = settings.hops;
      expect(hop?.leg).to.deep.include({
        ...{ transport: 'tls', origin: 'socks5://socks.example:443', connectTimeout: 1, tlsTimeout: 2 },
        tls: { ...standardTls, ca: 'proxy', servername: 'p.example' },
      });
      expect(settings).to.deep.include({
        ...{ transport: 'tls', origin: 'https://far.example', connectTimeout: 3, tlsTimeout: 4 },
        tls: { ...standardTls, ca: 'far' },
      });
      expect(settings.http.protocols).to.deep.equal(['http2', 'http']);
    });

    it("gives its destination the connection's timeouts where it has none of its own", () => {
      const settings = settingsOf(far, { connectTimeout: 1, tlsTimeout: 2, protocols: [socks()] });
      expect(settings).to.include({ connectTimeout: 1, tlsTimeout: 2 });
    });

    it('takes protocols of what is behind it: HTTP/2, raw, one for a WebSocket', () => {
      const of = (more: object, connect = false) => settingsOf(far, { protocols: [socks(more)] }, connect);
      expect(of({ protocols: ['http2'] }).http.protocols).to.deep.equal(['http2']);
      expect(of({ protocols: ['raw'] })).to.include({ origin: 'tcp://far.example:80' });
      expect(of({ transport: 'tls' }, true).http.protocols).to.deep.equal(['http']);
      expect(badOpen(far, { protocols: [socks({ protocols: ['http2', 'http'] })] })).to.equal(
        'protocols[0].protocols must be one where there is no TLS, got ["http2","http"]',
      );
    });

    it('takes user name and password of RFC 1929 from auth, else from the URL', () => {
      const auth = { username: 'ü', password: ' :' };
      const hopOf = (target: OpenTarget, more: object) =>
        settingsOf(target, { protocols: [socks(more)] }).hops[0];
      expect(hopOf(far, { auth })?.credentials).to.deep.equal(auth);
      expect(hopOf('http://a%3Ab:p%40ss@s.example:1080', {})?.credentials).to.deep.equal({
        ...{ username: 'a:b', password: 'p@ss' },
      });
      expect(hopOf('http://u:p@s.example', { auth })?.credentials).to.deep.equal(auth);
      const most = { username: 'u'.repeat(255), password: 'é'.repeat(127) };
      expect(hopOf(far, { auth: most })?.credentials).to.deep.equal(most);
    });

    it('is the only one that is told them', () => {
      const settings = settingsOf('http://user:secret@s.example', {
        protocols: [socks({ protocols: [socks()] })],
      });
      expect(settings.ws.headers).to.deep.equal([]);
      expect(settings.http.headers).to.deep.equal([]);
      expect(settings.hops[1]?.credentials).to.equal(undefined);
      const { hops, ...rest } = settings;
      expect(JSON.stringify([rest, hops[0]?.leg, hops[1]])).not.to.match(/user|secret/);
    });

    it('refuses credentials that RFC 1929 has no room for, without showing them', () => {
      const secret = 'secret'.repeat(43);
      const cases: readonly (readonly [string, string])[] = [
        ['', 'secret'],
        ['secret', ''],
        [secret, 'x'],
        ['x', secret],
        ['x', 'é'.repeat(128)],
      ];
      for (const [username, password] of cases) {
        const text = badOpen(far, { protocols: [socks({ auth: { username, password } })] });
        expect(text).to.match(
          /^protocols\[0\]\.auth must have a (username|password) of 1 to 255 bytes for SOCKS, got \d+$/,
        );
        expect(text).not.to.include('secret');
      }
      for (const url of [
        'http://secret@s.example',
        'http://:secret@s.example',
        `http://x:${secret}@s.example`,
      ]) {
        const text = badOpen(url, { protocols: [socks()] });
        expect(text).to.match(/^target must have a (username|password) of 1 to 255 bytes for SOCKS/);
        expect(text).not.to.include('secret');
      }
      for (const auth of [
        'user:secret',
        ['u', 'secret'],
        null,
        7,
        { username: 'secret' },
        { password: 'secret' },
      ]) {
        const text = badOpen(far, { protocols: [socks({ auth })] });
        expect(text).to.match(
          /^protocols\[0\]\.auth(\.username|\.password)? must be an? (object|text), got /,
        );
        expect(text).not.to.include('secret');
      }
      expect(badOpen(far, { protocols: [socks({ auth: { username: 'u', password: '\ud800' } })] })).to.equal(
        'protocols[0].auth.password must be a text, got a string',
      );
      expect(
        badOpen(far, { protocols: [socks({ auth: { username: 'u', password: 'p', realm: 'r' } })] }),
      ).to.equal('unknown option protocols[0].auth.realm');
    });

    it('may lead to another, and that to another (socks5_tcp_through_multiple_tls_proxies)', () => {
      const third = socks({ host: '::1', port: 443, protocols: ['http2'] });
      const second = socks({
        host: 'third.example',
        port: 3,
        auth: { username: 'u', password: 'p' },
        protocols: [third],
      });
      const first = socks({ host: 'second.example', port: 2, transport: 'tls', protocols: [second] });
      const settings = settingsOf({ host: 'first.example', port: 1 }, { protocols: [first] });
      expect(settings.hops.map(({ leg, kind }) => [leg.origin, leg.transport, kind])).to.deep.equal([
        ['socks5://first.example:1', 'tcp', 'socks'],
        ['socks5://second.example:2', 'tls', 'socks'],
        ['socks5://third.example:3', 'tcp', 'socks'],
      ]);
      expect(settings.hops.map(({ credentials }) => credentials?.username)).to.deep.equal([
        undefined,
        'u',
        undefined,
      ]);
      expect(settings).to.include({ origin: 'https://[::1]', host: '::1', upAtFirstHop: true });
      expect(settings.http.protocols).to.deep.equal(['http2']);
    });

    it('may not lead in a circle', () => {
      const circle = { ...socks(), protocols: [] as unknown[] };
      circle.protocols.push(circle);
      expect(badOpen(far, { protocols: [circle] })).to.equal(
        `protocols must lead through ${MOST_HOPS} SOCKS servers at most`,
      );
      let deep: object = socks();
      for (let i = 1; i < MOST_HOPS; i++) deep = socks({ protocols: [deep] });
      expect(settingsOf(far, { protocols: [deep] } as OpenOptions).hops).to.have.length(MOST_HOPS);
    });

    it('has no path: nothing is asked for there', () => {
      for (const target of ['http://s.example/x', 'http://s.example/?x', 'ws://s.example/feed']) {
        expect(badOpen(target, { protocols: [socks()] })).to.equal('target must have no path and no query');
      }
      const { ws } = settingsOf('ws://s.example/', { protocols: [socks()] }, true);
      expect(ws).to.include({ path: '/', spans: true });
    });

    it('leads to a WebSocket where its URL says ws:', () => {
      const settings = settingsOf('ws://s.example', { protocols: [socks({ port: 443 })] });
      expect(settings).to.include({ origin: 'wss://far.example', transport: 'tls' });
      expect(settings.http.protocols).to.deep.equal(['http']);
    });

    it('is not dialled at a unix socket', () => {
      expect(badOpen(far, { protocols: [socks()], socketPath: '/run/s' })).to.equal(
        'socketPath must be left out where there is a proxy',
      );
    });

    it('names what is wrong with its destination, at any depth', () => {
      const bad = (more: object) => badOpen(far, { protocols: [socks(more)] });
      expect(bad({ name: 'socks4' })).to.equal('protocols[0].name must be "socks", got a string');
      expect(bad({ name: undefined })).to.equal('protocols[0].name must be "socks", got undefined');
      expect(bad({ host: 'a b' })).to.equal(
        'protocols[0].host must be a host name or an IP address, got "a b"',
      );
      expect(bad({ host: undefined })).to.match(/^protocols\[0\]\.host must be .* got undefined$/);
      expect(bad({ host: 'fe80::1%lo' })).to.equal(
        'protocols[0].host must have no zone where a proxy is asked for it',
      );
      expect(bad({ host: `${'a.'.repeat(128)}example` })).to.equal(
        'protocols[0].host must have at most 255 bytes for SOCKS, got 263',
      );
      expect(bad({ port: undefined })).to.equal(
        'protocols[0].port must be an integer from 1 to 65535, got undefined',
      );
      expect(bad({ port: 0 })).to.equal('protocols[0].port must be an integer from 1 to 65535, got 0');
      expect(bad({ transport: 'ssl' })).to.equal(
        'protocols[0].transport must be one of "tcp", "tls", got "ssl"',
      );
      expect(bad({ tls: {} })).to.equal('protocols[0].tls must be left out where there is no TLS');
      expect(bad({ port: 443, tls: { key: () => 'secret' } })).to.match(
        /^protocols\[0\]\.tls\.key must be data/,
      );
      expect(bad({ port: 443, tls: { servername: '::1' } })).to.match(
        /^protocols\[0\]\.tls\.servername must be/,
      );
      expect(bad({ port: 443, tls: { host: 'x' } })).to.equal('unknown option protocols[0].tls.host');
      expect(bad({ port: 443, tls: 'secret' })).to.equal('protocols[0].tls must be an object, got a string');
      expect(bad({ connectTimeout: 0 })).to.match(
        /^protocols\[0\]\.connectTimeout must be an integer from 1/,
      );
      expect(bad({ tlsTimeout: Infinity })).to.match(/^protocols\[0\]\.tlsTimeout must be an integer from 1/);
      expect(bad({ version: 5 })).to.equal('unknown option protocols[0].version');
      expect(bad({ protocols: [socks({ port: -1 })] })).to.equal(
        'protocols[0].protocols[0].port must be an integer from 1 to 65535, got -1',
      );
      expect(bad({ protocols: ['spdy'] })).to.match(
        /^protocols\[0\]\.protocols must be some of .* got \["spdy"\]$/,
      );
    });
  });

  describe('connect()', () => {
    it('asks for host and port of an object (RFC 9110 §9.3.6; rfc7231_SUITE connect_authority_form)', () => {
      expect(checkTunnel({ host: 'Far.Example', port: 80 }, undefined, base)).to.deep.equal({
        request: {
          ...{ method: 'CONNECT', path: 'far.example:80', headers: [] },
          timeouts: { requestTimeout: 0, headersTimeout: 11, idleTimeout: 0, continueTimeout: 0 },
        },
        road: {
          hops: [],
          leg: {
            ...{ transport: 'tcp', host: 'far.example', port: 80, origin: 'http://far.example' },
            ...{ authority: 'far.example', tls: undefined, checkServerIdentity: undefined },
            ...{ connectTimeout: 11, tlsTimeout: 12, protocols: ['http'] },
          },
        },
        ...{ replyTo: undefined, signal: undefined, declared: undefined, tunnel: undefined },
      });
    });

    it('writes addresses as an authority does', () => {
      const pathOf = (destination: string | Destination) =>
        checkTunnel(destination, undefined, base).request.path;
      expect(pathOf({ host: '::1', port: 443 })).to.equal('[::1]:443');
      expect(pathOf({ host: '[2001:DB8::1]', port: 80 })).to.equal('[2001:DB8::1]:80');
      expect(pathOf('https://[2001:DB8::1]')).to.equal('[2001:db8::1]:443');
      expect(pathOf('https://bücher.example')).to.equal('xn--bcher-kva.example:443');
      expect(pathOf({ host: '127.1', port: 1 })).to.equal('127.0.0.1:1');
    });

    it('takes transport and port from a URL, and what is spoken there', () => {
      const cases = [
        ['http://f.example', 'tcp', 80, 'http://f.example', ['http']],
        ['https://f.example', 'tls', 443, 'https://f.example', ['http2', 'http']],
        ['ws://f.example:9', 'tcp', 9, 'http://f.example:9', ['http']],
        ['wss://f.example', 'tls', 443, 'https://f.example', ['http']],
      ] as const;
      for (const [url, transport, port, origin, protocols] of cases) {
        for (const destination of [url, new URL(url)]) {
          const { leg } = checkTunnel(destination, undefined, base).road;
          expect(leg).to.deep.include({ transport, port, origin, protocols, host: 'f.example' });
        }
      }
    });

    it("takes a destination's own options, beside a URL or in the object", () => {
      const own = { tls: { ca: 'x' }, protocols: ['http2'], connectTimeout: 1, tlsTimeout: 2 } as const;
      const expected = { ...own, tls: { ...standardTls, ca: 'x' } };
      const beside = checkTunnel('https://f.example', own, base);
      expect(beside.road.leg).to.deep.include(expected);
      expect(beside.request.timeouts?.headersTimeout).to.equal(1);
      const within = checkTunnel({ host: 'f.example', port: 443, ...own }, {}, base);
      expect(within.road).to.deep.equal(beside.road);
      for (const [name, value] of Object.entries(own)) {
        expect(badTunnel({ host: 'f.example', port: 443 }, { [name]: value })).to.equal(
          `${name} must stand in the destination where that is an object`,
        );
      }
    });

    it('makes Basic of username and password, unless headers say otherwise (connect_proxy_authorization)', () => {
      const of = (options: TunnelOptions) => checkTunnel(far, options, base).request.headers;
      const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
      expect(of({ username: 'ü', password: 'p:' })).to.deep.equal(['proxy-authorization', basic('ü:p:')]);
      expect(of({ username: 'u' })).to.deep.equal(['proxy-authorization', basic('u:')]);
      expect(of({ username: 'u', password: 'p', headers: { 'Proxy-Authorization': 'x' } })).to.deep.equal([
        ...['proxy-authorization', 'x'],
      ]);
      for (const bad of [{ username: 'a:b', password: 'secret' }, { password: 'secret' }, { username: 7 }]) {
        const text = badTunnel(far, bad);
        expect(text).to.match(/^(connect\(\) must have a user name without a colon|username must be a text)/);
        expect(text).not.to.include('secret');
      }
      expect(badTunnel(far, { username: 'u', password: ['secret'] })).to.equal(
        'password must be a text, got an array of 1',
      );
    });

    it("sends its headers in lower case, without a body's (connect_request_no_content_length, _no_transfer_encoding)", () => {
      const headers = {
        'Content-Length': '3',
        X: ['1', '2'],
        'transfer-encoding': 'chunked',
        Host: 'other.example',
      };
      expect(checkTunnel(far, { headers }, base).request.headers).to.deep.equal([
        ...['x', '1', 'x', '2', 'host', 'other.example'],
      ]);
      expect(badTunnel(far, { headers: { a: 'secret\r\nb: c' } })).to.equal(
        'headers.a must be printable latin1, got character 0x0d at 6',
      );
      expect(badTunnel(far, { headers: [['a b', 'x']] })).to.match(/^headers must have tokens for names/);
    });

    it('passes on who hears of it, and where it goes', () => {
      const { port1, port2 } = new MessageChannel();
      const { signal } = new AbortController();
      const checked = checkTunnel(far, { flow: 3, replyTo: port1, signal, tunnel: { id: 5 } }, base);
      expect(checked).to.include({ replyTo: port1, signal, tunnel: 5 });
      expect(checked.request.flow).to.equal(3);
      port1.close();
      port2.close();
      expect(badTunnel(far, { flow: 0 })).to.equal('flow must be an integer from 1, got 0');
      expect(badTunnel(far, { replyTo: 7 })).to.equal('replyTo must be a MessagePort, got 7');
      expect(badTunnel(far, { signal: {} })).to.match(/^signal must be an AbortSignal/);
    });

    it('leads through SOCKS servers behind the proxy (socks5_tcp_through_connect_tcp_to_tcp_origin)', () => {
      const auth = { username: 'u', password: 'p' };
      const inner = socks({ port: 443, protocols: ['raw'], auth });
      const destination = { host: 'one.example', port: 1, connectTimeout: 7, protocols: [inner] };
      const { road, request } = checkTunnel(destination, undefined, base);
      expect(request.path).to.equal('one.example:1');
      expect(request.timeouts?.headersTimeout).to.equal(7);
      expect(road.hops).to.have.length(1);
      expect(road.hops[0]).to.deep.include({ kind: 'socks', credentials: auth, headers: [] });
      expect(road.hops[0]?.leg).to.deep.include({
        origin: 'socks5://one.example:1',
        protocols: [],
        connectTimeout: 7,
      });
      expect(road.leg).to.deep.include({
        origin: 'tls://far.example:443',
        protocols: ['raw'],
        connectTimeout: 11,
      });
      expect(structuredClone(road)).to.deep.equal(road);
      const byUrl = checkTunnel('http://one.example:1', { protocols: [inner], connectTimeout: 7 }, base);
      expect(byUrl.road).to.deep.equal(road);
    });

    it('refuses what is no destination, without showing credentials', () => {
      expect(badTunnel(undefined)).to.equal('destination must be a URL or { host, port, … }, got undefined');
      expect(badTunnel(7)).to.equal('destination must be a URL or { host, port, … }, got a number');
      expect(badTunnel([])).to.equal('destination must be an object, got an array of 0');
      expect(badTunnel('far.example:80')).to.match(
        /^destination must be a ws:, wss:, http: or https: URL, got/,
      );
      expect(badTunnel('/x')).to.equal('destination must be an absolute URL, got "/x"');
      expect(badTunnel('https://f.example/x')).to.equal('destination must have no path and no query');
      expect(badTunnel('https://f.example?x')).to.equal('destination must have no path and no query');
      expect(badTunnel('https://f.example#x')).to.match(/^destination must not have a fragment/);
      expect(badTunnel('https://f.example:0')).to.equal(
        'destination must have a port from 1 to 65535, got 0',
      );
      const text = badTunnel('https://user:secret@f.example');
      expect(text).to.equal('destination must have no user name and password: they are options of the proxy');
      expect(badTunnel({ host: 'a/b', port: 1 })).to.match(/^destination\.host must be a host name/);
      expect(badTunnel({ host: 'a\r\nX: y', port: 1 })).to.match(/^destination\.host must be a host name/);
      expect(badTunnel({ host: 'fe80::1%lo', port: 1 })).to.match(/^destination\.host must have no zone/);
      expect(badTunnel({ host: 'a' })).to.equal(
        'destination.port must be an integer from 1 to 65535, got undefined',
      );
      expect(badTunnel({ ...far, username: 'u' })).to.equal('unknown option destination.username');
      expect(badTunnel({ ...far, tls: {} })).to.equal(
        'destination.tls must be left out where there is no TLS',
      );
      expect(badTunnel('ws://f.example', { protocols: ['raw'] })).to.match(
        /^protocols must not be \["raw"\]/,
      );
      expect(badTunnel({ ...far, protocols: ['http', 'raw'] })).to.match(
        /^destination\.protocols must have "raw"/,
      );
      expect(badTunnel(far, { body: 'x' })).to.equal('unknown option body');
      expect(badTunnel(far, null)).to.equal('options must be an object, got null');
    });
  });

  describe('raw()', () => {
    const timeouts = { requestTimeout: 0, headersTimeout: 0, idleTimeout: 0, continueTimeout: 0 };
    const request = { method: 'RAW', path: '', headers: [], streamed: true, timeouts };

    it('is a stream without head or deadline', () => {
      expect(checkRaw(undefined, raw)).to.deep.equal({
        request,
        ...{ replyTo: undefined, signal: undefined, declared: undefined, tunnel: undefined },
      });
      expect(checkRaw({ halfOpen: false }, raw).request).to.deep.equal(request);
      expect(checkRaw({ halfOpen: true, flow: 1 }, raw).request).to.deep.equal({
        ...request,
        halfOpen: true,
        flow: 1,
      });
    });

    it('goes through a tunnel, or is what the connection speaks', () => {
      expect(checkRaw({ tunnel: { id: 3 } }, base).tunnel).to.equal(3);
      expect(badRaw(undefined, base)).to.equal(
        'raw() must have a tunnel where protocols is no ["raw"], got ["http"]',
      );
    });

    it('refuses what it does not take', () => {
      expect(badRaw({ headers: {} })).to.equal('unknown option headers');
      expect(badRaw({ halfOpen: 1 })).to.equal('halfOpen must be true or false, got 1');
      expect(badRaw({ flow: 1.5 })).to.equal('flow must be an integer from 1, got 1.5');
      expect(badRaw({ signal: 1 })).to.equal('signal must be an AbortSignal, got 1');
    });
  });

  describe('tunnel', () => {
    const badRequest = (tunnel: unknown) =>
      message(() => checkRequest('GET', '/', { tunnel } as RequestOptions, 'none', base));

    it('is a stream, by its id, of requests and of upgrades', () => {
      class Stream {
        get id(): number {
          return 9;
        }
      }
      expect(checkRequest('GET', '/', { tunnel: new Stream() }, 'none', base).tunnel).to.equal(9);
      expect(checkRequest('GET', '/', {}, 'none', base).tunnel).to.equal(undefined);
      expect(checkRequest('GET', '/', undefined, 'none', base).tunnel).to.equal(undefined);
      expect(checkWs('/', { tunnel: new Stream() }, base).tunnel).to.equal(9);
      expect(checkWs('/', {}, base).tunnel).to.equal(undefined);
    });

    it('is refused where it is none', () => {
      for (const tunnel of [7, 'x', null, {}, { id: 0 }, { id: -2 }, { id: 1.5 }, { id: '1' }, [], true]) {
        expect(badRequest(tunnel)).to.match(/^tunnel must be a stream of connect\(\), got /);
        expect(badTunnel(far, { tunnel })).to.match(/^tunnel must be a stream of connect\(\), got /);
        expect(badRaw({ tunnel })).to.match(/^tunnel must be a stream of connect\(\), got /);
      }
      expect(badOpen('ws://a.example', { tunnel: { id: 1 } })).to.equal('unknown option tunnel');
    });

    it("keeps the proxy's headers out of a WebSocket, and its other options in", () => {
      const settings = settingsOf('http://u:p@proxy.example', { headers: { a: '1' }, keepalive: 7 });
      const { ws } = checkWs('/x', { tunnel: { id: 1 }, headers: { B: '2' } }, settings);
      expect(ws.headers).to.deep.equal(['B', '2']);
      expect(ws).to.include({ keepalive: 7, path: '/x', spans: false });
    });
  });
});
