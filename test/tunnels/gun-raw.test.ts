// Twins of raw_SUITE: bytes as they come, to a server and through proxies. Those after an upgrade: gun-raw-upgrade.test.ts.

import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { type LostNotice, receiveReply } from '../../lib/index.ts';
import { feeds } from '../support/feeds.ts';
import { type Origin, origin } from '../support/origin.ts';
import { proxyOf } from '../support/proxies.ts';
import { nothingMore } from '../support/roads.ts';
import {
  expectEcho,
  expectTunnelUp,
  intermediary,
  leading,
  originOf,
  type Place,
  part,
  serverOf,
  walk,
} from '../support/tunnels.ts';

const KINDS = { tcp: 'raw', tls: 'rawtls' } as const;

describe('raw bytes', () => {
  const { open, keep } = feeds();

  /** A server that is spoken by hand. */
  const byHand = async (transport: 'tcp' | 'tls'): Promise<{ server: Origin; place: Place }> => {
    const server = await keep(origin(() => {}, { secure: transport === 'tls' }));
    const host = transport === 'tls' ? 'localhost' : '127.0.0.1';
    return { server, place: { kind: KINDS[transport], host, port: server.port, ca: server.ca } };
  };

  for (const transport of ['tcp', 'tls'] as const) {
    it(`go to a server over ${transport} and come back (raw_SUITE direct_raw_${transport})`, async () => {
      const server = await keep(serverOf(KINDS[transport]));
      const { connection } = walk(open, [server]);
      expect(await connection.awaitUp()).to.include({ protocol: 'raw' });
      const raw = connection.raw();
      await expectEcho(connection, raw, 'Hello world!');
      await expectEcho(connection, raw, 'x'.repeat(100_000));
      expect(await connection.info()).to.deep.include({
        ...{ protocol: 'raw', transport, origin: originOf(server), intermediaries: [] },
      });
      // Half-close: what the server says after it still comes.
      raw.data('fin', 'the end');
      expect(await raw.text()).to.equal('the end');
    });

    it(`come as many as flow says, over ${transport} (raw_SUITE direct_raw_${transport}_with_flow_control)`, async () => {
      const { server, place } = await byHand(transport);
      const { connection } = walk(open, [place]);
      const raw = connection.raw({ flow: 1 });
      const talk = await server.next();
      await talk.write('one');
      expect(await part(connection, raw)).to.equal('one');
      await talk.write('two');
      await nothingMore(connection, raw);
      connection.updateFlow(raw, 1);
      expect(await part(connection, raw)).to.equal('two');
    });

    it(`end with the server's, over ${transport}: the connection is lost (raw_SUITE direct_raw_${transport}_with_server_side_close)`, async () => {
      const { server, place } = await byHand(transport);
      const { connection } = walk(open, [place]);
      const raw = connection.raw();
      const lost = once(connection, 'down') as Promise<[LostNotice]>;
      const talk = await server.next();
      await talk.write('bye');
      talk.end();
      expect(await raw.text()).to.equal('bye');
      expect((await lost)[0]).to.deep.include({ protocol: 'raw', killed: [] });
    });
  }

  for (const [title, by] of [
    ['socks5', { tcp: 'socks5', tls: 'socks5tls' }],
    ['connect', { tcp: 'http', tls: 'https' }],
  ] as const) {
    for (const to of ['tcp', 'tls'] as const) {
      for (const proxied of ['tcp', 'tls'] as const) {
        it(`go through ${by[proxied]} to a server over ${to} (raw_SUITE ${title}_${proxied}_raw_${to})`, async () => {
          const proxy = await keep(proxyOf(by[proxied]));
          const server = await keep(serverOf(KINDS[to]));
          const { connection, tunnels } = walk(open, [proxy, server]);
          const [tunnel] = tunnels;
          if (tunnel) await expectTunnelUp(connection, tunnel, [server]);
          const raw = tunnel ?? connection.raw();
          await expectEcho(connection, raw, 'Hello world!');
          await expectEcho(connection, raw, 'x'.repeat(100_000));
          const info = await connection.info();
          expect(info.intermediaries).to.deep.equal(tunnel ? [] : [intermediary(proxy)]);
          expect(info.origin).to.equal(originOf(tunnel ? proxy : server));
          expect(proxy.asked[0]).to.include({ authority: `${server.host}:${server.port}` });
          raw.data('fin', 'the end');
          expect(await raw.text()).to.equal('the end');
        });
      }
    }
  }

  for (const [name, kind] of [
    ['http2_connect_tcp_raw_tcp', 'h2c'],
    ['http2_connect_tls_raw_tcp', 'h2'],
  ] as const) {
    it(`go through a stream of ${kind} (raw_SUITE ${name})`, async () => {
      const [proxy, server] = [await keep(proxyOf(kind)), await keep(serverOf('raw'))];
      const { connection, tunnels } = walk(open, [proxy, server]);
      const tunnel = tunnels[0]!;
      await expectTunnelUp(connection, tunnel, [server]);
      await expectEcho(connection, tunnel, 'x'.repeat(1_000_000));
      expect(await connection.streamInfo(tunnel)).to.deep.include({
        tunnel: { protocol: 'raw', transport: 'tcp', origin: originOf(server) },
      });
      expect(await connection.get('/beside').text()).to.equal('the proxy itself: /beside');
      tunnel.data('fin', 'the end');
      expect(await tunnel.text()).to.equal('the end');
    });
  }

  it('of a tunnel go to its replyTo port, and all that made it (raw_SUITE connect_raw_reply_to)', async () => {
    const [proxy, server] = [await keep(proxyOf('http')), await keep(serverOf('raw'))];
    const { port1, port2 } = new MessageChannel();
    const connection = open(proxy.url);
    const tunnel = connection.connect(leading([server]).to, { replyTo: port1 });
    const reply = await receiveReply(port2);
    expect(await reply.await()).to.include({ type: 'response', status: 200, fin: true });
    expect(await reply.await()).to.include({ type: 'tunnelUp', protocol: 'raw' });
    // Here it is known by another road than there.
    await tunnel.established();
    // Its owner is told by another port.
    await tunnel.established();
    tunnel.data('nofin', 'Hello world!');
    const notice = await reply.await();
    expect(notice.type === 'data' && Buffer.from(notice.data).toString()).to.equal('Hello world!');
    tunnel.data('fin');
    expect(await reply.text()).to.equal('');
  });
});
