// Twins of tunnel_SUITE: every road through two proxies of six kinds to a server of six kinds, as Gun walks it, proxy by
// proxy; and the same roads by the `proxy` option.

import { expect } from 'chai';
import type { Connection, Stream } from '../../lib/index.ts';
import { feeds, take } from '../support/feeds.ts';
import { proxyOf } from '../support/proxies.ts';
import type { ProxyPeer } from '../support/proxying.ts';
import { ORIGIN_KINDS, PROXY_KINDS, roadNames } from '../support/tunnel-names.ts';
import {
  expectEcho,
  expectTunnelUp,
  intermediary,
  originOf,
  type Place,
  proxyOption,
  type Server,
  serverOf,
  spokenAt,
  through,
  transportOf,
  walk,
} from '../support/tunnels.ts';

interface Road {
  readonly first: ProxyPeer;
  readonly second: ProxyPeer;
  readonly server: Server;
}

describe('roads through two proxies', function () {
  this.slow(2_000);
  const { open, connect } = feeds();
  const firsts = new Map<string, ProxyPeer>();
  const seconds = new Map<string, ProxyPeer>();
  const servers = new Map<string, Server>();

  before(async () => {
    for (const kind of PROXY_KINDS) {
      firsts.set(kind, await proxyOf(kind));
      seconds.set(kind, await proxyOf(kind));
    }
    for (const kind of ORIGIN_KINDS) servers.set(kind, await serverOf(kind));
  });
  after(async () => {
    const proxies = [...firsts.values(), ...seconds.values()];
    // What was closed on one side is closed on the other.
    while (proxies.some(({ tunnels }) => tunnels > 0)) await new Promise((resolve) => setImmediate(resolve));
    for (const one of [...proxies, ...servers.values()]) await one.close();
  });

  const roadOf = ([p1, p2, o]: readonly string[]): Road => ({
    first: firsts.get(p1!)!,
    second: seconds.get(p2!)!,
    server: servers.get(o!)!,
  });
  const isRaw = (place: Place): boolean => spokenAt(place) === 'raw';

  describe('proxy by proxy', () => {
    for (const [name, kinds] of roadNames()) {
      it(`${name}: each tells that it is up, what goes through comes back, and the way is known (tunnel_SUITE)`, async () => {
        const road = roadOf(kinds);
        const { first, second, server } = road;
        const { connection, tunnels } = walk(open, [first, second, server]);
        const told: unknown[] = [];
        connection.on('tunnelUp', (notice) => told.push(notice));
        expect(await connection.awaitUp()).to.include({ protocol: spokenAt(first) });
        const [own, ...others] = shares(road);
        for (const [i, share] of others.entries()) await expectTunnelUp(connection, tunnels[i]!, share);
        await (isRaw(server) ? rawThrough(connection, tunnels, road) : askThrough(connection, tunnels, road));
        expect(told).to.deep.equal(own!.map(tunnelUp));
        await expectWay(connection, tunnels, road);
        expect(first.asked.at(-1)).to.include({ authority: `${second.host}:${second.port}` });
        expect(second.asked.at(-1)).to.include({ authority: `${server.host}:${server.port}` });
      });
    }
  });

  describe('by the proxy option', () => {
    for (const [name, kinds] of roadNames()) {
      it(`${name}: open() is up at the far end`, async () => {
        const road = roadOf(kinds);
        const { first, second, server } = road;
        const { host, port, ca } = server;
        const transport = transportOf(server);
        const connection = open(
          { host, port, transport },
          {
            proxy: [proxyOption(first), proxyOption(second)],
            retry: 0,
            protocols: [spokenAt(server) as 'http'], // A server speaks no SOCKS, and the others are names as well.
            ...(transport === 'tls' && { tls: { ca } }),
          },
        );
        expect(await connection.awaitUp()).to.include({ protocol: spokenAt(server) });
        const { origin, intermediaries } = await connection.info();
        expect(origin).to.equal(originOf(server));
        expect(intermediaries).to.deep.equal([intermediary(first), intermediary(second)]);
        if (isRaw(server)) await expectEcho(connection, connection.raw(), name);
        else expect(await connection.get('/proxied').text()).to.equal('hello /proxied');
      });

      if (!name.endsWith('_http') && !name.endsWith('_https')) continue;
      it(`${name}: connect() is a WebSocket`, async () => {
        const { first, second, server } = roadOf(kinds);
        const proxy = [proxyOption(first), proxyOption(second)];
        const feed = await connect(originOf(server).replace('http', 'ws'), { proxy, tls: tlsOf(server) });
        feed.send(name);
        expect(await take(feed, 1)).to.deep.equal([name]);
      });
    }
  });
});

function tlsOf(server: Server): { ca: string } | undefined {
  return transportOf(server) === 'tls' ? { ca: server.ca } : undefined;
}

function tunnelUp(place: Place): object {
  return { type: 'tunnelUp', protocol: spokenAt(place), origin: originOf(place) };
}

/** Which places are told of to whom: to the connection, then to each tunnel. A SOCKS server's next is its own affair. */
function shares({ first, second, server }: Road): readonly (readonly Place[])[] {
  const isSocks = (place: Place): boolean => spokenAt(place) === 'socks';
  const all: Place[][] = [[]];
  for (const [before, place] of [
    [first, second],
    [second, server],
  ] as const) {
    if (isSocks(before)) all.at(-1)!.push(place);
    else all.push([place]);
  }
  return all;
}

async function askThrough(
  connection: Connection,
  tunnels: readonly Stream<Connection>[],
  { first, second, server }: Road,
): Promise<void> {
  const stream = connection.get('/hold/proxied', through(tunnels));
  expect(await connection.await(stream)).to.include({ type: 'response', fin: false, status: 200 });
  expect(await connection.streamInfo(stream)).to.deep.include({
    ...{ method: 'GET', path: '/hold/proxied', state: 'running' },
    intermediaries: [intermediary(first), intermediary(second)],
  });
  server.release();
  expect(await stream.text()).to.equal('hello /hold/proxied');
  const { headers } = server.asked.at(-1)!;
  expect(headers[':authority'] ?? headers['host']).to.equal(`${server.host}:${server.port}`);
}

async function rawThrough(
  connection: Connection,
  tunnels: readonly Stream<Connection>[],
  { first, second, server }: Road,
): Promise<void> {
  const stream = tunnels.at(-1) ?? connection.raw();
  await expectEcho(connection, stream, `to ${originOf(server)} and back`);
  if (tunnels.length > 0) return;
  expect(await connection.streamInfo(stream)).to.deep.include({
    ...{ method: 'RAW', state: 'running' },
    intermediaries: [intermediary(first), intermediary(second)],
  });
}

/** What connection and tunnels say of the way. */
async function expectWay(
  connection: Connection,
  tunnels: readonly Stream<Connection>[],
  road: Road,
): Promise<void> {
  const [own, ...others] = shares(road);
  const far = own!.at(-1) ?? road.first;
  const { origin, protocol, transport, intermediaries } = await connection.info();
  expect({ origin, protocol, transport }).to.deep.equal({
    origin: originOf(far),
    protocol: spokenAt(far),
    transport: transportOf(far),
  });
  expect(intermediaries).to.deep.equal([road.first, road.second].slice(0, own!.length).map(intermediary));
  for (const [i, share] of others.entries()) {
    const end = share.at(-1)!;
    const asked = share[0]!;
    const { tunnel, ...info } = (await connection.streamInfo(tunnels[i]!))!;
    expect(tunnel).to.deep.equal({
      protocol: spokenAt(end),
      transport: transportOf(end),
      origin: originOf(end),
    });
    expect(info).to.deep.include({ method: 'CONNECT', path: `${asked.host}:${asked.port}` });
    // It is the proxy before `asked` that serves it.
    const at = [road.first, road.second, road.server].indexOf(asked as Server) - 1;
    expect(info.intermediaries).to.deep.equal([road.first, road.second].slice(0, at).map(intermediary));
  }
}
