// Twins of rfc7231_SUITE: CONNECT on HTTP/1.1 (RFC 9110 §9.3.6), in clear and over TLS.

import { once } from 'node:events';
import { expect } from 'chai';
import { StreamError } from '../../lib/index.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { feeds } from '../support/feeds.ts';
import { proxyOf } from '../support/proxies.ts';
import { rejects } from '../support/rejects.ts';
import { sessions } from '../support/sessions.ts';
import type { OriginKind, ProxyKind } from '../support/tunnel-names.ts';
import {
  expectTunnelUp,
  intermediary,
  leading,
  originOf,
  serverOf,
  spokenAt,
  transportOf,
  walk,
} from '../support/tunnels.ts';

describe('a tunnel through a proxy of HTTP/1.1', () => {
  const { open, keep } = feeds();

  /** Of `connectProxy`, and a server of HTTP/1.1 behind it. */
  const stage = async (options: Parameters<typeof connectProxy>[0] = {}) => {
    const proxy = await keep(connectProxy(options));
    const server = await keep(serverOf('http'));
    const { connection, tunnels } = walk(open, [proxy, server]);
    return { proxy, server, connection, tunnel: tunnels[0]! };
  };

  const ways: readonly [string, ProxyKind, OriginKind][] = [
    ['connect_http', 'http', 'http'],
    ['connect_https', 'http', 'https'],
    ['connect_http_over_https_proxy', 'https', 'http'],
    ['connect_https_over_https_proxy', 'https', 'https'],
    ['connect_h2c', 'http', 'h2c'],
    ['connect_h2', 'http', 'h2'],
    ['connect_h2c_over_https_proxy', 'https', 'h2c'],
    ['connect_h2_over_https_proxy', 'https', 'h2'],
  ];
  for (const [name, through, to] of ways) {
    it(`leads from ${through} to ${to}, whose name its requests have (rfc7231_SUITE ${name})`, async () => {
      const [proxy, server] = [await keep(proxyOf(through)), await keep(serverOf(to))];
      const { connection, tunnels } = walk(open, [proxy, server]);
      const tunnel = tunnels[0]!;
      expect(await connection.awaitUp()).to.include({ protocol: 'http' });
      await expectTunnelUp(connection, tunnel, [server]);
      expect(proxy.asked).to.have.lengthOf(1);
      expect(proxy.asked[0]).to.include({ authority: `${server.host}:${server.port}` });
      const stream = connection.get('/hold/proxied', { tunnel });
      expect(await stream.response()).to.include({ status: 200 });
      const info = await connection.streamInfo(stream);
      expect(info).to.deep.include({ path: '/hold/proxied', intermediaries: [intermediary(proxy)] });
      server.release();
      expect(await stream.text()).to.equal('hello /hold/proxied');
      const { headers } = server.asked[0]!;
      expect(headers[':authority'] ?? headers['host']).to.equal(`${server.host}:${server.port}`);
      expect((await connection.streamInfo(tunnel))?.tunnel).to.deep.equal({
        ...{ protocol: spokenAt(server), transport: transportOf(server), origin: originOf(server) },
      });
      expect(await connection.info()).to.deep.include({ origin: originOf(proxy), intermediaries: [] });
    });
  }

  for (const [name, through] of [
    ['connect_tcp_through_multiple_tcp_proxies', 'http'],
    ['connect_tls_through_multiple_tls_proxies', 'https'],
  ] as const) {
    it(`may have another in it, also of ${through}: both are known, in order (rfc7231_SUITE ${name})`, async () => {
      const proxies = [await keep(proxyOf(through)), await keep(proxyOf(through))] as const;
      const server = await keep(serverOf(through));
      const { connection, tunnels } = walk(open, [...proxies, server]);
      await expectTunnelUp(connection, tunnels[0]!, [proxies[1]]);
      await expectTunnelUp(connection, tunnels[1]!, [server]);
      const stream = connection.get('/hold/proxied', { tunnel: tunnels[1]! });
      expect(await stream.response()).to.include({ status: 200 });
      expect(await connection.streamInfo(stream)).to.deep.include({
        intermediaries: proxies.map(intermediary),
      });
      expect(await connection.streamInfo(tunnels[1]!)).to.deep.include({
        intermediaries: [intermediary(proxies[0])],
      });
      server.release();
      expect(await stream.text()).to.equal('hello /hold/proxied');
      expect(proxies[0].asked[0]).to.include({ authority: `${proxies[1].host}:${proxies[1].port}` });
      expect(proxies[1].asked[0]).to.include({ authority: `${server.host}:${server.port}` });
    });
  }

  it('is waited for in silence: no keepalive gets between (rfc7231_SUITE connect_delay)', async () => {
    const proxy = await keep(connectProxy({ delayed: true }));
    const server = await keep(serverOf('http'));
    // Another connection with the same keepalive, which is heard.
    const witness = await keep(sessions());
    const { connection, tunnels } = walk(open, [proxy, server], { keepalive: 20 });
    await proxy.next();
    open(witness.url, { ...witness.trust, keepalive: 20 }).get('/');
    const { session } = await witness.next();
    for (let pings = 0; pings < 3; pings++) await once(session, 'ping');
    proxy.release();
    await expectTunnelUp(connection, tunnels[0]!, [server]);
    expect(await connection.get('/after', { tunnel: tunnels[0] }).text()).to.equal('hello /after');
    // Nothing but that request has gone through.
    expect(server.asked.map(({ path }) => path)).to.deep.equal(['/after']);
  });

  it('is made by any 2xx (rfc7231_SUITE connect_response_201)', async () => {
    const { connection, tunnel } = await stage({ status: 201 });
    expect(await connection.await(tunnel)).to.include({ type: 'response', status: 201, fin: true });
    expect(await connection.await(tunnel)).to.include({ type: 'tunnelUp', protocol: 'http' });
    expect(await connection.get('/', { tunnel }).text()).to.equal('hello /');
  });

  for (const status of [302, 403, 500]) {
    it(`is none when the proxy answers ${status}: that is an answer like others (rfc7231_SUITE connect_response_${status})`, async () => {
      const { connection, tunnel, proxy } = await stage({ status, headers: { location: '/elsewhere' } });
      const early = connection.get('/', { tunnel });
      const response = { type: 'response', status, fin: false };
      expect(await connection.await(tunnel))
        .to.include(response)
        .and.have.property('headers');
      expect(await tunnel.text()).to.equal(`refused: ${status}`);
      await rejects(early.response(), 'ERR_GUNPORT_CLOSED');
      expect(() => connection.get('/', { tunnel }))
        .to.throw(StreamError)
        .that.includes({ code: 'ERR_GUNPORT_BAD_STATE' });
      expect(await connection.get('/itself').text()).to.equal('the proxy itself: /itself');
      const { origin, intermediaries, attempt } = await connection.info();
      expect({ origin, intermediaries, attempt }).to.deep.equal({
        ...{ origin: originOf(proxy), intermediaries: [], attempt: 1 },
      });
    });
  }

  it('is made by an answer of HTTP/1.0 as well (rfc7231_SUITE connect_response_http10)', async () => {
    const { connection, tunnel, server } = await stage({ version: '1.0' });
    await expectTunnelUp(connection, tunnel, [server]);
    expect(await connection.get('/', { tunnel }).text()).to.equal('hello /');
  });

  it('is asked for by host and port, always both (rfc7231_SUITE connect_authority_form)', async () => {
    const server = await keep(serverOf('http'));
    const proxy = await keep(connectProxy({ to: server }));
    for (const [host, port, authority] of [
      ['gun.example', 80, 'gun.example:80'],
      ['GUN.example', 8080, 'gun.example:8080'],
      ['::1', 80, '[::1]:80'],
    ] as const) {
      const connection = open(proxy.url);
      const tunnel = connection.connect({ host, port });
      expect(await connection.get('/', { tunnel }).text()).to.equal('hello /');
      const [line, ...fields] = (await proxy.next()).lines;
      expect(line).to.equal(`CONNECT ${authority} HTTP/1.1`);
      expect(fields).to.include(`host: ${authority}`);
      // What goes through is for the server, whose port is no news where it is the default.
      expect(server.asked.at(-1)?.headers['host']).to.equal(authority.replace(/:80$/, ''));
    }
  });

  it('is asked for with user name and password (rfc7231_SUITE connect_proxy_authorization)', async () => {
    const server = await keep(serverOf('http'));
    const proxy = await keep(connectProxy({ auth: 'aladdin:open sesame' }));
    const connection = open(proxy.url);
    const user = { username: 'aladdin', password: 'open sesame' };
    const tunnel = connection.connect(leading([server]).to, user);
    await expectTunnelUp(connection, tunnel, [server]);
    expect((await proxy.next()).headers['proxy-authorization']).to.equal(
      'Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==',
    );
    // They are the proxy's to know: nobody behind it hears them.
    await connection.get('/', { tunnel }).text();
    expect(server.asked[0]?.headers).to.not.have.any.keys('authorization', 'proxy-authorization');
  });

  for (const name of ['transfer-encoding', 'content-length']) {
    it(`is asked for without ${name} (rfc7231_SUITE connect_request_no_${name.replace('-', '_')})`, async () => {
      const { proxy, server, connection, tunnel } = await stage();
      await expectTunnelUp(connection, tunnel, [server]);
      const again = open(proxy.url).connect(leading([server]).to, { headers: { [name]: '5' } });
      expect(await again.response()).to.include({ status: 200 });
      expect(proxy.asked).to.have.lengthOf(2);
      for (const { headers } of proxy.asked) expect(headers).to.not.have.property(name);
    });
  }

  for (const [name, value] of [
    ['transfer-encoding', 'chunked'],
    ['content-length', '1000'],
  ] as const) {
    it(`begins behind the head of the answer, whatever its ${name} says (rfc7231_SUITE connect_response_ignore_${name.replace('-', '_')})`, async () => {
      const { connection, tunnel, server } = await stage({ headers: { [name]: value } });
      await expectTunnelUp(connection, tunnel, [server]);
      expect(await connection.get('/', { tunnel }).text()).to.equal('hello /');
    });
  }
});
