// road-server — a process of its own with all that stands between this machine and a numbered feed: a proxy of CONNECT, a
// proxy of SOCKS5 behind it, and TLS before the feed itself, which speaks none.
// Forked by storm-road.ts, which tells it the feed's port; tells its own. `restart`: both proxies are closed with all
// that they carry, and listen again where they did. It leaves when its parent does.
// Invariant: bytes go through unchanged, no faster than their reader takes them.

import { certificates } from './certificates.ts';
import { connectProxy } from './connect-proxy.ts';
import { peer } from './peers.ts';
import type { ProxyPeer } from './proxying.ts';
import { Relays } from './relay.ts';
import { socksProxy } from './socks-proxy.ts';

/** What it tells. */
export interface RoadPorts {
  readonly http: number;
  readonly socks: number;
  readonly tls: number;
  readonly ca: string;
}

const feed = Number(process.argv[2]);
const relays = new Relays();
const secure = await peer(
  async (socket) => {
    socket.setNoDelay(true);
    relays.join(socket, await relays.dial('127.0.0.1', feed));
  },
  { secure: true, halfOpen: true },
);
let http: ProxyPeer = await connectProxy();
let socks: ProxyPeer = await socksProxy();

const { ca } = await certificates();

function tell(): void {
  process.send?.({ http: http.port, socks: socks.port, tls: secure.port, ca } satisfies RoadPorts);
}

process.on('disconnect', () => process.exit());
process.on('message', async () => {
  await Promise.all([http.close(), socks.close()]);
  http = await connectProxy({ port: http.port });
  socks = await socksProxy({ port: socks.port });
  tell();
});
tell();
