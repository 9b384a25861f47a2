// tunnels.test — content handlers and feeds of server-sent events behind proxies.
// Invariant tested: what is asked through a tunnel is read like anything else, and a feed outlives the loss of its proxy.

import { expect } from 'chai';
import type { OpenOptions } from '../../lib/index.ts';
import { feeding, numbered, readData } from '../support/feeding.ts';
import { feeds } from '../support/feeds.ts';
import { isTwo, proxyOf } from '../support/proxies.ts';
import type { ProxyKind } from '../support/tunnel-names.ts';

const ROADS: readonly (readonly [proxy: ProxyKind, speaks: 'http' | 'h2c'])[] = [
  ['http', 'http'],
  ['http', 'h2c'],
  ['h2c', 'http'],
  ['h2c', 'h2c'],
];

describe('a feed of server-sent events', () => {
  const { keep, open } = feeds();

  for (const [kind, speaks] of ROADS) {
    it(`is read through a tunnel: ${speaks} behind a proxy of ${kind}, again when the proxy is lost`, async () => {
      const [server, proxy] = [await keep(feeding(speaks)), await keep(proxyOf(kind))];
      const protocols: OpenOptions['protocols'] = [isTwo(kind) ? 'http2' : 'http'];
      const connection = open(`http://127.0.0.1:${proxy.port}`, { protocols, retryTimeout: 1 });
      const tunnel = connection.connect(server.url, server.trust);
      const feed = connection.sse('/feed', { tunnel, reconnect: true, retryDelay: 1 });
      const first = await server.next();
      first.begin();
      await first.write(numbered(0, 2));
      expect(await readData(feed, 2)).to.deep.equal(['0', '1']);
      const rest = readData(feed, 2);
      proxy.drop();
      const second = await server.next();
      expect(second.headers['last-event-id']).to.equal('1');
      second.begin();
      void second.write(numbered(2, 4));
      expect(await rest).to.deep.equal(['2', '3']);
      feed.close();
    });
  }

  it('is read by a connection that goes through a proxy of SOCKS', async () => {
    const [server, proxy] = [await keep(feeding('http')), await keep(proxyOf('socks5'))];
    const connection = open(server.url, { proxy: `socks5://127.0.0.1:${proxy.port}` });
    const feed = connection.sse('/feed');
    const asked = await server.next();
    asked.begin();
    void asked.write(numbered(0, 2));
    asked.end();
    expect(await readData(feed)).to.deep.equal(['0', '1']);
  });

  it('ends with the tunnel that it goes through', async () => {
    const [server, proxy] = [await keep(feeding('http')), await keep(proxyOf('http'))];
    const connection = open(`http://127.0.0.1:${proxy.port}`);
    const tunnel = connection.connect(server.url, server.trust);
    const feed = connection.sse('/feed', { tunnel, reconnect: true, retryDelay: 1 });
    const asked = await server.next();
    asked.begin();
    await asked.write(numbered(0, 1));
    expect(await readData(feed, 1)).to.deep.equal(['0']);
    const rest = readData(feed).catch((error: unknown) => error);
    tunnel.cancel();
    expect(await rest).to.have.property('code', 'ERR_GUNPORT_CANCELLED');
    expect(feed.state).to.equal('closed');
  });
});
