// linkcookies — the cookies of one link: the Cookie field of what it asks, and the Set-Cookie fields of its answers.
// Made by link.ts for the end of its road, so that what goes through a tunnel has the cookies of the tunnel's far end; used
// by the drivers where heads are laid out and read.
// Invariant: CONNECT asks a proxy, and has nothing to do with cookies, nor have bytes that are no HTTP. A Host header of
// the user's says which host is meant, as it does to the server. Source: gun_cookies:add_cookie_header,
// set_cookie_header; RFC 6265bis §5.6, §5.8.3.

import { mergeHeaders } from '../../lib/checks.ts';
import type { HttpSettings, RequestSettings } from '../../lib/httpwire.ts';
import { placeOf, withCookies } from '../../lib/protocol/cookies.ts';
import type { Settings, WsSettings } from '../../lib/wire.ts';
import type { CookieSource } from './cookies.ts';

/** What of a link's settings decides on its cookies. */
export interface LinkOrigin extends Pick<Settings, 'tls' | 'authority'> {
  readonly http: Pick<HttpSettings, 'headers' | 'cookieIgnoreInformational'>;
}

export class LinkCookies {
  readonly #source: CookieSource;
  readonly #secure: boolean;
  readonly #authority: string;
  readonly #http: LinkOrigin['http'];
  readonly #guard: (run: () => void) => void;

  /** `guard`: runs what may throw, to the end of the connection. */
  constructor(source: CookieSource, { tls, authority, http }: LinkOrigin, guard: (run: () => void) => void) {
    this.#guard = guard;
    this.#source = source;
    this.#secure = tls !== undefined;
    this.#authority = authority;
    this.#http = http;
  }

  /** A request, as it is sent. @throws {OptionError} a store of the user's is at fault. */
  request(request: RequestSettings): RequestSettings {
    if (request.method === 'CONNECT') return request;
    const all = mergeHeaders(this.#http.headers, request.headers);
    const headers = this.#added(all, request.path);
    return headers === all ? request : { ...request, headers };
  }

  /** An upgrade, as it is sent. @throws as `request`. */
  upgrade(ws: WsSettings): WsSettings {
    const headers = this.#added(ws.headers, ws.path);
    return headers === ws.headers ? ws : { ...ws, headers };
  }

  /** The head of an answer, final or interim. */
  answered({ method, path, headers }: RequestSettings, status: number, rawHeaders: readonly string[]): void {
    if (method === 'CONNECT') return;
    if (status < 200 && status !== 101 && this.#http.cookieIgnoreInformational) return;
    this.#take(rawHeaders, path, () => hostIn(headers) ?? hostIn(this.#http.headers));
  }

  /** The head of an answer to an upgrade. */
  upgraded(ws: WsSettings, status: number, rawHeaders: readonly string[]): void {
    if (status < 200 && status !== 101 && this.#http.cookieIgnoreInformational) return;
    this.#take(rawHeaders, ws.path, () => hostIn(ws.headers));
  }

  #added(headers: readonly string[], path: string): readonly string[] {
    const authority = hostIn(headers) ?? this.#authority;
    const text = this.#source.text(placeOf(this.#secure, authority, path), this.#url(authority, path));
    return withCookies(headers, text);
  }

  #take(rawHeaders: readonly string[], path: string, host: () => string | undefined): void {
    let authority: string | undefined;
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]];
      if (name.length !== 10 || name.toLowerCase() !== 'set-cookie') continue;
      authority ??= host() ?? this.#authority;
      const place = placeOf(this.#secure, authority, path);
      const url = this.#url(authority, path);
      this.#guard(() => this.#source.take(value, place, url));
    }
  }

  #url(authority: string, path: string): string {
    return `${this.#secure ? 'https' : 'http'}://${authority}${path.startsWith('/') ? path : '/'}`;
  }
}

function hostIn(headers: readonly string[]): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.length === 4 && headers[i]?.toLowerCase() === 'host') return headers[i + 1];
  }
  return undefined;
}
