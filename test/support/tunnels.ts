// tunnels — roads through proxies as the tests of tunnels walk them: where each place is, how gunport is told to go there,
// and what it must say of the way afterwards.
// `const { connection, tunnels } = walk(open, [proxy1, proxy2, server])`; then requests with `through(tunnels)`.
// Invariant: CONNECT proxies are asked one by one (`connect(…, { tunnel })`), SOCKS servers are part of the protocols of
// the place before; exactly as Gun's tunnel_SUITE does it.

import { expect } from 'chai';
import type { Connection, Intermediary, OpenOptions, Stream } from '../../lib/index.ts';
import type { Destination, ProxyEndpoint } from '../../lib/options.ts';
import { certificates } from './certificates.ts';
import type { Feeds } from './feeds.ts';
import { type Peer, peer } from './peers.ts';
import { isSecure, isSocks, isTwo } from './proxies.ts';
import type { OriginKind, ProxyKind } from './tunnel-names.ts';
import { type Upgrading, upgrading } from './upgrading.ts';

/** A proxy, or where the road ends. */
export interface Place {
  readonly kind: ProxyKind | OriginKind;
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly ca: string;
  /** Whom a SOCKS server is told that we are. */
  readonly auth?: { readonly username: string; readonly password: string } | undefined;
}

export interface Server extends Peer, Place {
  readonly kind: OriginKind;
  /** What HTTP was asked for; nothing of raw. */
  readonly asked: Upgrading['asked'];
  /** Ends the answers to /hold. */
  release(): void;
}

/** A server of a kind: HTTP answers `hello /path` to everything and echoes WebSockets, raw echoes bytes. */
export async function serverOf(kind: OriginKind): Promise<Server> {
  const secure = isSecure(kind);
  const host = secure ? 'localhost' : '127.0.0.1';
  if (kind === 'raw' || kind === 'rawtls') {
    const served = await peer((socket) => socket.pipe(socket), { secure, halfOpen: true });
    return Object.assign(served, { kind, host, ca: (await certificates()).ca, asked: [], release: () => {} });
  }
  const served = await upgrading(isTwo(kind) ? 'HTTP/2' : 'HTTP/1.1', { secure });
  return Object.assign(served, { kind, host });
}

/** What is spoken at a place. */
export function spokenAt({ kind }: Pick<Place, 'kind'>): 'http' | 'http2' | 'raw' | 'socks' {
  if (isSocks(kind)) return 'socks';
  if (kind === 'raw' || kind === 'rawtls') return 'raw';
  return isTwo(kind) ? 'http2' : 'http';
}

export function transportOf({ kind }: Pick<Place, 'kind'>): 'tcp' | 'tls' {
  return isSecure(kind) ? 'tls' : 'tcp';
}

/** As `info()` and notices name a place. */
export function originOf(place: Place): string {
  const spoken = spokenAt(place);
  const secure = isSecure(place.kind);
  const scheme =
    spoken === 'socks' ? 'socks5' : spoken === 'raw' ? transportOf(place) : secure ? 'https' : 'http';
  return `${scheme}://${place.host}:${place.port}`;
}

/** As `info()` and `streamInfo()` name a proxy on the way. */
export function intermediary(proxy: Place): Intermediary {
  const spoken = spokenAt(proxy);
  return {
    type: spoken === 'socks' ? 'socks5' : 'connect',
    host: proxy.host,
    port: proxy.port,
    transport: transportOf(proxy),
    protocol: spoken === 'raw' ? 'http' : spoken,
  };
}

/** The first of these places as a destination; with SOCKS servers, what they lead to. `rest`: what is beyond. */
export function leading([first, ...rest]: readonly Place[]): {
  readonly to: Destination;
  readonly far: Place;
  readonly rest: readonly Place[];
} {
  if (!first) throw new Error('the road leads nowhere');
  const transport = transportOf(first);
  const at = {
    host: first.host,
    port: first.port,
    transport,
    ...(transport === 'tls' && { tls: { ca: first.ca } }),
  };
  const spoken = spokenAt(first);
  if (spoken !== 'socks') return { to: { ...at, protocols: [spoken] }, far: first, rest };
  const behind = leading(rest);
  const { auth } = first;
  const socks = { name: 'socks' as const, ...(auth && { auth }), ...behind.to };
  return { to: { ...at, protocols: [socks] }, far: behind.far, rest: behind.rest };
}

/** A connection, and the tunnels on it, one in another. */
export interface Walked {
  readonly connection: Connection;
  readonly tunnels: readonly Stream<Connection>[];
}

/** Opens the way to the last of these places. */
export function walk(open: Feeds['open'], places: readonly Place[], options: OpenOptions = {}): Walked {
  let { to, rest } = leading(places);
  const { host, port, transport, ...more } = to;
  const connection = open({ host, port, transport }, { retry: 0, ...more, ...options });
  const tunnels: Stream<Connection>[] = [];
  while (rest.length > 0) {
    ({ to, rest } = leading(rest));
    tunnels.push(connection.connect(to, through(tunnels)));
  }
  return { connection, tunnels };
}

/** Options of what goes through the last of them. */
export function through(tunnels: readonly Stream<Connection>[]): { tunnel?: Stream<Connection> } {
  const tunnel = tunnels.at(-1);
  return tunnel ? { tunnel } : {};
}

/** As the `proxy` option has it. */
export function proxyOption(proxy: Place): ProxyEndpoint {
  const { kind, host, port, ca, auth } = proxy;
  const user = auth ? `${auth.username}:${auth.password}@` : '';
  const scheme = isSocks(kind) ? 'socks5' : isSecure(kind) ? 'https' : 'http';
  return {
    url: `${scheme}://${user}${host}:${port}`,
    ...(isSecure(kind) && { tls: { ca } }),
    ...(!isSocks(kind) && { protocols: [isTwo(kind) ? ('http2' as const) : ('http' as const)] }),
  };
}

/** `response fin 200`, then `tunnelUp` for each SOCKS server at its end, and for its far end. */
export async function expectTunnelUp(
  connection: Connection,
  tunnel: Stream<Connection>,
  places: readonly Place[],
): Promise<void> {
  expect(await connection.await(tunnel)).to.include({ type: 'response', fin: true, status: 200 });
  for (const place of places) {
    const up = { type: 'tunnelUp', protocol: spokenAt(place), origin: originOf(place) };
    expect(await connection.await(tunnel)).to.deep.equal(up);
  }
}

/** Bytes to a raw stream, and the same bytes back. */
export async function expectEcho(
  connection: Connection,
  raw: Stream<Connection>,
  text: string,
): Promise<void> {
  raw.data('nofin', text);
  let came = '';
  while (came.length < text.length) {
    const notice = await connection.await(raw);
    if (notice.type !== 'data') throw new Error(`a notice of type ${notice.type} came`);
    came += Buffer.from(notice.data).toString('latin1');
  }
  expect(came).to.equal(text);
}

/** The next part of a raw stream. */
export async function part(connection: Connection, stream: Stream<Connection>): Promise<string> {
  const notice = await connection.await(stream);
  if (notice.type !== 'data') throw new Error(`a notice of type ${notice.type} came`);
  return Buffer.from(notice.data).toString('latin1');
}
