// socks-ways — the three ways to a SOCKS server: the `proxy` option, `protocols` as Gun has it, and connection.connect().
// Used by test/tunnels/socks-*.test.ts: each test runs on all of them.
// Invariant: all lead from the same thread to the same server, with the same user name and password.

import type { Connection, OpenOptions, Stream } from '../../lib/index.ts';
import type { Destination } from '../../lib/options.ts';
import { connectProxy } from './connect-proxy.ts';
import type { Feeds } from './feeds.ts';
import type { Login } from './hostile-socks.ts';
import type { Origin } from './origin.ts';

export const LOGIN: Login = { username: 'joe', password: 'hush' };
export const FAR: Far = { host: 'far.example', port: 80 };

type Far = Pick<Destination, 'host' | 'port' | 'protocols'>;

/** What is at the other end of one of them. */
export interface Through {
  readonly connection: Connection;
  /** The text of an answer from there. */
  get(path: string): Promise<string>;
  /** The bytes there, where raw is spoken. */
  raw(): Stream<Connection>;
  /** Resolves with what made it fail. */
  failure(): Promise<unknown>;
}

export interface WayOptions {
  readonly open?: OpenOptions | undefined;
  readonly login?: Login | undefined;
  readonly to?: Far | undefined;
}

export interface Way {
  readonly name: string;
  /** The connection is lost with a failure, and what waits goes by its retries. */
  readonly own: boolean;
  through(kit: Feeds, server: Origin, options?: WayOptions): Promise<Through>;
}

export const WAYS: readonly Way[] = [
  {
    name: 'proxy',
    own: true,
    through: async ({ open }, server, { open: options, login = LOGIN, to = FAR } = {}) => {
      const user = `${encodeURIComponent(login.username)}:${encodeURIComponent(login.password)}`;
      const proxy = `socks5://${user}@127.0.0.1:${portOf(server)}`;
      const { host, port, protocols } = to;
      return ownRoad(open({ host, port }, { proxy, ...(protocols ? { protocols } : {}), ...options }));
    },
  },
  {
    name: 'protocols',
    own: true,
    through: async ({ open }, server, { open: options, login = LOGIN, to = FAR } = {}) => {
      return ownRoad(open(server.url, { protocols: [{ name: 'socks', auth: login, ...to }], ...options }));
    },
  },
  {
    name: 'connect()',
    own: false,
    through: async (kit, server, { open: options, login = LOGIN, to = FAR } = {}) => {
      const first = await kit.keep(connectProxy());
      const connection = kit.open(first.url, options);
      const protocols = [{ name: 'socks', auth: login, ...to }] as const;
      const tunnel = connection.connect({ host: '127.0.0.1', port: portOf(server), protocols });
      const failure = (): Promise<unknown> => tunnel.established().catch((error: unknown) => error);
      const get = (path: string): Promise<string> => connection.get(path, { tunnel }).text();
      return { connection, get, raw: () => tunnel, failure };
    },
  },
];

function ownRoad(connection: Connection): Through {
  const failure = (): Promise<unknown> =>
    connection
      .get('/')
      .text()
      .catch((error: unknown) => error);
  const get = (path: string): Promise<string> => connection.get(path).text();
  return { connection, get, raw: () => connection.raw(), failure };
}

export function portOf(server: Origin): number {
  return Number(new URL(server.url).port);
}

/** How errors name it. */
export function hopOf(server: Origin): string {
  return `socks5://127.0.0.1:${portOf(server)}`;
}

/** The bytes of a stream up to a line's end. */
export async function untilLine(connection: Connection, stream: Stream<Connection>): Promise<string> {
  let text = '';
  while (!text.endsWith('\n')) {
    const notice = await connection.await(stream);
    if (notice.type === 'data') text += Buffer.from(notice.data).toString('latin1');
  }
  return text;
}
