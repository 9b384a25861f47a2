// tunnels.test — cookies are those of the far end of a tunnel: the proxies on the way are asked without, and set none.
// Source: rfc6265bis_SUITE set_cookie_connect_tcp, set_cookie_connect_tls.

import { expect } from 'chai';
import { type Connection, CookieJar, type OpenOptions, type Stream } from '../../lib/index.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { type CookieServer, cookieServer } from '../support/cookie-server.ts';
import type { Speaks } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import { proxyOf } from '../support/proxies.ts';
import type { ProxyPeer } from '../support/proxying.ts';
import { upgrading } from '../support/upgrading.ts';

const WAYS = [
  ['http', 'http'],
  ['http', 'https'],
  ['http', 'h2'],
  ['https', 'http'],
  ['https', 'https'],
  ['https', 'h2c'],
  ['h2c', 'http'],
  ['h2c', 'https'],
  ['h2', 'http'],
  ['h2', 'h2'],
] as const satisfies readonly (readonly ['http' | 'https' | 'h2c' | 'h2', Speaks])[];

interface Reached {
  readonly server: CookieServer;
  readonly proxy: ProxyPeer;
  readonly connection: Connection;
  readonly tunnel: Stream<Connection>;
  /** What a request through it has in its Cookie field. */
  ask(path?: string): Promise<string>;
}

describe('cookies through a tunnel', () => {
  const { keep, open } = feeds();

  async function reach(
    by: 'http' | 'https' | 'h2c' | 'h2',
    speaks: Speaks,
    options: OpenOptions,
  ): Promise<Reached> {
    const [server, proxy] = await Promise.all([keep(cookieServer(speaks)), keep(proxyOf(by))]);
    const secure = by === 'https' || by === 'h2';
    const connection = open(`http${secure ? 's' : ''}://${proxy.host}:${proxy.port}`, {
      ...{ tls: secure ? { ca: proxy.ca } : undefined, retry: 5, retryTimeout: 0 },
      protocols: [by === 'h2' || by === 'h2c' ? 'http2' : 'http'],
      ...options,
    });
    const { tls, protocols } = server.options;
    const tunnel = connection.connect(server.at('localhost'), { tls, protocols });
    const ask = async (path = '/'): Promise<string> => {
      await connection.get(path, { tunnel }).text();
      return server.asked.at(-1)?.cookie ?? '';
    };
    return { server, proxy, connection, tunnel, ask };
  }

  for (const [by, speaks] of WAYS) {
    const name = speaks === 'https' || speaks === 'h2' ? 'set_cookie_connect_tls' : 'set_cookie_connect_tcp';
    it(`are those of its far end, by ${by} to ${speaks} (rfc6265bis_SUITE ${name})`, async () => {
      const jar = new CookieJar();
      const { server, proxy, ask } = await reach(by, speaks, { cookies: jar });
      server.say(['a=1; Path=/', 'b=2; Secure; Path=/']);
      expect(await ask('/x')).to.equal('');
      expect(await ask('/y')).to.equal(server.secure ? 'a=1; b=2' : 'a=1');
      expect(jar.getCookieString(server.at('localhost'))).to.equal(server.secure ? 'a=1; b=2' : 'a=1');
      expect(jar.size).to.equal(server.secure ? 2 : 1);
      for (const { headers } of proxy.asked) expect(headers).not.to.have.property('cookie');
    });
  }

  it('are sent again when the tunnel is built again', async () => {
    const { server, proxy, connection, ask } = await reach('http', 'http', { cookies: true });
    server.say(['a=1']);
    await ask();
    const lost = new Promise((resolve) => connection.once('down', resolve));
    proxy.drop();
    await lost;
    expect(await ask()).to.equal('a=1');
    expect(proxy.asked).to.have.lengthOf(2);
  });

  it('are those of a WebSocket there', async () => {
    const server = await keep(upgrading('HTTP/1.1', { headers: { 'set-cookie': 'a=1; Path=/' } }));
    const proxy = await keep(proxyOf('http'));
    const cookies = new CookieJar();
    for (const path of ['/one', '/two']) {
      const connection = open(`http://${proxy.host}:${proxy.port}`, { cookies });
      const tunnel = connection.connect(server.url);
      expect(await connection.await(connection.wsUpgrade(path, { tunnel }))).to.include({ type: 'upgrade' });
    }
    expect(server.asked.map(({ headers }) => headers['cookie'])).to.deep.equal([undefined, 'a=1']);
  });

  it('are not what a proxy sets with its answer to CONNECT, and not sent to it', async () => {
    const server = await keep(cookieServer('http'));
    const proxy = await keep(connectProxy({ headers: { 'set-cookie': 'proxy=1; Path=/' } }));
    const jar = new CookieJar();
    for (const host of ['localhost', '127.0.0.1']) jar.setCookie('mine=1', `http://${host}/`);
    const options: OpenOptions = { cookies: jar, proxy: `http://127.0.0.1:${proxy.port}` };
    const connection = open(server.at('localhost'), { ...server.options, ...options });
    await connection.get('/').text();
    expect(server.asked.at(-1)?.cookie).to.equal('mine=1');
    expect(proxy.asked[0]?.headers).not.to.have.property('cookie');
    expect(jar.getCookieString('http://127.0.0.1/')).to.equal('mine=1');
    expect(jar.size).to.equal(2);
  });
});
