// connecting.test — connections that do not come about: each attempt ends at its deadline, the policy of retries decides
// how many there are, and a server that is not who it should be hears nothing that was meant for another.

import type * as tls from 'node:tls';
import { expect } from 'chai';
import type { Code, GunportError, OpenOptions, RetryInfo } from '../../lib/index.ts';
import { certificates } from '../support/certificates.ts';
import { downOf } from '../support/downs.ts';
import { fullBacklog } from '../support/failures.ts';
import { feeds } from '../support/feeds.ts';
import { halfAnswer, type Peer, peer, refusing, silent } from '../support/peers.ts';
import { rejects } from '../support/rejects.ts';

describe('a connection to nobody', () => {
  const { connect, open, pool } = feeds();
  const SOON = 60;

  for (const [whom, culprit, code] of [
    ['a port that refuses', () => refusing(), 'ERR_GUNPORT_CONNECT'],
    ['a host that does not answer', fullBacklog, 'ERR_GUNPORT_CONNECT_TIMEOUT'],
  ] as const) {
    it(`at ${whom} makes as many attempts as retry says, ends each in connectTimeout, and leaves no slot`, async () => {
      const nobody = await culprit();
      const failures: RetryInfo[] = [];
      // Asked before each further attempt; it says what the policy would.
      const retryFun = (left: number, failure: RetryInfo) => {
        failures.push(failure);
        return { retries: left - 1, timeout: 1 };
      };
      const began = performance.now();
      const options = { connectTimeout: SOON, retry: 3, retryFun };
      const error = await rejects(connect(nobody.url, options), code);
      expect(error.phase).to.equal('connect');
      expect(failures).to.have.lengthOf(3);
      for (const failure of failures) expect(failure.error.code).to.equal(code);
      const attempts = failures.length + 1;
      if (code === 'ERR_GUNPORT_CONNECT_TIMEOUT') {
        expect(performance.now() - began).to.be.within(attempts * (SOON - 5), 4_000);
      }
      const reason = await downOf(open(nobody.url, { connectTimeout: SOON, retry: 0 }));
      expect(reason).to.include({ kind: 'gave-up' });
      expect(reason.cause).to.include({ code, phase: 'connect' });
      while (pool.info().connections > 0) await new Promise((resolve) => setImmediate(resolve));
      await nobody.close();
    });
  }
});

describe('a server that is not who it should be', () => {
  const { connect, open, keep } = feeds();

  for (const which of ['wrongHost', 'expired', 'selfSigned'] as const) {
    it(`by its certificate (${which}) hears no byte of HTTP, and is not asked again, whatever retry says`, async () => {
      let bytes = 0;
      const { ca, [which]: secure } = await certificates();
      const server = await keep(
        // What comes out of TLS, from a client that has seen the certificate.
        peer((socket) => (socket as tls.TLSSocket).on('data', (chunk: Buffer) => (bytes += chunk.length)), {
          secure,
        }),
      );
      const options: OpenOptions = { tls: { ca }, retry: 5, retryTimeout: 1 };
      const error = await rejects(connect(server.url, options), 'ERR_GUNPORT_TLS');
      expect(error.phase).to.equal('tls');
      for (const protocols of [['http'], ['http2'], ['http2', 'http']] as const) {
        const connection = open(server.url.replace('ws', 'http'), { ...options, protocols: [...protocols] });
        const stream = connection.get('/secret', { headers: { authorization: 'mine' } });
        await rejects(connection.await(stream), 'ERR_GUNPORT_TLS');
        const reason = await downOf(connection);
        expect(reason.kind).to.equal('gave-up');
        expect(reason.cause).to.include({ code: 'ERR_GUNPORT_TLS', phase: 'tls' });
      }
      expect(server.taken).to.equal(4);
      expect(bytes).to.equal(0);
    });
  }
});

describe('a server that accepts and says nothing', () => {
  const { open, keep } = feeds();
  const SOON = 60;

  const SILENCES: readonly {
    what: string;
    code: Code;
    server: () => Promise<Peer>;
    options: OpenOptions;
    url?: (url: string) => string;
  }[] = [
    {
      what: 'where TLS should begin',
      code: 'ERR_GUNPORT_TLS_TIMEOUT',
      server: () => peer(silent, { scheme: 'wss' }),
      options: { tlsTimeout: SOON },
    },
    {
      what: 'after half a line of its answer to an upgrade',
      code: 'ERR_GUNPORT_UPGRADE_TIMEOUT',
      server: () => peer(halfAnswer),
      options: { upgradeTimeout: SOON },
    },
    {
      what: 'where its SETTINGS should come (RFC 9113 §3.4)',
      code: 'ERR_GUNPORT_SETTINGS_TIMEOUT',
      server: () => peer(silent),
      options: { settingsTimeout: SOON, protocols: ['http2'] },
      url: (url) => url.replace('ws', 'http'),
    },
  ];

  for (const { what, code, server, options, url = (same: string) => same } of SILENCES) {
    it(`${what} is left at its deadline with ${code}; who waits is told, a monitor by one Down`, async () => {
      const mute = await keep(server());
      const connection = open(url(mute.url), { ...options, retry: 0 });
      const began = performance.now();
      const waits = [connection.awaitUp()];
      const asked = options.protocols ? connection.get('/') : connection.wsUpgrade('/');
      const ends = connection.await(asked).then(
        () => undefined,
        (error: GunportError) => error.code,
      );
      const down = downOf(connection);
      // Before an upgrade it is up, as HTTP.
      if (code === 'ERR_GUNPORT_UPGRADE_TIMEOUT') await Promise.all(waits);
      else for (const wait of waits) await rejects(wait, code);
      expect(await ends).to.equal(code);
      expect(await down).to.include({ kind: 'gave-up' });
      expect((await down).cause).to.include({ code });
      expect(performance.now() - began).to.be.within(SOON - 5, 4_000);
      while (mute.open > 0) await new Promise((resolve) => setImmediate(resolve));
    });
  }
});
