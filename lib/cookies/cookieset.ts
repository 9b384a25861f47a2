// cookieset — the cookies of one thread under one jar: kept, found, bounded, and merged with those of other threads.
// Held by cookies.ts (the home of a jar) and by workers/cookies.ts (its replicas, and jars of one connection).
// Invariant: at most maxPerDomain of a domain and maxCookies in all, whatever servers send; every change has a stamp of
// its own, and of two words on one key the later stamp counts, so that sets which have heard the same hold the same.
// Source: RFC 6265bis §5.7, §5.8; RFC 6265 §6.1 (bounds). Dates, domains, paths, the public suffix list, order and
// serialisation are tough-cookie's; its jar and its memory store are not used, since they decode paths, hold a host-only
// cookie and a domain's for one, take localhost for secure, and know no bounds.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Cookie } from 'tough-cookie';
import {
  type CookiePlace,
  cookieString,
  expiryOf,
  isAllowed,
  type ParsedCookie,
  parseSetCookie,
} from '../protocol/cookies.ts';
import type { CookieEntry, CookieLimits, CookieRecord } from './cookiewire.ts';

/** RFC 6265 §6.1: "At least 50 cookies per domain", "at least 3000 cookies total". */
export const STANDARD_LIMITS: CookieLimits = { maxCookies: 3_000, maxPerDomain: 50 };
/** Keys of which it is remembered that they were removed. */
const MOST_REMOVED = 4_096;

interface Held {
  readonly key: string;
  readonly cookie: Cookie;
  readonly trusted: boolean;
  clock: number;
  writer: string;
}

type Stamp = Pick<CookieEntry, 'clock' | 'writer'>;
type Tough = typeof import('tough-cookie');

const require = createRequire(import.meta.url);

export class CookieSet {
  readonly #limits: CookieLimits;
  /** Loaded with the first set of a thread: its list of suffixes is large. */
  readonly #tough: Tough = require('tough-cookie');
  readonly #writer: string = randomUUID();
  readonly #domains = new Map<string, Map<string, Held>>();
  /** Of those that are Secure: how many have a name. */
  readonly #secureNames = new Map<string, number>();
  readonly #removed = new Map<string, Stamp>();
  #clock = 0;
  #size = 0;

  constructor(limits: CookieLimits = STANDARD_LIMITS) {
    this.#limits = limits;
  }

  /** Cookies in it, those that have expired and were not collected yet included. */
  get size(): number {
    return this.#size;
  }

  // ── cookies of servers ────────────────────────────────────────────────────────────────────────────────────

  /** A Set-Cookie line of an answer from there. Gives the keys that it changed: none if it was ignored. */
  take(line: string, place: CookiePlace, now: number): string[] {
    const parsed = parseSetCookie(line, (text) => this.#tough.parseDate(text)?.getTime());
    const record = parsed && this.#judge(parsed, place, now);
    if (!record || this.#overlays(record, now)) return [];
    const key = keyOf(record);
    const old = this.#find(record.domain, key);
    const expired = record.expires !== undefined && record.expires <= now;
    if (expired) return old ? [this.#remove(old)] : [];
    if (old && isSame(old.cookie, record)) {
      old.cookie.lastAccessed = new Date(now);
      return [];
    }
    // §5.7: "Update the creation-time of the newly-created cookie to match the creation-time of the old-cookie."
    const since = old && !isExpired(old.cookie, now) ? recordOf(old) : undefined;
    const { creation = now, index = this.#clock + 1 } = since ?? {};
    this.#put(key, { ...record, creation, index }, this.#stamp(), now);
    return [key, ...this.#bound([record.domain], now)];
  }

  /** RFC 6265bis §5.7 up to the step that looks at what is there. */
  #judge(parsed: ParsedCookie, place: CookiePlace, now: number): CookieRecord | undefined {
    const domain = this.#domainOf(parsed.domain, place.host);
    if (domain === undefined || place.host === '') return undefined;
    const hostOnly = domain === '';
    const path = parsed.path ?? this.#tough.defaultPath(place.path);
    if (!isAllowed(parsed, { path, hostOnly }, place.secure)) return undefined;
    const { name, value, secure, httpOnly, sameSite } = parsed;
    return {
      ...{ name, value, secure, httpOnly, sameSite, path, hostOnly, domain: domain || place.host },
      ...{ expires: expiryOf(parsed, now), creation: now, index: 0, trusted: place.secure },
    };
  }

  /** Empty: of the host alone; undefined: not this host's to set. */
  #domainOf(domain: string | undefined, host: string): string | undefined {
    if (domain === undefined) return '';
    // §5.7: "If the domain-attribute contains a character that is not in the range of [USASCII] characters, abort".
    if (/[\x80-\uffff]/.test(domain) || !this.#tough.domainMatch(host, domain, false)) return undefined;
    if (this.#registrable(domain) !== undefined) return domain;
    // §5.7: of a public suffix, "If the domain-attribute is identical to the canonicalized request-host: Let the
    // domain-attribute be the empty string. Otherwise: abort". An IP address has no suffix, and is the same.
    return domain === host ? '' : undefined;
  }

  /** undefined: it is a public suffix, or an address. */
  #registrable(domain: string): string | undefined {
    // Of `localhost` tough-cookie says that it is none.
    if (!domain.includes('.')) return undefined;
    return this.#tough.getPublicSuffix(domain, { allowSpecialUseDomain: true, ignoreError: true });
  }

  /** §5.7: what comes over plain HTTP must not overlay a cookie that is Secure. */
  #overlays({ name, domain, path, secure, trusted }: CookieRecord, now: number): boolean {
    if (trusted || secure || !this.#secureNames.has(name)) return false;
    const { domainMatch, pathMatch } = this.#tough;
    return [...this.#domains].some(([other, held]) => {
      const near = domain.endsWith(other) || other.endsWith(domain);
      if (!near || (!domainMatch(domain, other, false) && !domainMatch(other, domain, false))) return false;
      return [...held.values()].some(({ cookie }) => {
        const hidden = cookie.secure && cookie.key === name && pathMatch(path, cookie.path ?? '/');
        return hidden && !isExpired(cookie, now);
      });
    });
  }

  // ── cookies for a request ─────────────────────────────────────────────────────────────────────────────────

  /** Those for a request there, the longest path first, then the oldest. */
  find(place: CookiePlace, now: number): Cookie[] {
    if (this.#size === 0) return [];
    const { host, path } = place;
    const found: Held[] = [];
    for (let domain = host; domain !== ''; domain = domain.slice(domain.indexOf('.') + 1 || domain.length)) {
      const below = domain !== host;
      const held = this.#domains.get(domain);
      if (!held || (below && !this.#tough.domainMatch(host, domain, false))) continue;
      for (const one of held.values()) {
        const { cookie } = one;
        if ((below && cookie.hostOnly) || !isLive(cookie, place.secure, now)) continue;
        if (this.#tough.pathMatch(path, cookie.path ?? '/')) found.push(one);
      }
    }
    const used = new Date(now);
    for (const { cookie } of found) cookie.lastAccessed = used;
    // Two threads may have set two at one time: all are to send them in one order.
    const order = (a: Held, b: Held): number =>
      this.#tough.cookieCompare(a.cookie, b.cookie) || (a.key < b.key ? -1 : 1);
    if (found.length > 1) found.sort(order);
    return found.map(({ cookie }) => cookie);
  }

  /** The same as a Cookie header has it; empty: there are none. */
  text(place: CookiePlace, now: number): string {
    return this.#size === 0 ? '' : cookieString(this.find(place, now));
  }

  // ── all of them ───────────────────────────────────────────────────────────────────────────────────────────

  /** Removes those that `which` says. Gives their keys. */
  removeWhere(which: (cookie: Cookie) => boolean): string[] {
    return this.#all()
      .filter(({ cookie }) => which(cookie))
      .map((held) => this.#remove(held));
  }

  /** The oldest first. */
  cookies(): Cookie[] {
    const cookies = this.#all().map(({ cookie }) => cookie);
    return cookies.sort((a, b) => creationOf(a) - creationOf(b) || a.creationIndex - b.creationIndex);
  }

  /** One that was kept elsewhere. */
  restore(record: Omit<CookieRecord, 'index'>, now: number): string[] {
    const key = keyOf(record);
    this.#put(key, { ...record, index: this.#clock + 1 }, this.#stamp(), now);
    return [key, ...this.#bound([record.domain], now)];
  }

  // ── with other threads ────────────────────────────────────────────────────────────────────────────────────

  /** What there is under these keys, or under all. */
  entries(keys: Iterable<string> = this.#keys()): CookieEntry[] {
    const entries: CookieEntry[] = [];
    for (const key of keys) {
      const held = this.#find(domainIn(key), key);
      const { clock, writer } = held ?? this.#removed.get(key) ?? {};
      if (clock === undefined || writer === undefined) continue;
      entries.push({ key, clock, writer, cookie: held && recordOf(held) });
    }
    return entries;
  }

  #keys(): string[] {
    return [...this.#removed.keys(), ...this.#all().map(({ key }) => key)];
  }

  /** Takes in what another thread has. `heard`: keys that are as it says now; `own`: keys that are as we say, which it is
   *  to hear. `judges`: two threads may both have done what was right for what each of them held, and one decides. */
  merge(
    entries: readonly CookieEntry[],
    judges: boolean,
    now: number,
  ): { readonly heard: string[]; readonly own: string[] } {
    const heard: string[] = [];
    const own: string[] = [];
    for (const entry of entries) {
      const { key, cookie, clock } = entry;
      this.#clock = Math.max(this.#clock, clock);
      const old = this.#find(domainIn(key), key);
      if (!isLater(entry, old ?? this.#removed.get(key))) continue;
      if (judges && cookie && this.#overlays(cookie, now)) {
        if (old) Object.assign(old, this.#stamp());
        else this.#forget(key, this.#stamp());
        own.push(key);
        continue;
      }
      if (cookie) this.#put(key, cookie, entry, now);
      else {
        if (old) this.#drop(old);
        this.#forget(key, entry);
      }
      heard.push(key);
    }
    own.push(...this.#bound(new Set(heard.map(domainIn)), now));
    return { heard, own };
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────

  #stamp(): Stamp {
    return { clock: ++this.#clock, writer: this.#writer };
  }

  #all(): Held[] {
    return [...this.#domains.values()].flatMap((held) => [...held.values()]);
  }

  #find(domain: string, key: string): Held | undefined {
    return this.#domains.get(domain)?.get(key);
  }

  #put(key: string, record: CookieRecord, { clock, writer }: Stamp, now: number): void {
    const { domain, trusted } = record;
    const old = this.#find(domain, key);
    if (old) this.#drop(old);
    const held = this.#domains.get(domain) ?? new Map<string, Held>();
    this.#domains.set(domain, held);
    const cookie = this.#cookie(record, now);
    held.set(key, { key, cookie, trusted, clock, writer });
    this.#size++;
    this.#countSecure(cookie, 1);
    this.#removed.delete(key);
  }

  #countSecure({ secure, key: name }: Cookie, add: 1 | -1): void {
    if (!secure) return;
    const count = (this.#secureNames.get(name) ?? 0) + add;
    if (count > 0) this.#secureNames.set(name, count);
    else this.#secureNames.delete(name);
  }

  #cookie(record: CookieRecord, now: number): Cookie {
    const { name, expires, creation, index, trusted, ...rest } = record;
    const cookie = new this.#tough.Cookie({
      ...{ ...rest, key: name, creation: new Date(creation), lastAccessed: new Date(now) },
      expires: expires === undefined ? 'Infinity' : new Date(expires),
    });
    cookie.creationIndex = index;
    return cookie;
  }

  #remove(held: Held): string {
    this.#drop(held);
    this.#forget(held.key, this.#stamp());
    return held.key;
  }

  #drop({ key, cookie }: Held): void {
    const domain = domainIn(key);
    const held = this.#domains.get(domain);
    if (!held?.delete(key)) return;
    this.#size--;
    this.#countSecure(cookie, -1);
    if (held.size === 0) this.#domains.delete(domain);
  }

  #forget(key: string, { clock, writer }: Stamp): void {
    this.#removed.delete(key);
    this.#removed.set(key, { clock, writer });
    if (this.#removed.size <= MOST_REMOVED) return;
    // Many at once: a Map's first key costs a walk over those that were deleted before it.
    for (const oldest of this.#removed.keys()) {
      if (this.#removed.size <= MOST_REMOVED / 2) return;
      this.#removed.delete(oldest);
    }
  }

  /** RFC 6265bis §5.7: expired ones go first, then those of domains that have too many, not Secure before Secure; of
   *  equals the one that was used least recently. */
  #bound(domains: Iterable<string>, now: number): string[] {
    const { maxCookies, maxPerDomain } = this.#limits;
    const gone: string[] = [];
    for (const domain of domains) {
      const held = this.#domains.get(domain);
      if (held && held.size > maxPerDomain) gone.push(...this.#evict([...held.values()], maxPerDomain, now));
    }
    if (this.#size > maxCookies) gone.push(...this.#evict(this.#all(), maxCookies, now));
    return gone;
  }

  #evict(held: Held[], most: number, now: number): string[] {
    const rank = ({ cookie }: Held): number => (isExpired(cookie, now) ? 0 : cookie.secure ? 2 : 1);
    held.sort((a, b) => rank(a) - rank(b) || usedAt(a) - usedAt(b) || a.clock - b.clock);
    return held.slice(0, held.length - most).map((one) => this.#remove(one));
  }
}

/** No control character is in any part, so it cannot be mistaken. */
function keyOf({ domain, hostOnly, path, name }: Omit<CookieRecord, 'index'>): string {
  return `${domain}\0${hostOnly ? '' : '.'}\0${path}\0${name}`;
}

function domainIn(key: string): string {
  return key.slice(0, key.indexOf('\0'));
}

function isLater(entry: Stamp, than: Stamp | undefined): boolean {
  if (!than || entry.clock !== than.clock) return !than || entry.clock > than.clock;
  return entry.writer > than.writer;
}

export function isExpired({ expires }: Cookie, now: number): boolean {
  return expires instanceof Date && expires.getTime() <= now;
}

function isLive(cookie: Cookie, secure: boolean, now: number): boolean {
  return (secure || !cookie.secure) && !isExpired(cookie, now);
}

function usedAt({ cookie: { lastAccessed } }: Held): number {
  return lastAccessed instanceof Date ? lastAccessed.getTime() : 0;
}

function isSame(cookie: Cookie, { value, secure, httpOnly, sameSite, expires }: CookieRecord): boolean {
  const until = cookie.expires instanceof Date ? cookie.expires.getTime() : undefined;
  const same = cookie.value === value && cookie.secure === secure && cookie.httpOnly === httpOnly;
  return same && cookie.sameSite === sameSite && until === expires;
}

function recordOf({ cookie, trusted }: Held): CookieRecord {
  const { key: name, value, domain, hostOnly, path, secure, httpOnly, sameSite } = cookie;
  return {
    ...{ name, value, domain: domain ?? '', hostOnly: hostOnly === true, path: path ?? '/' },
    ...{ secure, httpOnly, sameSite, trusted, index: cookie.creationIndex },
    expires: cookie.expires instanceof Date ? cookie.expires.getTime() : undefined,
    creation: creationOf(cookie),
  };
}

function creationOf({ creation }: Cookie): number {
  return creation instanceof Date ? creation.getTime() : 0;
}
