// tunnel-names — the names of Gun's tunnel_SUITE: two proxies and a server, `P1_P2_O`, all 216 of them.
// Used by test/tunnels/matrix.test.ts, which has a test of each name, and by gun-table.test.ts.

export type ProxyKind = 'http' | 'https' | 'h2c' | 'h2' | 'socks5' | 'socks5tls';
export type OriginKind = 'http' | 'https' | 'h2c' | 'h2' | 'raw' | 'rawtls';

export const PROXY_KINDS: readonly ProxyKind[] = ['http', 'https', 'h2c', 'h2', 'socks5', 'socks5tls'];
export const ORIGIN_KINDS: readonly OriginKind[] = ['http', 'https', 'h2c', 'h2', 'raw', 'rawtls'];

/** Each with its three kinds. */
export function roadNames(): readonly (readonly [string, readonly [ProxyKind, ProxyKind, OriginKind]])[] {
  return PROXY_KINDS.flatMap((first) =>
    PROXY_KINDS.flatMap((second) =>
      ORIGIN_KINDS.map((origin) => [`${first}_${second}_${origin}`, [first, second, origin]] as const),
    ),
  );
}
