// cookies — what a Set-Cookie line says and whether it may be kept, and what becomes of a request's Cookie header.
// Called by lib/cookieset.ts, which owns the cookies and knows domains, and by workers/cookies.ts for requests.
// Invariant: text is latin1 here as in every header, one character a byte: UTF-8 passes through unchanged, and lengths
// are those of the wire. What is dropped is dropped whole, and says nothing.
// Source: RFC 6265bis §5.6 (parsing), §5.7 (storage); gun_cookies, which leaves out SameSite and non-HTTP APIs as we do.

import { trimmed } from '../whitespace.ts';

/** A Set-Cookie line, taken apart. */
export interface ParsedCookie {
  /** Empty: the cookie has none. */
  readonly name: string;
  readonly value: string;
  /** In lower case, without its leading dot; undefined: none, or empty. */
  readonly domain: string | undefined;
  /** A Path attribute is there. */
  readonly pathGiven: boolean;
  /** undefined: the default of the request's own path. */
  readonly path: string | undefined;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: 'strict' | 'lax' | 'none' | undefined;
  /** Seconds. It goes before `expires`. */
  readonly maxAge: number | undefined;
  /** Milliseconds since 1970. */
  readonly expires: number | undefined;
}

/** From what a date says to milliseconds since 1970. */
export type DateParser = (text: string) => number | undefined;

/** Most bytes of name and value together. RFC 6265bis §5.6. */
const MOST_PAIR = 4_096;
/** Most bytes of an attribute's value. */
const MOST_ATTRIBUTE = 1_024;
/** RFC 6265bis §5.5: "the user agent MUST limit the maximum value of the Max-Age attribute … RECOMMENDED … 400 days". */
const LONGEST_LIFE = 400 * 24 * 3_600 * 1_000;

/** Takes a line apart; undefined: it is to be ignored. */
export function parseSetCookie(line: string, parseDate: DateParser): ParsedCookie | undefined {
  // RFC 6265bis §5.6 step 1: "If the set-cookie-string contains a %x00-08 / %x0A-1F / %x7F character (CTL characters
  // excluding HTAB): Abort this algorithm and ignore the set-cookie-string entirely."
  if (hasControl(line)) return undefined;
  const [pair = '', ...attributes] = line.split(';');
  const { name, value } = split(pair, true);
  if (name.length + value.length > MOST_PAIR) return undefined;
  // §5.7 step 2: "If cookie-name is empty and cookie-value is empty, abort".
  if (name === '' && value === '') return undefined;
  return { name, value, ...readAttributes(attributes, parseDate) };
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}

/** At the first `=`; without one there is a value only, or for an attribute a name only. */
function split(text: string, nameless: boolean): { readonly name: string; readonly value: string } {
  const at = text.indexOf('=');
  if (at === -1) return nameless ? { name: '', value: trimmed(text) } : { name: trimmed(text), value: '' };
  return { name: trimmed(text.slice(0, at)), value: trimmed(text.slice(at + 1)) };
}

type Attributes = { -readonly [name in Exclude<keyof ParsedCookie, 'name' | 'value'>]: ParsedCookie[name] };

/** RFC 6265bis §5.7: of each attribute the last one that is valid counts. */
function readAttributes(list: readonly string[], parseDate: DateParser): Attributes {
  const found: Attributes = {
    ...{ domain: undefined, pathGiven: false, path: undefined, secure: false, httpOnly: false },
    ...{ sameSite: undefined, maxAge: undefined, expires: undefined },
  };
  for (const item of list) {
    const { name, value } = split(item, false);
    // §5.6 step 6: "If the attribute-value is longer than 1024 octets, ignore the cookie-av".
    if (value.length <= MOST_ATTRIBUTE) readAttribute(found, name.toLowerCase(), value, parseDate);
  }
  return found;
}

function readAttribute(found: Attributes, name: string, value: string, parseDate: DateParser): void {
  switch (name) {
    case 'expires':
      found.expires = parseDate(value) ?? found.expires;
      break;
    case 'max-age':
      if (/^(?:-\d*|\d+)$/.test(value) && value !== '-') found.maxAge = Number(value);
      break;
    case 'domain':
      found.domain = value.replace(/^\./, '').toLowerCase() || undefined;
      break;
    case 'path':
      found.pathGiven = true;
      found.path = value.startsWith('/') ? value : undefined;
      break;
    case 'secure':
      found.secure = true;
      break;
    case 'httponly':
      found.httpOnly = true;
      break;
    case 'samesite':
      found.sameSite = sameSiteOf(value.toLowerCase());
      break;
    default: // §5.6: what is unknown is ignored.
  }
}

function sameSiteOf(value: string): ParsedCookie['sameSite'] {
  return value === 'strict' || value === 'lax' || value === 'none' ? value : undefined;
}

/** Whether a cookie may come from there at all. `path`: the one it gets; `hostOnly`: it is of that host alone. */
export function isAllowed(
  { name, value, secure, pathGiven }: ParsedCookie,
  { path, hostOnly }: { readonly path: string; readonly hostOnly: boolean },
  secureOrigin: boolean,
): boolean {
  // §5.7: "If the request-uri does not denote a "secure" connection … and the cookie's secure-only-flag is true, then
  // abort these steps and ignore the cookie entirely."
  if (secure && !secureOrigin) return false;
  // §5.7: "If the cookie-name begins with a case-insensitive match for the string "__Secure-" … abort … unless the
  // cookie's secure-only-flag is true". A cookie without a name whose value begins so is as good as one with it.
  const prefixed = (name || value).toLowerCase();
  if (prefixed.startsWith('__secure-')) return secure && name !== '';
  if (!prefixed.startsWith('__host-')) return true;
  return secure && name !== '' && hostOnly && pathGiven && path === '/';
}

/** When a cookie ends, on the clock of `now`; undefined: with its session. */
export function expiryOf({ maxAge, expires }: ParsedCookie, now: number): number | undefined {
  // §5.5: "If delta-seconds is less than or equal to zero, let expiry-time be the earliest representable date".
  if (maxAge !== undefined) return maxAge <= 0 ? 0 : now + Math.min(maxAge * 1_000, LONGEST_LIFE);
  return expires === undefined ? undefined : Math.min(expires, now + LONGEST_LIFE);
}

/** What of a request decides on its cookies. */
export interface CookiePlace {
  readonly secure: boolean;
  /** In lower case, without port and brackets. */
  readonly host: string;
  /** Without query. */
  readonly path: string;
}

/** Where a request goes, from what stands in its Host header. */
export function placeOf(secure: boolean, authority: string, target: string): CookiePlace {
  const end = target.search(/[?#]/);
  const path = end === -1 ? target : target.slice(0, end);
  const [, bracketed, name = ''] = /^(?:\[([^\]]*)\]|([^:]*))/.exec(authority) ?? [];
  return { secure, host: (bracketed ?? name).toLowerCase(), path: path.startsWith('/') ? path : '/' };
}

/** The Cookie header's value for these. RFC 6265bis §5.8.3. */
export function cookieString(cookies: Iterable<{ readonly key: string; readonly value: string }>): string {
  let text = '';
  for (const { key, value } of cookies) {
    if (text !== '') text += '; ';
    text += key === '' ? value : `${key}=${value}`;
  }
  return text;
}

/** Joins `cookies` to a request's fields: name, value, … What the user gives in cookie headers goes first, and a cookie
 *  of a name that is given there stays out. RFC 6265 §5.4: no more than one Cookie header field. */
export function withCookies(headers: readonly string[], cookies: string): readonly string[] {
  if (cookies === '') return headers;
  const kept: string[] = [];
  const given: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const [name = '', value = ''] = [headers[i], headers[i + 1]];
    if (name.toLowerCase() === 'cookie') given.push(value);
    else kept.push(name, value);
  }
  if (given.length === 0) return [...headers, 'cookie', cookies];
  const named = new Set(given.flatMap((value) => value.split(';')).map((pair) => split(pair, true).name));
  const added = cookies.split('; ').filter((pair) => !named.has(split(pair, true).name));
  return [...kept, 'cookie', [...given.filter((value) => value !== ''), ...added].join('; ')];
}
