// proxies — the six kinds of proxies that the tests of tunnels go through.
// `const proxy = await keep(proxyOf('https'))`; how gunport is told to go through it is in tunnels.ts.
// Invariant: each leads wherever its client says, so that they stand one behind another in any order.
// Source: the proxies of Gun's tunnel_SUITE.

import { connectProxy } from './connect-proxy.ts';
import { connect2Proxy } from './connect2-proxy.ts';
import type { ProxyPeer } from './proxying.ts';
import { socksProxy } from './socks-proxy.ts';
import type { ProxyKind } from './tunnel-names.ts';

/** One of a kind, without options. */
export function proxyOf(kind: ProxyKind): Promise<ProxyPeer> {
  const secure = isSecure(kind);
  if (isSocks(kind)) return socksProxy({ secure });
  return isTwo(kind) ? connect2Proxy({ secure }) : connectProxy({ secure });
}

/** Spoken to through TLS. */
export function isSecure(kind: string): boolean {
  return kind === 'https' || kind === 'h2' || kind === 'socks5tls' || kind === 'rawtls';
}

export function isSocks(kind: string): boolean {
  return kind.startsWith('socks');
}

/** Speaks HTTP/2. */
export function isTwo(kind: string): boolean {
  return kind === 'h2c' || kind === 'h2';
}
