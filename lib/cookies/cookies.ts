// cookies — a jar of cookies that any number of connections share, and the `cookies` option of open() and connect().
// Made by users; open.ts hands one end of a line to the process of each connection that uses it.
// Invariant: the thread that made a jar is its home. Each thread with connections that use it holds one replica beside
// their sockets (workers/cookies.ts), which goes on without the home; what a replica changes is heard here before anything
// that its process has posted later is acted upon, if `sync` is called first. No value of a cookie is in what is shown,
// emitted or thrown. Source: gun_cookies (query, set_cookie, gc, session_gc); RFC 6265bis.

import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { MessageChannel } from 'node:worker_threads';
import type { Cookie } from 'tough-cookie';
import { integer, moduleReference, own, parseUrl } from '../checks.ts';
import { describe, OptionError } from '../errors.ts';
import { shielded } from '../listeners.ts';
import type { CookieStoreReference, SharedCookies } from '../options.ts';
import { type CookiePlace, placeOf } from '../protocol/cookies.ts';
import { CookieLine } from './cookieline.ts';
import { CookieSet, isExpired, STANDARD_LIMITS } from './cookieset.ts';
import type { CookieLimits, CookiePlacing, CookieRecord } from './cookiewire.ts';

export interface CookieJarOptions {
  /** Cookies in all; of more, the one that was used least recently goes. Default 3 000. Source: RFC 6265 §6.1. */
  maxCookies?: number | undefined;
  /** Cookies of one domain. Default 50. Source: RFC 6265 §6.1. */
  maxPerDomain?: number | undefined;
}

/** One cookie, as it is kept. Names and values are latin1, one character a byte, as all headers are. */
export interface CookieInfo {
  /** Empty for a cookie without a name. */
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  /** It goes to that host only, not to its subdomains. */
  readonly hostOnly: boolean;
  readonly path: string;
  readonly secure: boolean;
  /** Kept, and without a meaning here. */
  readonly httpOnly: boolean;
  /** Kept, and without a meaning here: there are no sites. */
  readonly sameSite: string | undefined;
  /** undefined: with its session, as `sessionGc()` ends it. */
  readonly expires: Date | undefined;
  readonly creation: Date;
}

/** What has changed in a jar: never a value. */
export interface CookieChange {
  readonly name: string;
  readonly domain: string;
  readonly path: string;
  /** There is none of that name there any more. */
  readonly removed: boolean;
}

/** A jar as JSON, as tough-cookie's own `CookieJar.fromJSON` takes it too. Values of cookies are in it. */
export interface SerializedJar {
  readonly version: string;
  readonly storeType: string;
  readonly rejectPublicSuffixes: boolean;
  readonly cookies: readonly Readonly<Record<string, unknown>>[];
}

interface Events {
  change: [changes: readonly CookieChange[]];
}

const JAR_NAMES: ReadonlySet<string> = new Set(['maxCookies', 'maxPerDomain']);

/** Cookies that connections share, whatever threads they are in: those that one receives are sent by all. It belongs to
 *  the thread that makes it, and cannot be posted; a connection keeps its jar wherever it is handed over to.
 *  @throws {OptionError} a bound is no integer from 1, or an option is unknown.
 *  @example
 *  const cookies = new CookieJar();
 *  const [a, b] = [open('https://example.com', { cookies }), open('https://example.com', { cookies })];
 *  await a.post('/login', { body }).text();
 *  await b.get('/account').text(); */
export class CookieJar extends EventEmitter<Events> implements SharedCookies {
  readonly #id: string = randomUUID();
  readonly #limits: CookieLimits;
  readonly #set: CookieSet;
  readonly #lines = new Set<CookieLine>();
  /** In this turn already. */
  #synced = false;

  constructor(options: CookieJarOptions = {}) {
    super();
    const given = own(options, JAR_NAMES, '');
    const most = (name: keyof CookieLimits) => integer(given, name, STANDARD_LIMITS[name], [1, 1_000_000]);
    this.#limits = { maxCookies: most('maxCookies'), maxPerDomain: most('maxPerDomain') };
    this.#set = new CookieSet(this.#limits);
  }

  /** Cookies in it. Those that have expired count until `gc()`. */
  get size(): number {
    this.#drain();
    return this.#set.size;
  }

  /** Takes a Set-Cookie line (latin1) as if a server at `url` had sent it. False: it changed nothing, since it is not to
   *  be kept (RFC 6265bis §5.7), or was there. Source: gun_cookies:set_cookie.
   *  @throws {OptionError} the line is no header value, or the URL none of http:, https:, ws:, wss:. */
  setCookie(line: string, url: string | URL): boolean {
    const place = checkPlace(url);
    if (typeof line !== 'string') throw new OptionError(`line must be a string, got ${typeof line}`);
    for (let i = 0; i < line.length; i++) {
      if (line.charCodeAt(i) > 0xff)
        throw new OptionError(`line must be latin1, got another character at ${i}`);
    }
    this.#drain();
    return this.#changed(this.#set.take(line, place, Date.now()));
  }

  /** The cookies that a request to `url` would carry, in their order. Source: gun_cookies:query. @throws {OptionError} */
  getCookies(url: string | URL): CookieInfo[] {
    const place = checkPlace(url);
    this.#drain();
    return this.#set.find(place, Date.now()).map(infoOf);
  }

  /** The same as the value of its Cookie header; empty when there are none. @throws {OptionError} */
  getCookieString(url: string | URL): string {
    const place = checkPlace(url);
    this.#drain();
    return this.#set.text(place, Date.now());
  }

  /** Removes all. */
  clear(): void {
    this.#drain();
    this.#changed(this.#set.removeWhere(() => true));
  }

  /** Removes those that have expired. Nobody is sent them before. Source: gun_cookies:gc. */
  gc(): void {
    const now = Date.now();
    this.#drain();
    this.#changed(this.#set.removeWhere((cookie) => isExpired(cookie, now)));
  }

  /** Ends the session: removes those that have no date of expiry. Source: gun_cookies:session_gc. */
  sessionGc(): void {
    this.#drain();
    this.#changed(this.#set.removeWhere((cookie) => cookie.expires === 'Infinity'));
  }

  /** What is there and has not expired, values included: a secret. */
  toJSON(): SerializedJar {
    const now = Date.now();
    this.#drain();
    const cookies = this.#set.cookies().filter((cookie) => !isExpired(cookie, now));
    return {
      version: `tough-cookie@${tough().version}`,
      ...{ storeType: 'CookieJar', rejectPublicSuffixes: true },
      cookies: cookies.map((cookie) => ({ ...cookie.toJSON() })),
    };
  }

  /** A jar of what `toJSON()` gave, or tough-cookie's; the text of it will do. @throws {OptionError} it is none. */
  static fromJSON(json: string | SerializedJar, options?: CookieJarOptions): CookieJar {
    const jar = new CookieJar(options);
    for (const record of recordsOf(json)) jar.#set.restore(record, Date.now());
    return jar;
  }

  // Numbers only: values of cookies are secrets. (As a method its name could not be declared.)
  static {
    const shown = (jar: CookieJar) => `CookieJar { size: ${jar.#set.size}, replicas: ${jar.#lines.size} }`;
    const value = function (this: CookieJar): string {
      return shown(this);
    };
    Object.defineProperty(CookieJar.prototype, inspect.custom, { value });
  }

  /** Hears what the replicas had said when this turn began: nothing that they say later is known here yet. @internal */
  sync(): void {
    if (this.#synced) return;
    this.#synced = true;
    // Behind this callback, and before the next one, which may bring an answer: many calls in one turn cost one.
    process.nextTick(() => {
      this.#synced = false;
    });
    this.#drain();
  }

  #drain(): void {
    for (const line of this.#lines) line.drain();
  }

  /** A line for a connection that is opened with it. @internal */
  place(): CookiePlacing {
    this.sync();
    const { port1, port2 } = new MessageChannel();
    const line = new CookieLine(port1, {
      entries: (keys) => this.#set.entries(keys),
      received: (entries, from) => {
        const { heard, own } = this.#set.merge(entries, true, Date.now());
        from.changed(own);
        this.#changed([...new Set([...heard, ...own])], from);
      },
      gone: (from) => void this.#lines.delete(from),
    });
    this.#lines.add(line);
    line.tellAll();
    return { kind: 'jar', id: this.#id, port: port2, limits: this.#limits };
  }

  /** Tells all but who said so. */
  #changed(keys: readonly string[], said?: CookieLine): boolean {
    if (keys.length === 0) return false;
    for (const line of this.#lines) if (line !== said) line.changed(keys);
    if (this.listenerCount('change') > 0) {
      const changes = this.#set.entries(keys).map(({ key, cookie }) => changeOf(key, cookie === undefined));
      shielded(() => this.emit('change', changes));
    }
    return true;
  }
}

/** What the `cookies` option asks for; a function that begins it. @throws {OptionError} @internal */
export function checkCookies(
  value: unknown,
): { readonly jar: CookieJar | undefined; place(): CookiePlacing } | undefined {
  if (value === undefined || value === false) return undefined;
  if (value === true) return { jar: undefined, place: () => ({ kind: 'own' }) };
  if (value instanceof CookieJar) return { jar: value, place: () => value.place() };
  if (typeof value !== 'object' || value === null || !('module' in value)) {
    const text = 'cookies must be true, a CookieJar or a module reference { module, export, options }';
    throw new OptionError(`${text}, got ${describe(value)}`);
  }
  const { options, ...reference } = own(value, STORE_NAMES, 'cookies');
  const { module, export: name = 'default' } = moduleReference(reference, 'cookies') ?? { module: '' };
  let cloned: unknown;
  try {
    cloned = structuredClone(options);
  } catch (cause) {
    throw new OptionError('cookies.options must be data that can be posted to a thread', { cause });
  }
  return {
    jar: undefined,
    place: () => ({ kind: 'module', module: String(module), export: name, options: cloned }),
  };
}
const STORE_NAMES: ReadonlySet<keyof CookieStoreReference> = new Set(['module', 'export', 'options']);

function checkPlace(value: unknown): CookiePlace {
  const url = value instanceof URL ? value : typeof value === 'string' ? parseUrl(value) : undefined;
  // Its value is not shown: there may be a password in it.
  if (!url)
    throw new OptionError(`url must be an absolute URL, got ${value === null ? 'null' : typeof value}`);
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol)) {
    throw new OptionError(`url must be an http:, https:, ws: or wss: URL, got ${describe(url.protocol)}`);
  }
  return placeOf(url.protocol === 'https:' || url.protocol === 'wss:', url.host, url.pathname);
}

function changeOf(key: string, removed: boolean): CookieChange {
  const [domain = '', , path = '', name = ''] = key.split('\0');
  return { name, domain, path, removed };
}

function infoOf(cookie: Cookie): CookieInfo {
  const { key: name, value, domain, hostOnly, path, secure, httpOnly, sameSite, expires, creation } = cookie;
  return {
    ...{
      name,
      value,
      domain: domain ?? '',
      hostOnly: hostOnly === true,
      path: path ?? '/',
      secure,
      httpOnly,
    },
    sameSite,
    expires: expires instanceof Date ? new Date(expires) : undefined,
    creation: new Date(creation instanceof Date ? creation : 0),
  };
}

const require = createRequire(import.meta.url);
function tough(): typeof import('tough-cookie') {
  return require('tough-cookie');
}

function recordsOf(json: unknown): Omit<CookieRecord, 'index'>[] {
  let parsed = json;
  try {
    if (typeof json === 'string') parsed = JSON.parse(json);
  } catch {
    throw new OptionError('json must be a jar as JSON'); // The cause would show some of it.
  }
  // Whatever it is: an object without `cookies` is no jar.
  const list = (parsed as { readonly cookies?: unknown } | null | undefined)?.cookies;
  if (!Array.isArray(list)) throw new OptionError('json must be a jar: an object with an array `cookies`');
  return list.map((item: unknown, i) => {
    const record = recordOf(tough().Cookie.fromJSON(item));
    if (!record) throw new OptionError(`json.cookies[${i}] must be a cookie with a domain and a path`);
    return record;
  });
}

function recordOf(cookie: Cookie | undefined): Omit<CookieRecord, 'index'> | undefined {
  const { key: name = '', value = '', domain, path, hostOnly } = cookie ?? {};
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for.
  const sound = !/[\0-\x08\x0a-\x1f;\x7f\u0100-\uffff]/.test(name + value + domain + path);
  const size = name.length + value.length;
  if (!cookie || !domain || !path?.startsWith('/') || !sound || size === 0 || size > 4_096) return undefined;
  const until = cookie.expiryTime();
  const { secure, httpOnly, sameSite, creation } = cookie;
  return {
    ...{
      name,
      value,
      domain: domain.toLowerCase(),
      path,
      hostOnly: hostOnly ?? true,
      secure,
      httpOnly,
      sameSite,
    },
    expires: until === undefined || until === Number.POSITIVE_INFINITY ? undefined : Math.max(0, until),
    creation: (creation instanceof Date && creation.getTime()) || 0,
    trusted: true,
  };
}
