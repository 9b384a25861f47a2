// Tunnels of HTTP through squid, tinyproxy and nghttpx, and with stunnel4's TLS in front of them.

import { expect } from 'chai';
import { carries, farEnds } from '../support/carrying.ts';
import { feeds } from '../support/feeds.ts';
import { type Peer, refusing } from '../support/peers.ts';
import { type Real, real, titled } from '../support/real.ts';
import { nghttpx, squid, stunnel, tinyproxy, USER } from '../support/real-proxies.ts';
import { rejects } from '../support/rejects.ts';

/** With the user's name and password. */
function known(url: string): string {
  return url.replace('://', `://${USER.username}:${USER.password}@`);
}

describe(titled('squid', 'tunnels through squid'), () => {
  const kit = feeds();
  const { open } = kit;
  const ends = farEnds();
  let nobody: Peer;
  before(async () => {
    nobody = await refusing();
  });
  const proxy = real('squid', (place) => squid(place, [...ends().ports, nobody.port]));

  describe('carry', () => carries(kit, ends, () => proxy().plain('open')));
  describe('carry, for one who is known,', () => carries(kit, ends, () => known(proxy().plain('auth')), 5));

  it('are refused with 407 to strangers, who hear it with the name of the proxy', async () => {
    const bad = proxy().plain('auth').replace('://', '://aladdin:open@');
    for (const one of [proxy().plain('auth'), bad]) {
      const connection = open(ends().http.url, { proxy: one, retry: 0 });
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
      expect(error).to.include({ status: 407, hop: proxy().plain('auth') });
      expect(error.headers?.['proxy-authenticate']).to.equal('Basic realm="gunport"');
      expect(Buffer.from(error.body ?? []).toString()).to.include('Squid');
    }
  });

  it('are refused with 403 to ports that it does not like, and 503 to where nobody is', async () => {
    for (const [to, status] of [
      [proxy().port('auth'), 403],
      [nobody.port, 503],
    ] as const) {
      const connection = open(`http://127.0.0.1:${to}`, { proxy: proxy().plain('open'), retry: 0 });
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
      expect(error).to.include({ status, hop: proxy().plain('open') });
    }
  });

  it('are made one by one as well: connect() after a refusal, on the same connection', async () => {
    const connection = open(proxy().plain('open'));
    const refused = connection.connect(`http://127.0.0.1:${proxy().port('auth')}`);
    expect(await refused.response()).to.include({ status: 403 });
    await refused.bytes();
    const tunnel = connection.connect(ends().https.url, { tls: { ca: ends().https.ca } });
    expect(await connection.get('/one', { tunnel }).text()).to.equal('hello /one');
    const other = open(proxy().plain('auth')).connect(ends().http.url, USER);
    expect(await other.response()).to.include({ status: 200 });
  });

  describe(titled('stunnel4', "with stunnel4's TLS in front of it"), () => {
    const tls = real('stunnel4', (place) => stunnel(place, [proxy().port('open')]));
    describe('carry', () =>
      carries(kit, ends, () => ({
        url: tls().secure(String(proxy().port('open'))),
        tls: { ca: tls().ca },
      })));
  });
});

describe(titled('tinyproxy', 'tunnels through tinyproxy'), () => {
  const kit = feeds();
  const { open } = kit;
  const ends = farEnds();
  const free = real('tinyproxy', (place) => tinyproxy(place, ends().ports));
  const asking = real('tinyproxy', (place) => tinyproxy(place, ends().ports, true));

  describe('carry', () => carries(kit, ends, () => free().plain('proxy')));
  describe('carry, for one who is known,', () => carries(kit, ends, () => known(asking().plain('proxy')), 5));

  it('are refused with 407 to strangers', async () => {
    const connection = open(ends().http.url, { proxy: asking().plain('proxy'), retry: 0 });
    const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
    expect(error).to.include({ status: 407, hop: asking().plain('proxy') });
  });

  it('are refused with 403 to ports that it does not like', async () => {
    const connection = open('http://127.0.0.1:9', { proxy: free().plain('proxy'), retry: 0 });
    expect(await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY')).to.include({ status: 403 });
  });

  describe(titled('nghttpx', 'with nghttpx, which speaks HTTP/2, in front of it'), () => {
    const front = real('nghttpx', (place) => nghttpx(place, free().port('proxy')));
    const asked = real('nghttpx', (place) => nghttpx(place, asking().port('proxy')));
    const h2 = ({ ca }: Real) => ({ tls: { ca }, protocols: ['http2' as const] });

    describe('carry, over TLS,', () =>
      carries(kit, ends, () => ({ url: front().secure('h2'), ...h2(front()) })));
    describe('carry, with prior knowledge,', () =>
      carries(kit, ends, () => ({ url: front().plain('h2c'), protocols: ['http2'] })));
    describe('carry, for one who is known,', () =>
      carries(kit, ends, () => ({ url: known(asked().secure('h2')), ...h2(asked()) }), 5));

    it('are refused with 407 to strangers, and 403 to ports that it does not like', async () => {
      const proxy = { url: asked().secure('h2'), ...h2(asked()) };
      const stranger = open(ends().http.url, { proxy, retry: 0 });
      const error = await rejects(stranger.awaitUp(), 'ERR_GUNPORT_PROXY');
      expect(error).to.include({ status: 407, hop: asked().secure('h2') });
      const elsewhere = open('http://127.0.0.1:9', {
        proxy: { url: front().secure('h2'), ...h2(front()) },
        retry: 0,
      });
      expect(await rejects(elsewhere.awaitUp(), 'ERR_GUNPORT_PROXY')).to.include({ status: 403 });
    });

    it('stand side by side on one connection, one refused among them (RFC 9113 §8.5)', async () => {
      const { http, https, h2: two } = ends();
      const connection = open(front().secure('h2'), h2(front()));
      const tls = { ca: https.ca };
      const tunnels = [
        connection.connect(http.url),
        connection.connect('http://127.0.0.1:9'),
        connection.connect(https.url, { tls, protocols: ['http'] }),
        connection.connect(two.url, { tls }),
      ] as const;
      expect(await tunnels[1].response()).to.include({ status: 403 });
      const texts = [0, 2, 3].map((i) => connection.get(`/${i}`, { tunnel: tunnels[i] }).text());
      expect(await Promise.all(texts)).to.deep.equal(['hello /0', 'hello /2', 'hello /3']);
    });
  });

  describe(titled('stunnel4', "with stunnel4's TLS in front of it"), () => {
    const tls = real('stunnel4', (place) => stunnel(place, [free().port('proxy'), asking().port('proxy')]));
    const secure = (of: Real) => ({
      url: tls().secure(String(of.port('proxy'))),
      tls: { ca: tls().ca },
    });

    describe('carry', () => carries(kit, ends, () => secure(free())));
    describe('carry, for one who is known,', () =>
      carries(kit, ends, () => ({ ...secure(asking()), url: known(secure(asking()).url) }), 5));

    it('are refused with 407 to strangers', async () => {
      const proxy = secure(asking());
      const connection = open(ends().http.url, { proxy, retry: 0 });
      const error = await rejects(connection.awaitUp(), 'ERR_GUNPORT_PROXY');
      expect(error).to.include({ status: 407, hop: proxy.url });
    });

    it('have a proxy whose certificate nobody has vouched for: no tunnel (RFC 9110 §4.3.4)', async () => {
      const { url } = secure(free());
      const connection = open(ends().http.url, { proxy: url, retry: 0 });
      expect(await rejects(connection.awaitUp(), 'ERR_GUNPORT_TLS')).to.include({ hop: url });
    });
  });
});
