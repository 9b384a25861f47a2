// cookie-vectors — what a server may say in Set-Cookie, and what the next request then has in Cookie.
// Run by test/cookies/vectors.test.ts on real sockets, and by test/protocol/cookies.test.ts where they concern parsing.
// Invariant: each vector stands for itself: the jar is empty before it. `plain` is what differs without TLS.
// Source: written anew from RFC 6265bis and from what the web platform tests are known to ask for, family by family.

export interface Vector {
  /** Lines, one an answer; a list of lines in one answer. */
  readonly set: readonly (string | readonly string[])[];
  /** The next request's Cookie field; empty: none. */
  readonly cookie: string;
  readonly plain?: string;
  /** Where the answers come from. Default SET. */
  readonly at?: string;
  /** Where it is asked for. Default ECHO. */
  readonly read?: string;
}

export const HOST = 'www.web-platform.test';
export const PARENT = 'web-platform.test';
/** In one folder, `/cookies/resources`. */
export const SET = '/cookies/resources/set';
export const ECHO = '/cookies/resources/echo';

const PAST = 'Fri, 01 Jan 1999 00:00:00 GMT';
const FUTURE = 'Fri, 01 Jan 2038 00:00:00 GMT';

const one = (line: string, cookie: string, more: Partial<Vector> = {}): Vector => ({
  ...{ set: [line], cookie },
  ...more,
});
const several = (set: Vector['set'], cookie: string, more: Partial<Vector> = {}): Vector => ({
  ...{ set, cookie },
  ...more,
});
const long = (length: number, letter = 'a'): string => letter.repeat(length);

/** UTF-8 as header values have it: one character a byte. */
export const utf8 = (text: string): string => Buffer.from(text).toString('latin1');

/** RFC 5234 CTL. */
export const CONTROLS: readonly string[] = [...Array(0x20).keys(), 0x7f].map((code) =>
  String.fromCharCode(code),
);

export const EXPIRES: readonly Vector[] = [
  one(`test=1; Expires=${FUTURE}`, 'test=1'),
  one('test=2; Expires=Friday, 01-Jan-38 00:00:00 GMT', 'test=2'),
  one(`test=3; Expires=${FUTURE}, baz=qux`, 'test=3'),
  several([`test=4; Expires=${PAST}`, `test=4; Expires=${FUTURE}`], 'test=4'),
  several([`test=5; Expires=${FUTURE}`, `test=5; Expires=${PAST}`], ''),
];

export const INVALID: readonly Vector[] = [
  one('test=1; lol; Path=/', 'test=1'),
  one('test=2; "Secure"', 'test=2'),
  one('test=3; "HttpOnly"; Path=/', 'test=3'),
  one("test=4; 'Secure'", 'test=4'),
  one('test=5; "Path=/elsewhere"', 'test=5'),
  one('test=6; Secured', 'test=6'),
  one('test=7; Paths=/elsewhere', 'test=7'),
  one('test=8; "Path"=/elsewhere', 'test=8'),
  one('test=9; =/elsewhere', 'test=9'),
  one('test=10; ;;; ; ;', 'test=10'),
  one('test=11; ====', 'test=11'),
  one('test=12; Max-Age', 'test=12'),
  one('test=13; Expires', 'test=13'),
  one('test=14; Expires=never', 'test=14'),
  one('test=15; Expires="a date"', 'test=15'),
  one('test=16; SameSite=Sometimes', 'test=16'),
  one('test=17; Domain', 'test=17'),
  one('test=18; Version=1; Port="80"; Comment=hello', 'test=18'),
  one('test=19; Domain=other.test', ''),
  one(`test=20; Domain=not${HOST}`, ''),
  one(`test=21; Domain=sub.${HOST}`, ''),
  one('test=22; Domain=test', ''),
  one('test=23; Domain=.', 'test=23'),
  one('', ''),
  one('=', ''),
  one('; Path=/; HttpOnly', ''),
];

export const MAX_AGE: readonly Vector[] = [
  one('test=1; Max-Age=50', 'test=1'),
  one('test=2; Max-Age=0', ''),
  one('test=3; Max-Age=-1', ''),
  one('test=4; Max-Age=-20000', ''),
  one('test=5; Max-Age=50,399', 'test=5'),
  one('test=6; Max-Age=five', 'test=6'),
  one('test=7; Max-Age="0"', 'test=7'),
  one(`test=8; Max-Age=50; Expires=${PAST}`, 'test=8'),
  one(`test=9; Max-Age=0; Expires=${FUTURE}`, ''),
  several(['test=10; Max-Age=100', 'test=10; Max-Age=0'], ''),
];

export const PATHS: readonly Vector[] = [
  one('test=1; Path=/', 'test=1'),
  one('test=2; Path=/cookies', 'test=2'),
  one('test=3; Path=/cookies/', 'test=3'),
  one('test=4; Path=/cookies/resources', 'test=4'),
  one('test=5; Path=/cookies/resources/', 'test=5'),
  one(`test=6; Path=${ECHO}`, 'test=6'),
  one(`test=7; Path=${ECHO}/`, ''),
  one('test=8; Path=/cook', ''),
  one('test=9; Path=/elsewhere', ''),
  one('test=10; Path=/Cookies/Resources', ''),
  one('test=11; Path', 'test=11'),
  one('test=12; Path=', 'test=12'),
  one('test=13; Path=cookies', 'test=13'),
  one('test=14; Path="/elsewhere"', 'test=14'),
  one('test=15; Path=/elsewhere; Path=/cookies', 'test=15'),
  one('test=16; Path=/cookies; Path=/elsewhere', ''),
  one('test=17; Path=/elsewhere; Path=', 'test=17'),
  one('test=18; path=/cookies', 'test=18'),
  one('test=19; Path = /cookies ; HttpOnly', 'test=19'),
  several(
    ['test=20; Path=/', 'test=20; Path=/cookies/resources', 'test=20; Path=/elsewhere'],
    'test=20; test=20',
  ),
  several(['a=21; Path=/', 'b=21; Path=/cookies/resources', 'c=21; Path=/cookies'], 'b=21; c=21; a=21'),
];

/** Without TLS there is none of these. */
export const SECURE: readonly Vector[] = [
  'test=1; Secure',
  'test=2; seCURe',
  'test=3; Secure; Secure',
  'test=4; Secure=',
  'test=5; Secure=false',
  'test=6; Secure = yes',
  'test=7;Secure;HttpOnly',
  'test=8; "Secure"; Secure',
].map((line) => one(line, line.slice(0, 6), { plain: '' }));

/** Sent without TLS, where all but the last are refused. */
export const SECURE_PLAIN: readonly Vector[] = [
  ...SECURE.slice(0, 7).map(({ set }) => several(set, '')),
  one('__Secure-a=8; Secure', ''),
  one('__Secure-a=9', ''),
  one('__SECURE-a=10', ''),
  one('__%53ecure-a=11', '__%53ecure-a=11'),
];

export const ENCODING: readonly Vector[] = [
  one(utf8('test=é'), utf8('test=é')),
  one(utf8('tést=1'), utf8('tést=1')),
  one(utf8('春节回=家路·春运完全手册'), utf8('春节回=家路·春运完全手册')),
  one(utf8('test=🍪🍪'), utf8('test=🍪🍪')),
  one(utf8('test=\u00a0à\u00a0'), utf8('test=\u00a0à\u00a0')),
  one('test=\xff\xfe', 'test=\xff\xfe'),
];

export const NAMES: readonly Vector[] = [
  one('a=1', 'a=1'),
  one('1=2', '1=2'),
  one(' a = 3 ', 'a=3'),
  one('\ta\t=\t4\t', 'a=4'),
  one('a b=5', 'a b=5'),
  one('"a"=6', '"a"=6'),
  one('a=', 'a='),
  one('a', 'a'),
  one('=a', 'a'),
  one('= a', 'a'),
  one(' = a ', 'a'),
  one('=a=b', '=a=b'.slice(1)),
  one('==a', '=a'),
  one('=', ''),
  one('a;b=1', 'a'),
  one('a,b=15', 'a,b=15'),
  one('a[]=16', 'a[]=16'),
  one("!#$%&'*+-.^_`|~=17", "!#$%&'*+-.^_`|~=17"),
  one('$Version=18', '$Version=18'),
  one('__proto__=19', '__proto__=19'),
  several(['=a', '=b'], 'b'),
  several(['a', 'a=1'], 'a; a=1'),
  several(['a=1', 'A=2'], 'a=1; A=2'),
  several(['a=1', 'b=2', 'a=3'], 'a=3; b=2'),
  several(
    [
      ['a=1', 'b=2'],
      ['c=3', 'b=4'],
    ],
    'a=1; b=4; c=3',
  ),
  several(['a=1', ' a =2'], 'a=2'),
];

export const VALUES: readonly Vector[] = [
  one('a=1', 'a=1'),
  one('a= 2 ', 'a=2'),
  one('a=\t3\t', 'a=3'),
  one('a=4 4', 'a=4 4'),
  one('a=5\t5', 'a=5\t5'),
  one('a="6"', 'a="6"'),
  one('a=" 7 "', 'a=" 7 "'),
  one('a="8', 'a="8'),
  one('a=9"', 'a=9"'),
  one('a="10;11"', 'a="10'),
  one("a='11'", "a='11'"),
  one('a=12; b=13', 'a=12'),
  one('a=13;', 'a=13'),
  one('a=14 ; Path=/', 'a=14'),
  one('a=15=16', 'a=15=16'),
  one('a==16', 'a==16'),
  one('a="b=17"', 'a="b=17"'),
  one('a=18,19', 'a=18,19'),
  one('a=19\\20', 'a=19\\20'),
  one('a=%20%3B', 'a=%20%3B'),
  one('a={"b":21}', 'a={"b":21}'),
  one('a=<22>', 'a=<22>'),
  one('a=/23?b#c', 'a=/23?b#c'),
  one('a=@24', 'a=@24'),
  one('a=', 'a='),
  one('a=;', 'a='),
  one('a=" "', 'a=" "'),
  one('a=28; a=29', 'a=28'),
];

/** Names and values of control characters: the name of the character stands in the cookie. */
export function controlVectors(where: (control: string) => string): readonly Vector[] {
  return CONTROLS.map((control) => {
    const line = where(control);
    const [pair = ''] = line.split(';');
    const at = pair.indexOf('=');
    return one(line, control === '\t' ? `${pair.slice(0, at).trim()}=${pair.slice(at + 1).trim()}` : '');
  });
}

/** An attribute with a control character in its name, which a tab makes one that nobody knows; and one behind it, where a
 *  tab is trimmed. */
export const CONTROL_ATTRIBUTES: Readonly<Record<string, (control: string) => string>> = {
  domain: (control) => `test=1; Dom${control}ain=${HOST}`,
  domain2: (control) => `test=1; Domain=${HOST}${control}; HttpOnly`,
  path: (control) => `test=1; Pa${control}th=/cookies`,
  path2: (control) => `test=1; Path=/cookies${control}; HttpOnly`,
  max_age: (control) => `test=1; Max${control}-Age=1000`,
  max_age2: (control) => `test=1; Max-Age=1000${control}; HttpOnly`,
  expires: (control) => `test=1; Exp${control}ires=${FUTURE}`,
  expires2: (control) => `test=1; Expires=${FUTURE}${control}; HttpOnly`,
  secure: (control) => `test=1; Sec${control}ure`,
  secure2: (control) => `test=1; Secure${control}; HttpOnly`,
  httponly: (control) => `test=1; HttpOnly${control}; Path=/`,
  samesite: (control) => `test=1; Same${control}Site=Lax`,
  samesite2: (control) => `test=1; SameSite=Lax${control}; HttpOnly`,
};

export const SIZE_ATTRIBUTES: readonly Vector[] = [
  one(`a=1; Path=/${long(1_023)}`, '', { read: ECHO }),
  one(`a=2; Path=/${long(1_023)}`, 'a=2', { read: `/${long(1_023)}` }),
  one(`a=3; Path=/${long(1_024)}`, 'a=3'),
  one(`a=4; Path=/cookies; Path=/${long(1_024)}`, 'a=4'),
  one(`a=5; Path=/elsewhere; Path=/${long(1_024)}`, ''),
  one(`a=6; Domain=${long(1_025)}.test`, 'a=6'),
  one(`a=7; Domain=${HOST}; Domain=${long(1_025)}.test`, 'a=7'),
  one(`a=8; Domain=${long(1_000)}.test`, ''),
  one(`a=9; Max-Age=${long(1_024, '1')}`, 'a=9'),
  one(`a=10; Max-Age=0; Max-Age=${long(1_025, '1')}`, ''),
  one(`a=11; Max-Age=${long(1_024, '0')}`, ''),
  one(`a=12; Expires=${PAST}; Expires=${FUTURE}${long(1_024, ',')}`, ''),
  one(`a=13; Secure=${long(1_025)}`, 'a=13'),
  one(`a=14; ${long(2_000)}=${long(2_000)}; Path=/cookies`, 'a=14'),
];

/** 4096 bytes of name and value together. */
export const SIZE_PAIRS: readonly Vector[] = [
  one(`t=${long(4_095)}`, `t=${long(4_095)}`),
  one(`t=${long(4_096)}`, ''),
  one(`${long(4_095)}=1`, `${long(4_095)}=1`),
  one(`${long(4_096)}=1`, ''),
  one(`${long(4_096)}=`, `${long(4_096)}=`),
  one(`=${long(4_096)}`, long(4_096)),
  one(`=${long(4_097)}`, ''),
  one(long(4_096), long(4_096)),
  one(`${long(2_048)}=${long(2_048)}`, `${long(2_048)}=${long(2_048)}`),
  one(`${long(2_048)}=${long(2_049)}`, ''),
  one(`  t  =  ${long(4_095)}  ; Path=/`, `t=${long(4_095)}`),
];

export const PATH_MATCHES: readonly Vector[] = [
  ...['/', '/match', '/match/', '/match/me', '/mat%63h', ''].map((path, i) =>
    one(`a=${i}; Path=${path}`, `a=${i}`, {
      ...{ at: '/match/me/set', read: path === '/mat%63h' ? '/mat%63h/me' : '/match/me/echo' },
    }),
  ),
  one('a=7; Path=/matc', '', { at: '/match/me/set', read: '/match/me/echo' }),
  one('a=8; Path=/match/me/more', '', { at: '/match/me/set', read: '/match/me/echo' }),
];

/** Over TLS: which of these are kept. */
export const HOST_PREFIX: readonly Vector[] = [
  one('__Host-a=1', ''),
  one('__Host-a=2; Secure', ''),
  one('__Host-a=3; Path=/', ''),
  one('__Host-a=4; Secure; Path=/', '__Host-a=4', { plain: '' }),
  one('__Host-a=5; Secure; Path=/cookies', ''),
  one(`__Host-a=6; Secure; Path=/; Domain=${HOST}`, ''),
  one(`__Host-a=7; Path=/; Domain=${HOST}`, ''),
  one(`__Host-a=8; Secure; Domain=${HOST}`, ''),
  one('__Host-a=9; Secure; Path=/; Domain=', '__Host-a=9', { plain: '' }),
  one('__HOST-a=10; Secure', ''),
  one('__host-a=11; Path=/', ''),
  one('=__Host-a=12; Secure; Path=/', ''),
  one('__Host-a13', ''),
];

export const SECURE_PREFIX: readonly Vector[] = [
  one('__Secure-a=1', ''),
  one('__Secure-a=2; Path=/', ''),
  one('__Secure-a=3; Secure', '__Secure-a=3', { plain: '' }),
  one(`__Secure-a=4; Secure; Path=/; Domain=${PARENT}`, '__Secure-a=4', { plain: '' }),
  one('__secure-a=5', ''),
  one('__SeCuRe-a=6; Secure', '__SeCuRe-a=6', { plain: '' }),
  one('=__Secure-a=7; Secure', ''),
  one('__Secure-a8', ''),
  one('_Secure-a=9', '_Secure-a=9'),
];
