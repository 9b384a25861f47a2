import { expect } from 'chai';
import {
  type CookiePlace,
  cookieString,
  expiryOf,
  isAllowed,
  type ParsedCookie,
  parseSetCookie,
  placeOf,
  withCookies,
} from '../../lib/protocol/cookies.ts';
import * as vectors from '../support/cookie-vectors.ts';

const DAY = 86_400_000;
const NOW = 1_000_000 * DAY;

/** A date is a number here. */
const dates = (text: string): number | undefined => (/^\d+$/.test(text) ? Number(text) : undefined);
const parse = (line: string): ParsedCookie | undefined => parseSetCookie(line, dates);
const pair = (line: string): string | undefined => {
  const parsed = parse(line);
  return parsed && `${parsed.name}|${parsed.value}`;
};

describe('a Set-Cookie line (RFC 6265bis §5.6)', () => {
  it('is a name and a value, up to the first semicolon and around the first equals sign', () => {
    expect(pair('a=b=c; d=e')).to.equal('a|b=c');
    expect(pair('a')).to.equal('|a');
    expect(pair('=a')).to.equal('|a');
    expect(pair('a=')).to.equal('a|');
  });

  it('is trimmed of spaces and tabs, and of nothing else', () => {
    expect(pair(' \ta\t = \tb\t ')).to.equal('a|b');
    // Bytes of UTF-8 that JavaScript takes for space.
    expect(pair('\xa0a\x85=\xa0b\xa0')).to.equal('\xa0a\x85|\xa0b\xa0');
  });

  it('is ignored without name and value', () => {
    for (const line of ['', '=', ' = ', ';', '; Path=/', '=; Secure'])
      expect(parse(line), line).to.equal(undefined);
  });

  it('is ignored with a control character anywhere, but for a tab', () => {
    for (const control of vectors.CONTROLS.filter((one) => one !== '\t')) {
      for (const line of [
        `a${control}=b`,
        `a=b${control}`,
        `a=b; Path=/${control}`,
        `a=b; x${control}`,
        `${control}a=b`,
      ])
        expect(parse(line), JSON.stringify(line)).to.equal(undefined);
    }
    expect(pair('a\tb=c\td; x=\t')).to.equal('a\tb|c\td');
  });

  it('is ignored with more than 4096 bytes of name and value', () => {
    expect(pair(`a=${'b'.repeat(4_095)}`)).to.have.lengthOf(4_097);
    expect(parse(`a=${'b'.repeat(4_096)}`)).to.equal(undefined);
    expect(parse(`${'a'.repeat(4_096)}=b`)).to.equal(undefined);
  });

  it('has attributes in any case, of which the last one that is valid counts', () => {
    expect(parse('a=b; SECURE; httponly=; DOMAIN=A.Test; Domain=.B.test; path=/x; Path=/y')).to.include({
      ...{ secure: true, httpOnly: true, domain: 'b.test', path: '/y', pathGiven: true },
    });
    expect(parse('a=b; Max-Age=5; Max-Age=x; Expires=7; Expires=never')).to.include({
      maxAge: 5,
      expires: 7,
    });
    expect(parse('a=b; SameSite=lax; SameSite=what')).to.include({ sameSite: undefined });
    expect(parse('a=b; SameSite=STRICT')).to.include({ sameSite: 'strict' });
  });

  it('has a default path where that is empty or no path, also after one', () => {
    for (const path of ['', '=', '=x', '=x/y', '="/x"']) {
      expect(parse(`a=b; Path=/z; Path${path}`), path).to.include({ path: undefined, pathGiven: true });
    }
    expect(parse('a=b')).to.include({ path: undefined, pathGiven: false });
  });

  it('has no domain where that is empty or a dot, also after one', () => {
    for (const domain of ['Domain', 'Domain=', 'Domain=.']) {
      expect(parse(`a=b; Domain=x.test; ${domain}`), domain).to.include({ domain: undefined });
    }
  });

  it('has a Max-Age of digits and a minus, or none', () => {
    const ages = ['5', '-5', '0', '007', '-', '', '+5', '5.5', '5 5', '0x5', '1e3', '--5', '5-'];
    const parsed = ages.map((age) => parse(`a=b; Max-Age=${age}`)?.maxAge);
    expect(parsed).to.deep.equal([5, -5, 0, 7, ...Array(9).fill(undefined)]);
  });

  it('has attributes of 1024 bytes at most; longer ones are as if they were not there', () => {
    const path = `/${'x'.repeat(1_023)}`;
    expect(parse(`a=b; Path=${path}`)).to.include({ path });
    expect(parse(`a=b; Path=/y; Path=${path}x`)).to.include({ path: '/y' });
    expect(parse(`a=b; Secure=${'x'.repeat(1_025)}`)).to.include({ secure: false });
  });
});

describe('whether a cookie may come from there (RFC 6265bis §5.7)', () => {
  const allowed = (line: string, secure: boolean, more = {}): boolean => {
    const parsed = parse(line);
    if (!parsed) throw new Error(`not parsed: ${line}`);
    return isAllowed(parsed, { path: parsed.path ?? '/', hostOnly: true, ...more }, secure);
  };

  it('is so for a Secure one over TLS only', () => {
    expect(allowed('a=b; Secure', true)).to.equal(true);
    expect(allowed('a=b; Secure', false)).to.equal(false);
    expect(allowed('a=b', false)).to.equal(true);
  });

  it('is so for __Secure- with Secure only, in any case, and never without a name', () => {
    for (const prefix of ['__Secure-', '__SECURE-', '__secure-']) {
      expect(allowed(`${prefix}a=b; Secure`, true), prefix).to.equal(true);
      expect(allowed(`${prefix}a=b`, true), prefix).to.equal(false);
      expect(allowed(`=${prefix}a=b; Secure`.replace('a=b', 'a'), true), prefix).to.equal(false);
    }
    expect(allowed('_Secure-a=b', false)).to.equal(true);
    expect(allowed('a=__Secure-b', false)).to.equal(true);
  });

  it('is so for __Host- with Secure, Path=/ and no domain only', () => {
    expect(allowed('__Host-a=b; Secure; Path=/', true)).to.equal(true);
    expect(allowed('__hOST-a=b; Secure; Path=/', true)).to.equal(true);
    expect(allowed('__Host-a=b; Secure', true), 'no path').to.equal(false);
    expect(allowed('__Host-a=b; Secure; Path=/x', true), 'a path').to.equal(false);
    expect(allowed('__Host-a=b; Path=/', true), 'not Secure').to.equal(false);
    expect(allowed('__Host-a=b; Secure; Path=/', true, { hostOnly: false }), 'a domain').to.equal(false);
    expect(allowed('__Host-a=b; Secure; Path=/', false), 'in clear').to.equal(false);
  });
});

describe('when a cookie ends (RFC 6265bis §5.5)', () => {
  const ends = (line: string): number | undefined => expiryOf(parse(line)!, NOW);

  it('is what Max-Age says, else Expires, else its session', () => {
    expect(ends('a=b')).to.equal(undefined);
    expect(ends(`a=b; Expires=${NOW + 5}`)).to.equal(NOW + 5);
    expect(ends(`a=b; Expires=${NOW + 5}; Max-Age=7`)).to.equal(NOW + 7_000);
  });

  it('is long past with a Max-Age of 0 or less', () => {
    expect(ends('a=b; Max-Age=0')).to.equal(0);
    expect(ends('a=b; Max-Age=-1')).to.equal(0);
  });

  it('is in 400 days at the latest', () => {
    expect(ends(`a=b; Expires=${NOW + 4_000 * DAY}`)).to.equal(NOW + 400 * DAY);
    expect(ends(`a=b; Max-Age=${'9'.repeat(400)}`)).to.equal(NOW + 400 * DAY);
  });
});

describe('where a request goes', () => {
  it('is its host without port and brackets in lower case, and its path without a query', () => {
    const cases: readonly (readonly [string, string, string, string])[] = [
      ['Example.COM:8080', '/a/b?c=/d', 'example.com', '/a/b'],
      ['[::1]:80', '/a#b', '::1', '/a'],
      ['127.0.0.1', '*', '127.0.0.1', '/'],
      ['a.test', '', 'a.test', '/'],
    ];
    for (const [authority, target, host, path] of cases) {
      expect(placeOf(true, authority, target)).to.deep.equal({
        secure: true,
        host,
        path,
      } satisfies CookiePlace);
    }
  });
});

describe('a Cookie field', () => {
  const text = (...pairs: [string, string][]): string =>
    cookieString(pairs.map(([key, value]) => ({ key, value })));

  it('has names and values, and values alone where there is no name (RFC 6265bis §5.8.3)', () => {
    expect(text(['a', '1'], ['', '2'], ['b', ''])).to.equal('a=1; 2; b=');
    expect(text()).to.equal('');
  });

  it('is added behind the others, and not where there are no cookies', () => {
    const headers = ['accept', '*/*'];
    expect(withCookies(headers, 'a=1')).to.deep.equal(['accept', '*/*', 'cookie', 'a=1']);
    expect(withCookies(headers, '')).to.equal(headers);
  });

  it('is one, with what the user gave first; a name that is given there is not sent twice (RFC 6265 §5.4)', () => {
    const headers = ['Cookie', 'a=mine; x=1', 'accept', '*/*', 'cookie', 'y=2'];
    expect(withCookies(headers, 'a=1; b=2; y=3; z')).to.deep.equal([
      ...['accept', '*/*'],
      ...['cookie', 'a=mine; x=1; y=2; b=2; z'],
    ]);
    expect(withCookies(['cookie', ''], 'a=1')).to.deep.equal(['cookie', 'a=1']);
    expect(withCookies(['cookie', 'z'], 'z; a=1')).to.deep.equal(['cookie', 'z; a=1']);
  });
});
