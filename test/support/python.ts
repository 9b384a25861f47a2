// python — WebSocket servers made of Python's libraries, websockets and autobahn; the scripts are in test/peers.
// Used by test/websocket/real-python*.test.ts: `const server = python('websockets')` in a describe with its title.
// Invariant: both understand the same paths and orders, which acts.py knows; see real.ts for their lives.

import { fileURLToPath } from 'node:url';
import type { Feed } from './feeds.ts';
import type { PythonLibrary } from './programs.ts';
import { type Real, real } from './real.ts';

export const LIBRARIES: readonly PythonLibrary[] = ['websockets', 'autobahn'];

/** Where it listens: `deflate` takes what is asked of permessage-deflate, `strict` and `narrow` ask for more. */
export type PythonPort = 'plain' | 'tls' | 'deflate' | 'strict' | 'narrow';
const PORTS: readonly PythonPort[] = ['plain', 'tls', 'deflate', 'strict', 'narrow'];

/** What a client of the path /acts may have done. */
export type Order =
  // the numbers from `from` up to `to`, each filled up to `bytes`; every other one binary, if they are mixed
  | { act: 'numbers'; from: number; to: number; bytes: number; mixed?: boolean }
  // a ping; `ponged <data>` once its pong is there
  | { act: 'ping'; data: string }
  // a pong that nobody has asked for, then `sent`
  | { act: 'pong'; data: string }
  // the headers of the request, as JSON
  | { act: 'headers' }
  | { act: 'close'; code?: number; reason?: string }
  // the socket is reset
  | { act: 'abort' };

/** Called in a describe: the server runs while its tests do. */
export function python(library: PythonLibrary): () => Real {
  // Python is not compiled: it is where the sources are.
  const script = fileURLToPath(new URL(`../../../test/peers/${library}_peer.py`, import.meta.url));
  return real(library, ({ port }) => {
    const ports = Object.fromEntries(PORTS.map((name) => [name, port(name)]));
    // -B: it writes nothing beside the sources.
    return { args: ['-B', script, JSON.stringify(ports)] };
  });
}

/** `ws://127.0.0.1:…/path` */
export function urlOf(server: Real, path: string, port: PythonPort = 'plain'): string {
  const base = port === 'tls' ? server.secure(port) : server.plain(port);
  return `${base.replace('http', 'ws')}${path}`;
}

/** For a feed of the path /acts. */
export function order(feed: Feed, what: Order): void {
  feed.send(JSON.stringify(what));
}
