// What may go wrong in the midst of a road: ends that cross, far ends that leave politely, readers that stop, and goodbyes
// at every stage of the way.

import { once } from 'node:events';
import { expect } from 'chai';
import { type Connection, GunportError, type OpenOptions, Pool } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { connectProxy } from '../support/connect-proxy.ts';
import { connect2Proxy } from '../support/connect2-proxy.ts';
import { faultIn, piece, readBytes } from '../support/counted.ts';
import { feeds } from '../support/feeds.ts';
import * as h2 from '../support/h2frames.ts';
import { h2origin } from '../support/h2origin.ts';
import { peer, silent } from '../support/peers.ts';
import { isSecure, isSocks, isTwo, proxyOf } from '../support/proxies.ts';
import type { ProxyPeer } from '../support/proxying.ts';
import { socksProxy } from '../support/socks-proxy.ts';
import { errorOf } from '../support/stage.ts';
import { PROXY_KINDS, type ProxyKind } from '../support/tunnel-names.ts';
import { proxyOption, serverOf, through, walk } from '../support/tunnels.ts';

/** Bytes of one answer that may be told and unread, without what parts cost: workers/flow.ts. */
const UNREAD = 4_180_000;

describe('a tunnel on a bad day', () => {
  const { open, keep } = feeds();

  for (const kind of PROXY_KINDS) {
    for (const origin of ['http', 'h2', 'raw', 'rawtls'] as const) {
      it(`through ${kind} to ${origin}, with nothing under way, ends at once with a polite goodbye`, async () => {
        const proxy = await keep(proxyOf(kind));
        const server = await keep(serverOf(origin));
        const { connection, tunnels } = walk(open, [proxy, server]);
        await (tunnels[0]?.established() ?? connection.awaitUp());
        if (origin === 'http' || origin === 'h2') await connection.get('/', through(tunnels)).text();
        const began = performance.now();
        await connection.shutdown();
        expect(performance.now() - began).to.be.below(1_000);
        await until(() => proxy.open + proxy.tunnels === 0);
      });
    }
  }

  it('whose far end says GOAWAY at once, again and again, is not made anew for ever', async () => {
    const server = await keep(h2origin((talk) => void talk.send(h2.goaway(0))));
    const proxy = await keep(connectProxy());
    const connection = open(proxy.url, { retry: 3, retryTimeout: 1 });
    const tunnel = connection.connect({ host: '127.0.0.1', port: server.port, protocols: ['http2'] });
    expect(await errorOf(connection.awaitBody(tunnel))).to.include({ code: 'ERR_GUNPORT_CLOSED' });
    expect(proxy.asked.length).to.be.below(6);
  });

  for (const kind of PROXY_KINDS) {
    it(`through ${kind} with TLS in it gives all that came, to the end, to a reader who comes when it is gone`, async () => {
      const proxy = await keep(proxyOf(kind));
      // Told is as much as an answer may have unread; of the rest a part is within TLS, and a part before it.
      for (let size = UNREAD - 8_000; size < UNREAD + 40_000; size += 12_000) {
        const server = await keep(
          peer(
            async (socket) => {
              socket.resume();
              await once(socket, 'end');
              socket.end(piece(0, size));
            },
            { secure: true, halfOpen: true },
          ),
        );
        const place = { kind: 'rawtls' as const, host: 'localhost', port: server.port, ca: proxy.ca };
        const { connection, tunnels } = walk(open, [proxy, place]);
        const raw = tunnels[0] ?? connection.raw();
        await (tunnels[0]?.established() ?? connection.awaitUp());
        raw.data('fin', 'x');
        await stands(proxy, connection);
        const bytes = await readBytes(raw);
        expect(bytes.length).to.equal(size);
        expect(faultIn(bytes, 0)).to.equal(-1);
        await connection.close();
        await server.close();
      }
    }).timeout(20_000);

    it(`through ${kind} with TLS in it carries the last bytes of ours when both ends cross`, async () => {
      const size = 200_000;
      const proxy = await keep(proxyOf(kind));
      for (let turn = 0; turn < 20; turn++) {
        let got: (received: number) => void = () => {};
        const received = new Promise<number>((resolve) => {
          got = resolve;
        });
        const server = await keep(
          peer(
            (socket) => {
              let count = 0;
              socket.on('data', (chunk) => {
                if (count === 0) socket.end('bye');
                count += chunk.length;
              });
              socket.on('close', () => got(count));
            },
            { secure: true, halfOpen: true },
          ),
        );
        const place = { kind: 'rawtls' as const, host: 'localhost', port: server.port, ca: proxy.ca };
        const { connection, tunnels } = walk(open, [proxy, place]);
        const raw = tunnels[0] ?? connection.raw();
        await (tunnels[0]?.established() ?? connection.awaitUp());
        raw.data('nofin', piece(0, size));
        raw.data('fin', 'y');
        expect(String(await readBytes(raw))).to.equal('bye');
        expect(await received).to.equal(size + 1);
      }
    });
  }

  it('is not waited for longer than connectTimeout where a proxy of HTTP/2 takes no streams', async () => {
    const proxy = await keep(connect2Proxy({ maxStreams: 0 }));
    const connection = open('http://127.0.0.1:9', {
      ...{ proxy: proxyOption(proxy), retry: 0, connectTimeout: 100 },
    });
    expect(await errorOf(connection.awaitUp({ timeout: 2_000 }))).to.include({
      code: 'ERR_GUNPORT_CONNECT_TIMEOUT',
    });
  });

  it('is cancelled ten times in a row, and its connection is there for the next', async () => {
    const proxy = await keep(connectProxy());
    const server = await keep(serverOf('http'));
    const connection = open(proxy.url, { retry: 3, retryTimeout: 1 });
    for (let i = 0; i < 10; i++) {
      const tunnel = connection.connect({ host: server.host, port: server.port });
      await tunnel.established();
      tunnel.cancel();
    }
    expect(await connection.get('/x').text()).to.equal('the proxy itself: /x');
  });

  it('is noticed at once where its peer leaves right behind the handshake, and the driver is still being loaded', async () => {
    const { localhost, ca } = await certificates();
    const secure = { ...localhost, ALPNProtocols: ['h2'] };
    const server = await keep(peer((socket) => void socket.destroy(), { secure }));
    // A new thread: it has loaded nothing yet.
    await using pool = new Pool({ threads: 1 });
    const options: OpenOptions = { tls: { ca }, retry: 0, protocols: ['http2'], settingsTimeout: 60_000 };
    const connection = pool.open(`https://localhost:${server.port}`, options);
    const error = await errorOf(connection.awaitUp());
    expect(error).to.be.instanceOf(GunportError).and.not.include({ code: 'ERR_GUNPORT_TIMEOUT' });
  });

  for (const kinds of [
    ['h2', 'https', 'socks5'],
    ['http', 'socks5', 'h2c'],
    ['h2c', 'h2'],
    ['socks5tls', 'h2'],
  ] as const) {
    it(`through ${kinds.join(', ')} holds up a server whose reader has stopped (F1)`, async () => {
      const size = 20_000_000;
      const server = await keep(
        peer(
          async (socket) => {
            socket.resume();
            for (let at = 0; at < size && !socket.destroyed; at += 100_000)
              if (!socket.write(piece(at, at + 100_000))) await once(socket, 'drain');
            socket.end();
          },
          { secure: true, halfOpen: true },
        ),
      );
      const proxies = [];
      for (const kind of kinds) proxies.push(await keep(proxyOf(kind)));
      const place = { kind: 'rawtls' as const, host: 'localhost', port: server.port, ca: proxies[0]!.ca };
      const { connection, tunnels } = walk(open, [...proxies, place]);
      const raw = tunnels.at(-1) ?? connection.raw();
      await (tunnels.at(-1)?.established() ?? connection.awaitUp());
      const far = proxies.at(-1)!;
      await stands(far, connection);
      expect(far.passed.down).to.be.below(30_000_000);
      const bytes = await readBytes(raw);
      expect(bytes.length).to.equal(size);
      expect(faultIn(bytes, 0)).to.equal(-1);
    }).timeout(20_000);
  }
});

/** As much has gone through it as there is room for. */
async function stands(proxy: ProxyPeer, connection: Connection): Promise<void> {
  for (let still = 0, last = -1; still < 200; last = proxy.passed.down) {
    still = proxy.passed.down === last ? still + 1 : 0;
    // It may be lost meanwhile, with all that it had to say.
    await connection.info().catch(() => new Promise((resolve) => setImmediate(resolve)));
  }
}

describe('a goodbye on the way', () => {
  const { open, keep } = feeds();
  const KINDS = ['http', 'h2', 'socks5'] as const;
  const byes: Record<string, (connection: Connection) => Promise<unknown>> = {
    'shut down': (connection) => connection.shutdown(),
    closed: (connection) => connection.close(),
  };
  const STAGES = ['first asked', 'second asked', 'TLS inside'] as const;
  const cases = Object.entries(byes).flatMap(([bye, say]) =>
    KINDS.flatMap((first) =>
      KINDS.flatMap((second) => STAGES.map((stage) => ({ bye, say, first, second, stage }))),
    ),
  );
  for (const { bye, say, first, second, stage } of cases) {
    it(`is ${bye} through ${first} and ${second}: ${stage}`, async () => {
      const one = await keep(proxyWith(first, stage === 'first asked'));
      const two = await keep(proxyWith(second, stage === 'second asked'));
      const far = await keep(peer(silent));
      const { port } = far;
      const { ca } = one;
      const proxy = [proxyOption(one), proxyOption(two)];
      const ways = [
        () => ({ connection: open(`https://localhost:${port}`, { proxy, tls: { ca } }), tunnels: [] }),
        () => walk(open, [one, two, { kind: 'https', host: 'localhost', port, ca }], { retry: 5 }),
      ];
      for (const way of ways) {
        const { connection, tunnels } = way();
        const asked = errorOf(connection.get('/', through(tunnels)).text());
        // The first may be there before.
        const made = Promise.allSettled(tunnels.map((tunnel) => tunnel.established()));
        if (stage === 'first asked') await one.next();
        else if (stage === 'second asked') await two.next();
        else await until(() => far.open > 0);
        const began = performance.now();
        await say(connection);
        expect(await asked).to.be.instanceOf(GunportError);
        for (const one of await made)
          if (one.status === 'rejected') expect(one.reason).to.be.instanceOf(GunportError);
        expect(performance.now() - began).to.be.below(1_000);
        one.release();
        two.release();
        await until(() => one.open + two.open + one.tunnels + two.tunnels + far.open === 0);
      }
    });
  }
});

function proxyWith(kind: ProxyKind, delayed: boolean): Promise<ProxyPeer> {
  const secure = isSecure(kind);
  if (isSocks(kind)) return socksProxy({ secure, delayed });
  return isTwo(kind) ? connect2Proxy({ secure, delayed }) : connectProxy({ secure, delayed });
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setImmediate(resolve));
}
