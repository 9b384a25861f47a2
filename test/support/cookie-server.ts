// cookie-server — a server that says just the Set-Cookie lines a test wants, byte by byte, and keeps what it was sent.
// Used by test/cookies: `const server = await keep(cookieServer('h2')); server.say(['a=1']);`, and the next request is
// answered with that. On HTTP/1.1 and HTTP/2, in clear or over TLS, for any host name (RESOLVED).
// Invariant: nothing of a line is checked or encoded on its way out: a control character is sent as it is.
// Source: the web platform tests' cookie.py, and Gun's cookie_set_h and cookie_echo_h.

import type { OpenOptions } from '../../lib/index.ts';
import type { Speaks } from './cowboy.ts';
import * as h2 from './h2frames.ts';
import { h2origin } from './h2origin.ts';
import { type Head, origin, type Talk } from './origin.ts';
import type { Peer } from './peers.ts';

/** What one request is answered with. */
export interface Said {
  readonly lines: readonly string[];
  /** Lines of an interim answer (103) before it. */
  readonly early?: readonly string[] | undefined;
  readonly status?: number | undefined;
}

export interface Asked {
  readonly path: string;
  readonly authority: string;
  /** undefined: there was no such field. */
  readonly cookie: string | undefined;
  /** Which connection it came on, from 1. */
  readonly talk: number;
}

export interface CookieServer extends Peer {
  readonly speaks: Speaks;
  readonly secure: boolean;
  /** What `open()` needs: the protocol, and that any name leads here. */
  readonly options: OpenOptions;
  /** Requests so far. */
  readonly asked: readonly Asked[];
  /** `http://host:port` */
  at(host?: string): string;
  /** The next request that nothing was said for is answered so. Others have no cookies. */
  say(lines: readonly string[], more?: Omit<Said, 'lines'>): void;
  /** Drops all connections. */
  drop(): void;
}

/** Any name is 127.0.0.1. */
export const RESOLVED = {
  module: `data:text/javascript,${encodeURIComponent(
    `export default (host, options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]);`,
  )}`,
};

/** Starts one. */
export async function cookieServer(speaks: Speaks): Promise<CookieServer> {
  const secure = speaks === 'https' || speaks === 'h2';
  const two = speaks === 'h2c' || speaks === 'h2';
  const said: Said[] = [];
  const asked: Asked[] = [];
  const sockets = new Set<{ destroy(): unknown }>();
  const answer = (request: Asked): Said => {
    asked.push(request);
    return said.shift() ?? { lines: [] };
  };
  const served = two
    ? await h2origin(
        async (talk) => {
          sockets.add(talk.socket);
          for (;;) {
            const { stream, fields, path } = await talk.request();
            const { [':authority']: authority = '', cookie } = fields;
            const { lines, early, status = 200 } = answer({ path, authority, cookie, talk: talk.number });
            // RFC 9113 §8.2.1: a value "MUST NOT start or end with an ASCII whitespace character"; HTTP/1 trims it.
            const trim = (line: string) => line.replace(/^[\t ]+|[\t ]+$/g, '');
            const pairs = (list: readonly string[]) =>
              list.map((line) => ['set-cookie', trim(line)] as const);
            if (early) talk.send(h2.headers(stream, [[':status', 103], ...pairs(early)], { fin: false }));
            talk.answer(stream, status, '', { fields: pairs(lines) });
          }
        },
        { secure },
      )
    : await origin(
        async (talk) => {
          sockets.add(talk.socket);
          for (;;) await speak(talk, await talk.request(), answer);
        },
        { secure },
      );
  const more = {
    speaks,
    secure,
    options: {
      ...(secure && { tls: { rejectUnauthorized: false } }),
      protocols: [two ? ('http2' as const) : ('http' as const)],
      lookup: RESOLVED,
      ...{ retry: Number.POSITIVE_INFINITY, retryTimeout: 0 },
    },
    asked,
    at: (host = 'localhost') => `http${secure ? 's' : ''}://${host}:${served.port}`,
    say: (lines: readonly string[], rest: Omit<Said, 'lines'> = {}) => void said.push({ lines, ...rest }),
    drop: () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
  };
  return Object.defineProperties({} as CookieServer, {
    ...Object.getOwnPropertyDescriptors(served),
    ...Object.getOwnPropertyDescriptors(more),
  });
}

async function speak(talk: Talk, head: Head, answer: (request: Asked) => Said): Promise<void> {
  const { path, headers } = head;
  const { host: authority = '', cookie } = headers;
  const { lines, early, status = 200 } = answer({ path, authority, cookie, talk: talk.number });
  const fields = (list: readonly string[]) => list.map((line) => `set-cookie: ${line}\r\n`).join('');
  const interim = early ? `HTTP/1.1 103 Early Hints\r\n${fields(early)}\r\n` : '';
  await talk.write(`${interim}HTTP/1.1 ${status} OK\r\n${fields(lines)}content-length: 0\r\n\r\n`);
}
