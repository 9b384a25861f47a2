// Twins of rfc7540_SUITE: CONNECT on HTTP/2 (RFC 9113 §8.5), with prior knowledge and over TLS.

import { expect } from 'chai';
import { connect2Proxy } from '../support/connect2-proxy.ts';
import { cowboy } from '../support/cowboy.ts';
import { feeds } from '../support/feeds.ts';
import { h2origin } from '../support/h2origin.ts';
import { peer } from '../support/peers.ts';
import { proxyOf } from '../support/proxies.ts';
import { rejects } from '../support/rejects.ts';
import { reset } from '../support/reset.ts';
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

const WAYS: readonly [to: OriginKind & ('http' | 'https' | 'h2c' | 'h2'), through: ProxyKind][] = [
  ['http', 'h2c'],
  ['https', 'h2c'],
  ['http', 'h2'],
  ['https', 'h2'],
  ['h2c', 'h2c'],
  ['h2', 'h2c'],
  ['h2c', 'h2'],
  ['h2', 'h2'],
];

describe('a tunnel through a proxy of HTTP/2', () => {
  const { open, keep } = feeds();

  for (const [to, through] of WAYS) {
    it(`leads from ${through} to ${to}, on a stream of its own (rfc7540_SUITE connect_${to}_via_${through})`, async () => {
      const [proxy, server] = [await keep(proxyOf(through)), await keep(serverOf(to))];
      const { connection, tunnels } = walk(open, [proxy, server]);
      const tunnel = tunnels[0]!;
      expect(await connection.awaitUp()).to.include({ protocol: 'http2' });
      await expectTunnelUp(connection, tunnel, [server]);
      const [asked] = proxy.asked;
      expect(asked).to.include({ authority: `${server.host}:${server.port}` });
      // RFC 9113 §8.5: "The :scheme and :path pseudo-header fields MUST be omitted."
      expect(asked?.headers).to.not.have.any.keys(':scheme', ':path');
      const stream = connection.get('/hold/proxied', { tunnel });
      expect(await stream.response()).to.include({ status: 200 });
      expect(await connection.streamInfo(stream)).to.deep.include({
        intermediaries: [intermediary(proxy)],
      });
      server.release();
      expect(await stream.text()).to.equal('hello /hold/proxied');
      const { headers } = server.asked[0]!;
      expect(headers[':authority'] ?? headers['host']).to.equal(`${server.host}:${server.port}`);
      expect(await connection.streamInfo(tunnel)).to.deep.include({
        intermediaries: [],
        tunnel: {
          ...{ protocol: spokenAt(server), transport: transportOf(server), origin: originOf(server) },
        },
      });
      const info = await connection.info();
      expect(info).to.deep.include({ ...{ protocol: 'http2', origin: originOf(proxy), intermediaries: [] } });
    });
  }

  for (const [to, through] of WAYS) {
    it(`from ${through} to ${to} goes beside other requests of its connection (rfc7540_SUITE connect_cowboy_${to}_via_${through})`, async () => {
      const [proxy, server] = [await keep(proxyOf(through)), await keep(cowboy(to))];
      const place = { kind: to, host: new URL(server.url).hostname, port: server.port, ca: proxy.ca };
      const { connection, tunnels } = walk(open, [proxy, place]);
      const tunnel = tunnels[0]!;
      await expectTunnelUp(connection, tunnel, [place]);
      const delayed = connection.get('/delayed', { tunnel });
      await server.arrival();
      expect(await connection.get('/itself').text()).to.equal('the proxy itself: /itself');
      server.release();
      expect(await delayed.text()).to.equal('Hello world!');
      const body = '0123456789'.repeat(100_000);
      const echo = connection.post('/echo', { tunnel, body });
      const beside = connection.get('/beside');
      expect(await beside.text()).to.equal('the proxy itself: /beside');
      expect(await echo.text()).to.equal(body);
    });
  }

  it('to a server that never begins fails by itself: its connection goes on (rfc7540_SUITE connect_handshake_timeout)', async () => {
    const proxy = await keep(proxyOf('h2c'));
    const silent = await keep(h2origin(() => {}, { preface: false, acknowledge: false }));
    const place = { kind: 'h2c' as const, host: '127.0.0.1', port: silent.port, ca: proxy.ca };
    const { connection, tunnels } = walk(open, [proxy, place], { settingsTimeout: 150 });
    const request = connection.get('/', { tunnel: tunnels[0] });
    await Promise.all([
      rejects(request.response(), 'ERR_GUNPORT_SETTINGS_TIMEOUT'),
      rejects(tunnels[0]!.bytes(), 'ERR_GUNPORT_SETTINGS_TIMEOUT'),
    ]);
    expect(await connection.get('/itself').text()).to.equal('the proxy itself: /itself');
    expect(connection.attempt).to.equal(1);
  });

  for (const [name, first, second, to] of [
    ['connect_http_via_http_via_h2c', 'h2c', 'http', 'http'],
    ['connect_https_via_https_via_h2', 'h2', 'https', 'https'],
  ] as const) {
    it(`may have one of HTTP/1.1 in it: ${first}, ${second}, ${to} (rfc7540_SUITE ${name})`, async () => {
      const proxies = [await keep(proxyOf(first)), await keep(proxyOf(second))] as const;
      const server = await keep(serverOf(to));
      const { connection, tunnels } = walk(open, [...proxies, server]);
      await expectTunnelUp(connection, tunnels[0]!, [proxies[1]]);
      await expectTunnelUp(connection, tunnels[1]!, [server]);
      const stream = connection.get('/hold/proxied', { tunnel: tunnels[1] });
      expect(await stream.response()).to.include({ status: 200 });
      expect(await connection.streamInfo(stream)).to.deep.include({
        intermediaries: proxies.map(intermediary),
      });
      server.release();
      expect(await stream.text()).to.equal('hello /hold/proxied');
      expect(proxies[1].asked[0]).to.include({ authority: `${server.host}:${server.port}` });
    });
  }

  it('waits for its turn where the proxy has a limit, like any request (rfc7540_SUITE max_concurrent_streams_connect)', async () => {
    const proxy = await keep(connect2Proxy({ maxStreams: 1 }));
    const server = await keep(serverOf('http'));
    const { connection, tunnels } = walk(open, [proxy, server]);
    await expectTunnelUp(connection, tunnels[0]!, [server]);
    const second = connection.connect(leading([server]).to);
    expect(await connection.streamInfo(second)).to.include({ state: 'queued' });
    // The first is not affected.
    expect(await connection.get('/one', { tunnel: tunnels[0] }).text()).to.equal('hello /one');
    expect(proxy.asked).to.have.lengthOf(1);
    tunnels[0]!.cancel();
    await expectTunnelUp(connection, second, [server]);
    expect(await connection.get('/two', { tunnel: second }).text()).to.equal('hello /two');
  });

  it('that breaks off at its far end is reset with CONNECT_ERROR, and no other is touched (RFC 9113 §8.5)', async () => {
    const proxy = await keep(proxyOf('h2c'));
    const resetting = await keep(peer((socket) => socket.once('data', () => reset(socket))));
    const one = { kind: 'raw' as const, host: '127.0.0.1', port: resetting.port, ca: proxy.ca };
    const other = await keep(serverOf('http'));
    const { connection, tunnels } = walk(open, [proxy, one]);
    const beside = connection.connect(leading([other]).to);
    await expectTunnelUp(connection, tunnels[0]!, [one]);
    tunnels[0]!.data('nofin', 'now');
    const error = await rejects(tunnels[0]!.bytes(), 'ERR_GUNPORT_CLOSED');
    expect(error.reason).to.equal('CONNECT_ERROR');
    expect(await connection.get('/on', { tunnel: beside }).text()).to.equal('hello /on');
  });
});
