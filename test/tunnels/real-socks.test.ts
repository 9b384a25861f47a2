// Tunnels of SOCKS5 through danted and microsocks, with stunnel4's TLS in front of one, and all of them in one road.

import { expect } from 'chai';
import type { ProxyEndpoint } from '../../lib/options.ts';
import { carries, farEnds } from '../support/carrying.ts';
import { feeds } from '../support/feeds.ts';
import { type Peer, refusing } from '../support/peers.ts';
import { type Real, real, titled } from '../support/real.ts';
import { danted, microsocks, squid, stunnel, tinyproxy, USER } from '../support/real-proxies.ts';
import { rejects } from '../support/rejects.ts';

const KNOWN = `${USER.username}:${USER.password}`;

function socks(of: Real, user = ''): string {
  return `socks5://${user && `${user}@`}127.0.0.1:${of.port('proxy')}`;
}

describe(titled('danted', 'tunnels through danted'), () => {
  const kit = feeds();
  const { open } = kit;
  const ends = farEnds();
  const free = real('danted', (place) => danted(place, [9]));
  const asking = real('danted', (place) => danted(place, [], true));

  describe('carry', () => carries(kit, ends, () => socks(free())));

  it('are refused where it is not allowed, and where nobody is (RFC 1928 §6)', async () => {
    const nobody = await kit.keep(refusing());
    for (const [port, reason] of [
      [9, 'not-allowed'],
      [nobody.port, 'connection-refused'],
    ] as const) {
      const connection = open(`http://127.0.0.1:${port}`, { proxy: socks(free()), retry: 0 });
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
      expect(error).to.include({ hop: socks(free()), reason });
    }
  });

  it('are for those only whom it knows (RFC 1929 §2)', async () => {
    for (const user of ['', `nobody:${USER.password}`]) {
      const connection = open(ends().http.url, { proxy: socks(asking(), user), retry: 0 });
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
      expect(error).to.include({ hop: socks(asking()) });
    }
  });
});

describe(titled('microsocks', 'tunnels through microsocks'), () => {
  const kit = feeds();
  const { open } = kit;
  const ends = farEnds();
  const free = real('microsocks', (place) => microsocks(place));
  const asking = real('microsocks', (place) => microsocks(place, true));

  describe('carry', () => carries(kit, ends, () => socks(free())));
  describe('carry, for one who is known,', () => carries(kit, ends, () => socks(asking(), KNOWN)));

  it('are for those only whom it knows (RFC 1929 §2)', async () => {
    for (const user of ['', 'aladdin:open']) {
      const connection = open(ends().http.url, { proxy: socks(asking(), user), retry: 0 });
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
      expect(error).to.include({ hop: socks(asking()) });
    }
  });

  it('are refused where nobody is, and made to a name that it resolves (RFC 1928 §5)', async () => {
    const nobody = await kit.keep(refusing());
    const connection = open(`http://127.0.0.1:${nobody.port}`, { proxy: socks(free()), retry: 0 });
    const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
    expect(error).to.include({ hop: socks(free()), reason: 'connection-refused' });
    const named = open(`http://localhost:${ends().http.port}`, { proxy: socks(free()) });
    expect(await named.get('/named').text()).to.equal('hello /named');
  });

  it('are given with protocols as well, as Gun has it', async () => {
    const { port } = ends().https;
    const connection = open(
      { host: '127.0.0.1', port: asking().port('proxy') },
      {
        protocols: [
          {
            ...{ name: 'socks', auth: USER, host: 'localhost', port, transport: 'tls' },
            tls: { ca: ends().https.ca },
          },
        ],
      },
    );
    expect(await connection.awaitUp()).to.include({ protocol: 'socks' });
    expect(await connection.get('/gun').text()).to.equal('hello /gun');
  });

  describe(titled('stunnel4', "with stunnel4's TLS in front of it"), () => {
    const tls = real('stunnel4', (place) => stunnel(place, [asking().port('proxy')]));
    const secure = (user: string): ProxyEndpoint => ({
      url: `socks5://${user}localhost:${tls().port(String(asking().port('proxy')))}`,
      tls: { ca: tls().ca },
    });
    describe('carry', () => carries(kit, ends, () => secure(`${KNOWN}@`)));

    it('are for those only whom it knows', async () => {
      const connection = open(ends().http.url, { proxy: secure(''), retry: 0 });
      await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
    });
  });

  describe(titled('squid', 'with tinyproxy and squid behind it'), () => {
    let nobody: Peer;
    before(async () => {
      nobody = await refusing();
    });
    const last = real('squid', (place) => squid(place, [...ends().ports, nobody.port]));
    const middle = real('tinyproxy', (place) => tinyproxy(place, [last().port('auth')]));
    const road = (): string[] => [
      socks(free()),
      middle().plain('proxy'),
      last().plain('auth').replace('://', `://${KNOWN}@`),
    ];
    describe('carry', () => carries(kit, ends, road));

    it('name the proxy that refused, wherever it stands', async () => {
      const connection = open(`http://127.0.0.1:${nobody.port}`, { proxy: road(), retry: 0 });
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
      expect(error).to.include({ status: 503, hop: last().plain('auth') });
    });
  });
});
