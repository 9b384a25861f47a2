// Roads that break: proxies that are killed, at any place and of any kind; the road is made anew, and its tunnels.
// And a road through one proxy of each kind.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Connection, LostNotice } from '../../lib/index.ts';
import { feeds, take } from '../support/feeds.ts';
import { proxyOf } from '../support/proxies.ts';
import type { ProxyPeer } from '../support/proxying.ts';
import { PROXY_KINDS } from '../support/tunnel-names.ts';
import {
  expectTunnelUp,
  intermediary,
  originOf,
  type Place,
  proxyOption,
  type Server,
  serverOf,
  spokenAt,
  through,
  walk,
} from '../support/tunnels.ts';

const RETRY = { retry: 20, retryTimeout: 5 };

describe('a road that breaks', () => {
  const { open, connect } = feeds();
  const firsts = new Map<string, ProxyPeer>();
  const seconds = new Map<string, ProxyPeer>();
  let server: Server;

  before(async () => {
    for (const kind of PROXY_KINDS) {
      firsts.set(kind, await proxyOf(kind));
      seconds.set(kind, await proxyOf(kind));
    }
    server = await serverOf('https');
  });
  after(async () => {
    const proxies = [...firsts.values(), ...seconds.values()];
    while (proxies.some(({ tunnels }) => tunnels > 0)) await new Promise((resolve) => setImmediate(resolve));
    for (const one of [...proxies, server]) await one.close();
  });

  const pairs = PROXY_KINDS.flatMap((one) => PROXY_KINDS.map((other) => [one, other] as const));
  for (const [one, other] of pairs) {
    it(`through ${one} and ${other} is made anew, with the same tunnels, when the first is killed`, async () => {
      const [first, second] = [firsts.get(one)!, seconds.get(other)!];
      const { connection, tunnels } = walk(open, [first, second, server], RETRY);
      const told: unknown[] = [];
      connection.on('tunnelUp', ({ origin }) => told.push(origin));
      expect(await connection.get('/one', through(tunnels)).text()).to.equal('hello /one');
      const [own = [], ...shares] = sharesOf([first, second, server]);
      const expectTunnels = async (): Promise<void> => {
        for (const [i, share] of shares.entries()) await expectTunnelUp(connection, tunnels[i]!, share);
      };
      await expectTunnels();
      const held = connection.get('/hold', through(tunnels));
      expect(await held.response()).to.include({ status: 200 });
      const lost = once(connection, 'down') as Promise<[LostNotice]>;
      const up = once(connection, 'up');
      first.drop();
      const [{ killed }] = await lost;
      expect(killed).to.deep.equal([held.id]);
      await up;
      expect(await connection.get('/two', through(tunnels)).text()).to.equal('hello /two');
      server.release();
      // Each of them tells it again.
      await expectTunnels();
      expect(told).to.deep.equal([...own, ...own].map(originOf));
    });

    it(`through ${one} and ${other} by the proxy option is made anew when the second is killed`, async () => {
      const [first, second] = [firsts.get(one)!, seconds.get(other)!];
      const proxy = [proxyOption(first), proxyOption(second)];
      const feed = await connect(originOf(server).replace('http', 'ws'), {
        ...{ ...RETRY, proxy, tls: { ca: server.ca } },
      });
      feed.send('one');
      expect(await take(feed, 1)).to.deep.equal(['one']);
      const up = once(feed, 'up');
      second.drop();
      // It is read, so that it is told.
      const next = take(feed, 1);
      await up;
      feed.send('two');
      expect(await next).to.deep.equal(['two']);
      expect(feed.connection.attempt).to.equal(2);
    });
  }
});

describe('a road through one proxy of each kind', () => {
  const { open, connect, keep } = feeds();

  for (const kinds of [PROXY_KINDS, [...PROXY_KINDS].reverse()]) {
    it(`as ${kinds.join(', ')}: requests, a WebSocket, and 1 MB both ways`, async () => {
      const proxies: ProxyPeer[] = [];
      for (const kind of kinds) proxies.push(await keep(proxyOf(kind)));
      const [two, one] = [await keep(serverOf('h2')), await keep(serverOf('https'))];
      const { connection, tunnels } = walk(open, [...proxies, two]);
      const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
      const texts = paths.map((path) => connection.get(path, through(tunnels)).text());
      expect(await Promise.all(texts)).to.deep.equal(paths.map((path) => `hello ${path}`));
      await expectMegabyte(connection, through(tunnels));
      const proxy = proxies.map(proxyOption);
      const straight = open(originOf(two), { proxy, tls: { ca: two.ca } });
      await expectMegabyte(straight);
      expect(await straight.info()).to.deep.include({
        ...{ protocol: spokenAt(two), intermediaries: proxies.map(intermediary) },
      });
      const feed = await connect(originOf(one).replace('http', 'ws'), { proxy, tls: { ca: one.ca } });
      const sent = Array.from({ length: 200 }, (_, i) => 'x'.repeat(i * 50));
      feed.send(sent);
      expect(await take(feed, sent.length)).to.deep.equal(sent);
      const inner = connection.wsUpgrade('/', through(tunnels));
      expect(await connection.await(inner)).to.include({ type: 'upgrade' });
      inner.send(sent);
      expect(await take(inner, sent.length)).to.deep.equal(sent);
    });
  }

  async function expectMegabyte(connection: Connection, options: object = {}): Promise<void> {
    const down = connection.get('/bytes/1000000', options).text();
    const up = connection.post('/', { ...options, body: new Uint8Array(1_000_000) }).text();
    expect(await down).to.equal('0123456789'.repeat(100_000));
    expect(await up).to.equal('1000000 bytes');
  }
});

/** Which places are told of to whom: to the connection, then to each tunnel. */
function sharesOf(places: readonly Place[]): readonly (readonly Place[])[] {
  const all: Place[][] = [[]];
  for (const [i, place] of places.slice(1).entries()) {
    if (spokenAt(places[i]!) === 'socks') all.at(-1)!.push(place);
    else all.push([place]);
  }
  return all;
}
