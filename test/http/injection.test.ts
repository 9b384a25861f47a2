import { expect } from 'chai';
import { type Connection, OptionError } from '../../lib/index.ts';
import { feeds } from '../support/feeds.ts';
import { h2talks } from '../support/h2origin.ts';
import { origin } from '../support/origin.ts';
import { rejects } from '../support/rejects.ts';

/** Says another thing each time it is asked: harmless first. RFC 9110 §5.5 knows no such values. */
function turncoat(first: string): object {
  let asked = 0;
  const said = (): string => (asked++ === 0 ? first : `${first}\r\nx-evil: 1\r\n\r\n`);
  return { toString: said, valueOf: said, toJSON: said, [Symbol.toPrimitive]: said };
}

const NOT_TEXT: readonly unknown[] = [null, undefined, 5, 5n, true, Symbol('GET'), () => 'GET', {}];
const BREAKS = ['\r\n', '\r', '\n', '\0', '\u0001', '\u007f'];
const METHODS: readonly unknown[] = [
  ...BREAKS.flatMap((evil) => [`GET${evil}`, `${evil}GET`, `GE${evil}T`]),
  ...[
    '',
    ' ',
    'GET ',
    ' GET',
    'GET / HTTP/1.1\r\nx: 1\r\n\r\nGET',
    'G(ET',
    'GET:',
    'GÉT',
    'G\u0130T',
    'GET\u{1f600}',
  ],
  ...[...NOT_TEXT, ['GET'], new String('GET'), turncoat('GET'), 'CONNECT'],
];
const PATHS: readonly unknown[] = [
  ...BREAKS.flatMap((evil) => [`/${evil}`, `${evil}/`, `/a${evil}b`]),
  ...['', ' ', '/ ', ' /', '/a b', '/\t', '/é', '/\u0120', '/\u{1f600}', '/a#b', 'a', '*', 'http://x/', '?a'],
  ...['/ HTTP/1.1\r\nx-evil: 1\r\n\r\nGET /', ...NOT_TEXT, ['/'], new String('/'), turncoat('/')],
];
const NAMES: readonly unknown[] = [
  ...BREAKS.flatMap((evil) => [`x${evil}`, `${evil}x`, `x${evil}y`]),
  ...[
    '',
    ' ',
    'x ',
    ' x',
    'x y',
    'x:',
    ':x',
    ':path',
    'x\t',
    'é',
    '\u0178',
    'x\u{1f600}',
    'x(',
    'x"',
    'x/',
    '[x]',
  ],
  ...[...NOT_TEXT, ['x'], new String('x'), turncoat('x')],
];
const VALUES: readonly unknown[] = [
  ...BREAKS.flatMap((evil) => [`a${evil}b`, `${evil}a`, `a${evil}`]),
  ...['a\r\n b', 'a\r\nx-evil: 1', '\u0100', 'a\u{1f600}', '\u560d\u560a', '\ud800'],
  ...[null, undefined, Symbol('a'), () => 'a', {}, [['a']], new String('a'), turncoat('a'), new Date(0)],
  ...[
    ['a', 'b\r\nc'],
    ['a', turncoat('b')],
    ['a', null],
  ],
];

/** All ways of sending a request. */
type Call = (connection: Connection, method: never, path: never, headers: never) => unknown;
const VERBS: Readonly<Record<string, Call>> = {
  get: (connection, _, path, headers) => connection.get(path, { headers }),
  head: (connection, _, path, headers) => connection.head(path, { headers }),
  options: (connection, _, path, headers) => connection.options(path, { headers }),
  delete: (connection, _, path, headers) => connection.delete(path, { headers }),
  'post, its body behind it': (connection, _, path, headers) => connection.post(path, { headers }),
  post: (connection, _, path, headers) => connection.post(path, { headers, body: 'x' }),
  put: (connection, _, path, headers) => connection.put(path, { headers, body: 'x' }),
  patch: (connection, _, path, headers) => connection.patch(path, { headers, body: 'x' }),
  headers: (connection, method, path, headers) => connection.headers(method, path, { headers }),
  request: (connection, method, path, headers) => connection.request(method, path, { headers, body: 'x' }),
  wsUpgrade: (connection, _, path, headers) => connection.wsUpgrade(path, { headers }),
};
const WITH_METHOD = ['headers', 'request'];

/** One bad part, the rest being good: how the call is made. */
function* attacks(name: string): Generator<(connection: Connection) => unknown> {
  const call = VERBS[name] as (...parameters: unknown[]) => unknown;
  for (const path of PATHS) {
    if (name !== 'options' || path !== '*') yield (connection) => call(connection, 'GET', path, {});
  }
  for (const method of WITH_METHOD.includes(name) ? METHODS : [])
    yield (connection) => call(connection, method, '/', {});
  for (const bad of badHeaders()) yield (connection) => call(connection, 'GET', '/', bad);
}

function* badHeaders(): Generator<unknown> {
  for (const field of NAMES) {
    yield [[field, 'a']];
    yield new Map([[field, 'a']]);
    if (typeof field === 'string') yield { [field]: 'a' };
  }
  for (const value of VALUES) {
    yield { good: 'a', x: value };
    yield [['x', value]];
    yield new Map([['x', value]]);
  }
  yield* ['x: a', 5, null, [['x']], [['x', 'a', 'b']], ['x', 'a'], { host: ['a', 'b'] }];
}

describe('injection', () => {
  const { open, keep } = feeds();

  describe('is refused at once, with an OptionError, on a connection that has never been up', () => {
    for (const name of Object.keys(VERBS)) {
      it(`by ${name}: in method, path, header names and values (RFC 9112 §11.1)`, () => {
        const connection = open('http://127.0.0.1:1/', { retry: 0 });
        for (const attack of attacks(name)) expect(() => attack(connection)).to.throw(OptionError);
        expect(connection.streams.size).to.equal(0);
      });
    }

    it('by open: in headers that all requests carry', () => {
      for (const headers of badHeaders()) {
        const bad = { headers: headers as Record<string, string> };
        expect(() => open('http://127.0.0.1:1/', bad)).to.throw(OptionError);
      }
    });

    it('by open: in a host name', () => {
      for (const host of [
        'a\r\nb',
        'a b',
        'a\0',
        'a\n',
        'a/b',
        'a#b',
        'a?b',
        'a@b',
        'é\r\n',
        '',
        ['a'],
        turncoat('a'),
      ]) {
        const target: unknown = { host, port: 80 };
        expect(() => open(target as string), String(host)).to.throw(OptionError);
      }
    });

    it('by fetch, which rejects with it', async () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      for (const path of PATHS) await rejects(connection.fetch(path as string), 'ERR_GUNPORT_OPTION');
      for (const method of METHODS) {
        // It means GET there.
        if (method === undefined) continue;
        await rejects(connection.fetch('/', { method: method as string }), 'ERR_GUNPORT_OPTION');
      }
      for (const headers of badHeaders()) {
        if (headers === null) continue;
        await rejects(connection.fetch('/', { headers: headers as Headers }), 'ERR_GUNPORT_OPTION');
      }
    });

    it('by trailers: of a whole body, and of data()', () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      const upload = connection.post('/');
      for (const bad of badHeaders()) {
        const trailers = bad as Record<string, string>;
        expect(() => connection.request('PUT', '/', { body: 'x', trailers })).to.throw(OptionError);
        expect(() => connection.data(upload, 'fin', 'x', { trailers })).to.throw(OptionError);
      }
      // RFC 9110 §6.5.1: nor what is "necessary for message framing".
      for (const name of ['transfer-encoding', 'Content-Length', 'HOST']) {
        const trailers = { [name]: '1' };
        expect(() => connection.data(upload, 'fin', 'x', { trailers }), name).to.throw(OptionError);
      }
      upload.cancel();
    });

    it('by data() and body: in what is no text and no bytes', () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      const upload = connection.post('/');
      for (const bad of [5, true, null, {}, ['x'], turncoat('x'), Symbol('x'), new String('x')]) {
        const body = bad as unknown as string;
        expect(() => connection.data(upload, 'fin', body)).to.throw(OptionError);
        expect(() => connection.post('/', { body })).to.throw(OptionError);
      }
      for (const fin of ['last', 1, null, undefined, {}])
        expect(() => connection.data(upload, fin as 'fin', 'x')).to.throw(OptionError);
      upload.cancel();
    });

    it('by content-length: in what is not one number of bytes', () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      for (const length of ['-1', '+5', '5, 5', '0x5', '5 ', '1e3', '', '9'.repeat(20), ['5', '5']]) {
        if (length === '5 ') continue; // Trimmed, it is one.
        const headers = { 'content-length': length } as Record<string, string>;
        expect(() => connection.post('/', { headers }), String(length)).to.throw(OptionError);
      }
    });
  });

  it('has sent nothing when it was refused on a connection that is up', async () => {
    const server = await keep(origin());
    const connection = open(server.url);
    await connection.awaitUp();
    const talk = await server.next();
    for (const name of Object.keys(VERBS))
      for (const attack of attacks(name)) expect(() => attack(connection)).to.throw(OptionError);
    const good = connection.get('/good');
    const { lines } = await talk.request();
    await talk.answer(200, 'good');
    expect(await good.text()).to.equal('good');
    expect(lines).to.deep.equal(['GET /good HTTP/1.1', `host: 127.0.0.1:${server.port}`]);
    expect(talk.raw).to.equal(`${lines.join('\r\n')}\r\n\r\n`);
  });

  describe('over HTTP/2', () => {
    const { both } = h2talks();

    it('has sent nothing either', async () => {
      const { connection, server } = await both();
      for (const name of Object.keys(VERBS))
        for (const attack of attacks(name)) expect(() => attack(connection)).to.throw(OptionError);
      await server.roundTrip();
      expect(server.frames.filter(({ type }) => type === 'headers')).to.deep.equal([]);
      connection.get('/good');
      const { fields, path } = await server.request();
      expect(path).to.equal('/good');
      expect(Object.keys(fields)).to.have.members([':method', ':scheme', ':authority', ':path']);
    });
  });

  it('has no second reading to hide behind: a value is read once, and what was checked is what is sent', async () => {
    const server = await keep(origin());
    const connection = open(server.url);
    const reads: string[] = [];
    const evil = (name: string): string => {
      reads.push(name);
      return reads.filter((read) => read === name).length === 1 ? 'good' : 'a\r\nx-evil: 1';
    };
    const headers = {
      get 'x-getter'() {
        return evil('getter');
      },
      'x-list': Object.defineProperty(['a', 'b'], 1, { get: () => evil('list') }),
    };
    const pair = Object.defineProperty(['x-pair', 'a'], 1, { get: () => evil('pair') }) as [string, string];
    connection.get('/record', { headers });
    connection.get('/pairs', { headers: [pair] });
    const talk = await server.next();
    expect((await talk.request()).lines.slice(2)).to.deep.equal([
      'x-getter: good',
      'x-list: a',
      'x-list: good',
    ]);
    expect((await talk.request()).lines.slice(2)).to.deep.equal(['x-pair: good']);
    expect(reads).to.deep.equal(['getter', 'list', 'pair']);
  });

  it('has no way in by numbers, which become text before they are checked', async () => {
    const server = await keep(origin());
    const connection = open(server.url);
    connection.get('/', {
      headers: { 'x-number': 5, 'x-list': [1, 2], 'x-latin': 'caf\u00e9', 'x-tab': 'a\tb' },
    });
    const { lines } = await (await server.next()).request();
    expect(lines.slice(2)).to.deep.equal([
      'x-number: 5',
      'x-list: 1',
      'x-list: 2',
      'x-latin: caf\u00e9',
      'x-tab: a\tb',
    ]);
  });

  describe('of framing: a content-length that is not the length of the body', () => {
    const headers = { 'content-length': '5', 'transfer-encoding': 'chunked' };
    const { both } = h2talks();

    it('is not sent over HTTP/1 (RFC 9112 §6.3)', async () => {
      const server = await keep(origin());
      const connection = open(server.url);
      connection.get('/get', { headers });
      connection.put('/put', { headers, body: 'Hello World' });
      const talk = await server.next();
      expect((await talk.request()).headers).to.have.all.keys('host');
      expect((await talk.request()).headers).to.include({ 'content-length': '11' });
      expect((await talk.body()).text).to.equal('Hello World');
    });

    it('is not sent over HTTP/2 (RFC 9113 §8.1.1)', async () => {
      const { connection, server } = await both();
      connection.get('/get', { headers });
      expect((await server.request()).fields).to.not.have.property('content-length');
      connection.put('/put', { headers, body: 'Hello World' });
      expect((await server.request()).fields).to.include({ 'content-length': '11' });
    });

    it('is an error of data(), where it was declared: too much, and too little', () => {
      const connection = open('http://127.0.0.1:1/', { retry: 0 });
      const much = connection.post('/', { headers: { 'content-length': '5' } });
      const little = connection.post('/', { headers: { 'content-length': '5' } });
      const code = 'ERR_GUNPORT_BAD_STATE';
      expect(() => much.data('nofin', 'Hello World'))
        .to.throw()
        .with.property('code', code);
      expect(() => little.data('fin', 'Hell'))
        .to.throw()
        .with.property('code', code);
    });
  });

  describe('out of a transformHeaderName', () => {
    const BAD = [
      ['a line break', `name + '\\r\\nx-evil: 1'`],
      ['a space', `name + ' '`],
      ['a colon', `name + ':'`],
      ['NUL', `name + '\\0'`],
      ['nothing', `''`],
      ['what is not latin1', `name + '\\u0100'`],
      ['an object', `({ toString: () => name })`],
      ['a throw', `(() => { throw new Error('no'); })()`],
      ['a promise', `Promise.resolve(name)`],
    ] as const;
    for (const [what, source] of BAD) {
      it(`fails the request before anything is sent: ${what}`, async () => {
        const server = await keep(origin());
        const module = `data:text/javascript,${encodeURIComponent(
          `export default (name) => name === 'x-bad' ? ${source} : name.toUpperCase();`,
        )}`;
        const connection = open(server.url, { transformHeaderName: { module }, retry: 0 });
        const bad = connection.get('/bad', { headers: { 'x-bad': 'a' } });
        await rejects(bad.response(), 'ERR_GUNPORT_OPTION');
        connection.get('/good', { headers: { 'x-good': 'a' } });
        const talk = await server.next();
        const { lines } = await talk.request();
        expect(lines).to.deep.equal(['GET /good HTTP/1.1', `HOST: 127.0.0.1:${server.port}`, 'X-GOOD: a']);
        expect(server.taken).to.equal(1);
      });
    }
  });
});
