// Twins of gun_SUITE about TLS: names, and the alert that comes behind the handshake.

import * as tls from 'node:tls';
import { expect } from 'chai';
import type { Connection } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { feeds } from '../support/feeds.ts';
import { peer } from '../support/peers.ts';

/** An error and all its causes, in words. */
function chain(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { code } = error as { code?: unknown };
  return `${String(code)} ${error.message} < ${chain(error.cause)}`;
}

describe('TLS', () => {
  const { open, keep } = feeds();

  describe('names the server', () => {
    /** The server name that the client asked for. */
    const asked = async (host: string, servername?: string): Promise<string | false> => {
      const { ca, localhost } = await certificates();
      let named: (name: string | false) => void = () => {};
      const name = new Promise<string | false>((resolve) => (named = resolve));
      const server = await keep(
        peer(
          (socket) =>
            socket instanceof tls.TLSSocket && named((socket as { servername?: string }).servername ?? false),
          {
            secure: { ...localhost, ALPNProtocols: ['http/1.1'] },
          },
        ),
      );
      open(
        { host, port: server.port, transport: 'tls' },
        { tls: { ca, ...(servername !== undefined && { servername, rejectUnauthorized: false }) }, retry: 0 },
      );
      return name;
    };

    it('by its host (gun_SUITE server_name_indication_default)', async () => {
      expect(await asked('localhost')).to.equal('localhost');
    });

    it('as it is told to (gun_SUITE server_name_indication_custom)', async () => {
      expect(await asked('localhost', 'gun.example')).to.equal('gun.example');
    });

    it('not by an address: those are no names (RFC 6066 §3)', async () => {
      expect(await asked('127.0.0.1')).to.equal(false);
    });
  });

  describe('refused behind its handshake, for want of a client certificate, says so and not "closed"', () => {
    // The one whose name OpenSSL 3 has for RFC 8446 §6.2 alert 116.
    const ALERT = /certificate.required/i;

    const refusing = async (protocol: 'h2' | 'http/1.1') => {
      const { localhost, ca } = await certificates();
      const secure = {
        ...localhost,
        ca,
        ALPNProtocols: [protocol],
        requestCert: true,
        rejectUnauthorized: true,
      };
      const server = await keep(peer((socket) => socket.resume(), { secure }));
      return { url: server.url.replace(/^ws/, 'http'), options: { tls: { ca }, retry: 0 } };
    };
    const endsWithAlert = async (connection: Connection): Promise<void> => {
      const down = await connection.monitor().down;
      expect(down?.reason.kind).to.equal('gave-up');
      expect(chain(down?.reason.cause)).to.match(ALERT);
    };

    it('to awaitUp or the request, on HTTP/1 (gun_SUITE tls13_post_handshake_alert_http1)', async () => {
      const { url, options } = await refusing('http/1.1');
      const connection = open(url, options);
      const stream = connection.get('/');
      const [up, error] = await Promise.all([
        connection.awaitUp().catch((error: unknown) => error),
        stream.response().catch((error: unknown) => error),
        endsWithAlert(connection),
      ]);
      expect(chain(error)).to.match(ALERT);
      if (up instanceof Error) expect(chain(up)).to.match(ALERT);
    });

    const uploading = async (protocol: 'h2' | 'http/1.1'): Promise<void> => {
      const { url, options } = await refusing(protocol);
      const connection = open(url, options);
      const stream = connection.post('/');
      const response = stream.response().catch((error: unknown) => error);
      const part = new Uint8Array(10_000);
      try {
        for (let i = 0; i < 100; i++) stream.data(i === 99 ? 'fin' : 'nofin', part);
        await stream.drained();
      } catch (error) {
        expect(chain(error)).to.match(ALERT);
      }
      expect(chain(await response)).to.match(ALERT);
      await endsWithAlert(connection);
    };

    it('also in the midst of an upload (gun_SUITE tls13_post_handshake_alert_http1)', () =>
      uploading('http/1.1'));

    it('and on HTTP/2 in the midst of one (gun_SUITE tls13_post_handshake_alert_http2)', () =>
      uploading('h2'));

    it('to awaitUp or the request, on HTTP/2 (gun_SUITE tls13_post_handshake_alert_http2)', async () => {
      const { url, options } = await refusing('h2');
      const connection = open(url, options);
      const stream = connection.get('/');
      const [up, error] = await Promise.all([
        connection.awaitUp().catch((error: unknown) => error),
        stream.response().catch((error: unknown) => error),
        endsWithAlert(connection),
      ]);
      expect(chain(error)).to.match(ALERT);
      if (up instanceof Error) expect(chain(up)).to.match(ALERT);
    });
  });
});
