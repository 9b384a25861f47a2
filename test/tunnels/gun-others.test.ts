// Twins of gun_SUITE and ping_SUITE that go through tunnels: the alert of TLS 1.3 behind the handshake, and pings.

import { expect } from 'chai';
import { type Connection, OptionError } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { feeds } from '../support/feeds.ts';
import { peer } from '../support/peers.ts';
import { proxyOf } from '../support/proxies.ts';
import { sessions } from '../support/sessions.ts';
import { errorOf } from '../support/stage.ts';
import type { OriginKind } from '../support/tunnel-names.ts';
import { expectTunnelUp, type Place, walk } from '../support/tunnels.ts';

/** An error and all its causes, in words. */
function chain(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { code } = error as { code?: unknown };
  return `${String(code)} ${error.message} < ${chain(error.cause)}`;
}

describe('the alert that a server sends behind its handshake, in a tunnel,', () => {
  const { open, keep } = feeds();
  // The one whose name OpenSSL 3 has for RFC 8446 §6.2 alert 116.
  const ALERT = /certificate.required/i;

  /** A server that refuses whoever has no certificate, once the handshake is over. */
  const refusing = async (kind: OriginKind): Promise<Place> => {
    const { localhost, ca } = await certificates();
    const secure = {
      ...localhost,
      ca,
      ALPNProtocols: [kind === 'h2' ? 'h2' : 'http/1.1'],
      requestCert: true,
      rejectUnauthorized: true,
    };
    const server = await keep(peer((socket) => socket.resume(), { secure }));
    return { kind, host: 'localhost', port: server.port, ca };
  };

  /** What each of those that were under way ended with. A server that goes with bytes unread says RST behind its alert, and
   *  where the proxy has not read that by then the kernel drops it: then it is asked again. */
  const toldAlert = async (
    proxy: Place,
    server: Place,
  ): Promise<{ connection: Connection; errors: string[] }> => {
    for (let tries = 1; ; tries++) {
      const { connection, tunnels } = walk(open, [proxy, server]);
      const tunnel = tunnels[0]!;
      const request = connection.get('/', { tunnel });
      const upload = connection.post('/', { tunnel });
      const ends = [errorOf(request.response()), errorOf(upload.response()), errorOf(endOf(tunnel))];
      const bytes = new Uint8Array(10_000);
      const thrown: unknown[] = [];
      try {
        for (let i = 0; i < 100; i++) upload.data(i === 99 ? 'fin' : 'nofin', bytes);
        await upload.drained();
      } catch (error) {
        thrown.push(error);
      }
      const errors = [...thrown, ...(await Promise.all(ends))].map(chain);
      if (tries === 5 || errors.some((error) => ALERT.test(error))) return { connection, errors };
    }
  };

  for (const via of ['http', 'https', 'h2c', 'h2'] as const) {
    for (const [name, to] of [
      ['http1', 'https'],
      ['http2', 'h2'],
    ] as const) {
      it(`ends requests and uploads through ${via} to ${to}, and says so (gun_SUITE tls13_post_handshake_alert_${name}_via_${via})`, async () => {
        const proxy = await keep(proxyOf(via));
        const server = await refusing(to);
        const { connection, errors } = await toldAlert(proxy, server);
        for (const error of errors) expect(error).to.match(ALERT);
        await expectRest(connection, via);
      });
    }
  }

  /** A tunnel's notices, to its end. */
  async function endOf(tunnel: { bytes(): Promise<unknown> }): Promise<unknown> {
    return tunnel.bytes();
  }

  /** The connection to the proxy of HTTP/2 goes on; on HTTP/1.1 the tunnel was all of it. */
  async function expectRest(connection: Connection, via: string): Promise<void> {
    if (via === 'h2' || via === 'h2c') {
      expect(await connection.get('/itself').text()).to.equal('the proxy itself: /itself');
      return;
    }
    const down = await connection.monitor().down;
    expect(down?.reason.kind).to.equal('gave-up');
    expect(chain(down?.reason.cause)).to.match(ALERT);
  }
});

describe('ping() through a tunnel', () => {
  const { open, keep } = feeds();
  for (const via of ['http', 'https', 'h2c', 'h2'] as const) {
    it(`through ${via} is answered by the far end (ping_SUITE h2c_user_ping_via_${via})`, async () => {
      const proxy = await keep(proxyOf(via));
      const server = await keep(sessions());
      const place = { kind: 'h2c' as const, host: '127.0.0.1', port: server.port, ca: proxy.ca };
      const { connection, tunnels } = walk(open, [proxy, place]);
      const tunnel = tunnels[0]!;
      await expectTunnelUp(connection, tunnel, [place]);
      let pings = 0;
      server.all[0]!.on('ping', () => pings++);
      expect(await connection.ping({ tunnel })).to.be.above(0);
      expect(pings).to.equal(1);
    });
  }
});

describe('connect()', () => {
  const { open, keep } = feeds();

  it('throws in its caller for a header value with a line break, up or not (gun_SUITE invalid_request_headers_raise_connect)', async () => {
    const proxy = await keep(proxyOf('http'));
    const connection = open(proxy.url);
    const connect = () =>
      connection.connect({ host: 'gun.example', port: 80 }, { headers: { 'x-a': 'b\r\nx-c: d' } });
    expect(connect).to.throw(OptionError, 'x-a');
    await connection.awaitUp();
    expect(connect).to.throw(OptionError, 'x-a');
    expect(await connection.get('/itself').text()).to.equal('the proxy itself: /itself');
    expect(proxy.asked).to.deep.equal([]);
  });
});
