// tunnelstorm-land — what a storm of tunnels goes through and to: proxies of the six kinds and servers of the six kinds,
// each of which may drop all that it carries, and proxies may refuse for a while.
// Used by tunnelstorm.ts. Servers of HTTP answer `/bytes/N`, POST, and send numbers on each WebSocket until it ends; raw
// ones send back what they are sent.
// TLS stands before servers of HTTP/2, and not within them: node:http2 on a TLS socket that is destroyed while it writes
// may not notice (the socket stays), or end the whole process (node_http2.cc, ConsumeHTTP2Data: stream_buf_.base).
// Invariant: close() leaves no socket; `alive` counts those that are open, of clients and of tunnels.

import type * as net from 'node:net';
import { type WebSocket, WebSocket as Ws } from 'ws';
import { certificates } from './certificates.ts';
import { connectProxy } from './connect-proxy.ts';
import { connect2Proxy } from './connect2-proxy.ts';
import { type Peer, peer } from './peers.ts';
import { isSecure, isSocks, isTwo } from './proxies.ts';
import { Relays } from './relay.ts';
import { socksProxy } from './socks-proxy.ts';
import { ORIGIN_KINDS, type OriginKind, PROXY_KINDS, type ProxyKind } from './tunnel-names.ts';
import type { Place } from './tunnels.ts';
import { upgrading } from './upgrading.ts';

/** A proxy, or a server. */
export interface Spot extends Place {
  /** Breaks off all that it carries, and listens on. */
  drop(): void;
  /** Says no until told otherwise. */
  refuse?(refuses: boolean): void;
}

/** What is open there. */
interface Manned extends Spot {
  readonly peers: readonly (Pick<Peer, 'open' | 'close'> & { readonly tunnels?: number })[];
}

export interface Land {
  readonly proxies: readonly (Spot & { readonly kind: ProxyKind })[];
  readonly origins: readonly (Spot & { readonly kind: OriginKind })[];
  /** What is open, in words; none: ''. */
  readonly alive: string;
  close(): Promise<void>;
}

/** Messages in one go; the next goes when this has left. */
const BURST = 64;

/** `each`: how many proxies of a kind. */
export async function land(each: number): Promise<Land> {
  const proxies: (Manned & { kind: ProxyKind })[] = [];
  for (const kind of PROXY_KINDS) for (let i = 0; i < each; i++) proxies.push(await proxySpot(kind));
  const origins: (Manned & { kind: OriginKind })[] = [];
  for (const kind of ORIGIN_KINDS)
    origins.push(await (kind === 'raw' || kind === 'rawtls' ? rawSpot(kind) : httpSpot(kind)));
  return {
    proxies,
    origins,
    get alive() {
      const here = [...proxies, ...origins].map(({ kind, peers }) => {
        const [open, tunnels] = [
          sum(peers.map((one) => one.open)),
          sum(peers.map((one) => one.tunnels ?? 0)),
        ];
        return open + tunnels === 0 ? '' : `${kind}: ${open} sockets, ${tunnels} tunnels`;
      });
      return here.filter(Boolean).join('; ');
    },
    async close() {
      await Promise.all([...proxies, ...origins].flatMap(({ peers }) => peers.map((one) => one.close())));
    },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

/** TLS before a server of HTTP/2. */
async function secured(inner: Peer): Promise<{ front: Peer; drop(): void }> {
  const relays = new Relays();
  const { localhost } = await certificates();
  const front = await peer(
    async (socket) => relays.join(socket.setNoDelay(true), await relays.dial('127.0.0.1', inner.port)),
    { secure: { ...localhost, ALPNProtocols: ['h2'] }, halfOpen: true },
  );
  return { front, drop: () => relays.close() };
}

async function proxySpot(kind: ProxyKind): Promise<Manned & { kind: ProxyKind }> {
  const secure = isSecure(kind) && !isTwo(kind);
  // Looked at anew for each tunnel that is asked for.
  const options: { secure: boolean; status?: number; reply?: number } = { secure };
  const make = isSocks(kind) ? socksProxy : isTwo(kind) ? connect2Proxy : connectProxy;
  const proxy = await make(options);
  const refuse = (refuses: boolean): void =>
    void Object.assign(options, { status: refuses ? 503 : 200, reply: refuses ? 1 : 0 });
  const { host, port, ca } = proxy;
  if (kind !== 'h2') return { kind, host, port, ca, peers: [proxy], drop: () => proxy.drop(), refuse };
  const { front, drop } = await secured(proxy);
  return { kind, host: 'localhost', port: front.port, ca, peers: [front, proxy], drop, refuse };
}

async function rawSpot(kind: OriginKind): Promise<Manned & { kind: OriginKind }> {
  const sockets = new Set<net.Socket>();
  const served = await peer(
    (socket) => {
      sockets.add(socket.setNoDelay(true));
      socket.on('close', () => sockets.delete(socket));
      socket.pipe(socket);
    },
    { secure: kind === 'rawtls', halfOpen: true },
  );
  const { ca } = await certificates();
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const host = kind === 'rawtls' ? 'localhost' : '127.0.0.1';
  return { kind, host, port: served.port, ca, peers: [served], drop };
}

async function httpSpot(kind: OriginKind): Promise<Manned & { kind: OriginKind }> {
  const feeds = new Set<WebSocket>();
  const session = (socket: WebSocket): void => {
    feeds.add(socket);
    socket.on('close', () => feeds.delete(socket)).on('message', () => {});
    count(socket);
  };
  const secure = kind === 'https';
  const served = await upgrading(isTwo(kind) ? 'HTTP/2' : 'HTTP/1.1', { secure, session });
  const drop = (): void => {
    for (const feed of feeds) feed.terminate();
    for (const one of served.http2) one.destroy();
  };
  const { ca, port } = served;
  const host = isSecure(kind) ? 'localhost' : '127.0.0.1';
  if (kind !== 'h2') return { kind, host, port, ca, peers: [served], drop };
  const { front, drop: dropAll } = await secured(served);
  return { kind, host, port: front.port, ca, peers: [front, served], drop: dropAll };
}

/** Numbers from 0 on, no faster than they are taken. */
function count(socket: WebSocket): void {
  let next = 0;
  const more = (): void => {
    if (socket.readyState !== Ws.OPEN) return;
    for (let i = 1; i < BURST; i++) socket.send(String(next++));
    socket.send(String(next++), () => setImmediate(more));
  };
  more();
}
