// Twins of socks_SUITE: SOCKS5 as Gun is told of it, in `protocols`: alone, one behind another, and behind CONNECT.

import { expect } from 'chai';
import { feeds } from '../support/feeds.ts';
import { proxyOf } from '../support/proxies.ts';
import { socksProxy } from '../support/socks-proxy.ts';
import type { OriginKind, ProxyKind } from '../support/tunnel-names.ts';
import {
  expectTunnelUp,
  intermediary,
  originOf,
  type Place,
  serverOf,
  spokenAt,
  walk,
} from '../support/tunnels.ts';

const USER = { username: 'user', password: 'password' };
const BY = {
  tcp: { socks: 'socks5', connect: 'http' },
  tls: { socks: 'socks5tls', connect: 'https' },
} as const;

describe('a connection through SOCKS5', () => {
  const { open, keep } = feeds();

  /** The notice of a place that is reached. */
  const upAt = (place: Place): object => ({
    ...{ type: 'tunnelUp', protocol: spokenAt(place), origin: originOf(place) },
  });

  for (const transport of ['tcp', 'tls'] as const) {
    for (const to of ['http', 'https', 'h2c', 'h2'] as const) {
      for (const [auth, credentials] of [
        ['none', undefined],
        ['username_password', USER],
      ] as const) {
        const name = `socks5_${transport}_${to}_${auth}`;
        it(`over ${transport} to ${to}, who comes with ${auth}, is up, then has a tunnel (socks_SUITE ${name})`, async () => {
          const proxy = await keep(socksProxy({ secure: transport === 'tls', credentials }));
          const server = await keep(serverOf(to));
          const at = {
            kind: proxy.kind,
            host: proxy.host,
            port: proxy.port,
            ca: proxy.ca,
            auth: credentials,
          };
          // By name, which the proxy resolves.
          const far = { kind: to, host: 'localhost', port: server.port, ca: server.ca };
          const { connection } = walk(open, [at, far]);
          const told: unknown[] = [];
          connection.on('tunnelUp', (notice) => told.push(notice));
          expect(await connection.awaitUp()).to.include({ protocol: 'socks' });
          const stream = connection.get('/hold/proxied');
          expect(await stream.response()).to.include({ status: 200 });
          expect(told).to.deep.equal([upAt(far)]);
          const asked = await proxy.next();
          expect(asked).to.deep.include({
            methods: credentials ? asked.methods : [0],
            credentials,
            addressType: 'name',
            host: 'localhost',
            port: server.port,
          });
          if (credentials) expect(asked.methods).to.include(2);
          expect(await connection.streamInfo(stream)).to.deep.include({
            intermediaries: [intermediary(at)],
          });
          server.release();
          expect(await stream.text()).to.equal('hello /hold/proxied');
          const { headers } = server.asked[0]!;
          expect(headers[':authority'] ?? headers['host']).to.equal(`localhost:${server.port}`);
          expect(await connection.info()).to.deep.include({
            ...{ origin: originOf(far), protocol: spokenAt(far), intermediaries: [intermediary(at)] },
          });
        });
      }
    }
  }

  for (const inner of ['tcp', 'tls'] as const) {
    for (const outer of ['tcp', 'tls'] as const) {
      const name = `socks5_${inner}_through_multiple_${outer}_proxies`;
      it(`over ${outer} may have another behind it, to a server over ${inner} (socks_SUITE ${name})`, async () => {
        const kind = BY[outer].socks;
        const proxies = [await keep(proxyOf(kind)), await keep(proxyOf(kind))] as const;
        const server = await keep(serverOf(inner === 'tls' ? 'https' : 'http'));
        const { connection, tunnels } = walk(open, [...proxies, server]);
        const told: unknown[] = [];
        connection.on('tunnelUp', (notice) => told.push(notice));
        expect(await connection.awaitUp()).to.include({ protocol: 'socks' });
        expect(await connection.get('/proxied').text()).to.equal('hello /proxied');
        expect(tunnels).to.deep.equal([]);
        expect(told).to.deep.equal([upAt(proxies[1]), upAt(server)]);
        expect(proxies[0].asked[0]).to.include({ authority: `${proxies[1].host}:${proxies[1].port}` });
        expect(proxies[1].asked[0]).to.include({ authority: `${server.host}:${server.port}` });
        expect(await connection.info()).to.deep.include({
          ...{ origin: originOf(server), intermediaries: proxies.map(intermediary) },
        });
      });
    }
  }

  const behind: readonly [name: string, ProxyKind, ProxyKind, OriginKind][] = [
    ...(['tcp', 'tls'] as const).flatMap((origin) =>
      (['tcp', 'tls'] as const).map((by): [string, ProxyKind, ProxyKind, OriginKind] => [
        `socks5_${by}_through_connect_${by}_to_${origin}_origin`,
        ...([BY[by].connect, BY[by].socks] as const),
        origin === 'tls' ? 'https' : 'http',
      ]),
    ),
    ['socks5_tcp_through_h2_connect_tcp_to_tcp_origin', 'h2c', 'socks5', 'http'],
  ];
  for (const [name, first, second, to] of behind) {
    it(`behind CONNECT: ${first}, ${second}, ${to}: the tunnel is up twice (socks_SUITE ${name})`, async () => {
      const proxies = [await keep(proxyOf(first)), await keep(proxyOf(second))] as const;
      const server = await keep(serverOf(to));
      const { connection, tunnels } = walk(open, [...proxies, server]);
      const tunnel = tunnels[0]!;
      await expectTunnelUp(connection, tunnel, [proxies[1], server]);
      const stream = connection.get('/hold/proxied', { tunnel });
      expect(await stream.response()).to.include({ status: 200 });
      expect(await connection.streamInfo(stream)).to.deep.include({
        intermediaries: proxies.map(intermediary),
      });
      server.release();
      expect(await stream.text()).to.equal('hello /hold/proxied');
      expect(server.asked[0]?.headers['host']).to.equal(`${server.host}:${server.port}`);
      expect(await connection.info()).to.deep.include({ origin: originOf(proxies[0]), intermediaries: [] });
    });
  }
});
