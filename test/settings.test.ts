import { expect } from 'chai';
import { OptionError } from '../lib/errors.ts';
import type { OpenOptions } from '../lib/options.ts';
import { checkOpen, checkWs, OPEN_OPTIONS, type OpenTarget } from '../lib/settings.ts';

const settingsOf = (target: OpenTarget, options?: OpenOptions) => checkOpen(target, options, true).settings;

/** The message of the OptionError that bad options make. They are bad: no type fits them. */
function message(target: unknown, options?: unknown): string {
  try {
    checkOpen(target as OpenTarget, options as OpenOptions, true);
  } catch (error) {
    expect(error).to.be.instanceOf(OptionError);
    return (error as OptionError).message;
  }
  throw new Error('nothing was thrown');
}

describe('settings', () => {
  describe('target', () => {
    it('takes host, port, path and authority from a URL', () => {
      const cases = [
        ['ws://feed.example', 'tcp', 'feed.example', 80, 'feed.example', '/', 'ws://feed.example'],
        [
          'wss://feed.example/a?b=c',
          'tls',
          'feed.example',
          443,
          'feed.example',
          '/a?b=c',
          'wss://feed.example',
        ],
        ['http://feed.example:80', 'tcp', 'feed.example', 80, 'feed.example', '/', 'http://feed.example'],
        [
          'https://Feed.Example:8443/',
          'tls',
          'feed.example',
          8443,
          'feed.example:8443',
          '/',
          'https://feed.example:8443',
        ],
        ['ws://[::1]:9/x', 'tcp', '::1', 9, '[::1]:9', '/x', 'ws://[::1]:9'],
        ['wss://[2001:DB8::1]', 'tls', '2001:db8::1', 443, '[2001:db8::1]', '/', 'wss://[2001:db8::1]'],
        [
          'ws://bücher.example/ü ',
          'tcp',
          'xn--bcher-kva.example',
          80,
          'xn--bcher-kva.example',
          '/%C3%BC',
          'ws://xn--bcher-kva.example',
        ],
      ] as const;
      for (const [url, transport, host, port, authority, path, origin] of cases) {
        for (const target of [url, new URL(url)]) {
          const settings = settingsOf(target);
          expect(settings).to.include({ transport, host, port, authority, origin });
          expect(settings.ws.path).to.equal(path);
        }
      }
    });

    it('takes names that are no ASCII however often it is asked: Node 20 has a URL.canParse() that does not', () => {
      let last: unknown;
      for (let i = 0; i < 20_000; i++) last = settingsOf('ws://bücher.example/ü');
      expect(last).to.deep.equal(settingsOf('ws://bücher.example/ü'));
      expect(last).to.include({ host: 'xn--bcher-kva.example' });
    });

    it('takes host and port, with TLS on 443 unless told otherwise (Gun open/3)', () => {
      expect(settingsOf({ host: 'a.example', port: 443 })).to.include({
        transport: 'tls',
        authority: 'a.example',
      });
      expect(settingsOf({ host: 'a.example', port: 80 })).to.include({
        transport: 'tcp',
        authority: 'a.example',
      });
      expect(settingsOf({ host: 'a.example', port: 443, transport: 'tcp' })).to.include({
        transport: 'tcp',
        authority: 'a.example:443',
      });
      expect(settingsOf({ host: 'a.example', port: 8443, transport: 'tls' })).to.include({
        authority: 'a.example:8443',
      });
      expect(settingsOf({ host: '::1', port: 8080 })).to.include({
        host: '::1',
        authority: '[::1]:8080',
        origin: 'http://[::1]:8080',
      });
      expect(settingsOf({ host: 'fe80::1%lo', port: 80 })).to.include({
        host: 'fe80::1%lo',
        authority: '[fe80::1]',
      });
    });

    it('makes a header of user name and password, and shows them nowhere', () => {
      const { settings } = checkOpen('wss://us%20er:p%40ss@a.example/x', undefined, true);
      expect(settings.ws.headers).to.deep.equal([
        'Authorization',
        `Basic ${Buffer.from('us er:p@ss').toString('base64')}`,
      ]);
      const { ws, ...rest } = settings;
      expect(JSON.stringify(rest)).not.to.match(/us er|us%20er|p@ss|p%40ss/);
      for (const bad of [
        'ws://user:secret@a b/',
        'ftp://user:secret@a.example/',
        'user:secret@a.example',
        'ws://user:secret@a.example/#x',
        'ws://%zz:secret@a.example',
        'ws://a%3ab:secret@a.example',
        'ws://user:secret@a.example:0',
        'ws:///?token=secret:',
      ]) {
        expect(message(bad)).not.to.include('secret');
      }
    });

    it("lets an Authorization header win over the URL's", () => {
      const { headers } = settingsOf('ws://u:p@a.example', { headers: { authorization: 'Bearer x' } }).ws;
      expect(headers).to.deep.equal(['authorization', 'Bearer x']);
    });

    it('refuses what is no such target', () => {
      expect(message('ws://a.example/#x')).to.equal(
        'target must not have a fragment, got "ws://a.example/…"',
      );
      expect(message('ws://a.example/#')).to.match(/fragment/);
      expect(message('ws+unix:/var/run/docker.sock')).to.equal(
        'target must be a ws:, wss:, http: or https: URL, got "ws+unix:"',
      );
      expect(message('file:///etc/passwd')).to.match(/got "file:"$/);
      expect(message('/relative')).to.equal('target must be an absolute URL, got "/relative"');
      expect(message(undefined)).to.equal('target must be a URL or { host, port, transport }, got undefined');
      expect(message('ws://a.example:0')).to.equal('target must have a port from 1 to 65535, got 0');
      expect(message({ host: 'a.example' })).to.equal(
        'target.port must be an integer from 1 to 65535, got undefined',
      );
      expect(message({ host: 'a.example', port: 70_000 })).to.match(
        /^target\.port must be an integer from 1 to 65535, got 70000/,
      );
      expect(message({ host: 'a.example', port: 80, path: '/' })).to.equal('unknown option target.path');
      for (const host of ['', 'a/b', 'a@b', 'a?b', 'a#b', 'a b', 'a\0b', 'a\\b', '[::1', 7, 'a:80']) {
        expect(message({ host, port: 80 }), String(host)).to.match(
          /^target\.host must be a host name or an IP address/,
        );
      }
    });

    it('dials a unix socket only by socketPath', () => {
      expect(settingsOf('ws://localhost/x', { socketPath: '/run/feed.sock' })).to.include({
        transport: 'unix',
        socketPath: '/run/feed.sock',
        authority: 'localhost',
      });
      expect(settingsOf('wss://localhost/x', { socketPath: '/run/feed.sock' }).tls).to.deep.equal({
        rejectUnauthorized: true,
      });
      for (const socketPath of ['', 'a\0b', 'x'.repeat(108), 7]) {
        expect(message('ws://a.example', { socketPath })).to.match(
          /^socketPath must be a path of 1 to 107 bytes/,
        );
      }
    });
  });

  describe('options', () => {
    it('has the defaults of options.ts', () => {
      const { ws, http, ...rest } = settingsOf('ws://a.example');
      expect(rest).to.deep.equal({
        transport: 'tcp',
        host: 'a.example',
        port: 80,
        origin: 'ws://a.example',
        authority: 'a.example',
        urlAuthorization: undefined,
        socketPath: undefined,
        localAddress: undefined,
        family: 0,
        noDelay: true,
        lookup: undefined,
        tls: undefined,
        checkServerIdentity: undefined,
        maxBuffered: 16_777_216,
        maxHeaderSize: 100_000,
        lookupTimeout: 5_000,
        connectTimeout: 10_000,
        tlsTimeout: 10_000,
        retry: 5,
        retryFirst: false,
        retryTimeout: undefined,
        // As STANDARD_BACKOFF says.
        backoff: undefined,
        retryFun: undefined,
        renew: undefined,
        advised: false,
        reconnectOn: [1012, 1013],
        onOwnerDown: 'shutdown',
        hops: [],
        upAtFirstHop: false,
      });
      expect(ws).to.deep.equal({
        path: '/',
        headers: [],
        subprotocols: [],
        compress: undefined,
        maxPayload: 104_857_600,
        maxFragments: 16_384,
        flow: undefined,
        upgradeTimeout: 10_000,
        keepalive: 30_000,
        pongTimeout: 10_000,
        closingTimeout: 15_000,
        spans: true,
      });
      expect(http).to.deep.equal({
        protocols: ['http'],
        headers: [],
        version: '1.1',
        pipelining: Infinity,
        maxTrailerSize: 10_000,
        transformHeaderName: undefined,
        push: false,
        maxConcurrentPushes: 100,
        streamWindow: 1_048_576,
        connectionWindow: 16_777_216,
        settingsTimeout: 5_000,
        keepalive: undefined,
        keepaliveTolerance: 0,
        flow: undefined,
        content: undefined,
        cookieIgnoreInformational: false,
        timeouts: {
          requestTimeout: 0,
          headersTimeout: 300_000,
          idleTimeout: 300_000,
          continueTimeout: 1_000,
        },
      });
    });

    it('speaks HTTP/2 by ALPN where it is not for WebSockets only', () => {
      const protocolsOf = (target: Parameters<typeof checkOpen>[0], connect = false) =>
        checkOpen(target, undefined, connect).settings.http.protocols;
      expect(protocolsOf('https://a.example')).to.deep.equal(['http2', 'http']);
      expect(protocolsOf({ host: 'a.example', port: 443 })).to.deep.equal(['http2', 'http']);
      for (const target of ['ws://a.example', 'wss://a.example', 'http://a.example'])
        expect(protocolsOf(target), target).to.deep.equal(['http']);
      expect(protocolsOf('https://a.example', true)).to.deep.equal(['http']);
    });

    it('survives structured clone unchanged', () => {
      const { settings } = checkOpen(
        'wss://u:p@a.example',
        {
          tls: { ca: [Buffer.from('x')], key: [{ pem: 'y' }] },
          headers: { a: ['1', '2'] },
          compress: true,
          lookup: { module: new URL('file:///lookup.js') },
          retryFun: () => ({ retries: 1, timeout: 1 }),
        } as OpenOptions,
        false,
      );
      expect(structuredClone(settings)).to.deep.equal(settings);
    });

    it('retries first attempts for open(), and for connect() only when retry was given', () => {
      expect(checkOpen('ws://a.example', undefined, false).settings).to.include({ retryFirst: true });
      expect(checkOpen('ws://a.example', {}, true).settings).to.include({ retryFirst: false });
      expect(checkOpen('ws://a.example', { retry: undefined }, true).settings).to.include({
        retryFirst: false,
      });
      expect(checkOpen('ws://a.example', { retry: 0 }, true).settings).to.include({
        retryFirst: true,
        retry: 0,
      });
      expect(checkOpen('ws://a.example', { retry: Infinity }, true).settings).to.include({ retry: Infinity });
    });

    const numbers = {
      maxPayload: [1, 2 ** 31 - 1],
      maxFragments: [1, 2 ** 31 - 1],
      flow: [1, undefined],
      upgradeTimeout: [1, 2 ** 31 - 1],
      keepalive: [0, 2 ** 31 - 1],
      pongTimeout: [1, 2 ** 31 - 1],
      closingTimeout: [1, 2 ** 31 - 1],
      maxBuffered: [1, undefined],
      maxHeaderSize: [1, 2 ** 31 - 1],
      lookupTimeout: [1, 2 ** 31 - 1],
      connectTimeout: [1, 2 ** 31 - 1],
      tlsTimeout: [1, 2 ** 31 - 1],
      retry: [0, undefined],
      retryTimeout: [0, 2 ** 31 - 1],
    } as const;
    for (const [name, [least, most]] of Object.entries(numbers)) {
      it(`takes ${name} from ${least}${most ? ` to ${most}` : ''}, and says what it was given`, () => {
        for (const good of [least, least + 1, most ?? 2 ** 40]) {
          const { ws, ...rest } = settingsOf('ws://a.example', { [name]: good });
          expect({ ...rest, ...ws }).to.include({ [name]: good });
        }
        for (const bad of [
          least - 1,
          1.5,
          Number.NaN,
          '5',
          null,
          -Infinity,
          10n,
          ...(most ? [most + 1, Infinity] : []),
        ]) {
          const text = message('ws://a.example', { [name]: bad });
          expect(text).to.match(
            new RegExp(`^${name} must be an integer from ${least}${most ? ` to ${most}` : ''}, got `),
          );
        }
      });
    }

    it('names the option and the value', () => {
      expect(message('ws://a.example', { retry: -1 })).to.equal('retry must be an integer from 0, got -1');
      expect(message('ws://a.example', { noDelay: 1 })).to.equal('noDelay must be true or false, got 1');
      expect(message('ws://a.example', { isolated: 'yes' })).to.equal(
        'isolated must be true or false, got "yes"',
      );
      expect(message('ws://a.example', { family: 5 })).to.equal('family must be one of 0, 4, 6, got 5');
      expect(message('ws://a.example', { onOwnerDown: 'die' })).to.equal(
        'onOwnerDown must be one of "shutdown", "rehome", got "die"',
      );
      expect(message('ws://a.example', { localAddress: 'here' })).to.equal(
        'localAddress must be an IP address, got "here"',
      );
      expect(message('wss://a.example', { protocols: ['http3'] })).to.equal(
        'protocols must be some of ["http2","http"], each once, or ["raw"], or one SOCKS server, got ["http3"]',
      );
      expect(message('ws://a.example', { protocols: ['http2', 'http'] })).to.equal(
        'protocols must be one where there is no TLS, got ["http2","http"]',
      );
      expect(message('ws://a.example', { signal: {} })).to.equal(
        'signal must be an AbortSignal, got an object of class Object',
      );
      expect(message('ws://a.example', null)).to.equal('options must be an object, got null');
      expect(message('ws://a.example', [])).to.equal('options must be an object, got []');
    });

    it('refuses unknown names, but those its caller reads', () => {
      expect(message('ws://a.example', { retries: 3 })).to.equal('unknown option retries');
      expect(message('ws://a.example', { compress: { level: 1, memLevel: 2 } })).to.equal(
        'unknown option compress.memLevel',
      );
      checkOpen('ws://a.example', { pool: 1 } as OpenOptions, true, ['pool']);
      expect(new Set(OPEN_OPTIONS).size).to.equal(OPEN_OPTIONS.length);
    });

    it('reads own properties only, each once', () => {
      const prototype = { retry: 3, tls: {}, headers: { evil: '1' } };
      expect(settingsOf('ws://a.example', Object.create(prototype))).to.deep.equal(
        settingsOf('ws://a.example'),
      );
      expect(message('ws://a.example', JSON.parse('{"__proto__":{"retry":3}}'))).to.equal(
        'unknown option __proto__',
      );
      let reads = 0;
      const changing = {
        get retry() {
          return reads++ === 0 ? 1 : -1;
        },
      };
      expect(settingsOf('ws://a.example', changing).retry).to.equal(1);
      expect(reads).to.equal(1);
      const name = 'retry';
      Object.defineProperty(Object.prototype, name, { value: 77, configurable: true });
      try {
        expect(settingsOf('ws://a.example').retry).to.equal(5);
      } finally {
        delete (Object.prototype as { retry?: number }).retry;
      }
    });

    it('takes functions that run beside the socket as module references', () => {
      const module = 'file:///lib/hooks.js';
      const { settings, retryFun } = checkOpen(
        'wss://a.example',
        {
          lookup: { module: new URL(module), export: 'lookup' },
          retryFun: { module },
          tls: { checkServerIdentity: { module: 'data:text/javascript,export default 1' } },
        },
        false,
      );
      expect(settings.lookup).to.deep.equal({ module, export: 'lookup' });
      expect(settings.retryFun).to.deep.equal({ module, export: 'default' });
      expect(settings.checkServerIdentity?.module).to.equal('data:text/javascript,export default 1');
      expect(retryFun).to.equal(undefined);
      for (const bad of ['./hooks.js', 'https://a.example/x.js', 'node:dns', 7, undefined, {}]) {
        expect(message('ws://a.example', { lookup: { module: bad } })).to.match(
          /^lookup\.module must be an absolute file: or data: URL/,
        );
      }
      expect(message('ws://a.example', { lookup: { module, export: '' } })).to.match(
        /^lookup\.export must be the name of an export/,
      );
      expect(message('ws://a.example', { lookup() {} })).to.equal(
        'lookup must be a module reference { module, export }, got function lookup',
      );
    });

    it('leaves a renew that is a function to its caller, and posts one that is a module', () => {
      const fun = () => undefined;
      const checked = checkOpen('ws://a.example', { renew: fun }, true);
      expect([checked.renew, checked.settings.renew]).to.deep.equal([fun, 'ask']);
      const module = 'file:///renew.js';
      const other = checkOpen('ws://a.example', { renew: { module } }, true);
      expect([other.renew, other.settings.renew]).to.deep.equal([undefined, { module, export: 'default' }]);
    });

    it('refuses a backoff, a renew and codes that are none', () => {
      const bad: [OpenOptions, RegExp][] = [
        [{ backoff: 5 as never }, /^backoff must be an object/],
        [{ backoff: { wait: 1 } as never }, /^unknown option backoff.wait/],
        [{ backoff: { strategy: 'random' as never } }, /^backoff.strategy must be one of/],
        [{ backoff: { first: 0 } }, /^backoff.first must be an integer from 1/],
        [
          { backoff: { first: 9, longest: 8 } },
          /^backoff.first must be at most backoff.longest, got 9 and 8/,
        ],
        [{ backoff: { factor: 0.5 } }, /^backoff.factor must be a number from 1 to 100, got 0.5/],
        [{ backoff: { jitter: 1.1 } }, /^backoff.jitter must be a number from 0 to 1, got 1.1/],
        [{ backoff: { jitter: Number.NaN } }, /^backoff.jitter must be a number/],
        [{ backoff: { step: 1 } }, /^backoff.step must be left out where backoff.strategy is "exponential"/],
        [{ backoff: { strategy: 'linear', factor: 2 } }, /^backoff.factor must be left out/],
        [{ backoff: { strategy: 'decorrelated', jitter: 0 } }, /^backoff.jitter must be left out/],
        [{ backoff: { immediate: 1 as never } }, /^backoff.immediate must be true or false/],
        [{ backoff: { stableAfter: -1 } }, /^backoff.stableAfter must be an integer from 0/],
        [{ renew: 'x' as never }, /^renew must be an object/],
        [{ renew: { module: 'http://a.example/' } }, /^renew.module must be an absolute file: or data: URL/],
        [{ reconnectOn: 1000 as never }, /^reconnectOn must be "any" or close codes from 1000 to 4999/],
        [{ reconnectOn: [999] }, /^reconnectOn must be/],
        [{ reconnectOn: ['any'] as never }, /^reconnectOn must be/],
      ];
      for (const [options, message] of bad) {
        expect(() => checkOpen('ws://a.example', options, true), JSON.stringify(options)).to.throw(
          OptionError,
          message,
        );
      }
    });

    it('leaves a retryFun that is a function to its caller', () => {
      const fun = () => ({ retries: 1, timeout: 1 });
      const checked = checkOpen('ws://a.example', { retryFun: fun }, false);
      expect(checked.retryFun).to.equal(fun);
      expect(checked.settings.retryFun).to.equal('ask');
    });
  });

  describe('headers', () => {
    const list = (headers: unknown) => settingsOf('ws://a.example', { headers } as OpenOptions).ws.headers;

    it('takes a record, with arrays, or pairs of any iterable', () => {
      expect(list({ A: '1', b: ['2', '3'] })).to.deep.equal(['A', '1', 'b', '2', 'b', '3']);
      expect(
        list([
          ['A', '1'],
          ['A', '2'],
        ]),
      ).to.deep.equal(['A', '1', 'A', '2']);
      expect(list(new Map([['a', '1']]))).to.deep.equal(['a', '1']);
      expect(list(new Headers({ a: '1' }))).to.deep.equal(['a', '1']);
      expect(list({ a: 7, b: true, c: ' \t x y\t ' })).to.deep.equal(['a', '7', 'b', 'true', 'c', 'x y']);
      expect(list({ host: 'other.example' })).to.deep.equal(['host', 'other.example']);
    });

    it('refuses names that are no tokens, and values that would break the head, without showing them (RFC 9110 §5)', () => {
      for (const name of ['', 'a b', 'a:', 'a\r\n', 'é', '(a)']) {
        expect(message('ws://a.example', { headers: [[name, 'x']] })).to.match(
          /^headers must have tokens for names/,
        );
      }
      for (const value of ['secret\r\nX: y', 'secret\n', 'secret\0', 'secret\x7f', 'secret€']) {
        const text = message('ws://a.example', { headers: { a: value } });
        expect(text).to.match(/^headers\.a must be printable latin1, got character 0x/);
        expect(text).not.to.include('secret');
      }
      for (const value of [null, undefined, {}, Symbol('x'), () => 'x', { toString: () => 'a\r\nb' }]) {
        expect(message('ws://a.example', { headers: { a: value } })).to.match(
          /^headers\.a must be a string, got /,
        );
      }
      expect(message('ws://a.example', { headers: 'a: b' })).to.match(/^headers must be an object/);
      expect(message('ws://a.example', { headers: ['ab'] })).to.match(
        /^headers must be an iterable of \[name, value\] pairs/,
      );
    });

    it('refuses fields that the handshake writes, and a second host', () => {
      for (const name of [
        'Connection',
        'UPGRADE',
        'sec-websocket-key',
        'Sec-WebSocket-Version',
        'Sec-WebSocket-Extensions',
        'Sec-WebSocket-Protocol',
        'Sec-WebSocket-Accept',
        'Content-Length',
        'Transfer-Encoding',
      ]) {
        expect(message('ws://a.example', { headers: { [name]: 'x' } })).to.equal(
          `headers must not have ${name}: the handshake writes it`,
        );
      }
      expect(message('ws://a.example', { headers: { host: ['a', 'b'] } })).to.equal(
        'headers must have one host, got 2',
      );
      expect(message('ws://a.example', { headers: { host: 'a', Host: 'b' } })).to.equal(
        'headers must have one host, got two',
      );
    });
  });

  describe('subprotocols and compress', () => {
    it('takes distinct tokens', () => {
      expect(settingsOf('ws://a.example', { subprotocols: ['v2.feed', 'v1'] }).ws.subprotocols).to.deep.equal(
        ['v2.feed', 'v1'],
      );
      expect(message('ws://a.example', { subprotocols: ['a', 'a'] })).to.equal(
        'subprotocols must be an array of distinct names, got "a" twice',
      );
      expect(message('ws://a.example', { subprotocols: ['a, b'] })).to.match(
        /^subprotocols must be an array of tokens .* got "a, b"$/,
      );
      expect(message('ws://a.example', { subprotocols: 'a' })).to.equal(
        'subprotocols must be an array of names, got "a"',
      );
    });

    it('takes true, false, or the parameters', () => {
      const all = {
        serverNoContextTakeover: false,
        clientNoContextTakeover: false,
        serverMaxWindowBits: 15,
        clientMaxWindowBits: 15,
        threshold: 1024,
        level: -1,
      };
      expect(settingsOf('ws://a.example', { compress: true }).ws.compress).to.deep.equal(all);
      expect(settingsOf('ws://a.example', { compress: {} }).ws.compress).to.deep.equal(all);
      expect(settingsOf('ws://a.example', { compress: false }).ws.compress).to.equal(undefined);
      expect(
        settingsOf('ws://a.example', { compress: { level: 0, threshold: 0, serverMaxWindowBits: 9 } }).ws
          .compress,
      ).to.include({ level: 0, threshold: 0, serverMaxWindowBits: 9 });
      expect(message('ws://a.example', { compress: { clientMaxWindowBits: 8 } })).to.equal(
        'compress.clientMaxWindowBits must be an integer from 9 to 15, got 8',
      );
      expect(message('ws://a.example', { compress: { level: 10 } })).to.equal(
        'compress.level must be an integer from 0 to 9, got 10',
      );
      expect(message('ws://a.example', { compress: 1 })).to.equal(
        'compress must be true, false or an object, got 1',
      );
    });
  });

  describe('tls', () => {
    const tlsOf = (tls: unknown) => settingsOf('wss://a.example', { tls } as OpenOptions).tls;

    it('verifies unless told not to, whatever the environment says', () => {
      expect(tlsOf(undefined)).to.deep.equal({ rejectUnauthorized: true });
      expect(tlsOf({ rejectUnauthorized: undefined })).to.deep.equal({ rejectUnauthorized: true });
      expect(tlsOf({ rejectUnauthorized: false })).to.deep.equal({ rejectUnauthorized: false });
      expect(message('wss://a.example', { tls: { rejectUnauthorized: 0 } })).to.equal(
        'tls.rejectUnauthorized must be true or false, got 0',
      );
    });

    it('copies bytes into memory of their own: no neighbours travel along', () => {
      const pooled = Buffer.from('certificate');
      expect(pooled.buffer.byteLength).to.be.greaterThan(pooled.length);
      const shared = new Uint8Array(new SharedArrayBuffer(3));
      const copy = tlsOf({
        ca: [pooled, shared],
        cert: pooled,
        key: [{ pem: pooled, passphrase: 'p' }],
      }) as Record<string, unknown>;
      const { ca, cert, key } = copy as { ca: Uint8Array[]; cert: Uint8Array; key: { pem: Uint8Array }[] };
      for (const bytes of [ca[0], ca[1], cert, key[0]?.pem]) {
        expect(bytes?.buffer).to.be.instanceOf(ArrayBuffer);
        expect(bytes?.buffer.byteLength).to.equal(bytes?.length);
      }
      expect(Buffer.from(cert).toString()).to.equal('certificate');
    });

    it("refuses functions, what is the transport's, unknown names, and what is no data, without showing it", () => {
      expect(message('wss://a.example', { tls: { checkServerIdentity() {} } })).to.match(
        /^tls\.checkServerIdentity must be a module reference/,
      );
      expect(message('wss://a.example', { tls: { key: () => 'secret' } })).to.equal(
        'tls.key must be data, got a function, which cannot cross threads',
      );
      for (const name of [
        'host',
        'port',
        'path',
        'socket',
        'onread',
        'lookup',
        'secureContext',
        'pskCallback',
        'rejectUnauthorised',
      ]) {
        expect(message('wss://a.example', { tls: { [name]: 1 } })).to.equal(`unknown option tls.${name}`);
      }
      const loop: unknown[] = [];
      loop.push(loop);
      for (const value of [new Map([['secret', 1]]), loop, new Date(), Symbol('secret'), [() => 'secret']]) {
        const text = message('wss://a.example', { tls: { passphrase: value } });
        expect(text).to.match(/^tls\.passphrase must be data/);
        expect(text).not.to.include('secret');
      }
      expect(message('wss://a.example', { tls: { servername: '127.0.0.1' } })).to.equal(
        'tls.servername must be a host name, got "127.0.0.1"',
      );
      expect(message('wss://a.example', { tls: 7 })).to.equal('tls must be an object, got a number');
    });

    it('is refused where there is no TLS', () => {
      expect(message('ws://a.example', { tls: {} })).to.equal('tls must be left out where there is no TLS');
    });
  });

  describe('wsUpgrade', () => {
    const { settings } = checkOpen(
      'ws://u:p@a.example/first',
      { headers: { A: '1', b: '2' }, keepalive: 7, compress: true, flow: 3 },
      false,
    );

    it("lays its options over the connection's, headers by name", () => {
      const options = { headers: { a: '3' }, pongTimeout: 9, compress: false };
      const { ws, tunnel } = checkWs('/second?x', options, settings);
      expect(tunnel).to.equal(undefined);
      expect(ws).to.include({
        path: '/second?x',
        keepalive: 7,
        pongTimeout: 9,
        compress: undefined,
        flow: 3,
        spans: false,
      });
      expect(ws.headers).to.deep.equal(['Authorization', 'Basic dTpw', 'b', '2', 'a', '3']);
      expect(checkWs('/x', undefined, settings).ws.headers).to.deep.equal(settings.ws.headers);
    });

    it("refuses a bad path and a connection's options", () => {
      for (const path of ['x', '', '/a b', '/é', '/a#b', '/a\r\nb', 7]) {
        expect(() => checkWs(path as string, {}, settings), String(path)).to.throw(
          OptionError,
          /^path must be /,
        );
      }
      expect(() => checkWs('/', { retry: 1 } as object, settings)).to.throw(
        OptionError,
        'unknown option retry',
      );
    });
  });
});
