import { inspect } from 'node:util';
import { expect } from 'chai';
import * as tough from 'tough-cookie';
import { CookieSet } from '../../lib/cookies/cookieset.ts';
import { type CookieChange, type CookieInfo, CookieJar, OptionError, open } from '../../lib/index.ts';
import { placeOf } from '../../lib/protocol/cookies.ts';
import { utf8 } from '../support/cookie-vectors.ts';

const URL_ = 'http://example.com/a/b';
const names = (cookies: readonly CookieInfo[]): string => cookies.map(({ name }) => name).join(' ');

describe('a cookie jar', () => {
  let jar: CookieJar;
  beforeEach(() => {
    jar = new CookieJar();
  });

  it('takes lines as a server would send them, and gives what a request would carry', () => {
    expect(jar.setCookie('a=1; Path=/; HttpOnly; SameSite=Lax', URL_)).to.equal(true);
    expect(jar.setCookie('b=2', new URL(URL_))).to.equal(true);
    expect(jar.getCookieString('http://example.com/a/c?d#e')).to.equal('b=2; a=1');
    expect(jar.getCookieString('ws://example.com/')).to.equal('a=1');
    expect(jar.getCookieString('http://other.com/')).to.equal('');
    expect(jar.size).to.equal(2);
    const [b, a] = jar.getCookies(URL_);
    expect(b).to.deep.include({ name: 'b', value: '2', domain: 'example.com', hostOnly: true, path: '/a' });
    expect(a).to.deep.include({ httpOnly: true, sameSite: 'lax', secure: false, expires: undefined });
    expect(a?.creation).to.be.instanceOf(Date);
  });

  it('says whether a line has changed it', () => {
    expect(jar.setCookie('a=1; Domain=com', URL_), 'a public suffix').to.equal(false);
    expect(jar.setCookie('a=1; Secure', URL_), 'in clear').to.equal(false);
    expect(jar.setCookie('a=1\0', URL_), 'a control character').to.equal(false);
    expect(jar.setCookie('a=1; Max-Age=0', URL_), 'nothing to remove').to.equal(false);
    expect(jar.setCookie('a=1', URL_)).to.equal(true);
    expect(jar.setCookie('a=1', URL_), 'the same').to.equal(false);
    expect(jar.setCookie('a=1; Max-Age=0', URL_), 'something to remove').to.equal(true);
    expect(jar.size).to.equal(0);
  });

  it('takes a public suffix for the host itself where that is one (RFC 6265bis §5.7)', () => {
    for (const host of ['github.io', 'localhost', '127.0.0.1', '[::1]', 'intranet']) {
      const domain = host.replace(/[[\]]/g, '');
      expect(jar.setCookie(`a=1; Domain=${domain}`, `http://${host}/`), host).to.equal(true);
      expect(jar.getCookieString(`http://${host}/`), host).to.equal('a=1');
      if (/^[a-z]/.test(host)) expect(jar.getCookieString(`http://x.${host}/`), host).to.equal('');
    }
    expect(jar.setCookie('a=1; Domain=github.io', 'http://me.github.io/')).to.equal(false);
    expect(jar.setCookie('a=1; Domain=0.0.1', 'http://127.0.0.1/')).to.equal(false);
    expect(jar.setCookie('a=1; Domain=co.uk', 'http://example.co.uk/')).to.equal(false);
    expect(jar.setCookie('a=1; Domain=example.co.uk', 'http://www.example.co.uk/')).to.equal(true);
    expect(jar.setCookie(`a=1; Domain=${utf8('é')}.com`, 'http://xn--9ca.com/'), 'no ASCII').to.equal(false);
  });

  it('lets nothing in clear overlay a cookie that is Secure (RFC 6265bis §5.7)', () => {
    jar.setCookie('a=1; Secure; Path=/x; Domain=example.com', 'https://example.com/');
    const clear = (line: string, url = 'http://example.com/') => jar.setCookie(line, url);
    expect(clear('a=2; Path=/x')).to.equal(false);
    expect(clear('a=2; Path=/x/y')).to.equal(false);
    expect(clear('a=2; Path=/x; Domain=www.example.com', 'http://www.example.com/')).to.equal(false);
    expect(clear('a=; Max-Age=0; Path=/x; Domain=example.com')).to.equal(false);
    expect(clear('a=2; Path=/'), 'another path').to.equal(true);
    expect(clear('A=2; Path=/x'), 'another name').to.equal(true);
    expect(jar.setCookie('a=3; Path=/x; Domain=example.com', 'https://example.com/'), 'over TLS').to.equal(
      true,
    );
    expect(jar.getCookieString('http://example.com/x')).to.equal('a=3; A=2; a=2');
  });

  it('keeps the time that a cookie was first set, and its place', () => {
    for (const line of ['a=1', 'b=1', 'c=1', 'a=2']) jar.setCookie(line, URL_);
    expect(jar.getCookieString(URL_)).to.equal('a=2; b=1; c=1');
    jar.setCookie('a=; Max-Age=0', URL_);
    jar.setCookie('a=3', URL_);
    expect(jar.getCookieString(URL_)).to.equal('b=1; c=1; a=3');
  });

  it('collects what has expired, and ends a session (gun_cookies gc, session_gc)', () => {
    const soon = new CookieSet();
    const place = placeOf(false, 'example.com', '/');
    soon.take('a=1; Max-Age=10', place, 0);
    soon.take('b=1', place, 0);
    soon.take('c=1; Max-Age=20', place, 0);
    expect(soon.text(place, 9_999)).to.equal('a=1; b=1; c=1');
    expect(soon.text(place, 10_000)).to.equal('b=1; c=1');
    expect(soon.size).to.equal(3);
    // One that has expired keeps nobody's place.
    soon.take('a=2', place, 10_001);
    expect(soon.text(place, 10_001)).to.equal('b=1; c=1; a=2');

    for (const line of ['s=1', 'p=1; Max-Age=100']) jar.setCookie(line, URL_);
    jar.gc();
    expect(jar.size).to.equal(2);
    jar.sessionGc();
    expect(names(jar.getCookies(URL_))).to.equal('p');
    jar.clear();
    expect(jar.size).to.equal(0);
  });

  it('goes through JSON, to tough-cookie and from there', () => {
    jar.setCookie('a=1; Max-Age=1000; Path=/', 'https://example.com/');
    jar.setCookie(`${utf8('é=ü')}; Domain=example.com; Secure; HttpOnly`, 'https://www.example.com/x/y');
    jar.setCookie('nameless', 'https://example.com/');
    const again = CookieJar.fromJSON(JSON.stringify(jar));
    for (const url of ['https://example.com/x', 'https://www.example.com/x/z', 'http://example.com/']) {
      expect(again.getCookieString(url)).to.equal(jar.getCookieString(url));
    }
    const theirs = tough.CookieJar.fromJSON(JSON.stringify(jar));
    expect(theirs.getCookieStringSync('https://www.example.com/x/z')).to.equal(utf8('é=ü'));
    theirs.setCookieSync('t=1; Max-Age=60', 'https://example.com/');
    const back = CookieJar.fromJSON(JSON.stringify(theirs.toJSON()));
    expect(back.getCookieString('https://example.com/')).to.equal('a=1; nameless; t=1');
    expect(back.getCookies('https://example.com/').at(-1)?.expires?.getTime()).to.be.above(Date.now());
  });

  it('is made of JSON of a jar only, and tells no value of it', () => {
    const bad = (json: unknown, words: RegExp): void => {
      // A program without types may give anything.
      expect(() => CookieJar.fromJSON(json as string))
        .to.throw(OptionError, words)
        .with.property('message')
        .not.match(/hidden/);
    };
    bad('{"cookies": hidden', /must be a jar/);
    bad(null, /array `cookies`/);
    bad({ cookies: 'hidden' }, /array `cookies`/);
    const cookie = (more: object) => ({
      cookies: [{ key: 'a', value: 'hidden', domain: 'a.test', path: '/', ...more }],
    });
    bad(cookie({ domain: null }), /cookies\[0\]/);
    bad(cookie({ path: 'x' }), /cookies\[0\]/);
    bad(cookie({ value: 'hidden\r\nx: y' }), /cookies\[0\]/);
    bad(cookie({ value: 'hidden; y' }), /cookies\[0\]/);
    bad(cookie({ value: 'hidden☃' }), /cookies\[0\]/);
    bad(cookie({ value: 'hidden'.repeat(1_000) }), /cookies\[0\]/);
    expect(
      CookieJar.fromJSON({ cookies: [], version: '', storeType: '', rejectPublicSuffixes: true }).size,
    ).to.equal(0);
  });

  it('tells what has changed, never a value, and not to itself alone', () => {
    const told: CookieChange[] = [];
    jar.on('change', (changes) => told.push(...changes));
    jar.setCookie('a=hidden', URL_);
    jar.setCookie('a=hidden', URL_);
    jar.setCookie('a=hidden; Max-Age=0', URL_);
    const place = { name: 'a', domain: 'example.com', path: '/a' };
    expect(told).to.deep.equal([
      { ...place, removed: false },
      { ...place, removed: true },
    ]);
  });

  it('shows numbers only', () => {
    jar.setCookie('a=hidden', URL_);
    for (const text of [inspect(jar), inspect({ jar }, { depth: 9, showHidden: true }), `${jar}`]) {
      expect(text).not.to.include('hidden');
    }
    expect(inspect(jar)).to.equal('CookieJar { size: 1, replicas: 0 }');
  });

  it('refuses what is no line, no URL, no bound, and shows no secret', () => {
    const refuses = (run: () => unknown, words: RegExp): void =>
      void expect(run)
        .to.throw(OptionError, words)
        .with.property('message')
        .not.match(/hidden/);
    // A program without types may give anything.
    refuses(() => jar.setCookie(7 as unknown as string, URL_), /line must be a string/);
    refuses(() => jar.setCookie('a=hidden☃', URL_), /line must be latin1/);
    refuses(() => jar.setCookie('a=1', 'http://me:hidden@'), /absolute URL/);
    refuses(() => jar.setCookie('a=1', null as unknown as string), /absolute URL, got null/);
    refuses(() => jar.getCookieString('file:///hidden'), /"file:"/);
    refuses(() => new CookieJar({ maxCookies: 0 }), /maxCookies must be an integer from 1/);
    refuses(() => new CookieJar({ maxPerDomain: 1.5 }), /maxPerDomain/);
    refuses(() => new CookieJar({ unknown: 1 } as object), /unknown option unknown/);
  });
});

describe('the bounds of a cookie jar (RFC 6265 §6.1)', () => {
  it('are 50 a domain: the one that was used least recently goes', () => {
    const jar = new CookieJar();
    for (let i = 0; i < 50; i++) jar.setCookie(`c${i}=1; Path=/p${i}`, 'http://a.test/');
    jar.setCookie('other=1', 'http://b.test/');
    expect(jar.size).to.equal(51);
    for (let i = 50; i < 200; i++) jar.setCookie(`c${i}=1; Path=/p${i}`, 'http://a.test/');
    expect(jar.size).to.equal(51);
    expect(jar.getCookieString('http://a.test/p149')).to.equal('');
    expect(jar.getCookieString('http://a.test/p199')).to.equal('c199=1');
    expect(jar.getCookieString('http://b.test/')).to.equal('other=1');
  });

  it('are 3000 in all', () => {
    const jar = new CookieJar();
    for (let i = 0; i < 3_200; i++) jar.setCookie('a=1', `http://h${i}.test/`);
    expect(jar.size).to.equal(3_000);
    expect(jar.getCookieString('http://h3199.test/')).to.equal('a=1');
    expect(jar.getCookieString('http://h0.test/')).to.equal('');
  });

  it('let what has expired go first, then what is not Secure (RFC 6265bis §5.7)', () => {
    const set = new CookieSet({ maxCookies: 100, maxPerDomain: 3 });
    const place = placeOf(true, 'a.test', '/');
    set.take('secure=1; Secure', place, 0);
    set.take('plain=1', place, 1);
    set.take('short=1; Max-Age=1', place, 2);
    set.take('x=1', place, 2_000);
    expect(set.text(place, 2_000)).to.equal('secure=1; plain=1; x=1');
    set.take('y=1', place, 2_001);
    expect(set.text(place, 2_001)).to.equal('secure=1; x=1; y=1');
  });

  it('hold whatever one server sends', () => {
    const set = new CookieSet();
    const places = ['a.b.c.evil.test', 'b.c.evil.test'].map((host) => placeOf(true, host, '/'));
    for (let i = 0; i < 20_000; i++) {
      const domain = ['', '; Domain=evil.test', '; Domain=c.evil.test'][i % 3];
      set.take(`n${i}=${'x'.repeat(100)}; Path=/${i}${domain}`, places[i % 2]!, i);
    }
    expect(set.size).to.be.most(4 * 50);
    // What is remembered of those that went is bounded too.
    expect(set.entries().length).to.be.most(4 * 50 + 4_096);
  });
});

describe('the cookies option', () => {
  it('is true, a jar, or a module reference, and nothing else', () => {
    const refuses = (cookies: unknown, words: RegExp): void => {
      // A program without types may give anything.
      const options = { cookies: cookies as true };
      expect(() => open('http://localhost:1/', options)).to.throw(OptionError, words);
    };
    for (const value of [1, 'jar', null, {}, [], () => {}, new tough.CookieJar()])
      refuses(value, /^cookies must be true/);
    refuses({ module: './relative.js' }, /cookies\.module must be an absolute/);
    refuses({ module: 'file:///x.js', export: '' }, /cookies\.export/);
    refuses({ module: 'file:///x.js', options: () => {} }, /cookies\.options must be data/);
    refuses({ module: 'file:///x.js', more: 1 }, /unknown option cookies\.more/);
    expect(() => open('http://localhost:1/', { cookieIgnoreInformational: 1 as unknown as true })).to.throw(
      OptionError,
      /cookieIgnoreInformational/,
    );
  });
});
